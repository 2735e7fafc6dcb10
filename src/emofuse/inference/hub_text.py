"""Text scored by any sequence classifier of Hugging Face's Hub, through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import BundleError, UsageError
from emofuse.inference.hub_model import TASKS, open_pipeline, weights_hash
from emofuse.inference.network import softmax
from emofuse.inference.own_model import label_matrix
from emofuse.preprocessing.tokens import has_words
from emofuse.provenance import ModelFile
from emofuse.reading import first_line
from emofuse.types import Scores

MOST_TOKENS: Final = 128  # of a piece of at most 25 words; what is longer is cut off
_FLOOR: Final = np.float32(1e-6)  # all the mass may lie on a label that has no counterpart


class HubTextPredictor:
    """Scores what was said with a model such as `j-hartmann/emotion-english-distilroberta-base`, or a folder of one.

    labels: what the bundle answers with; names: the model's labels in their order, where its own say nothing
    (LABEL_0, ...); afterwards `names` holds those that are used. notes: its labels that mean none of ours, and are left
    out; where they are probable the quality is low. Raises UsageError where transformers is not installed, AssetError
    for a model that cannot be loaded, BundleError where none of its labels can be carried to `labels`.
    """

    def __init__(
        self,
        model: str | Path,
        labels: Sequence[str],
        *,
        names: Sequence[str] | None = None,
        temperature: float = 1.0,
        device: str = "cpu",
    ) -> None:
        self._pipeline = open_pipeline(TASKS["text"], str(model), device)
        config = self._pipeline.model.config
        own = [str(config.id2label[i]) for i in range(config.num_labels)]
        if names is not None and len(names) != len(own):
            raise UsageError(f"{model} has {len(own)} labels, not {len(names)}: {', '.join(own)}")
        self.labels = tuple(labels)
        self.names = tuple(names or own)
        self._order = {name: i for i, name in enumerate(own)}
        room = getattr(config, "max_position_embeddings", MOST_TOKENS + 2) - 2  # RoBERTa's count from 2
        self._n_tokens = min(MOST_TOKENS, self._pipeline.tokenizer.model_max_length, room)
        self._name = str(model)
        self.model_file = ModelFile("text", self._name, weights_hash(self._name))
        self._is_multi_label = config.problem_type == "multi_label_classification"
        self._temperature = temperature
        self._matrix, left_out = label_matrix(self.names, self.labels, str(model))
        self.notes = (f"labels of {model} that are left out: {', '.join(left_out)}",) if left_out else ()

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        """Score what was said from start_s to end_s; None where there is no letter or figure in it."""
        if not has_words(text):
            return None
        try:
            answers = self._pipeline(
                text, top_k=None, function_to_apply="none", truncation=True, max_length=self._n_tokens
            )
        except Exception as error:  # noqa: BLE001
            raise BundleError(f"the text model {self._name!r} could not score {text!r}: {first_line(error)}") from None
        logits = np.zeros((1, len(self._order)), np.float32)
        for answer in answers:
            logits[0, self._order[answer["label"]]] = answer["score"]
        own = self._probabilities(logits)
        mapped = own @ self._matrix
        quality = min(1.0, float(mapped.sum()))
        return Scores("text", self.labels, (mapped + _FLOOR) / (mapped + _FLOOR).sum(), start_s, end_s, quality)

    def _probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn (1, C) logits into (C,) probabilities; the labels of a multi-label model do not exclude one another."""
        if self._is_multi_label:
            return np.asarray(1 / (1 + np.exp(-logits[0] / self._temperature)), dtype=np.float32)
        return np.asarray(softmax(logits, self._temperature)[0])


class LazyHubTextModel:
    """A HubTextPredictor that is loaded when there is something to score, once in a process: they are large."""

    def __init__(self, model: str, labels: tuple[str, ...], temperature: float = 1.0, device: str = "cpu") -> None:
        self._arguments = (model, labels, temperature, device)
        self.model_file = ModelFile("text", model, None)

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        """Score as HubTextPredictor does, and raise what it raises."""
        loaded = load_hub_text(*self._arguments)
        self.model_file = loaded.model_file
        return loaded.score(text, start_s, end_s)


@cache
def load_hub_text(model: str, labels: tuple[str, ...], temperature: float, device: str) -> HubTextPredictor:
    """Load a model, or return the one that was loaded before."""
    return HubTextPredictor(model, labels, temperature=temperature, device=device)
