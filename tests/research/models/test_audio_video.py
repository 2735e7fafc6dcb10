"""Sound and picture together: fusion with something absent, modality dropout, the sound around a frame."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import RECIPES, inputs

from emofuse.research.models.audio_video import AudioVideoNet, drop_one_modality
from emofuse.research.models.frame_lstm_mel import STRIDE, FrameLstmMel, shares_of_sound
from emofuse.research.models.fusion.merge import ConcatFusion, GatedFusion
from emofuse.research.models.registry import build
from emofuse.research.models.settings import AudioVideoSettings, FrameLstmMelSettings, MelCnnSettings

ROWS = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])


def test_learnt_values_stand_in_for_an_absent_embedding() -> None:
    fusion = ConcatFusion(2, 3)
    torch.nn.init.normal_(fusion.absent)
    embeddings = torch.randn(4, 2, 3)
    merged = fusion(embeddings, ROWS).view(4, 2, 3)
    for row in range(4):
        for modality in range(2):
            source = embeddings[row] if ROWS[row, modality] else fusion.absent
            assert torch.equal(merged[row, modality], source[modality])


def test_gates_share_out_what_is_present() -> None:
    torch.manual_seed(0)
    fusion = GatedFusion(2, 3)
    embeddings = torch.randn(4, 2, 3)
    merged = fusion(embeddings, ROWS)
    values = [torch.tanh(fusion.values[m](embeddings[:, m])) for m in range(2)]
    gate = torch.sigmoid(fusion.gates[0](embeddings[:, 0]) - fusion.gates[1](embeddings[:, 1]))
    torch.testing.assert_close(merged[0], gate[0] * values[0][0] + (1 - gate[0]) * values[1][0])
    torch.testing.assert_close(merged[1:], torch.stack([values[0][1], values[1][2], torch.zeros(3)]))


def test_one_of_two_modalities_is_dropped_and_never_both() -> None:
    torch.manual_seed(0)
    present = ROWS[:3].repeat(2000, 1)
    dropped = drop_one_modality(present, 0.3)
    assert (dropped.sum(dim=1) > 0).all()
    assert torch.equal(dropped[1::3], present[1::3]) and torch.equal(dropped[2::3], present[2::3])
    rates = 1 - dropped[0::3].mean(dim=0)
    torch.testing.assert_close(rates, torch.tensor([0.15, 0.15]), atol=0.03, rtol=0)
    assert torch.equal(drop_one_modality(present, 0.0), present)


def test_modalities_are_dropped_in_training_alone() -> None:
    settings = RECIPES["mfcc-cnn3d"].model.model_copy(update={"modality_dropout": 0.99, "dropout": 0.0})
    torch.manual_seed(0)
    network = build(settings, 4)
    assert isinstance(network, AudioVideoNet)
    seen: list[torch.Tensor] = []
    network.fusion.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
    x = (*inputs(("frames", "samples"), 12), torch.ones(12, 2))
    network.train()(*x)
    network.eval()(*x)
    assert set(seen[0].sum(dim=1).tolist()) <= {1.0, 2.0} and seen[0].sum() < 16
    assert torch.equal(seen[1], x[2])


def test_any_video_network_goes_with_any_voice_network() -> None:
    video = [recipe.model for name, recipe in RECIPES.items() if name in ("cnn3d", "mvit", "face-sequence")]
    for settings in video:
        network = build(AudioVideoSettings(video=settings, audio=MelCnnSettings(widths=(4, 6)), width=8, hidden=8), 3)
        assert network.sound_kind == "log-mel"
        assert network.eval()(*inputs(network.inputs, 2)).shape == (2, 3)
        assert not [name for name in network.state_dict() if ".head." in name]


@pytest.mark.parametrize(("n_frames", "sound_s"), [(4, 0.5), (16, 0.2), (1, 3.0)])
def test_a_frame_hears_what_is_around_it(n_frames: int, sound_s: float) -> None:
    n_mels = 301  # 3 s
    n_places = -(-n_mels // STRIDE)
    shares = shares_of_sound(n_places, n_mels, n_frames, sound_s, torch.device("cpu"))
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(n_frames))
    fine = torch.arange(-STRIDE / 2, STRIDE * n_places - STRIDE / 2, 0.01)  # in log-mels of 10 ms
    for frame in range(n_frames):
        centre = (frame + 0.5) / n_frames * 300.5
        inside = (fine - centre).abs() < sound_s / 2 * 100
        expected = inside.view(n_places, -1).float().mean(dim=1)
        torch.testing.assert_close(shares[frame], expected / expected.sum(), atol=2e-3, rtol=0)


def test_what_comes_later_is_not_known_yet() -> None:
    torch.manual_seed(0)
    network = build(FrameLstmMelSettings(pretrained=False, hidden=16, sound_s=0.3), 4).eval()
    assert isinstance(network, FrameLstmMel)
    frames, samples = inputs(("frames", "samples"), 1, duration_s=3.0, n_frames=6)
    samples[:, 32_000:] *= 0.1  # so that the loudest, which the level is relative to, comes before
    later_frames, later_samples = frames.clone(), samples.clone()
    later_frames[:, 4:] = 255 - later_frames[:, 4:]
    later_samples[:, 32_000:] *= 0.3
    with torch.no_grad():
        logits = network(frames, samples, torch.ones(1, 2))
        seen = network(later_frames, samples, torch.ones(1, 2))
        heard = network(frames, later_samples, torch.ones(1, 2))
    for changed in (seen, heard):
        moved = (changed - logits).abs().amax(dim=2)[0]
        assert moved[:3].max() < 1e-6 < 1e-4 < moved[4:].min()
