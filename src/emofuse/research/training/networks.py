"""From a recipe to its network: whether it goes with the data, and the weights that it starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, get_args

from emofuse.assets import find
from emofuse.errors import AssetError, RecipeError
from emofuse.inference.network import OnnxNetwork
from emofuse.reading import first_line
from emofuse.research.models.face import read_exported
from emofuse.research.models.face_sequence import MARGIN
from emofuse.research.models.folding import fold_norms
from emofuse.research.models.fusion.base import FeatureLayout
from emofuse.research.models.fusion.settings import (
    AttentionFusionSettings,
    FeatureNetSettings,
    TemporalFusionSettings,
    UnifiedSettings,
)
from emofuse.research.models.registry import BuiltNetwork, build, pretrained_assets
from emofuse.research.models.settings import (
    AudioVideoSettings,
    FaceNetSettings,
    FrameLstmMelSettings,
    ImportedNetSettings,
    MvitSettings,
    R3dSettings,
    ResnetLstmSettings,
    ResnetTransformerSettings,
    SpeechNetSettings,
    SvmSettings,
    TextNetSettings,
    VideoNetSettings,
)
from emofuse.research.models.torchvision_clips import MVIT_FRAMES, MVIT_PX
from emofuse.research.recipes.data import FeatureDataSettings, VideoDataSettings
from emofuse.research.recipes.recipe import LateFusionSettings, Recipe

_NETWORKS: Final = {
    "ferplus": (FaceNetSettings, ImportedNetSettings),
    "speech": (*get_args(SpeechNetSettings), ImportedNetSettings),
    "video": (*get_args(VideoNetSettings), FrameLstmMelSettings, AudioVideoSettings, ImportedNetSettings),
    "features": get_args(FeatureNetSettings),
    "text": (TextNetSettings,),
}
"""What goes with each kind of data."""
_TAKES: Final = {"ferplus": "faces", "speech": "samples", "video": "frames"}
"""What a network of one's own is given, by the kind of data."""
_WRAPPED: Final = (ResnetLstmSettings, ResnetTransformerSettings, FrameLstmMelSettings, R3dSettings, MvitSettings)
"""What starts from torchvision's weights."""
_OVER_STEPS: Final = (AttentionFusionSettings, TemporalFusionSettings, UnifiedSettings)
"""What tells the steps of a dialogue apart."""


def check_pairing(recipe: Recipe) -> None:
    """Raise RecipeError where a recipe's model, or that of a late fusion's member, does not go with its data."""
    model, kind = recipe.model, recipe.data.corpus
    if isinstance(model, LateFusionSettings):
        for member in recipe.members:
            check_pairing(member)
    elif isinstance(model, SvmSettings) and kind in ("speech", "video"):
        if kind == "video" and model.features != "action-units":
            raise RecipeError(
                f"recipe {recipe.name!r} pairs {kind!r} with {model.features!r}, which are features of sound",
                'set data.corpus to "speech"',
            )
    elif not isinstance(model, _NETWORKS[kind]):
        raise RecipeError(f"recipe {recipe.name!r} pairs {kind!r} with {model.name!r}")
    elif isinstance(model, TextNetSettings) and recipe.train.mixup:
        raise RecipeError("there is nothing between two words that mixup could make", "set train.mixup=0")
    elif isinstance(recipe.data, VideoDataSettings):
        _check_clip(model.video if isinstance(model, AudioVideoSettings) else model, recipe.data)
    elif isinstance(recipe.data, FeatureDataSettings) and recipe.data.context and not isinstance(model, _OVER_STEPS):
        names = ", ".join(str(one.model_fields["name"].default) for one in _OVER_STEPS)
        raise RecipeError(f"{model.name} does not look at the utterances around one", f"with data.context: {names}")


def _check_clip(model: object, data: VideoDataSettings) -> None:
    is_full = isinstance(model, MvitSettings) and model.size == "small"
    if is_full and (data.n_frames, data.size_px) != (MVIT_FRAMES, MVIT_PX):
        raise RecipeError(
            f"mvit sees {MVIT_FRAMES} frames of {MVIT_PX} pixels, not {data.n_frames} of {data.size_px}",
            f"set data.n_frames={MVIT_FRAMES} and data.size_px={MVIT_PX}",
        )
    if isinstance(model, FrameLstmMelSettings) and data.sampling != "uniform":
        raise RecipeError("frame-lstm-mel takes its frames to be spread over its sound", "set data.sampling=uniform")


def make_network(
    recipe: Recipe,
    n_classes: int,
    weights: Mapping[str, Path] | None = None,
    dims: Mapping[str, int] | None = None,
) -> BuiltNetwork:
    """Make a recipe's network. weights: files by the names of their assets; what has none starts from random weights.
    dims: where the data are features, how many there are of each modality, in order.

    Raises RecipeError for a model that is no network, or that does not go with the recipe's data.
    """
    settings = recipe.model
    if isinstance(settings, SvmSettings | LateFusionSettings):
        raise RecipeError(f"recipe {recipe.name!r} pairs {recipe.data.corpus!r} with {settings.name!r}")
    check_pairing(recipe)
    margin = recipe.data.margin if isinstance(recipe.data, VideoDataSettings) else MARGIN
    layout = None
    if isinstance(recipe.data, FeatureDataSettings):
        assert dims is not None
        layout = FeatureLayout(dims, recipe.data.context or None)
    takes = _TAKES.get(recipe.data.corpus, "samples")
    network = build(settings, n_classes, weights, margin=margin, layout=layout, takes=takes)
    if isinstance(settings, FaceNetSettings) and settings.start:
        fold_norms(network)  # as they are in the file that it starts from
    return network


def start_from(network: BuiltNetwork, path: Path) -> None:
    """Give a face network the weights of an exported one, and set it to training.

    Raises BundleError where there is no such file, RecipeError where its network has another form or other labels.
    """
    OnnxNetwork(path)
    try:
        network.load_state_dict(read_exported(path).state_dict())
    except (KeyError, ValueError, RuntimeError) as error:
        reason = first_line(error)[:160]
        raise RecipeError(
            f"model.start: {path} is no exported face network of this form: {reason}",
            "train and export the recipe that it comes from, or set model.start=''",
        ) from None
    network.train()


def assets_of(recipe: Recipe) -> tuple[str, ...]:
    """Name the assets that a recipe's network starts from."""
    if isinstance(recipe.model, SvmSettings | LateFusionSettings):
        return ()
    return tuple(dict.fromkeys(pretrained_assets(recipe.model)))


def lacks_pretraining(recipe: Recipe) -> bool:
    """Whether a network that could start from torchvision's weights starts from random ones."""
    part = recipe.model.video if isinstance(recipe.model, AudioVideoSettings) else recipe.model
    return isinstance(part, _WRAPPED) and not part.pretrained


def hears(recipe: Recipe) -> bool:
    """Whether a network of clips is also given their sound."""
    return isinstance(recipe.model, AudioVideoSettings | FrameLstmMelSettings)


def with_weights_at_hand(recipe: Recipe, notice: Callable[[str], None]) -> Recipe:
    """Return the recipe, without pretraining where torchvision's weights cannot be had: `notice` gets a line then.

    So what is trained from random weights says so in its run, its report and its card. Members of a late fusion are
    treated alike.
    """
    settings = recipe.model
    if isinstance(settings, LateFusionSettings):
        members = tuple(with_weights_at_hand(member, notice) for member in settings.members)
        return recipe.model_copy(update={"model": settings.model_copy(update={"members": members})})
    part = settings.video if isinstance(settings, AudioVideoSettings) else settings
    if not isinstance(part, _WRAPPED):
        return recipe
    try:
        for name in pretrained_assets(part):
            find(name)
    except AssetError as error:
        notice(f"{recipe.name} starts from random weights: {error.message}")
        random = part.model_copy(update={"pretrained": False})
        changed = settings.model_copy(update={"video": random}) if part is not settings else random
        # a random start has nothing to keep: it is neither frozen nor trained more slowly than the rest
        train = recipe.train.model_copy(update={"frozen_epochs": 0, "backbone_lr_scale": 1.0})
        return recipe.model_copy(update={"model": changed, "train": train})
    return recipe
