"""Tiny clip networks as ONNX files, whose answer can be read off their input; bundles of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emofuse.card import CARD_KEY, DataSource, InputSpec, ModelCard
from emofuse.emotions import BASE
from emofuse.inference.bundle import Bundle, BundleManifest, ModalitySettings
from emofuse.preprocessing.audio_buffer import RATE_HZ

# A red clip is angry, a green one disgust, a blue one sad; sound adds to surprised.
BY_COLOUR = ("angry", "disgust", "sad")
BY_SOUND = "surprised"


def clip_spec(**changes: Any) -> InputSpec:
    """Return the input of a small clip network: 4 frames of 16 x 16, uniform over a second."""
    values = {"kind": "clip", "size_px": 16, "n_frames": 4, "sampling": "uniform", "margin": 0.2, "window_s": 1.0}
    return InputSpec(**{**values, **changes})


def clip_card(spec: InputSpec, labels: tuple[str, ...] = BASE, **changes: Any) -> ModelCard:
    """Return a card of a clip network."""
    values: dict[str, Any] = {
        "name": "tiny-clip",
        "version": "0",
        "modality": "clip",
        "description": "The mean colour.",
        "labels": labels,
        "input": spec,
        "n_parameters": 21,
        "data": (DataSource(name="made up", licence="CC0"),),
        "recipe": "{}",
        "seed": 0,
        "cautions": ("It knows colours alone.",),
    }
    return ModelCard(**{**values, **changes})


def write_clip_network(
    path: Path, spec: InputSpec, labels: tuple[str, ...] = BASE, card: ModelCard | str | None = None, **graph: Any
) -> Path:
    """Write the network that a spec describes: mean colour / 5 by BY_COLOUR, and 20 times the loudest sample, if
    present, by BY_SOUND. graph: another spec's fields for the graph than the card has; card: another card."""
    inside = spec.model_copy(update=graph)
    colours = np.zeros((3, len(labels)), np.float32)
    for row, label in enumerate(BY_COLOUR):
        colours[row, labels.index(label) if label in labels else row] = 1 / 5
    sound = np.zeros((1, len(labels)), np.float32)
    sound[0, labels.index(BY_SOUND) if BY_SOUND in labels else -1] = 20
    axes = [2, 3] if inside.per_frame else [1, 2, 3]
    constants = {"colours": colours, "sound": sound, "axes": np.array(axes, np.int64), "last": np.array([1], np.int64)}
    nodes = [
        helper.make_node("Cast", ["frames"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "colours"], ["seen" if inside.rate_hz else "logits"]),
    ]
    square = (inside.size_px, inside.size_px)
    inputs = [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", inside.n_frames, *square, 3])]
    if inside.rate_hz:
        nodes += [
            helper.make_node("Abs", ["samples"], ["level"]),
            helper.make_node("ReduceMax", ["level", "last"], ["loudest"], keepdims=1),
            helper.make_node("Gather", ["present", "last"], ["heard"], axis=1),
            helper.make_node("Mul", ["loudest", "heard"], ["gated"]),
            helper.make_node("MatMul", ["gated", "sound"], ["spoken"]),
            helper.make_node("Add", ["seen", "spoken"], ["logits"]),
        ]
        inputs.append(helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["N", "L"]))
        inputs.append(helper.make_tensor_value_info("present", TensorProto.FLOAT, ["N", 2]))
    shape = ["N", *([inside.n_frames] if inside.per_frame else []), len(labels)]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)]
    made = helper.make_graph(
        nodes, "tiny", inputs, outputs, [numpy_helper.from_array(value, key) for key, value in constants.items()]
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    text = card if isinstance(card, str) else (card or clip_card(spec, labels)).model_dump_json()
    model.metadata_props.append(onnx.StringStringEntryProto(key=CARD_KEY, value=text))
    path.write_bytes(model.SerializeToString())
    return path


class RecordingNetwork:
    """Stands for a clip network: keeps what it was given, and gives these logits, or zeros."""

    def __init__(self, card: ModelCard, logits: NDArray[np.float32] | None = None) -> None:
        self.card, self.sha256 = card, "0" * 64
        self.calls: list[tuple[NDArray[Any], ...]] = []
        n_frames = (card.input.n_frames,) if card.input.per_frame else ()
        self._logits = np.zeros((1, *n_frames, len(card.labels)), np.float32) if logits is None else logits

    def logits(self, *batches: NDArray[Any]) -> NDArray[np.float32]:
        """Keep the batches."""
        self.calls.append(batches)
        return self._logits


def bundle_of(network: Any, temperature: float = 1.0, weight: float = 1.0, base: Bundle | None = None) -> Bundle:
    """A bundle with this clip network, alone or beside the networks of another bundle."""
    settings = ModalitySettings(file="clip.onnx", temperature=temperature, weight=weight)
    modalities: dict[str, ModalitySettings] = {
        **(base.manifest.modalities if base else {}),
        "clip": settings,
    }
    manifest = BundleManifest(name="test", version="0", labels=BASE, modalities=modalities)
    return Bundle(manifest, {**(base.networks if base else {}), "clip": network})


def plain(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a picture of 100 x 100 in one colour."""
    return np.full((100, 100, 3), colour, np.uint8)


def speech(seconds: float) -> NDArray[np.float32]:
    """Return (T,) samples that pass for speech: eight harmonics of 130 Hz."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return sum(0.05 * np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 9)).astype(np.float32)
