"""An ONNX file of one's own, with a card of a few lines beside it that says what goes in and what comes out."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emofuse.card import CARD_KEY
from emofuse.errors import BundleError
from emofuse.inference.onnx_runtime import open_session
from emofuse.inference.own_model import FACE_PX, RATE_HZ, WINDOW_S, OwnModel
from emofuse.media import resample
from emofuse.reading import file_hash, first_line, is_file, one_line, parse_json, read_bytes

CARDS: Final = (".toml", ".json")  # beside net.onnx: net.toml or net.json
_MOST_MB: Final = 1.0


class OnnxCard(BaseModel):
    """What an ONNX network takes and gives.

    Attributes:
        modality: "face" or "voice"; words would need the model's own tokens.
        labels: In the order of the outputs.
        map: What labels mean, where their names do not say it; "" leaves one out.
        gives: "logits", or "probabilities", which are 0 or more.
        name, data, licence: What it is called, was trained on, and under which licence.
        size_px: Of a face, both ways.
        colour, layout: Of its channels, and where they are.
        divide, mean, std: A pixel, 0 to 255, is divided, then the mean is taken off, and the rest divided by std.
        rate_hz, window_s: Of a sound: its samples a second, and how many seconds of it are given at most.
        fills: Whether a shorter sound is filled up with silence, as a network of a fixed size needs it.
        normalise: "utterance" makes the mean of a sound 0 and its variance 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    modality: Literal["face", "voice"]
    labels: tuple[str, ...] = Field(min_length=2)
    map: dict[str, str] = Field(default_factory=dict)
    gives: Literal["logits", "probabilities"] = "logits"
    name: str = ""
    data: str = "not stated"
    licence: str = "not stated"
    size_px: int = Field(FACE_PX, ge=8, le=1024)
    colour: Literal["rgb", "bgr", "grey"] = "rgb"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    divide: float = Field(255.0, gt=0, allow_inf_nan=False)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    rate_hz: int = Field(RATE_HZ, ge=1000, le=192_000)
    window_s: float = Field(WINDOW_S, gt=0, le=60)
    fills: bool = False
    normalise: Literal["none", "utterance"] = "none"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        n_channels = 1 if self.colour == "grey" else 3
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, n_channels) or not np.isfinite(values).all():
                raise ValueError(f"{name} has {len(values)} numbers, and {self.colour} has {n_channels} channels")
        if any(value <= 0 for value in self.std):
            raise ValueError("std must be above 0")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("a label is in labels twice")
        return self


class OnnxModel(OwnModel):
    """An ONNX file that is run as its card says."""

    def __init__(
        self, path: Path, card: OnnxCard, label_map: Mapping[str, str] | None = None, device: str = "cpu"
    ) -> None:
        """Check the file, and load it.

        Raises:
            BundleError: The file is not a network that can be run, or has not exactly one input and one output.
        """
        if not is_file(path):
            raise BundleError(f"no model at {path}")
        self.path, self.own_card, self.modality = path, card, card.modality
        self.name = card.name or path.stem
        self.names, self.label_map = card.labels, {**card.map, **(label_map or {})}
        self.licence, self.trained_on, self.window_s = card.licence, card.data, card.window_s
        self.sha256 = file_hash(path)
        self._session = open_session(path, device)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1:
            raise BundleError(f"{path} takes {', '.join(one.name for one in inputs)}", "a card is for one input")
        self._input, self._output = inputs[0], outputs[0].name
        self._n_dims = len(inputs[0].shape or ())

    def logits(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """See OwnModel."""
        prepare = self._face if self.modality == "face" else self._sound
        return np.concatenate([self._run(prepare(one)[None]) for one in inputs])

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            (found,) = self._session.run([self._output], {self._input.name: batch})
        except Exception as error:  # noqa: BLE001 (ONNX Runtime's exceptions have no public base)
            what = f"{self.path.name} could not score {batch.shape} by its card"
            raise BundleError(f"{what}: {first_line(error)[:200]}") from None
        rows = np.asarray(found, np.float32)
        if rows.shape != (1, len(self.names)):
            raise BundleError(f"{self.path.name} gives {rows.shape}; by its card it would be (1, {len(self.names)})")
        if self.own_card.gives == "logits":
            return rows
        if not np.isfinite(rows).all() or (rows < 0).any():
            raise BundleError(f"{self.path.name} gives numbers below 0", 'its card says "probabilities": "logits"?')
        return np.log(np.maximum(rows, 1e-6))

    def _face(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        card = self.own_card
        if picture.shape[0] != card.size_px:
            how = cv2.INTER_AREA if picture.shape[0] > card.size_px else cv2.INTER_LINEAR
            picture = cv2.resize(picture, (card.size_px, card.size_px), interpolation=how).astype(np.uint8)
        if card.colour == "grey":
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None].astype(np.uint8)
        elif card.colour == "bgr":
            picture = picture[..., ::-1]
        scaled = picture.astype(np.float32) / np.float32(card.divide)
        mean, std = (np.array(values, np.float32) for values in (card.mean, card.std))
        scaled = ((scaled - mean) / std).astype(np.float32, copy=False)
        return np.ascontiguousarray(scaled.transpose(2, 0, 1) if card.layout == "NCHW" else scaled)

    def _sound(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        card = self.own_card
        sound = resample(samples, RATE_HZ, card.rate_hz)
        n_window = round(card.window_s * card.rate_hz)
        sound = sound[-n_window:]
        if card.normalise == "utterance":
            sound = (sound - sound.mean()) / np.sqrt(sound.var() + np.float32(1e-7))
        if card.fills:
            sound = np.pad(sound, (0, n_window - len(sound)))
        sound = sound.astype(np.float32, copy=False)
        return sound[None] if self._n_dims == 3 else sound


def card_beside(path: Path) -> Path | None:
    """Return the card of an ONNX file, net.toml or net.json beside net.onnx; None where there is none, or where the
    file has a card inside: what is beside it then is its recipe, say."""
    card = next((card for suffix in CARDS if is_file(card := path.with_suffix(suffix))), None)
    return None if card is None or _has_card_inside(path) else card


def _has_card_inside(path: Path) -> bool:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(CARD_KEY.encode()) >= 0
    except (OSError, ValueError):  # ValueError: it is empty
        return False  # loading it tells what is wrong


def read_onnx_card(path: Path) -> OnnxCard:
    """Read a card. Raises BundleError where it is not whole."""
    import tomllib  # here: nothing that ships has such a card

    try:
        text = read_bytes(path, _MOST_MB)
        found = parse_json(text) if path.suffix == ".json" else tomllib.loads(text.decode("utf-8"))
        return OnnxCard.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = one_line(f"{where}: {first['msg']}" if where else first["msg"])
        raise BundleError(f"the card {path} is not whole: {message}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read the card {path}: {one_line(error)}") from None
