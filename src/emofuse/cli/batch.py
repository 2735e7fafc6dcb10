"""What `analyze` does with its recordings: one here, many over an engine, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from rich.markup import escape

from emofuse.cli.console import ERR, OUT, note
from emofuse.cli.details import Details
from emofuse.cli.work_bars import WorkBars
from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle
from emofuse.outputs.index import INDEX_FILES, Row
from emofuse.outputs.terminal import summary_panel
from emofuse.recordings.engine import ENGINES, Engine, EngineSettings
from emofuse.recordings.groups import Groups, group_of
from emofuse.recordings.index import write_batch_index
from emofuse.recordings.one import Options, Outcome, analyze_recording
from emofuse.recordings.plan import Plan, Task
from emofuse.recordings.progress import Progress
from emofuse.recordings.record import other_records, settings_of
from emofuse.remote import WRITABLE_SCHEMES, Address, Place, place_of

SOME_FAILED, NOTHING_DONE = 1, 3


def results_folder(out: str) -> Place:
    """Return where results go. Raises UsageError for an address that is not written to."""
    folder = place_of(out)
    if isinstance(folder, Address) and not folder.is_writable:
        raise UsageError(f"cannot write to {folder}", f"a folder, or an address: {', '.join(WRITABLE_SCHEMES)}://")
    return folder


def engine_of(name: str, settings: EngineSettings) -> Engine:
    """Return the engine of a name. Raises UsageError where there is none, or it cannot be had."""
    if name not in ENGINES:
        raise UsageError(f"there is no engine {name!r}", f"allowed: {', '.join(ENGINES)}")
    return ENGINES[name](settings)


def analyze_plan(
    plan: Plan,
    options: Options,
    engine: Engine,
    folder: Place,
    bundle: Bundle,
    *,
    is_spread: bool,
    groups: Groups | None = None,
    details: Details | None = None,
) -> int:
    """Analyse recordings, and tell what came of each and of all.

    Args:
        plan: The recordings.
        options: How to analyse them.
        engine: What they are spread over.
        folder: Where the results go.
        bundle: The networks, for what is analysed in this process.
        is_spread: Whether the engine does the work; else it is done here, without a page over all.
        groups: What the recordings are compared as parts of.
        details: Is told of each recording, too.

    Returns:
        The exit code.
    """
    if not is_spread:
        return _conclude(plan, [_alone(task, options, bundle, details) for task in plan.tasks])
    outcomes: list[Outcome] = []
    index = partial(_end_batch, plan, outcomes, folder, settings_of(options, bundle), groups or {})
    try:
        outcomes.extend(_each(plan, options, engine, details))
    except (KeyboardInterrupt, SystemExit):
        index(unfinished="it was stopped before this was done; --resume goes on")
        raise
    return index()


def _alone(task: Task, options: Options, bundle: Bundle, details: Details | None) -> Outcome:
    """Analyse the one recording here: a process of its own would take a second more, and there is no other to save."""
    with WorkBars(ERR, 1, is_quiet=OUT.quiet) as bars:
        bars.begin(task.source)
        outcome = analyze_recording(task, options, bundle, partial(bars.reach, task.source))
    _print_outcome(outcome, details, alone=True)
    return outcome


def _each(plan: Plan, options: Options, engine: Engine, details: Details | None) -> Iterator[Outcome]:
    def show(task: Task, progress: Progress) -> None:
        bars.reach(task.source, progress)

    with (
        WorkBars(ERR, len(plan.tasks), is_quiet=OUT.quiet) as bars,
        closing(engine.analyze(plan.tasks, options, show)) as each,
    ):
        for outcome in each:
            bars.end(outcome.source)
            with bars.erased():
                _print_outcome(outcome, details, alone=False)
            yield outcome


def _print_outcome(outcome: Outcome, details: Details | None, alone: bool) -> None:
    if details is not None:
        details.print_done(outcome)
    digest = outcome.digest
    if digest is None:
        return  # listed at the end, with the others that failed
    for line in outcome.notes:
        note(f"{outcome.source.name}: {line}")
    if alone and outcome.timeline is not None:
        OUT.print(summary_panel(outcome.timeline))
        for file in outcome.files:
            OUT.print(f"  {escape(str(file))}")
        return
    answer = f"{digest.label} {digest.confidence:.0%}" if digest.label else "no answer"
    used = " + ".join(digest.used) or "nothing to go by"
    kept = ", kept" if outcome.is_kept else ""
    OUT.print(f"{escape(str(outcome.source))}: [bold]{escape(answer)}[/bold] ({used}{kept})")


def _end_batch(
    plan: Plan,
    outcomes: Sequence[Outcome],
    folder: Place,
    settings: Mapping[str, Any],
    groups: Groups,
    unfinished: str = "",
) -> int:
    """List what failed, and write the page and the table over all inputs in the order of the plan; return the code.

    settings: what results depend on. Those that are in the folder from before and were made with the same are listed,
    too. unfinished: what to say of recordings without an outcome.
    """
    by_source = {outcome.source: outcome for outcome in outcomes}
    done = [by_source.get(task.source, Outcome(task.source, failure=unfinished)) for task in plan.tasks]
    n_kept = sum(outcome.is_kept for outcome in done)
    if n_kept:
        note(f"{n_kept} of {len(done)} kept: the results were there, of the same content and settings")
    code = _conclude(plan, done)
    if code != NOTHING_DONE and plan.is_batch:
        rows = [Row(str(o.source), o.digest, o.files, o.failure) for o in done]
        rows += [Row(source, failure=reason) for source, reason in plan.failures]
        rows += _earlier_rows(plan, folder, settings)
        rows = [replace(row, group=group_of(row.source, groups)) for row in rows]
        if groups and not any(row.group for row in rows):
            note("--groups names none of these recordings: by their path, name, or name without the suffix")
        for file in write_batch_index(rows, folder):
            OUT.print(f"  {escape(str(file))}")
    return code


def _earlier_rows(plan: Plan, folder: Place, settings: Mapping[str, Any]) -> list[Row]:
    """Return what earlier batches into this folder came to, as far as nothing but the recordings differs."""
    rows, n_others = [], 0
    for record in other_records(folder, plan.tasks):
        files = record.files(folder)
        if files is not None and record.settings == settings:
            rows.append(Row(record.source, record.digest, files))
        elif files is not None:
            n_others += 1
    if rows:
        note(f"{INDEX_FILES[0]} lists {len(rows)} more that were done before, with the same settings")
    if n_others:
        note(f"{n_others} more were done before, with other settings: {INDEX_FILES[0]} does not list them")
    return rows


def _conclude(plan: Plan, outcomes: Sequence[Outcome]) -> int:
    failures = [*plan.failures, *((str(o.source), o.failure) for o in outcomes if o.digest is None)]
    n_done = sum(o.digest is not None for o in outcomes)
    if failures:
        ERR.print(f"[bold red]skipped {len(failures)} of {len(failures) + n_done}:[/bold red]")
        for source, reason in failures:
            ERR.print(f"  {escape(source)}: {escape(reason)}")
    if n_done == 0:
        return NOTHING_DONE
    return SOME_FAILED if failures else 0
