"""The object that users hold: networks that are loaded once, and answer for recordings and streams."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self, Unpack, overload

import numpy as np

from emofuse.errors import MediaError, PacketError, TranscriptError, UsageError
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle, bundle_folder, load_bundle, replaced
from emofuse.inference.inputs import ACCEPTED, BlueSkin, are_frames, describe, is_sound, open_input, recordings_below
from emofuse.inference.load_model import load_model
from emofuse.inference.modalities.text import text_scorer
from emofuse.inference.options import (
    CheckedOptions,
    RecordingOptions,
    StreamOptions,
    check_type,
    shown_progress,
)
from emofuse.inference.own_model import OwnModality, OwnModel
from emofuse.inference.resuming import Kept
from emofuse.inference.same_person import neutral_baseline, neutral_references, same_person
from emofuse.inference.session import fitted, read_ahead, run
from emofuse.inference.smoothing import Smoother
from emofuse.preprocessing.tokens import as_spoken
from emofuse.reading import is_folder
from emofuse.remote import without_secrets
from emofuse.settings import shown
from emofuse.timeline import Timeline, mean_scores
from emofuse.timelines import Timelines
from emofuse.transcripts.sentences import cut_line
from emofuse.types import FaceMeasurement, Line, Moment, Packet, Scores

Model = str | os.PathLike[str] | Callable[[Any], Any] | OwnModel  # that `load_model` takes
_MOST_KEPT: Final = 4  # pipelines that `analyze` keeps loaded


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

    def __init__(
        self, bundle: Bundle, *, face: Model | None = None, voice: Model | None = None, text: Model | None = None
    ) -> None:
        """Take a bundle that is loaded, and models of one's own as `load` does."""
        check_type("bundle", bundle, (Bundle,), "a loaded one, or use Pipeline.load(name_or_folder)")
        given: dict[OwnModality, Model | None] = {"face": face, "voice": voice, "text": text}
        models = {m: load_model(one, m, device=bundle.device) for m, one in given.items() if one is not None}
        for model in models.values():
            for line in model.notes(bundle.labels):
                warnings.warn(line, stacklevel=3)
        self.bundle = replaced(bundle, models)
        self._models: dict[str, str] = {m: one.source or f"<{one.name}>" for m, one in models.items()}
        self._asked: str | Path = bundle.manifest.name  # what `load` was asked for

    @classmethod
    def load(
        cls,
        bundle: str | Path = "base",
        device: str = "cpu",
        *,
        face: Model | None = None,
        voice: Model | None = None,
        text: Model | None = None,
    ) -> Self:
        """Load a bundle.

        Args:
            bundle: The name of one that ships, or a folder that holds one.
            device: "cpu", "cuda" where ONNX Runtime has it, or "auto" for the second where there is one.
            face: A model of one's own in place of the bundle's network: "hub:ID", the path of an ONNX file with a card
                beside it, a function or "module:NAME" of one, or what `emofuse.load_model` returned.
            voice: The same for the voice.
            text: The same for the words.

        Returns:
            The pipeline.

        Raises:
            UsageError: There is no such device, or a model is nothing of these.
            AssetError: A model of the Hub cannot be had.
            BundleError: There is no such bundle, or it is not whole; or a model does not fit.

        Example:
            >>> Pipeline.load("base", device="cpu")
            Pipeline(bundle='base', modalities=('face', 'voice', 'text'), device='cpu')
        """
        check_type("bundle", bundle, (str, os.PathLike), "the name of a bundle, or the folder of one")
        check_type("device", device, (str,), "'cpu', 'cuda' or 'auto'")
        pipeline = cls(load_bundle(bundle, device), face=face, voice=voice, text=text)
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
        name, modalities = self.bundle.manifest.name, (*self.bundle.modalities, *self.bundle.added)
        return f"Pipeline(bundle={name!r}, modalities={modalities}, device={self.device!r})"

    @overload
    def __call__(self, path: list[Any], **options: Unpack[RecordingOptions]) -> Timelines: ...

    @overload
    def __call__(self, path: Any, **options: Unpack[RecordingOptions]) -> Timeline: ...

    def __call__(self, path: Any, **options: Unpack[RecordingOptions]) -> Timeline | Timelines:
        """Analyse a recording with sound, picture or both, a photo, or several of them.

        Args:
            path: The path or the address of a recording (any container and codec that FFmpeg reads) or of a photo; what
                such a file holds, as bytes or as a file that is open for reading them; a picture, (H, W, 3), or frames,
                (T, H, W, 3) with `fps=`, as an array or a tensor; (samples, rate_hz) at any rate; an iterator of
                packets. A list of any of these, or a folder.
            **options: See `RecordingOptions`.

        Returns:
            Its timeline: moments, segments, and the answer for the whole; of a photo, one moment with its faces. For a
            list or a folder, `Timelines`.

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
        asked = CheckedOptions(dict(options), RecordingOptions)
        if asked.baseline:
            neutral_references(self.bundle)  # asked for before the work
        if isinstance(path, list) or (isinstance(path, tuple) and not is_sound(path)):
            return self._each(path, asked, dict(options))
        if isinstance(path, str | os.PathLike) and path != "" and is_folder(path):
            return self._each(recordings_below(path), asked, dict(options))
        timeline = self._kept(asked)(path, asked, dict(options))
        return self._adapted([timeline], asked, dict(options))[0]

    def _adapted(self, timelines: list[Timeline], asked: CheckedOptions, options: Mapping[str, Any]) -> list[Timeline]:
        """Adapt recordings to the person that they are of, where that is asked for."""
        if asked.baseline:
            whole = {name: value for name, value in options.items() if name not in _OF_THE_INPUT}
            checked = CheckedOptions(whole, RecordingOptions)
            known = neutral_baseline([self._one(value, checked, whole) for value in asked.baseline], self.bundle)
        elif asked.same_person:
            known = same_person(timelines)
        else:
            return timelines
        answers = Analyzer(self.bundle, settings=asked.settings, scorer=asked.text_model).answers
        return [known.adapt(timeline, answers) for timeline in timelines]

    def _kept(self, asked: CheckedOptions) -> Callable[[Any, CheckedOptions, Mapping[str, Any]], Timeline]:
        """Return what analyses one input, or finds what was kept of it."""
        if asked.resume is None:
            return self._one
        kept = Kept(asked.resume, self.bundle, asked)
        return lambda value, asked, options: kept.get(value, lambda: self._one(value, asked, options))

    def _one(self, value: Any, asked: CheckedOptions, options: Mapping[str, Any]) -> Timeline:
        with ExitStack() as stack:
            media = stack.enter_context(open_input(value, asked.reading))
            is_photo, in_memory = media.source.is_photo, not isinstance(value, str | os.PathLike)
            # what is in memory needs no thread that reads ahead, and an iterator's errors are its owner's
            packets = media if is_photo or in_memory else stack.enter_context(read_ahead(media))
            settings = asked.settings.model_copy(update={"mode": "frame"}) if is_photo else asked.settings
            return run(
                packets,
                lambda: media.source,
                self.bundle,
                settings,
                BlueSkin().look if in_memory and asked.reading.channels == "rgb" else None,
                stack.enter_context(shown_progress(asked.progress, media.source, describe(value))),
                transcript=fitted(asked.transcript, media.source, asked.reading.span),
                scorer=asked.text_model,
                smoothing=asked.smoothing,
                span=asked.reading.span,
                call=_written(value, str(self._asked), self.device, self._models, options),
            )

    def _each(self, values: Sequence[Any], asked: CheckedOptions, options: Mapping[str, Any]) -> Timelines:
        done: list[Timeline] = []
        failures: dict[str, str] = {}
        analyze_one, without_fps = self._kept(asked), asked.without_fps()
        fps, n = asked.reading.fps, len(values)
        given = [_as_frames(value, fps, f"input {i + 1} of {n}") for i, value in enumerate(values)]
        if fps is not None and values and not any(map(are_frames, given)):
            raise UsageError(f"fps: {shown(fps)} is for frames, (T, H, W, 3), and there are none", "leave it out")
        for i, value in enumerate(given):
            try:
                done.append(analyze_one(value, asked if are_frames(value) else without_fps, options))
            except (MediaError, PacketError, TranscriptError) as error:
                name = f"input {i + 1} of {len(values)} ({describe(value)})"
                if asked.on_error == "raise":
                    hint = f"{error.hint}; on_error='skip' leaves it out".lstrip("; ")
                    raise type(error)(f"{name}: {error.message}", hint) from error
                failures[name] = str(error)
        return Timelines(self._adapted(done, asked, options), failures)

    def text(self, text: str) -> Scores | None:
        """Read the emotion of a text alone.

        Args:
            text: Some words, or many: each sentence or two is scored, and they are averaged by their quality.

        Returns:
            The scores over `labels`; None where there is nothing in it to go by, or where it is in no language that the
            network knows.

        Raises:
            UsageError: It is not text, or the bundle has no network for it.

        Example:
            >>> Pipeline.load().text("I am so happy that you came!").label
            'happy'
        """
        check_type("text", text, (str,), "what is said, as a string")
        scorer = text_scorer(self.bundle)
        if scorer is None:
            raise UsageError(f"the bundle {self.bundle.manifest.name!r} has no network for text", "use another bundle")
        pieces = (as_spoken(piece.text) for piece in cut_line(Line(text, 0.0, 0.0)))
        return mean_scores((s for piece in pieces if (s := scorer.score(piece, 0.0, 0.0)) is not None), "text")

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
        asked = CheckedOptions(dict(options), StreamOptions)
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

        Example:
            >>> import emofuse
            >>> emofuse.Pipeline.load().analyzer(mode="frame").settings.mode
            'frame'
        """
        return Analyzer(self.bundle, settings=AnalyzerSettings(**settings))


class Stream:
    """One stream of pictures, sound and words; made by `Pipeline.stream`, for one thread.

    Nothing that grows with the stream is kept: whoever wants the moments, keeps them.

    Attributes:
        face_measurements: Of each face of the latest picture, where `measure_faces=True` was asked for.

    Example:
        >>> import numpy as np
        >>> import emofuse
        >>> stream = emofuse.Pipeline.load().stream(mode="frame")
        >>> picture = emofuse.Frame(np.zeros((48, 64, 3), np.uint8), time_s=0.0)
        >>> [moment.why["face"] for moment in stream.push(picture)]
        ['no face found']
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

        Example:
            >>> import numpy as np
            >>> import emofuse
            >>> stream = emofuse.Pipeline.load().stream()
            >>> stream.push(emofuse.AudioBlock(np.zeros(800, np.float32), rate_hz=16_000, time_s=0.0))
            []
        """
        if self._is_over:
            raise UsageError("the stream is over", "begin another one with Pipeline.stream()")
        return self._shown(self._analyzer.push(packet))

    def finish(self) -> list[Moment]:
        """End the stream.

        Returns:
            The last moments; none where the stream was over already.

        Example:
            >>> import emofuse
            >>> emofuse.Pipeline.load().stream().finish()
            []
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


@overload
def analyze(
    path: list[Any], *, bundle: str | Path = "base", device: str = "cpu", **options: Unpack[RecordingOptions]
) -> Timelines: ...


@overload
def analyze(
    path: Any, *, bundle: str | Path = "base", device: str = "cpu", **options: Unpack[RecordingOptions]
) -> Timeline: ...


def analyze(
    path: Any, *, bundle: str | Path = "base", device: str = "cpu", **options: Unpack[RecordingOptions]
) -> Timeline | Timelines:
    """Analyse a recording or a photo: the shorthand of `Pipeline.load(bundle, device)(path, **options)`.

    The networks stay loaded for the next call with the same bundle, unless its files have changed, and device.

    Args:
        path: A recording with sound, picture or both, a photo, or whatever else `Pipeline.__call__` takes.
        bundle: The name of a bundle that ships, or the folder of one.
        device: "cpu", "cuda", or "auto" for the second where there is one.
        **options: Those of a recording: see `Pipeline.__call__`.

    Returns:
        The timeline; of a list or a folder, `Timelines`.

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
    check_type("bundle", bundle, (str, os.PathLike), "the name of a bundle, or the folder of one")
    check_type("device", device, (str,), "'cpu', 'cuda' or 'auto'")
    answer: Timeline | Timelines = _kept(str(bundle), device, _state(bundle))(path, **options)
    return answer


def _as_frames(value: Any, fps: object, name: str) -> Any:
    """Return an input of a list; pictures of one size in a list of their own are frames, where fps is given."""
    if not isinstance(value, list):
        return value
    try:
        frames = np.stack(value) if fps is not None and value else None
    except (TypeError, ValueError):
        frames = None
    if frames is None or frames.ndim not in (3, 4):
        raise UsageError(f"{name} is a list in a list, and no frames of one size with fps=", ACCEPTED)
    return frames


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


def _written(value: object, bundle: str, device: str, models: Mapping[str, str], options: Mapping[str, object]) -> str:
    """Return the call in Python that makes a timeline again; what was in memory is described."""
    asked = {n: v for n, v in options.items() if n not in _OF_NO_MATTER}
    is_path = isinstance(value, str | os.PathLike)
    first = repr(without_secrets(str(value))) if is_path else f"<{describe(value)}>"
    if not models:
        return f"emofuse.analyze({_arguments(first, {'bundle': bundle, 'device': device, **asked})})"
    loaded = _arguments(shown(bundle), {"device": device, **models})
    return f"emofuse.Pipeline.load({loaded})({_arguments(first, asked)})"


def _arguments(first: str, named: Mapping[str, object]) -> str:
    return ", ".join([first, *(f"{name}={shown(value)}" for name, value in named.items())])


_OF_THE_INPUT: Final = frozenset({"start_s", "end_s", "transcript", "audio_track", "baseline"})  # not a baseline's
_OF_NO_MATTER: Final = frozenset({"progress", "on_error", "resume"})  # of options: they change no answer
