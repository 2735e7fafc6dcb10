"""What each of the networks without pretraining hears, and what it does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from emofuse.research.models.mfcc_cnn import FixedLength
from emofuse.research.models.registry import build
from emofuse.research.models.settings import MelCnnSettings, MfccCnnSettings, WaveCnnSettings


def voice(n: int, duration_s: float) -> Tensor:
    """Make harmonics of n pitches: (n, T)."""
    time = torch.arange(round(duration_s * 16_000)) / 16_000
    pitch = torch.linspace(110, 240, n)[:, None]
    return 0.03 * sum(torch.sin(2 * torch.pi * k * pitch * time) for k in range(1, 9))


def network(settings: MfccCnnSettings | WaveCnnSettings | MelCnnSettings) -> nn.Module:
    torch.manual_seed(0)
    return build(settings, 4).eval()


def test_a_fixed_length_is_cut_or_padded_with_zeros() -> None:
    x = torch.rand(2, 3, 10)
    assert torch.equal(FixedLength(6)(x), x[:, :, :6])
    assert torch.equal(FixedLength(10)(x), x)
    longer = FixedLength(25)(x)
    assert torch.equal(longer[:, :, :10], x) and longer.shape == (2, 3, 25) and not longer[:, :, 10:].any()


def test_the_reference_sees_40_cepstra_of_44_frames() -> None:
    assert network(MfccCnnSettings()).frontend(voice(2, 3.5)).shape == (2, 40, 44)


def test_cepstra_after_the_last_frame_are_not_heard() -> None:
    heard = network(MfccCnnSettings(n_frames=20))
    samples = voice(2, 3.0)
    # in decibels re the loudest, so what is not heard may not be louder
    changed = torch.cat([samples[:, : 22 * 1024], 0.3 * torch.rand(2, 48_000 - 22 * 1024) * samples[:, 22 * 1024 :]], 1)
    torch.testing.assert_close(heard(changed), heard(samples))
    assert not torch.allclose(heard(samples[:, 8_000:]), heard(samples))


@pytest.mark.parametrize("settings", [WaveCnnSettings(), MelCnnSettings()])
def test_the_gain_of_a_microphone_is_not_heard(settings: WaveCnnSettings | MelCnnSettings) -> None:
    made = network(settings)
    torch.testing.assert_close(made(0.2 * voice(3, 1.0)), made(voice(3, 1.0)), atol=0.01, rtol=0)
    assert made(voice(3, 1.0)).std(dim=0).min() > 1e-3


def test_pauses_do_not_dilute_the_statistics_of_log_mels() -> None:
    made = network(MelCnnSettings())
    samples = voice(2, 2.0)
    padded = nn.functional.pad(samples, (16_000, 16_000))
    plain, paused = (made.embed(made.frontend(x)) for x in (samples, padded))
    with torch.no_grad():
        diluted = made.layers(made.frontend(padded).unsqueeze(1)).mean(dim=3).flatten(1)
    n = diluted.shape[1]  # the means come first
    assert (paused[:, :n] - plain[:, :n]).abs().mean() < 0.6 * (diluted - plain[:, :n]).abs().mean()
