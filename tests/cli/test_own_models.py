"""Models of one's own, from the commands: put into a bundle, checked, and evaluated under our protocols."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emofuse as package
from cli.conftest import Result
from emofuse.cli.demo import CLIP
from emofuse.emotions import BASE
from emofuse.errors import BundleError
from emofuse.inference.bundle import load_bundle
from emofuse.inference.bundle_writer import BundleEntry, compose
from emofuse.research.evaluation.scores.predictions import read_predictions
from emofuse.research.evaluation.scores.report import read_report
from make_hub_models import make_audio_model, make_image_model, make_text_model
from make_media import beginning

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
    assert "as stated on its page of the Hugging Face Hub" in " ".join(checked.out.split())
    bundle = load_bundle(made)
    assert bundle.modalities == ("face", "voice", "text") and bundle.pool == "linear"
    told = package.analyze(CLIP, bundle=made, transcript=CLIP.with_suffix(".srt"), end_s=2.0)
    words = told.summary.by_modality["text"]
    assert words is not None and words.label == "fearful"


# Evaluated as they are.


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a manifest of three speakers' clips, angry and happy, with their words: each a second of the demo clip."""
    folder = tmp_path_factory.mktemp("corpus")
    film = beginning(CLIP, folder / "film.mp4", 2.0)
    rows = ["path,emotion,speaker,text"]
    for speaker in range(3):
        for emotion in ("angry", "happy", "sad"):
            name = f"{speaker}-{emotion}.mp4"
            (folder / name).write_bytes(film.read_bytes())
            rows.append(f"{name},{emotion},s{speaker},I am {emotion}")
    path = folder / "my.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def loud(samples: NDArray[np.float32]) -> dict[str, float]:
    """Score a voice: whatever it is given is angry."""
    assert samples.dtype == np.float32 and 0 < len(samples) <= 48_000
    return {"angry": 0.8, "happy": 0.1, "sad": 0.1}


def by_words(text: str) -> dict[str, float]:
    """Score words by the emotion that they name, but for one."""
    return {one: float(one in text) + 0.01 for one in ("angry", "happy", "neutral")}


@pytest.mark.usefixtures("blank_figures")
def test_a_model_of_the_hub_is_evaluated_without_a_recipe(
    emofuse: Callable[..., Result], models: dict[str, Path], corpus: Path, tmp_path: Path
) -> None:
    for kind, says in (("face", "given 16 faces of each film"), ("voice", "given all of each utterance")):
        out = tmp_path / kind
        done = emofuse("evaluate", "--model", f"hub:{models[kind]}", "--test", corpus, "-o", out)
        assert done.code == 0, done.err
        assert "labels of" in done.err and "left out: LABEL_2" in done.err
        report = read_report(out / "report.json")
        assert says in report.stamp.protocol and report.stamp.labels == ("happy", "sad", "angry")
        assert report.stamp.command == f"emofuse evaluate --model hub:{models[kind]} --test {corpus}"
        uar = next(metric for metric in report.metrics if metric.name == "UAR")
        assert uar.value == pytest.approx(1 / 3) and uar.interval_95 is not None  # it always gives the same
        predicted = read_predictions(out / "predictions.csv")
        wanted = predicted.labels.index({"face": "happy", "voice": "angry"}[kind])
        assert (predicted.log_probabilities[0].argmax(axis=1) == wanted).all() and len(predicted.clips) == 9


@pytest.mark.usefixtures("blank_figures")
def test_a_function_and_words_are_evaluated_too(
    emofuse: Callable[..., Result], corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = f"{__name__}:by_words"
    out = tmp_path / "words"
    done = emofuse(
        "evaluate", "--model", model, "--modality", "text", "--test", corpus, "-o", out, "--map", "neutral=sad"
    )
    assert done.code == 0, done.err
    report = read_report(out / "report.json")
    uar = next(metric for metric in report.metrics if metric.name == "UAR")
    assert 2 / 3 <= uar.value < 1 and "--modality text --map neutral=sad" in report.stamp.command
    again = emofuse("evaluate", "--model", f"{__name__}:loud", "--modality", "voice", "--test", corpus, "-o", out)
    assert again.code == 0 and read_report(out / "report.json").model == f"{__name__}:loud"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--model", "math:floor"), 2, "there is no recipe"),
        (("--model", "math:floor", "--test", "CORPUS"), 2, "what a function is to be given is not known"),
        (("--model", "math:floor", "--test", "CORPUS", "--seeds", "2"), 2, "are for a recipe"),
        (
            ("--model", "x.onnx", "--test", "CORPUS", "--map", "a=sad"),
            2,
            "is an exported network, which has its labels",
        ),
        (("--test", "CORPUS"), 2, "there is no recipe"),
        (("--model", "math:floor", "--modality", "voice", "--map", "sad", "--test", "CORPUS"), 2, "LABEL=meaning"),
    ],
)
def test_what_is_wrong_with_an_evaluation_is_one_line(
    emofuse: Callable[..., Result], corpus: Path, options: tuple[str, ...], code: int, says: str
) -> None:
    done = emofuse("evaluate", *(str(corpus) if one == "CORPUS" else one for one in options))
    assert done.code == code and says in " ".join(done.err.split())


def test_words_that_are_not_there_are_one_line(emofuse: Callable[..., Result], corpus: Path) -> None:
    bare = corpus.with_name("bare.csv")
    bare.write_text("\n".join(line.rpartition(",")[0] for line in corpus.read_text().splitlines()) + "\n")
    done = emofuse("evaluate", "--model", f"{__name__}:by_words", "--modality", "text", "--test", bare)
    assert done.code == 1 and "9 of 9 clips of" in done.err and "the column `text`" in done.err


# In a bundle.


def test_a_bundle_with_python_code_is_loaded_where_that_is_allowed(
    emofuse: Callable[..., Result], tmp_path: Path, clip_mp4: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "mine"
    done = emofuse("bundle", "make", f"voice={__name__}:loud", "--from", "base", "-o", made)
    assert done.code == 0, done.err
    with pytest.raises(BundleError, match=r"the bundle mine runs Python code: .*:loud \(set EMOFUSE_ALLOW_CODE=1"):
        load_bundle(made)
    monkeypatch.setenv("EMOFUSE_ALLOW_CODE", "1")
    done = emofuse("analyze", clip_mp4, "--bundle", made, "-o", tmp_path / "out", "--formats", "json,html", "--explain")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "out" / "clip.json").read_text(encoding="utf-8"))
    voice = found["summary"]["by_modality"]["voice"]
    assert max(voice, key=voice.get) == "angry"
    assert any(model["name"] == f"{__name__}:loud" for model in found["provenance"]["models"])
    assert emofuse("bundle", "check", made).code == 0 and emofuse("info", "--bundle", made).code == 0
    again = emofuse("bundle", "make", "--from", made, "-o", tmp_path / "again", "--weight", "voice=2")
    assert again.code == 0 and load_bundle(tmp_path / "again").weights["voice"] == 2


def test_an_onnx_file_comes_into_a_bundle_with_its_card(
    emofuse: Callable[..., Result], tmp_path: Path, clip_mp4: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    ends = [helper.make_tensor_value_info("x", 1, ["N", 3, 32, 32]), helper.make_tensor_value_info("y", 1, ["N", 3])]
    graph = helper.make_graph([node], "means", ends[:1], ends[1:])
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    card = tmp_path / "net.toml"
    card.write_text('modality = "face"\nlabels = ["angry", "odd", "happy"]\nsize_px = 32\ngives = "probabilities"\n')
    made = tmp_path / "mine"
    done = emofuse("bundle", "make", f"face={path}", "-o", made, "--map", "face:odd=sad")
    assert done.code == 0, done.err
    path.unlink()
    card.unlink()
    bundle = load_bundle(made)
    assert bundle.own["face"].names == ("angry", "odd", "happy") and bundle.manifest.modalities["face"].sha256
    found = package.analyze(clip_mp4, bundle=made).summary.by_modality["face"]
    assert found is not None and found.label in ("angry", "sad", "happy")
    (made / "face.onnx").write_bytes((made / "face.onnx").read_bytes() + b"")
    assert emofuse("bundle", "check", made).code == 0
    for wrong, says in (
        (("clip=hub:x",), "a model of your own cannot be the clip"),
        ((f"face={made / 'face.onnx'}", "--map", "face:a=sad"), "an exported network has its labels"),
        (("voice=hub:x", "--map", "face:a=sad"), "is not of the form MODALITY:LABEL=meaning"),
    ):
        refused = emofuse("bundle", "make", *wrong, "-o", tmp_path / "no")
        assert refused.code == 2 and says in " ".join(refused.err.split())


def test_a_function_without_a_name_goes_into_no_bundle(tmp_path: Path) -> None:
    parts = {"voice": BundleEntry(package.load_model(lambda samples: {"sad": 1.0, "happy": 0.0}, "voice"))}
    with pytest.raises(BundleError, match=r"is a function that a bundle cannot name \(name it as module:NAME"):
        compose(tmp_path / "mine", "mine", BASE, parts)  # type: ignore[arg-type]


@pytest.mark.usefixtures("blank_figures")
def test_what_is_wrong_with_its_probabilities_is_fitted(
    emofuse: Callable[..., Result], corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOFUSE_ALLOW_CODE", "1")
    model, out = f"{__name__}:loud", tmp_path / "report"
    assert emofuse("evaluate", "--model", model, "--modality", "voice", "--test", corpus, "-o", out).code == 0
    assert emofuse("bundle", "make", f"voice={model}", "-o", tmp_path / "mine", "--labels", "basic-7").code == 0
    predicted = out / "predictions.csv"
    done = emofuse("bundle", "fit", tmp_path / "mine", "--on", f"voice={predicted}", "-o", tmp_path / "fitted")
    assert done.code == 0, done.err
    fitted = load_bundle(tmp_path / "fitted")
    prior = fitted.manifest.modalities["voice"].prior
    # whatever it is given it says angry, of which a third is: that is its prior, and not what it has heard
    assert prior is not None and prior.index(max(prior)) == BASE.index("angry") and fitted.pool == "logarithmic"
