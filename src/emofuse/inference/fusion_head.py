"""A trained fusion: a network over what the networks of a bundle know of their inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import BundleError
from emofuse.inference.bundle import Bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.inference.dummy_inputs import dummy_inputs
from emofuse.types import Scores

LEAST: Final = 2  # modalities that there must be: one alone is answered by its own network


class FusionHead:
    """Answers for a moment by the embeddings of its modalities, of which any may be absent."""

    def __init__(self, bundle: Bundle) -> None:
        """Take the trained fusion of a bundle, which has one.

        Raises:
            BundleError: It takes other modalities than the bundle has, or a modality of another size.
        """
        settings = bundle.manifest.head
        assert bundle.head is not None and settings is not None
        self._model = CalibratedClassifier(bundle.head, bundle.labels, settings)
        assert bundle.head.card.input.dims is not None
        self.dims: Mapping[str, int] = bundle.head.card.input.dims
        check_dims(self._model.network.path.name, self.dims, bundle)

    def fuse(self, by_modality: Mapping[str, Scores]) -> NDArray[np.float32] | None:
        """Answer for what there is.

        Args:
            by_modality: The scores of each modality that gave some, in any order.

        Returns:
            (C,) probabilities over the bundle's labels; None where it cannot tell: there is one modality alone, or one
            that it does not take or that has no embedding.
        """
        found = {m: s.embedding for m, s in by_modality.items() if s.embedding is not None and m in self.dims}
        if len(by_modality) < LEAST or len(found) < len(by_modality):
            return None
        batches: list[NDArray[np.float32]] = []
        for modality, size in self.dims.items():
            vector = found.get(modality, np.zeros(size, np.float32))
            batches += [vector[None, None], np.full((1, 1), modality in found, np.float32)]
        probabilities, _ = self._model.calibrate(self._model.network.logits(*batches))
        return np.asarray(probabilities[0] / probabilities[0].sum(), np.float32)


def check_dims(name: str, dims: Mapping[str, int], bundle: Bundle) -> None:
    """Refuse a fusion that does not go with the networks of a bundle.

    Args:
        name: What to call it.
        dims: How many numbers it takes of each modality.
        bundle: Whose networks they are to be of.

    Raises:
        BundleError: It takes other modalities than the bundle has, or a modality of another size.
    """
    shared = {m: network for m, network in bundle.networks.items() if m in dims}
    if len(shared) < LEAST:
        has = ", ".join(bundle.networks)
        raise BundleError(f"{name} fuses {', '.join(dims)}: the bundle has {has}", "it needs two of them")
    for modality, network in shared.items():
        size = network.embeddings(*dummy_inputs(network.card.input)).shape[1]
        if size != dims[modality]:
            raise BundleError(
                f"{name} takes {dims[modality]} numbers of the {modality}: {network.path.name} gives {size}",
                "train it on embeddings of this very bundle",
            )
