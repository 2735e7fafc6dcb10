"""Recipes: one TOML file is the whole description of a training run. The defaults stand here and nowhere else."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from emofuse.emotions import LABEL_SETS
from emofuse.errors import RecipeError, UsageError
from emofuse.types import Json

_UNKNOWN: Final = "unknown_name"


class Settings(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Make the settings from what a user gave. Raises UsageError, naming the first value that is not allowed."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"{name}: {first['msg'].lower()}, not {first.get('input')!r}") from None


# TOML has no null, so the word stands for it
_NoneIsAWord = BeforeValidator(lambda value: None if value == "none" else value)


def _label_set(name: str) -> str:
    if name in LABEL_SETS:
        return name
    near = difflib.get_close_matches(name, LABEL_SETS, n=1, cutoff=0.0)[0]
    hint = f"did you mean {near!r}? there is {', '.join(LABEL_SETS)}"
    raise PydanticCustomError(_UNKNOWN, "no label set is called {name}", {"name": repr(name), "hint": hint})


class FaceNetSettings(Settings):
    """A residual network over 48 x 48 grey faces. widths: channels of the stem and of each stage."""

    name: Literal["face-resnet"] = "face-resnet"
    widths: tuple[int, ...] = (16, 48, 96, 160)
    blocks: tuple[int, ...] = (1, 2, 2)
    dropout: float = Field(0.2, ge=0, lt=1)

    @field_validator("blocks")
    @classmethod
    def _one_per_stage(cls, blocks: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        n_stages = len(info.data.get("widths", ())) - 1
        if "widths" in info.data and len(blocks) != n_stages:
            raise ValueError(f"needs a number for each width after the stem's, which are {n_stages}")
        return blocks


class VoiceNetSettings(Settings):
    """MobileNetV3 over log-mels, statistics pooled from several blocks.

    pretrained: an asset's name, or none. level "relative" measures power against the loudest frame of the
    window, so that a microphone's gain does not matter; "kept" leaves it as recorded.
    """

    name: Literal["voice-mobilenet"] = "voice-mobilenet"
    pretrained: Annotated[str | None, _NoneIsAWord] = "mn04_as"
    level: Literal["kept", "relative"] = "relative"
    taps: tuple[Annotated[int, Field(ge=0, le=16)], ...] = Field((6, 8, 10, 12, 13), min_length=1)
    hidden: int = Field(128, ge=8)
    dropout: float = Field(0.5, ge=0, lt=1)


class MfccCnnSettings(Settings):
    """2D convolutions over a square of cepstra, then dense layers: the first reference system's network.

    n_fft and hop are in samples at 16 kHz: 44 frames of 1024 are 2.8 s, which holds an utterance. A longer window
    is cut, a shorter one padded. widths: channels of each block, every one of which halves the square.
    """

    name: Literal["mfcc-cnn"] = "mfcc-cnn"
    n_mfcc: int = Field(40, ge=16, le=128)
    n_frames: int = Field(44, ge=16)
    n_fft: int = Field(2048, ge=256, multiple_of=2)
    hop: int = Field(1024, ge=32)
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((32, 64, 128), min_length=1, max_length=4)
    hidden: int = Field(128, ge=8)
    dropout: float = Field(0.3, ge=0, lt=1)


class WaveCnnSettings(Settings):
    """1D convolutions over samples: the third reference system's network.

    kernel and stride of the stem are in samples; what it makes is pooled by `pool`, and by 4 after each stage but
    the last. widths: channels of the stem and of each stage.
    """

    name: Literal["wave-cnn"] = "wave-cnn"
    kernel: int = Field(80, ge=3)
    stride: int = Field(16, ge=1, le=32)
    pool: int = Field(2, ge=1, le=8)
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((48, 64, 128, 192), min_length=2, max_length=4)
    block_dropout: float = Field(0.1, ge=0, lt=1)
    dropout: float = Field(0.3, ge=0, lt=1)


class MelCnnSettings(Settings):
    """A residual network over log-mels, without pretraining. widths: channels of the stem and of each stage.

    level: as in VoiceNetSettings.
    """

    name: Literal["mel-cnn"] = "mel-cnn"
    level: Literal["kept", "relative"] = "relative"
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((16, 32, 64, 96), min_length=2, max_length=5)
    dropout: float = Field(0.3, ge=0, lt=1)


class SvmSettings(Settings):
    """A support vector machine over one vector of features an utterance: the classical baseline.

    features: openSMILE's eGeMAPS (88) or ComParE 2016 (6,373), or "audioset": what `voice-mobilenet` pools from
    EfficientAT's network before any training. c: the values of which the validation speakers choose one. normalise
    "speaker" standardises by the speaker's own clips, test speakers too, without their labels: transductive.
    """

    name: Literal["svm"] = "svm"
    features: Literal["egemaps", "compare", "audioset"] = "egemaps"
    kernel: Literal["rbf", "linear"] = "rbf"
    c: tuple[Annotated[float, Field(gt=0)], ...] = Field((0.3, 1.0, 3.0, 10.0), min_length=1)
    normalise: Literal["train", "speaker"] = "train"


SpeechNetSettings: TypeAlias = MfccCnnSettings | WaveCnnSettings | MelCnnSettings | VoiceNetSettings


class FaceDataSettings(Settings):
    """FER+ and its augmentation. Angles in degrees; the others are fractions of the picture or of full scale."""

    corpus: Literal["ferplus"] = "ferplus"
    rotate_deg: float = Field(15.0, ge=0)
    scale: float = Field(0.15, ge=0, lt=1)
    shift: float = Field(0.08, ge=0, lt=1)
    shear: float = Field(0.08, ge=0, lt=1)
    contrast: float = Field(0.3, ge=0, lt=1)
    blur: float = Field(0.15, ge=0, le=1, description="probability of losing resolution")
    noise: float = Field(0.03, ge=0, le=1)
    erase: float = Field(0.5, ge=0, le=1, description="probability of one erased rectangle")


class VoiceDataSettings(Settings):
    """Speech corpora, the window the network hears, and augmentation.

    train_on: names of corpora (`corpora.readers`), read from the folder of that name in the data folder, or paths
    of manifests (.csv). Folds are made of the first one; the others are added to every fold's training part.
    """

    corpus: Literal["speech"] = "speech"
    train_on: tuple[str, ...] = Field(("ravdess",), min_length=1)
    labels: Annotated[str, AfterValidator(_label_set)] = Field("ravdess-8", description="one of emotions.LABEL_SETS")
    valid_speakers: int = Field(2, ge=1, description="held out of training in each fold, to select by")
    trim_db: float = Field(0.0, ge=0, description="cut clips to what is within so much of the loudest frame; 0: off")
    balance: bool = Field(True, description="repeat the clips of rare emotions in training")
    window_s: float = Field(3.0, gt=0.5)
    eval_windows: int = Field(3, ge=1)
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


class TrainSettings(Settings):
    """How the weights are found."""

    epochs: int = Field(60, ge=1)
    batch_size: int = Field(128, ge=2)
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = Field(0.1, gt=0)
    backbone_lr_scale: float = Field(1.0, ge=0, description="of the pretrained part")
    weight_decay: float = Field(5e-4, ge=0)
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    plateau_patience: int = Field(4, ge=0, description="epochs without gain before the rate falls")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="what the rate is then multiplied by")
    warmup_epochs: float = Field(2.0, ge=0)
    mixup: float = Field(0.2, ge=0, description="alpha of the Beta distribution; 0 is off")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced: rare classes weigh more")
    gradient_clip: float = Field(5.0, ge=0)
    ema_decay: Annotated[float | None, _NoneIsAWord] = Field(0.999, gt=0, lt=1, description="or none")
    patience: int = Field(0, ge=0, description="epochs without gain before stopping; 0 is never")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    keep: Literal["best", "last"] = "best"


class Recipe(Settings):
    """One run: what it is called, the data, the network and the training."""

    name: str
    seed: int = 0
    data: Annotated[FaceDataSettings | VoiceDataSettings, Field(discriminator="corpus")]
    model: Annotated[FaceNetSettings | SpeechNetSettings | SvmSettings, Field(discriminator="name")]
    train: TrainSettings = TrainSettings()


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply `key=value` overrides such as `train.epochs=3`.

    Raises RecipeError, naming the key and, for an unknown one, its nearest neighbour.
    """
    file = Path(path)
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no recipe at {file}", "the recipes that ship are in the folder recipes/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the recipe {file}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{file} is not TOML: {error}") from None
    for override in overrides:
        _apply(document, override)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise _as_recipe_error(file, error) from None


def _apply(document: Json, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override {override!r} is not of the form key=value", "for example train.epochs=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *parents, last = key.split(".")
    table: Any = document
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"override {override!r}: {parent!r} is a value, not a table")
    table[last] = value


def _as_recipe_error(file: Path, error: ValidationError) -> RecipeError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    # pydantic puts the chosen member of a union into the location; people do not write it
    if len(path) > 1 and path[1] in _members():
        del path[1]
    key = ".".join(path)
    if first["type"] == "missing":
        return RecipeError(f"{file}: the key {key!r} is missing")
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _known_keys(), n=1)
        return RecipeError(f"{file}: unknown key {key!r}", f"did you mean {near[0]!r}?" if near else "")
    if first["type"] == _UNKNOWN:
        return RecipeError(f"{file}: {key}: {first['msg']}", first["ctx"]["hint"])
    return RecipeError(f"{file}: {key}: {first['msg']}, not {first.get('input')!r}")


def _choices() -> dict[str, tuple[type[Settings], ...]]:
    """Return, by the key that tells them apart, the settings that stand in one place of a recipe."""
    unions = [field for field in Recipe.model_fields.values() if isinstance(field.discriminator, str)]
    return {str(field.discriminator): get_args(field.annotation) for field in unions}


def _members() -> set[str]:
    return {str(one.model_fields[key].default) for key, union in _choices().items() for one in union}


def _known_keys() -> list[str]:
    sections: list[type[Settings]] = [Recipe, TrainSettings, *(one for union in _choices().values() for one in union)]
    return sorted({key for section in sections for key in section.model_fields})
