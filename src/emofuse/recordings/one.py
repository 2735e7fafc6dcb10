"""Analyse one recording and write its outputs: what `analyze` and `demo` share, here or in a worker process."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from emofuse.atomic import make_folder
from emofuse.errors import EmofuseError
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle
from emofuse.inference.explain import explain
from emofuse.inference.same_person import KnownPerson
from emofuse.inference.session import QUEUE_BYTES, packet_bytes, read_ahead, run
from emofuse.inference.smoothing import SmoothingSettings
from emofuse.inference.vad import speech_in
from emofuse.media import AUDIO_RATE_HZ, MOST_PIXELS, STANDING_S, MediaReader, Span, VideoWriter, open_media
from emofuse.outputs.formats import FORMATS
from emofuse.outputs.index import Digest
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.marks import mark_file, recording_id, video_trailer
from emofuse.outputs.overlay import Overlay, OverlaySettings
from emofuse.overlap import WriteBehind
from emofuse.recordings.photos import analyze_photo
from emofuse.recordings.plan import Task
from emofuse.recordings.progress import OnProgress, Progress, Stage
from emofuse.recordings.words import WordOptions, load_words, said_in
from emofuse.remote import Place
from emofuse.timeline import Timeline
from emofuse.types import AudioBlock, Frame, Moment, Packet

_Shown = tuple[Frame, Moment] | AudioBlock  # of a film, in the order in which it is written
_DISK_ERRORS: Final = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}


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
    """

    source: Place
    timeline: Timeline | None = None
    files: tuple[Place, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str = ""
    digest: Digest | None = None
    is_kept: bool = False


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
    try:
        make_folder(task.stem.parent)
        if task.is_photo:
            return _photo_outcome(task, options, bundle)
        with ExitStack() as stack:
            media = stack.enter_context(_opened(task, options))
            duration_s = media.source.duration_s
            recogniser, scorer = load_words(options.words, bundle)
            stages = _stages(task, options, recogniser is not None)
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
            recording = recording_id(task.source)
            person, answers = options.person, Analyzer(bundle, settings=options.settings, scorer=scorer).answers

            def adapted(moment: Moment) -> Moment:
                return moment if person is None else person.adapt_moment(moment, answers)

            film, paint = None, None
            if "mp4" in options.formats and media.source.has_video:
                film = stack.enter_context(_Film(_writer(task, media, options), media, options))
                paint = stack.enter_context(_behind(film))
            elif "mp4" in options.formats:
                notes.append("there is no picture, so no mp4 was written")
            packets: Iterable[Packet] = stack.enter_context(read_ahead(media))
            timeline = run(
                packets if paint is None or options.span.is_whole else _with_sound(packets, paint),
                media.source,
                bundle,
                options.settings,
                None if paint is None else lambda frame, moment: paint.put((frame, adapted(moment))),
                show("analysing"),
                transcript=words.transcript,
                scorer=scorer,
                smoothing=options.smoothing,
                view_smoothing=SmoothingSettings(),
                span=options.span,
                call=options.call,
            )
            if person is not None:
                timeline = person.adapt(timeline, answers)
            source = media.source  # which knows now how long it is
            notes += media.warnings
        timeline = replace(timeline, source=source if task.shown_as is None else replace(source, path=task.shown_as))
        if words.absence and "text" in timeline.summary.why:
            summary = replace(timeline.summary, why={**timeline.summary.why, "text": words.absence})
            timeline = replace(timeline, summary=summary)
        if options.explains:
            with _opened(task, options) as media:
                timeline = replace(timeline, explanations=explain(media, timeline, bundle))
        files: list[Path] = []
        if film is not None and film.failure:
            notes.append(f"no mp4 was written: {film.failure}")
        elif film is not None:
            files.append(task.target("mp4"))
        annotated = files[0] if files and options.span.is_whole else None  # of a stretch, it has a clock of its own
        for kind in options.formats:
            write = FORMATS[kind].write
            if write is not None:
                write(timeline, task.target(kind), _links(task, kind, annotated))
                mark_file(kind, task.target(kind), recording)
                files.append(task.target(kind))
        return Outcome(task.source, timeline, tuple(files), tuple(notes), digest=Digest.of(timeline))
    except EmofuseError as error:
        return Outcome(task.source, failure=str(error))
    except MemoryError:
        return Outcome(task.source, failure="not enough memory for a picture of this size")
    except Exception as error:  # noqa: BLE001 (a fault of ours or of a library's, on one file of many)
        return Outcome(task.source, failure=_fault(error))


def _stages(task: Task, options: Options, has_recogniser: bool) -> tuple[Stage, ...]:
    """Return what is done with a recording, in order."""
    is_transcribed = has_recogniser and task.source not in options.words.found
    return (*(("transcribing",) if is_transcribed else ()), "analysing")


def _showing(
    on_progress: OnProgress | None, duration_s: float | None, stages: tuple[Stage, ...], stage: Stage
) -> Callable[[float], None] | None:
    """Return what takes the time that a stage has reached."""
    if on_progress is None:
        return None
    return lambda time_s: on_progress(Progress(time_s, duration_s, stage, stages))


def _opened(task: Task, options: Options) -> MediaReader:
    return open_media(
        task.source,
        audio_track=options.audio_track,
        speech_s=speech_in,
        repeat_s=STANDING_S,
        max_pixels=options.max_pixels,
        span=options.span,
    )


def _writer(task: Task, media: MediaReader, options: Options) -> VideoWriter:
    """Return what writes the annotated film. That of a stretch has the sound that was listened to, not the tracks of
    the recording, which go on before and after it."""
    trailer = partial(video_trailer, recording_id(task.source))
    if options.span.is_whole:
        return VideoWriter(task.target("mp4"), media, trailer=trailer)
    rate_hz = AUDIO_RATE_HZ if media.source.has_audio else None
    return VideoWriter(task.target("mp4"), None, sound_rate_hz=rate_hz, trailer=trailer)


def _with_sound(packets: Iterable[Packet], paint: WriteBehind[_Shown]) -> Iterator[Packet]:
    for packet in packets:
        if isinstance(packet, AudioBlock):
            paint.put(packet)
        yield packet


def _photo_outcome(task: Task, options: Options, bundle: Bundle) -> Outcome:
    if not options.span.is_whole:
        return Outcome(task.source, failure="a photo has no start and no end: leave out --start and --end")
    kinds = task.kinds(options.formats)
    timeline, files = analyze_photo(
        task, kinds, bundle, options.settings, options.overlay, options.max_pixels, options.call
    )
    left_out = [kind for kind in options.formats if kind != "mp4" and kind not in kinds]
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


class _Film:
    """Writes the annotated MP4 of a recording. What hinders it costs the film and not the analysis; but where a film is
    all that was asked for, or the disk takes no more, it is raised. failure: what hindered it, "" for nothing."""

    def __init__(self, writer: VideoWriter, media: MediaReader, options: Options) -> None:
        self.failure = ""
        self._writer, self._is_all = writer, options.formats == ("mp4",)
        self._overlay = Overlay(options.overlay, duration_s=media.source.duration_s)
        self._start_s = options.span.start_s  # where the film begins
        self._waiting: list[AudioBlock] = []  # sound before the first picture
        self._has_begun = False

    def __enter__(self) -> Self:
        try:
            self._writer.__enter__()
        except EmofuseError as error:
            self._give_up(error)
        return self

    def put(self, shown: _Shown) -> None:
        """Write a picture with its moment drawn over it, or sound."""
        if self.failure:
            return
        try:
            if isinstance(shown, AudioBlock):
                self._waiting.append(replace(shown, time_s=max(shown.time_s - self._start_s, 0.0)))
            else:
                frame, moment = shown
                self._writer.write(self._overlay.draw(frame.image, moment), frame.time_s - self._start_s)
                self._has_begun = True
            while self._has_begun and self._waiting:
                self._writer.write_sound(self._waiting.pop(0))
        except EmofuseError as error:
            self._writer.__exit__(type(error), error, error.__traceback__)
            self._give_up(error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.failure:
            return
        try:
            self._writer.__exit__(kind, error, trace)
        except EmofuseError as failure:
            self._give_up(failure)

    def _give_up(self, error: EmofuseError) -> None:
        if self._is_all or getattr(error.__cause__, "errno", None) in _DISK_ERRORS:
            raise error
        self.failure = str(error)


def _behind(film: _Film) -> WriteBehind[_Shown]:
    """Draw and encode in a thread of its own, behind the analysis."""
    return WriteBehind(
        film.put, QUEUE_BYTES, lambda shown: packet_bytes(shown if isinstance(shown, AudioBlock) else shown[0])
    )
