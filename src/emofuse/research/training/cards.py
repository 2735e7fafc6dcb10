"""What a network's card says, from its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emofuse import __version__
from emofuse.card import DataSource, ModelCard, Score
from emofuse.errors import BundleError
from emofuse.inference.network import read_card
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.registry import task_of

_TORCHVISION: Final = "BSD-3-Clause (torchvision); the pictures have their owners' licences"
PRETRAINING: Final = {
    "mn04_as": DataSource(name="AudioSet, by EfficientAT mn04", licence="MIT (weights)", part="pretraining"),
    "facex": DataSource(
        name="faces that are not named, by facex's network", licence="MIT (weights)", part="pretraining"
    ),
    "whisper_base": DataSource(
        name="680,000 hours of speech with their words, by OpenAI's Whisper base",
        licence="MIT (weights)",
        part="pretraining",
    ),
    "minilm_l6": DataSource(
        name="a billion pairs of sentences, by all-MiniLM-L6-v2", licence="Apache-2.0 (weights)", part="pretraining"
    ),
    "resnet18": DataSource(name="ImageNet, by torchvision's ResNet-18", licence=_TORCHVISION, part="pretraining"),
    "resnet50": DataSource(name="ImageNet, by torchvision's ResNet-50", licence=_TORCHVISION, part="pretraining"),
    "r3d_18": DataSource(name="Kinetics-400, by torchvision's R3D-18", licence=_TORCHVISION, part="pretraining"),
    "mvit_v2_s": DataSource(name="Kinetics-400, by torchvision's MViTv2-S", licence=_TORCHVISION, part="pretraining"),
}
"""By the asset's name, or that of the package that a file is of."""


def model_card(
    network: BuiltNetwork, recipe: Recipe, labels: tuple[str, ...], scores: Sequence[Score] = ()
) -> ModelCard:
    """Write the card of a network that was trained by a recipe."""
    began = _began_with(recipe)
    start = f"weights of {' and '.join(source.name for source in began)}" if began else "random weights"
    task = task_of(recipe)
    return ModelCard(
        name=recipe.name,
        version=__version__,
        description=f"{network.description} Trained from {start}.",
        labels=labels,
        n_parameters=sum(p.numel() for p in network.parameters()),
        recipe=recipe.model_dump_json(),
        seed=recipe.seed,
        scores=tuple(scores),
        modality=task.modality,
        input=task.input_spec(recipe, network),
        data=(*task.sources(recipe), *began),
        cautions=task.cautions(recipe),
    )


def _began_with(recipe: Recipe) -> tuple[DataSource, ...]:
    """Describe what a network's weights come from that were there before its training."""
    packages = (Path(path).name.partition("-")[0] for path in recipe.model.own_files)
    names = dict.fromkeys((*recipe.model.assets, *packages))
    fetched = tuple(PRETRAINING[name] for name in names if name in PRETRAINING)
    start = recipe.model.start_network
    return (_network_of(Path(start)), *fetched) if start else fetched


def _network_of(path: Path) -> DataSource:
    """Describe the network that a training started from."""
    try:
        card = read_card(path)
    except BundleError:  # it has gone since the training, or is yet to come
        return DataSource(name=f"the network {path.as_posix()}", licence="as its card says", part="pretraining")
    own = [source for source in card.data if source.part != "pretraining"]
    names = ", ".join(source.name for source in own)
    licences = "; ".join(dict.fromkeys(source.licence for source in own))
    return DataSource(name=f"{names}, by the network {card.name}", licence=licences, part="pretraining")
