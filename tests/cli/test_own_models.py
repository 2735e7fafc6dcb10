"""Models of one's own, from the commands: put into a bundle, checked, and evaluated under our protocols."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import emofuse as package
from cli.conftest import Result
from emofuse.cli.demo import CLIP
from emofuse.inference.bundle import load_bundle
from make_hub_models import make_audio_model, make_image_model, make_text_model

THREE = ("Angry", "joy", "LABEL_2")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("hub")
    return {
        "face": make_image_model(folder / "face", THREE, prefers=1),
        "voice": make_audio_model(folder / "voice", THREE, prefers=0),
        "text": make_text_model(folder / "text", THREE, prefers=2),
    }


def test_a_bundle_names_them(emofuse: Callable[..., Result], models: dict[str, Path], tmp_path: Path) -> None:
    made = tmp_path / "mine"
    parts = (f"voice=hub:{models['voice']}", f"text=hub:{models['text']}")
    done = emofuse("bundle", "make", *parts, "--from", "base", "-o", made, "--map", "text:LABEL_2=fear")
    assert done.code == 0, done.err
    assert "labels of" in done.err and "LABEL_2" in done.err  # of the voice
    manifest = json.loads((made / "fusion.json").read_text(encoding="utf-8"))["modalities"]
    assert manifest["voice"] == {"file": f"hub:{models['voice']}", "temperature": 1.0, "weight": 1.0}
    assert manifest["text"]["label_map"] == {"LABEL_2": "fear"}
    checked = emofuse("bundle", "check", made)
    assert checked.code == 0 and str(models["voice"])[-20:] in checked.out.replace("\n", "")
    assert "as its page on the Hugging Face Hub says" in " ".join(checked.out.split())
    bundle = load_bundle(made)
    assert bundle.modalities == ("face", "voice", "text") and bundle.pool == "linear"
    words = package.analyze(CLIP, bundle=made, transcript=CLIP.with_suffix(".srt")).summary.by_modality["text"]
    assert words is not None and words.label == "fearful"
