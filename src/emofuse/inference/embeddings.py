"""What networks know of an input before they name an emotion: gathered on request, for heads of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from emofuse.inference.network import OnnxNetwork
from emofuse.inference.own_model import OwnModel
from emofuse.types import Embedding


class EmbeddingLog:
    """The embeddings of one stream since they were taken last."""

    def __init__(self) -> None:
        self._found: list[Embedding] = []

    def add(
        self,
        modality: str,
        network: OnnxNetwork | OwnModel,
        batches: Sequence[NDArray[Any]],
        start_s: float,
        end_s: float,
        track_ids: Sequence[int | None] = (None,),
    ) -> None:
        """Embed a batch that a network has scored.

        Raises BundleError where the network has no embedding.
        """
        for vector, track_id in zip(network.embeddings(*batches), track_ids, strict=True):
            self._found.append(Embedding(modality, start_s, end_s, vector, track_id))

    def take(self) -> list[Embedding]:
        """Return them, and begin anew."""
        found, self._found = self._found, []
        return found
