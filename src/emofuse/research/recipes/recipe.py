"""A recipe: one TOML file is the whole description of a training run."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias, get_args

from pydantic import Field, ValidationError, model_validator

from emofuse.errors import RecipeError, UsageError
from emofuse.importing import import_object, source_hash
from emofuse.reading import is_file, one_line, read_bytes
from emofuse.research.models.fusion.settings import FeatureNetSettings
from emofuse.research.models.settings import (
    AnyFaceNetSettings,
    ClipNetSettings,
    ImportedNetSettings,
    Learner,
    MiniLmSettings,
    ModelSettings,
    SpeechNetSettings,
    SvmSettings,
    TextNetSettings,
)
from emofuse.research.recipes.data import (
    CorpusSettings,
    FaceDataSettings,
    FeatureDataSettings,
    SoundSettings,
    TextDataSettings,
    VideoDataSettings,
    VoiceDataSettings,
)
from emofuse.settings import UNKNOWN_NAME, NoneIsAWord, Settings
from emofuse.types import Json

Place: TypeAlias = tuple[int | str, ...]  # of a value in a file of settings, as pydantic says it
_MOST_MB: Final = 4.0  # of a file of settings
_UNION_KEYS: Final = ("data", "model", "video", "audio")  # whose tables say by their name or corpus what they are


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
    frozen_epochs: int = Field(0, ge=0, description="at the start, in which the pretrained part stays as it is")
    mixup: float = Field(0.2, ge=0, description="alpha of the Beta distribution; 0 is off")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced", "root"] = Field(
        "none", description="balanced: rare classes weigh more; root: by the square root of that"
    )
    logit_adjustment: float = Field(
        0.0, ge=0, le=1, description="of the loss, by so much of the log of the training's prior: evidence without it"
    )
    gradient_clip: float = Field(5.0, ge=0)
    ema_decay: Annotated[float | None, NoneIsAWord] = Field(0.999, gt=0, lt=1, description="or none")
    start_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="of the weights that the training began with, in the mean that is kept (arXiv:2109.01903)",
    )
    patience: int = Field(0, ge=0, description="epochs without gain before stopping; 0 is never")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    keep: Literal["best", "last"] = "best"
    refit: bool = Field(
        False, description="evaluate: train anew on the validation speakers too, for the epochs that they chose"
    )


class LateFusionSettings(ModelSettings):
    """Models of the same clips, each trained by its own recipe, whose answers become one.

    members: their recipes, in a file the names of files beside it; the fusion's corpora and labels hold for all of
    them. rule "learned" weighs the log-probabilities as fits the validation speakers best, "product" weighs them alike;
    "mean" averages calibrated probabilities; "vote" takes what most members say, the sum of their probabilities where
    as many say another. over_seeds: what stands for a member is the mean of the calibrated log-probabilities of its
    trainings with all seeds: a deep ensemble (arXiv:1612.01474), but pooled logarithmically; it may be the only one.
    """

    learner: ClassVar[Learner] = "late-fusion"

    name: Literal["late-fusion"] = "late-fusion"
    members: tuple[Recipe, ...] = Field(min_length=1)
    rule: Literal["learned", "product", "mean", "vote"] = "learned"
    over_seeds: bool = False

    @model_validator(mode="after")
    def _has_something_to_fuse(self) -> Self:
        if len(self.members) < 2 and not self.over_seeds:
            raise ValueError("a late fusion has two or more members, or one over_seeds")
        return self

    @property
    def member_recipes(self) -> tuple[Recipe, ...]:
        """See ModelSettings."""
        return self.members


class Recipe(Settings):
    """One run: what it is called, the data, the network and the training."""

    name: str
    seed: int = 0
    data: Annotated[
        FaceDataSettings | VoiceDataSettings | VideoDataSettings | FeatureDataSettings | TextDataSettings,
        Field(discriminator="corpus"),
    ]
    model: Annotated[
        AnyFaceNetSettings
        | SpeechNetSettings
        | ClipNetSettings
        | FeatureNetSettings
        | TextNetSettings
        | MiniLmSettings
        | ImportedNetSettings
        | SvmSettings
        | LateFusionSettings,
        Field(discriminator="name"),
    ]
    train: TrainSettings = TrainSettings()

    @property
    def members(self) -> tuple[Recipe, ...]:
        """The recipes of a late fusion's members, on its own corpora, labels and validation speakers."""
        members = self.model.member_recipes
        if not members:
            return ()
        own = {name: getattr(self.data, name) for name in CorpusSettings.model_fields if name != "balance"}
        return tuple(
            member.model_copy(update={"data": member.data.model_copy(update=own)})
            for member in self.model.member_recipes
        )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        members = self.model.member_recipes
        names = [member.name for member in members]
        if len(set(names)) < len(names):
            raise ValueError(f"two members have the same name: {', '.join(names)}")
        if members and not all(data.of_utterances for data in [self.data, *(one.data for one in members)]):
            raise ValueError("a late fusion and its members are of utterances, not of single pictures")
        return self


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply `key=value` overrides such as `train.epochs=3`.

    Raises RecipeError, naming the key and, for an unknown one, its nearest neighbour.
    """
    return _load(Path(path), overrides, ())


def _load(file: Path, overrides: Iterable[str], fusions: tuple[Path, ...]) -> Recipe:
    """Read a recipe. fusions: the files whose member it is."""
    document = read_toml(file)
    for override in overrides:
        apply_override(document, override)
    model = document.get("model")
    if model is None and "protocol" in document:
        raise RecipeError(f"{file} compares several models", f"emofuse compare --fusion {file}")
    if isinstance(model, dict) and isinstance(model.get("members"), list):
        within = (*fusions, file.resolve())
        model["members"] = [_member(file, each, within) for each in model["members"]]
    if isinstance(model, dict) and ":" in str(model.get("name")):
        document["model"] = _imported(file, model)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise as_recipe_error(file, error, _written, _known_keys) from None


def _imported(file: Path, model: Json) -> Json:
    """Return the table of a network of one's own, `name = "package.module:Class"`, as ImportedNetSettings has it."""
    name, options = model["name"], {key: value for key, value in model.items() if key != "name"}
    try:
        digest = source_hash(import_object(name))
    except UsageError as error:
        raise RecipeError(f"{file}: model.name: {error.message}", error.hint) from None
    return {"name": "imported", "module": name, "options": options, "source_sha256": digest}


def single_recipes(folder: Path) -> list[Path]:
    """Return the recipes of a folder that train one model, sorted; those that compare several are left out."""
    return [path for path in sorted(folder.glob("*.toml")) if "model" in read_toml(path)]


def read_toml(file: Path) -> Json:
    """Read a file of settings. Raises RecipeError where it cannot be read, or is not TOML."""
    try:
        return tomllib.loads(read_bytes(file, _MOST_MB).decode("utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no recipe at {file}", "the recipes that ship are in the folder recipes/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the recipe {file}: {one_line(error)}") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{file} is not TOML: {one_line(error)}") from None
    except (ValueError, RecursionError) as error:  # too large; a number of thousands of digits; nested too deeply
        raise RecipeError(f"cannot read the recipe {file}: {one_line(error)}") from None


def _member(file: Path, name: Any, fusions: tuple[Path, ...]) -> Recipe:
    if not isinstance(name, str):
        raise RecipeError(f"{file}: model.members: a member is the name of a recipe's file, not {name!r}")
    path = file.parent / name
    if not is_file(path):
        raise RecipeError(f"{file}: model.members: no recipe at {path}")
    if path.resolve() in fusions:
        raise RecipeError(f"{file}: model.members: {name} would be a member of itself")
    return _load(path, (), fusions)


def apply_override(document: Json, override: str) -> None:
    """Set one `key=value` in a document of settings. Raises RecipeError where it is not of that form."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override {override!r} is not of the form key=value", "for example train.epochs=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"override {one_line(override, 60)!r}: {one_line(error)}") from None
    *parents, last = key.split(".")
    table: Any = document
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"override {override!r}: {parent!r} is a value, not a table")
    table[last] = value


def as_recipe_error(
    file: Path, error: ValidationError, written: Callable[[Place], list[str]], known_keys: Callable[[Place], list[str]]
) -> RecipeError:
    """Say in one line what is amiss first in a file of settings.

    written: where a value stands as people write it; known_keys: those that there are where an unknown one stands.
    """
    first = error.errors()[0]
    path = written(first["loc"])
    key = ".".join(path)
    if first["type"] == "missing":
        return RecipeError(f"{file}: the key {key!r} is missing")
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], known_keys(first["loc"]), n=1)
        return RecipeError(f"{file}: unknown key {key!r}", f"did you mean {near[0]!r}?" if near else "")
    if first["type"] == UNKNOWN_NAME:
        return RecipeError(f"{file}: {key}: {first['msg']}", first["ctx"]["hint"])
    message = first["msg"].removeprefix("Value error, ")
    if not path:  # of the file as a whole
        return RecipeError(f"{file}: {message}")
    # whole recipes, which nobody wrote there, or a table, in which several keys do not go together
    if key == "model.members" or isinstance(first.get("input"), dict):
        return RecipeError(f"{file}: {key}: {message}")
    return RecipeError(f"{file}: {key}: {message}, not {first.get('input')!r}")


def _written(place: Place) -> list[str]:
    """Return where a value stands as people write it: pydantic puts the chosen member of each union in between."""
    choices, path = _choices(), list[str]()
    is_choice = False
    for part in map(str, place):
        is_choice = bool(path) and not is_choice and path[-1] in _UNION_KEYS and part in choices
        if not is_choice:
            path.append(part)
    return path


def _choices() -> dict[str, type[Settings]]:
    """Return every settings class that a recipe chooses by a name, by that name."""
    unions = [field for field in Recipe.model_fields.values() if isinstance(field.discriminator, str)]
    return {
        str(one.model_fields[str(field.discriminator)].default): one
        for field in unions
        for one in get_args(field.annotation)
    }


def _known_keys(place: Place) -> list[str]:
    """Return the keys that there are where an unknown one stands."""
    choices = _choices()
    chosen = [choices[part] for part in map(str, place[:-1]) if part in choices]
    section: type[Settings] = chosen[-1] if chosen else TrainSettings if "train" in place else Recipe
    if "sound" in place:
        section = SoundSettings
    return sorted(section.model_fields)
