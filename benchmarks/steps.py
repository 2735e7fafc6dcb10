"""What a training step of every video and audio-video network costs at full size, and an answer of the exported one.

    python benchmarks/steps.py [--batch 2] [RECIPE ...]

Each recipe runs in a process of its own with one thread, from random weights: parameters, seconds for a forward and
backward pass of a clip, the process's peak memory, and seconds to score one clip with ONNX Runtime.
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

import torch
import torch.nn.functional as F

from emofuse.config import Recipe, VideoDataSettings, load_recipe
from emofuse.emotions import RAVDESS
from emofuse.inference.network import OnnxNetwork
from emofuse.models.build import BuiltNetwork
from emofuse.models.frontends import RATE_HZ
from emofuse.training.cards import model_card
from emofuse.training.export import write_network
from emofuse.training.networks import make_network

ROOT: Final = Path(__file__).parent.parent
RECIPES: Final = (
    *("cnn3d", "resnet-lstm", "resnet-transformer", "r3d", "mvit", "face-sequence"),
    *("frame-lstm-mel", "mfcc-cnn3d", "mvit-wave"),
)
N_STEPS: Final = 3


def main() -> None:
    """Measure the recipes that are named, all without a name, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.recipes[0], arguments.batch)))
        return
    print("| recipe | input | parameters | training, s a clip | peak memory, MB | scoring, s a clip |")
    print("|---|---|---|---|---|---|")
    for name in arguments.recipes:
        command = [sys.executable, __file__, name, "--batch", str(arguments.batch), "--here"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        cells = [f"`{name}`", found["input"], f"{found['parameters']:,}", f"{found['train_s']:.2f}"]
        cells += [f"{found['peak_mb']:.0f}", f"{found['score_s']:.3f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def measure(name: str, n: int) -> dict[str, Any]:
    """Train a few steps on made-up clips, export, and score one clip."""
    torch.set_num_threads(1)
    recipe = load_recipe(ROOT / "recipes" / f"{name}.toml", _random(name))
    network = make_network(recipe, len(RAVDESS))
    settings = recipe.data
    assert isinstance(settings, VideoDataSettings)
    inputs = _made_up(network, settings, n)
    target = torch.zeros(n, dtype=torch.int64)
    seconds = []
    for _ in range(1 + N_STEPS):
        began = time.perf_counter()
        logits = network(*inputs)
        F.cross_entropy(logits.flatten(0, -2), target.repeat_interleave(logits.flatten(0, -2).shape[0] // n)).backward()
        seconds.append((time.perf_counter() - began) / n)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    size = f"{settings.n_frames} x {settings.size_px} x {settings.size_px}"
    return {
        "input": size + (f", {settings.sound.window_s:g} s of sound" if "samples" in network.inputs else ""),
        "parameters": sum(p.numel() for p in network.parameters()),
        "train_s": min(seconds[1:]),
        "peak_mb": peak,
        "score_s": _score_s(recipe, network, settings),
    }


def _random(name: str) -> list[str]:
    if name == "mvit-wave":
        return ["model.video.pretrained=false"]
    return [] if name in ("cnn3d", "mfcc-cnn3d", "face-sequence") else ["model.pretrained=false"]


def _made_up(network: BuiltNetwork, settings: VideoDataSettings, n: int) -> tuple[torch.Tensor, ...]:
    shape = (n, settings.n_frames, settings.size_px, settings.size_px, 3)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8)
    if network.inputs == ("frames",):
        return (frames,)
    return frames, 0.1 * torch.randn(n, round(settings.sound.window_s * RATE_HZ)), torch.ones(n, 2)


def _score_s(recipe: Recipe, network: BuiltNetwork, settings: VideoDataSettings) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.onnx"
        write_network(network, model_card(network, recipe, RAVDESS), path)
        loaded = OnnxNetwork(path)
        inputs = [x.numpy() for x in _made_up(network, settings, 1)]
        seconds = []
        for _ in range(1 + N_STEPS):
            began = time.perf_counter()
            loaded.logits(*inputs)
            seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


if __name__ == "__main__":
    main()
