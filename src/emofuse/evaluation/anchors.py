"""Numbers that a score is read against: chance, people, and systems under the same or a similar protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from emofuse.emotions import RAVDESS
from emofuse.evaluation.result import Anchor

_HERE: Final = "measured by the project on these files"
_EMOBOX: Final = "Ma et al., EmoBox, Interspeech 2024, https://arxiv.org/abs/2406.07162"
_RAVDESS_PAPER: Final = "Livingstone and Russo, 2018, https://doi.org/10.1371/journal.pone.0196391"
_TRANSDUCTIVE: Final = "transductive: features z-scored over each actor's own clips, test clips too"


class _Known(NamedTuple):
    """A system's scores as fractions of 1, None where not known; protocol: a name, empty for people."""

    name: str
    uar: float | None
    accuracy: float | None
    source: str
    protocol: str = "actor-6fold"
    note: str = ""
    transductive: bool = False


_RAVDESS_SPEECH: Final = (
    _Known(
        "people, voice only",
        None,
        0.60,
        _RAVDESS_PAPER,
        protocol="",
        note="untrained listeners, speech and song; as usually quoted",
    ),
    _Known("eGeMAPS + SVM", 0.473, 0.486, _HERE),
    _Known("ComParE-2016 + SVM", 0.556, 0.563, _HERE),
    _Known("frozen mn04 (AudioSet) + SVM", 0.607, 0.618, _HERE),
    _Known("frozen Whisper-large-v3", 0.753, None, _EMOBOX, note="an encoder of over 600 million parameters"),
    _Known("eGeMAPS + SVM, by actor", 0.603, 0.614, _HERE, note=_TRANSDUCTIVE, transductive=True),
    _Known("ComParE-2016 + SVM, by actor", 0.642, 0.649, _HERE, note=_TRANSDUCTIVE, transductive=True),
    _Known("frozen mn04 + SVM, by actor", 0.699, 0.706, _HERE, note=_TRANSDUCTIVE, transductive=True),
)
_PROTOCOLS: Final = {"actor-6fold": "6 folds over actors"}


def anchors_for(
    corpus: str,
    labels: Sequence[str],
    protocol: str,
    metric: str,
    counts: Sequence[int],
    transductive: bool = False,
) -> tuple[Anchor, ...]:
    """Return what a score of this metric on this task is to be compared with: chance first, then what is known.

    corpus: the manifest's name; protocol: a name of the splits; counts: clips of each label, from which chance
    is worked out. Systems that look at the test clips are left out unless `transductive`. Where a system's
    protocol is another than this one, its note says so. Empty for a metric that has no anchor.
    """
    found = [anchor for anchor in (chance(metric, counts),) if anchor is not None]
    if corpus.casefold().startswith("ravdess speech") and set(labels) == set(RAVDESS):
        for known in _RAVDESS_SPEECH:
            value = {"UAR": known.uar, "accuracy": known.accuracy}.get(metric)
            if value is not None and (transductive or not known.transductive):
                note = "; ".join(part for part in (_difference(known.protocol, protocol), known.note) if part)
                found.append(Anchor(name=known.name, metric=metric, value=value, source=known.source, note=note))
    return tuple(found)


def chance(metric: str, counts: Sequence[int]) -> Anchor | None:
    """Return what one answer for all clips gets: a UAR of 1/C over the C that occur, or the largest class's share."""
    n_classes, n_clips = sum(n > 0 for n in counts), sum(counts)
    if not n_clips:
        return None
    if metric == "UAR":
        return Anchor(name="chance", metric=metric, value=1 / n_classes, source=f"1 of {n_classes} emotions")
    if metric == "accuracy":
        share = max(counts) / n_clips
        source = f"always the largest class: {max(counts):,} of {n_clips:,} clips"
        return Anchor(name="chance", metric=metric, value=share, source=source)
    return None


def _difference(theirs: str, ours: str) -> str:
    return f"its protocol is another: {_PROTOCOLS.get(theirs, theirs)}" if theirs and theirs != ours else ""
