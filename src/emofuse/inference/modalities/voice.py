"""The voice: from samples to scores for a window of sound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import BundleError
from emofuse.inference.bundle import Bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.own_model import OwnModel
from emofuse.inference.vad import SpeechDetector
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.preprocessing.measures import measure_voice
from emofuse.types import Scores

LEAST_SHARE = 0.5  # of a window that must have been heard: a network is trained on whole utterances
LEAST_VOICED_S = 0.2  # of speech in a window; less is "no speech"
FULL_VOICED_S = 1.0  # as much speech, and nothing is missing from the quality


class VoicePredictor:
    """Scores a window of sound as the network's training had it: silence after what is shorter than the window that
    its card names.

    speech: tells whether somebody speaks in it; it hears the stream elsewhere. log: takes the embedding of each, where
    somebody wants them.
    """

    log: EmbeddingLog | None = None

    def __init__(self, bundle: Bundle, speech: SpeechDetector) -> None:
        settings = bundle.manifest.modalities["voice"]
        own = bundle.own.get("voice")
        network: OnnxNetwork | OwnModel = bundle.networks["voice"] if own is None else own
        spec = network.card.input
        if spec.rate_hz != RATE_HZ or spec.window_s is None:
            raise BundleError(f"{settings.file} wants {spec.rate_hz} Hz sound in a stated window, not {RATE_HZ}")
        self.window_s = spec.window_s
        self.least_s = LEAST_SHARE * spec.window_s
        self._speech = speech
        self._model = CalibratedClassifier(network, bundle.labels, settings, bundle.head is not None)

    def is_enough(self, samples: NDArray[np.float32]) -> bool:
        """Whether (T,) samples at 16 kHz are half a window or more."""
        return len(samples) >= round(self.least_s * RATE_HZ)

    def score(self, samples: NDArray[np.float32], end_s: float) -> Scores | None:
        """Score (T,) samples at 16 kHz, a window or less, that end at `end_s`; None when nobody speaks in them.

        Of a stream that goes on, only what `is_enough` should be scored; of one that is over, all there is.
        """
        voiced = self._speech.spoken_s(samples, end_s)
        if voiced < LEAST_VOICED_S:
            return None
        start_s = end_s - len(samples) / RATE_HZ
        network = self._model.network
        padded = np.pad(samples, (0, max(0, round(self.window_s * RATE_HZ) - len(samples))))
        # what is missing is not silence to a model of one's own, which fills it up as its training did
        logits, embedded = self._model.run((samples if isinstance(network, OwnModel) else padded)[None])
        if self.log is not None:
            self.log.add("voice", network, (padded[None],), start_s, end_s)
        probabilities, covered = self._model.calibrate(logits)
        quality = min(1.0, voiced / FULL_VOICED_S) * float(covered[0])
        measures = {**measure_voice(samples, voiced), "energy": float(self._model.energy(logits)[0])}
        return Scores(
            "voice",
            self._model.labels,
            probabilities[0],
            start_s,
            end_s,
            min(1.0, quality),
            measures,
            embedding=None if embedded is None else embedded[0],
        )
