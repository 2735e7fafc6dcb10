"""A network of one's own, which a recipe names as `package.module:Class`."""

from __future__ import annotations

import inspect
from typing import Any, Final, cast

from torch import Tensor, nn

from emofuse.errors import RecipeError, UsageError
from emofuse.importing import import_object
from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.settings import ImportedNetSettings

KINDS: Final[dict[str, FeatureKind]] = {"samples": "samples", "frames": "frames", "faces": "face"}
"""What a front end makes that leaves its input as it is, by the name of the input."""
_PROTOCOL: Final = ("inputs", "frontend", "feature_kind", "description", "classify")  # as training.module.Network


class ImportedNet(nn.Module):
    """A plain module, trained on what goes into it as it is.

    inputs: "samples", (N, T) float32 in [-1, 1] at 16 kHz; "frames", (N, T, H, W, 3) uint8 RGB; or "faces",
    (N, 1, H, W) float32 grey from 0 to 255. The module maps a batch to (N, C) logits.
    """

    def __init__(self, network: nn.Module, name: str, takes: str) -> None:
        super().__init__()
        self.inputs = (takes,)
        self.feature_kind = KINDS[takes]
        self.description = f"A network of one's own, {name}."
        self.frontend = nn.Identity()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Map a batch (N, ...) to (N, C) logits."""
        return cast(Tensor, self.network(x))

    def classify(self, features: Tensor) -> Tensor:
        """Map what the front end made, which is the input, to (N, C) logits."""
        return cast(Tensor, self.network(features))


def imported_network(settings: ImportedNetSettings, n_classes: int, takes: str) -> ImportedNet:
    """Make a network of one's own: `Class(n_classes=..., **options)`.

    A class that keeps to `training.module.Network` (its own front end, whose output is augmented as ours is) is taken
    as it is; any other module is given its input directly.

    Args:
        settings: Its name, and what else the recipe gives it.
        n_classes: C, how many logits it returns.
        takes: The name of its input.

    Raises:
        RecipeError: It cannot be imported, is not a module, or does not take these options.
    """
    try:
        made = import_object(settings.module)
    except UsageError as error:
        raise RecipeError(f"model.name: {error.message}", error.hint) from None
    if not (inspect.isclass(made) and issubclass(made, nn.Module)):
        raise RecipeError(f"model.name: {settings.module} is not a class of torch.nn.Module")
    arguments: dict[str, Any] = {"n_classes": n_classes, **settings.options}
    try:
        inspect.signature(made).bind(**arguments)
    except TypeError as error:
        raise RecipeError(f"{settings.module}: {error}", f"it is given {', '.join(arguments)}") from None
    network = made(**arguments)
    if all(hasattr(network, name) for name in _PROTOCOL):
        if network.inputs != (takes,):
            raise RecipeError(f"{settings.module} takes {network.inputs}, and the data give it {(takes,)}")
        return cast(ImportedNet, network)
    return ImportedNet(network, settings.module, takes)
