"""An exported network as it is: on films whose colour says what it will answer, on the network that ships, on sound."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emofuse.card import DataSource
from emofuse.errors import BundleError, CorpusError, UsageError
from emofuse.inference.bundle import BUNDLES
from emofuse.research.evaluation.protocols.pretrained import evaluate_pretrained
from emofuse.research.models.settings import Cnn3dSettings
from emofuse.research.recipes.data import VideoDataSettings
from emofuse.research.recipes.recipe import Recipe
from make_media import Video, record
from make_networks import clip_card, clip_spec, plain, write_clip_network

COLOURS = {"anger": (255, 0, 0), "disgust": (0, 255, 0), "sad": (0, 0, 255)}
COMMAND = "emofuse evaluate r.toml --model clip.onnx --test films.csv"
DATA = VideoDataSettings(n_frames=4, sampling="uniform")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Return the manifest of two films of each of three emotions, in CREMA-D's words, each of one colour."""
    rows = ["path,emotion,speaker"]
    video = Video(size=(100, 100), times=tuple(i / 10 for i in range(6)), pix_fmt="yuv444p")
    for emotion, colour in COLOURS.items():
        for speaker in "ab":
            name = f"{emotion}-{speaker}.mkv"
            record(tmp_path / name, video, pictures=[plain(colour)] * 6)
            rows.append(f"{name},{emotion},{speaker}")
    (tmp_path / "films.csv").write_text("\n".join(rows))
    return tmp_path / "films.csv"


def network(path: Path, corpus: str = "made up") -> Path:
    """Write a network of clips that answers by colour, with a recipe on its card."""
    recipe = Recipe(name="tiny", data=DATA, model=Cnn3dSettings())
    spec = clip_spec(size_px=112)
    sources = (
        DataSource(name=corpus, licence=""),
        DataSource(name="films of the world", licence="", part="pretraining"),
    )
    card = clip_card(spec, recipe=recipe.model_dump_json(), data=sources)
    return write_clip_network(path, spec, card=card)


def test_every_clip_is_answered_by_its_colour(films: Path, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    model = network(tmp_path / "clip.onnx")
    report, predictions = evaluate_pretrained(model, [str(films)], None, COMMAND, lambda *step: heard.append(step))
    assert report.metric("UAR").value == 1.0
    assert predictions.labels == ("sad", "angry", "disgust")  # those of the basic emotions that the films have
    assert [predictions.labels[i] for i in predictions.truth] == ["angry"] * 2 + ["disgust"] * 2 + ["sad"] * 2
    assert np.allclose(np.exp(predictions.log_probabilities).sum(axis=2), 1)
    assert heard[-1] == ("scoring", 6, 6)


def test_the_stamp_says_that_nothing_was_trained(films: Path, tmp_path: Path) -> None:
    stamp = evaluate_pretrained(network(tmp_path / "clip.onnx"), [str(films)], None, COMMAND)[0].stamp
    assert stamp.command == COMMAND
    assert stamp.protocol == (
        "an exported network as it is, trained on made up, films of the world; tested on all clips"
    )
    assert stamp.selection.startswith("none: the network ")
    assert (stamp.folds[0].train, stamp.folds[0].test, stamp.folds[0].n_test) == ((), ("a", "b"), 6)
    assert stamp.label_map == {"anger": "angry", "disgust": "disgust", "sad": "sad"}
    assert (stamp.leaky, stamp.transductive) == (None, False)  # a card names corpora, not people


def test_corpora_are_mapped_and_counted_each_by_its_own_table(films: Path, tmp_path: Path) -> None:
    for name in "cd":
        shutil.copyfile(tmp_path / "sad-a.mkv", tmp_path / f"{name}.mkv")
    (tmp_path / "more.csv").write_text("path,emotion,speaker\nc.mkv,sadness,c\nd.mkv,boredom,c\n")
    corpora = [str(films), str(tmp_path / "more.csv")]
    stamp = evaluate_pretrained(network(tmp_path / "clip.onnx"), corpora, None, COMMAND)[0].stamp
    assert (stamp.label_map["sadness"], stamp.label_map["boredom"], stamp.left_out) == ("sad", None, 1)


def test_no_corpus_and_a_card_without_a_recipe_are_said(films: Path, tmp_path: Path) -> None:
    model = network(tmp_path / "clip.onnx")
    with pytest.raises(UsageError, match=r"anger-a\.mkv is in two"):
        evaluate_pretrained(model, [str(films), str(films)], None, COMMAND)
    with pytest.raises(UsageError, match="names no corpus"):
        evaluate_pretrained(model, [], None, COMMAND)
    spec = clip_spec(size_px=112)
    model = write_clip_network(tmp_path / "other.onnx", spec, card=clip_card(spec, recipe="by hand"))
    with pytest.raises(BundleError, match="does not hold the recipe"):
        evaluate_pretrained(model, [str(films)], None, COMMAND)


def test_the_face_network_that_ships_scores_every_picture(films: Path) -> None:
    report, predictions = evaluate_pretrained(BUNDLES / "base" / "face.onnx", [str(films)], None, COMMAND)
    assert report.model == "face-taught"
    assert predictions.log_probabilities.shape == (1, 6, 3)
    one, other = np.exp(predictions.log_probabilities[0, :2])  # two films alike
    assert np.allclose(one, other, atol=1e-3)


def test_the_voice_network_that_ships_hears_a_corpus(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for emotion in ("anger", "sad"):
        soundfile.write(tmp_path / f"{emotion}.wav", random.normal(0, 0.1, 20_000), 16_000)
    (tmp_path / "s.csv").write_text("path,emotion,speaker\nanger.wav,anger,a\nsad.wav,sad,b\n")
    report, predictions = evaluate_pretrained(BUNDLES / "base" / "voice.onnx", [str(tmp_path / "s.csv")], None, COMMAND)
    assert (report.stamp.corpus, predictions.labels) == ("s", ("sad", "angry"))


def test_a_corpus_of_sound_has_nothing_to_see(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(1).normal(0, 0.1, 20_000), 16_000)
    (tmp_path / "s.csv").write_text("path,emotion,speaker\na.wav,anger,a\n")
    with pytest.raises(CorpusError, match=r"a\.wav has no picture"):
        evaluate_pretrained(BUNDLES / "base" / "face.onnx", [str(tmp_path / "s.csv")], None, COMMAND)
