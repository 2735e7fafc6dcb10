"""Batches: where windows lie, what is padded, how labels become distributions, and what a seed decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from emofuse.research.tasks import batches as dataset
from emofuse.research.tasks.batches import (
    Batch,
    EpochSampler,
    FaceBatches,
    VoiceBatches,
    one_hot,
    speech_part,
    test_loader,
    train_loader,
)

test_loader.__test__ = False  # a function of that name, not a test


def ramp(n_samples: int) -> np.ndarray:
    """Make a clip whose samples say where they are."""
    return np.arange(1, n_samples + 1, dtype=np.int16)


def targets(n: int, n_classes: int = 3) -> np.ndarray:
    return one_hot(np.arange(n) % n_classes, n_classes)


def places(windows: torch.Tensor) -> np.ndarray:
    return np.round(windows.numpy() * 32768).astype(int)


def test_one_hot() -> None:
    rows = one_hot(np.array([2, 0]), 3)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot(np.zeros(0, np.int64), 3).shape == (0, 3)


def test_faces_come_as_pixels_in_the_order_asked_for() -> None:
    images = np.stack([np.full((48, 48), 100 * i, np.uint8) for i in range(3)])
    data = FaceBatches(images, targets(3))
    x, y = data.__getitems__([2, 0])
    assert x.shape == (2, 1, 48, 48)
    assert x.dtype == torch.float32
    assert x[:, 0, 0, 0].tolist() == [200.0, 0.0]
    assert y.tolist() == [[0, 0, 1], [1, 0, 0]]
    one, target = data[1]
    assert one.shape == (1, 48, 48)
    assert (one[0, 0, 0].item(), target.tolist()) == (100.0, [0, 1, 0])
    assert len(data) == 3


def test_in_evaluation_windows_are_spread_from_the_first_sample_to_the_last() -> None:
    data = VoiceBatches([ramp(1000)], targets(1), window=400, n_windows=3)
    x, y = data.__getitems__([0])
    assert x.shape == (1, 3, 400)
    assert y.tolist() == [[1, 0, 0]]
    assert places(x)[0, :, 0].tolist() == [1, 301, 601]
    assert places(x)[0, 2, -1] == 1000
    assert (np.diff(places(x)[0]) == 1).all()


def test_a_short_clip_is_padded_at_its_end() -> None:
    for n_windows in (0, 2):
        data = VoiceBatches([ramp(300)], targets(1), window=400, n_windows=n_windows)
        window = places(data[0][0]).reshape(-1, 400)
        assert len(window) == max(1, n_windows)
        assert (window[:, :300] == ramp(300)).all()
        assert (window[:, 300:] == 0).all()


def test_a_clip_as_long_as_the_window_is_all_of_it() -> None:
    assert (places(VoiceBatches([ramp(400)], targets(1), window=400)[0][0]) == ramp(400)).all()


def test_samples_are_scaled_to_one() -> None:
    clip = np.array([-32768, 16384, 0, 32767], np.int16)
    samples, _ = VoiceBatches([clip], targets(1), window=4)[0]
    assert samples.dtype == torch.float32
    assert samples.tolist() == [-1.0, 0.5, 0.0, 32767 / 32768]


def test_in_training_a_window_starts_anywhere_and_seed_and_epoch_decide_where() -> None:
    data = VoiceBatches([ramp(410)], targets(1), window=400)

    def starts(seed: int, epoch: int) -> list[int]:
        data.reseed(seed, epoch)
        return [int(places(data[0][0])[0]) for _ in range(200)]

    assert set(starts(0, 0)) == set(range(1, 12))  # both ends too
    assert starts(5, 2) == starts(5, 2)
    assert len({tuple(starts(seed, epoch)) for seed in (0, 1, 2) for epoch in (0, 1, 2)}) == 9


def test_in_evaluation_no_seed_decides_anything() -> None:
    data = VoiceBatches([ramp(1000)], targets(1), window=400, n_windows=2)
    before = data[0][0]
    data.reseed(1, 1)
    assert torch.equal(data[0][0], before)


def faces(n: int) -> FaceBatches:
    """Make faces whose grey says which they are."""
    return FaceBatches(np.arange(n, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8), targets(n))


def numbers(loader: DataLoader[Batch]) -> list[list[int]]:
    return [x[:, 0, 0, 0].int().tolist() for x, _ in loader]


def test_a_sampler_gives_every_index_once_and_a_new_order_each_epoch() -> None:
    sampler = EpochSampler(faces(20), seed=4)
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
        assert list(sampler) == orders[-1]  # asked again it is the same
    assert len(sampler) == 20
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[0] != orders[1] != orders[2] != orders[0]
    resumed, other = EpochSampler(faces(20), seed=4), EpochSampler(faces(20), seed=5)
    resumed.set_epoch(2)
    other.set_epoch(2)
    assert list(resumed) == orders[2]  # without the epochs before
    assert list(other) != orders[2]


@pytest.mark.parametrize(("n", "n_processes"), [(20, 2), (21, 2), (23, 4), (3, 4)])
def test_processes_that_train_together_share_an_epoch(
    monkeypatch: pytest.MonkeyPatch, n: int, n_processes: int
) -> None:
    alone = EpochSampler(faces(n), seed=4)
    alone.set_epoch(1)
    whole = list(alone)
    shares = []
    for rank in range(n_processes):
        monkeypatch.setattr(dataset, "_processes", lambda rank=rank: (rank, n_processes))
        sampler = EpochSampler(faces(n), seed=4)
        sampler.set_epoch(1)
        shares.append(list(sampler))
        assert len(sampler) == len(shares[-1]) == n // n_processes  # all alike, or some would wait for others for ever
    seen = [index for share in shares for index in share]
    assert len(set(seen)) == len(seen)  # nobody's clip is another's
    assert set(seen) == set(whole[: n - n % n_processes])  # but for the last few of an order that is new every epoch
    assert [index for step in zip(*shares, strict=True) for index in step] == whole[: n - n % n_processes]


def test_processes_that_train_together_draw_windows_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def windows(rank: int, n_processes: int) -> torch.Tensor:
        monkeypatch.setattr(dataset, "_processes", lambda: (rank, n_processes))
        return torch.cat(
            [x for x, _ in train_loader(VoiceBatches([ramp(9000)] * 6, targets(6), window=400), 3, seed=1)]
        )

    alone, first, second = windows(0, 1), windows(0, 2), windows(1, 2)
    assert torch.equal(first, alone[:3]) and len(first) == len(second) == 3
    assert not torch.equal(first, second)
    assert torch.equal(windows(1, 2), second)


def test_without_others_a_process_is_the_only_one() -> None:
    assert dataset._processes() == (0, 1)


def test_an_epoch_begins_its_windows_anew() -> None:
    def windows(epochs: list[int]) -> torch.Tensor:
        loader = train_loader(VoiceBatches([ramp(900)] * 6, targets(6), window=400), 2, seed=1)
        assert isinstance(loader.sampler, EpochSampler)
        for epoch in epochs:
            loader.sampler.set_epoch(epoch)
            drawn = torch.cat([x for x, _ in loader])
        return drawn

    assert torch.equal(windows([0, 1, 2]), windows([2]))
    assert not torch.equal(windows([1]), windows([2]))


def test_a_loader_for_training_hands_out_whole_batches_and_drops_the_rest() -> None:
    batches = numbers(train_loader(faces(10), 4, seed=0))
    assert [len(batch) for batch in batches] == [4, 4]
    seen = [value for batch in batches for value in batch]
    assert len(set(seen)) == 8
    assert seen != sorted(seen)


def test_a_loader_for_testing_goes_through_everything_in_order() -> None:
    assert numbers(test_loader(faces(10), 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_loaders_leave_the_random_numbers_of_dropout_alone() -> None:
    before = torch.random.get_rng_state()
    numbers(train_loader(faces(8), 4, seed=0))
    numbers(test_loader(faces(8), 4))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_targets_stay_with_their_faces_through_a_loader() -> None:
    for x, y in train_loader(faces(9), 3, seed=0):
        assert y.argmax(1).tolist() == [int(value) % 3 for value in x[:, 0, 0, 0]]


def spoken(before_s: float, after_s: float, quiet_db: float) -> np.ndarray:
    """Make half a second of a tone with something quieter before and after it, all at 16 kHz."""
    t = np.arange(round((before_s + 0.5 + after_s) * 16_000)) / 16_000
    level = np.where((t >= before_s) & (t < before_s + 0.5), 1.0, 10 ** (-quiet_db / 20))
    return np.round(20_000 * level * np.sin(2 * np.pi * 200 * t)).astype(np.int16)


def test_what_is_quieter_than_asked_for_is_cut_off_at_both_ends() -> None:
    clip = spoken(0.4, 0.3, quiet_db=50)
    part = speech_part(clip, 30)
    assert part.dtype == np.int16
    assert len(part) == pytest.approx(0.5 * 16_000, abs=1600)  # frames of 50 ms
    start = next(i for i in range(len(clip)) if np.array_equal(clip[i : i + len(part)], part))
    assert start == pytest.approx(0.4 * 16_000, abs=800)
    assert np.array_equal(speech_part(clip, 60), clip)
    assert speech_part(clip, 0) is clip  # off


def test_a_pause_within_speech_is_kept() -> None:
    clip = np.concatenate([spoken(0.3, 0.2, quiet_db=80), spoken(0.2, 0.3, quiet_db=80)])
    assert len(speech_part(clip, 30)) == pytest.approx((0.5 + 0.4 + 0.5) * 16_000, abs=1600)
