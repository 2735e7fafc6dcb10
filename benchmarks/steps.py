"""What a training step of every network costs at full size, and an answer of the exported one.

    python benchmarks/steps.py [--batch 2] [RECIPE ...]

Each recipe runs in a process of its own with one thread, from random weights: seconds for a forward and backward pass
of a clip, the process's peak memory, and seconds to score one clip with ONNX Runtime.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F

from emofuse.card import ModelCard
from emofuse.emotions import RAVDESS
from emofuse.inference.dummy_inputs import dummy_inputs
from emofuse.inference.network import OnnxNetwork
from emofuse.preprocessing.pieces import SPECIAL
from emofuse.research.models.minilm import MiniLm
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.recipes.recipe import load_recipe
from emofuse.research.training.cards import model_card
from emofuse.research.training.export import write_network
from emofuse.research.training.jobs import make_network

ROOT: Final = Path(__file__).parent.parent
RECIPES: Final = (
    *("face-ferplus", "face", "face-taught", "face-mobilenet-v2", "face-mobilenet-v2-frozen"),
    *("mfcc-cnn", "wave-cnn-16", "wave-cnn-64", "mel-cnn", "voice-ravdess", "voice"),
    *("voice-whisper", "voice-ravdess-whisper", "voice-narrow", "voice-pooled"),
    *("cnn3d", "resnet-lstm", "resnet-transformer", "r3d", "mvit", "face-sequence"),
    *(
        "frame-lstm-mel",
        "mfcc-cnn3d",
        "mvit-wave",
        "text-minilm",
        "text-minilm-2",
        "text-teacher",
        "text",
        "text-languages",
        "meld-words",
    ),
)
N_STEPS: Final = 3


def main() -> None:
    """Measure the recipes that are named, all without a name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path, help="also write the numbers there, as JSON")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.recipes[0], arguments.batch)))
        return
    found = {}
    for name in arguments.recipes:
        command = [sys.executable, __file__, name, "--batch", str(arguments.batch), "--here"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, found[name], flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measure(name: str, n: int) -> dict[str, Any]:
    """Train a few steps on made-up clips, export, and score one clip."""
    torch.set_num_threads(1)
    recipe = load_recipe(ROOT / "recipes" / f"{name}.toml")
    network = make_network(recipe, len(RAVDESS))
    if isinstance(network, MiniLm):  # its vocabulary comes with the weights that a training begins with
        n_pieces = len(network.frontend.letters)
        network.frontend.take([*SPECIAL, *(f"word{i}" for i in range(n_pieces - len(SPECIAL)))])
    card = model_card(network, recipe, RAVDESS)
    inputs = [torch.from_numpy(np.repeat(one, n, axis=0)) for one in dummy_inputs(card.input)]
    target = torch.zeros(n, dtype=torch.int64)
    seconds = []
    for _ in range(1 + N_STEPS):
        began = time.perf_counter()
        logits = network(*inputs).flatten(0, -2)
        F.cross_entropy(logits, target.repeat_interleave(len(logits) // n)).backward()
        seconds.append((time.perf_counter() - began) / n)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"train_s": min(seconds[1:]), "peak_mb": peak, "score_s": score_s(network, card)}


def score_s(network: BuiltNetwork, card: ModelCard) -> float:
    """Return the seconds that the exported network takes for one clip."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        write_network(network, card, path)
        loaded = OnnxNetwork(path)
        inputs = dummy_inputs(card.input)
        seconds = []
        for _ in range(1 + N_STEPS):
            began = time.perf_counter()
            loaded.logits(*inputs)
            seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


if __name__ == "__main__":
    main()
