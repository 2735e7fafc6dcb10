"""The voice: from samples to scores for a window of sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import BundleError
from emofuse.inference.bundle import Bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.modalities.base import LITTLE_SOUND, NO_NETWORK, Modality, StreamContext, no_speech
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.own_model import OwnModel
from emofuse.inference.vad import SpeechDetector
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.preprocessing.measures import measure_voice
from emofuse.timeline import SourceInfo
from emofuse.types import Scores

LEAST_SHARE = 0.5  # of a window that must have been heard: a network is trained on whole utterances
LEAST_VOICED_S = 0.2  # of speech in a window; less is "no speech"
FULL_VOICED_S = 1.0  # as much speech, and nothing is missing from the quality


class VoicePredictor:
    """Scores a window of sound as the network's training had it: silence after what is shorter than the window that
    its card names.

    speech: tells whether somebody speaks in it; it is given the stream elsewhere. log: takes the embedding of each,
    where somebody wants them.
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


class VoiceModality(Modality):
    """The voice: a window of sound at every hop. It waits until it has heard enough; a stream that is over before that
    is scored for what it is."""

    name = "voice"
    is_always_listed = True
    uses_audio = True

    def __init__(self, context: StreamContext) -> None:
        super().__init__(context)
        self._predictor = VoicePredictor(context.bundle, context.speech)
        self._predictor.log = context.log
        self.window_s = self._predictor.window_s
        self._waits = True  # there was not enough sound at any hop
        self._latest: Scores | None = None

    def advance(self, time_s: float, *, is_end: bool) -> None:
        """Score the window that ends at a hop."""
        sound = self.context.sound
        if sound.is_empty:
            return
        samples = sound.window(time_s - self.window_s, time_s)
        is_enough = self._predictor.is_enough(samples) or (is_end and self._waits)
        self._waits &= not is_enough
        self._latest = self._predictor.score(samples, min(time_s, sound.end_s)) if is_enough else None

    def scores(self, time_s: float) -> Scores | None:
        """Return those of the latest hop."""
        return self._latest

    def absence_reason(self, time_s: float) -> str:
        """Return whether there is no sound, too little, or no speech in it."""
        has_sound = not self.context.sound.is_empty
        return LITTLE_SOUND if self._waits and has_sound else no_speech(has_sound)

    @classmethod
    def summary_reason(cls, reasons: Sequence[str], source: SourceInfo, *, has_model: bool) -> str:
        """See Modality."""
        return no_speech(source.has_audio) if has_model else NO_NETWORK
