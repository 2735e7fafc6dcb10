"""Makes the face embedding that ships, and measures it on people whom it has not seen.

    python scripts/make_face_identity.py DATA -o src/emofuse/detectors/face_identity.onnx

DATA holds faces/cfee.zip and faces/taiwan.zip. The emotion network's early layers see what tells faces apart, its
last ones have learnt to see past it. So the network is the layers of the bundle's face network up to the second block,
means over 3 x 3 places, and a linear discriminant analysis (Fisher 1936) that keeps what differs between people and
leaves what differs between pictures of one: expressions, and the turns, sizes, lights and blurs that are made here.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.metrics import roc_auc_score, roc_curve

from emofuse.inference.onnx_runtime import open_session
from emofuse.research.models.onnx_notes import drop_notes

NETWORK: Final = Path(__file__).parents[1] / "src" / "emofuse" / "bundles" / "base" / "face.onnx"
LAYER: Final = "relu_2"  # (N, 48, 24, 24)
GRID: Final = 3
DIMS: Final = 64
SHRINKAGE: Final = 0.1
N_MADE: Final = 3  # pictures made of each
N_EACH: Final = 12  # pictures of a person that are learnt from, at most
LEFT_OUT: Final = {"cfee": 80, "taiwan": 10}  # people who are tested on
MARGIN_PX: Final = 14  # around the product's framing in the corpora's pictures

Image = NDArray[np.uint8]


def main() -> None:
    """Make, measure and write the network."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    early = _early_layers()
    learnt: list[tuple[Image, str]] = []
    tested: dict[str, list[tuple[Image, str]]] = {}
    for corpus, n_left_out in LEFT_OUT.items():
        pictures = _read(args.data / "faces" / f"{corpus}.zip")
        people = sorted({person for _, person in pictures})
        left_out = set(people[-n_left_out:])
        tested[corpus] = [p for p in pictures if p[1] in left_out]
        learnt += _first_of_each([(image, f"{corpus} {who}") for image, who in pictures if who not in left_out])
    made = [(_vary(image, rng), who) for image, who in learnt for _ in range(N_MADE)]
    names = np.array([who for _, who in learnt + made])
    mean, projection = discriminant(_features(early, [i for i, _ in learnt + made]), names)
    onnx.save(_whole(early, mean, projection), args.out)
    figures = {}
    for corpus, pictures in tested.items():
        who = np.array([person for _, person in pictures])
        for kind, images in (
            ("as they are", [i for i, _ in pictures]),
            ("varied", [_vary(i, rng) for i, _ in pictures]),
        ):
            figures[f"{corpus}, {len(set(who))} people left out, {kind}"] = _verify(args.out, images, who)
    print(json.dumps(figures, indent=1))


def discriminant(
    features: NDArray[np.float64], people: NDArray[np.str_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean (D,) of (N, D) features, and the projection (D, DIMS) that tells people apart."""
    mean = features.mean(axis=0)
    spread = features.std(axis=0) + 1e-6
    scaled = (features - mean) / spread
    centres = {person: scaled[people == person].mean(axis=0) for person in np.unique(people)}
    within = scaled - np.stack([centres[person] for person in people])
    scatter = within.T @ within / len(within)
    scatter = (1 - SHRINKAGE) * scatter + SHRINKAGE * np.eye(len(scatter)) * np.trace(scatter) / len(scatter)
    whiten = np.linalg.cholesky(np.linalg.inv(scatter))
    between = np.stack(list(centres.values())) @ whiten
    _, directions = np.linalg.eigh(np.cov(between.T))
    projection = whiten @ directions[:, ::-1][:, :DIMS] / spread[:, None]
    return mean.astype(np.float32), projection.astype(np.float32)


def _early_layers() -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "early.onnx"
        onnx.utils.extract_model(str(NETWORK), str(part), ["faces"], [LAYER])
        model = onnx.load(part)
    graph = model.graph
    side = 24 // GRID
    graph.node.append(
        helper.make_node("AveragePool", [LAYER], ["places"], kernel_shape=[side, side], strides=[side, side])
    )
    graph.node.append(helper.make_node("Flatten", ["places"], ["features"]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 48 * GRID * GRID]))
    del graph.value_info[:]
    return model


def _whole(early: onnx.ModelProto, mean: NDArray[np.float32], projection: NDArray[np.float32]) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(early)
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(mean, "identity_mean"))
    graph.initializer.append(numpy_helper.from_array(projection, "identity_projection"))
    graph.node.append(helper.make_node("Sub", ["features", "identity_mean"], ["centred"]))
    graph.node.append(helper.make_node("MatMul", ["centred", "identity_projection"], ["long"]))
    graph.node.append(helper.make_node("LpNormalization", ["long"], ["embedding"], axis=1, p=2))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", DIMS]))
    del model.metadata_props[:]
    drop_notes(model)
    onnx.checker.check_model(model)
    return model


def _read(path: Path) -> list[tuple[Image, str]]:
    with zipfile.ZipFile(path) as archive:
        rows = csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"), "utf-8"))
        return [(cv2.imdecode(np.frombuffer(archive.read(r["file"]), np.uint8), 1), r["subject"]) for r in rows]


def _first_of_each(pictures: list[tuple[Image, str]]) -> list[tuple[Image, str]]:
    kept: dict[str, list[tuple[Image, str]]] = {}
    for picture in pictures:
        kept.setdefault(picture[1], []).append(picture)
    return [picture for of_one in kept.values() for picture in of_one[:N_EACH]]


def _vary(image: Image, rng: np.random.Generator) -> Image:
    """Return a picture of the same face, turned, moved, mirrored, lit from a side, blurred and with noise."""
    side = image.shape[0]
    move = cv2.getRotationMatrix2D((side / 2, side / 2), rng.normal(0, 6), float(np.exp(rng.normal(0, 0.06))))
    move[:, 2] += rng.normal(0, 3, 2)
    turned = np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image
    light = cv2.warpAffine(turned, move, (side, side), borderMode=cv2.BORDER_REFLECT).astype(np.float32) / 255
    light **= float(np.exp(rng.normal(0, 0.25)))
    angle = rng.uniform(0, 2 * np.pi)
    y, x = (np.mgrid[0:side, 0:side] - side / 2) / (side / 2)
    light *= (1 + rng.uniform(0, 0.5) * (np.cos(angle) * x + np.sin(angle) * y))[..., None]
    blur_px = rng.uniform(0, 1.2)
    if blur_px > 0.4:
        light = cv2.GaussianBlur(light, (0, 0), blur_px)
    return np.asarray(np.clip(light + rng.normal(0, 0.01, light.shape), 0, 1) * 255, np.uint8)


def _batches(images: list[Image]) -> list[NDArray[np.float32]]:
    inner = slice(MARGIN_PX, -MARGIN_PX)
    grey = [cv2.cvtColor(image[inner, inner], cv2.COLOR_BGR2GRAY) for image in images]
    small = np.stack([cv2.resize(g, (48, 48), interpolation=cv2.INTER_AREA) for g in grey])[:, None]
    return [small[i : i + 64].astype(np.float32) for i in range(0, len(small), 64)]


def _features(model: onnx.ModelProto, images: list[Image]) -> NDArray[np.float64]:
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "early.onnx"
        onnx.save(model, part)
        session = open_session(part)
        return np.concatenate([session.run(None, {"faces": b})[0] for b in _batches(images)]).astype(np.float64)


def _verify(path: Path, images: list[Image], who: NDArray[np.str_]) -> dict[str, float]:
    """Tell pairs of pictures of one person from pairs of two."""
    session = open_session(path)
    found = np.concatenate([session.run(None, {"faces": batch})[0] for batch in _batches(images)])
    pairs = np.triu_indices(len(found), 1)
    same, likeness = (who[:, None] == who[None])[pairs], (found @ found.T)[pairs]
    wrong, right, thresholds = roc_curve(same, likeness)
    equal = int(np.argmin(np.abs(wrong - (1 - right))))
    return {
        "n_pictures": len(images),
        "area under the curve": round(float(roc_auc_score(same, likeness)), 4),
        "equal error rate": round(float(wrong[equal]), 4),
        "threshold there": round(float(thresholds[equal]), 3),
        "same person at 1 % false": round(float(right[np.searchsorted(wrong, 0.01)]), 3),
        "likeness at 1 % false": round(float(thresholds[np.searchsorted(wrong, 0.01)]), 3),
        "median likeness of one": round(float(np.median(likeness[same])), 3),
    }


if __name__ == "__main__":
    main()
