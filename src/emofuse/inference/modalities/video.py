"""The person in front over the last seconds, with the sound where the network takes any: modality "clip"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.bundle import Bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.inference.clip_buffer import ClipBuffer, ClipWindow
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.face_tracks import FaceTrack
from emofuse.inference.modalities.base import Modality, StreamContext, no_face, no_speech
from emofuse.inference.modalities.voice import FULL_VOICED_S, LEAST_VOICED_S
from emofuse.inference.vad import SpeechDetector
from emofuse.preprocessing.audio_buffer import RATE_HZ, SoundBuffer
from emofuse.timeline import SourceInfo
from emofuse.types import AudioBlock, Face, Frame, Line, Scores


class ClipPredictor:
    """Gathers pictures as they come, and scores what it has when asked.

    frame_answers: what to make of a network that answers for every frame: the mean of its log-probabilities, or
    those of the newest frame. speech: tells whether somebody speaks; it is given the stream elsewhere. log: takes the
    embedding of each window, where somebody wants them.
    """

    log: EmbeddingLog | None = None

    def __init__(
        self,
        bundle: Bundle,
        speech: SpeechDetector,
        frame_answers: Literal["mean", "newest"] = "mean",
    ) -> None:
        network = bundle.networks["clip"]
        spec = network.card.input
        assert spec.n_frames is not None and spec.size_px is not None and spec.window_s is not None
        self.uses_audio = spec.rate_hz is not None
        self.window_s = spec.window_s
        self._is_per_frame = spec.per_frame
        self._step_s = spec.step_s
        self._asked_s = -math.inf
        self._frame_answers = frame_answers
        self._speech = speech
        self._black = np.zeros((spec.n_frames, spec.size_px, spec.size_px, 3), np.uint8)
        self._buffer = ClipBuffer(spec)
        self._model = CalibratedClassifier(network, bundle.labels, bundle.manifest.modalities["clip"])

    @property
    def front_id(self) -> int | None:
        """The track of the person that is watched, None where there is nobody."""
        return self._buffer.front_id

    def push(self, image: NDArray[np.uint8], faces: Sequence[Face], time_s: float) -> bool:
        """Take the next picture, (H, W, 3) uint8 RGB, with its tracked faces. Returns whether it is the first of a
        person."""
        return self._buffer.push(image, faces, time_s)

    def is_due(self, time_s: float) -> bool:
        """Whether a network that answers for every frame has not been asked about the frame at `time_s`."""
        return self._is_per_frame and time_s - self._asked_s >= self._step_s - 1e-6

    def score(self, time_s: float, sound: SoundBuffer) -> Scores | None:
        """Score the seconds up to `time_s`; None without a face, unless the network uses sound and somebody speaks."""
        self._asked_s = time_s
        seen = self._buffer.window(time_s)
        heard = sound.window(time_s - self.window_s, time_s) if self.uses_audio else np.zeros(0, np.float32)
        spoken_s = self._speech.spoken_s(heard, min(time_s, sound.end_s)) if self.uses_audio else 0.0
        is_spoken = spoken_s >= LEAST_VOICED_S
        if seen is None and not is_spoken:
            return None
        batches: list[NDArray[np.uint8] | NDArray[np.float32]] = [(self._black if seen is None else seen.frames)[None]]
        if self.uses_audio:
            missing_s = time_s - sound.end_s  # where the sound ends before the picture
            batches.append(_placed(heard, self.window_s, missing_s, is_spoken)[None])
            batches.append(np.array([[seen is not None, is_spoken]], np.float32))
        logits = self._model.network.logits(*batches)
        if self.log is not None:
            self.log.add("clip", self._model.network, batches, time_s - self.window_s, time_s, (self.front_id,))
        (probabilities,), (covered,) = self._model.calibrate(self._of_clip(logits, seen))
        quality = min(1.0, spoken_s / FULL_VOICED_S) if seen is None else seen.quality
        start_s = time_s - len(heard) / RATE_HZ if is_spoken else time_s
        if seen is not None:
            start_s = min(start_s, seen.start_s)
        return Scores("clip", self._model.labels, probabilities, start_s, time_s, min(1.0, quality * float(covered)))

    def _of_clip(self, logits: NDArray[np.float32], seen: ClipWindow | None) -> NDArray[np.float32]:
        """Reduce (1, T, C) logits of a network that answers for every frame to (1, C).

        The softmax of mean logits is that of mean log-probabilities: each frame's differ from its logits by a number.
        """
        if not self._is_per_frame:
            return logits
        real = logits if seen is None else logits[:, : seen.n_real]
        return real[:, -1] if self._frame_answers == "newest" else np.asarray(real.mean(axis=1), dtype=np.float32)


def _placed(heard: NDArray[np.float32], window_s: float, missing_s: float, is_spoken: bool) -> NDArray[np.float32]:
    """Put sound where it belongs in a window of (T,) samples: silence before it began and after it ended.

    All is silence where nobody speaks: an absent input is zeros.
    """
    samples = np.zeros(round(window_s * RATE_HZ), np.float32)
    if is_spoken:
        end = len(samples) - max(0, round(missing_s * RATE_HZ))
        start = max(0, end - len(heard))
        samples[start:end] = heard[len(heard) - (end - start) :]
    return samples


class VideoModality(Modality):
    """The person in front over the last seconds: at every hop, and in frame mode as often as the network answers."""

    name = "clip"
    uses_pictures = True
    has_faces = True

    def __init__(self, context: StreamContext) -> None:
        super().__init__(context)
        frame_answers: Literal["mean", "newest"] = "mean" if context.settings.mode == "queue" else "newest"
        self._predictor = ClipPredictor(context.bundle, context.speech, frame_answers)
        self._predictor.log = context.log
        self.uses_audio = self._predictor.uses_audio
        self.window_s = self._predictor.window_s if self.uses_audio else 0.0
        self._latest: Scores | None = None
        self._latest_id: int | None = None  # of whom

    @classmethod
    def is_in(cls, bundle: Bundle) -> bool:
        """Whether a bundle has a network for it."""
        return cls.name in bundle.networks

    def push(self, packet: Frame | AudioBlock | Line) -> None:
        """Take a picture. In frame mode every picture has an answer: at once, and anew as often as there is one."""
        if not isinstance(packet, Frame):
            return
        is_new = self._predictor.push(packet.image, self.context.faces.detected, packet.time_s)
        if self.context.settings.mode == "frame" and (is_new or self._predictor.is_due(packet.time_s)):
            self._score(packet.time_s)

    def advance(self, time_s: float, *, is_end: bool) -> None:
        """Score the seconds up to a hop."""
        self._score(time_s)

    def scores(self, time_s: float) -> Scores | None:
        """Return the latest."""
        return self._latest

    def absence_reason(self, time_s: float) -> str:
        """Return why there is nobody in the pictures, and nobody in the sound where it uses that."""
        seen = no_face(self.context.has_picture)
        return f"{seen}, {no_speech(not self.context.sound.is_empty)}" if self.uses_audio else seen

    @classmethod
    def summary_reason(cls, reasons: Sequence[str], source: SourceInfo, *, has_model: bool) -> str:
        """See Modality. Whether it uses sound is in the reasons of its moments."""
        if reasons or not has_model:
            return super().summary_reason(reasons, source, has_model=has_model)
        return no_face(source.has_video)

    def of_face(self, track: FaceTrack) -> Scores | None:
        """Return the scores, if it is the face of the person in front."""
        return self._latest if track.track_id == self._latest_id else None

    def _score(self, time_s: float) -> None:
        self._latest = self._predictor.score(time_s, self.context.sound)
        self._latest_id = self._predictor.front_id
