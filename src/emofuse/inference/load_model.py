"""Finds and loads a model of one's own by what people call it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from emofuse.errors import BundleError, UsageError
from emofuse.importing import import_object
from emofuse.inference.hub_model import load_hub_model
from emofuse.inference.own_model import HUB, OWN_MODALITIES, CallableModel, OwnModality, OwnModel
from emofuse.inference.own_onnx import OnnxCard, OnnxModel, card_beside, read_onnx_card
from emofuse.settings import shown

FORMS: Final = (
    "hub:ID of a model of the Hugging Face Hub, net.onnx with net.toml beside it, or module:NAME of a function"
)
ALLOW: Final = "EMOFUSE_ALLOW_CODE"  # set to 1, a bundle may name Python code, which is then run


def load_model(
    source: str | os.PathLike[str] | Callable[[Any], Any] | OwnModel,
    modality: OwnModality | None = None,
    *,
    label_map: Mapping[str, str] | None = None,
    device: str = "cpu",
) -> OwnModel:
    """Load a model of one's own, for `Pipeline`, for a bundle, or to be evaluated.

    Args:
        source: "hub:ID" for a classifier of the Hugging Face Hub, or "hub:FOLDER" for one in a folder (extra `text`);
            the path of an ONNX file with a card beside it, net.toml or net.json for net.onnx (`OnnxCard`); a function,
            or "module:NAME" for one that can be imported. A function is given one face, (224, 224, 3) uint8 RGB, with
            a fifth of it around it; or sound, (T,) float32 in [-1, 1] at 16,000 Hz, the last 3 s of it or what there
            is; or a text. It returns a number, 0 or more, for each of its labels, as a dictionary.
        modality: "face", "voice" or "text"; None for what the model itself says.
        label_map: What its labels mean, where their names do not say it: {"LABEL_0": "angry"}; "" leaves one out.
        device: "cpu" or "cuda".

    Returns:
        The model.

    Raises:
        UsageError: It is nothing of these, a library is not installed, or a function returns something else.
        AssetError: There is no such model on the Hub, or it cannot be had.
        BundleError: It is a model of something else, or its card does not fit it.

    Example:
        >>> import emofuse
        >>> glad = emofuse.load_model(lambda text: {"happy": text.count("!"), "neutral": 1}, "text")
        >>> pipeline = emofuse.Pipeline.load("base", text=glad)
        >>> pipeline.text("Well done!!!").label
        'happy'
    """
    if modality is not None and modality not in OWN_MODALITIES:
        raise UsageError(f"modality: {shown(modality)} is of no use", f"one of {', '.join(OWN_MODALITIES)}")
    if isinstance(source, OwnModel):
        return _of_kind(source, modality)
    if isinstance(source, str) and source.startswith(HUB):
        named = source.removeprefix(HUB)
        if not named:
            raise UsageError("hub: names no model", f"give {FORMS}")
        return load_hub_model(named, modality, tuple((label_map or {}).items()), device)
    if isinstance(source, str | os.PathLike) and Path(source).suffix.lower() == ".onnx":
        path = Path(source)
        card = card_beside(path)
        if card is None:
            hint = f"write what goes in and what comes out into {path.with_suffix('.toml').name}"
            raise BundleError(f"there is no card beside {path}", hint)
        return _of_kind(OnnxModel(path, read_onnx_card(card), label_map, device), modality)
    if isinstance(source, str) and ":" in source:
        return _called(import_object(source), modality, label_map, source)
    if callable(source):
        return _called(source, modality, label_map, "")
    raise UsageError(f"{shown(source)} is not a model", f"give {FORMS}")


def load_named(
    folder: Path, file: str, modality: OwnModality, card: OnnxCard | None, label_map: Mapping[str, str], device: str
) -> OwnModel:
    """Load a model that the bundle in a folder names. Raises as `load_model` does."""
    if card is not None:
        return _of_kind(OnnxModel(folder / file, card, label_map, device), modality)
    return load_model(file, modality, label_map=label_map, device=device)


def is_own(file: str) -> bool:
    """Whether a bundle names a model of the Hub or Python code as the file of a modality."""
    return file.startswith(HUB) or is_code(file)


def is_code(file: str) -> bool:
    """Whether a bundle names Python code as the file of a modality."""
    return not file.startswith(HUB) and ":" in file and not file.lower().endswith(".onnx")


def _called(
    function: Any, modality: OwnModality | None, label_map: Mapping[str, str] | None, name: str
) -> CallableModel:
    if modality is None:
        raise UsageError("what a function is to be given is not known", f"name it: one of {', '.join(OWN_MODALITIES)}")
    if not callable(function):
        raise UsageError(f"{name or shown(function)} cannot be called", f"give {FORMS}")
    return CallableModel(function, modality, label_map, name)


def _of_kind(model: OwnModel, modality: OwnModality | None) -> OwnModel:
    if modality is not None and model.modality != modality:
        raise BundleError(f"{model.name} is a model of {model.modality}, not of {modality}")
    return model
