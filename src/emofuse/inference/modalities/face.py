"""The face: from the pixels of a picture to scores for each face in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emofuse.inference.bundle import Bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.face_tracks import FaceTrack
from emofuse.inference.modalities.base import NO_NETWORK, Modality, StreamContext, no_face
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.own_model import FACE_MARGIN, FACE_PX, OwnModel
from emofuse.preprocessing.face import FaceCrops, face_quality
from emofuse.preprocessing.face_clip import crop_clip_face
from emofuse.preprocessing.measures import measure_face
from emofuse.timeline import LEAST_WEIGHT, SourceInfo, pool_scores
from emofuse.types import AudioBlock, Face, Frame, Line, Scores


class FacePredictor:
    """Scores the faces of a picture. log: takes the embedding of each, where somebody wants them."""

    log: EmbeddingLog | None = None

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.manifest.modalities["face"]
        own = bundle.own.get("face")
        network: OnnxNetwork | OwnModel = bundle.networks["face"] if own is None else own
        self._model = CalibratedClassifier(network, bundle.labels, settings, bundle.head is not None)

    def score(self, picture: FaceCrops, faces: Sequence[Face], time_s: float) -> list[Scores]:
        """Score every face of a picture, in one batch, in their order."""
        if not faces:
            return []
        crops = [picture.of(face) for face in faces]
        network = self._model.network
        if isinstance(network, OwnModel):
            batch = np.stack([crop_clip_face(picture.image, face, FACE_PX, FACE_MARGIN) for face in faces])
        else:
            size_px = network.card.input.size_px
            assert size_px is not None  # by its card, of a network of faces
            batch = np.stack([picture.of(face, size_px) for face in faces])[:, None].astype(np.float32)
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


class FaceModality(Modality):
    """The faces of the pictures, each scored by itself, and pooled by area and quality."""

    name = "face"
    is_always_listed = True
    uses_pictures = True
    has_faces = True

    def __init__(self, context: StreamContext) -> None:
        super().__init__(context)
        self._predictor = FacePredictor(context.bundle)
        self._predictor.log = context.log
        context.faces.are_scored = True

    def push(self, packet: Frame | AudioBlock | Line) -> None:
        """Score the faces of a picture that are due."""
        if not isinstance(packet, Frame):
            return
        due = [track for track in self.context.faces.in_view() if self._is_due(track, packet.time_s)]
        found = self._predictor.score(self.context.faces.crops, [track.face for track in due], packet.time_s)
        for track, scores in zip(due, found, strict=True):
            track.scores.append(scores)

    def scores(self, time_s: float) -> Scores | None:
        """Pool the faces, so that the nearest person counts most."""
        tracks = self.context.faces.of_moment(time_s)
        scored = [(track, scores) for track in tracks if (scores := self.of_face(track)) is not None]
        if not scored:
            return None
        weights = [max(track.face.size_px, 1.0) ** 2 * max(scores.quality, LEAST_WEIGHT) for track, scores in scored]
        return pool_scores([scores for _, scores in scored], self.name, weights, weights)

    def absence_reason(self, time_s: float) -> str:
        """Return whether there is no picture, or no face in it."""
        return no_face(self.context.has_picture)

    @classmethod
    def summary_reason(cls, reasons: Sequence[str], source: SourceInfo, *, has_model: bool) -> str:
        """See Modality."""
        return no_face(source.has_video) if has_model else NO_NETWORK

    def of_face(self, track: FaceTrack) -> Scores | None:
        """Return the scores of the latest picture in frame mode, and else the mean over the buffer."""
        if self.context.settings.mode == "frame":
            return track.scores[-1] if track.scores else None
        return track.mean(self.name)

    def _is_due(self, track: FaceTrack, time_s: float) -> bool:
        if self.context.settings.mode == "frame" or not track.scores:
            return True
        return time_s - track.scores[-1].end_s >= self.context.settings.face_period_s - 1e-6
