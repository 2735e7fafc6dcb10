"""Who is who: tracks of one person are one person, through cuts and absences.

While pictures come, each track's face is embedded now and then, and the track is given to somebody who was seen before,
to somebody new, or, as long as that cannot be told, to nobody; what was given is never taken back. Of a recording all
tracks are compared again at its end (`people_clustering.py`), when everything about everyone is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.inference.face_identity import FaceEmbedder
from emofuse.inference.tracker import face_appearance
from emofuse.preprocessing.face import FaceCrops, face_quality
from emofuse.types import Face

SAME: Final = 0.70  # likeness of two means over pictures; docs/people.md has how it was found
OTHER: Final = 0.50  # what is less alike is somebody else; what is between cannot be told
ENOUGH: Final = 1.5  # pictures, each counted by its quality, from which somebody is known
_FIRST_PERIOD_S: Final = 0.25
_LATER_PERIOD_S: Final = 2.0
_N_FIRST: Final = 8  # pictures of a track in quick succession
_LEAST_PX: Final = 24.0  # of a face: a smaller one tells nothing
_GONE_S: Final = 1.5  # after which a track has ended
_MOST_PEOPLE: Final = 200  # that are kept apart as pictures come
_MOST_ENDED: Final = 1024
_THUMBNAIL_PX: Final = 72

Image = NDArray[np.uint8]
Vector = NDArray[np.float32]


@dataclass(slots=True)
class TrackRecord:
    """The record of one track.

    Attributes:
        track_id: Its number.
        start_s: When it was seen first.
        end_s: And last.
        total: (D,) the sum of its embeddings, each times its quality.
        looks: (288,) the same of how face, hair and collar look (`face_appearance`).
        weight: The sum of the qualities.
        thumbnail: The best picture of the face, as JPEG.

    Example:
        >>> record = TrackRecord(1, start_s=0.0, end_s=0.0)
        >>> record.is_due(time_s=0.0)
        True
        >>> record.add(np.ones(64, np.float32), np.ones(288, np.float32), quality=0.5, time_s=0.0)
        >>> record.weight, record.is_due(time_s=0.04)
        (0.5, False)
    """

    track_id: int
    start_s: float
    end_s: float
    total: Vector | None = None
    looks: Vector | None = None
    weight: float = 0.0
    thumbnail: bytes = b""
    best: float = 0.0  # what the thumbnail is worth
    n_looked: int = 0
    looked_s: float = -np.inf
    person_id: int | None = None

    def is_due(self, time_s: float) -> bool:
        """Return whether the face should be embedded again.

        Args:
            time_s: The time of the present picture, in seconds.

        Returns:
            Whether the last embedding is long enough ago.
        """
        period_s = _FIRST_PERIOD_S if self.n_looked < _N_FIRST else _LATER_PERIOD_S
        return time_s - self.looked_s >= period_s - 1e-6

    def add(self, embedding: Vector, looks: Vector, quality: float, time_s: float) -> None:
        """Add one more picture.

        Args:
            embedding: (D,) of the face.
            looks: (288,) of face, hair and collar.
            quality: Its weight, in [0, 1].
            time_s: Its time, in seconds.
        """
        given, seen = embedding * np.float32(quality), looks * np.float32(quality)
        self.total = given if self.total is None else self.total + given
        self.looks = seen if self.looks is None else self.looks + seen
        self.weight += quality
        self.n_looked += 1
        self.looked_s = time_s


@dataclass(slots=True)
class _Known:
    """Somebody of a stream."""

    total: Vector
    present: set[int] = field(default_factory=set)  # tracks that are being followed


class PeopleFollower:
    """Tells who the faces of one video are, picture by picture.

    `ended` gets every track that has ended, and is to be emptied by whoever wants them; no more than the latest are
    kept.
    """

    def __init__(self, embedder: FaceEmbedder, known: Sequence[Vector] = ()) -> None:
        """Begin a video. known: (D,) sums of embeddings of people known beforehand, who are 1, 2 and so on in it."""
        self._embedder = embedder
        self._tracks: dict[int, TrackRecord] = {}
        self._known: dict[int, _Known] = {i: _Known(total) for i, total in enumerate(known, start=1)}
        self.ended: deque[TrackRecord] = deque(maxlen=_MOST_ENDED)

    def push(self, crops: FaceCrops, faces: Sequence[Face], time_s: float) -> list[Face]:
        """Take a picture and its faces, which are followed; return them with `person_id`, where it is known."""
        self._end(time_s)
        for face in faces:
            assert face.track_id is not None, "only followed faces are told apart"
            record = self._tracks.setdefault(face.track_id, TrackRecord(face.track_id, time_s, time_s))
            record.end_s = time_s
        self._look(crops, [f for f in faces if self._is_due(f, time_s)], time_s)
        return [replace(face, person_id=self._person_of(face)) for face in faces]

    def flush(self) -> None:
        """End every track."""
        self._end(np.inf)

    def _is_due(self, face: Face, time_s: float) -> bool:
        return face.size_px >= _LEAST_PX and self._record(face).is_due(time_s)

    def _record(self, face: Face) -> TrackRecord:
        assert face.track_id is not None
        return self._tracks[face.track_id]

    def _person_of(self, face: Face) -> int | None:
        return self._record(face).person_id

    def _end(self, time_s: float) -> None:
        for track_id, record in list(self._tracks.items()):
            if time_s - record.end_s > _GONE_S:
                del self._tracks[track_id]
                if record.person_id is not None:
                    self._known[record.person_id].present.discard(track_id)
                self.ended.append(record)

    def _look(self, crops: FaceCrops, faces: Sequence[Face], time_s: float) -> None:
        if not faces:
            return
        for face, embedding in zip(faces, self._embedder.embed(crops, faces), strict=True):
            record, quality = self._record(face), face_quality(face)
            record.add(embedding, face_appearance(crops.image, face), quality, time_s)
            if quality > record.best + 0.05:
                record.best, record.thumbnail = quality, face_thumbnail(crops.image, face)
            self._decide(record, embedding, quality)

    def _decide(self, record: TrackRecord, embedding: Vector, quality: float) -> None:
        """Give a track to somebody once that can be told, and learn from it about who has it."""
        assert record.total is not None
        if record.person_id is not None:
            known = self._known[record.person_id]
            known.total = known.total + embedding * np.float32(quality)
            return
        others = {i: likeness(record.total, k.total) for i, k in self._known.items() if self._is_away(k)}
        best = max(others, key=lambda i: others[i], default=None)
        if best is not None and others[best] >= SAME:
            known = self._known[best]
            known.total = known.total + record.total
        elif record.weight >= ENOUGH and (best is None or others[best] < OTHER) and len(self._known) < _MOST_PEOPLE:
            best = len(self._known) + 1
            known = self._known[best] = _Known(record.total)
        else:
            return
        known.present.add(record.track_id)
        record.person_id = best

    def _is_away(self, known: _Known) -> bool:
        """Whether nobody in view is this person: nobody is in one picture twice."""
        return not known.present


def likeness(a: Vector, b: Vector) -> float:
    """Return the cosine of two sums of embeddings, in [-1, 1]."""
    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(a @ b) / lengths if lengths > 0 else 0.0


def face_thumbnail(image: Image, face: Face) -> bytes:
    """Return a small picture of a face, with hair and chin, as JPEG."""
    x0, y0, x1, y1 = (float(v) for v in face.box_xyxy)
    half = 0.75 * max(x1 - x0, y1 - y0)
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    top, bottom = max(int(middle_y - half), 0), int(middle_y + half)
    left, right = max(int(middle_x - half), 0), int(middle_x + half)
    patch = image[top:bottom, left:right]
    if patch.size == 0:
        return b""
    scale = _THUMBNAIL_PX / max(patch.shape[:2])
    size = (max(round(patch.shape[1] * scale), 1), max(round(patch.shape[0] * scale), 1))
    small = cv2.resize(np.ascontiguousarray(patch), size, interpolation=cv2.INTER_AREA)
    is_written, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return encoded.tobytes() if is_written else b""
