"""`emofuse bundle make` and `check`: what comes of them, one clear line for everything that is wrong, and `analyze`."""

from __future__ import annotations

import csv
import json
import re
import shutil
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

from emofuse.emotions import BASE, RAVDESS
from emofuse.errors import AssetError
from emofuse.inference import bundle_check
from emofuse.inference.bundle import BUNDLES, MANIFEST, load_bundle
from emofuse.inference.bundle_writer import PAGE
from emofuse.research.evaluation.scores.predictions import Predictions, write_predictions
from emofuse.types import Face
from make_media import Video, picture, record
from make_networks import clip_spec, write_clip_network
from stand_in_text import StandInText

SCHEMA = json.loads(files("emofuse.outputs").joinpath("timeline.schema.json").read_text(encoding="utf-8"))
FACE, VOICE = (BUNDLES / "base" / f"{modality}.onnx" for modality in ("face", "voice"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip_network(tmp_path_factory.mktemp("networks") / "tiny.onnx", clip_spec())


def held(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def settings(folder: Path) -> dict[str, tuple[float, float]]:
    modalities = json.loads((folder / MANIFEST).read_text())["modalities"]
    return {name: (value["temperature"], value["weight"]) for name, value in modalities.items()}


def test_a_bundle_of_given_networks(emofuse, tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "new" / "mine"
    given = (f"face={FACE}", f"voice={VOICE}", f"clip={clip}")
    result = emofuse("bundle", "make", *given, "-o", out, "--weight", "clip=2", "--temperature", "voice=0.98")
    assert result.code == 0, result.err
    assert held(tmp_path) == [f"new/mine/{f}" for f in ("card.md", "clip.onnx", "face.onnx", MANIFEST, "voice.onnx")]
    assert settings(out) == {"face": (1.0, 1.0), "voice": (0.98, 1.0), "clip": (1.0, 2.0)}
    bundle = load_bundle(out)
    assert (bundle.manifest.name, bundle.labels) == ("mine", BASE)
    notes = re.findall(r"temperature of (\w+) is not known", result.err)
    assert notes == ["face", "clip"]
    page = (out / "card.md").read_text()
    assert "Contempt is left out." in page and "It knows colours alone." in page


def test_the_page_tells_which_labels_count_as_others(emofuse, tmp_path: Path) -> None:
    calm = write_clip_network(tmp_path / "calm.onnx", clip_spec(), RAVDESS)
    assert emofuse("bundle", "make", f"face={FACE}", f"clip={calm}", "-o", tmp_path / "b").code == 0
    assert "Contempt is left out; calm counts as neutral." in (tmp_path / "b" / "card.md").read_text()


def test_what_is_not_given_comes_from_another_bundle(emofuse, tmp_path: Path, clip: Path) -> None:
    result = emofuse("bundle", "make", f"clip={clip}", "--from", "base", "-o", tmp_path / "b", "--name", "with clips")
    assert result.code == 0, result.err
    base = {m: (s.temperature, s.weight) for m, s in load_bundle().manifest.modalities.items()}
    assert settings(tmp_path / "b") == {**base, "clip": (1.0, 1.0)}
    assert load_bundle(tmp_path / "b").manifest.name == "with clips"
    again = emofuse("bundle", "make", "--from", tmp_path / "b", "-o", tmp_path / "b", "--weight", "clip=3")
    assert again.code == 0 and "not known" not in again.err  # a bundle may replace itself
    assert settings(tmp_path / "b")["clip"] == (1.0, 3.0)
    assert not list(tmp_path.glob(".*"))


def test_what_is_known_of_networks_that_stay_goes_along(emofuse, tmp_path: Path) -> None:
    large = load_bundle("large").manifest
    assert large.certainty is not None and large.modalities["voice"].neutral is not None
    assert emofuse("bundle", "make", "--from", "large", "-o", tmp_path / "same", "--weight", "voice=2").code == 0
    same = load_bundle(tmp_path / "same").manifest
    assert same.certainty == large.certainty
    assert same.modalities["voice"].neutral == large.modalities["voice"].neutral
    assert emofuse("bundle", "make", f"voice={VOICE}", "--from", "large", "-o", tmp_path / "other").code == 0
    other = load_bundle(tmp_path / "other").manifest
    assert other.certainty is not None and set(other.certainty.modalities) == {"face", "text"}
    assert set(other.certainty.measured) <= {"face", "text"} and other.modalities["voice"].neutral is None
    turned = ("bundle", "make", "--from", "large", "-o", tmp_path / "turned", "--labels", ",".join(reversed(BASE)))
    assert emofuse(*turned).code == 0
    assert load_bundle(tmp_path / "turned").manifest.certainty is None  # it was over labels in another order


def test_labels_are_chosen_or_those_that_fit(emofuse, tmp_path: Path, clip: Path) -> None:
    def made(file: Path, *options: str) -> tuple[str, ...]:
        assert emofuse("bundle", "make", f"clip={file}", "-o", tmp_path / "b", *options).code == 0
        return load_bundle(tmp_path / "b").labels

    assert made(clip) == BASE
    assert made(clip, "--labels", "ravdess-8") == RAVDESS
    own = write_clip_network(tmp_path / "own.onnx", clip_spec(), ("up", "down", "still"))
    assert made(own) == ("up", "down", "still")
    assert made(own, "--labels", "still, down,up") == ("still", "down", "up")


def test_check_says_what_a_bundle_is_made_of(emofuse, tmp_path: Path) -> None:
    spec = clip_spec(rate_hz=16_000, sampling="strided", stride=2)
    network = write_clip_network(tmp_path / "hears.onnx", spec)
    assert emofuse("bundle", "make", f"clip={network}", "--from", "base", "-o", tmp_path / "b").code == 0
    result = emofuse("bundle", "check", tmp_path / "b")
    assert result.code == 0, result.err
    for text in (
        "3,459,744 parameters, 4.9 MB",
        "tiny-clip (21 parameters",
        "4 frames of 16 x 16, every 2, strided, and 1 s of sound at 16000 Hz",
        "grey faces of 96 x 96",
        "CC BY-NC-SA 4.0",
        "caution: It knows colours alone.",
        "weight 1.00, temperature 0.96",
    ):
        assert text in result.out
    costs = [float(ms) for ms in re.findall(r"cost: ([\d.]+) ms", result.out)]
    assert len(costs) == 4 and costs[2] < costs[0] + 5
    assert emofuse("bundle", "check", "base").code == 0


@pytest.fixture
def made(emofuse, tmp_path: Path, clip: Path) -> Path:
    folder = tmp_path / "bundle"
    assert emofuse("bundle", "make", f"clip={clip}", f"voice={VOICE}", "-o", folder).code == 0
    return folder


def spoil_weights(file: Path) -> None:
    model = onnx.load(str(file))
    weights = next(t for t in model.graph.initializer if t.name == "colours")
    values = onnx.numpy_helper.to_array(weights) * np.float32("nan")
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    file.write_bytes(model.SerializeToString())
    forget_hashes(file.parent)


def forget_hashes(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    for one in manifest["modalities"].values():
        one["sha256"] = None
    (folder / MANIFEST).write_text(json.dumps(manifest))


FAULTS = {
    "a file that is gone": (lambda b: (b / "clip.onnx").unlink(), r"no model at .*clip\.onnx"),
    "a damaged file": (
        lambda b: (b / "clip.onnx").write_bytes(FACE.read_bytes()[:9000]),
        r"clip\.onnx is not a network",
    ),
    "a file of another kind": (lambda b: shutil.copy(FACE, b / "clip.onnx"), "is a face network, not a clip one"),
    "another file": (lambda b: write_clip_network(b / "clip.onnx", clip_spec(window_s=2.0)), "its hash differs"),
    "numbers that are none": (lambda b: spoil_weights(b / "clip.onnx"), "not finite"),
    "a card that disagrees": (
        lambda b: write_clip_network(b / "clip.onnx", clip_spec(), n_frames=9),
        r"by its card they would be .*\(\?, 4, 16, 16, 3\)",
    ),
    "labels that cannot be mapped": (
        lambda b: write_clip_network(b / "clip.onnx", clip_spec(), ("up", "down", "still")),
        r"clip\.onnx: no mapping for the label 'up'",
    ),
    "no manifest": (lambda b: (b / MANIFEST).unlink(), "no bundle"),
    "a broken manifest": (lambda b: (b / MANIFEST).write_text("{"), "not whole"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_check_finds_what_is_wrong_and_says_it_in_one_line(emofuse, made: Path, fault: str) -> None:
    spoil, says = FAULTS[fault]
    spoil(made)
    result = emofuse("bundle", "check", made)
    assert result.code == 1 and result.out == ""
    (line,) = result.err.splitlines()
    assert re.search(says, line), line


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "needs a network"),
        (["clip=absent.onnx"], 1, "no model at absent.onnx"),
        (["clip"], 2, "'clip' is not of the form"),
        (["clip="], 2, "'clip=' is not of the form"),
        (["smell=CLIP"], 2, "smell"),
        (["clip=CLIP", "clip=CLIP"], 2, "clip is given twice"),
        (["clip=VOICE"], 1, "is a voice network, not a clip one"),
        (["clip=CLIP", "--weight", "face=2"], 2, "no face network in the bundle"),
        (["clip=CLIP", "--weight", "clip=0"], 2, "--weight clip=0"),
        (["clip=CLIP", "--temperature", "clip=warm"], 2, "--temperature clip=warm"),
        (["clip=CLIP", "--labels", "moods"], 2, "no label set is called 'moods'"),
        (["clip=CLIP", "--labels", "up,up"], 2, "twice"),
        (["clip=CLIP", "--labels", "iemocap-4,up"], 1, "no mapping for the label 'neutral'"),
        (["clip=OWN", "voice=VOICE"], 1, "no labels in common"),
        (["clip=CLIP", "--from", "nowhere"], 1, "no bundle 'nowhere'"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_leaves_nothing(
    emofuse, tmp_path: Path, clip: Path, arguments: list[str], code: int, says: str
) -> None:
    own = write_clip_network(tmp_path / "own.onnx", clip_spec(), ("up", "down", "still"))
    paths = {"CLIP": clip, "VOICE": VOICE, "OWN": own}
    given = [re.sub("CLIP|VOICE|OWN", lambda found: str(paths[found[0]]), argument) for argument in arguments]
    result = emofuse("bundle", "make", *given, "-o", tmp_path / "b")
    errors = [line for line in result.err.splitlines() if not line.startswith("note:")]
    assert result.code == code and len(errors) == 1 and says in errors[0]
    assert held(tmp_path) == ["own.onnx"]


def test_a_folder_that_holds_something_else_is_left_alone(emofuse, tmp_path: Path, made: Path, clip: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (made / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine too")
    before = held(tmp_path)
    for target, says in (("thesis", "holds something else: chapter.tex"), ("bundle", "notes.txt"), ("file", "a file")):
        result = emofuse("bundle", "make", f"clip={clip}", "-o", tmp_path / target)
        assert result.code == 1 and says in result.err
    assert held(tmp_path) == before


def test_a_failure_in_the_middle_keeps_the_old_bundle(
    emofuse, made: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {f: (made / f).read_bytes() for f in held(made)}

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emofuse.inference.bundle_writer.shutil.copyfile", full)
    result = emofuse("bundle", "make", f"clip={clip}", "-o", made)
    assert result.code == 1 and "No space left" in result.err
    assert {f: (made / f).read_bytes() for f in held(made.parent / made.name)} == before
    assert not list(made.parent.glob(".*"))


@pytest.mark.parametrize("mode", ["queue", "frame"])
def test_analyze_with_a_clip_network(
    emofuse, tmp_path: Path, made: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Told:
        def __init__(self, **settings: object) -> None:
            pass

        def detect(self, image: np.ndarray) -> list[Face]:
            return [Face(np.array([5, 2, 30, 40], np.float32), 0.9)]  # red and blue quarters of the picture

    monkeypatch.setattr("emofuse.inference.analyzer.YuNetDetector", Told)
    times = tuple(i / 25 for i in range(50))
    film = record(tmp_path / "film.mp4", Video(times=times), pictures=(picture((64, 48)) for _ in times))
    result = emofuse("analyze", film, "--bundle", made, "-o", tmp_path / "out", "--mode", mode)
    assert result.code == 0, result.err
    document = json.loads((tmp_path / "out" / "film.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["summary"]["used"] == ["clip"]
    assert document["summary"]["why"]["voice"] == "no audio track"
    assert len(document["moments"]) == (4 if mode == "queue" else 50)
    for moment in document["moments"]:
        assert moment["label"] == moment["faces"][0]["label"] and moment["label"] in ("angry", "sad", "disgust")
        assert list(moment["by_modality"]) == ["face", "voice", "text", "clip"]
    rows = list(csv.DictReader((tmp_path / "out" / "film.csv").open(newline="")))
    assert {row["used"] for row in rows} == {"clip"} and all(row["clip_angry"] for row in rows)
    assert "clip" in result.out and "not used: the bundle has no network for it" in result.out


def test_a_text_model_of_the_hub_is_shown_and_tried(
    emofuse, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = json.loads((made / MANIFEST).read_text())
    hub = {"model": "some/[model]", "weight": 0.5, "temperature": 1.25}
    (made / MANIFEST).write_text(json.dumps({**manifest, "hub_text": hub}))
    said = "text some/[model]: a text model of the Hugging Face Hub (weight 0.50, temperature 1.25)"
    told = emofuse("info", "--bundle", made)
    assert told.code == 0 and said in told.out.replace("\n", " "), told.out

    stand_in = StandInText()
    stand_in.names, stand_in.notes = ("joy", "admiration"), ("labels that are left out: admiration",)  # type: ignore
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(bundle_check, "load_hub_text", lambda *given: asked.append(given) or stand_in)
    checked = emofuse("bundle", "check", made)
    assert checked.code == 0, checked.err
    assert said in checked.out.replace("\n", " ")
    assert "labels: joy, admiration\n  labels that are left out: admiration" in checked.out
    assert "all networks can be run" in checked.out
    assert asked == [("some/[model]", load_bundle(made).labels, 1.25, "cpu")]

    def fails(*given: object) -> None:
        raise AssetError("the text model 'some/[model]' cannot be loaded: it is not there")

    monkeypatch.setattr(bundle_check, "load_hub_text", fails)
    failed = emofuse("bundle", "check", made)
    assert failed.code == 1 and "cannot be loaded" in failed.err and "all networks" not in failed.out


def test_the_text_model_of_the_hub_goes_along(emofuse, made: Path, tmp_path: Path) -> None:
    manifest = json.loads((made / MANIFEST).read_text())
    hub = {"model": "some/model", "weight": 0.5, "temperature": 1.25}
    (made / MANIFEST).write_text(json.dumps({**manifest, "hub_text": hub}))
    assert emofuse("bundle", "make", "--from", made, "-o", tmp_path / "b").code == 0
    assert json.loads((tmp_path / "b" / MANIFEST).read_text())["hub_text"] == hub
    assert "text: `some/model`" in (tmp_path / "b" / PAGE).read_text()
    louder = emofuse("bundle", "make", "--from", made, "-o", tmp_path / "b", "--weight", "text=3")
    assert louder.code == 0, louder.err
    assert json.loads((tmp_path / "b" / MANIFEST).read_text())["hub_text"] == {**hub, "weight": 3.0}
    instead = BUNDLES / "base" / "text.onnx"
    assert emofuse("bundle", "make", f"text={instead}", "--from", made, "-o", tmp_path / "c").code == 0
    assert "hub_text" not in json.loads((tmp_path / "c" / MANIFEST).read_text())
    (made / "model").mkdir()  # in the bundle itself, which would be lost when it is made anew
    (made / MANIFEST).write_text(json.dumps({**manifest, "hub_text": {**hub, "model": "model"}}))
    refused = emofuse("bundle", "make", "--from", made, "-o", made)
    assert refused.code == 2 and "lies in the folder that is made anew" in refused.err
    assert (made / "model").is_dir()


def test_the_demo_clip_with_all_three(emofuse, tmp_path: Path, clip: Path, clip_mp4: Path) -> None:
    assert emofuse("bundle", "make", f"clip={clip}", "--from", "base", "-o", tmp_path / "b").code == 0
    result = emofuse("analyze", clip_mp4, "--bundle", tmp_path / "b", "-o", tmp_path, "--formats", "json")
    assert result.code == 0, result.err
    document = json.loads((tmp_path / "clip.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["summary"]["used"] == ["face", "voice", "clip"]
    assert document["bundle"]["name"] == "b"
    assert document["moments"][0]["faces"][0]["label"] is not None


def predictions(folder: Path, labels: tuple[str, ...], seed: int) -> Path:
    random = np.random.default_rng(seed)
    n = 40 * len(labels)
    truth = np.arange(n) % len(labels)
    logits = (3 * np.eye(len(labels))[truth] + random.normal(size=(n, len(labels)))).astype(np.float32)
    names = tuple(map(str, range(n)))
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    folder.mkdir()
    write_predictions(
        Predictions(names, names, names, names, labels, (1,), truth, logs[None]), folder / "predictions.csv"
    )
    return folder / "predictions.csv"


def test_a_bundle_is_fitted_on_predictions(emofuse, tmp_path: Path) -> None:
    face, voice = predictions(tmp_path / "wild", BASE, 1), predictions(tmp_path / "studio", RAVDESS, 2)
    out = tmp_path / "fitted"
    result = emofuse("bundle", "fit", "base", "--on", f"face={face}", "--on", f"voice={voice}", "-o", out)
    assert result.code == 0, result.err
    assert re.search(r"face\s+wild\s+140", result.out) and re.search(r"voice\s+studio\s+160", result.out)
    assert re.search(r"face \+ voice\s+[\d.]+%\s+[\d.]+%", result.out)
    fitted, before = load_bundle(out).manifest.modalities, load_bundle().manifest.modalities
    assert fitted["text"] == before["text"]  # nothing was given for it
    for modality in ("face", "voice"):
        assert fitted[modality].prior is not None and fitted[modality].prior != before[modality].prior
        assert fitted[modality].sha256 == before[modality].sha256
        assert fitted[modality].neutral is not None and len(fitted[modality].neutral) == len(BASE)


def test_a_network_whose_training_took_its_prior_out_gets_a_flat_one(emofuse, tmp_path: Path) -> None:
    on = f"face={predictions(tmp_path / 'wild', BASE, 1)}"
    result = emofuse("bundle", "fit", "base", "--on", on, "--flat", "face", "-o", tmp_path / "flat")
    assert result.code == 0, result.err
    assert load_bundle(tmp_path / "flat").manifest.modalities["face"].prior == (0.1429,) * 7
    assert emofuse("bundle", "fit", "base", "--on", on, "-o", tmp_path / "fitted").code == 0
    assert load_bundle(tmp_path / "fitted").manifest.modalities["face"].prior != (0.1429,) * 7
    result = emofuse("bundle", "fit", "base", "--on", on, "--flat", "voice", "-o", tmp_path / "none")
    assert result.code == 2 and "--flat voice: nothing is fitted for it" in result.err


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ("face", "not of the form"),
        ("smell=x.csv", "not of the form"),
        ("clip=x.csv", "there is no clip network"),
        ("face=x.csv", "does not hold predictions"),
    ],
)
def test_what_cannot_be_fitted_on_is_one_line(emofuse, tmp_path: Path, on: str, message: str) -> None:
    result = emofuse("bundle", "fit", "base", "--on", on, "-o", tmp_path / "out")
    assert result.code == 2 and message in result.err and "Traceback" not in result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.corpus
def test_a_bundle_is_fitted_on_recordings_in_which_modalities_belong_together(
    emofuse, tmp_path: Path, corpora: Path
) -> None:
    rows = ["path,emotion,speaker,text"]
    films = sorted((corpora / "cremad" / "videos").glob("*.flv"))
    emotions = {"ANG": "angry", "DIS": "disgust", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
    rows += [f"{film},{emotions[film.stem[9:12]]},1001,It is eleven o'clock." for film in films]
    (tmp_path / "films.csv").write_text("\n".join(rows))
    result = emofuse("bundle", "fit", "base", "--on", tmp_path / "films.csv", "-o", tmp_path / "fitted")
    assert result.code == 0, result.err
    assert re.search(r"face\s+films\s+3", result.out) and re.search(r"face \+ voice \+ text", result.out)
    assert "fitted face, voice, text" in result.out
    parts = rows[0] + ",start_s\n" + rows[1] + ",0.5\n"
    (tmp_path / "parts.csv").write_text(parts)
    refused = emofuse("bundle", "fit", "base", "--on", tmp_path / "parts.csv", "-o", tmp_path / "other")
    assert refused.code == 1 and "is a part of a recording" in refused.err


def test_the_card_is_printed_or_written(emofuse, tmp_path: Path) -> None:
    printed = emofuse("bundle", "card", "base")
    assert printed.code == 0
    assert "# Bundle base" in printed.out and "## Forbidden uses" in printed.out
    assert emofuse("bundle", "card", "base", "-o", tmp_path / "card.md").code == 0
    assert (tmp_path / "card.md").read_text("utf-8") == printed.out
