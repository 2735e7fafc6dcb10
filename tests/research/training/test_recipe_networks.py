"""Which network goes with which data, and what happens where the weights that it starts from cannot be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emofuse.assets import ASSETS
from emofuse.emotions import RAVDESS
from emofuse.errors import AssetError, RecipeError
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.evaluation.protocols.learners import selection
from emofuse.research.models.settings import FaceNetSettings, SvmSettings
from emofuse.research.recipes.data import FaceDataSettings, VideoDataSettings, VoiceDataSettings
from emofuse.research.recipes.recipe import LateFusionSettings, Recipe, TrainSettings
from emofuse.research.tasks import base
from emofuse.research.tasks.base import fall_back_to_random_init
from emofuse.research.training.cards import model_card
from emofuse.research.training.jobs import check_pairing, load_utterances, make_network, utterance_job
from make_ravdess import tiny_recipe, write_ravdess

MVIT, VOICE = {"name": "mvit"}, {"name": "voice-mobilenet", "hidden": 8}
PRETRAINED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "resnet-lstm": ({"name": "resnet-lstm", "resnet": "resnet18"}, ("resnet18",)),
    "resnet-transformer": ({"name": "resnet-transformer"}, ("resnet50",)),
    "r3d": ({"name": "r3d"}, ("r3d_18",)),
    "mvit": (MVIT, ("mvit_v2_s",)),
    "frame-lstm-mel": ({"name": "frame-lstm-mel"}, ("resnet18",)),
    "audio-video": ({"name": "audio-video", "video": MVIT, "audio": VOICE}, ("mvit_v2_s", "mn04_as")),
}
WITHOUT: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "cnn3d": ({"name": "cnn3d"}, ()),
    "our own face network": ({"name": "face-sequence"}, ()),
    "too small for weights": ({"name": "mvit", "size": "tiny"}, ()),
    "random": ({"name": "r3d", "pretrained": False}, ()),
    "a pretrained voice alone": ({"name": "audio-video", "video": {"name": "cnn3d"}, "audio": VOICE}, ("mn04_as",)),
}


def of(model: Any, corpus: str = "video") -> Recipe:
    return Recipe.model_validate({"name": "r", "data": {"corpus": corpus}, "model": model})


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the weights that cannot be had; to be filled. Every other one is somewhere."""
    missing: set[str] = set()

    def find(name: str) -> Path:
        if name in missing:
            raise AssetError(f"{ASSETS[name].file} cannot be had: no connection to there", "download it")
        return Path(f"{name}.pth")

    monkeypatch.setattr(base, "find", find)
    return missing


@pytest.mark.parametrize("name", PRETRAINED)
def test_weights_of_torchvision_that_cannot_be_had_are_done_without_and_said(name: str, lost: set[str]) -> None:
    model, assets = PRETRAINED[name]
    recipe = of(model)
    assert recipe.model.assets == assets
    notices: list[str] = []
    assert fall_back_to_random_init(recipe, notices.append) == recipe and notices == []
    lost.add(assets[0])
    changed = fall_back_to_random_init(recipe, notices.append)
    assert notices == [f"r starts from random weights: {ASSETS[assets[0]].file} cannot be had: no connection to there"]
    assert changed.model.assets == assets[1:]
    assert changed.model.is_randomly_initialised and not recipe.model.is_randomly_initialised
    part = {"pretrained": False}
    wanted = {**model, "video": {**MVIT, **part}} if name == "audio-video" else {**model, **part}
    assert changed == of(wanted)  # and nothing else
    assert Recipe.model_validate_json(changed.model_dump_json()) == changed


@pytest.mark.parametrize("name", WITHOUT)
def test_what_needs_none_of_torchvisions_weights_stays_as_it_is(name: str, lost: set[str]) -> None:
    model, assets = WITHOUT[name]
    lost |= set(ASSETS)
    assert of(model).model.assets == assets
    assert fall_back_to_random_init(of(model), pytest.fail) == of(model)


def test_a_voice_without_its_weights_is_not_trained_and_keeps_the_others(lost: set[str], tmp_path: Path) -> None:
    lost.add("mn04_as")
    mixed = of(PRETRAINED["audio-video"][0])
    assert fall_back_to_random_init(mixed, pytest.fail) == mixed
    voice = tiny_recipe().model_copy(update={"model": of(VOICE, "speech").model})
    assert fall_back_to_random_init(voice, pytest.fail) == voice
    speech = load_utterances(voice, write_ravdess(tmp_path, (1, 2, 3)))
    with pytest.raises(AssetError, match=r"mn04_as_mAP_432\.pt cannot be had"):
        utterance_job(voice, speech, Fold("1", (0, 1, 2), (3, 4, 5), (6, 7, 8)))


def test_random_weights_that_a_recipe_asks_for_are_not_held_back() -> None:
    held = TrainSettings(frozen_epochs=2, backbone_lr_scale=0.1)
    asked = of({"name": "resnet-lstm", "pretrained": False}).model_copy(update={"train": held})
    free = fall_back_to_random_init(asked, pytest.fail)
    assert free.model == asked.model
    assert (free.train.frozen_epochs, free.train.backbone_lr_scale) == (0, 1.0)
    never = of({"name": "cnn3d"}).model_copy(update={"train": held})
    assert fall_back_to_random_init(never, pytest.fail) == never


def test_members_of_a_late_fusion_are_treated_alike(lost: set[str]) -> None:
    lost.add("r3d_18")
    seen, heard = of({"name": "r3d"}), of(VOICE, "speech").model_copy(update={"name": "heard"})
    late = Recipe(name="f", data=VoiceDataSettings(), model=LateFusionSettings(members=(heard, seen)))
    notices: list[str] = []
    first, second = fall_back_to_random_init(late, notices.append).members
    assert first.model.assets == ("mn04_as",) and second.model.assets == ()
    assert len(notices) == 1 and notices[0].startswith("r starts from random weights")
    lost.clear()
    assert fall_back_to_random_init(late, notices.append) == late and len(notices) == 1


def test_a_start_from_random_weights_is_said_in_report_and_card(lost: set[str]) -> None:
    lost.add("r3d_18")
    recipe = of({"name": "r3d"})
    random = fall_back_to_random_init(recipe, lambda text: None)
    assert "random weights" in selection(random) and "random weights" not in selection(recipe)
    assert "random weights" not in selection(of({"name": "cnn3d"}))
    network = make_network(random, 8)
    assert "Trained from random weights." in model_card(network, random, RAVDESS).description
    card = model_card(network, recipe, RAVDESS)
    assert "Trained from weights of Kinetics-400, by torchvision's R3D-18." in card.description
    assert [source.part for source in card.data] == ["av", "pretraining"]


def test_a_file_with_another_hash_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOFUSE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    (tmp_path / ASSETS["r3d_18"].file).write_bytes(b"another network")
    (tmp_path / ASSETS["mn04_as"].file).write_bytes(b"another network")
    notices: list[str] = []
    assert fall_back_to_random_init(of({"name": "r3d"}), notices.append).model.is_randomly_initialised
    assert len(notices) == 1 and "\n" not in notices[0]
    assert f"{tmp_path / ASSETS['r3d_18'].file} has another SHA-256" in notices[0]
    monkeypatch.setenv("EMOFUSE_CACHE", str(tmp_path / "cache"))
    voice = tiny_recipe().model_copy(update={"model": of(VOICE, "speech").model})
    speech = load_utterances(voice, write_ravdess(tmp_path, (1, 2, 3)))
    with pytest.raises(AssetError, match=r"mn04_as_mAP_432\.pt has another SHA-256") as caught:
        utterance_job(voice, speech, None)
    assert "\n" not in str(caught.value)


def test_data_and_model_go_together_or_not() -> None:
    action_units = {"name": "svm", "features": "action-units"}
    for fits in (
        of({"name": "r3d"}),
        of({**MVIT, "size": "tiny"}),
        of(VOICE, "speech"),
        of({"name": "svm"}, "speech"),
        of(action_units),
        of(action_units, "speech"),
    ):
        check_pairing(fits)
    check_pairing(Recipe(name="f", data=FaceDataSettings(), model=FaceNetSettings()))
    for crossed, says in (
        (of(MVIT, "speech"), "recipe 'r' pairs 'speech' with 'mvit'"),
        (of(MVIT), "mvit sees 16 frames of 224 pixels, not 16 of 112"),
        (of(VOICE), "recipe 'r' pairs 'video' with 'voice-mobilenet'"),
        (of({"name": "face-resnet"}), "recipe 'r' pairs 'video' with 'face-resnet'"),
        (of({"name": "svm"}, "ferplus"), "recipe 'r' pairs 'ferplus' with 'svm'"),
        (of({"name": "svm"}), "recipe 'r' pairs 'video' with 'egemaps', which are features of sound"),
    ):
        with pytest.raises(RecipeError) as caught:
            check_pairing(crossed)
        assert caught.value.message == says
    members = (tiny_recipe(SvmSettings()), of(VOICE))
    with pytest.raises(RecipeError, match="recipe 'r' pairs 'video'"):
        check_pairing(Recipe(name="f", data=VideoDataSettings(), model=LateFusionSettings(members=members)))


def test_what_is_no_network_is_not_made() -> None:
    for model in (SvmSettings(), LateFusionSettings(members=(tiny_recipe(), of(MVIT)))):
        recipe = tiny_recipe().model_copy(update={"model": model})
        with pytest.raises(RecipeError, match=f"'tiny' pairs 'speech' with '{model.name}'"):
            make_network(recipe, 3)
        assert recipe.model.assets == ()


def test_a_network_of_clips_hears_where_it_has_an_ear() -> None:
    assert of({"name": "frame-lstm-mel"}).model.uses_audio and of(PRETRAINED["audio-video"][0]).model.uses_audio
    assert not of(MVIT).model.uses_audio and not of({"name": "face-sequence"}).model.uses_audio


def test_frames_are_made_smaller_by_the_margin_of_the_recipe() -> None:
    wide, narrow = (
        make_network(
            Recipe.model_validate(
                {"name": "r", "data": {"corpus": "video", "margin": m}, "model": {"name": "face-sequence"}}
            ),
            3,
        )
        for m in (1.0, 0.0)
    )
    assert (wide.frontend.share, narrow.frontend.share) == (pytest.approx(1 / 3), 1)
