"""An ONNX network with its card, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import ValidationError

from emofuse.card import CARD_KEY, ModelCard
from emofuse.errors import BundleError, UsageError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxNetwork:
    """A classifier with one input and one output, logits, and the card that was written into it."""

    def __init__(self, path: str | Path, device: str = "cpu", n_threads: int = 1) -> None:
        """Load the file. Raises BundleError for a file that is no such network, UsageError for a missing device."""
        self.path = Path(path)
        if device not in PROVIDERS:
            raise UsageError(f"no device {device!r}", f"choose one of {', '.join(PROVIDERS)}")
        if PROVIDERS[device] not in ort.get_available_providers():
            raise UsageError(
                f"the device {device!r} is not available here",
                "install onnxruntime-gpu in place of onnxruntime, or use --device cpu",
            )
        if not self.path.is_file():
            raise BundleError(f"no model at {self.path}")
        options = ort.SessionOptions()
        options.intra_op_num_threads = n_threads  # these networks are too small to gain from more
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(self.path), options, providers=[PROVIDERS[device]])
        except Exception as error:  # noqa: BLE001 (ONNX Runtime's exceptions have no public base)
            raise BundleError(f"{self.path} is not a network that can be run: {_first_line(error)}") from None
        self.card = _card(self.path, self._session.get_modelmeta().custom_metadata_map)
        self._input = self._session.get_inputs()[0].name

    def logits(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run a batch (N, ...) and return (N, C) logits. Raises BundleError when the network refuses it."""
        try:
            outputs: list[Any] = self._session.run(None, {self._input: batch})
        except Exception as error:  # noqa: BLE001
            raise BundleError(f"{self.path.name} could not score {batch.shape}: {_first_line(error)}") from None
        return np.asarray(outputs[0], dtype=np.float32)


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Turn (N, C) logits into probabilities; a temperature over 1 makes them less sure (arXiv:1706.04599)."""
    scaled = logits / np.float32(temperature)
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    exponent = np.exp(scaled)
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True), dtype=np.float32)


def _card(path: Path, metadata: dict[str, str]) -> ModelCard:
    if CARD_KEY not in metadata:
        raise BundleError(f"{path} carries no card", "make it with `emofuse export`")
    try:
        return ModelCard.model_validate_json(metadata[CARD_KEY])
    except ValidationError as error:
        raise BundleError(f"the card in {path} is not whole: {error.errors()[0]['msg']}") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
