"""Training after frozen blocks: on what they make, with the rest and its names as in the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emofuse.errors import RecipeError, UsageError
from emofuse.research.models.settings import VoiceNetSettings, WhisperVoiceSettings
from emofuse.research.models.voice import VoiceNet
from emofuse.research.models.voice_whisper import WhisperVoice
from emofuse.research.recipes.data import VoiceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.activations import ActivationBatches, AfterFrozen, make_activations
from emofuse.research.tasks.utterances import balanced_draws
from emofuse.research.training.fit import fit, load_weights
from emofuse.research.training.jobs import load_utterances, utterance_job
from emofuse.research.training.module import score_clips
from make_ravdess import tiny_recipe, write_ravdess

SETTINGS = VoiceNetSettings(pretrained=None, frozen_blocks=3, taps=(2, 4), hidden=8, channel="removed")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ravdess(tmp_path_factory.mktemp("data"), range(1, 7))


def recipe(model: VoiceNetSettings = SETTINGS, **data: object) -> Recipe:
    return tiny_recipe(model, {"versions": 2, **data}, batch_size=6)


def test_the_frozen_blocks_and_the_rest_are_the_network() -> None:
    network = VoiceNet(SETTINGS, 3).eval()
    samples = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    whole = network(samples)
    made = network.activate(network.frontend(samples))
    torch.testing.assert_close(AfterFrozen(network).eval().classify(made), whole)
    torch.testing.assert_close(AfterFrozen(network).eval()(samples), whole)
    assert AfterFrozen(network).state_dict().keys() == network.state_dict().keys()


def test_an_encoder_that_is_frozen_whole_is_pooled_once() -> None:
    settings = WhisperVoiceSettings(pretrained=None, width=32, heads=2, hidden=8)
    network = WhisperVoice(settings, 3).eval()
    clips = [np.random.default_rng(i).integers(-3000, 3000, 16_000).astype(np.int16) for i in range(3)]
    as_it_is = (lambda x, generator: x, lambda x, generator: x)
    made = make_activations(network, clips, 16_000, as_it_is, 1, seed=4)
    assert made.made.shape == (1, 3, network.n_features) and made.weights.shape == (1, 3, 0)
    samples = torch.stack([torch.from_numpy(clip) for clip in clips]).float() / 32768
    after = AfterFrozen(network).eval()
    torch.testing.assert_close(
        after.classify((made.made[0].float(), made.weights[0].float())), network(samples), atol=5e-3, rtol=0
    )
    assert after.state_dict().keys() == network.state_dict().keys()


def noisy(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return x + 0.01 * torch.randn(x.shape, generator=generator)


def test_versions_differ_and_are_the_same_again() -> None:
    network = VoiceNet(SETTINGS, 3)
    clips = [np.random.default_rng(i).integers(-3000, 3000, 9600).astype(np.int16) for i in range(3)]

    first, again = (make_activations(network, clips, 9600, (noisy, noisy), 2, seed=4) for _ in range(2))
    assert first.made.shape[:2] == (2, 3) and first.weights.shape[:3] == (2, 3, 1)
    assert torch.equal(first.made, again.made) and torch.equal(first.weights, again.weights)
    assert not torch.equal(first.made[0], first.made[1])
    batches = ActivationBatches(first, [2, 0], np.eye(2, dtype=np.float32))
    (made, _), target = batches.__getitems__([1])
    assert target.tolist() == [[0, 1]]
    assert any(torch.equal(made[0], first.made[version, 0].float()) for version in (0, 1))


def test_the_last_versions_may_be_as_recorded() -> None:
    network = VoiceNet(SETTINGS, 3)
    clips = [np.random.default_rng(i).integers(-3000, 3000, 9600).astype(np.int16) for i in range(3)]

    both = make_activations(network, clips, 9600, (noisy, noisy), 2, 4)
    mixed = make_activations(network, clips, 9600, (noisy, noisy), 3, 4, 1)
    assert torch.equal(mixed.made[:2], both.made)  # the others are what they were
    samples = torch.stack([torch.from_numpy(clip) for clip in clips]).float() / 32768
    with torch.no_grad():
        expected = network.eval().activate(network.frontend(samples))[0]
    torch.testing.assert_close(mixed.made[2].float(), expected, atol=5e-3, rtol=1e-2)
    with pytest.raises(UsageError, match="as recorded"):
        VoiceDataSettings(versions=1, as_recorded=2)


def test_training_leaves_the_frozen_blocks_as_they_are_and_moves_the_rest(data: Path, tmp_path: Path) -> None:
    job = utterance_job(recipe(), load_utterances(recipe(), data), None)
    before = {name: value.clone() for name, value in job.network.state_dict().items()}
    after = load_weights(fit(recipe(), job, tmp_path / "run", progress=False).weights)[0]
    assert after.keys() == before.keys()
    frozen = [name for name in before if name.startswith(("backbone.0.", "backbone.1.", "backbone.2."))]
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    moved = [name for name in before if name.endswith("weight") and name not in frozen]
    assert moved and not any(torch.equal(before[name], after[name]) for name in moved)


@pytest.mark.parametrize("model", [SETTINGS, WhisperVoiceSettings(pretrained=None, width=32, heads=2, hidden=8)])
def test_who_made_the_activations_is_trained_as_who_finds_them(
    data: Path, tmp_path: Path, model: VoiceNetSettings | WhisperVoiceSettings
) -> None:
    settings = tiny_recipe(model, {"versions": 2}, batch_size=6)
    clips = load_utterances(settings, data)
    first, second = (
        load_weights(fit(settings, utterance_job(settings, clips, None), tmp_path / name, progress=False).weights)[0]
        for name in ("makes", "finds")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    statistics = [name for name in first if name.startswith("head") and name.endswith("running_mean")]
    assert statistics and all(first[name].abs().sum() > 0 for name in statistics)


def test_a_network_that_was_left_in_eval_mode_is_trained_as_any_other(data: Path, tmp_path: Path) -> None:
    settings = tiny_recipe(VoiceNetSettings(pretrained=None, taps=(2, 4), hidden=8), batch_size=6)
    clips = load_utterances(settings, data)
    jobs = [utterance_job(settings, clips, None) for _ in range(2)]
    jobs[1].network.eval()
    first, second = (
        load_weights(fit(settings, job, tmp_path / str(k), progress=False).weights)[0] for k, job in enumerate(jobs)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("model", [SETTINGS, WhisperVoiceSettings(pretrained=None, width=32, heads=2, hidden=8)])
def test_the_windows_that_validate_are_scored_as_their_samples_are(
    data: Path, model: VoiceNetSettings | WhisperVoiceSettings
) -> None:
    settings = tiny_recipe(model, {"versions": 1, "eval_windows": 3}, batch_size=6)
    clips = load_utterances(settings, data)
    held_out = range(3, 8)
    job = utterance_job(settings, clips, None, held_out)
    network = job.network.eval()
    made, targets = job.valid.__getitems__(range(5))  # type: ignore[union-attr, attr-defined]
    samples, expected = clips.batches(held_out).__getitems__(range(5))  # type: ignore[attr-defined]
    assert made[0].shape[:2] == (5, 3) and torch.equal(targets, expected)
    with torch.no_grad():
        torch.testing.assert_close(score_clips(network, made), score_clips(network, samples), atol=5e-3, rtol=0)
    one, target = job.valid[2]  # type: ignore[index]
    assert torch.equal(one[0], made[0][2]) and torch.equal(target, targets[2])


def test_versions_need_frozen_blocks(data: Path) -> None:
    whole = recipe(VoiceNetSettings(pretrained=None, taps=(2, 4)))
    with pytest.raises(RecipeError, match="versions"):
        utterance_job(whole, load_utterances(whole, data), None)
    with pytest.raises(UsageError, match="first tap"):
        VoiceNetSettings(frozen_blocks=4, taps=(2, 4))


def test_corpora_count_by_the_root_of_their_size_and_in_them_emotions_and_speakers_alike() -> None:
    corpora = [0] * 16 + [1] * 4
    emotions = [0] * 12 + [1] * 4 + [0, 0, 0, 1]
    speakers = ["a"] * 10 + ["b"] * 2 + ["a"] * 4 + ["c"] * 4
    weights = balanced_draws(corpora, emotions, speakers)
    assert weights.sum() == pytest.approx(1)
    assert weights[:16].sum() / weights[16:].sum() == pytest.approx(2)
    assert weights[:12].sum() == pytest.approx(weights[12:16].sum())
    assert weights[:10].sum() == pytest.approx(weights[10:12].sum())
    assert weights[16:19].sum() == pytest.approx(weights[19])


def test_a_training_goes_on_from_another_of_other_labels(data: Path, tmp_path: Path) -> None:
    first = recipe()  # RAVDESS's eight
    weights = fit(first, utterance_job(first, load_utterances(first, data), None), tmp_path / "run", progress=False)
    before = load_weights(weights.weights)[0]
    second = recipe(SETTINGS.model_copy(update={"start": str(weights.weights)}), labels="basic-7")
    after = utterance_job(second, load_utterances(second, data), None).network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("backbone."))
    rows, old = after["head.5.weight"], before["head.5.weight"]
    torch.testing.assert_close(rows[0], (old[0] + old[1]) / 2)  # neutral stands for calm, too
    torch.testing.assert_close(rows[1:], old[2:])


def test_a_start_of_another_network_is_refused(data: Path, tmp_path: Path) -> None:
    wider = recipe(SETTINGS.model_copy(update={"hidden": 16}))
    weights = fit(wider, utterance_job(wider, load_utterances(wider, data), None), tmp_path / "run", progress=False)
    narrow = recipe(SETTINGS.model_copy(update={"start": str(weights.weights)}))
    with pytest.raises(UsageError, match="another network"):
        utterance_job(narrow, load_utterances(narrow, data), None)
    with pytest.raises(UsageError, match="no checkpoint"):
        missing = recipe(SETTINGS.model_copy(update={"start": "nowhere.safetensors"}))
        utterance_job(missing, load_utterances(missing, data), None)


def test_the_weights_that_a_training_began_with_keep_their_share(data: Path, tmp_path: Path) -> None:
    def trained(share: float) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        recipe = tiny_recipe(SETTINGS, {"versions": 2}, batch_size=6, start_share=share)
        job = utterance_job(recipe, load_utterances(recipe, data), None)
        began = {name: value.clone() for name, value in job.network.state_dict().items()}
        return began, load_weights(fit(recipe, job, tmp_path / f"run{share}", progress=False).weights)[0]

    began, last = trained(0.0)
    _, mean = trained(0.25)
    assert not torch.equal(began["head.2.weight"], last["head.2.weight"])
    for name in ("head.2.weight", "backbone.4.block.0.0.weight"):
        torch.testing.assert_close(mean[name], 0.25 * began[name] + 0.75 * last[name])
