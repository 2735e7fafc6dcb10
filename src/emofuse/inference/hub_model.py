"""Classifiers of images, sounds and texts of Hugging Face's Hub, through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.assets import prepare_hub
from emofuse.errors import AssetError, BundleError, UsageError
from emofuse.inference.own_model import HUB, RATE_HZ, OwnModality, OwnModel
from emofuse.media import resample
from emofuse.reading import file_hash, first_line

INSTALL: Final = "pip install 'emofuse[text]'"
TASKS: Final[Mapping[OwnModality, str]] = {
    "face": "image-classification",
    "voice": "audio-classification",
    "text": "text-classification",
}
_HEADS: Final = ("ForImageClassification", "ForAudioClassification", "ForSequenceClassification")
_MAPPINGS: Final[Mapping[OwnModality, str]] = {
    "face": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "voice": "MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES",
    "text": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
}
_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
_MOST_TOKENS: Final = 128
_LEAST_S: Final = 0.5  # of sound: what is shorter gets silence after it


class HubModel(OwnModel):
    """A classifier of the Hub, or a folder of one: "hub:superb/wav2vec2-base-superb-er", "hub:./my-model"."""

    def __init__(
        self,
        model: str,
        modality: OwnModality | None = None,
        label_map: Mapping[str, str] | None = None,
        device: str = "cpu",
    ) -> None:
        """modality: None for what the model is made for.

        Raises:
            UsageError: transformers is not installed.
            AssetError: There is no such model, or it cannot be had.
            BundleError: It is not a classifier, or one of something else.
        """
        kind = kind_of(model)
        if modality is not None and kind != modality:
            what = f"{model} is a model of {kind} ({TASKS[kind]}), not of {modality}"
            raise BundleError(what, f"give one for {TASKS[modality]}")
        self.modality, self.name, self.source = kind, model, f"{HUB}{model}"
        self._pipeline = open_pipeline(TASKS[kind], model, device)
        network = self._pipeline.model
        config = network.config
        self.names = tuple(str(config.id2label[i]) for i in range(config.num_labels))
        self._order = {name: i for i, name in enumerate(self.names)}
        self._is_multi_label = config.problem_type == "multi_label_classification"
        self.label_map = dict(label_map or {})
        self.sha256 = weights_hash(model)
        self.n_parameters = sum(one.numel() for one in network.parameters())
        self.licence = "as stated on its page of the Hugging Face Hub"

    def logits(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """See OwnModel."""
        found = np.stack([self._one(one) for one in inputs])
        # of labels that do not exclude one another each has a probability of its own
        return -np.log1p(np.exp(-found)) if self._is_multi_label else found

    def _one(self, given: Any) -> NDArray[np.float32]:
        try:
            answers = self._pipeline(self._as_wanted(given), **self._options)
        except Exception as error:  # noqa: BLE001 (of several libraries, without a common base)
            raise BundleError(f"the model {self.name!r} could not score its input: {first_line(error)}") from None
        row = np.zeros(len(self.names), np.float32)
        for answer in answers:
            row[self._order[answer["label"]]] = answer["score"]
        return row

    def _as_wanted(self, given: Any) -> Any:
        if self.modality == "face":
            from PIL import Image

            return Image.fromarray(given)
        if self.modality == "text":
            return given
        rate_hz = int(self._pipeline.feature_extractor.sampling_rate)
        samples = np.pad(given, (0, max(0, round(_LEAST_S * RATE_HZ) - len(given))))
        return {"raw": resample(samples, RATE_HZ, rate_hz), "sampling_rate": rate_hz}

    @property
    def _options(self) -> dict[str, Any]:
        wanted: dict[str, Any] = {"top_k": len(self.names), "function_to_apply": "none"}
        if self.modality != "text":
            return wanted
        config = self._pipeline.model.config
        room = getattr(config, "max_position_embeddings", _MOST_TOKENS + 2) - 2  # RoBERTa's count from 2
        n_tokens = min(_MOST_TOKENS, self._pipeline.tokenizer.model_max_length, room)
        return {**wanted, "top_k": None, "truncation": True, "max_length": n_tokens}


@cache
def load_hub_model(
    model: str, modality: OwnModality | None, label_map: tuple[tuple[str, str], ...], device: str
) -> HubModel:
    """Load a model, or return the one that was loaded before: they are large."""
    return HubModel(model, modality, dict(label_map), device)


def kind_of(model: str) -> OwnModality:
    """Return what a model of the Hub classifies.

    Raises:
        UsageError: transformers is not installed.
        AssetError: There is no such model, or it cannot be had.
        BundleError: It is not a classifier of images, sounds or texts.
    """
    local_files_only = prepare_hub()
    try:
        from transformers import AutoConfig
        from transformers.models.auto import modeling_auto
    except ImportError:
        raise UsageError("models of the Hub need transformers", INSTALL) from None
    try:
        config = AutoConfig.from_pretrained(model, trust_remote_code=False, local_files_only=local_files_only)
    except Exception as error:  # noqa: BLE001 (of several libraries, without a common base)
        raise _cannot(model, error, local_files_only) from None
    known: dict[OwnModality, Any] = {kind: getattr(modeling_auto, table) for kind, table in _MAPPINGS.items()}
    made = [str(one) for one in config.architectures or ()]
    for kind, table in known.items():
        if any(one.endswith(_HEADS) for one in made) and config.model_type in table:
            return kind
    hint = f"give one that was made for {', '.join(TASKS.values())}"
    raise BundleError(f"{model} is not a classifier, but {', '.join(made) or config.model_type}", hint)


def open_pipeline(task: str, model: str, device: str) -> Any:
    """Return the pipeline of transformers for a model.

    Raises:
        UsageError: transformers is not installed.
        AssetError: The model cannot be loaded.
    """
    local_files_only = prepare_hub()  # which the libraries keep to: releases take it from here by different names
    try:
        from transformers import pipeline
    except ImportError:
        raise UsageError("models of the Hub need transformers", INSTALL) from None
    try:
        return pipeline(
            task,
            model=model,
            device=device,
            trust_remote_code=False,  # nor is the user asked whether a model's own code may run
        )
    except Exception as error:  # noqa: BLE001 (of several libraries, without a common base)
        raise _cannot(model, error, local_files_only, task) from None


def _cannot(model: str, error: Exception, local_files_only: bool, task: str = "") -> AssetError:
    hint = f"give a model for {task or ', '.join(TASKS.values())}, or the folder of one"
    if local_files_only:
        hint = f"EMOFUSE_OFFLINE forbids the download; {hint}"
    return AssetError(f"the model {model!r} cannot be loaded: {first_line(error)}", hint)


def weights_hash(model: str) -> str | None:
    """Return the SHA-256 of the weights of a model that has been loaded, None where they are in several files."""
    for name in _WEIGHTS:
        try:
            from transformers.utils import cached_file

            return file_hash(Path(cached_file(model, name, local_files_only=True)))
        except Exception:  # noqa: BLE001 (whatever a library says that has no such file)
            continue
    return None
