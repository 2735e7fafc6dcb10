"""`emofuse analyze`: recordings in, timelines out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from emofuse.cli.command_line import command_line
from emofuse.cli.console import ERR, OUT, note
from emofuse.cli.film_options import BlurOption, LanguageOption, OverlayOption, PersonOption, overlay_settings
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.answers import check_options, read_prior
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.landmarker import FaceLandmarker
from emofuse.inference.recogniser import MODEL
from emofuse.inference.smoothing import SmoothingSettings
from emofuse.media import MOST_PIXELS
from emofuse.outputs.formats import FORMATS
from emofuse.outputs.index import Row, write_index
from emofuse.outputs.terminal import summary_panel
from emofuse.recordings.one import Options, Outcome, analyze_recording
from emofuse.recordings.plan import Plan, Task, make_plan, parse_formats, refuse_foreign_results
from emofuse.recordings.pool import analyze_each
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
    max_pixels: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of a picture; a film of larger ones is refused.")
    ] = MOST_PIXELS,
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
    measure_faces: Annotated[
        bool,
        typer.Option(
            "--measure-faces",
            help="Measure every face of every picture, too: head, gaze, blinks, 52 movements (extra: landmarks).",
        ),
    ] = False,
    face_points: Annotated[
        bool, typer.Option("--face-points", help="With --measure-faces: keep its 478 points, which takes much room.")
    ] = False,
    risk: Annotated[
        float, typer.Option(metavar="0..1", help="How likely an answer may be wrong, before it is `uncertain`.")
    ] = DEFAULTS.risk,
    coverage: Annotated[
        float | None,
        typer.Option(metavar="0.5..0.99", help="Add prediction sets that hold the truth so often (JSON: labels)."),
    ] = None,
    prior: Annotated[
        str,
        typer.Option(
            metavar="flat|corpus|FILE",
            help="How often each emotion is expected: all alike, as in the networks' training, or a JSON file with a "
            "number for each.",
        ),
    ] = "flat",
    smooth: Annotated[bool, typer.Option("--smooth", help="Steady the labels from moment to moment.")] = False,
    overlay: OverlayOption = "full",
    overlay_lang: LanguageOption = "en",
    blur_faces: BlurOption = False,
    person: PersonOption = None,
    audio_track: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="The sound track to listen to, from 1; else the default one, or one with speech."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Recordings to work on at once.")] = 1,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace files in the way that are not results of the same recording, too."),
    ] = False,
) -> None:
    """Read the emotion in recordings: an annotated video, JSON and CSV for each, and other formats on request.

    Over more than one input: index.html and summary.csv.

    Exit code: 0 all done, 1 some inputs failed, 2 wrong usage, 3 nothing could be analysed.
    """
    wanted = parse_formats(formats)
    measured = measure_faces or face_points or "faces" in wanted
    settings = AnalyzerSettings(
        mode=mode,
        hop_s=hop_s,
        measure_faces=measured,
        face_points=face_points,
        risk=risk,
        coverage=coverage,
        prior=read_prior(prior),
    )
    if measured:
        FaceLandmarker()  # fetched before the work: without it, every recording would fail
    plan = make_plan(inputs, out, wanted, overwrite)
    words = plan_words(plan.tasks, wanted, transcript, asr, asr_model, asr_language, text_model, device)
    options = Options(
        wanted,
        settings,
        bundle,
        device,
        words,
        SmoothingSettings() if smooth else None,
        overlay_settings(overlay, overlay_lang, blur_faces, person),
        audio_track,
        max_pixels=max_pixels,
        call=command_line(),
    )
    # looked for before the work: a wrong bundle or device is the caller's mistake, not each recording's
    loaded = load_bundle(bundle, device)
    check_options(loaded, settings.prior, settings.coverage)
    again = () if overwrite else refuse_foreign_results(plan.tasks, wanted)
    for line in (*plan.notes, *again, *notes_on(words, loaded)):
        note(line)
    outcomes: list[Outcome] = []
    try:
        if plan.is_batch:
            outcomes.extend(_each(plan, options, jobs))
        else:
            outcomes += [_alone(task, options, loaded) for task in plan.tasks]
    except (KeyboardInterrupt, SystemExit):
        if plan.is_batch:
            _end_batch(plan, outcomes, out, "it was stopped before this was done")
        raise
    code = _end_batch(plan, outcomes, out) if plan.is_batch else _conclude(plan, outcomes)
    if code:
        raise typer.Exit(code)


def _alone(task: Task, options: Options, bundle: Bundle) -> Outcome:
    """Analyse the one recording here: a process of its own would take a second more, and there is no other to save."""
    with _progress() as progress:
        bar = progress.add_task(escape(task.source.name), total=None)

        def show(time_s: float, duration_s: float | None) -> None:
            progress.update(bar, completed=time_s, total=duration_s)

        outcome = analyze_recording(task, options, bundle, show)
    _tell(outcome, alone=True)
    return outcome


def _each(plan: Plan, options: Options, jobs: int) -> Iterator[Outcome]:
    n = len(plan.tasks)
    with _progress() as progress, closing(analyze_each(plan.tasks, options, jobs, show := _Bars(progress, n))) as each:
        for outcome in each:
            show.end(outcome.source)
            _tell(outcome, alone=False)
            yield outcome


class _Bars:
    """A bar for each recording that is being worked on, with its number among all."""

    def __init__(self, progress: Progress, n_recordings: int) -> None:
        self._progress, self._n = progress, n_recordings
        self._bars: dict[Path, TaskID] = {}
        self._n_begun = 0

    def __call__(self, task: Task, time_s: float, duration_s: float | None) -> None:
        if task.source not in self._bars:
            self._n_begun += 1
            name = escape(f"[{self._n_begun}/{self._n}] {task.source.name}")
            self._bars[task.source] = self._progress.add_task(name, total=None)
        self._progress.update(self._bars[task.source], completed=time_s, total=duration_s)

    def end(self, source: Path) -> None:
        if source in self._bars:
            self._progress.remove_task(self._bars.pop(source))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=ERR, transient=True)


def _tell(outcome: Outcome, alone: bool) -> None:
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


def _end_batch(plan: Plan, outcomes: Sequence[Outcome], out: Path, unfinished: str = "") -> int:
    """List what failed, and write the page and the table over all inputs in the order of the plan; return the code.

    unfinished: what to say of recordings without an outcome.
    """
    by_source = {outcome.source: outcome for outcome in outcomes}
    done = [by_source.get(task.source, Outcome(task.source, failure=unfinished)) for task in plan.tasks]
    code = _conclude(plan, done)
    if code != NOTHING_DONE:
        rows = [Row(str(o.source), o.timeline, o.files, o.failure) for o in done]
        rows += [Row(source, failure=reason) for source, reason in plan.failures]
        for file in write_index(rows, out):
            OUT.print(f"  {escape(str(file))}")
    return code


def _conclude(plan: Plan, outcomes: Sequence[Outcome]) -> int:
    failures = [*plan.failures, *((str(o.source), o.failure) for o in outcomes if o.timeline is None)]
    n_done = sum(o.timeline is not None for o in outcomes)
    if failures:
        ERR.print(f"[bold red]skipped {len(failures)} of {len(failures) + n_done}:[/bold red]")
        for source, reason in failures:
            ERR.print(f"  {escape(source)}: {escape(reason)}")
    if n_done == 0:
        return NOTHING_DONE
    return SOME_FAILED if failures else 0
