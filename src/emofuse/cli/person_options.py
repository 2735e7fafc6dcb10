"""The options of `emofuse analyze` that adapt its answers to the person whom all recordings are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from emofuse.cli.console import note
from emofuse.cli.panels import PERSON
from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle
from emofuse.inference.options import check_one_adaptation
from emofuse.inference.same_person import KnownPerson, neutral_baseline, neutral_references, same_person
from emofuse.media import Span
from emofuse.recordings.one import Options, analyze_recording
from emofuse.recordings.plan import Plan, Task, make_plan
from emofuse.remote import Place, place_of
from emofuse.timeline import Timeline
from emofuse.wording import counted

SamePersonOption = Annotated[
    bool,
    typer.Option(
        "--same-person",
        help="All recordings are of one person, in several moods: what their face and voice answer on average is taken "
        "out. Every recording is analysed twice.",
        rich_help_panel=PERSON,
    ),
]
BaselineOption = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="A recording, or a folder of them, of the person in a neutral mood: what sets their voice apart from "
        "other people's is taken out. May be given several times.",
        rich_help_panel=PERSON,
    ),
]


def check_person_options(is_same_person: bool, baseline: Sequence[str] | None, plan: Plan) -> None:
    """Raise UsageError where the recordings cannot be adapted to a person as these options ask."""
    check_one_adaptation(is_same_person, baseline or ())
    if (is_same_person or baseline) and any(task.is_photo for task in plan.tasks):
        raise UsageError("photos are not adapted to a person", "leave out --same-person and --baseline, or the photos")


def know_person(
    is_same_person: bool, baseline: Sequence[str] | None, plan: Plan, folder: Place, options: Options, bundle: Bundle
) -> KnownPerson | None:
    """Analyse what the person is to be known from; None where nobody asks for it.

    Raises:
        UsageError: A recording of the baseline cannot be read, or there is nothing of the person in them.
    """
    if is_same_person:
        note(f"{counted(len(plan.tasks), 'recording')} are gone through first, to know the person")
        found = (_analysed(task, options, bundle) for task in plan.tasks)
        return same_person([one for one in found if isinstance(one, Timeline)])  # what fails will be told of
    if not baseline:
        return None
    neutral_references(bundle)  # asked for before the work
    known = make_plan([place_of(each) for each in baseline], folder, ())
    failures = list(known.failures)
    timelines: list[Timeline] = []
    for task in known.tasks:
        one = _analysed(task, replace(options, span=Span()), bundle)
        if isinstance(one, Timeline):
            timelines.append(one)
        else:
            failures.append((str(task.source), one))
    if failures:
        raise UsageError(f"--baseline {failures[0][0]}: {failures[0][1]}", "give recordings that can be analysed")
    return neutral_baseline(timelines, bundle)


def _analysed(task: Task, options: Options, bundle: Bundle) -> Timeline | str:
    """Return the timeline of a recording of which nothing is written, or why there is none."""
    outcome = analyze_recording(task, replace(options, formats=(), explains=False), bundle)
    return outcome.failure if outcome.timeline is None else outcome.timeline
