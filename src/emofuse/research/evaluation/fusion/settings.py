"""Settings of a comparison of fusions: one TOML file says which methods are set side by side, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias, cast, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from emofuse.errors import RecipeError
from emofuse.research.models.fusion.settings import FeatureNetSettings, UnimodalSettings
from emofuse.research.models.settings import Learner, ModelSettings
from emofuse.research.recipes.data import CorpusSettings, FeatureDataSettings
from emofuse.research.recipes.recipe import (
    Place,
    Recipe,
    TrainSettings,
    apply_override,
    as_recipe_error,
    read_toml,
)
from emofuse.settings import Settings
from emofuse.types import Json

REFERENCE_TRAINING: Final[Mapping[str, Any]] = {
    "epochs": 50,
    "batch_size": 32,
    "optimizer": "adam",
    "lr": 1e-3,
    "weight_decay": 1e-5,
    "schedule": "constant",
    "warmup_epochs": 0,
    "mixup": 0,
    "ema_decay": None,
    "patience": 10,
}
"""The second reference system's training; a comparison's [train] changes it key by key."""

WORDS: Final[Mapping[str, str]] = {"visual": "video", "acoustic": "audio", "lexical": "text"}
"""What a modality is called as a method of its own; any other by its own name."""

ScoreName: TypeAlias = Literal["UAR", "accuracy", "macro F1", "micro F1", "weighted F1"]


class LateFusionMethodSettings(ModelSettings):
    """A late fusion of methods of the same comparison, whose trainings it uses.

    members: none named: all that look at a single modality. over_seeds: the trainings of all seeds answer as one.
    """

    learner: ClassVar[Learner] = "late-fusion"

    name: Literal["late-fusion"] = "late-fusion"
    rule: Literal["learned", "product", "mean", "vote"] = "learned"
    members: tuple[str, ...] = ()
    over_seeds: bool = False


class MethodSettings(Settings):
    """One method. data, train: keys that differ from the comparison's own."""

    model: Annotated[FeatureNetSettings | LateFusionMethodSettings, Field(discriminator="name")]
    data: dict[str, Any] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)


class DrawSettings(Settings):
    """Utterances drawn at random, so many times, each time as many as the second reference system had: 1,336, of every
    class in every fold in proportion to what the corpus has."""

    size: int = Field(1336, ge=1)
    draws: int = Field(10, ge=1)
    seed: int = Field(1, ge=0)


class PublishedSettings(Settings):
    """Scores that others published, fractions of 1 by method, to stand beside ours. caution: where theirs differ."""

    metric: ScoreName
    source: str
    caution: str
    scores: dict[str, float]


class RobustnessSettings(Settings):
    """What is done to the test clips of trained networks.

    noise: Gaussian, in standard deviations of the training part. loss: share of the utterances that lose a modality.
    """

    noise: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 1.0, 2.0)
    loss: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.25, 0.5, 0.75)
    seed: int = 0


class FusionComparisonSettings(Settings):
    """Fusions and single modalities on the same folds.

    metric: what the verdict, the contributions and the robustness are told in. test_on: feature sets to test on, all
    folds of the protocol being replaced by one that trains on the whole of data.train_on. methods: by their names,
    beside those of DEFAULTS and one for each modality, which a table of the same name changes; leave_out: those of them
    that are not wanted. remark: what a reader of the report must know, such as how the settings were chosen.
    """

    name: str
    remark: str = ""
    protocol: str = "session"
    test_on: tuple[str, ...] = ()
    seeds: tuple[int, ...] = Field((1, 2, 3), min_length=1)
    metric: ScoreName = "UAR"
    data: FeatureDataSettings = FeatureDataSettings()
    train: TrainSettings = TrainSettings(**REFERENCE_TRAINING)
    methods: dict[str, MethodSettings] = Field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    reference: DrawSettings | None = None
    published: PublishedSettings | None = None
    robustness: RobustnessSettings = RobustnessSettings()

    @field_validator("train", mode="before")
    @classmethod
    def _as_the_reference(cls, given: Any) -> Any:
        return {**REFERENCE_TRAINING, **given} if isinstance(given, dict) else given

    @field_validator("methods", mode="before")
    @classmethod
    def _named_as_a_default(cls, given: Any) -> Any:
        """Give a default's model to a method of its name that says none."""
        if not isinstance(given, dict):
            return given
        return {
            name: {"model": DEFAULTS[name], **table}
            if name in DEFAULTS and isinstance(table, dict) and "model" not in table
            else table
            for name, table in given.items()
        }

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"a seed is there twice: {', '.join(map(str, self.seeds))}")
        if self.test_on and self.reference is not None:
            raise ValueError("test_on and [reference] do not go together")
        return self

    def recipes(self, modalities: Sequence[str]) -> dict[str, Recipe]:
        """Return the recipe of every method over data that has these modalities; the seed is the first.

        A late fusion's members are those methods' recipes, under their names. Raises RecipeError for a method whose
        settings do not fit, a member that there is not, and where fewer than two methods are left.
        """
        methods = self._chosen(modalities)
        trained = {name: self._recipe(name, m) for name, m in methods.items() if m.model.learner == "network"}
        single = [name for name, recipe in trained.items() if len(modalities_used(recipe, modalities)) == 1]
        recipes = {
            name: trained[name]
            if name in trained
            else self._late(name, cast(LateFusionMethodSettings, m.model), trained, single)
            for name, m in methods.items()
        }
        if not single or all(len(modalities_used(recipe, modalities)) == 1 for recipe in recipes.values()):
            raise RecipeError(
                f"comparison {self.name!r} needs a single modality and a fusion to compare it with",
                f"its methods are {', '.join(recipes) or 'none'}",
            )
        return recipes

    def _chosen(self, modalities: Sequence[str]) -> dict[str, MethodSettings]:
        used = [m for m in modalities if not self.data.modalities or m in self.data.modalities]
        if len(used) < 2:
            raise RecipeError(
                f"comparison {self.name!r} has only {', '.join(used) or 'no'} features: there is nothing to fuse",
                "`emofuse evaluate` tests a single modality",
            )
        methods = {WORDS.get(m, m): MethodSettings(model=UnimodalSettings(modality=m)) for m in used}
        methods |= {name: MethodSettings(model=model) for name, model in DEFAULTS.items()}
        methods |= self.methods
        unknown = [name for name in self.leave_out if name not in methods]
        if unknown:
            raise RecipeError(f"leave_out: no method is called {unknown[0]!r}", f"there is {', '.join(methods)}")
        return {name: method for name, method in methods.items() if name not in self.leave_out}

    def _recipe(self, name: str, method: MethodSettings) -> Recipe:
        fixed = [key for key in method.data if key in CorpusSettings.model_fields and key != "balance"]
        if fixed:
            raise RecipeError(f"method {name!r}: data.{fixed[0]} is the same for all methods", "set it in [data]")
        data = {**self.data.model_dump(), **method.data}
        foreign = [m for m in data["modalities"] if self.data.modalities and m not in self.data.modalities]
        if foreign:
            raise RecipeError(f"method {name!r}: data.modalities: the comparison leaves out {foreign[0]!r}")
        train = {**self.train.model_dump(), **method.train}
        document = {"name": name, "seed": self.seeds[0], "data": data, "model": method.model.model_dump()}
        try:
            return Recipe.model_validate({**document, "train": train})
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"] if part != "features")
            raise RecipeError(f"method {name!r}: {key}: {first['msg']}, not {first.get('input')!r}") from None

    def _late(
        self, name: str, settings: LateFusionMethodSettings, trained: Mapping[str, Recipe], single: Sequence[str]
    ) -> Recipe:
        members = settings.members or tuple(single)
        unknown = [member for member in members if member not in trained]
        if unknown:
            raise RecipeError(f"method {name!r}: it has no member {unknown[0]!r}", f"there is {', '.join(trained)}")
        if len(members) < 2 and not settings.over_seeds:
            raise RecipeError(f"method {name!r} puts two or more methods together, not {len(members)}")
        model = {**settings.model_dump(), "members": tuple(trained[member] for member in members)}
        return Recipe.model_validate({"name": name, "seed": self.seeds[0], "data": self.data, "model": model})


def modalities_used(recipe: Recipe, modalities: Sequence[str]) -> tuple[str, ...]:
    """Return which of these modalities, those of the data, a method looks at; in their order."""
    if recipe.members:
        seen = {modality for member in recipe.members for modality in modalities_used(member, modalities)}
    elif recipe.model.only_modality:
        seen = {recipe.model.only_modality}
    else:
        seen = set(cast(FeatureDataSettings, recipe.data).modalities or modalities)
    return tuple(modality for modality in modalities if modality in seen)


DEFAULTS: Final[Mapping[str, Any]] = {
    "early": {"name": "early-fusion"},
    "late-vote": {"name": "late-fusion", "rule": "vote"},
    "late-learned": {"name": "late-fusion", "rule": "learned"},
    "gated": {"name": "gated-fusion"},
    "attention": {"name": "attention-fusion"},
    "unified": {"name": "unified-transformer"},
}
"""The fusions of every comparison, unless left out."""


def load_fusion_comparison(path: str | Path, overrides: Iterable[str] = ()) -> FusionComparisonSettings:
    """Read the file of a comparison and apply `key=value` overrides such as `train.epochs=3`.

    Raises RecipeError, naming the key and, for an unknown one, its nearest neighbour.
    """
    file = Path(path)
    document: Json = read_toml(file)
    for override in overrides:
        apply_override(document, override)
    try:
        return FusionComparisonSettings.model_validate(document)
    except ValidationError as error:
        raise as_recipe_error(file, error, _written, _known_keys) from None


def _written(place: Place) -> list[str]:
    """Return where a value stands as people write it: pydantic puts the model that a name chose after "model"."""
    return [str(part) for i, part in enumerate(place) if i == 0 or place[i - 1] != "model"]


def _known_keys(place: Place) -> list[str]:
    """Return the keys that there are where an unknown one stands."""
    if place[0] == "methods":
        models = [*get_args(FeatureNetSettings), LateFusionMethodSettings] if "model" in place else [MethodSettings]
        return sorted({key for model in models for key in model.model_fields})
    sections: dict[str, type[Settings]] = {
        "data": FeatureDataSettings,
        "train": TrainSettings,
        "reference": DrawSettings,
        "published": PublishedSettings,
        "robustness": RobustnessSettings,
    }
    section = sections.get(str(place[0]), FusionComparisonSettings) if len(place) > 1 else FusionComparisonSettings
    return sorted(section.model_fields)
