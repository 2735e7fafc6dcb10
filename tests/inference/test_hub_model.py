"""Classifiers of the Hub through transformers itself: faces, voices and texts, in a pipeline and in a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emofuse
from emofuse.errors import AssetError, BundleError, UsageError
from emofuse.inference.hub_model import HubModel, kind_of
from make_hub_models import make_audio_model, make_headless, make_image_model, make_text_model

pytest.importorskip("transformers")
pytest.importorskip("torch")

THREE = ("Angry", "joy", "LABEL_2")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hub")
    return {
        "face": make_image_model(folder / "face", THREE, prefers=1),
        "voice": make_audio_model(folder / "voice", THREE, prefers=0),
        "text": make_text_model(folder / "text", THREE, prefers=2),
        "headless": make_headless(folder / "headless"),
    }


@pytest.mark.parametrize(("kind", "given"), [("face", np.zeros((224, 224, 3), np.uint8)), ("text", "I am here")])
def test_it_gives_what_its_weights_say(models: dict[str, Path], kind: str, given: Any) -> None:
    model = HubModel(str(models[kind]))
    assert model.modality == kind and model.names == THREE and model.n_parameters > 100
    prefers = {"face": 1, "voice": 0, "text": 2}[kind]
    expected = [2.0 if i == prefers else 0.0 for i in range(3)]
    np.testing.assert_allclose(model.logits([given, given]), [expected] * 2, atol=1e-5)
    assert model.sha256 is not None and len(model.sha256) == 64


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_sound_is_given_at_the_rate_of_the_model(tmp_path: Path, rate_hz: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = HubModel(str(make_audio_model(tmp_path / "model", THREE, 1, rate_hz)))
    given: list[int] = []
    forward = type(model._pipeline.model).forward

    def seen(self: Any, input_values: Any, **more: Any) -> Any:
        given.append(input_values.shape[1])
        return forward(self, input_values, **more)

    monkeypatch.setattr(type(model._pipeline.model), "forward", seen)
    logits = model.logits([np.zeros(32_000, np.float32), np.zeros(160, np.float32)])
    np.testing.assert_allclose(logits, [[0, 2, 0]] * 2, atol=1e-5)
    assert given == [2 * rate_hz, rate_hz // 2]  # what is very short gets silence


def test_labels_that_do_not_exclude_one_another_have_probabilities_of_their_own(tmp_path: Path) -> None:
    model = HubModel(str(make_text_model(tmp_path / "model", ("joy", "sadness"), 0, is_multi_label=True)))
    logits = model.logits(["I am here"])
    np.testing.assert_allclose(np.exp(logits), [[1 / (1 + np.exp(-2)), 0.5]], atol=1e-4)


def test_a_pipeline_of_them_answers(models: dict[str, Path], clip_mp4: Path) -> None:
    with pytest.warns(UserWarning, match=r"labels of .* that are left out: LABEL_2 \(map them with a label map"):
        pipeline = emofuse.Pipeline.load("base", face=f"hub:{models['face']}", voice=f"hub:{models['voice']}")
    timeline = pipeline(clip_mp4)
    found = timeline.summary.by_modality
    assert found["face"] is not None and found["face"].label == "happy"
    assert found["voice"] is not None and found["voice"].label == "angry"
    expected = np.exp(2) / (np.exp(2) + 1)
    assert found["voice"].confidence == pytest.approx(expected, abs=1e-3) and found["voice"].certainty is None
    assert timeline.provenance is not None and f"face='hub:{models['face']}'" in timeline.provenance.call
    files = {model.role: model for model in timeline.provenance.models}
    assert files["voice"].name == f"hub:{models['voice']}" and files["voice"].sha256 is not None


def test_a_label_map_says_what_labels_mean(models: dict[str, Path]) -> None:
    model = emofuse.load_model(f"hub:{models['text']}", "text", label_map={"LABEL_2": "sadness", "joy": ""})
    assert model.notes(emofuse.Pipeline.load().labels) == ()
    found = emofuse.Pipeline.load("base", text=model).text("I am here")
    assert found is not None and found.label == "sad" and found.probabilities[1] < 1e-4
    for wrong, says in (
        ({"LABEL_9": "sad"}, "has no label 'LABEL_9' (it has Angry, joy, LABEL_2)"),
        ({"LABEL_2": "hungry"}, "LABEL_2=hungry: that is not one of the labels (one of neutral, "),
    ):
        with pytest.raises(BundleError) as caught:
            emofuse.Pipeline.load("base", text=emofuse.load_model(f"hub:{models['text']}", label_map=wrong))
        assert says in str(caught.value)


def test_labels_that_nobody_knows_are_one_line(tmp_path: Path) -> None:
    folder = make_text_model(tmp_path / "odd", ("LABEL_0", "LABEL_1"))
    with pytest.raises(BundleError) as caught:
        emofuse.Pipeline.load("base", text=f"hub:{folder}")
    message = str(caught.value)
    assert message.startswith(f"none of the labels of {folder} is an emotion that we know: LABEL_0, LABEL_1 (map them")
    assert "such as LABEL_0=neutral" in message and "\n" not in message


def test_what_is_no_classifier_or_of_something_else_is_one_line(models: dict[str, Path]) -> None:
    assert [kind_of(str(models[kind])) for kind in ("face", "voice", "text")] == ["face", "voice", "text"]
    with pytest.raises(
        BundleError, match=r"headless is not a classifier, but Wav2Vec2Model \(give one that was made for"
    ):
        emofuse.load_model(f"hub:{models['headless']}")
    with pytest.raises(
        BundleError, match=r"is a model of text \(text-classification\), not of voice \(give one for audio"
    ):
        emofuse.Pipeline.load("base", voice=f"hub:{models['text']}")


def test_a_model_that_cannot_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(AssetError, match=r"the model 'nobody/nothing' cannot be loaded: .*EMOFUSE_OFFLINE forbids"):
        emofuse.load_model("hub:nobody/nothing")
    with pytest.raises(AssetError, match="cannot be loaded"):
        emofuse.load_model(f"hub:{tmp_path}")  # an empty folder
    with pytest.raises(UsageError, match="hub: names no model"):
        emofuse.load_model("hub:")


def test_weights_that_are_damaged_are_one_line(models: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "damaged"
    shutil.copytree(models["text"], folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(AssetError, match="cannot be loaded") as caught:
        emofuse.load_model(f"hub:{folder}")
    assert "\n" not in str(caught.value)
