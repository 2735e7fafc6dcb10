"""Joins the tracks of a whole recording to people.

The two most alike are joined, and so on (agglomerative clustering with centroids), but never two that are seen at once.
How face, hair and collar look tells, too, where a shot is taken again as it was; unlike looks tell nothing, as people
turn around.
"""

from __future__ import annotations

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
        i = j = 0
        while i < len(self.stretches) and j < len(other.stretches):
            (a, b), (c, d) = self.stretches[i], other.stretches[j]
            if min(b, d) - max(a, c) > _TOGETHER_S:
                return True
            if b < d:
                i += 1
            else:
                j += 1
        return False

    def likeness(self, other: _Group) -> float:
        """Return how alike two are: the cosine of their embeddings, and more where they look the same."""
        lengths = float(np.linalg.norm(self.total)) * float(np.linalg.norm(other.total))
        alike = float(self.total @ other.total) / max(lengths, 1e-9)
        looks = max(float(a @ b) for a in self.looks for b in other.looks)
        return alike + _LOOKS_BONUS * max(looks - _LOOKS_ALIKE, 0.0) / (1 - _LOOKS_ALIKE)


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


def _joined(groups: list[_Group]) -> list[_Group]:
    """Join the most alike, until none are alike enough."""
    alike: Matrix = np.full((len(groups), len(groups)), -np.inf)
    for i, group in enumerate(groups):
        for j in range(i):
            alike[i, j] = alike[j, i] = _likeness_of(group, groups[j])
    left = set(range(len(groups)))
    while len(left) > 1:
        i, j = divmod(int(np.argmax(alike)), len(groups))
        if alike[i, j] < SAME:
            break
        groups[i].join(groups[j])
        left.discard(j)
        alike[j, :] = alike[:, j] = -np.inf
        for k in left - {i}:
            # who cannot be one with either, cannot be one with both
            is_barred = np.isneginf(alike[i, k])
            alike[i, k] = alike[k, i] = -np.inf if is_barred else _likeness_of(groups[i], groups[k])
    return [groups[i] for i in sorted(left)]


def _likeness_of(a: _Group, b: _Group) -> float:
    return -np.inf if a.is_apart(b) else a.likeness(b)


def _people(groups: Sequence[_Group]) -> list[_Group]:
    """Return those of the groups that are people: enough was seen of them, or they are like nobody who was."""
    sure = [group for group in groups if group.weight >= 2 * ENOUGH]
    unsure = [group for group in groups if group.weight < 2 * ENOUGH]
    kept = list(sure)
    for group in unsure:
        nearest = max((group.likeness(one) for one in kept if not group.is_apart(one)), default=-1.0)
        if group.weight >= ENOUGH and nearest < OTHER:
            kept.append(group)
    return kept
