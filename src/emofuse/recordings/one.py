"""Analyse one recording and write its outputs: what `analyze` and `demo` share, here or in a worker process."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self

from emofuse.errors import EmofuseError
from emofuse.files import make_folder
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle
from emofuse.inference.explain import explain
from emofuse.inference.same_person import KnownPerson
from emofuse.inference.session import read_ahead, run
from emofuse.inference.smoothing import Smoother, SmoothingSettings
from emofuse.inference.vad import speech_in
from emofuse.media import AUDIO_RATE_HZ, MOST_PIXELS, STANDING_S, MediaReader, Span, VideoWriter, open_media
from emofuse.outputs.formats import get_format
from emofuse.outputs.index import Digest
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.marks import mark_file, recording_id, video_trailer
from emofuse.outputs.overlay import Overlay, OverlaySettings
from emofuse.recordings.film import FacePlaces, Film, FilmMoments
from emofuse.recordings.photos import analyze_photo
from emofuse.recordings.plan import Task
from emofuse.recordings.progress import OnProgress, Progress, Stage
from emofuse.recordings.stopwatch import Stopwatch
from emofuse.recordings.words import WordOptions, load_words, notes_on_times, said_in
from emofuse.remote import Place
from emofuse.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Options:
    """How to analyse: the same for every recording of a run."""

    formats: tuple[str, ...]
    settings: AnalyzerSettings
    bundle: str = "base"
    device: str = "cpu"
    words: WordOptions = field(default_factory=WordOptions)
    smoothing: SmoothingSettings | None = None
    overlay: OverlaySettings = field(default_factory=OverlaySettings)
    audio_track: int | None = None  # from 1; None: the reader chooses
    max_pixels: int = MOST_PIXELS  # of a picture
    call: str = ""  # the command
    resume: bool = False  # keep the results of the same content and settings
    explains: bool = False  # what the surest answers come from, in the report
    span: Span = field(default_factory=Span)  # the stretch of every recording that is analysed
    person: KnownPerson | None = None  # whom all recordings are of, and are adapted to
    people: Mapping[Place, KnownPerson] = field(default_factory=dict)  # those of single recordings

    def of(self, source: Place) -> Self:
        """Return them for one recording: the person whom it is of, and nobody else."""
        return replace(self, person=self.people.get(source, self.person), people={})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one recording, or the reason why nothing did.

    Attributes:
        source: The recording.
        timeline: Where it was analysed in this process; another one tells of it by the digest alone.
        files: That were written.
        notes: For people.
        failure: Why there are no results; "" where there are.
        digest: What an index shows of it.
        is_kept: Whether the results were there already.
        steps: Of the work on it, in order, each with its seconds.
    """

    source: Place
    timeline: Timeline | None = None
    files: tuple[Place, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str = ""
    digest: Digest | None = None
    is_kept: bool = False
    steps: tuple[tuple[str, float], ...] = ()


def analyze_recording(
    task: Task,
    options: Options,
    bundle: Bundle,
    on_progress: OnProgress | None = None,
) -> Outcome:
    """Analyse `task.source` and write the formats asked for, each under a temporary name first.

    on_progress is told how far it is. Raises nothing but what stops the whole run (Ctrl-C,
    SIGTERM): a recording that fails must not stop the others.
    """
    notes: list[str] = []
    options = options.of(task.source)
    watch = Stopwatch()
    try:
        make_folder(task.stem.parent)
        if task.is_photo:
            outcome = _photo_outcome(task, options, bundle)
            watch.lap("analysing")
            return replace(outcome, steps=watch.spent)
        with ExitStack() as stack:
            with _opened(task, options) as media:
                watch.lap("opening")
                duration_s = media.source.duration_s
                recogniser, scorer = load_words(options.words, bundle)
                stages = _stages(task, options, recogniser is not None, media.source.has_video)
                show = partial(_showing, on_progress, duration_s, stages)
                words = said_in(
                    task,
                    media.source,
                    options.words,
                    recogniser,
                    show("transcribing"),
                    options.audio_track,
                    media.start_s,
                    options.span,
                )
                notes += words.notes
                watch.lap("words")
                recording = recording_id(task.source)
                film, places = None, FacePlaces()
                if "mp4" in options.formats and media.source.has_video:
                    writer, is_all = _writer(task, media, options), options.formats == ("mp4",)
                    film = stack.enter_context(Film(writer, start_s=options.span.start_s, is_all=is_all))
                elif "mp4" in options.formats:
                    notes.append("there is no picture, so no mp4 was written")
                with read_ahead(media) as packets:
                    timeline = run(
                        packets,
                        media.source,
                        bundle,
                        options.settings,
                        None if film is None else lambda frame, view: places.add(frame.time_s, view.faces),
                        show("analysing"),
                        transcript=words.transcript,
                        scorer=scorer,
                        smoothing=options.smoothing,
                        span=options.span,
                        call=options.call,
                    )
                if options.person is not None:
                    answers = Analyzer(bundle, settings=options.settings, scorer=scorer).answers
                    timeline = options.person.adapt(timeline, answers)
                source, are_slides = media.source, media.are_slides  # which are known now
                notes += media.warnings
                notes += notes_on_times(timeline)
                watch.lap("analysing")
            if film is not None and not film.failure:
                _draw(film, task, options, timeline, places, show("drawing"), hears=are_slides)
                watch.lap("drawing")
        timeline = replace(timeline, source=source if task.shown_as is None else replace(source, path=task.shown_as))
        if words.absence and "text" in timeline.summary.why:
            summary = replace(timeline.summary, why={**timeline.summary.why, "text": words.absence})
            timeline = replace(timeline, summary=summary)
        if options.explains:
            with _opened(task, options) as media:
                timeline = replace(timeline, explanations=explain(media, timeline, bundle))
            watch.lap("explaining")
        files: list[Path] = []
        if film is not None and film.failure:
            notes.append(f"no mp4 was written: {film.failure}")
        elif film is not None:
            files.append(task.target("mp4"))
        annotated = files[0] if files and options.span.is_whole else None  # of a stretch, it has a clock of its own
        for kind in options.formats:
            write = get_format(kind).write
            if write is not None:
                write(timeline, task.target(kind), _links(task, kind, annotated))
                mark_file(kind, task.target(kind), recording)
                files.append(task.target(kind))
        digest = Digest.of(timeline)
        watch.lap("writing")
        return Outcome(task.source, timeline, tuple(files), tuple(notes), digest=digest, steps=watch.spent)
    except EmofuseError as error:
        return Outcome(task.source, failure=str(error))
    except MemoryError:
        return Outcome(task.source, failure="not enough memory for a picture of this size")
    except Exception as error:  # noqa: BLE001 (a fault of ours or of a library's, on one file of many)
        return Outcome(task.source, failure=_fault(error))


def _stages(task: Task, options: Options, has_recogniser: bool, has_video: bool) -> tuple[Stage, ...]:
    """Return what is done with a recording, in order."""
    is_transcribed = has_recogniser and task.source not in options.words.found
    has_film = has_video and "mp4" in options.formats
    return (*(("transcribing",) if is_transcribed else ()), "analysing", *(("drawing",) if has_film else ()))


def _showing(
    on_progress: OnProgress | None, duration_s: float | None, stages: tuple[Stage, ...], stage: Stage
) -> Callable[[float], None] | None:
    """Return what takes the time that a stage has reached."""
    if on_progress is None:
        return None
    return lambda time_s: on_progress(Progress(time_s, duration_s, stage, stages))


def _draw(
    film: Film,
    task: Task,
    options: Options,
    timeline: Timeline,
    places: FacePlaces,
    on_progress: Callable[[float], None] | None,
    *,
    hears: bool,
) -> None:
    """Read the recording once more, and draw over its pictures what all of it came to.

    hears: whether pictures depend on the sound. The film has that of the file, unless it is of a stretch.
    """
    people = {person.id: person.name for person in timeline.people} or None
    overlay = Overlay(options.overlay, duration_s=timeline.source.duration_s, people=people)
    moments = FilmMoments(timeline, places, None if options.smoothing is not None else Smoother())
    has_sound = not options.span.is_whole
    with _opened(task, options, keeps_yuv=True, hears=hears or has_sound) as media:
        film.draw(media, overlay, moments, on_progress, has_sound=has_sound)


def _opened(task: Task, options: Options, *, keeps_yuv: bool = False, hears: bool = True) -> MediaReader:
    return open_media(
        task.source,
        audio_track=options.audio_track,
        speech_s=speech_in,
        repeat_s=STANDING_S,
        max_pixels=options.max_pixels,
        span=options.span,
        keeps_yuv=keeps_yuv,
        hears=hears,
    )


def _writer(task: Task, media: MediaReader, options: Options) -> VideoWriter:
    """Return what writes the annotated film. That of a stretch has the sound that was listened to, not the tracks of
    the recording, which go on before and after it."""
    trailer = partial(video_trailer, recording_id(task.source))
    if options.span.is_whole:
        return VideoWriter(task.target("mp4"), media, trailer=trailer)
    rate_hz = AUDIO_RATE_HZ if media.source.has_audio else None
    return VideoWriter(task.target("mp4"), None, sound_rate_hz=rate_hz, trailer=trailer)


def _photo_outcome(task: Task, options: Options, bundle: Bundle) -> Outcome:
    if not options.span.is_whole:
        return Outcome(task.source, failure="a photo has no start and no end: leave out --start and --end")
    kinds = task.kinds(options.formats)
    timeline, files = analyze_photo(
        task, kinds, bundle, options.settings, options.overlay, options.max_pixels, options.call
    )
    usual = ("mp4", "html") if kinds else ()  # what is written of recordings unless something else is asked for
    left_out = [kind for kind in options.formats if kind not in usual and kind not in kinds]
    notes = (f"a photo has no time, so no {', '.join(left_out)} was written",) if left_out else ()
    return Outcome(task.source, timeline, files, notes, digest=Digest.of(timeline))


def _fault(error: Exception) -> str:
    """Describe an exception that is none of ours in a line that can be reported."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"emofuse failed on it, which is a fault worth reporting: {type(error).__name__}{where}: {error}"


def _links(task: Task, kind: str, annotated: Path | None) -> MediaLinks:
    if task.shown_as is None:
        return MediaLinks.between(task.source, task.target(kind), annotated)
    return MediaLinks.beside(task.shown_as, f"{Path(task.shown_as).stem}.mp4" if annotated is not None else None)
