"""Functions and ONNX files of one's own in the place of a network: what they are given, and what is wrong in a line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import emofuse
from emofuse.cli.demo import CLIP
from emofuse.emotions import BASE
from emofuse.errors import BundleError, UsageError
from emofuse.inference.own_model import CallableModel
from emofuse.inference.own_onnx import OnnxCard, OnnxModel, card_beside, read_onnx_card

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto


# Functions.


def test_a_function_is_given_faces_sound_and_texts() -> None:
    given: dict[str, list[Any]] = {"face": [], "voice": [], "text": []}

    def answer(kind: str, label: str) -> Any:
        def model(one: Any) -> dict[str, float]:
            given[kind].append(one)
            return {label: 3.0, "neutral": 1.0}

        return model

    pipeline = emofuse.Pipeline.load(
        "base", face=answer("face", "joy"), voice=answer("voice", "angry"), text=answer("text", "sad")
    )
    timeline = pipeline(CLIP, transcript=CLIP.with_suffix(".srt"))
    found = timeline.summary.by_modality
    for modality, label in (("face", "happy"), ("voice", "angry"), ("text", "sad")):
        scores = found[modality]
        assert scores is not None and scores.label == label and scores.confidence == pytest.approx(0.75, abs=1e-3)
    assert len(given["face"]) > 10 and len(given["voice"]) > 3 and len(given["text"]) > 2
    faces, sounds = given["face"], given["voice"]
    assert all(face.shape == (224, 224, 3) and face.dtype == np.uint8 for face in faces)
    assert all(s.ndim == 1 and s.dtype == np.float32 and len(s) <= 48_000 and abs(s).max() <= 1 for s in sounds)
    assert max(map(len, sounds)) == 48_000 and "I am so happy that it works!" in given["text"]
    face = faces[-1].mean(axis=(0, 1))
    assert face[0] > face[2]  # RGB: skin is redder than it is blue


def test_an_array_is_in_the_order_of_its_labels() -> None:
    def model(samples: NDArray[np.float32]) -> list[float]:
        return [0.0, 1.0]

    with pytest.raises(UsageError, match="which labels it scores is not known from list"):
        emofuse.load_model(model, "voice")
    model.labels = ("sad", "fear")  # type: ignore[attr-defined]
    matrix = emofuse.load_model(model, "voice").matrix(BASE)
    assert [BASE[i] for i in matrix.argmax(axis=1)] == ["sad", "fearful"]


def test_a_text_it_has_nothing_to_go_by_is_even() -> None:
    class Known:
        labels = ("happy", "sad")

        def __call__(self, text: str) -> dict[str, float] | None:
            return {"happy": 1.0, "sad": 0.0} if "wonderful" in text else None

    model = CallableModel(Known(), "text")
    np.testing.assert_allclose(np.exp(model.logits(["hm", "wonderful"])), [[0.5, 0.5], [1, 0]], atol=1e-5)


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, "which labels it scores is not known from None"),
        ("happy", "which labels it scores is not known from 'happy'"),
        ({"happy": -1.0, "sad": 2.0}, "returned [-1.0, 2.0], which are no probabilities"),
        ({"happy": float("nan"), "sad": 1.0}, "which are no probabilities"),
        ({"happy": 0.0, "sad": 0.0}, "which are no probabilities"),
        ({"happy": "much", "sad": "no"}, "returned list (return a number, 0 or more, for each of happy, sad)"),
        ({"LABEL_0": 1.0, "LABEL_1": 0.0}, "none of the labels of"),
    ],
)
def test_what_is_wrong_with_it_shows_when_it_is_taken(returned: Any, says: str) -> None:
    with pytest.raises((UsageError, BundleError)) as caught:
        emofuse.Pipeline.load("base", voice=lambda samples: returned)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_what_it_raises_is_told_with_what_it_was_given() -> None:
    def broken(picture: NDArray[np.uint8]) -> dict[str, float]:
        raise ZeroDivisionError("no light")

    with pytest.raises(UsageError) as caught:
        emofuse.Pipeline.load("base", face=broken)
    assert str(caught.value).endswith(
        "broken raised ZeroDivisionError: no light (it is given a face, (224, 224, 3) uint8 RGB)"
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_it_returns_later_is_looked_at_too() -> None:
    answers = iter([{"happy": 1.0, "sad": 0.0}, {"glad": 1.0}])
    model = emofuse.load_model(lambda text: next(answers), "text")
    with pytest.raises(UsageError, match="returned another label than at first: glad"):
        model.logits(["again"])


@pytest.mark.parametrize(
    ("source", "modality", "says"),
    [
        (3, "voice", "3 is not a model (give hub:ID"),
        ("nothing", "voice", "'nothing' is not a model"),
        (len, None, "what a function is to be given is not known"),
        (len, "smell", "modality: 'smell' is of no use (one of face, voice, text)"),
        ("no_such_module_here:f", "voice", "cannot be imported"),
        ("math:pi", "voice", "math:pi cannot be called"),
    ],
)
def test_what_is_no_model_is_one_line(source: Any, modality: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        emofuse.load_model(source, modality)
    assert says in str(caught.value) and "\n" not in str(caught.value)


# ONNX files.


def network(path: Path, shape: list[Any], gives: str = "logits") -> Path:
    """Write a network that gives the mean of each channel, or of the sound and its negative."""
    axes = {3: [1, 2], 4: [2, 3]}.get(len(shape), [1])
    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"], axes=axes, keepdims=0)]
    if len(shape) == 4:
        nodes.append(helper.make_node("Identity", ["mean"], ["y"]))
    else:
        minus = numpy_helper.from_array(np.array([[1.0, -1.0]], np.float32), "minus")
        wide = [helper.make_node("Unsqueeze", ["mean", "one"], ["column"])]
        nodes += [*wide, helper.make_node("MatMul", ["column", "minus"], ["y"])]
    one = numpy_helper.from_array(np.array([1], np.int64), "one")
    constants = [one, minus] if len(shape) != 4 else []
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


FACE = """
modality = "face"
labels = ["angry", "LABEL_1", "sad"]
map = { LABEL_1 = "joy" }
size_px = 64
mean = [0.5, 0.25, 0.0]
std = [0.5, 0.5, 1.0]
licence = "ours"
"""


def test_a_face_is_given_as_its_card_says(tmp_path: Path, clip_mp4: Path) -> None:
    path = network(tmp_path / "net.onnx", [1, 3, 64, 64])
    (tmp_path / "net.toml").write_text(FACE)
    model = emofuse.load_model(path)
    assert isinstance(model, OnnxModel) and model.modality == "face" and model.licence == "ours"
    picture = np.full((224, 224, 3), (255, 51, 102), np.uint8)
    np.testing.assert_allclose(model.logits([picture]), [[1.0, -0.1, 0.4]], atol=1e-5)
    found = emofuse.Pipeline.load("base", face=path)(clip_mp4).summary.by_modality["face"]
    assert found is not None and set(np.flatnonzero(found.probabilities > 0.01)) == {1, 2, 3}


def test_colours_and_layout_are_those_of_the_card(tmp_path: Path) -> None:
    picture = np.full((224, 224, 3), (255, 0, 51), np.uint8)
    path = network(tmp_path / "bgr.onnx", ["N", 3, "H", "W"])
    card = OnnxCard(modality="face", labels=("sad", "happy", "angry"), colour="bgr", size_px=32)
    np.testing.assert_allclose(OnnxModel(path, card).logits([picture, picture]), [[0.2, 0, 1]] * 2, atol=1e-5)
    seen: list[tuple[int, ...]] = []
    model = OnnxModel(path, card.model_copy(update={"layout": "NHWC"}))
    with pytest.raises(BundleError, match=r"bgr.onnx could not score \(1, 32, 32, 3\) by its card"):
        model.logits([picture])
    assert seen == []


def test_sound_is_given_as_its_card_says(tmp_path: Path, clip_mp4: Path) -> None:
    path = network(tmp_path / "sound.onnx", [1, "T"])
    (tmp_path / "sound.json").write_text(
        json.dumps({"modality": "voice", "labels": ["happy", "sad"], "window_s": 1.0, "rate_hz": 8000, "fills": True})
    )
    model = emofuse.load_model(path)
    steady = np.full(8_000, 0.5, np.float32)  # half a second at 16 kHz
    assert model.logits([steady]) == pytest.approx(np.array([[0.25, -0.25]]), abs=0.02)
    card = OnnxCard(modality="voice", labels=("happy", "sad"), normalise="utterance")
    assert OnnxModel(path, card).logits([steady]) == pytest.approx(np.zeros((1, 2)), abs=1e-3)
    heard = emofuse.Pipeline.load("base", voice=path)(clip_mp4).summary.by_modality["voice"]
    assert heard is not None and heard.confidence == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ('modality = "face"', "labels: Field required"),
        ('modality = "text"\nlabels = ["a", "b"]', "modality: Input should be 'face' or 'voice'"),
        ('modality = "face"\nlabels = ["sad"]', "labels: Tuple should have at least 2 items"),
        ('modality = "face"\nlabels = ["sad", "sad"]', "a label is in labels twice"),
        ('modality = "face"\nlabels = ["sad", "joy"]\nstd = [0.0]', "std must be above 0"),
        ('modality = "face"\nlabels = ["sad", "joy"]\nmean = [0.1, 0.2]', "mean has 2 numbers, and rgb has 3 channels"),
        ('modality = "face"\nlabels = ["sad", "joy"]\nsize = 3', "size: Extra inputs are not permitted"),
        ("labels = [", "cannot read the card"),
    ],
)
def test_a_card_that_is_not_whole_is_one_line(tmp_path: Path, card: str, says: str) -> None:
    path = tmp_path / "net.toml"
    path.write_text(card)
    with pytest.raises(BundleError) as caught:
        read_onnx_card(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_what_lies_beside_a_network_with_a_card_inside_is_no_card(tmp_path: Path) -> None:
    path = tmp_path / "voice.onnx"
    shutil.copy(Path(emofuse.__file__).parent / "bundles" / "base" / "voice.onnx", path)
    (tmp_path / "voice.toml").write_text('name = "its recipe"')
    assert card_beside(path) is None
    bare = network(tmp_path / "bare.onnx", [1, "T"])
    (tmp_path / "bare.toml").write_text("")
    assert card_beside(bare) == tmp_path / "bare.toml"


def test_a_network_that_is_not_as_its_card_says_is_one_line(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", [1, "T"])
    assert card_beside(path) is None
    with pytest.raises(BundleError, match=r"no card beside .*net.onnx \(write what goes in .* into net.toml\)"):
        emofuse.load_model(path, "voice")
    three = OnnxModel(path, OnnxCard(modality="voice", labels=("sad", "happy", "angry")))
    with pytest.raises(BundleError, match=r"gives \(1, 2\); by its card it would be \(1, 3\)"):
        three.logits([np.ones(100, np.float32)])
    sure = OnnxModel(path, OnnxCard(modality="voice", labels=("sad", "happy"), gives="probabilities"))
    with pytest.raises(BundleError, match="gives numbers below 0"):
        sure.logits([np.ones(100, np.float32)])
    (tmp_path / "net.toml").write_text('modality = "voice"\nlabels = ["sad", "joy"]')
    with pytest.raises(BundleError, match="net is a model of voice, not of face"):
        emofuse.Pipeline.load("base", face=path)
    with pytest.raises(BundleError, match="no model at"):
        OnnxModel(tmp_path / "absent.onnx", OnnxCard(modality="voice", labels=("sad", "joy")))
