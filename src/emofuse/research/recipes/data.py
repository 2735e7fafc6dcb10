"""Settings of the data: corpora, what of a clip a network gets, and augmentation."""

from __future__ import annotations

import difflib
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from emofuse.emotions import LABEL_SETS
from emofuse.preprocessing.face import SIZE
from emofuse.settings import UNKNOWN_NAME, Settings
from emofuse.types import CLIP_RATE_HZ, LONGEST_CLIP_S, Sampling

TEXT_CORPORA = ("goemotions", "xed", "edos", "brighter", "meld")
FACE_SETS = ("ferplus", "cfee", "taiwan")


def _label_set(name: str) -> str:
    if name in LABEL_SETS:
        return name
    near = difflib.get_close_matches(name, LABEL_SETS, n=1, cutoff=0.0)[0]
    hint = f"did you mean {near!r}? there is {', '.join(LABEL_SETS)}"
    raise PydanticCustomError(UNKNOWN_NAME, "no label set is called {name}", {"name": repr(name), "hint": hint})


def _text_corpus(name: str) -> str:
    return _known_or_own(name, TEXT_CORPORA, "text corpus", (".csv",))


def _face_set(name: str) -> str:
    return _known_or_own(name, FACE_SETS, "set of faces", ())


def _known_or_own(name: str, known: tuple[str, ...], what: str, suffixes: tuple[str, ...]) -> str:
    """Let a name of ours pass, and one of your own: `package.module:NAME`, or a file with one of the suffixes."""
    if name.partition("@")[0] in known or ":" in name or (suffixes and name.lower().endswith(suffixes)):
        return name
    own = ", ".join(["package.module:NAME", *(f"a path to a {suffix}" for suffix in suffixes)])
    hint = f"there is {', '.join(known)}, and your own: {own}"
    raise PydanticCustomError(
        UNKNOWN_NAME, "no {what} is called {name}", {"what": what, "name": repr(name), "hint": hint}
    )


TextCorpusName = Annotated[str, AfterValidator(_text_corpus)]
FaceSetName = Annotated[str, AfterValidator(_face_set)]


class DataSettings(Settings):
    """What all settings of data have. of_utterances: whether it is of clips of people who speak, or of single
    pictures or sentences."""

    of_utterances: ClassVar[bool] = False

    @property
    def normalised_modalities(self) -> tuple[str, ...]:
        """The modalities that are standardised by a speaker's own utterances, test speakers' too."""
        return ()

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """The corpora of train_on of which no label is learnt, the last ones."""
        return ()


class FaceDataSettings(DataSettings):
    """Pictures of faces and their augmentation. Angles in degrees; the others are fractions of the picture or of full
    scale.

    train_on: FER+, which also validates, and laboratory sets beside it. size_px: of a face, both ways; where it is more
    than FER+'s 48, those are made larger. original_share: what FER2013's own label counts for beside FER+'s votes.
    compounds: whether a laboratory's faces of two emotions at once are trained on, as half of each. n_drawn: faces an
    epoch, drawn with replacement; 0: every face once. portrait_share: how much of what is drawn is of laboratory sets.
    evenness: 0 draws the faces of a set alike, 1 its emotions. teachers: exported face networks from whose mean
    prediction of a face as it is cut, at teacher_temperature, the network learns teacher_share of its target (Hinton et
    al., 2015, arXiv:1503.02531). They answer with evidence, as it shall: in a target the prior of what is drawn is
    added to it, as far as train.logit_adjustment takes that out again.
    """

    corpus: Literal["ferplus"] = "ferplus"
    train_on: tuple[FaceSetName, ...] = Field(("ferplus",), min_length=1)
    size_px: int = Field(SIZE, ge=SIZE, le=4 * SIZE, multiple_of=SIZE)
    original_share: float = Field(0.0, ge=0, le=1)
    compounds: bool = True
    portrait_share: float = Field(0.35, ge=0, le=1)
    evenness: float = Field(0.5, ge=0, le=1)
    n_drawn: int = Field(0, ge=0)
    teachers: tuple[str, ...] = ()
    teacher_share: float = Field(0.7, ge=0, le=1)
    teacher_temperature: float = Field(1.0, gt=0)
    rotate_deg: float = Field(15.0, ge=0)
    scale: float = Field(0.15, ge=0, lt=1)
    shift: float = Field(0.08, ge=0, lt=1)
    shear: float = Field(0.08, ge=0, lt=1)
    contrast: float = Field(0.3, ge=0, lt=1)
    slope: float = Field(0.0, ge=0, lt=1, description="light from one side: change of brightness at the picture's edge")
    blur: float = Field(0.15, ge=0, le=1, description="probability of losing resolution")
    noise: float = Field(0.03, ge=0, le=1)
    erase: float = Field(0.5, ge=0, le=1, description="probability of one erased rectangle")


class TextDataSettings(DataSettings):
    """Text corpora by their names, each read from the folder of its name in the data folder, or your own: the path of a
    table (.csv, with the columns text and emotion, and perhaps dialogue and part), or `package.module:NAME`.

    `xed@de` is a corpus's German, `xed@all` all its languages but English. No sentence is trained on that stands in
    a test or dev part of these or of the held_out ones. thin: the share of the English sentences that all call
    neutral or happy which is left out. repeat: how often the sentences of a corpus are taken, by its name, where it
    is not once. even: 0 takes the sentences of each language as often as there are, 1 those of all languages alike
    (Conneau and Lample, 2019, arXiv:1901.07291), none more than MOST_TIMES. bare: the share that loses marks and
    capitals, as recognisers write. made: so many sentences made by rule (`corpora.made_texts`). teachers: exported
    text networks from whose mean prediction, at teacher_temperature, the network learns teacher_share of its
    targets (Hinton et al., 2015, arXiv:1503.02531), and all of those of the sentences that nobody labelled. They
    read English: of a sentence in another language they are asked about the one that it translates, where that is
    known (Reimers and Gurevych, 2020, arXiv:2004.09813). They are asked about sentences of teacher_words words and
    marks at most; longer ones keep their votes, or are left out where nobody labelled them. fragments: around each word
    of the English sentences, but for the rarest, so many runs of one to six words are cut, which the teachers alone
    label (Tang et al., 2019, arXiv:1903.12136). absent: files of corpora that were not there for teachers to label; the
    training fills it in.
    """

    corpus: Literal["text"] = "text"
    train_on: tuple[TextCorpusName, ...] = Field(("meld",), min_length=1)
    held_out: tuple[TextCorpusName, ...] = ()
    thin: float = Field(0.0, ge=0, lt=1)
    repeat: dict[TextCorpusName, Annotated[int, Field(ge=1, le=10)]] = Field(default_factory=dict)
    even: float = Field(0.0, ge=0, le=1)
    bare: float = Field(0.0, ge=0, le=1)
    made: int = Field(0, ge=0, le=100_000)
    forget: float = Field(0.1, ge=0, lt=1, description="share of the words that a network is not told in training")
    teachers: tuple[str, ...] = ()
    teacher_share: float = Field(0.7, ge=0, le=1)
    teacher_temperature: float = Field(1.0, gt=0)
    teacher_words: int = Field(256, ge=1)
    fragments: int = Field(0, ge=0, le=100)
    absent: tuple[str, ...] = ()


class SoundSettings(Settings):
    """The window that a network takes, and augmentation of sound."""

    window_s: float = Field(3.0, gt=0.5)
    gain_db: float = Field(9.0, ge=0)
    snr_db: tuple[float, float] = (8.0, 40.0)
    noise: float = Field(0.5, ge=0, le=1, description="probability of added noise")
    pitch_semitones: float = Field(0.0, ge=0, le=12, description="pitch shift that keeps the duration")
    stretch: float = Field(0.15, ge=0, lt=1, description="time stretch that keeps the pitch, as a fraction")
    vocode: float = Field(0.5, ge=0, le=1, description="probability of a shift or stretch that is done on samples")
    warp: float = Field(0.2, ge=0, lt=1, description="scaling of all frequencies, as a fraction: another speaker")
    equalise_db: float = Field(6.0, ge=0, description="random smooth filter")
    time_masks: int = Field(2, ge=0)
    time_mask_s: float = Field(0.3, ge=0)
    mel_masks: int = Field(2, ge=0)
    mel_mask_bands: int = Field(12, ge=0)
    room: float = Field(0.0, ge=0, le=1, description="probability of a reverberant room")
    band: float = Field(0.0, ge=0, le=1, description="probability of a narrower band, down to a telephone's")
    babble: float = Field(0.0, ge=0, le=1, description="probability of other voices of the batch behind this one")
    babble_snr_db: tuple[float, float] = (5.0, 30.0)
    clipping: float = Field(0.0, ge=0, le=1, description="probability of peaks that are cut off")
    place: bool = Field(False, description="put what is shorter than the window anywhere in it, not at its beginning")


class CorpusSettings(DataSettings):
    """Which corpora, under which labels.

    train_on: names of corpora (`corpora.registry`), read from the folder of that name in the data folder, or paths
    of manifests (.csv). Folds are made of the first one; the others are added to every fold's training part.
    """

    of_utterances: ClassVar[bool] = True

    train_on: tuple[str, ...] = Field(("ravdess",), min_length=1)
    labels: Annotated[str, AfterValidator(_label_set)] = Field("ravdess-8", description="one of emotions.LABEL_SETS")
    valid_speakers: int = Field(2, ge=1, description="held out of training in each fold, to select by")
    balance: bool = Field(True, description="repeat the clips of rare emotions in training")
    balance_corpora: bool = Field(
        False,
        description="draw clips so that a corpus counts by the root of its size; in it emotions, then speakers, alike",
    )


class VoiceDataSettings(CorpusSettings, SoundSettings):
    """Speech corpora, what of a clip is heard, and augmentation.

    sound_only: the last corpora of train_on, if any, of which no label is learnt: beside the first corpus their sound
    gives the directions in which an encoder of a rank is kept, and teaches it.
    """

    corpus: Literal["speech"] = "speech"
    trim_db: float = Field(0.0, ge=0, description="cut clips to what is within so much of the loudest frame; 0: off")
    sound_only: tuple[str, ...] = ()
    cut_to_speech: bool = Field(False, description="cut clips to what the speech detector of analyses finds in them")
    most_clips: int = Field(0, ge=0, description="of a corpus that has more, so many are drawn; 0: all are taken")
    eval_windows: int = Field(3, ge=1)
    versions: int = Field(
        0,
        ge=0,
        description="of each clip, augmented once, before the training of a network with frozen blocks; 0: anew always",
    )
    as_recorded: int = Field(0, ge=0, description="of the versions, the last so many, which are not augmented")
    other_sound: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of hum, chords, noise and clicks, where no emotion is more likely; with versions",
    )

    @model_validator(mode="after")
    def _has_so_many_versions(self) -> Self:
        if self.as_recorded > self.versions:
            raise ValueError(f"of {self.versions} versions {self.as_recorded} cannot be as recorded")
        return self

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """See DataSettings."""
        return self.sound_only

    @model_validator(mode="after")
    def _learns_from_the_others(self) -> Self:
        n = len(self.train_on) - len(self.sound_only)
        if n < 1 or self.train_on[n:] != self.sound_only:
            raise ValueError("sound_only names the last corpora of train_on, and not all of them")
        return self


class VideoDataSettings(CorpusSettings):
    """Corpora with pictures, which frames of a clip are seen, and augmentation that is the same over a clip.

    sampling: "first" takes the first n_frames, and black ones where there are no more; "uniform" spreads them over
    the clip; "strided" takes every stride-th from a random place on (in the middle, when testing) and repeats the
    last one. These two count in pictures at rate_hz, whatever the film's own rate is. Pictures are face crops of
    size_px, `margin` of the face wider on each side. sound: what goes with them, where the network uses sound.
    """

    corpus: Literal["video"] = "video"
    train_on: tuple[str, ...] = Field(("ravdess-av",), min_length=1)
    sampling: Sampling = "uniform"
    n_frames: int = Field(16, ge=1, le=256)
    stride: int = Field(2, ge=1)
    rate_hz: float = Field(CLIP_RATE_HZ, gt=0, le=CLIP_RATE_HZ)
    size_px: Literal[112, 224] = 112
    margin: float = Field(0.2, ge=0, le=1)
    flip: float = Field(0.5, ge=0, le=1, description="probability of a mirrored clip")
    crop: float = Field(0.1, ge=0, lt=0.5, description="largest part of the width and height that is cut off")
    colour: float = Field(0.2, ge=0, lt=1, description="change of brightness, contrast and saturation")
    time_jitter: float = Field(0.5, ge=0, le=1, description="by which a frame is displaced, in steps of the sampling")
    drop: float = Field(0.1, ge=0, lt=1, description="probability of a frame lost: the one before it stays")
    sound: SoundSettings = SoundSettings()

    @model_validator(mode="after")
    def _is_not_too_long(self) -> Self:
        n = {"uniform": 0, "first": self.n_frames, "strided": self.n_frames * self.stride}[self.sampling]
        span_s = max(self.sound.window_s, n / self.rate_hz)
        if span_s > LONGEST_CLIP_S:
            raise ValueError(f"a clip may be at most {LONGEST_CLIP_S:.0f} s long, and these frames span {span_s:.1f} s")
        return self


class FeatureDataSettings(CorpusSettings):
    """Utterances as features that were computed before: one array, (T, D), of each modality.

    train_on: feature sets, by the name of a folder in the data folder or by a path. modalities: those to use; none
    named: all that the set has. pool: one vector of an array's T steps, or the steps themselves, at most max_steps of
    them. context: so many utterances of the same dialogue before an utterance, and after it where context_after, are
    the steps around it; features are then pooled. context_of "speaker": its own speaker's alone, which folds of
    speakers keep apart. normalise_by_speaker: the modalities that are standardised by the speaker's own utterances,
    test speakers too, without their labels: transductive; the others are standardised by the training part.
    """

    corpus: Literal["features"] = "features"
    train_on: tuple[str, ...] = Field(("iemocap",), min_length=1)
    labels: Annotated[str, AfterValidator(_label_set)] = "iemocap-4"
    balance: bool = False
    modalities: tuple[str, ...] = ()
    pool: Literal["mean", "max", "none"] = "mean"
    max_steps: int = Field(64, ge=1)
    context: int = Field(0, ge=0, le=64)
    context_after: bool = True
    context_of: Literal["dialogue", "speaker"] = "dialogue"
    normalise_by_speaker: tuple[str, ...] = ()

    @property
    def normalised_modalities(self) -> tuple[str, ...]:
        """See DataSettings."""
        return self.normalise_by_speaker
