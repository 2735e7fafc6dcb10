"""From pixels and samples to calibrated scores over a bundle's labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import BundleError
from emofuse.inference.bundle import Bundle, HeadSettings, ModalitySettings, labels_matrix
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.network import OnnxNetwork, softmax
from emofuse.inference.own_model import FACE_MARGIN, FACE_PX, OwnModel
from emofuse.inference.vad import SpeechDetector
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.preprocessing.face import SIZE, crop_face, face_quality
from emofuse.preprocessing.face_clip import crop_clip_face
from emofuse.preprocessing.measures import measure_face, measure_voice
from emofuse.types import Face, Scores

LEAST_SHARE = 0.5  # of a window that must have been heard: a network is trained on whole utterances
LEAST_VOICED_S = 0.2  # of speech in a window; less is "no speech"
FULL_VOICED_S = 1.0  # as much speech, and nothing is missing from the quality


NetworkT = TypeVar("NetworkT", bound=OnnxNetwork | OwnModel)


class Calibrated(Generic[NetworkT]):
    """A network whose probabilities are calibrated, carried to the bundle's labels, and rid of its prior.

    embeds: whether what it knows of its input is wanted, too.
    """

    def __init__(
        self,
        network: NetworkT,
        labels: tuple[str, ...],
        settings: ModalitySettings | HeadSettings,
        embeds: bool = False,
    ) -> None:
        self.network = network
        self.labels = labels
        self.embeds = embeds
        self.temperature = settings.temperature
        if isinstance(network, OwnModel):
            self.matrix = network.matrix(labels)
        else:
            self.matrix = labels_matrix(network.card.labels, labels)
        self.prior = np.array(settings.prior or np.full(len(labels), 1 / len(labels)), np.float32)

    def run(self, batch: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the (N, C) logits of a batch, and its (N, D) embeddings where a trained fusion wants them."""
        network: OnnxNetwork | OwnModel = self.network
        if isinstance(network, OwnModel):
            return network.logits(list(batch)), None
        return network.logits_and_embeddings(batch) if self.embeds else (network.logits(batch), None)

    def energy(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (N,) energy of (N, C) logits, log of the sum of their exponentials (arXiv:2010.03759): low for
        inputs unlike those of the training."""
        highest = logits.max(axis=1)
        return np.asarray(highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1)), dtype=np.float32)

    def calibrate(self, logits: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Turn (N, C) logits into probabilities over the bundle's labels, and the (N,) share that they covered."""
        own = softmax(logits, self.temperature)
        mapped = own @ self.matrix
        covered = mapped.sum(axis=1)
        floor = np.float32(1e-6)  # all the mass may lie on a label that the bundle leaves out
        evidence = (mapped + floor) / self.prior
        return evidence / evidence.sum(axis=1, keepdims=True), covered


class FacePredictor:
    """Scores the faces of a picture. log: takes the embedding of each, where somebody wants them."""

    log: EmbeddingLog | None = None

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.manifest.modalities["face"]
        own = bundle.own.get("face")
        network: OnnxNetwork | OwnModel = bundle.networks["face"] if own is None else own
        if own is None and network.card.input.size_px != SIZE:
            raise BundleError(f"{settings.file} wants faces of {network.card.input.size_px} pixels, not {SIZE}")
        self._model = Calibrated(network, bundle.labels, settings, bundle.head is not None)

    def score(self, image: NDArray[np.uint8], faces: Sequence[Face], time_s: float) -> list[Scores]:
        """Score every face of an (H, W, 3) uint8 RGB picture, in one batch, in their order."""
        if not faces:
            return []
        crops = [crop_face(image, face) for face in faces]
        network = self._model.network
        if isinstance(network, OwnModel):
            batch = np.stack([crop_clip_face(image, face, FACE_PX, FACE_MARGIN) for face in faces])
        else:
            batch = np.stack(crops)[:, None].astype(np.float32)
        logits, embedded = self._model.run(batch)
        if self.log is not None:
            self.log.add("face", network, (batch,), time_s, time_s, [face.track_id for face in faces])
        probabilities, covered = self._model.calibrate(logits)
        energy = self._model.energy(logits)
        return [
            Scores(
                "face",
                self._model.labels,
                probabilities[i],
                time_s,
                time_s,
                min(1.0, face_quality(face) * float(covered[i])),
                {**measure_face(crop, face), "energy": float(energy[i])},
                embedding=None if embedded is None else embedded[i],
            )
            for i, (face, crop) in enumerate(zip(faces, crops, strict=True))
        ]


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
        self._model = Calibrated(network, bundle.labels, settings, bundle.head is not None)

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
