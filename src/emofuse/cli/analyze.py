"""`emofuse analyze`: recordings in, timelines out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from emofuse.cli.answer_options import (
    CoverageOption,
    EndOption,
    PriorOption,
    RiskOption,
    StartOption,
    answer_settings,
    check_answers,
    span_of,
)
from emofuse.cli.batch import analyze_plan, engine_of, results_folder
from emofuse.cli.command_line import command_line
from emofuse.cli.console import OUT, note
from emofuse.cli.details import Details
from emofuse.cli.film_options import BlurOption, LanguageOption, OverlayOption, PersonOption, overlay_settings
from emofuse.cli.model_options import BundleOption, PermissiveOption, check_allowed
from emofuse.cli.panels import ANSWERS, BATCH, FACES, INPUT, MODELS, REPORT, WORDS
from emofuse.cli.person_options import BaselineOption, PersonsOption, SamePersonOption, asked_of_people, know_people
from emofuse.cli.speed_options import (
    DetectOption,
    EveryOption,
    FastOption,
    MinFaceOption,
    ThreadsOption,
    set_threads,
    speed_settings,
)
from emofuse.cli.word_options import AsrLanguageOption, AsrModelOption
from emofuse.errors import UsageError
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.asr import MODEL
from emofuse.inference.bundle import load_bundle
from emofuse.inference.landmarker import FaceLandmarker
from emofuse.inference.onnx_runtime import pick_device
from emofuse.inference.smoothing import SmoothingSettings
from emofuse.media import MOST_PIXELS
from emofuse.outputs.formats import FORMATS
from emofuse.recordings.engine import ENGINES, EngineSettings
from emofuse.recordings.groups import read_groups
from emofuse.recordings.one import Options
from emofuse.recordings.plan import make_plan, parse_formats, refuse_foreign_results
from emofuse.recordings.words import notes_on, plan_words
from emofuse.remote import Address, place_of

DEFAULTS = AnalyzerSettings()


def analyze(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Recordings, photos, folders of them; also at https://, s3://, gs:// (extra: remote).",
        ),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for the results.")] = "emofuse-output",
    formats: Annotated[
        str, typer.Option(help=f"What to write, of {', '.join(FORMATS)}, or package.module:NAME.")
    ] = "html,json,csv,mp4",
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace files in the way that are not results of the same recording, too."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print warnings and failures only: no answers, no bars.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Also print the models that are loaded, with their hashes, and how long each step took.",
        ),
    ] = False,
    start: StartOption = None,
    end: EndOption = None,
    audio_track: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="The sound track to use, from 1; by default the default track, or one with speech.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    max_pixels: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="The largest picture allowed; recordings with larger ones are refused.",
            rich_help_panel=INPUT,
        ),
    ] = MOST_PIXELS,
    transcript: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|DIR|auto|none",
            help="The transcript (.srt, .vtt, .json or .txt): the recording's file, a folder of files that are named "
            "like the recordings, auto (the default) for files beside them and subtitles inside them, or none.",
            rich_help_panel=WORDS,
        ),
    ] = None,
    asr: Annotated[
        bool,
        typer.Option("--asr", help="Recognise speech if no transcript is found (extra: asr).", rich_help_panel=WORDS),
    ] = False,
    asr_model: AsrModelOption = MODEL,
    asr_language: AsrLanguageOption = None,
    text_model: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="A text classifier of the Hugging Face Hub, or its folder, for the words (extra: text).",
            rich_help_panel=WORDS,
        ),
    ] = None,
    mode: Annotated[
        Literal["queue", "frame"],
        typer.Option(
            help="queue: a moment every --hop-s over the last seconds; frame: one for every frame.",
            rich_help_panel=ANSWERS,
        ),
    ] = DEFAULTS.mode,
    hop_s: Annotated[
        float, typer.Option(help="Seconds between moments in queue mode.", rich_help_panel=ANSWERS)
    ] = DEFAULTS.hop_s,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Smooth the labels from moment to moment.", rich_help_panel=ANSWERS)
    ] = False,
    risk: RiskOption = DEFAULTS.risk,
    coverage: CoverageOption = None,
    prior: PriorOption = "flat",
    bundle: BundleOption = "base",
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: cuda if available.", rich_help_panel=MODELS)] = "cpu",
    permissive_only: PermissiveOption = False,
    same_person: SamePersonOption = False,
    persons: PersonsOption = None,
    baseline: BaselineOption = None,
    measure_faces: Annotated[
        bool,
        typer.Option(
            "--measure-faces",
            help="Also measure every face of every picture: head, gaze, blinks, 52 movements (extra: landmarks).",
            rich_help_panel=FACES,
        ),
    ] = False,
    face_points: Annotated[
        bool,
        typer.Option(
            "--face-points",
            help="With --measure-faces: keep the 478 points of each face, which takes much space.",
            rich_help_panel=FACES,
        ),
    ] = False,
    overlay: OverlayOption = "full",
    overlay_lang: LanguageOption = "en",
    blur_faces: BlurOption = False,
    person: PersonOption = None,
    explains: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Show in the report (html) which parts of the input the surest answers depend on.",
            rich_help_panel=REPORT,
        ),
    ] = False,
    embeddings: Annotated[
        bool,
        typer.Option("--embeddings", help="Write the embeddings of the networks, as .npz.", rich_help_panel=REPORT),
    ] = False,
    fast: FastOption = False,
    every: EveryOption = None,
    detect_period_s: DetectOption = None,
    min_face: MinFaceOption = None,
    threads: ThreadsOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Recordings to analyse at once; by default 1, in a cluster one for each core.",
            rich_help_panel=BATCH,
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help=f"The engine that processes them: {' or '.join(ENGINES)}, a cluster (extra: scale).",
            rich_help_panel=BATCH,
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT|auto",
            help="The address of the cluster; without it, a cluster on this machine.",
            rich_help_panel=BATCH,
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A CSV with the columns recording and group: groups are compared in the index.",
            rich_help_panel=BATCH,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Keep earlier results of the same recordings and settings, and analyse the others.",
            rich_help_panel=BATCH,
        ),
    ] = False,
) -> None:
    """Recognise emotion in recordings and photos; writes an annotated video or picture, JSON, CSV and other formats.

    For several inputs, also index.html and summary.csv. --resume continues a batch that was interrupted.

    Exit code: 0 all done, 1 some inputs failed, 2 wrong usage, 3 nothing could be analysed.

    Examples:

        emofuse analyze talk.mp4                       a report, data and a film
        emofuse analyze talk.mp4 --start 1:30 --end 2:00 --formats html
        emofuse analyze talk.mp4 --transcript talk.srt --overlay simple
        emofuse analyze recordings/ -o out --jobs 4    all that are in a folder
    """
    if quiet and verbose:
        raise UsageError("--quiet and --verbose at once", "give one of them")
    OUT.quiet = quiet
    wanted, device = parse_formats(formats), pick_device(device)
    named = {} if groups is None else read_groups(groups)
    if explains and "html" not in wanted:
        wanted = (*wanted, "html")  # where it is shown
    if embeddings and "embeddings" not in wanted:
        wanted = (*wanted, "embeddings")
    measured = measure_faces or face_points or "faces" in wanted
    settings = AnalyzerSettings(
        mode=mode,
        hop_s=hop_s,
        measure_faces=measured,
        face_points=face_points,
        embeddings="embeddings" in wanted,
        **answer_settings(risk, coverage, prior),
        **speed_settings(fast, every, detect_period_s, min_face),
    )
    set_threads(threads, jobs)
    if measured:
        FaceLandmarker()  # fetched before the work: without it, every recording would fail
    folder = results_folder(out)
    plan = make_plan([place_of(each) for each in inputs], folder, wanted, overwrite)
    asked = asked_of_people(same_person, persons, baseline, plan)
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
        resume=resume,
        explains=explains,
        span=span_of(start, end),
    )
    # looked for before the work: a wrong bundle or device is the caller's mistake, not each recording's
    details = Details(verbose)
    loaded = load_bundle(bundle, device)
    details.print_loaded(loaded, settings)
    check_allowed(loaded, permissive_only)
    if permissive_only and text_model is not None:
        raise UsageError(f"what the licence of {text_model} allows is not known", "leave out --text-model")
    check_answers(loaded, settings)
    works = engine_of(engine, EngineSettings(jobs, address))
    # one recording is analysed here: a process of its own takes a second more, and there is no other to save
    is_spread = plan.is_batch or isinstance(folder, Address) or engine != "local"
    again = () if overwrite else refuse_foreign_results(plan.tasks, wanted)
    for line in (*plan.notes, *(() if resume else again), *notes_on(words, loaded)):
        note(line)
    options = know_people(asked, plan, folder, options, loaded)
    code = analyze_plan(plan, options, works, folder, loaded, is_spread=is_spread, groups=named, details=details)
    if code:
        raise typer.Exit(code)
