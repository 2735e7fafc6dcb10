"""What every modality is: what `Analyzer` asks of one, what those of a stream share, and why one may give nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from emofuse.inference.analyzer_settings import AnalyzerSettings
from emofuse.inference.bundle import Bundle
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.face_tracks import FaceTrack, FaceTracks
from emofuse.inference.vad import SpeechDetector
from emofuse.preprocessing.audio_buffer import SoundBuffer
from emofuse.provenance import ModelFile
from emofuse.timeline import SourceInfo
from emofuse.types import AudioBlock, Frame, Line, Scores

NO_AUDIO: Final = "no audio track"
NO_PICTURE: Final = "no picture"
NO_FACE: Final = "no face found"
NO_SPEECH: Final = "no speech"
LITTLE_SOUND: Final = "too little sound yet"
NO_TRANSCRIPT: Final = "no transcript"
NOTHING_SAID: Final = "nothing said"
UNREADABLE: Final = "the words are not English, or none that the network knows"
UNREADABLE_IN_ANY: Final = "the words are in no language that the network knows, or none that it knows"
NO_NETWORK: Final = "the bundle has no network for it"
NOTHING_GIVEN: Final = "it gave no answer"


def no_face(has_picture: bool) -> str:
    """Say why there was no face."""
    return NO_FACE if has_picture else NO_PICTURE


def no_speech(has_sound: bool) -> str:
    """Say why there was no speech."""
    return NO_SPEECH if has_sound else NO_AUDIO


class TextScorer(Protocol):
    """Scores a sentence or two: a bundle's text network, or a model from the Hub."""

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        """Score what was said from start_s to end_s; None where there is nothing in it to go by."""


@dataclass(slots=True, eq=False)
class StreamContext:
    """What the modalities of one stream share. `Analyzer` makes it, and keeps it up to date before it pushes a packet.

    Attributes:
        bundle: The networks, and how their answers are fused.
        settings: How the stream becomes moments.
        faces: Those of the pictures so far, followed.
        sound: The last seconds, mono at 16 kHz.
        speech: Tells how much of a stretch of that sound is speech.
        log: Takes embeddings, where somebody wants them.
        lines: What is said, where it is known beforehand; None where there is no transcript, though lines may come.
        scorer: Of text, in place of the bundle's network: an object with `score(text, start_s, end_s)`.
        has_picture: Whether a picture has come.
    """

    bundle: Bundle
    settings: AnalyzerSettings
    faces: FaceTracks
    sound: SoundBuffer
    speech: SpeechDetector
    log: EmbeddingLog | None = None
    lines: tuple[Line, ...] | None = None
    scorer: TextScorer | None = None
    has_picture: bool = False


class Modality(ABC):
    """One way in which an emotion shows: takes what is pushed into a stream, and has scores at any time of it.

    A class of it is named in `registry.MODALITIES`, or by a bundle; each stream has an object of its own.

    Attributes:
        name: As bundles, JSON and tables have it.
        is_always_listed: Whether results speak of it even where a bundle has nothing for it.
        uses_pictures: Whether it is given pictures, of which `context.faces` has the faces.
        uses_audio: Whether it is given sound, of which `context.sound` has the last seconds.
        window_s: How many seconds of sound it looks back on.
        has_model: Whether there is anything to score it with.
        is_of_bundle: Whether that is the bundle's own, so that its prior and its certainty are known.
        has_faces: Whether it has scores for single faces (`of_face`).
    """

    name: str
    is_always_listed: ClassVar[bool] = False
    uses_pictures: bool = False
    uses_audio: bool = False
    window_s: float = 0.0
    has_model: bool = True
    is_of_bundle: bool = True
    has_faces: bool = False

    def __init__(self, context: StreamContext) -> None:
        """Begin a stream. Raises BundleError where what the bundle has for it is not whole."""
        self.context = context

    @classmethod
    def is_in(cls, bundle: Bundle) -> bool:
        """Whether a bundle has something for it."""
        return cls.name in bundle.modalities or cls.name in bundle.added

    def push(self, packet: Frame | AudioBlock | Line) -> None:
        """Take the next picture, sound (mono, at 16 kHz) or line. The context knows the first two already."""
        return

    def advance(self, time_s: float, *, is_end: bool) -> None:
        """Score what is due at a hop, which moments may follow. is_end: the stream ends there."""
        return

    @abstractmethod
    def scores(self, time_s: float) -> Scores | None:
        """Return the scores of the moment at a time; None where there are none. Times come in their order."""

    @abstractmethod
    def absence_reason(self, time_s: float) -> str:
        """Return why there are no scores at that time."""

    @classmethod
    def summary_reason(cls, reasons: Sequence[str], source: SourceInfo, *, has_model: bool) -> str:
        """Return why there are no scores in a whole recording. reasons: of its moments, in their order.

        A modality that a bundle adds has this answer; one that ships may have its own.
        """
        if not has_model:
            return NO_NETWORK
        return Counter(reasons).most_common(1)[0][0] if reasons else NOTHING_GIVEN

    def of_face(self, track: FaceTrack) -> Scores | None:
        """Return the scores of one face, for the box around it."""
        return None

    def score_lines(self, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        """Return the lines that were known beforehand, each with its scores where this modality has some."""
        return lines

    def models(self) -> tuple[ModelFile, ...]:
        """Return the files of what scores it."""
        file = self.context.bundle.model_file(self.name)
        return () if file is None else (file,)


class NotInBundle(Modality):
    """A modality that results speak of though the bundle has nothing for it."""

    has_model = False

    def __init__(self, context: StreamContext, name: str) -> None:
        super().__init__(context)
        self.name = name

    def scores(self, time_s: float) -> Scores | None:
        """Return None."""
        return None

    def absence_reason(self, time_s: float) -> str:
        """Return that the bundle has nothing for it."""
        return NO_NETWORK
