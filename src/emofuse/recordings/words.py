"""What is said in the recordings of a run: transcripts found or recognised, and what scores them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from emofuse.errors import EmofuseError, UsageError
from emofuse.inference.asr import MODEL, SpeechRecognizer, load_recognizer
from emofuse.inference.bundle import Bundle
from emofuse.inference.hub_text import HubTextPredictor, load_hub_text
from emofuse.inference.modalities.base import NO_SPEECH
from emofuse.inference.modalities.text import text_scorer
from emofuse.inference.session import fitted
from emofuse.media import Span
from emofuse.media.subtitle_track import read_subtitle_track
from emofuse.reading import is_file, is_folder
from emofuse.recordings.plan import Task
from emofuse.remote import Address, Place
from emofuse.timeline import SourceInfo, Timeline
from emofuse.transcripts import SUFFIXES, Transcript, subtitle_transcript

BESIDE: Final = "auto"  # in place of a file or a folder: beside each recording, or inside it
NOWHERE: Final = "none"
LEAST_MOMENTS: Final = 6  # with words, for their times to be judged
MOST_SILENT: Final = 0.5  # of those moments, where nobody speaks
_LANGUAGE: Final = re.compile(r"\.([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})*(?:\.(?:sdh|cc|hi))?")  # as in clip.pt-BR.srt
_PEEK_BYTES: Final = 300
_OWN: Final = re.compile(
    rb'"schema": "emofuse/|-->[^\n]*\n(?:[^\n]* \d{1,3} %\n|\[[^\]\n]+\]\xc2\xa0)'
)  # JSON; subtitles such as "happy 66 %" and "[happy] I am so glad"


@dataclass(frozen=True, slots=True)
class WordOptions:
    """Where the words of a run come from. found: a transcript by recording; searched: where one was looked for,
    where that was asked; inside: whether a subtitle track of the recording is read where none was found, which
    is so where none was given, either;
    asr_model: recognises what is said in the others, None for no recognition; text_model: scores in place of the
    bundle's network."""

    found: Mapping[Place, Path] = field(default_factory=dict)
    searched: str = ""
    asr_model: str | None = None
    asr_language: str | None = None
    text_model: str | None = None
    device: str = "cpu"
    inside: bool = True


def plan_words(
    tasks: Sequence[Task],
    formats: Sequence[str],
    transcript: str | None,
    asr: bool,
    asr_model: str = MODEL,
    asr_language: str | None = None,
    text_model: str | None = None,
    device: str = "cpu",
) -> WordOptions:
    """Find the transcripts of the recordings.

    transcript: a file, a folder, BESIDE or NOWHERE. None is as BESIDE, but that nothing is said where there is none,
    and that a text without times, which may be anything, is none.

    Raises UsageError where the options do not go together, a transcript is not there, or an output would replace one.
    """
    found, searched = _found(tasks, transcript or BESIDE)
    if transcript is None:
        found, searched = {task: file for task, file in found.items() if file.suffix.lower() != ".txt"}, ""
    if asr and transcript not in (None, NOWHERE) and not searched:
        raise UsageError("--asr and the transcript of the recording are given both", "choose one")
    used = {file.resolve() for file in found.values()}
    for task in tasks:
        for kind in () if isinstance(task.batch, Address) else formats:
            if task.target(kind).resolve() in used:
                raise UsageError(f"{task.target(kind)} would replace a transcript", "choose another folder with -o")
    inside = transcript in (None, BESIDE)
    return WordOptions(found, searched, asr_model if asr else None, asr_language, text_model, device, inside)


def load_words(options: WordOptions, bundle: Bundle) -> tuple[SpeechRecognizer | None, HubTextPredictor | None]:
    """Load the models that the words need, once in a process: what recognises them, and what scores them."""
    recogniser = scorer = None
    if options.asr_model is not None:
        recogniser = load_recognizer(options.asr_model, options.asr_language, options.device)
    if options.text_model is not None:
        scorer = load_hub_text(options.text_model, bundle.labels, 1.0, options.device)
    return recogniser, scorer


def notes_on(options: WordOptions, bundle: Bundle) -> tuple[str, ...]:
    """Load the models beforehand, so that what is wrong with them is said once; return what people should know."""
    _, scorer = load_words(options, bundle)
    if (options.found or options.asr_model) and scorer is None and text_scorer(bundle) is None:
        return (f"the bundle {bundle.manifest.name} has no network for text: the words are not used",)
    return scorer.notes if scorer is not None else ()


@dataclass(frozen=True, slots=True)
class Words:
    """What is said in a recording. absence: why that is not known, where something was there to tell it; notes: for
    people."""

    transcript: Transcript | None = None
    absence: str = ""
    notes: tuple[str, ...] = ()


def said_in(
    task: Task,
    source: SourceInfo,
    options: WordOptions,
    recogniser: SpeechRecognizer | None,
    on_progress: Callable[[float], None] | None = None,
    audio_track: int | None = None,
    start_s: float = 0.0,
    span: Span | None = None,
) -> Words:
    """Read or recognise what is said in a recording: a file of it, its own subtitles, or else its sound.

    A transcript that cannot be used, and sound that cannot be recognised, cost the words: nothing is raised.
    audio_track: that was asked for; start_s: where the clock of the pictures begins, on that of the container;
    span: the stretch of the recording that is analysed.
    """
    file = options.found.get(task.source)
    try:
        # of one at an address all would be read twice
        may_have = file is None and options.inside and isinstance(task.source, Path)
        own = read_subtitle_track(task.source, start_s) if may_have else None
        if own is not None:
            transcript = fitted(subtitle_transcript(own), source, span)
        elif file is not None:
            transcript = fitted(file, source, span)
            if transcript is not None and transcript.origin is not None and (options.searched or options.inside):
                transcript = replace(transcript, origin=replace(transcript.origin, how="found"))
        elif recogniser is not None:
            # what a reader chooses by itself need not be told
            is_plain = audio_track is None and source.audio_tracks in ((), (1,))
            tracks: dict[str, Any] = {} if is_plain else {"audio_tracks": source.audio_tracks}
            if span is not None and not span.is_whole:
                tracks["span"] = span
            transcript = fitted(recogniser.transcribe(task.source, on_progress, **tracks), source, span)
        else:
            return Words(notes=(f"no transcript {options.searched}",) if options.searched else ())
    except EmofuseError as error:
        absence = error.message if file is None else error.message.replace(str(file), file.name)
        return Words(None, absence, (f"the words are left out: {error}",))
    return Words(transcript, "", () if transcript is None else transcript.notes)


def notes_on_times(timeline: Timeline) -> tuple[str, ...]:
    """Return a note where most words stand where no speech is: the transcript may be that of another recording."""
    said = [moment for moment in timeline.moments if "text" in moment.by_modality]
    n_silent = sum(moment.why.get("voice") == NO_SPEECH for moment in said)
    if len(said) < LEAST_MOMENTS or n_silent <= MOST_SILENT * len(said):
        return ()
    share = f"at {n_silent} of the {len(said)} moments with words nobody speaks"
    return (f"{share}: the transcript may be that of another recording, or its times may be off",)


def _found(tasks: Sequence[Task], where: str) -> tuple[dict[Place, Path], str]:
    """Return the transcript of each recording that has one, and in words where they were looked for ("" for a file)."""
    if where == BESIDE:
        return _with_stems(tasks, None), "is beside it"
    if where == NOWHERE:
        return {}, ""
    place = Path(where)
    if is_folder(place):
        return _with_stems(tasks, place), f"of its name is in {place}"
    if not is_file(place):
        raise UsageError(f"no transcript {place}", f"give a file, a folder of them, {BESIDE!r} or {NOWHERE!r}")
    if place.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{place} is not a transcript that can be read", f"one of {', '.join(SUFFIXES)}")
    if len(tasks) > 1:
        raise UsageError(
            f"{place} is the transcript of one recording, and there are {len(tasks)}",
            f"give a folder of transcripts, or {BESIDE!r} for those beside the recordings",
        )
    return {task.source: place for task in tasks}, ""


def _with_stems(tasks: Sequence[Task], folder: Path | None) -> dict[Place, Path]:
    """Find `clip.srt`, `clip.mp4.srt` or `clip.en.srt` for `clip.mp4`, or the same in .vtt and so on, beside it or in a
    folder; beside one at an address none is looked for. Names are the same in composed and in decomposed Unicode, and
    suffixes in capitals."""
    listed: dict[Path, list[_Candidate]] = {}
    places = {task.source: folder or (task.source.parent if isinstance(task.source, Path) else None) for task in tasks}
    own_names = {(place, _nfc(source.stem)) for source, place in places.items()}
    found: dict[Place, Path] = {}
    for task in tasks:
        place = places[task.source]
        if place is None:
            continue
        if place not in listed:
            listed[place] = _candidates(place)
        stem, name = _nfc(task.source.stem), _nfc(task.source.name)
        of_it = [
            (candidate.kind, rank, candidate.file)
            for candidate in listed[place]
            for rank in [_rank(candidate.name, stem, name)]
            if rank is not None and (candidate.name == stem or (place, candidate.name) not in own_names)
        ]
        chosen = next((file for _, _, file in sorted(of_it) if not _is_result(file)), None)
        if chosen is not None:
            found[task.source] = chosen
    return found


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A file that may be a transcript. kind: the place of its suffix among SUFFIXES; name: without that, in NFC."""

    kind: int
    name: str
    file: Path


def _candidates(folder: Path) -> list[_Candidate]:
    try:
        files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()]
    except OSError:
        return []
    return [_Candidate(SUFFIXES.index(file.suffix.lower()), _nfc(file.stem), file) for file in files]


def _rank(candidate: str, stem: str, name: str) -> tuple[int, str] | None:
    """Return how well a transcript's name fits a recording's, lower for better, None where it does not."""
    for rank, own in enumerate((stem, name)):
        if candidate == own:
            return rank, ""
    for own in (stem, name):
        language = _LANGUAGE.fullmatch(candidate.removeprefix(own)) if candidate.startswith(own) else None
        if language is not None:
            return (2 if language[1].lower().startswith("en") else 3), candidate  # English is what networks here know
    return None


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _is_result(file: Path) -> bool:
    """Return whether a file is what emofuse has written about a recording."""
    with file.open("rb") as opened:
        return _OWN.search(opened.read(_PEEK_BYTES)) is not None
