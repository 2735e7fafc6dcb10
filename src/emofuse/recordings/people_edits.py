"""Names people of a timeline, and joins those that are one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from emofuse.errors import UsageError
from emofuse.formatting import documentary_line
from emofuse.people import Person, join_stretches
from emofuse.timeline import LEAST_WEIGHT, Timeline, pool_answers
from emofuse.types import Face, Moment, Scores


def name_people(timeline: Timeline, names: Mapping[int, str]) -> Timeline:
    """Give people names; an empty one takes a name away.

    Args:
        timeline: With people.
        names: By the ids of people.

    Returns:
        The timeline with the names.

    Raises:
        UsageError: There is no such person.
    """
    _check_ids(timeline, names)
    people = tuple(replace(p, name=documentary_line(names.get(p.id, p.name)).strip()) for p in timeline.people)
    return replace(timeline, people=people)


def merge_people(timeline: Timeline, ids: Sequence[int]) -> Timeline:
    """Join people who are one: under the smallest of their ids, and the first name that one of them has.

    What they show is averaged, each weighing by the time that they are seen.

    Args:
        timeline: With people.
        ids: Of those to join, two at least.

    Returns:
        The timeline, in which everything that referred to one of them refers to the joined one.

    Raises:
        UsageError: There is no such person, or only one.
    """
    _check_ids(timeline, ids)
    if len(set(ids)) < 2:
        raise UsageError(f"one person cannot be joined: {', '.join(map(str, ids))}", "give two ids or more, as 3,5")
    kept = min(ids)
    own = [person for person in timeline.people if person.id in ids]
    joined = _joined(kept, [next(p for p in own if p.id == i) for i in dict.fromkeys(ids)])
    people = tuple(joined if p.id == kept else p for p in timeline.people if p.id == kept or p.id not in ids)
    to = dict.fromkeys(ids, kept)
    return replace(
        timeline,
        people=people,
        moments=tuple(_renumbered(moment, to) for moment in timeline.moments),
        lines=tuple(replace(line, person_id=_now(line.person_id, to)) for line in timeline.lines),
    )


def edit_people(timeline: Timeline, names: Mapping[int, str], merge: Iterable[Sequence[int]]) -> Timeline:
    """Join people, and then name them.

    Args:
        timeline: With people.
        names: By the ids of people.
        merge: The ids of those who are one.

    Returns:
        The timeline with both.

    Raises:
        UsageError: There is no such person, or one alone is to be joined.
    """
    for ids in merge:
        timeline = merge_people(timeline, ids)
    return name_people(timeline, names)


def _joined(kept: int, people: Sequence[Person]) -> Person:
    shares: dict[str, float] = {}
    for person in people:
        for label, seconds in person.share_of_time.items():
            shares[label] = shares.get(label, 0.0) + seconds
    spoke = [stretch for person in people for stretch in person.spoke or ()]
    modalities = dict.fromkeys(modality for person in people for modality in person.by_modality)
    means = {m: _mean(m, ((p.by_modality[m], p.seen_s) for p in people if m in p.by_modality)) for m in modalities}
    return Person(
        kept,
        next((person.name for person in people if person.name), ""),
        join_stretches((stretch for person in people for stretch in person.seen), apart_s=0.0),
        None if all(person.spoke is None for person in people) else join_stretches(spoke, apart_s=0.0),
        dict(sorted(shares.items(), key=lambda share: -share[1])),
        _mean("fused", ((p.summary, p.seen_s) for p in people if p.summary is not None)),
        {modality: scores for modality, scores in means.items() if scores is not None},
        max(people, key=lambda person: person.seen_s).thumbnail,
    )


def _mean(modality: str, weighed: Iterable[tuple[Scores, float]]) -> Scores | None:
    found = list(weighed)
    if not found:
        return None
    weights = [max(seconds, LEAST_WEIGHT) for _, seconds in found]
    return pool_answers([scores for scores, _ in found], modality, weights)


def _renumbered(moment: Moment, to: Mapping[int, int]) -> Moment:
    faces: tuple[Face, ...] = tuple(replace(face, person_id=_now(face.person_id, to)) for face in moment.faces)
    return replace(moment, faces=faces, speaker_id=_now(moment.speaker_id, to))


def _now(person_id: int | None, to: Mapping[int, int]) -> int | None:
    return None if person_id is None else to.get(person_id, person_id)


def _check_ids(timeline: Timeline, ids: Iterable[int]) -> None:
    known = {person.id for person in timeline.people}
    for one in ids:
        if one not in known:
            there = ", ".join(map(str, sorted(known))) or "nobody: analyse the recording again"
            raise UsageError(f"there is no person {one}", f"there are {there}" if known else f"there is {there}")
