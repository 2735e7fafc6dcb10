"""A network as it is used: calibrated, over a bundle's labels, and rid of its prior."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.bundle import HeadSettings, ModalitySettings, labels_matrix
from emofuse.inference.network import OnnxNetwork, softmax
from emofuse.inference.own_model import OwnModel

NetworkT = TypeVar("NetworkT", bound=OnnxNetwork | OwnModel)


class CalibratedClassifier(Generic[NetworkT]):
    """A network whose probabilities are calibrated, carried to the bundle's labels, and rid of its prior.

    embeds: whether what it knows of its input is wanted, too.
    """

    def __init__(
        self,
        network: NetworkT,
        labels: tuple[str, ...],
        settings: ModalitySettings | HeadSettings,
        embeds: bool = False,
    ) -> None:
        self.network = network
        self.labels = labels
        self.embeds = embeds
        self.temperature = settings.temperature
        if isinstance(network, OwnModel):
            self.matrix = network.matrix(labels)
        else:
            self.matrix = labels_matrix(network.card.labels, labels)
        self.prior = np.array(settings.prior or np.full(len(labels), 1 / len(labels)), np.float32)

    def run(self, batch: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the (N, C) logits of a batch, and its (N, D) embeddings where a trained fusion wants them."""
        network: OnnxNetwork | OwnModel = self.network
        if isinstance(network, OwnModel):
            return network.logits(list(batch)), None
        return network.logits_and_embeddings(batch) if self.embeds else (network.logits(batch), None)

    def energy(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (N,) energy of (N, C) logits, log of the sum of their exponentials (arXiv:2010.03759): low for
        inputs unlike those of the training."""
        highest = logits.max(axis=1)
        return np.asarray(highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1)), dtype=np.float32)

    def calibrate(self, logits: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Turn (N, C) logits into probabilities over the bundle's labels, and the (N,) share that they covered."""
        own = softmax(logits, self.temperature)
        mapped = own @ self.matrix
        covered = mapped.sum(axis=1)
        floor = np.float32(1e-6)  # all the mass may lie on a label that the bundle leaves out
        evidence = (mapped + floor) / self.prior
        return evidence / evidence.sum(axis=1, keepdims=True), covered
