"""What the parts of emofuse hand to one another: frozen, and checked once, when made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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


def in_order(modalities: Iterable[str]) -> tuple[str, ...]:
    """Return modalities in the order of results: those that ship, then others as they are given.

    Example:
        >>> in_order(["loudness", "text", "face"])
        ('face', 'text', 'loudness')
    """
    given = tuple(dict.fromkeys(modalities))
    known: tuple[str, ...] = MODALITIES
    return (*(m for m in known if m in given), *(m for m in given if m not in known))


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
        if not (isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8):
            raise PacketError(f"Frame.image must be (H, W, 3) uint8, not {_found(image)}", "RGB, upright, 0 to 255")
        _check_time("Frame", self.time_s)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def n_bytes(self) -> int:
        """How much memory the picture takes."""
        return self.image.nbytes

    def at(self, time_s: float) -> Frame:
        """Return the same picture at another time.

        Args:
            time_s: In seconds.

        Returns:
            The frame, over the same memory.

        Raises:
            PacketError: The time is not finite.

        Example:
            >>> Frame(np.zeros((48, 64, 3), np.uint8), time_s=0.04).at(1.0).time_s
            1.0
        """
        return Frame(self.image, time_s)


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
        if not _is_sound(self.samples):
            raise PacketError(
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
    """A spoken word with its times.

    Attributes:
        text: The word.
        start_s: When it begins, in seconds.
        end_s: When it ends, in seconds.

    Raises:
        PacketError: The text is not a string, or the times are not in order.

    Example:
        >>> Word("morning", start_s=0.8, end_s=1.2).text
        'morning'
    """

    text: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        _check_said("Word", self.text, self.start_s, self.end_s)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a transcript.

    Attributes:
        text: The words.
        start_s: When they begin, in seconds.
        end_s: When they end, in seconds.
        words: Each word with its times; empty if those are unknown.
        speaker: The name in the transcript; "" if unknown.
        emotion: The prediction of the text network; None if the line was not scored.
        person_id: The speaker's id in `Timeline.people`; None if unknown.

    Raises:
        PacketError: The text is not a string, or the times are not in order.

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
    """The lowest probabilities of being right for each word of certainty.

    Attributes:
        clear: Of a "clear" answer, in [0, 1].
        likely: Of a "likely" answer.
        least: Of any answer; below it, the answer is `UNCERTAIN`.

    Example:
        >>> Limits(clear=0.9, likely=0.65, least=0.3).word(0.7)
        'likely'
    """

    clear: float
    likely: float
    least: float

    def word(self, p_right: float) -> CertaintyWord:
        """Return the word for a probability.

        Args:
            p_right: The probability that an answer is right, in [0, 1].

        Returns:
            "clear", "likely" or "unsure".

        Example:
            >>> Limits(clear=0.9, likely=0.65, least=0.3).word(0.95)
            'clear'
        """
        return "clear" if p_right >= self.clear else "likely" if p_right >= self.likely else "unsure"


@dataclass(frozen=True, slots=True)
class Certainty:
    """How reliable an answer is, as measured on people and recordings outside the training data.

    Attributes:
        p_right: The expected share of such answers that are right, in [0, 1].
        word: The same as a word.
        abstains: Whether the answer is `UNCERTAIN`: its risk is higher than allowed, or the fused label was no
            modality's first choice and not the first or second choice of two.
        weight: The share of the fused answer, in [0, 1].
        labels: The prediction set, best first, which contains the truth as often as `coverage` asks; empty without it.
        lowered_by: The properties of the input that lowered it, the strongest first.
        limits: The limits behind `word` and `abstains`; None if the answer was read from a document.

    Example:
        >>> sure = Certainty(0.95, "clear", limits=Limits(clear=0.9, likely=0.65, least=0.3))
        >>> sure.at(0.2).abstains
        True
    """

    p_right: float
    word: CertaintyWord
    abstains: bool = False
    weight: float = 1.0
    labels: tuple[str, ...] = ()
    lowered_by: tuple[str, ...] = ()
    limits: Limits | None = None

    def at(self, p_right: float) -> Certainty:
        """Return the certainty for another probability of being right, such as that of a mean over time.

        Args:
            p_right: The probability, in [0, 1].

        Returns:
            A copy with `p_right`, and with `word` and `abstains` derived from it if the limits are known.

        Example:
            >>> Certainty(0.95, "clear", limits=Limits(clear=0.9, likely=0.65, least=0.3)).at(0.7).word
            'likely'
        """
        if self.limits is None:
            return replace(self, p_right=p_right)
        return replace(self, p_right=p_right, word=self.limits.word(p_right), abstains=p_right < self.limits.least)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The prediction of one modality, or of the fusion, for an interval of time.

    Attributes:
        modality: "face", "voice", "text", "clip" or "fused".
        labels: The C emotions.
        probabilities: (C,) float32, non-negative, summing to 1.
        start_s: When the interval begins, in seconds.
        end_s: When it ends, in seconds.
        quality: How reliable the input is, in [0, 1]; low for a small or turned face, or for faint speech.
        measures: What was measured of the input, by name.
        certainty: How reliable the answer is; None if the bundle is not calibrated for it. With a certainty, the
            probability of the most probable label is the probability that it is right.
        raw: (C,) float32, the probabilities before that; None without a certainty.
        embedding: (D,) float32, the input of the network's last layer; None unless it was requested.

    Raises:
        ValueError: A shape or a value is not as described.

    Example:
        >>> scores = Scores("face", ("happy", "sad"), np.array([0.8, 0.2], np.float32), start_s=0.0, end_s=0.5)
        >>> scores.label, scores.as_dict()
        ('happy', {'happy': 0.8, 'sad': 0.2})
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
        """The answer to show: the label, or `UNCERTAIN` if it is too likely to be wrong."""
        return UNCERTAIN if self.certainty is not None and self.certainty.abstains else self.label

    @property
    def caution(self) -> str:
        """The words to add to the label and its confidence: ", likely", or ", uncertain"; "" without a certainty."""
        if self.certainty is None:
            return ""
        return f", {UNCERTAIN if self.certainty.abstains else self.certainty.word}"

    @property
    def confidence(self) -> float:
        """The probability of the most probable label."""
        return float(self.probabilities.max())

    @property
    def evidence(self) -> NDArray[np.float32]:
        """The probabilities before any calibration of certainty, (C,): what is averaged and fused."""
        return self.probabilities if self.raw is None else self.raw

    def as_dict(self) -> dict[str, float]:
        """Return the probabilities by label.

        Returns:
            A dictionary with one number per label, rounded to 4 decimals.

        Example:
            >>> Scores("voice", ("happy", "sad"), np.array([0.25, 0.75], np.float32), 0.0, 3.0).as_dict()
            {'happy': 0.25, 'sad': 0.75}
        """
        return {k: round(float(p), 4) for k, p in zip(self.labels, self.probabilities, strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a frame.

    Attributes:
        box_xyxy: (4,) float32 pixels: left, top, right, bottom.
        score: How sure the detector is, in [0, 1].
        landmarks: (5, 2) float32 pixels: right eye, left eye, nose tip, right and left corner of the mouth (the
            subject's right and left), or None.
        track_id: The same number as long as the face is followed; None for a face that is not followed.
        emotion: The prediction for this face; None if it was not scored.
        person_id: The same number through the whole recording; None if the person is unknown.

    Raises:
        ValueError: A shape or a value is not as described.

    Example:
        >>> Face(np.array([10, 20, 50, 110], np.float32), score=0.9).size_px
        60.0
    """

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

    Example:
        >>> FaceAngles(yaw_deg=10.0, pitch_deg=-5.0).roll_deg
        0.0
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

    Example:
        >>> VoiceMeasurement(0.0, 2.5, pitch_hz=180.0).pitch_hz
        180.0
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
    """The input of a network's last layer, for one face, window of sound or sentence.

    Attributes:
        modality: Of the network.
        start_s: Of the input, in seconds.
        end_s: Of the input, in seconds.
        vector: (D,) float32, what goes into the last layer of the network.
        track_id: Of a face; None for anything else.

    Example:
        >>> Embedding("voice", 0.0, 3.0, np.zeros(128, np.float32)).vector.shape
        (128,)
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
        """Return the mean of one or several movements.

        Args:
            *names: Of BLENDSHAPES, such as "jawOpen".

        Returns:
            How far they are made, in [0, 1].

        Raises:
            ValueError: A name is not in BLENDSHAPES.

        Example:
            >>> ahead = FaceAngles(0.0, 0.0)
            >>> face = FaceMeasurement(0.0, 1, 1.0, ahead, ahead, np.full(52, 0.5, np.float32))
            >>> face.blendshape("eyeBlinkLeft", "eyeBlinkRight")
            0.5
        """
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
    """The answer at one time.

    Attributes:
        time_s: The time, in seconds from the start of the recording.
        fused: The fused prediction; None if no modality has one.
        by_modality: The predictions of the modalities that have one.
        faces: The faces that are followed at this time.
        why: For the other modalities, the reason in words.
        speaker_id: The id of the person who speaks; OUT_OF_VIEW for somebody whose face is not in view; None if nobody
            speaks, or the speaker is unknown.

    Example:
        >>> Moment(0.5, None, why={"face": "no face found"}).why["face"]
        'no face found'
    """

    time_s: float
    fused: Scores | None
    by_modality: Mapping[str, Scores] = field(default_factory=dict)
    faces: tuple[Face, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict)
    speaker_id: int | None = None


Json = dict[str, Any]
