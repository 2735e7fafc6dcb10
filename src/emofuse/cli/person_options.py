"""The options of `emofuse analyze` that adapt its answers to the people whom recordings are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from emofuse.cli.console import note
from emofuse.cli.panels import PERSON
from emofuse.errors import MediaError, UsageError
from emofuse.formatting import pluralise
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle
from emofuse.inference.live_person import CausalPerson, LivePerson, NeutralPerson
from emofuse.inference.options import check_one_adaptation
from emofuse.inference.people import OTHER, TrackRecord, Vector, likeness
from emofuse.inference.people_clustering import main_face
from emofuse.inference.same_person import neutral_baseline, neutral_references, same_person
from emofuse.inference.session import Course, provenance_of
from emofuse.inference.vad import speech_in
from emofuse.media import Span, open_media
from emofuse.recordings.groups import group_of, names_of_none, read_groups
from emofuse.recordings.one import Options, analyze_recording
from emofuse.recordings.plan import Plan, Task, make_plan
from emofuse.remote import Place, place_of
from emofuse.timeline import Timeline

SamePersonOption = Annotated[
    bool,
    typer.Option(
        "--same-person",
        help="All recordings are of one person, in several moods: the average answer for face and voice is subtracted "
        "from each. Every recording is analysed twice.",
        rich_help_panel=PERSON,
    ),
]
PersonsOption = Annotated[
    Path | None,
    typer.Option(
        "--persons",
        metavar="FILE",
        help="A CSV with the columns recording and person: as --same-person, for the recordings of each person. "
        "Recordings that it does not list are not adapted.",
        rich_help_panel=PERSON,
    ),
]
BaselineOption = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="A recording, or a folder of them, of the person in a neutral mood: what sets their voice apart from "
        "other people's is subtracted. Can be repeated.",
        rich_help_panel=PERSON,
    ),
]


_READABLE: Final = "give recordings that can be analysed"


@dataclass(frozen=True, slots=True)
class AskedOfPeople:
    """How recordings are to be adapted to people.

    Attributes:
        is_same_person: Whether all are of one person.
        persons: The person of each recording that a table names.
        baseline: Recordings of the one person in a neutral mood.
    """

    is_same_person: bool
    persons: Mapping[Place, str]
    baseline: Sequence[str]


def asked_of_people(
    is_same_person: bool, persons: Path | None, baseline: Sequence[str] | None, plan: Plan
) -> AskedOfPeople:
    """Return what these options ask for.

    Raises:
        UsageError: They exclude each other, the table of persons is not one of these recordings, or there are photos.
    """
    if persons is not None and (is_same_person or baseline):
        other = "--same-person" if is_same_person else "--baseline"
        raise UsageError(f"--persons and {other} are two ways to adapt to a person", "give one of them")
    check_one_adaptation(is_same_person, baseline or ())
    of_all = is_same_person or bool(baseline)
    asked = AskedOfPeople(is_same_person, {} if persons is None else _read_persons(persons, plan), baseline or ())
    if any(task.is_photo and (of_all or task.source in asked.persons) for task in plan.tasks):
        hint = "leave out --same-person and --baseline, or the photos" if of_all else f"leave them out of {persons}"
        raise UsageError("photos are not adapted to a person", hint)
    return asked


def _read_persons(table: Path, plan: Plan) -> dict[Place, str]:
    """Return the person of each recording that a table names.

    Raises:
        UsageError: It cannot be read, or names what is not a recording of the plan, or nobody.
    """
    named = read_groups(table, "person")
    sources = [*(str(task.source) for task in plan.tasks), *(source for source, _ in plan.failures)]
    if unknown := names_of_none(sources, named):
        others = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise UsageError(
            f"{table}: {unknown[0]}{others} is not one of these recordings",
            "name them by their path, name, or name without the suffix",
        )
    persons = {task.source: name for task in plan.tasks if (name := group_of(str(task.source), named))}
    if not persons:
        raise UsageError(f"{table} gives no recording a person", "leave out --persons to analyse them as they are")
    return persons


def know_people(asked: AskedOfPeople, plan: Plan, folder: Place, options: Options, bundle: Bundle) -> Options:
    """Analyse what people are to be known from; return the options with what is known of them.

    Raises:
        UsageError: A recording of the baseline cannot be read, or there is nothing of the person in them.
    """
    if asked.is_same_person:
        _announce(len(plan.tasks), "the person")
        return replace(options, person=same_person(_those_analysed(plan.tasks, options, bundle)))
    if asked.persons:
        names = list(dict.fromkeys(asked.persons.values()))
        _announce(len(asked.persons), pluralise(len(names), "person"))
        tasks = {name: [task for task in plan.tasks if asked.persons.get(task.source) == name] for name in names}
        known = {name: same_person(_those_analysed(own, options, bundle), name) for name, own in tasks.items()}
        return replace(options, people={source: known[name] for source, name in asked.persons.items()})
    if not asked.baseline:
        return options
    neutral_references(bundle)  # asked for before the work
    recordings = make_plan([place_of(each) for each in asked.baseline], folder, ())
    failures = list(recordings.failures)
    timelines: list[Timeline] = []
    for task in recordings.tasks:
        one = _analysed(task, replace(options, span=Span()), bundle)
        if isinstance(one, Timeline):
            timelines.append(one)
        else:
            failures.append((str(task.source), one))
    if failures:
        raise UsageError(f"--baseline {failures[0][0]}: {failures[0][1]}", _READABLE)
    return replace(options, person=neutral_baseline(timelines, bundle))


def know_live_person(
    is_same_person: bool, baseline: Sequence[str], settings: AnalyzerSettings, bundle: Bundle
) -> tuple[LivePerson | None, tuple[Vector, ...]]:
    """Return to whom a live stream is adapted, and their face where it is known beforehand.

    Args:
        is_same_person: Whether to whoever is in it, by what came before.
        baseline: Recordings, or folders of them, of the person in a neutral mood.
        settings: Of the answers.
        bundle: That analyses the stream.

    Raises:
        UsageError: Both are asked for; a recording cannot be read; there is nothing of the person in them, or they
            show several people.
    """
    check_one_adaptation(is_same_person, baseline)
    if not baseline:
        return (CausalPerson() if is_same_person else None), ()
    neutral_references(bundle)  # asked for before the work
    plan = make_plan([place_of(each) for each in baseline], Path(), ())
    if plan.failures:
        raise UsageError(f"--baseline {plan.failures[0][0]}: {plan.failures[0][1]}", _READABLE)
    timelines: list[Timeline] = []
    faces: list[tuple[Place, Vector]] = []
    for task in plan.tasks:
        try:
            timeline, tracks = _gone_through(task.source, settings.model_copy(update={"mode": "queue"}), bundle)
        except MediaError as error:
            raise UsageError(f"--baseline {task.source}: {error}", _READABLE) from None
        timelines.append(timeline)
        if (face := main_face(tracks)) is not None:
            faces.append((task.source, face))
    known = neutral_baseline(timelines, bundle)
    total = _one_face(faces)
    if total is None:
        note("the baseline shows no face that can be known again: whoever is in the stream is taken for the person")
    return NeutralPerson(known, total is not None), (() if total is None else (total,))


def _gone_through(source: Place, settings: AnalyzerSettings, bundle: Bundle) -> tuple[Timeline, list[TrackRecord]]:
    """Return the timeline of a recording, and the tracks of its faces."""
    analyzer = Analyzer(bundle, settings=settings)
    course = Course(analyzer)
    with open_media(source, speech_s=speech_in) as media:
        for packet in media:
            course.add(analyzer.push(packet))
        course.add(analyzer.flush())
        return course.timeline(media.source, provenance_of(analyzer, "")), course.tracks


def _one_face(faces: Sequence[tuple[Place, Vector]]) -> Vector | None:
    """Return the sum of the embeddings of one face; None without any. Raises UsageError for those of several people."""
    total: Vector | None = None
    for source, face in faces:
        if total is not None and likeness(total, face) < OTHER:
            raise UsageError(f"--baseline {faces[0][0]} and {source} show two people", "give recordings of one person")
        total = face if total is None else total + face
    return total


def _announce(n_recordings: int, whom: str) -> None:
    verb = "is" if n_recordings == 1 else "are"
    note(f"{pluralise(n_recordings, 'recording')} {verb} gone through first, to know {whom}")


def _those_analysed(tasks: Sequence[Task], options: Options, bundle: Bundle) -> list[Timeline]:
    """Return the timelines of those recordings that can be analysed; what fails will be told of."""
    found = (_analysed(task, options, bundle) for task in tasks)
    return [one for one in found if isinstance(one, Timeline)]


def _analysed(task: Task, options: Options, bundle: Bundle) -> Timeline | str:
    """Return the timeline of a recording of which nothing is written, or why there is none."""
    outcome = analyze_recording(task, replace(options, formats=(), explains=False), bundle)
    return outcome.failure if outcome.timeline is None else outcome.timeline
