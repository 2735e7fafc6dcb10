"""What may be asked of a pipeline, and the check of what was asked."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from emofuse.errors import UsageError
from emofuse.inference.analyzer import AnalyzerSettings, Mode
from emofuse.inference.answers import Prior
from emofuse.inference.inputs import InputOptions
from emofuse.inference.modalities.base import TextScorer
from emofuse.inference.smoothing import SmoothingSettings
from emofuse.media import MOST_PIXELS, Span
from emofuse.media.arrays import Channels
from emofuse.settings import shown, unknown_option
from emofuse.timeline import SourceInfo
from emofuse.transcripts import Transcript

Progress = Callable[[float, float | None], object]  # takes the seconds that are done, and those of the whole

_SETTINGS: Final = frozenset(AnalyzerSettings.model_fields)


class StreamOptions(TypedDict, total=False):
    """What may be asked of a stream. All but the last two are those of `AnalyzerSettings`; None is their default.

    Attributes:
        mode: "queue" gives a moment every `hop_s` over a sliding buffer, "frame" one for every picture.
        hop_s: Seconds between moments in queue mode, and of sound alone.
        face_buffer_s: Seconds over which the answers for a face are averaged in queue mode.
        face_period_s: Seconds between two looks at the same face in queue mode.
        text_window_s: For how long a line that was pushed counts, less and less; one of a transcript while it is said.
        measure_faces: Whether every face of every picture is measured, too: head, gaze, blinks, 52 movements (extra
            `landmarks`); see `Timeline.face_measurements` and `Stream.face_measurements`.
        face_points: Whether the 478 points of each are kept with that.
        risk: How likely an answer may be wrong, before it is "uncertain"; 1 for any answer.
        coverage: How often prediction sets (`Certainty.labels`) are to hold the truth; by default there are none.
        prior: How often each label is expected: "flat", "corpus", or a number for each label.
        people: Whether faces are compared, to tell who is who; so by default.
        detect_period_s: Seconds between two detections of faces, at most; in between they are followed.
        min_face_px: The smallest face that is looked for, in pixels.
        every: Of how many pictures one is looked at.
        embeddings: Whether what each network knows of its inputs is gathered: see `Timeline.embeddings`.
        text_model: Scores the words in place of the bundle's network, such as `HubTextPredictor`.
        smoothing: Smooths the labels from moment to moment.

    Example:
        >>> options: StreamOptions = {"mode": "frame", "risk": 0.3}
    """

    mode: Mode | None
    hop_s: float | None
    face_buffer_s: float | None
    face_period_s: float | None
    text_window_s: float | None
    measure_faces: bool | None
    face_points: bool | None
    risk: float | None
    coverage: float | None
    prior: Prior | None
    people: bool | None
    detect_period_s: float | None
    min_face_px: float | None
    every: int | None
    embeddings: bool | None
    text_model: TextScorer | None
    smoothing: SmoothingSettings | None


class RecordingOptions(StreamOptions, total=False):
    """What may be asked of a recording.

    Attributes:
        transcript: The transcript, or its file (.srt, .vtt, .json or .txt).
        audio_track: The sound track to listen to, from 1, or several that are mixed; by default `open_media` chooses.
        start_s: Where to begin, in seconds of the recording; what is before it is skipped.
        end_s: Where to end, in seconds of the recording. Times in the answer are those of the recording, too.
        fps: Pictures a second of frames in an array; of a list, of those inputs in it that are frames.
        channels: "bgr" where blue comes first in an array, as OpenCV reads pictures; "rgb" by default.
        max_pixels: Of a picture; larger ones are refused.
        progress: True for a bar on the standard error; or what is called with the seconds that are done and the seconds
            of the whole, None where that is not known.
        same_person: Whether all recordings of a call are of one person: what their face and voice answer on average is
            taken out of each. They must show several emotions.
        resume: A folder in which the timeline of each input is kept as JSON. What is there already of the same content
            and options is not analysed again, so that a long list that was cut off goes on. Qualities and reasons are
            not in the answer then, as of `Timeline.load`.
        baseline: Recordings of the person in a neutral mood, their paths or whatever else a pipeline takes: what sets
            their voice apart from other people's neutral voices is taken out.
        on_error: Of several inputs: "raise" ends at the first that cannot be read, "skip" lists it in
            `Timelines.failures` and goes on.

    Example:
        >>> options: RecordingOptions = {"start_s": 30.0, "end_s": 60.0, "transcript": "clip.srt"}
    """

    transcript: Transcript | str | Path | None
    audio_track: int | Sequence[int] | None
    start_s: float | None
    end_s: float | None
    fps: float | None
    channels: Channels | None
    max_pixels: int | None
    progress: Progress | bool | None
    same_person: bool | None
    resume: str | Path | None
    baseline: Sequence[Any] | None
    on_error: Literal["raise", "skip"] | None


class CheckedOptions:
    """Options that were checked. allowed: the typed dictionary that lists them."""

    def __init__(self, given: dict[str, Any], allowed: Any) -> None:
        names = [*AnalyzerSettings.model_fields, *(n for n in allowed.__annotations__ if n not in _SETTINGS)]
        for name, value in given.items():
            if name not in names:
                raise unknown_option(name, value, names)
        values = {name: value for name, value in given.items() if value is not None}
        self.settings = AnalyzerSettings(**{name: value for name, value in values.items() if name in _SETTINGS})
        self.transcript: Transcript | str | Path | None = values.get("transcript")
        self.audio_track: int | Sequence[int] | None = values.get("audio_track")
        self.progress: Progress | bool = values.get("progress", False)
        self.same_person: bool = values.get("same_person", False)
        self.resume: Path | None = None
        if (folder := values.get("resume")) is not None:
            check_type("resume", folder, (str, os.PathLike), "the folder in which timelines are kept")
            self.resume = Path(folder)
        self.baseline: Sequence[Any] = values.get("baseline", ())
        self.on_error: Literal["raise", "skip"] = values.get("on_error", "raise")
        self.text_model: TextScorer | None = values.get("text_model")
        self.smoothing: SmoothingSettings | None = values.get("smoothing")
        if self.transcript is not None:
            check_type(
                "transcript", self.transcript, (Transcript, str, os.PathLike), "a Transcript, or the path of one"
            )
        if self.audio_track is not None and not _is_track(self.audio_track):
            raise UsageError(f"audio_track: {shown(self.audio_track)} is not a track", "give its number, from 1")
        self._check_choices(values)
        if self.smoothing is not None:
            check_type("smoothing", self.smoothing, (SmoothingSettings,), "SmoothingSettings(...)")
        if self.text_model is not None and not callable(getattr(self.text_model, "score", None)):
            raise UsageError(
                f"text_model: it has no score(text, start_s, end_s): {shown(self.text_model)}",
                "give an object that has, such as emofuse.inference.hub_text.HubTextPredictor(...)",
            )

    def without_fps(self) -> CheckedOptions:
        """Return the same for an input that has a rate of its own."""
        other = copy(self)
        other.reading = replace(self.reading, fps=None)
        return other

    def _check_choices(self, values: Mapping[str, Any]) -> None:
        for name, allowed in (("channels", ("rgb", "bgr")), ("on_error", ("raise", "skip"))):
            if name in values and values[name] not in allowed:
                raise UsageError(f"{name}: {shown(values[name])} is of no use", f"choose from {', '.join(allowed)}")
        if not isinstance(self.same_person, bool):
            raise UsageError(f"same_person: {shown(self.same_person)} is of no use", "give True or False")
        check_type("baseline", self.baseline, (list, tuple), "a list of recordings")
        check_one_adaptation(self.same_person, self.baseline)
        max_pixels = values.get("max_pixels", MOST_PIXELS)
        if type(max_pixels) is not int or max_pixels < 1:
            raise UsageError(f"max_pixels: {shown(max_pixels)} is not a number of pixels", "give a whole number from 1")
        if not (isinstance(self.progress, bool) or callable(self.progress)):
            raise UsageError(f"progress: {shown(self.progress)} is of no use", "give True, or what takes two numbers")
        span = Span(values.get("start_s", 0.0), values.get("end_s"))
        self.reading = InputOptions(
            values.get("fps"), values.get("channels", "rgb"), self.audio_track, max_pixels, span
        )


def check_one_adaptation(same_person: bool, baseline: Sequence[Any]) -> None:
    """Raise UsageError where recordings are to be adapted to a person in two ways."""
    if same_person and baseline:
        raise UsageError(
            "same_person and baseline are two ways to adapt to a person",
            "give a baseline where there are neutral recordings of theirs, else same_person",
        )


def _is_track(value: object) -> bool:
    numbers = value if isinstance(value, list | tuple) and value else [value]
    return all(type(number) is int and number >= 1 for number in numbers)


def check_type(name: str, value: object, kinds: tuple[type, ...], allowed: str) -> None:
    """Raise UsageError where a value is of none of these kinds. allowed: what is, in words."""
    if not isinstance(value, kinds):
        raise UsageError(f"{name}: {shown(value)} is of no use", f"give {allowed}")


@contextmanager
def shown_progress(
    progress: Progress | bool, source: SourceInfo, name: str
) -> Iterator[Callable[[float], object] | None]:
    """Yield what takes the time that was reached, None where nobody wants to know; a bar ends with the block."""
    if not callable(progress):
        if not progress:
            yield None
            return
        from tqdm import tqdm

        with tqdm(total=source.duration_s, unit="s", desc=name, bar_format=_BAR if source.duration_s else None) as bar:
            end_s = source.duration_s or math.inf  # a header may tell less than there is
            yield lambda time_s: bar.update(max(0.0, min(time_s, end_s) - bar.n))
        return
    told = progress
    yield lambda time_s: told(time_s, source.duration_s)


_BAR: Final = "{l_bar}{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
