"""Follows faces from frame to frame, so that each person keeps one number.

Every track predicts where its face is now (a Kalman filter with the real time between frames), and the
faces found take the tracks they most likely belong to: by place, by size and, where given, by looks. Sure
faces choose first and faint ones may only continue a track (Zhang et al. 2022, "ByteTrack"). All lengths are
in units of the face's own size, so a near and a far face are treated alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.types import Face

Vector = NDArray[np.float64]
Appearance = NDArray[np.float32]

# Motion, in face sizes (s) and seconds. A head in conversation changes its speed by about 1 s/s in 0.3 s.
_NOISE: Final = 0.03  # how far a detected centre is off (s)
_AGILITY: Final = 3.0  # spectral density of the acceleration (s^2 / s^3)
_FIRST_SPEED: Final = 3.0  # how fast a new face may be moving (s/s)
_COAST_S: Final = 1.5  # an unseen face is thought to come to rest with this time constant

# What may be the same face at all.
_NEAR: Final = 0.5  # a jump this small is never refused (s)
_FAR: Final = 2.5  # one this large always is (s)
_N_SIGMA: Final = 4.0
_SIZE_RATIO: Final = 1.8
_LOOKS_UNLIKE: Final = 0.5  # distance of looks: under 0.11 within six acted clips, above 0.57 across people

# How much each cue says: the spread expected of the same face.
_SIZE_SPREAD: Final = 0.15  # log size, growing as sqrt(1 + 4 gap_s)
_LOOKS_SPREAD: Final = 0.15
_LOOKS_GAIN: Final = 0.1

_DUPLICATE_IOU: Final = 0.5
_CROWDED_IOU: Final = 0.05  # faces this close show up in each other's looks


@dataclass(slots=True)
class _Track:
    """One face being followed. centre, speed: (2,) pixels and pixels/s; size in pixels.

    place_var, cross_var, speed_var: the covariance of place and speed along either axis, in face sizes.
    """

    centre: Vector
    size: float
    looks: Appearance | None
    speed: Vector
    place_var: float = _NOISE**2
    cross_var: float = 0.0
    speed_var: float = _FIRST_SPEED**2
    gap_s: float = 0.0  # since it was last seen
    n_hits: int = 1
    track_id: int | None = None  # None until confirmed

    def predict(self, dt_s: float) -> None:
        """Move on by dt_s: the speed dies away, the doubt grows."""
        keep = float(np.exp(-dt_s / _COAST_S))
        reach = _COAST_S * (1.0 - keep)
        self.centre = self.centre + self.speed * reach
        self.speed = self.speed * keep
        place, cross, speed = self.place_var, self.cross_var, self.speed_var
        self.place_var = place + 2 * reach * cross + reach**2 * speed + _AGILITY * dt_s**3 / 3
        self.cross_var = keep * (cross + reach * speed) + _AGILITY * dt_s**2 / 2
        self.speed_var = keep**2 * speed + _AGILITY * dt_s
        self.gap_s += dt_s

    def correct(self, sighting: _Sighting) -> None:
        """Take in where the face was found."""
        total = self.place_var + _NOISE**2
        place_gain, speed_gain = self.place_var / total, self.cross_var / total
        off = sighting.centre - self.centre
        self.centre = self.centre + place_gain * off
        self.speed = self.speed + speed_gain * off
        self.speed_var -= speed_gain * self.cross_var
        self.cross_var *= 1.0 - place_gain
        self.place_var *= 1.0 - place_gain
        self.size *= (sighting.size / self.size) ** 0.4
        self.gap_s = 0.0
        self.n_hits += 1
        if sighting.looks is None or sighting.crowded:
            return
        if self.looks is None:
            self.looks = sighting.looks
        else:
            self.looks = self.looks + _LOOKS_GAIN * (sighting.looks - self.looks)

    def cost(self, sighting: _Sighting) -> float:
        """Return -2 log-likelihood (up to a constant) that this is the face; inf where it cannot be."""
        variance = self.place_var + _NOISE**2
        size = max(self.size, sighting.size)
        away = float(np.hypot(*(sighting.centre - self.centre))) / size
        log_ratio = abs(float(np.log(sighting.size / self.size)))
        unlike = _looks_distance(self.looks, sighting.looks)
        allowed = min(max(_N_SIGMA * variance**0.5, _NEAR), _FAR)
        if away > allowed or log_ratio > np.log(_SIZE_RATIO):
            return float("inf")
        if unlike is not None and unlike > _LOOKS_UNLIKE and not sighting.crowded:
            return float("inf")
        # The spread of a known place has a floor: a jerk must not look less likely than a doubtful track.
        spread = max(variance, (2 * _NOISE) ** 2)
        cost = away**2 / spread + 2 * float(np.log(spread))
        cost += log_ratio**2 / (_SIZE_SPREAD**2 * (1.0 + 4.0 * self.gap_s))
        return cost if unlike is None else cost + (unlike / _LOOKS_SPREAD) ** 2


@dataclass(frozen=True, slots=True, eq=False)
class _Sighting:
    """One face found in the frame at hand. crowded: another face overlaps it."""

    face: Face
    centre: Vector
    size: float
    looks: Appearance | None
    crowded: bool


class FaceTracker:
    """Numbers the faces of one video, from 1 in order of appearance; a number is never given twice.

    max_gap_s: how long a face may be out of sight and keep its number. high_score: faces scored lower only
    continue a track. sure_score: a face scored so high gets its number at once, others when seen in two frames
    running.
    """

    def __init__(self, max_gap_s: float = 1.0, high_score: float = 0.6, sure_score: float = 0.75) -> None:
        self._max_gap_s = max_gap_s
        self._high_score = high_score
        self._sure_score = sure_score
        self._tracks: list[_Track] = []
        self._time_s: float | None = None
        self._step_s = max_gap_s
        self._n_ids = 0

    def update(
        self,
        faces: Sequence[Face],
        time_s: float,
        appearance: Sequence[Appearance | None] | None = None,
    ) -> list[Face]:
        """Return the faces of this frame that are followed, in the order given, each with its track_id.

        Left out are faint faces that continue no track and faces seen once that are not sure. time_s: the
        frame's time; going back by more than max_gap_s starts afresh, with new numbers. appearance: one entry
        per face, from `face_appearance`: needed to tell apart people who overlap and turn back, and a cut to
        another face in the same place.
        """
        self._advance(time_s)
        sightings = _sightings(faces, appearance)
        sure = [i for i, seen in enumerate(sightings) if seen.face.score >= self._high_score]
        faint = [i for i, seen in enumerate(sightings) if seen.face.score < self._high_score]
        owners: dict[int, _Track] = {}
        free = self._take(self._tracks, sightings, sure, owners)
        self._take([track for track in free if track.track_id is not None], sightings, faint, owners)
        matched = [sightings[i].face.box_xyxy for i in owners]
        for i in sure:
            if i not in owners and not _overlaps(sightings[i].face.box_xyxy, matched, _DUPLICATE_IOU):
                owners[i] = self._begin(sightings[i])
        for i in sorted(owners):
            self._confirm(owners[i], sightings[i].face.score)
        # One missed frame ends what was seen only once: flicker becomes no face.
        self._tracks = [t for t in self._tracks if t.track_id is not None or t.gap_s == 0.0]
        return [
            replace(sightings[i].face, track_id=owners[i].track_id)
            for i in sorted(owners)
            if owners[i].track_id is not None
        ]

    @property
    def is_settled(self) -> bool:
        """Whether every face that is followed was seen in the latest frame, and has its number."""
        return all(track.gap_s == 0.0 and track.track_id is not None for track in self._tracks)

    def cut(self) -> None:
        """Begin a shot: no face of the next frame continues one that was seen before."""
        self._tracks.clear()

    def _advance(self, time_s: float) -> None:
        """Bring all tracks to time_s and drop those unseen for too long."""
        dt_s = 0.0 if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        if not dt_s >= -self._max_gap_s:
            self._tracks.clear()
        dt_s = max(dt_s, 0.0)
        # A source of few frames a second must not lose its faces at each of them.
        limit_s = max(self._max_gap_s, min(2.5 * self._step_s, 10.0))
        for track in self._tracks:
            track.predict(dt_s)
        self._tracks = [track for track in self._tracks if track.gap_s <= limit_s]
        if dt_s > 0.0:
            self._step_s = dt_s

    def _take(
        self,
        tracks: list[_Track],
        sightings: list[_Sighting],
        which: list[int],
        owners: dict[int, _Track],
    ) -> list[_Track]:
        """Give the sightings `which` to tracks so that the whole is likeliest; return the tracks left over."""
        costs = {
            (t, i): cost
            for t, track in enumerate(tracks)
            for i in which
            if (cost := track.cost(sightings[i])) < float("inf")
        }
        pairs = _match(costs)
        for t, i in pairs.items():
            owners[i] = tracks[t]
            tracks[t].correct(sightings[i])
        return [track for t, track in enumerate(tracks) if t not in pairs]

    def _begin(self, sighting: _Sighting) -> _Track:
        looks = None if sighting.crowded else sighting.looks
        track = _Track(sighting.centre, sighting.size, looks, np.zeros(2))
        self._tracks.append(track)
        return track

    def _confirm(self, track: _Track, score: float) -> None:
        if track.track_id is None and (track.n_hits > 1 or score >= self._sure_score):
            self._n_ids += 1
            track.track_id = self._n_ids


def _match(costs: dict[tuple[int, int], float]) -> dict[int, int]:
    """Pair the two indices of `costs`, one to one, at a low total; what is not in `costs` is not paired.

    The cheapest pair first, then partners are exchanged while that makes any two pairs cheaper together: faces
    that cross are such two, and taking the cheapest alone swaps them whenever noise favours it.
    """
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for a, b in sorted(costs, key=lambda pair: (costs[pair], pair)):
        if a not in pairs and b not in taken:
            pairs[a] = b
            taken.add(b)
    exchanged = True
    while exchanged:
        exchanged = False
        for a, c in combinations(sorted(pairs), 2):
            b, d = pairs[a], pairs[c]
            other = costs.get((a, d), float("inf")) + costs.get((c, b), float("inf"))
            if other < costs[a, b] + costs[c, d] - 1e-9:
                pairs[a], pairs[c] = d, b
                exchanged = True
    return pairs


def face_appearance(image: NDArray[np.uint8], face: Face) -> Appearance:
    """Return how the face, hair and collar look: (288,) float32 of zero mean and unit length.

    So brightness and contrast matter little. image: (H, W, 3) uint8 RGB. Zeros where the box holds no pixel
    or one flat colour.
    """
    x0, y0, x1, y1 = (float(v) for v in face.box_xyxy)
    width, height = x1 - x0, y1 - y0
    left, right = max(int(x0 - 0.2 * width), 0), int(x1 + 0.2 * width)
    top, bottom = max(int(y0 - 0.2 * height), 0), int(y1 + 0.5 * height)
    patch = image[top:bottom, left:right]
    if patch.size == 0:
        return np.zeros(8 * 12 * 3, np.float32)
    # Through 32 x 48 first: bilinear to 8 x 12 at once would pick single pixels, area averaging is slow.
    coarse = cv2.resize(cv2.resize(np.ascontiguousarray(patch), (32, 48)), (8, 12), interpolation=cv2.INTER_AREA)
    values = coarse.astype(np.float32).ravel()
    values -= values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length > 1.0 else np.zeros_like(values)


def _looks_distance(a: Appearance | None, b: Appearance | None) -> float | None:
    """Return 1 - the correlation of two appearances, in [0, 2], or None where one is missing or flat."""
    if a is None or b is None:
        return None
    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return 1.0 - float(a @ b) / lengths if lengths > 0.0 else None


def _sightings(faces: Sequence[Face], appearance: Sequence[Appearance | None] | None) -> list[_Sighting]:
    looks = [None] * len(faces) if appearance is None else list(appearance)
    boxes = [face.box_xyxy for face in faces]
    seen = []
    for i, (face, look) in enumerate(zip(faces, looks, strict=True)):
        box = face.box_xyxy.astype(np.float64)
        others = boxes[:i] + boxes[i + 1 :]
        crowded = _overlaps(face.box_xyxy, others, _CROWDED_IOU)
        seen.append(_Sighting(face, (box[:2] + box[2:]) / 2, max(face.size_px, 1.0), look, crowded))
    return seen


def _overlaps(box: NDArray[np.float32], others: Sequence[NDArray[np.float32]], iou: float) -> bool:
    """Say whether the intersection over union of box with any of the others exceeds iou."""
    for other in others:
        width, height = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
        common = max(float(width), 0.0) * max(float(height), 0.0)
        areas = float(np.prod(box[2:] - box[:2])) + float(np.prod(other[2:] - other[:2]))
        if common > iou * (areas - common):
            return True
    return False
