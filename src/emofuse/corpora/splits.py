"""Splits whose parts share no speaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emofuse.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Fold:
    """Speakers of the three parts, disjoint (checked)."""

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        parts = [set(self.train), set(self.valid), set(self.test)]
        if len(set().union(*parts)) != sum(len(part) for part in parts):
            raise CorpusError("a speaker is in two parts of a fold")
        if not self.train or not self.test:
            raise CorpusError("a fold has no training or no test speakers")


def consecutive_folds(speakers: Sequence[str], n_folds: int, n_valid: int) -> list[Fold]:
    """Cut sorted speakers into consecutive test groups; the next `n_valid` speakers, going round, validate.

    With the 24 actors of RAVDESS and 6 folds this is the published protocol: test actors 1-4, 5-8, ..., 21-24.
    Neighbours alternate in sex there, so an even `n_valid` is balanced. Raises CorpusError when too few are left.
    """
    ordered = sorted(speakers)
    if n_folds < 2 or len(ordered) % n_folds or len(ordered) // n_folds + n_valid >= len(ordered):
        raise CorpusError(f"{len(ordered)} speakers cannot make {n_folds} folds with {n_valid} to validate")
    size = len(ordered) // n_folds
    folds = []
    for start in range(0, len(ordered), size):
        test = ordered[start : start + size]
        rest = ordered[start + size :] + ordered[:start]
        folds.append(Fold(tuple(sorted(rest[n_valid:])), tuple(rest[:n_valid]), tuple(test)))
    return folds
