"""The faces of one stream: found, followed, told apart and measured, and what is known of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emofuse.inference.analyzer_settings import AnalyzerSettings
from emofuse.inference.cuts import CutDetector
from emofuse.inference.detector import FaceDetector
from emofuse.inference.face_follower import FaceFollower
from emofuse.inference.face_identity import shared_embedder
from emofuse.inference.landmarker import FaceLandmarker
from emofuse.inference.people import PeopleFollower, TrackRecord, Vector
from emofuse.preprocessing.face import FaceCrops
from emofuse.provenance import ModelFile, model_file
from emofuse.timeline import mean_scores
from emofuse.types import Face, FaceMeasurement, Frame, Scores


@dataclass(slots=True)
class FaceTrack:
    """One face that is followed.

    Attributes:
        face: Where it was last.
        seen_s: When that was.
        scores: Of the last seconds, by the modality that scores each face by itself, if any does.
        judged: The scores whose certainty was asked for last, and the same with it.
    """

    face: Face
    seen_s: float
    scores: deque[Scores] = field(default_factory=deque)
    judged: tuple[Scores, Scores] | None = None
    _mean: Scores | None = None  # of `_mean_of`, the first and the last of the scores, as they were then
    _mean_of: tuple[Scores, Scores] | None = None

    @property
    def track_id(self) -> int:
        """Its number."""
        assert self.face.track_id is not None, "the tracker gives every face an id"
        return self.face.track_id

    def mean(self, modality: str) -> Scores | None:
        """Return the mean of the scores; the same object until they change, which they do not in every picture."""
        ends = (self.scores[0], self.scores[-1]) if self.scores else None
        if ends is None or self._mean_of is None or ends[0] is not self._mean_of[0] or ends[1] is not self._mean_of[1]:
            self._mean, self._mean_of = mean_scores(self.scores, modality), ends
        return self._mean


class FaceTracks:
    """Follows the faces of one stream of pictures.

    Attributes:
        detected: The faces of the latest picture, each with its track_id.
        crops: What is cut out of that picture; of no pixel before there is one.
        measurements: Of each of them, where the settings ask for it.
        are_scored: Whether a modality scores each face by itself: one is then kept as long as it has scores, and else
            as long as it was seen within the buffer.
    """

    def __init__(self, detector: FaceDetector, settings: AnalyzerSettings, known: Sequence[Vector] = ()) -> None:
        """Begin a stream. known: faces of people known beforehand, as `PeopleFollower` takes them."""
        self.detected: tuple[Face, ...] = ()
        self.crops = FaceCrops(np.zeros((1, 1, 3), np.uint8))
        self.measurements: tuple[FaceMeasurement, ...] = ()
        self.are_scored = False
        self._settings = settings
        self._detector = detector
        self._cuts = CutDetector()
        self._follower = FaceFollower(detector, settings.detect_period_s)
        self._people = PeopleFollower(shared_embedder(), known) if settings.people else None
        self._landmarker = FaceLandmarker() if self.are_measured else None
        self._tracks: dict[int, FaceTrack] = {}
        self._in_view: tuple[int, ...] = ()  # track ids in the latest picture

    @property
    def are_measured(self) -> bool:
        """Whether the settings ask for measurements."""
        return self._settings.measure_faces or self._settings.face_points

    def __len__(self) -> int:
        return len(self._tracks)

    def __getitem__(self, track_id: int) -> FaceTrack:
        return self._tracks[track_id]

    def push(self, frame: Frame) -> None:
        """Follow the faces of the next picture."""
        time_s, self.crops = frame.time_s, FaceCrops(frame.image)
        detected = self._follower.push(frame.image, time_s, is_cut=self._cuts.push(frame.image, time_s))
        if self._people is not None:
            detected = self._people.push(self.crops, detected, time_s)
        for face in detected:
            assert face.track_id is not None, "the tracker gives every face an id"
            track = self._tracks.setdefault(face.track_id, FaceTrack(face, time_s))
            track.face, track.seen_s = face, time_s
        if self._landmarker is not None:
            keeps = self._settings.face_points
            measured = [self._landmarker.measure(frame.image, f, time_s, keeps_points=keeps) for f in detected]
            self.measurements = tuple(one for one in measured if one is not None)
        self.detected = tuple(detected)
        self._in_view = tuple(face.track_id for face in detected if face.track_id is not None)

    def in_view(self) -> list[FaceTrack]:
        """Return those of the latest picture."""
        return [self._tracks[track_id] for track_id in self._in_view]

    def of_moment(self, time_s: float) -> list[FaceTrack]:
        """Return those that a moment is made of: of a picture those in it, else those of the buffer that ends there."""
        if self._settings.mode == "frame":
            return self.in_view()
        self.forget(time_s)
        return [self._tracks[track_id] for track_id in sorted(self._tracks)]

    def forget(self, time_s: float) -> None:
        """Drop scores that left the buffer, and faces of which nothing is left."""
        oldest_s = time_s - self._settings.face_buffer_s
        for track_id, track in list(self._tracks.items()):
            while track.scores and track.scores[0].end_s < oldest_s:
                track.scores.popleft()
            if not track.scores and (self.are_scored or track.seen_s < oldest_s):
                del self._tracks[track_id]
        self._in_view = tuple(i for i in self._in_view if i in self._tracks)

    def take_ended(self) -> list[TrackRecord]:
        """Return the tracks that have ended since this was asked before; of many, the latest."""
        if self._people is None:
            return []
        ended = list(self._people.ended)
        self._people.ended.clear()
        return ended

    def flush(self) -> None:
        """End every track: the stream is over."""
        if self._people is not None:
            self._people.flush()

    def models(self) -> tuple[ModelFile, ...]:
        """Return the files of the models that find, compare and measure faces."""
        found = [model_file("face detector", self._detector)]
        if self._people is not None:
            found.append(shared_embedder().model_file)
        if self._landmarker is not None:
            found.append(self._landmarker.model_file)
        return tuple(found)
