"""What the parts of emofuse hand to one another: frozen, and checked once, when made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import PacketError

Modality = Literal["face", "voice", "text", "clip"]
CertaintyWord = Literal["clear", "likely", "unsure"]
UNCERTAIN: Final = "uncertain"  # the answer where there is none to give
Sampling = Literal["first", "uniform", "strided"]  # of the frames of a clip
CLIP_RATE_HZ: Final = 30.0  # pictures a second of a clip that are looked at, at most
LONGEST_CLIP_S: Final = 60.0  # that an answer may be about: a live stream keeps that much
MODALITIES: Final[tuple[Modality, ...]] = ("face", "voice", "text", "clip")
OUT_OF_VIEW: Final = 0  # in place of a person's id: somebody who is heard and not seen
LOWEST_RATE_HZ, HIGHEST_RATE_HZ, MOST_CHANNELS = 1_000, 768_000, 8  # of sound that is pushed
ALWAYS_LISTED: Final[tuple[Modality, ...]] = ("face", "voice", "text")  # clip only where a bundle has such a network


def _check_packet(condition: bool, message: str, hint: str = "") -> None:
    if not condition:
        raise PacketError(message, hint)


def _check_time(what: str, time_s: float) -> None:
    is_time = isinstance(time_s, int | float | np.number) and math.isfinite(time_s)
    _check_packet(is_time, f"{what}.time_s must be a finite number of seconds, not {time_s!r}")


def _is_sound(samples: object) -> bool:
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32:
        return False
    return samples.ndim == 1 or (samples.ndim == 2 and 1 <= samples.shape[1] <= MOST_CHANNELS)


def _found(value: object) -> str:
    return f"{value.shape} {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _check(condition: bool, message: str, found: object = None) -> None:
    """Raise ValueError unless the condition holds. `found` is written out only then: an array takes longer than all
    checks together."""
    if not condition:
        raise ValueError(message if found is None else f"{message}, not {found}")


def _check_said(what: str, text: object, start_s: float, end_s: float) -> None:
    _check_packet(isinstance(text, str), f"{what}.text must be a text, not {_found(text)}")
    are_times = all(isinstance(s, int | float | np.number) and math.isfinite(s) for s in (start_s, end_s))
    _check_packet(are_times, f"{what} times must be finite: {start_s} to {end_s}")
    _check_packet(end_s >= start_s, f"{what} ends before it starts: {start_s} to {end_s}")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright.
        time_s: Presentation time from the container, in seconds.

    Raises:
        PacketError: It is something else.

    Example:
        >>> Frame(np.zeros((48, 64, 3), np.uint8), time_s=0.04).image.shape
        (48, 64, 3)
    """

    image: NDArray[np.uint8]
    time_s: float

    def __post_init__(self) -> None:
        image: object = self.image
        _check_packet(
            isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8,
            f"Frame.image must be (H, W, 3) uint8, not {_found(image)}",
            "RGB, upright, 0 to 255",
        )
        _check_time("Frame", self.time_s)


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """A stretch of sound.

    Attributes:
        samples: (T,) float32 in [-1, 1], or (T, channels) of at most 8 channels. What emofuse reads is mono.
        rate_hz: Samples a second; an `Analyzer` takes any, and resamples what is not at its own.
        time_s: Presentation time of the first sample, in seconds.

    Raises:
        PacketError: It is something else.

    Example:
        >>> AudioBlock(np.zeros(8_000, np.float32), rate_hz=16_000, time_s=1.0).end_s
        1.5
    """

    samples: NDArray[np.float32]
    rate_hz: int
    time_s: float

    def __post_init__(self) -> None:
        _check_packet(
            _is_sound(self.samples),
            f"AudioBlock.samples must be (T,) or (T, channels) float32, not {_found(self.samples)}",
            f"in [-1, 1], at most {MOST_CHANNELS} channels, and those last",
        )
        is_rate = isinstance(self.rate_hz, int | np.integer) and LOWEST_RATE_HZ <= self.rate_hz <= HIGHEST_RATE_HZ
        _check_packet(
            is_rate,
            f"AudioBlock.rate_hz must be a whole number from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}, "
            f"not {self.rate_hz!r}",
        )
        _check_time("AudioBlock", self.time_s)

    @property
    def end_s(self) -> float:
        """Presentation time just after the last sample, in seconds."""
        return self.time_s + len(self.samples) / self.rate_hz


Packet = Frame | AudioBlock


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was said, from start_s to end_s."""

    text: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        _check_said("Word", self.text, self.start_s, self.end_s)


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody said from start_s to end_s.

    Attributes:
        text: The words.
        start_s: When they begin.
        end_s: When they end.
        words: Each with its times; none where those are not known.
        speaker: As a transcript names them; "" where it is not known.
        emotion: What the text network predicts for it; None where it was not scored.
        person_id: Of who says it, among `Timeline.people`; None where that is not known.

    Raises:
        PacketError: The text is none, or the times are not in order.

    Example:
        >>> Line("Good morning", start_s=0.5, end_s=1.2).speaker
        ''
    """

    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...] = ()
    speaker: str = ""
    emotion: Scores | None = None
    person_id: int | None = None

    def __post_init__(self) -> None:
        _check_said("Line", self.text, self.start_s, self.end_s)


@dataclass(frozen=True, slots=True)
class Limits:
    """Where the words begin: the least p_right of a "clear" answer, of a "likely" one, and of one that is given."""

    clear: float
    likely: float
    least: float

    def word(self, p_right: float) -> CertaintyWord:
        """Return the plain word for an answer."""
        return "clear" if p_right >= self.clear else "likely" if p_right >= self.likely else "unsure"


@dataclass(frozen=True, slots=True)
class Certainty:
    """How far an answer can be relied on, as measured on people and recordings that nothing was trained on.

    Attributes:
        p_right: The expected share of such answers that are right, 0 to 1.
        word: The same in plain words.
        abstains: Whether the answer is `UNCERTAIN`: the risk of it is more than was allowed, or the fused label was
            nobody's first or second choice.
        weight: Its share of the fused answer, 0 to 1.
        labels: The prediction set, best first: it holds the truth as often as was asked for; empty where nothing was.
        lowered_by: What about the input lowered it, most first.
        limits: What `word` and `abstains` came from; None where the answer was read from a document.
    """

    p_right: float
    word: CertaintyWord
    abstains: bool = False
    weight: float = 1.0
    labels: tuple[str, ...] = ()
    lowered_by: tuple[str, ...] = ()
    limits: Limits | None = None

    def at(self, p_right: float) -> Certainty:
        """Return it with another probability of being right, such as that of a mean over time."""
        if self.limits is None:
            return replace(self, p_right=p_right)
        return replace(self, p_right=p_right, word=self.limits.word(p_right), abstains=p_right < self.limits.least)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What one modality says about a stretch of time.

    probabilities: (C,) float32, non-negative, summing to 1; quality in [0, 1]: how much the input can be
    trusted (a small, turned face or faint speech is low). measures: what was measured of the input
    (`features.measures`). certainty: how far the answer can be relied on, None where the bundle does not tell; where
    it tells, the most probable label's probability is that of being right, and raw holds the probabilities before.
    embedding: (D,) float32, what the network knew of the input; None where nobody asked for it.
    """

    modality: str
    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    start_s: float
    end_s: float
    quality: float = 1.0
    measures: Mapping[str, float] = field(default_factory=dict)
    certainty: Certainty | None = None
    raw: NDArray[np.float32] | None = None
    embedding: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        _check(
            self.probabilities.shape == (len(self.labels),),
            f"Scores.probabilities must be ({len(self.labels)},), not {self.probabilities.shape}",
        )
        _check(bool(np.isfinite(self.probabilities).all()), "Scores.probabilities must be finite")
        _check(
            abs(float(self.probabilities.sum()) - 1.0) < 1e-3 and float(self.probabilities.min()) >= 0.0,
            "Scores.probabilities must be non-negative and sum to 1",
            self.probabilities,
        )
        _check(0.0 <= self.quality <= 1.0, f"Scores.quality must be in [0, 1], not {self.quality}")
        _check(self.end_s >= self.start_s, f"Scores end before they start: {self.start_s} to {self.end_s}")

    @property
    def label(self) -> str:
        """The most probable label."""
        return self.labels[int(np.argmax(self.probabilities))]

    @property
    def answer(self) -> str:
        """What to tell people: the label, or `UNCERTAIN` where it is too likely to be wrong."""
        return UNCERTAIN if self.certainty is not None and self.certainty.abstains else self.label

    @property
    def caution(self) -> str:
        """What to add for people to the label and its confidence: ", likely", or ", uncertain"; nothing where the
        bundle does not tell."""
        if self.certainty is None:
            return ""
        return f", {UNCERTAIN if self.certainty.abstains else self.certainty.word}"

    @property
    def confidence(self) -> float:
        """The probability of the most probable label."""
        return float(self.probabilities.max())

    @property
    def evidence(self) -> NDArray[np.float32]:
        """The probabilities before it was asked how far they can be relied on, (C,): what is averaged and fused."""
        return self.probabilities if self.raw is None else self.raw

    def as_dict(self) -> dict[str, float]:
        """Return {label: probability}, rounded to 4 decimals."""
        return {k: round(float(p), 4) for k, p in zip(self.labels, self.probabilities, strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a frame. box_xyxy: (4,) float32 pixels; score in [0, 1]; landmarks: (5, 2) float32 pixels:
    right eye, left eye, nose tip, right and left corner of the mouth (the subject's right and left), or None.
    track_id: the same while the face is followed; person_id: the same through the whole recording, None where it is
    not known who that is."""

    box_xyxy: NDArray[np.float32]
    score: float
    landmarks: NDArray[np.float32] | None = None
    track_id: int | None = None
    emotion: Scores | None = None
    person_id: int | None = None

    def __post_init__(self) -> None:
        _check(self.box_xyxy.shape == (4,), f"Face.box_xyxy must be (4,), not {self.box_xyxy.shape}")
        _check(bool(np.isfinite(self.box_xyxy).all()), "Face.box_xyxy must be finite", self.box_xyxy)
        _check(math.isfinite(self.score), f"Face.score must be finite, not {self.score}")
        _check(
            self.landmarks is None or self.landmarks.shape == (5, 2),
            f"Face.landmarks must be (5, 2) or None, not {getattr(self.landmarks, 'shape', None)}",
        )

    @property
    def size_px(self) -> float:
        """The geometric mean of the box's width and height, in pixels."""
        width, height = self.box_xyxy[2:] - self.box_xyxy[:2]
        return math.sqrt(max(float(width), 0.0) * max(float(height), 0.0))


_MOVEMENTS: Final = """
    _neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
    cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight
    eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight
    jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight
    mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
    mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
    mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
"""
# in the order of MediaPipe's network; left and right are the person's own
BLENDSHAPES: Final[tuple[str, ...]] = tuple(_MOVEMENTS.split())


@dataclass(frozen=True, slots=True)
class FaceAngles:
    """Which way a head is turned, or eyes look, in degrees: 0 is straight into the camera.

    Attributes:
        yaw_deg: Positive towards the right edge of the picture, which is the person's own left.
        pitch_deg: Positive upwards.
        roll_deg: Positive where the head leans to the left edge of the picture, the person's own right.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class VoiceMeasurement:
    """What a voice does in a stretch of time; None for what cannot be told.

    Attributes:
        start_s: Of the stretch, in seconds.
        end_s: Of the stretch, in seconds.
        person_id: Who speaks in it; None where it is a segment of the recording, whoever speaks.
        pitch_hz: The mean fundamental frequency of what is voiced.
        loudness: The mean, as the ear hears it; comparable only where the microphone is the same.
        rate_hz: Voiced stretches a second, which go with syllables.
        pause_s: The mean length of what is not voiced, in seconds.
        jitter: How much one period differs from the next, as a share of it.
        shimmer_db: How much the amplitude of one period differs from that of the next.
    """

    start_s: float
    end_s: float
    person_id: int | None = None
    pitch_hz: float | None = None
    loudness: float | None = None
    rate_hz: float | None = None
    pause_s: float | None = None
    jitter: float | None = None
    shimmer_db: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """What a network knows of one input before it names an emotion.

    Attributes:
        modality: Whose network.
        start_s: Of the input, in seconds.
        end_s: Of the input, in seconds.
        vector: (D,) float32, what goes into the last layer of the network.
        track_id: Of a face; None for anything else.
    """

    modality: str
    start_s: float
    end_s: float
    vector: NDArray[np.float32]
    track_id: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FaceMeasurement:
    """What was measured of one face in one picture.

    Attributes:
        time_s: Of the picture.
        track_id: Whose face it is, as `Face.track_id`.
        presence: How sure the network is that there is a face, in [0, 1].
        head: Which way the head is turned.
        gaze: Where the eyes look, as seen from the camera: an estimate.
        blendshapes: (52,) float32 in [0, 1], in the order of BLENDSHAPES: how far each movement of the face is made.
        points: (478, 3) float32 pixels, z to the back, zero about the middle of the head; None where they are not kept.

    Example:
        >>> import numpy as np
        >>> ahead = FaceAngles(yaw_deg=0.0, pitch_deg=0.0)
        >>> FaceMeasurement(0.0, 1, 1.0, ahead, ahead, np.full(52, 0.25, np.float32)).blendshape("jawOpen")
        0.25
    """

    time_s: float
    track_id: int | None
    presence: float
    head: FaceAngles
    gaze: FaceAngles
    blendshapes: NDArray[np.float32]
    points: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n_shapes = len(BLENDSHAPES)
        _check(self.blendshapes.shape == (n_shapes,), f"FaceMeasurement.blendshapes must be ({n_shapes},)")
        _check(bool(np.isfinite(self.blendshapes).all()), "FaceMeasurement.blendshapes must be finite")
        _check(self.points is None or self.points.ndim == 2, "FaceMeasurement.points must be (478, 3) or None")

    def blendshape(self, *names: str) -> float:
        """Return the mean of some of BLENDSHAPES, by name. Raises ValueError for one that is none."""
        return float(np.mean([self.blendshapes[BLENDSHAPES.index(name)] for name in names]))

    @property
    def smile(self) -> float:
        """How far the corners of the mouth are drawn up, in [0, 1]: the mean of both."""
        return self.blendshape("mouthSmileLeft", "mouthSmileRight")

    @property
    def brow(self) -> float:
        """How far the brows are raised (positive) or drawn down (negative), in [-1, 1]."""
        up = self.blendshape("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
        return up - self.blendshape("browDownLeft", "browDownRight")

    @property
    def blink(self) -> float:
        """How far the eyes are closed, in [0, 1]: the mean of both."""
        return self.blendshape("eyeBlinkLeft", "eyeBlinkRight")


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The answer at one time. by_modality holds the modalities that spoke; `why` says why the others did not.
    speaker_id: who speaks; OUT_OF_VIEW for somebody whose face is not seen, None for nobody or where that is not
    known."""

    time_s: float
    fused: Scores | None
    by_modality: Mapping[str, Scores] = field(default_factory=dict)
    faces: tuple[Face, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict)
    speaker_id: int | None = None


Json = dict[str, Any]
