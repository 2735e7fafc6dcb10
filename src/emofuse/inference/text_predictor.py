"""From what was said to calibrated scores over a bundle's labels."""

from __future__ import annotations

from emofuse.features.text import encode, has_words
from emofuse.inference.bundle import Bundle
from emofuse.inference.predictors import Calibrated
from emofuse.types import Scores


class TextPredictor:
    """Scores a sentence or two."""

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.manifest.modalities["text"]
        self._model = Calibrated(bundle.networks["text"], bundle.labels, settings)

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        """Score what was said from start_s to end_s; None where there is no letter or figure in it."""
        if not has_words(text):
            return None
        probabilities, covered = self._model.score(encode(text)[None])
        return Scores("text", self._model.labels, probabilities[0], start_s, end_s, min(1.0, float(covered[0])))
