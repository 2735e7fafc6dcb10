"""Numbers that a score is read against: chance, people, and systems under the same or a similar protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from emofuse.research.corpora.corpus import PublishedScore
from emofuse.research.evaluation.scores.report import Baseline

_PROTOCOLS: Final = {"actor-6fold": "6 folds over actors"}


def baselines_for(
    published: Sequence[PublishedScore],
    protocol: str,
    metric: str,
    counts: Sequence[int],
    transductive: bool = False,
) -> tuple[Baseline, ...]:
    """Return what a score of this metric on this task is to be compared with: chance first, then what is known.

    published: of the same labels; protocol: a name of the splits; counts: clips of each label, from which chance is
    worked out. Systems that look at the test clips are left out unless `transductive`. Where a system's protocol is
    another than this one, its note says so. Empty for a metric that has no anchor.
    """
    found = [anchor for anchor in (chance(metric, counts),) if anchor is not None]
    for known in published:
        value = {"UAR": known.uar, "accuracy": known.accuracy}.get(metric)
        if value is not None and (transductive or not known.transductive):
            note = "; ".join(part for part in (_difference(known.protocol, protocol), known.note) if part)
            found.append(Baseline(name=known.name, metric=metric, value=value, source=known.source, note=note))
    return tuple(found)


def chance(metric: str, counts: Sequence[int]) -> Baseline | None:
    """Return what one answer for all clips gets: a UAR of 1/C over the C that occur, or the largest class's share."""
    n_classes, n_clips = sum(n > 0 for n in counts), sum(counts)
    if not n_clips:
        return None
    if metric == "UAR":
        return Baseline(name="chance", metric=metric, value=1 / n_classes, source=f"1 of {n_classes} emotions")
    if metric == "accuracy":
        share = max(counts) / n_clips
        source = f"always the largest class: {max(counts):,} of {n_clips:,} clips"
        return Baseline(name="chance", metric=metric, value=share, source=source)
    return None


def _difference(theirs: str, ours: str) -> str:
    return f"its protocol is another: {_PROTOCOLS.get(theirs, theirs)}" if theirs and theirs != ours else ""
