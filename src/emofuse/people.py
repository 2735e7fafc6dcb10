"""Who is in a recording: people, when they are seen and when they speak, and what they show. Also their JSON form."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from emofuse.timeline_json import label_json, read_scores, scores_json
from emofuse.types import Json, Scores, in_order

Stretch = tuple[float, float]  # start_s, end_s

_APART_S: Final = 0.5  # a shorter absence is none: somebody turned around, or the picture was cut twice
_THUMBNAIL: Final = "data:image/jpeg;base64,"


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody who is seen in a recording.

    Attributes:
        id: From 1, in the order of appearance; `Face.person_id` and `Moment.speaker_id` refer to it.
        name: As somebody gave it, or a transcript has it; "" where nobody did.
        seen: When the face is in view: stretches in the order of time, without overlaps.
        spoke: When the person speaks; empty for one who does not, None where that was not looked at.
        share_of_time: Seconds by label, over the time that the face was read; the largest first.
        summary: What face, voice and words of this person add up to; None where nothing was read.
        by_modality: What each of them gave alone.
        thumbnail: A picture of the face as JPEG; b"" for none.

    Example:
        >>> Person(2, seen=((0.0, 4.5),)).title
        'Person 2'
    """

    id: int
    name: str = ""
    seen: tuple[Stretch, ...] = ()
    spoke: tuple[Stretch, ...] | None = None
    share_of_time: Mapping[str, float] = field(default_factory=dict)
    summary: Scores | None = None
    by_modality: Mapping[str, Scores] = field(default_factory=dict)
    thumbnail: bytes = b""

    def __post_init__(self) -> None:
        if self.id < 1:
            raise ValueError(f"people are counted from 1, not {self.id}")

    @property
    def title(self) -> str:
        """What to call the person: the name, or "Person 2"."""
        return self.name or f"Person {self.id}"

    @property
    def seen_s(self) -> float:
        """For how long the face is in view, in seconds."""
        return sum(end_s - start_s for start_s, end_s in self.seen)


def join_stretches(stretches: Iterable[Stretch], apart_s: float = _APART_S) -> tuple[Stretch, ...]:
    """Join stretches that overlap or nearly touch.

    Args:
        stretches: Start and end in seconds, in any order.
        apart_s: A gap that is no longer is none.

    Returns:
        The rest, in the order of time.

    Example:
        >>> join_stretches([(4.0, 5.0), (0.0, 1.0), (1.2, 1.5)])
        ((0.0, 1.5), (4.0, 5.0))
    """
    joined: list[Stretch] = []
    for start_s, end_s in sorted(stretches):
        if joined and start_s - joined[-1][1] <= apart_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return tuple(joined)


def people_between(people: Sequence[Person], start_s: float, end_s: float) -> list[int]:
    """Return the ids of those who are seen from start_s to end_s, at least for a while, in their order."""
    return [p.id for p in people if any(a < end_s and b > start_s for a, b in p.seen)]


def speakers_between(people: Sequence[Person], start_s: float, end_s: float) -> list[int]:
    """Return the ids of those who speak from start_s to end_s, at least for a while, in their order."""
    return [p.id for p in people if any(a < end_s and b > start_s for a, b in p.spoke or ())]


def person_json(person: Person) -> Json:
    """Return a person as `emofuse/2` has it; `thumbnail` is left out where there is none."""
    picture = {"thumbnail": _THUMBNAIL + base64.b64encode(person.thumbnail).decode("ascii")}
    return {
        "id": person.id,
        "name": person.name or None,
        **(picture if person.thumbnail else {}),
        "seen": _stretches_json(person.seen),
        "spoke": None if person.spoke is None else _stretches_json(person.spoke),
        "share_of_time": shares_json(person.share_of_time),
        "summary": {
            "label": label_json(person.summary),
            "probabilities": scores_json(person.summary),
            "by_modality": {m: scores_json(person.by_modality[m]) for m in in_order(person.by_modality)},
        },
    }


def read_person(document: Mapping[str, Any], labels: tuple[str, ...]) -> Person:
    """Rebuild a person from `person_json`. Raises KeyError, TypeError or ValueError for what it has not written."""
    summary = document["summary"]
    by_modality = {m: read_scores(m, labels, p) for m, p in summary["by_modality"].items()}
    thumbnail = str(document.get("thumbnail", ""))
    if thumbnail and not thumbnail.startswith(_THUMBNAIL):
        raise ValueError("a thumbnail is not a JPEG in base 64")
    return Person(
        id=int(document["id"]),
        name=str(document["name"] or ""),
        seen=_read_stretches(document["seen"]),
        spoke=None if document["spoke"] is None else _read_stretches(document["spoke"]),
        share_of_time={str(label): float(s) for label, s in document["share_of_time"].items()},
        summary=read_scores("fused", labels, summary["probabilities"]),
        by_modality={m: scores for m, scores in by_modality.items() if scores is not None},
        thumbnail=base64.b64decode(thumbnail.removeprefix(_THUMBNAIL), validate=True),
    )


def shares_json(shares: Mapping[str, float]) -> dict[str, float]:
    """Return seconds by label, to the millisecond."""
    return {label: round(seconds, 3) for label, seconds in shares.items()}


def _stretches_json(stretches: Sequence[Stretch]) -> list[list[float]]:
    return [[round(start_s, 3), round(end_s, 3)] for start_s, end_s in stretches]


def _read_stretches(document: Sequence[Sequence[float]]) -> tuple[Stretch, ...]:
    return tuple((float(start_s), float(end_s)) for start_s, end_s in document)
