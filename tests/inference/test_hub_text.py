"""Text models of the Hub: labels carried over, multi-label models, and what is wrong in one line."""

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emofuse.emotions import BASE
from emofuse.errors import AssetError, BundleError, UsageError
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import HubTextSettings, load_bundle, read_manifest
from emofuse.inference.bundle_check import check_hub_text
from emofuse.inference.hub_text import HubTextPredictor, label_matrix
from emofuse.inference.modalities.text import TranscriptScorer, text_scorer
from emofuse.types import Line

EKMAN = ("Anger", "Disgust", "Fear", "Joy", "Neutral", "Sadness", "Surprise")
KNOWN: dict[str, Any] = {
    "single": (EKMAN, None, [0.0, 0, 0, 2, 0, 0, 0]),
    "multi": (("joy", "admiration", "sadness"), "multi_label_classification", [0.0, 5.0, -1.0]),
    "unnamed": (("LABEL_0", "LABEL_1"), None, [1.0, 0.0]),
}


class Pipeline:
    """What `transformers.pipeline("text-classification")` returns, as its documentation has it."""

    def __init__(self, model: str) -> None:
        names, problem, self.logits = KNOWN[model]
        config = SimpleNamespace(num_labels=len(names), id2label=dict(enumerate(names)), problem_type=problem)
        self.model = SimpleNamespace(config=config)
        self.tokenizer = SimpleNamespace(model_max_length=64)
        self.names = names

    def __call__(self, text: str, top_k: int | None, function_to_apply: str, **tokens: Any) -> list[dict[str, Any]]:
        assert top_k is None and function_to_apply == "none" and tokens == {"truncation": True, "max_length": 64}
        if text == "crash":
            raise RuntimeError("CUDA error\nand more")
        answers = [{"label": n, "score": s} for n, s in zip(self.names, self.logits, strict=True)]
        return sorted(answers, key=lambda answer: -answer["score"])


@pytest.fixture(autouse=True)
def transformers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    loaded: list[str] = []
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # which stays where it was forbidden once

    def pipeline(task: str, model: str, device: str, trust_remote_code: bool) -> Pipeline:
        assert task == "text-classification" and device == "cpu" and not trust_remote_code
        if os.environ.get("HF_HUB_OFFLINE") == "1":
            raise OSError(f"{model} is not in the cache")
        if Path(model).name not in KNOWN:
            raise OSError(f"{model} is not a local folder and is not a valid model identifier\nmore")
        loaded.append(model)
        return Pipeline(Path(model).name)

    module = ModuleType("transformers")
    module.pipeline = pipeline  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transformers", module)
    return loaded


def test_labels_are_carried_by_meaning() -> None:
    predictor = HubTextPredictor("single", BASE)
    scores = predictor.score("what a day", 1.0, 2.0)
    assert scores is not None and scores.modality == "text" and scores.labels == BASE
    e = np.e**2
    assert scores.as_dict()["happy"] == pytest.approx(e / (e + 6), abs=1e-4)
    assert scores.as_dict()["fearful"] == pytest.approx(1 / (e + 6), abs=1e-4)
    assert (scores.start_s, scores.end_s, scores.quality) == (1.0, 2.0, pytest.approx(1.0))
    assert predictor.notes == ()
    assert predictor.score("...", 0, 1) is None
    warm = HubTextPredictor("single", BASE, temperature=2.0).score("what a day", 1.0, 2.0)
    assert warm is not None and warm.confidence == pytest.approx(np.e / (np.e + 6), abs=1e-4)


def test_offline_nothing_is_asked_of_the_hub(transformers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(AssetError, match="'single' cannot be loaded: single is not in the cache") as caught:
        HubTextPredictor("single", BASE)
    assert "EMOFUSE_OFFLINE forbids the download" in caught.value.hint
    assert os.environ["HF_HUB_OFFLINE"] == "1" and transformers == []


def test_labels_without_counterpart_lower_the_quality_and_are_said() -> None:
    predictor = HubTextPredictor("multi", BASE)
    assert predictor.names == ("joy", "admiration", "sadness")
    assert predictor.notes == ("labels of multi that are left out: admiration",)
    scores = predictor.score("well done", 0, 1)
    joy, sadness = 0.5, 1 / (1 + np.e)
    assert scores is not None and scores.quality == pytest.approx(joy + sadness, abs=1e-4)
    assert scores.as_dict()["happy"] == pytest.approx(joy / (joy + sadness), abs=1e-3)


def test_names_can_be_given() -> None:
    scores = HubTextPredictor("unnamed", BASE, names=("angry", "sad")).score("hey", 0, 1)
    assert scores is not None and scores.label == "angry"
    with pytest.raises(BundleError, match="none of the labels of unnamed is an emotion"):
        HubTextPredictor("unnamed", BASE)
    with pytest.raises(UsageError, match="unnamed has 2 labels, not 1"):
        HubTextPredictor("unnamed", BASE, names=("angry",))


def test_labels_of_a_bundle_of_ones_own() -> None:
    matrix, left_out = label_matrix(("calm", "Bored", "joy"), ("bored", "calm"), "m")
    assert matrix.tolist() == [[0, 1], [1, 0], [0, 0]] and left_out == ("joy",)


def test_faults_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        AssetError, match=r"'nobody' cannot be loaded: nobody is not a local folder .* identifier \(give"
    ):
        HubTextPredictor("nobody", BASE)
    with pytest.raises(BundleError, match=r"could not score 'crash': CUDA error$"):
        HubTextPredictor("single", BASE).score("crash", 0, 1)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r"need transformers \(pip install 'emofuse\[text\]'\)"):
        HubTextPredictor("single", BASE)


def test_a_bundle_may_name_one(tmp_path: Path, transformers: list[str]) -> None:
    base = load_bundle()
    hub = HubTextSettings(model="single", weight=0.5)
    manifest = base.manifest.model_copy(update={"hub_text": hub})
    (tmp_path / "single").mkdir()
    (tmp_path / "fusion.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    for settings in manifest.modalities.values():
        (tmp_path / settings.file).symlink_to(next(iter(base.networks.values())).path.parent / settings.file)
    bundle = load_bundle(tmp_path)
    assert read_manifest(tmp_path).hub_text == hub.model_copy(update={"model": str(tmp_path / "single")})
    assert Analyzer(bundle).answers.weights["text"] == 0.5
    words = TranscriptScorer(text_scorer(bundle), 5.0, [Line("hello", 0.6, 1)])
    assert words.score(0.5) is None and transformers == []  # nothing is loaded before there are words
    scores = words.score(1.0)
    assert scores is not None and scores.label == "happy"
    assert transformers == [str(tmp_path / "single")]
    trial = check_hub_text(bundle)
    assert trial is not None and trial.names == EKMAN and trial.notes == () and 0 <= trial.call_ms < 1000
    assert check_hub_text(base) is None
