"""Recordings made anew: elsewhere in the window, among voices, in rooms, through bands, clipped."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from emofuse.research.recipes.data import SoundSettings
from emofuse.research.tasks.augment import record_anew


def batch(n: int = 8, spoken: int = 20_000) -> Tensor:
    samples = torch.zeros(n, 48_000)
    samples[:, :spoken] = 0.1 * torch.randn(n, spoken, generator=Generator().manual_seed(0))
    return samples


def anew(samples: Tensor, seed: int = 1, **settings: object) -> Tensor:
    return record_anew(samples, SoundSettings.model_validate(settings), Generator().manual_seed(seed))


def test_what_is_off_changes_nothing_and_draws_nothing() -> None:
    generator = Generator().manual_seed(5)
    assert torch.equal(record_anew(batch(), SoundSettings(), generator), batch())
    assert torch.equal(torch.rand(1, generator=generator), torch.rand(1, generator=Generator().manual_seed(5)))


def test_a_short_clip_is_moved_as_it_is() -> None:
    moved = anew(batch(), place=True)
    starts = [int(row.nonzero()[0]) for row in moved]
    assert len(set(starts)) > 4 and max(starts) <= 28_000
    for start, row, before in zip(starts, moved, batch(), strict=True):
        assert torch.equal(row[start : start + 20_000], before[:20_000])
        assert int(row.count_nonzero()) == int(before.count_nonzero())


def test_babble_is_as_loud_as_it_should_be_and_of_others() -> None:
    samples = batch(spoken=48_000)
    added = anew(samples, babble=1, babble_snr_db=(10.0, 10.0)) - samples
    snr_db = 10 * torch.log10(samples.square().mean(dim=1) / added.square().mean(dim=1))
    torch.testing.assert_close(snr_db, torch.full((8,), 10.0), atol=0.1, rtol=0)


def test_a_band_takes_away_what_is_outside_it_and_little_within() -> None:
    samples = batch(n=64, spoken=48_000)
    filtered = anew(samples, band=1)
    gain_db = 20 * torch.log10(torch.fft.rfft(filtered).abs() / torch.fft.rfft(samples).abs())
    hertz = np.fft.rfftfreq(48_000, 1 / 16_000)
    within, above, below = (
        gain_db[:, torch.from_numpy(part)].median(dim=1).values
        for part in ((hertz > 1000) & (hertz < 1500), hertz > 7900, hertz < 20)
    )
    assert float(within.min()) > -3
    assert float(above.median()) < -12 and float(below.median()) < -20


def test_a_room_goes_on_after_the_voice() -> None:
    click = torch.zeros(4, 48_000)
    click[:, 1000] = 1.0
    heard = anew(click, room=1)
    torch.testing.assert_close(heard[:, 1000], torch.ones(4), atol=1e-4, rtol=0)
    assert float(heard[:, :1000].abs().max()) < 1e-4
    early, late = (heard[:, start : start + 800].square().sum(dim=1) for start in (1001, 6000))
    assert bool((early > 0).all()) and bool((late < early).all())


def test_one_without_the_other() -> None:
    for seed in range(6):  # in a batch of one, mostly neither or one of them
        assert bool(anew(batch(n=1), seed, room=0.5, band=0.5).isfinite().all())


def test_peaks_are_cut_off() -> None:
    clipped = anew(batch(), clipping=1)
    assert bool((clipped.abs().amax(dim=1) < batch().abs().amax(dim=1)).all())
    assert bool((clipped.abs() == clipped.abs().amax(dim=1, keepdim=True)).sum(dim=1).gt(1).any())
