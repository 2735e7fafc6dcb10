"""The benchmarks, at a size that takes moments: what they measure is measured, and goes with the recipes there are."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from emofuse.inference.bundle import load_bundle
from emofuse.media import open_media
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.models.fusion.settings import FeatureNetSettings
from emofuse.research.models.settings import SvmSettings
from emofuse.research.recipes.recipe import LateFusionSettings, load_recipe, single_recipes
from emofuse.research.training.jobs import check_pairing
from emofuse.types import Frame

ROOT = Path(__file__).parents[2]


def load(name: str) -> ModuleType:
    """Import a benchmark, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for it there
    beside = str(ROOT / "benchmarks")  # as a script finds others
    sys.path += [] if beside in sys.path else [beside]
    spec.loader.exec_module(module)
    return module


def networks() -> set[str]:
    """Name the recipes that train a network of faces, voices or clips."""
    recipes = {path.stem: load_recipe(path).model for path in single_recipes(ROOT / "recipes")}
    others = SvmSettings | LateFusionSettings | FeatureNetSettings
    return {name for name, model in recipes.items() if not isinstance(model, others)}


def test_the_cost_of_every_network_is_measured() -> None:
    assert set(load("steps").RECIPES) == networks()


@pytest.mark.load
def test_a_step_is_measured() -> None:
    found = load("steps").measure("mfcc-cnn", 2)
    assert found["train_s"] > 0 and found["score_s"] > 0 and found["peak_mb"] > 50


def test_what_is_changed_to_learn_on_one_actor_goes_with_the_recipes() -> None:
    learning = load("learning")
    for name, changes in learning.SIZES.items():
        still = (*learning.COMMON, *changes, *learning.PLAIN, *learning.STILL, *learning.QUIET)
        recipe = load_recipe(ROOT / "recipes" / f"{name}.toml", still)
        check_pairing(recipe)
        assert recipe.data.flip == recipe.data.drop == recipe.train.mixup == 0  # type: ignore[union-attr]
        assert recipe.train.keep == "last"


def test_repetitions_are_parted_by_the_sixth_number_of_a_name() -> None:
    names = ["01-01-03-01-01-02-05", "01-01-03-01-01-01-05_facecroppad", "01-01-04-01-02-01-05"]
    clips = tuple(Clip(Path(f"{name}.avi"), "happy", "ravdess-05") for name in names)
    assert load("learning").repetitions(Manifest("made", ("happy",), clips, "")) == ((1, 2), (0,))


def test_modes_counts_what_they_are_compared_by(clip_mp4: Path) -> None:
    modes = load("modes")
    clip = Clip(clip_mp4, "happy", "nobody")
    bundle = load_bundle()
    found = {mode: modes.Measured() for mode in ("queue", "frame")}
    for mode, measured in found.items():
        modes.measure(clip, bundle, mode, measured)
    with open_media(clip.path) as media:
        n_pictures = sum(isinstance(packet, Frame) for packet in media)
    assert found["frame"].n_moments == n_pictures == len(found["frame"].delays_s)
    assert found["queue"].n_moments < n_pictures / 5
    delays = {mode: float(np.median(measured.delays_s)) for mode, measured in found.items()}
    assert delays["frame"] < 0.1 < delays["queue"] < 0.5  # a hop is half a second
    assert all(0 < m.n_right <= m.n_moments and m.cpu_s > 0 and m.n_clips == 1 for m in found.values())
    assert modes.row("base", "queue", found["queue"]).count("|") == modes.HEADER.count("|")


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")))
def test_every_benchmark_goes_with_the_package(name: str) -> None:
    assert callable(load(name).main)
