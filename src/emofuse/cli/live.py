"""`emofuse live`: a camera, a stream or a recording at its pace, answered as it goes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.markup import escape

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
from emofuse.cli.command_line import command_line
from emofuse.cli.console import OUT, note
from emofuse.cli.details import Details, VerboseOption
from emofuse.cli.film_options import BlurOption, LanguageOption, OverlayOption, PersonOption, overlay_settings
from emofuse.cli.live_record import Recorder, snapshot
from emofuse.cli.live_views import View, make_view
from emofuse.cli.model_options import BundleOption, PermissiveOption, check_allowed
from emofuse.cli.panels import ANSWERS, INPUT, MODELS, PERSON, WORDS
from emofuse.cli.person_options import BaselineOption, know_live_person
from emofuse.cli.word_options import AsrLanguageOption, AsrModelOption
from emofuse.errors import EmofuseError, UsageError
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.asr import MODEL, load_recognizer
from emofuse.inference.bundle import load_bundle
from emofuse.inference.live import LiveSession, LiveSettings
from emofuse.inference.live_person import ANOTHER_S, LivePerson
from emofuse.inference.live_updates import LiveUpdate
from emofuse.inference.live_words import LiveWords
from emofuse.inference.smoothing import Smoother
from emofuse.inference.vad import speech_in
from emofuse.media import Span
from emofuse.media.capture import Camera, Microphone, PacedFile, PacketSource, stream_clock
from emofuse.media.network import NetworkStream
from emofuse.outputs.lettering import Image
from emofuse.outputs.live_chart import LivePainter
from emofuse.outputs.live_terminal import summary_line, words_line
from emofuse.outputs.overlay import OverlaySettings

DEFAULTS: Final = AnalyzerSettings()
KEEPING_UP: Final = LiveSettings()
_TICK_S: Final = 0.1  # keys, a closed window and Ctrl-C are looked for so often while nothing comes


def live(
    view: Annotated[
        Literal["auto", "window", "terminal", "none"], typer.Option(help="auto: a window if there is a screen.")
    ] = "auto",
    record: Annotated[Path | None, typer.Option(help="Folder for the timeline and the annotated video.")] = None,
    max_delay_s: Annotated[
        float, typer.Option(help="The longest a picture may wait; then it is dropped, to keep the delay small.")
    ] = KEEPING_UP.max_delay_s or 0.0,
    camera: Annotated[
        str | None, typer.Option(help="A camera's number or path.  [default: 0]", rich_help_panel=INPUT)
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="A stream's address: rtsp, http, rtmp, srt or udp.", rich_help_panel=INPUT)
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A recording.", rich_help_panel=INPUT)] = None,
    realtime: Annotated[
        bool,
        typer.Option(
            "--realtime",
            help="Play a --file at its own pace and drop what is too late; by default all of it is analysed.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Listen too.", rich_help_panel=INPUT)] = True,
    microphone: Annotated[
        str | None, typer.Option(help="A microphone's number or name.", rich_help_panel=INPUT)
    ] = None,
    audio_track: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The sound track of a --file, from 1.", rich_help_panel=INPUT)
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many seconds of the stream.", rich_help_panel=INPUT)
    ] = None,
    asr: Annotated[
        bool,
        typer.Option(
            "--asr",
            help="Recognise speech, utterance by utterance; what it cannot keep up with is left out (extra: asr).",
            rich_help_panel=WORDS,
        ),
    ] = False,
    asr_model: AsrModelOption = MODEL,
    asr_language: AsrLanguageOption = None,
    mode: Annotated[
        Literal["queue", "frame"],
        typer.Option(
            help="frame: an answer for every picture; queue: one every --hop-s over the last seconds.",
            rich_help_panel=ANSWERS,
        ),
    ] = "frame",
    hop_s: Annotated[
        float, typer.Option(help="Seconds between moments in queue mode, and of sound.", rich_help_panel=ANSWERS)
    ] = DEFAULTS.hop_s,
    smooth: Annotated[
        bool, typer.Option("--smooth/--no-smooth", help="Smooth the labels that are shown.", rich_help_panel=ANSWERS)
    ] = True,
    risk: RiskOption = DEFAULTS.risk,
    coverage: CoverageOption = None,
    prior: PriorOption = "flat",
    bundle: BundleOption = "base",
    device: Annotated[str, typer.Option(help="cpu or cuda.", rich_help_panel=MODELS)] = "cpu",
    permissive_only: PermissiveOption = False,
    same_person: Annotated[
        bool,
        typer.Option(
            "--same-person",
            help="Whoever is in the stream is one person, in several moods: their average answer so far, for face and "
            "voice, is subtracted, the more the longer they are heard and seen.",
            rich_help_panel=PERSON,
        ),
    ] = False,
    baseline: BaselineOption = None,
    overlay: OverlayOption = "full",
    overlay_lang: LanguageOption = "en",
    blur_faces: BlurOption = False,
    person: PersonOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Recognise emotion live from a camera and microphone, a stream, or a recording played at its own pace.

    All people who are seen or heard are analysed, on this machine only.

    Keys: space pauses, s takes a snapshot, q ends it.

    Exit code: 0 it ended, 1 the source failed, 2 wrong usage.

    Examples:

        emofuse live                                   the first camera
        emofuse live --camera 1 --record out           another one, kept
        emofuse live --source rtsp://camera.local/1 --view none --record out
        emofuse live --file talk.mp4 --realtime
        emofuse live --asr --asr-model tiny.en         what is spoken, too
    """
    settings = AnalyzerSettings(mode=mode, hop_s=hop_s, **answer_settings(risk, coverage, prior))
    span = span_of(start, end)
    film = overlay_settings(overlay, overlay_lang, blur_faces, person)
    keeping_up = LiveSettings(max_delay_s=max_delay_s, tick_s=_TICK_S, keeps_dropped=record is not None)
    if file is not None and not realtime:
        keeping_up = LiveSettings(max_delay_s=None, tick_s=_TICK_S)
    if realtime and file is None:
        raise UsageError("--realtime is for a --file", "a camera and a stream have a pace of their own")
    details = Details(verbose)
    loaded = load_bundle(bundle, device)
    details.print_loaded(loaded, settings)
    check_allowed(loaded, permissive_only)
    check_answers(loaded, settings)
    if audio_track is not None and file is None:
        raise UsageError("--audio-track is for a --file", "a stream's default track is taken")
    if not span.is_whole and file is None:
        raise UsageError("--start and --end are for a --file", "--seconds ends a stream")
    if asr and not audio:
        raise UsageError("--asr and --no-audio at once", "words are recognised in the sound")
    person_known, faces = know_live_person(same_person, baseline or (), settings, loaded)
    # loaded before the sources are opened, which then wait for nobody
    is_live = keeping_up.max_delay_s is not None
    recognizer = load_recognizer(asr_model, asr_language, device, is_live=is_live) if asr else None
    if recognizer is not None:
        details.print_recognizer(recognizer.origin)
    sources = _open_sources(camera, source, file, realtime, audio, microphone, audio_track, span)
    name = " + ".join(one.name for one in sources)
    try:
        analyzer = Analyzer(loaded, settings=settings, known_faces=faces)
        shown = make_view(view, name, loaded.labels, note)
        has_sound = any(one.has_audio for one in sources)
        words = None
        if recognizer is not None:
            words = LiveWords(recognizer, waits=not is_live)
            if not has_sound:
                note("there is no sound, so no words are recognised")
        recorder = (
            None if record is None else Recorder(record, analyzer, has_sound, command_line(), words, person_known)
        )
        smoother = Smoother() if smooth else None
        session = LiveSession(
            analyzer, *sources, settings=keeping_up, smoother=smoother, words=words, person=person_known
        )
    except BaseException:
        for one in sources:
            one.close()
        raise
    note(f"reading emotion from {name}, on this machine only")
    _follow(
        session, _Player(session, film, shown, recorder, record or Path(), person_known), seconds, words is not None
    )


def _follow(session: LiveSession, player: _Player, seconds: float | None, has_words: bool) -> None:
    """Run the session to its end, however that comes, and print what it did. has_words: whether words may come."""
    try:
        with ExitStack() as stack:
            stack.callback(lambda: _conclude(session, player.recorder, has_words))
            if player.recorder is not None:
                stack.enter_context(player.recorder)
            stack.enter_context(session)
            stack.enter_context(player.view)
            is_interrupted = stack.enter_context(_interrupts())
            for update in session:
                player.play(update)
                reached_s = update.frame.time_s if update.frame is not None and not update.is_dropped else 0.0
                reached_s = update.sound.end_s if update.sound is not None else reached_s
                if is_interrupted() or player.is_ended or (seconds is not None and reached_s >= seconds):
                    session.stop()
    finally:
        session.close()


class _Player:
    """Shows and records what comes, and does what the keys say."""

    def __init__(
        self,
        session: LiveSession,
        film: OverlaySettings,
        view: View,
        recorder: Recorder | None,
        folder: Path,
        person: LivePerson | None = None,
    ) -> None:
        self.view, self.recorder = view, recorder
        self._person = person
        self._session, self._folder = session, folder
        self._painter = LivePainter(session.analyzer.bundle.labels, film)
        self._latest = LiveUpdate()
        self._told: set[str] = set()
        self.is_ended = False

    def play(self, update: LiveUpdate) -> None:
        for moment in update.steady:
            self._painter.chart.push(moment)
        painted: list[Image] = []

        def picture(of: LiveUpdate = update) -> Image:
            if not painted:
                assert of.frame is not None and of.view is not None
                painted.append(self._painter.paint(of.frame.image, of.view))
            return painted[0]

        if update.frame is not None and not update.is_dropped:
            self._latest = update
        if self.recorder is not None:
            self.recorder.add(update, picture() if update.frame is not None else None)
        if update.is_dropped:  # it is late, and for the film alone
            return
        for key in self.view.show(update, self._session, picture):
            self._press(key)
        stats, words = self._session.stats(), self._session.word_stats()
        if stats.n_dropped:
            self._tell("this machine is too slow for the stream: pictures are left out to keep up, sound is not")
        if words.missed_s:
            self._tell("this machine is too slow for the speech model: some words are left out; use a smaller model")
        if self._person is not None and self._person.another_s >= ANOTHER_S:
            self._tell("somebody else is in view than in the baseline: their answers are not adapted")
        if words.failure:
            self._tell(f"no more words are recognised: {words.failure}")

    def _tell(self, words: str) -> None:
        """Print a notice, once."""
        if words not in self._told:
            self._told.add(words)
            note(words)

    def _press(self, key: str) -> None:
        key = key.lower()
        if key == " ":
            (self._session.resume if self._session.is_paused else self._session.pause)()
        elif key in ("q", "\x1b"):
            self.is_ended = True
        elif key == "s" and self._latest.frame is not None and self._latest.view is not None:
            note(f"wrote {snapshot(self._painter.paint(self._latest.frame.image, self._latest.view), self._folder)}")


def _conclude(session: LiveSession, recorder: Recorder | None, has_words: bool) -> None:
    if recorder is not None and session.stats().n_moments:
        recorder.finish(session)
        for path in recorder.files:
            OUT.print(f"  {escape(str(path))}")
    OUT.print(summary_line(session.stats()))
    if has_words:
        OUT.print(words_line(session.stats()))


def _open_sources(
    camera: str | None,
    source: str | None,
    file: Path | None,
    realtime: bool,
    audio: bool,
    microphone: str | None,
    audio_track: int | None = None,
    span: Span | None = None,
) -> list[PacketSource]:
    """Open what is to be read. Raises UsageError where more than one thing is named, and what the sources raise."""
    given = [
        name for name, value in (("--camera", camera), ("--source", source), ("--file", file)) if value is not None
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} at once", "name one of them")
    if microphone is not None and (file is not None or source is not None):
        raise UsageError(f"--microphone and {given[0]} at once", "a stream and a recording bring their own sound")
    if file is not None:
        return [
            PacedFile(file, has_audio=audio, is_paced=realtime, audio_track=audio_track, speech_s=speech_in, span=span)
        ]
    if source is not None:
        return [NetworkStream(source, has_audio=audio)]
    now = stream_clock()
    sources: list[PacketSource] = [Camera(_number(camera or "0"), now)]
    if audio:
        try:
            sources.append(Microphone(_number(microphone) if microphone is not None else None, now))
        except EmofuseError as error:
            if microphone is not None:  # which was asked for
                sources[0].close()
                raise
            note(f"without sound: {error}")
    return sources


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Yield what says whether Ctrl-C was pressed or the process told to end: the session then ends as by a key."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield lambda: False
        return
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
