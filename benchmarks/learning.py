"""Whether every video and audio-video network learns: on the clips of one actor, so no accuracy on people is claimed.

    emofuse corpus prepare ravdess-av FACE_CROPS --sound AUDIOS -o actor.csv
    python benchmarks/learning.py actor.csv -o runs/learning [RECIPE ...]

Two numbers for each recipe, at a size that a CPU trains in minutes (SIZES), from random weights:
- memorised: the accuracy on all clips after a training on all of them, without augmentation. Below 95 % a network or
  its training is broken.
- repetitions: trained on one of RAVDESS's two repetitions of every sentence, tested on the other, both ways round,
  with a Wilson 95 % interval over clips. The actor, the sentences and the recording are the same: it shows that
  something of the emotion is learnt, and nothing about other people.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest

from emofuse.files import make_folder
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.evaluation.protocols.folds import clip_log_probabilities
from emofuse.research.recipes.recipe import Recipe, load_recipe
from emofuse.research.tasks.utterances import Utterances
from emofuse.research.training.fit import fit, load_weights, silence_lightning
from emofuse.research.training.jobs import load_utterances, utterance_job

ROOT: Final = Path(__file__).parent.parent
COMMON: Final = ("data.margin=0.0", "data.balance=false", "train.schedule=cosine", "train.warmup_epochs=1")
STILL: Final = ("data.flip=0", "data.crop=0", "data.colour=0", "data.time_jitter=0", "data.drop=0", "train.mixup=0")
QUIET: Final = ("data.sound.noise=0", "data.sound.gain_db=0", "data.sound.stretch=0", "data.sound.warp=0")
PLAIN: Final = ("train.keep=last", "train.patience=0", "train.label_smoothing=0", "train.frozen_epochs=0")
SMALL: Final = ("data.n_frames=8", "data.size_px=112", "train.lr=5e-4", "train.backbone_lr_scale=1", "train.epochs=15")
FIRST: Final = ("data.sampling=first", "data.rate_hz=5")  # the rate of the face crops that there are of RAVDESS
RESNET: Final = ("model.resnet=resnet18", "model.pretrained=false", *SMALL)
SIZES: Final[dict[str, tuple[str, ...]]] = {
    "cnn3d": (*FIRST, "train.epochs=40"),
    "resnet-lstm": (*RESNET, "data.n_frames=4", "train.epochs=60"),
    "resnet-transformer": RESNET,
    "r3d": ("model.pretrained=false", *SMALL, "data.n_frames=4", "train.epochs=40"),
    "mvit": ("model.pretrained=false", "model.size=tiny", *SMALL, "train.epochs=60"),
    "face-sequence": ("train.epochs=60", "train.lr=5e-3"),
    "frame-lstm-mel": (*RESNET, "model.modality_dropout=0"),
    "mfcc-cnn3d": (*FIRST, "train.epochs=40", "model.modality_dropout=0"),
    "mvit-wave": (
        "model.video.pretrained=false",
        "model.video.size=tiny",
        "model.modality_dropout=0",
        *SMALL,
        "train.epochs=60",
    ),
}


def main() -> None:
    """Run the recipes that are named, all without a name, and write a line of results for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_intermixed_args()
    if unknown := set(arguments.recipes) - set(SIZES):
        parser.error(f"no sizes for {', '.join(sorted(unknown))}; there is {', '.join(SIZES)}")
    silence_lightning()
    torch.set_num_threads(1)
    for name in arguments.recipes or SIZES:
        result = learn(name, arguments.manifest, make_folder(arguments.out / name))
        (arguments.out / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(json.dumps(result), flush=True)


def learn(name: str, manifest: Path, out: Path) -> dict[str, Any]:
    """Train one recipe on all clips, then on each repetition."""
    corpus = f"data.train_on={json.dumps([str(manifest)])}"
    overrides = (corpus, *COMMON, *SIZES[name], *PLAIN)
    recipe = load_recipe(ROOT / "recipes" / f"{name}.toml", overrides)
    still = load_recipe(ROOT / "recipes" / f"{name}.toml", (*overrides, *STILL, *QUIET))
    data = load_utterances(recipe, None)
    everything = tuple(range(len(data.manifest)))
    began = time.process_time()
    memorised = _train(still, load_utterances(still, None), None, everything, out / "memorised")
    seconds = time.process_time() - began
    right: list[bool] = []
    for test, train in zip(repetitions(data.manifest), repetitions(data.manifest)[::-1], strict=True):
        right += _train(recipe, data, Fold("repetition", train, (), test), test, out / f"tested{test[0]}").tolist()
    interval = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
    counts = list(data.manifest.counts().values())
    return {
        "model": name,
        "overrides": [one for one in overrides if one != corpus],
        "n_clips": len(everything),
        "memorised": float(memorised.mean()),
        "cpu_s": round(seconds, 1),
        "repetitions": float(np.mean(right)),
        "interval_95": [interval.low, interval.high],
        "chance": max(counts) / sum(counts),
    }


def repetitions(manifest: Manifest) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the clips of RAVDESS's first repetition of each sentence, and those of the second."""
    which = [clip.path.stem.split("_")[0].split("-")[5] for clip in manifest]
    first, second = (tuple(i for i, one in enumerate(which) if one == number) for number in ("01", "02"))
    return first, second


def _train(recipe: Recipe, data: Utterances, fold: Fold | None, test: Sequence[int], folder: Path) -> NDArray[np.bool_]:
    """Train on a fold, or on everything, and return which of the clips of `test` are right, (N,)."""
    job = utterance_job(recipe, data, fold)
    fitted = fit(recipe, job, folder, progress=False)
    job.network.load_state_dict(load_weights(fitted.weights)[0])
    scores = clip_log_probabilities(job.network.eval(), data.batches(test))
    return np.asarray(scores.argmax(axis=1) == data.truth(test))


if __name__ == "__main__":
    main()
