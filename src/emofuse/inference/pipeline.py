"""The object that users hold: networks that are loaded once, and answer for recordings and streams."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self, TypedDict, Unpack

from emofuse.config.base import shown, unknown_option
from emofuse.errors import UsageError
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings, Mode
from emofuse.inference.answers import Prior
from emofuse.inference.bundle import Bundle, bundle_folder, load_bundle
from emofuse.inference.session import fitted, read_ahead, run
from emofuse.inference.smoothing import Smoother, SmoothingSettings
from emofuse.inference.spoken import TextScorer
from emofuse.inference.vad import speech_in
from emofuse.media import STANDING_S, open_media
from emofuse.remote import without_secrets
from emofuse.timeline import Timeline
from emofuse.transcripts import Transcript
from emofuse.types import FaceMeasurement, Line, Moment, Packet

_MOST_KEPT: Final = 4  # pipelines that `analyze` keeps loaded


class StreamOptions(TypedDict, total=False):
    """What may be asked of a stream. All but the last two are those of `AnalyzerSettings`; None is their default.

    Attributes:
        mode: "queue" gives a moment every `hop_s` over a sliding buffer, "frame" one for every picture.
        hop_s: Seconds between moments in queue mode, and of sound alone.
        face_buffer_s: Seconds over which the answers for a face are averaged in queue mode.
        face_period_s: Seconds between two looks at the same face in queue mode.
        text_window_s: For how long what was said counts, less and less.
        measure_faces: Whether every face of every picture is measured, too: head, gaze, blinks, 52 movements (extra
            `landmarks`); see `Timeline.face_measurements` and `Stream.face_measurements`.
        face_points: Whether the 478 points of each are kept with that.
        risk: How likely an answer may be wrong, before it is "uncertain"; 1 for any answer.
        coverage: How often prediction sets (`Certainty.labels`) are to hold the truth; by default there are none.
        prior: How often each label is expected: "flat", "corpus", or a number for each label.
        text_model: Scores the words in place of the bundle's network, such as `HubTextPredictor`.
        smoothing: Steadies the labels from moment to moment.
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
    text_model: TextScorer | None
    smoothing: SmoothingSettings | None


class RecordingOptions(StreamOptions, total=False):
    """What may be asked of a recording.

    Attributes:
        transcript: What is said in it, or the file of that (.srt, .vtt, .json or .txt).
        audio_track: The sound track to listen to, from 1, or several that are mixed; by default `open_media` chooses.
    """

    transcript: Transcript | str | Path | None
    audio_track: int | Sequence[int] | None


class Pipeline:
    """The networks of a bundle, loaded once, for any number of recordings and streams, from any thread.

    Attributes:
        bundle: The networks, and how their answers are fused.

    Example:
        >>> import emofuse
        >>> from emofuse.cli.demo import CLIP
        >>> pipeline = emofuse.Pipeline.load("base")
        >>> pipeline.labels
        ('neutral', 'happy', 'sad', 'angry', 'fearful', 'disgust', 'surprised')
        >>> pipeline(CLIP).summary.fused.label
        'happy'
    """

    def __init__(self, bundle: Bundle) -> None:
        _check_type("bundle", bundle, (Bundle,), "a loaded one, or use Pipeline.load(name_or_folder)")
        self.bundle = bundle
        self._asked: str | Path = bundle.manifest.name  # what `load` was asked for

    @classmethod
    def load(cls, bundle: str | Path = "base", device: str = "cpu") -> Self:
        """Load a bundle.

        Args:
            bundle: The name of one that ships, or a folder that holds one.
            device: "cpu", or "cuda" where ONNX Runtime has it.

        Returns:
            The pipeline.

        Raises:
            UsageError: There is no such device.
            BundleError: There is no such bundle, or it is not whole.

        Example:
            >>> Pipeline.load("base", device="cpu")
            Pipeline(bundle='base', modalities=('face', 'voice', 'text'), device='cpu')
        """
        _check_type("bundle", bundle, (str, os.PathLike), "the name of a bundle, or the folder of one")
        _check_type("device", device, (str,), "'cpu' or 'cuda'")
        pipeline = cls(load_bundle(bundle, device))
        pipeline._asked = bundle
        return pipeline

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that it answers with, in their fixed order."""
        return self.bundle.labels

    @property
    def device(self) -> str:
        """Where the networks are run: "cpu" or "cuda"."""
        return self.bundle.device

    def __repr__(self) -> str:
        name, modalities = self.bundle.manifest.name, tuple(self.bundle.networks)
        return f"Pipeline(bundle={name!r}, modalities={modalities}, device={self.device!r})"

    def __call__(self, path: str | os.PathLike[str], **options: Unpack[RecordingOptions]) -> Timeline:
        """Analyse a recording with sound, picture or both.

        Args:
            path: A file of any container and codec that FFmpeg reads.
            **options: See `RecordingOptions`.

        Returns:
            Its timeline: moments, segments, and the answer for the whole.

        Raises:
            UsageError: An option does not exist, or its value is not allowed; or there is no such transcript.
            MediaError: The recording cannot be read.
            TranscriptError: The transcript cannot be read, or is of another recording.

        Example:
            >>> from emofuse.cli.demo import CLIP
            >>> timeline = Pipeline.load()(CLIP, mode="queue", hop_s=1.0)
            >>> [round(moment.time_s, 1) for moment in timeline.moments]
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.3]
        """
        _check_type("path", path, (str, os.PathLike), "the path of a recording")
        asked = _Options(dict(options), RecordingOptions)
        opened = open_media(path, audio_track=asked.audio_track, speech_s=speech_in, repeat_s=STANDING_S)
        with opened as media, read_ahead(media) as packets:
            timeline = run(
                packets,
                media.source,
                self.bundle,
                asked.settings,
                transcript=fitted(asked.transcript, media.source),
                scorer=asked.text_model,
                smoothing=asked.smoothing,
                call=_written(path, str(self._asked), self.device, dict(options)),
            )
            return replace(timeline, source=media.source)  # which knows now how long it is

    def stream(self, **options: Unpack[StreamOptions]) -> Stream:
        """Begin a stream whose pictures, sound and words are pushed as they come.

        For a camera, a microphone or an address, and for keeping up with them, see
        `emofuse.inference.live.LiveSession`, which is given `pipeline.analyzer(...)`.

        Args:
            **options: See `StreamOptions`.

        Returns:
            The stream. One pipeline can have any number of them at once.

        Raises:
            UsageError: An option does not exist, or its value is not allowed.

        Example:
            >>> import numpy as np
            >>> from emofuse.types import AudioBlock
            >>> stream = Pipeline.load().stream(hop_s=0.5)
            >>> moments = stream.push(AudioBlock(np.zeros(48_000, np.float32), rate_hz=48_000, time_s=0.0))
            >>> moments += stream.finish()
            >>> [(moment.time_s, moment.why["voice"]) for moment in moments]
            [(0.5, 'too little sound yet'), (1.0, 'no speech')]
        """
        asked = _Options(dict(options), StreamOptions)
        smoother = None if asked.smoothing is None else Smoother(asked.smoothing)
        return Stream(Analyzer(self.bundle, settings=asked.settings, scorer=asked.text_model), smoother)

    def analyzer(self, **settings: Any) -> Analyzer:
        """Return the core of a stream, for `LiveSession`.

        Args:
            **settings: Those of `AnalyzerSettings`.

        Returns:
            A new Analyzer over the networks of this pipeline.

        Raises:
            UsageError: A setting does not exist, or its value is not allowed.
        """
        return Analyzer(self.bundle, settings=AnalyzerSettings(**settings))


class Stream:
    """One stream of pictures, sound and words; made by `Pipeline.stream`, for one thread.

    Nothing that grows with the stream is kept: whoever wants the moments, keeps them.
    """

    def __init__(self, analyzer: Analyzer, smoother: Smoother | None = None) -> None:
        self._analyzer = analyzer
        self._smoother = smoother
        self._is_over = False

    def push(self, packet: Packet | Line) -> list[Moment]:
        """Take what came next.

        Args:
            packet: A picture (`Frame`), a block of sound of any rate (`AudioBlock`), or what somebody said (`Line`).
                Pictures come in the order of time, and so does sound.

        Returns:
            The moments that are complete now, often none.

        Raises:
            PacketError: It is something else.
            UsageError: The stream is over.
        """
        if self._is_over:
            raise UsageError("the stream is over", "begin another one with Pipeline.stream()")
        return self._shown(self._analyzer.push(packet))

    def finish(self) -> list[Moment]:
        """End the stream.

        Returns:
            The last moments; none where the stream was over already.
        """
        if self._is_over:
            return []
        self._is_over = True
        return self._shown(self._analyzer.flush())

    @property
    def face_measurements(self) -> tuple[FaceMeasurement, ...]:
        """What was measured of each face of the latest picture, where `measure_faces=True` was asked for."""
        return self._analyzer.face_measurements

    def _shown(self, moments: list[Moment]) -> list[Moment]:
        return moments if self._smoother is None else [self._smoother.push(moment) for moment in moments]


def analyze(
    path: str | os.PathLike[str],
    *,
    bundle: str | Path = "base",
    device: str = "cpu",
    **options: Unpack[RecordingOptions],
) -> Timeline:
    """Analyse a recording: the shorthand of `Pipeline.load(bundle, device)(path, **options)`.

    The networks stay loaded for the next call with the same bundle, unless its files have changed, and device.

    Args:
        path: A recording with sound, picture or both.
        bundle: The name of a bundle that ships, or the folder of one.
        device: "cpu" or "cuda".
        **options: Those of a recording: see `Pipeline.__call__`.

    Returns:
        The timeline.

    Raises:
        UsageError: An option or a device does not exist, or a value is not allowed.
        MediaError: The recording cannot be read.
        TranscriptError: The transcript cannot be read, or is of another recording.
        BundleError: There is no such bundle, or it is not whole.

    Example:
        >>> import emofuse
        >>> from emofuse.cli.demo import CLIP
        >>> timeline = emofuse.analyze(CLIP)
        >>> timeline.summary.fused.label, timeline.summary.used
        ('happy', ['face', 'voice'])
    """
    _check_type("bundle", bundle, (str, os.PathLike), "the name of a bundle, or the folder of one")
    _check_type("device", device, (str,), "'cpu' or 'cuda'")
    return _kept(str(bundle), device, _state(bundle))(path, **options)


@lru_cache(maxsize=_MOST_KEPT)
def _kept(bundle: str, device: str, state: tuple[object, ...]) -> Pipeline:
    """Load a pipeline, or return the one whose bundle was in the same state."""
    return Pipeline.load(bundle, device)


def _state(bundle: str | Path) -> tuple[object, ...]:
    """Return what changes when the files of a bundle do: a bundle that was made anew is loaded anew."""
    folder = bundle_folder(bundle)
    try:
        files = [(entry.name, entry.stat()) for entry in os.scandir(folder) if entry.is_file()]
    except (OSError, ValueError):
        return (str(folder),)  # loading it says what is wrong
    return (str(folder), *sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in files))


class _Options:
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
        self.text_model: TextScorer | None = values.get("text_model")
        self.smoothing: SmoothingSettings | None = values.get("smoothing")
        if self.transcript is not None:
            _check_type(
                "transcript", self.transcript, (Transcript, str, os.PathLike), "a Transcript, or the path of one"
            )
        if self.audio_track is not None and not _is_track(self.audio_track):
            raise UsageError(f"audio_track: {shown(self.audio_track)} is no track", "give its number, from 1")
        if self.smoothing is not None:
            _check_type("smoothing", self.smoothing, (SmoothingSettings,), "SmoothingSettings(...)")
        if self.text_model is not None and not callable(getattr(self.text_model, "score", None)):
            raise UsageError(
                f"text_model: it has no score(text, start_s, end_s): {shown(self.text_model)}",
                "give an object that has, such as emofuse.inference.hub_text.HubTextPredictor(...)",
            )


_SETTINGS: Final = frozenset(AnalyzerSettings.model_fields)


def _written(path: object, bundle: str, device: str, options: Mapping[str, object]) -> str:
    """Return the call in Python that makes a timeline again."""
    named = {"bundle": bundle, "device": device, **options}
    asked = [repr(without_secrets(str(path))), *(f"{name}={shown(value)}" for name, value in named.items())]
    return f"emofuse.analyze({', '.join(asked)})"


def _is_track(value: object) -> bool:
    numbers = value if isinstance(value, list | tuple) and value else [value]
    return all(type(number) is int and number >= 1 for number in numbers)


def _check_type(name: str, value: object, kinds: tuple[type, ...], allowed: str) -> None:
    if not isinstance(value, kinds):
        raise UsageError(f"{name}: {shown(value)} is of no use", f"give {allowed}")
