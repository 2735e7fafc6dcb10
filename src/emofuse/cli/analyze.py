"""`emofuse analyze`: recordings in, timelines out."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from emofuse.cli.console import ERR, OUT, note
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.recogniser import MODEL
from emofuse.inference.smoothing import SmoothingSettings
from emofuse.outputs.formats import FORMATS
from emofuse.outputs.index import Row, write_index
from emofuse.outputs.terminal import summary_panel
from emofuse.recordings.one import Options, Outcome, analyze_recording, work
from emofuse.recordings.plan import Plan, make_plan, parse_formats
from emofuse.recordings.words import notes_on, plan_words

SOME_FAILED, NOTHING_DONE = 1, 3
DEFAULTS = AnalyzerSettings()


def analyze(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Recordings, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("emofuse-output"),
    mode: Annotated[
        Literal["queue", "frame"],
        typer.Option(help="queue: a moment every --hop-s over the last seconds; frame: one for every frame."),
    ] = DEFAULTS.mode,
    formats: Annotated[str, typer.Option(help=f"What to write, of {', '.join(FORMATS)}.")] = "json,csv,mp4",
    hop_s: Annotated[float, typer.Option(help="Seconds between moments in queue mode.")] = DEFAULTS.hop_s,
    bundle: Annotated[str, typer.Option(help="A bundle's name, or a folder that holds one.")] = "base",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    transcript: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|DIR|auto",
            help="What is said, as .srt, .vtt, .json or .txt: the recording's file, a folder of files that are called "
            "as the recordings, or auto for those beside them.",
        ),
    ] = None,
    asr: Annotated[
        bool, typer.Option("--asr", help="Recognise what is said, where no transcript is found (extra: asr).")
    ] = False,
    asr_model: Annotated[str, typer.Option(help="Whisper's size, or the folder of a model.")] = MODEL,
    asr_language: Annotated[
        str | None, typer.Option(metavar="CODE", help="What is spoken, as en; recognised where it is not given.")
    ] = None,
    text_model: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="A text classifier of the Hugging Face Hub, or its folder, for the words (extra: text)."
        ),
    ] = None,
    smooth: Annotated[bool, typer.Option("--smooth", help="Steady the labels from moment to moment.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Recordings to work on at once.")] = 1,
) -> None:
    """Read the emotion in recordings: an annotated video, JSON and CSV for each, and other formats on request.

    Over more than one input: index.html and summary.csv.

    Exit code: 0 all done, 1 some inputs failed, 2 wrong usage, 3 nothing could be analysed.
    """
    wanted = parse_formats(formats)
    settings = AnalyzerSettings.checked(mode=mode, hop_s=hop_s)
    plan = make_plan(inputs, out, wanted)
    words = plan_words(plan.tasks, wanted, transcript, asr, asr_model, asr_language, text_model, device)
    options = Options(wanted, settings, bundle, device, words, SmoothingSettings() if smooth else None)
    # looked for before the work: a wrong bundle or device is the caller's mistake, not each recording's
    loaded = load_bundle(bundle, device)
    for line in notes_on(words, loaded):
        note(line)
    at_once = jobs > 1 and len(plan.tasks) > 1
    outcomes = list(_at_once(plan, options, jobs) if at_once else _in_turn(plan, options, loaded))
    code = _conclude(plan, outcomes)
    if plan.is_batch and code != NOTHING_DONE:
        _write_index(plan, outcomes, out)
    if code:
        raise typer.Exit(code)


def _in_turn(plan: Plan, options: Options, bundle: Bundle) -> Iterator[Outcome]:
    with _progress() as progress:
        for number, task in enumerate(plan.tasks, start=1):
            count = f"[{number}/{len(plan.tasks)}] " if len(plan.tasks) > 1 else ""
            bar = progress.add_task(f"{escape(count + task.source.name)}", total=None)

            def show(time_s: float, duration_s: float | None, bar: object = bar) -> None:
                progress.update(bar, completed=time_s, total=duration_s)  # type: ignore[arg-type]

            outcome = analyze_recording(task, options, bundle, show)
            progress.remove_task(bar)
            _tell(outcome, progress, alone=len(plan.tasks) == 1)
            yield outcome


def _at_once(plan: Plan, options: Options, jobs: int) -> Iterator[Outcome]:
    # a fresh process each: OpenCV's and PyAV's threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    with _progress() as progress, ProcessPoolExecutor(min(jobs, len(plan.tasks)), mp_context=context) as pool:
        bar = progress.add_task(f"{len(plan.tasks)} recordings", total=len(plan.tasks))
        futures = {pool.submit(work, task, options): task for task in plan.tasks}
        for future in as_completed(futures):
            try:
                outcome = future.result()
            except BrokenProcessPool:
                outcome = Outcome(futures[future].source, failure="a worker process died (too little memory?)")
            progress.advance(bar)
            _tell(outcome, progress, alone=False)
            yield outcome


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=ERR, transient=True)


def _tell(outcome: Outcome, progress: Progress, alone: bool) -> None:
    timeline = outcome.timeline
    if timeline is None:
        return  # listed at the end, with the others that failed
    for line in outcome.notes:
        note(f"{outcome.source.name}: {line}")
    if alone:
        OUT.print(summary_panel(timeline))
        for file in outcome.files:
            OUT.print(f"  {escape(str(file))}")
        return
    fused = timeline.summary.fused
    answer = f"{fused.label} {fused.confidence:.0%}" if fused else "no answer"
    used = " + ".join(timeline.summary.used) or "nothing to go by"
    OUT.print(f"{escape(str(outcome.source))}: [bold]{escape(answer)}[/bold] ({used})")


def _write_index(plan: Plan, outcomes: list[Outcome], out: Path) -> None:
    """Write the page and the table over all inputs, in the order of the plan."""
    by_source = {outcome.source: outcome for outcome in outcomes}
    done = [by_source[task.source] for task in plan.tasks]
    rows = [Row(str(o.source), o.timeline, o.files, o.failure) for o in done]
    rows += [Row(source, failure=reason) for source, reason in plan.failures]
    for file in write_index(rows, out):
        OUT.print(f"  {escape(str(file))}")


def _conclude(plan: Plan, outcomes: list[Outcome]) -> int:
    failures = [*plan.failures, *((str(o.source), o.failure) for o in outcomes if o.timeline is None)]
    n_done = sum(o.timeline is not None for o in outcomes)
    if failures:
        ERR.print(f"[bold red]skipped {len(failures)} of {len(failures) + n_done}:[/bold red]")
        for source, reason in failures:
            ERR.print(f"  {escape(source)}: {escape(reason)}")
    if n_done == 0:
        return NOTHING_DONE
    return SOME_FAILED if failures else 0
