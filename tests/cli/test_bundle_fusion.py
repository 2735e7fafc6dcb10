"""`emofuse train --bundle` of a fusion over embeddings ends in a bundle that `analyze` takes."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emofuse.emotions import BASE
from emofuse.inference.bundle import MANIFEST, load_bundle
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.feature_sets.store import FeatureSet, write_feature_set
from make_heads import sizes_of

HEADS = {
    "gated-fusion": "width = 8",
    "attention-fusion": "width = 8\nheads = 2",
    "unified-transformer": "width = 8\nheads = 2\nlayers = 1",
    "early-fusion": "hidden = [8]",
}


def write_set(folder: Path, sizes: dict[str, int]) -> Path:
    """Write embeddings that tell the emotions apart; every fifth row has no voice."""
    random = np.random.default_rng(0)
    centres = {m: random.normal(0, 1, (len(BASE), size)).astype(np.float32) for m, size in sizes.items()}
    labels = np.arange(42) % len(BASE)
    clips = tuple(
        Clip(Path(f"made_{i:02}"), BASE[label], f"made-{i % 6}", licence="CC0") for i, label in enumerate(labels)
    )
    features = {
        m: tuple(None if m == "voice" and i % 5 == 0 else centres[m][label][None] for i, label in enumerate(labels))
        for m in sizes
    }
    made = FeatureSet(Manifest("made", BASE, clips, "CC0"), features, {m: Counter() for m in sizes})
    write_feature_set(made, folder)
    return folder


def write_recipe(path: Path, folder: Path, model: str, data: str = "") -> Path:
    path.write_text(
        f'name = "head"\n[data]\ncorpus = "features"\ntrain_on = ["{folder.as_posix()}"]\nlabels = "basic-7"\n{data}\n'
        f'[model]\nname = "{model}"\n{HEADS[model]}\n[train]\nepochs = 2\nbatch_size = 8\n'
        'optimizer = "adamw"\nlr = 0.01\nema_decay = "none"\nkeep = "last"\n'
    )
    return path


@pytest.mark.load
@pytest.mark.parametrize("model", HEADS)
def test_it_ends_in_a_bundle_that_analyze_takes(emofuse, tmp_path: Path, clip_mp4: Path, model: str) -> None:
    folder = write_set(tmp_path / "set", sizes_of(load_bundle()))
    recipe, out = write_recipe(tmp_path / "head.toml", folder, model), tmp_path / "run"
    result = emofuse("train", recipe, "--bundle", "-o", out, "--device", "cpu")
    assert result.code == 0, result.err
    bundle = load_bundle(out / "bundle")
    assert bundle.head is not None and bundle.head.card.data[0].licence == "CC0"
    assert json.loads((out / "bundle" / MANIFEST).read_text())["head"]["file"] == "fusion.onnx"
    for mode in ("queue", "frame"):
        result = emofuse(
            "analyze", clip_mp4, "--bundle", out / "bundle", "--mode", mode, "-o", tmp_path / mode, "--formats", "json"
        )
        assert result.code == 0, result.err
    if model == "gated-fusion":
        checked = emofuse("bundle", "check", out / "bundle")
        assert checked.code == 0 and re.search(r"fusion fusion.onnx: head \(", checked.out)
        again = emofuse("bundle", "make", "--from", out / "bundle", "-o", tmp_path / "again")
        assert again.code == 0 and load_bundle(tmp_path / "again").head is not None
        given = emofuse(
            "bundle", "make", f"fusion={out / 'bundle' / 'fusion.onnx'}", "--from", "base", "-o", tmp_path / "x"
        )
        assert given.code == 0 and load_bundle(tmp_path / "x").head is not None


def test_what_looks_at_several_steps_is_refused(emofuse, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", sizes_of(load_bundle()))
    recipe = write_recipe(tmp_path / "head.toml", folder, "attention-fusion", 'pool = "none"')
    result = emofuse("train", recipe, "--bundle", "-o", tmp_path / "run", "--device", "cpu")
    assert result.code == 2 and "uses several steps" in result.err
    assert not (tmp_path / "run").exists()


def test_embeddings_of_another_bundle_are_refused(emofuse, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", {**sizes_of(load_bundle()), "text": 6})
    recipe = write_recipe(tmp_path / "head.toml", folder, "gated-fusion")
    result = emofuse("train", recipe, "--bundle", "-o", tmp_path / "run", "--device", "cpu")
    assert result.code == 1 and "takes 6 numbers of the text: text.onnx gives" in result.err
    assert not (tmp_path / "run").exists()  # nothing is trained in vain
