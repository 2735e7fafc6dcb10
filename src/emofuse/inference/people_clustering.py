"""Joins the tracks of a whole recording to people.

The two most alike are joined, and so on (agglomerative clustering with centroids), but never two that are seen at once.
How face, hair and collar look tells, too, where a shot is taken again as it was; unlike looks tell nothing, as people
turn around.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.people import ENOUGH, OTHER, SAME, TrackRecord

_LOOKS_ALIKE: Final = 0.80  # correlation of looks from which they count for the same person
_LOOKS_BONUS: Final = 0.25  # of likeness, at the same looks
_TOGETHER_S: Final = 0.2  # seen at once for longer: two people
_N_AT_ONCE: Final = 600  # tracks that are compared with one another

Matrix = NDArray[np.float64]


class _Group:
    """Tracks that are thought to be of one person."""

    __slots__ = ("looks", "stretches", "total", "tracks", "weight")

    def __init__(self, record: TrackRecord) -> None:
        assert record.total is not None and record.looks is not None
        self.tracks = [record.track_id]
        self.stretches = [(record.start_s, record.end_s)]
        self.total = record.total.astype(np.float64)
        self.looks = [record.looks.astype(np.float64) / max(float(np.linalg.norm(record.looks)), 1e-9)]
        self.weight = record.weight

    def join(self, other: _Group) -> None:
        self.tracks += other.tracks
        self.stretches = sorted(self.stretches + other.stretches)
        self.total = self.total + other.total
        self.looks = (self.looks + other.looks)[:8]  # a few tell what setups there are
        self.weight += other.weight

    def is_apart(self, other: _Group) -> bool:
        """Whether both are seen at once."""
        few, many = sorted((self.stretches, other.stretches), key=len)
        for start_s, end_s in few:
            first = bisect_right(many, (start_s, -np.inf)) - 1
            for begin_s, stop_s in many[max(first, 0) :]:
                if begin_s >= end_s:
                    break
                if min(stop_s, end_s) - max(begin_s, start_s) > _TOGETHER_S:
                    return True
        return False


def assign_people(records: Sequence[TrackRecord]) -> dict[int, int | None]:
    """Tell whose each track is.

    Args:
        records: The tracks of a recording, in any order.

    Returns:
        The person of every track by its number, counted from 1 in the order of appearance; None where it cannot be
        told: too little was seen of a face that is like nobody else's, or like several.
    """
    told: dict[int, int | None] = {record.track_id: None for record in records}
    ordered = sorted((r for r in records if r.total is not None), key=lambda r: (r.start_s, r.track_id))
    groups: list[_Group] = []
    for i in range(0, len(ordered), _N_AT_ONCE):
        groups = _joined(groups + [_Group(record) for record in ordered[i : i + _N_AT_ONCE]])
    people = _people(groups)
    people.sort(key=lambda group: min(group.stretches))
    for number, group in enumerate(people, start=1):
        told.update(dict.fromkeys(group.tracks, number))
    return told


def main_face(records: Sequence[TrackRecord]) -> NDArray[np.float32] | None:
    """Return the face of whoever is seen most in a recording.

    Args:
        records: The tracks of the recording.

    Returns:
        (D,) the sum of its embeddings; None where there is no face that can be told from others.
    """
    groups = [_Group(record) for record in records if record.total is not None]
    groups = _people(_joined(groups)) if groups else []
    most = max(groups, key=lambda group: group.weight, default=None)
    return None if most is None else most.total.astype(np.float32)


def _joined(groups: list[_Group]) -> list[_Group]:
    """Join the most alike, until none are alike enough."""
    totals, looks = np.stack([group.total for group in groups]), _looks(groups)
    apart = _apart(groups)
    np.fill_diagonal(apart, val=True)
    alike = np.where(apart, -np.inf, _likeness(totals, totals, looks))
    left = np.ones(len(groups), bool)
    while left.sum() > 1:
        i, j = divmod(int(np.argmax(alike)), len(groups))
        if alike[i, j] < SAME:
            break
        groups[i].join(groups[j])
        left[j] = False
        totals[i] = groups[i].total
        looks[i] = looks[:, i] = np.maximum(looks[i], looks[j])
        apart[i] = apart[:, i] = apart[i] | apart[j]  # who cannot be one with either, cannot be one with both
        now = _likeness(totals[i : i + 1], totals, looks[i : i + 1])[0]
        alike[i] = alike[:, i] = np.where(apart[i] | ~left, -np.inf, now)
        alike[j] = alike[:, j] = -np.inf
    return [group for group, is_left in zip(groups, left.tolist(), strict=True) if is_left]


def _likeness(a: Matrix, b: Matrix, looks: Matrix) -> Matrix:
    """Return how alike groups are, (N, M): the cosine of their embeddings, and more where they look the same."""
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
    same = np.maximum(looks - _LOOKS_ALIKE, 0.0) / (1 - _LOOKS_ALIKE)
    found: Matrix = a @ b.T / np.maximum(lengths, 1e-9) + _LOOKS_BONUS * same
    return found


def _looks(groups: Sequence[_Group]) -> Matrix:
    """Return how alike the most alike looks of each two groups are, (N, N)."""
    stacked = np.concatenate([group.looks for group in groups])
    starts = np.cumsum([0, *(len(group.looks) for group in groups[:-1])])
    pairs = stacked @ stacked.T
    most: Matrix = np.maximum.reduceat(np.maximum.reduceat(pairs, starts, axis=0), starts, axis=1)
    return most


def _apart(groups: Sequence[_Group]) -> NDArray[np.bool_]:
    """Return which groups are seen at once, (N, N)."""
    start_s, end_s = (np.array([group.stretches[0][k] for group in groups]) for k in (0, 1))
    common = np.minimum(end_s[:, None], end_s[None]) - np.maximum(start_s[:, None], start_s[None])
    apart: NDArray[np.bool_] = common > _TOGETHER_S
    for i, group in enumerate(groups):
        if len(group.stretches) > 1:
            apart[i] = apart[:, i] = [group.is_apart(other) for other in groups]
    return apart


def _people(groups: Sequence[_Group]) -> list[_Group]:
    """Return those of the groups that are people: enough was seen of them, or they are like nobody who was."""
    kept = [group for group in groups if group.weight >= 2 * ENOUGH]
    for group in groups:
        if ENOUGH <= group.weight < 2 * ENOUGH:
            others = [one for one in kept if not group.is_apart(one)]
            if not others or _nearest(group, others) < OTHER:
                kept.append(group)
    return kept


def _nearest(group: _Group, others: Sequence[_Group]) -> float:
    totals = np.stack([other.total for other in others])
    return float(_likeness(group.total[None], totals, _looks([group, *others])[:1, 1:]).max())
