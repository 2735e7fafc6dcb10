"""An encoder of a rank: as near to the whole one as its rank allows, and no more to store than that."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from emofuse.research.models import narrowing
from emofuse.research.models.narrowing import Moments, narrow
from emofuse.research.models.settings import WhisperVoiceSettings
from emofuse.research.models.voice_whisper import WhisperEncoder, WhisperVoice
from emofuse.research.tasks import base, speech
from emofuse.research.training.jobs import load_utterances, utterance_job
from make_ravdess import tiny_recipe, write_ravdess


def log_mels(n: int, seed: int) -> Tensor:
    """Draw pictures that vary slowly, as speech does: (n, 80, 60)."""
    random = torch.Generator().manual_seed(seed)
    return torch.nn.functional.interpolate(torch.randn(n, 10, 12, generator=random)[:, None], (80, 60))[:, 0]


def whole_encoder() -> WhisperEncoder:
    torch.manual_seed(5)
    return WhisperEncoder(32, 2, 2).eval()


def narrowed(rank: int, whole: WhisperEncoder) -> WhisperEncoder:
    encoder = WhisperEncoder(32, 2, 2, rank).eval()
    narrow(whole, encoder, log_mels(64, seed=1).split(16))
    return encoder


def error(rank: int) -> float:
    whole, unseen = whole_encoder(), log_mels(8, seed=2)
    with torch.no_grad():
        made, expected = narrowed(rank, whole)(unseen)[-1], whole(unseen)[-1]
    return float((made - expected).square().mean() / expected.var())


def test_a_rank_that_is_the_width_changes_nothing() -> None:
    assert error(32) < 1e-6


def test_more_rank_is_nearer() -> None:
    errors = [error(rank) for rank in (4, 12, 24)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[1] < 0.1


def test_it_has_as_many_weights_as_its_rank_asks_for() -> None:
    count = {rank: sum(p.numel() for p in WhisperEncoder(32, 2, 2, rank).parameters()) for rank in (0, 4)}
    assert count[4] < count[0] / 2


def test_what_is_no_large_matrix_stays() -> None:
    whole = whole_encoder()
    narrow_one = narrowed(4, whole)
    own = narrow_one.state_dict()
    for name, value in whole.state_dict().items():
        if name in own:
            assert torch.equal(own[name], value), name
    assert {"conv1.weight", "layers.0.attention_norm.weight", "layers.1.dense_norm.bias"} <= own.keys()


def test_moments_are_those_of_all_frames() -> None:
    random = torch.Generator().manual_seed(3)
    frames = torch.randn(2, 500, 3, generator=random) * torch.tensor([1.0, 5.0, 0.1]) + torch.tensor([7.0, 0.0, -2.0])
    moments = Moments()
    for part in frames:
        moments.add(part)
    mean, root = moments.mean_and_root()
    flat = frames.flatten(0, 1).double()
    torch.testing.assert_close(mean, flat.mean(dim=0), atol=1e-4, rtol=0)
    torch.testing.assert_close(root @ root.T, flat.T.cov(correction=0), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("rank", "pool"), [(0, 1), (6, 1), (6, 2)])
def test_a_network_of_a_rank_scores_speech(rank: int, pool: int) -> None:
    settings = WhisperVoiceSettings(pretrained=None, width=32, heads=2, hidden=8, rank=rank, pool=pool)
    network = WhisperVoice(settings, 4, Path("never read") if rank else None).eval()
    samples = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert network(samples).shape == (2, 4)
    assert settings.knows_first_corpus is bool(rank)


def test_a_training_begins_with_what_is_nearest_to_whispers_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = WhisperVoiceSettings(pretrained="whisper_base", width=32, heads=2, hidden=8, taps=(2,), rank=24)
    recipe = tiny_recipe(settings, {"versions": 1, "as_recorded": 1}, batch_size=6)
    clips = load_utterances(recipe, write_ravdess(tmp_path, range(1, 5)))
    whole = whole_encoder()
    monkeypatch.setattr(narrowing, "load_whisper", lambda encoder, path: encoder.load_state_dict(whole.state_dict()))
    for module in (base, speech):
        monkeypatch.setattr(module, "find", lambda name: Path(name))
    network = utterance_job(recipe, clips, None).network
    mels = network._network[0].frontend(next(iter(clips.sound_of_no_fold())))
    with torch.no_grad():
        made, expected = network.backbone(mels)[-1], whole(mels)[-1]
    assert float((made - expected).square().mean() / expected.var()) < 0.1
