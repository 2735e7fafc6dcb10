"""The face: from the pixels of a picture to scores for each face in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import BundleError
from emofuse.inference.bundle import Bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.own_model import FACE_MARGIN, FACE_PX, OwnModel
from emofuse.preprocessing.face import SIZE, crop_face, face_quality
from emofuse.preprocessing.face_clip import crop_clip_face
from emofuse.preprocessing.measures import measure_face
from emofuse.types import Face, Scores


class FacePredictor:
    """Scores the faces of a picture. log: takes the embedding of each, where somebody wants them."""

    log: EmbeddingLog | None = None

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.manifest.modalities["face"]
        own = bundle.own.get("face")
        network: OnnxNetwork | OwnModel = bundle.networks["face"] if own is None else own
        if own is None and network.card.input.size_px != SIZE:
            raise BundleError(f"{settings.file} wants faces of {network.card.input.size_px} pixels, not {SIZE}")
        self._model = CalibratedClassifier(network, bundle.labels, settings, bundle.head is not None)

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
