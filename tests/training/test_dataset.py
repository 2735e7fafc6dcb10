"""Batches: where windows lie, what is padded, and how labels become distributions."""

from __future__ import annotations

import numpy as np
import torch

from emofuse.training.dataset import FaceBatches, VoiceBatches, loader, one_hot


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


def test_in_training_a_window_starts_anywhere_and_the_seed_decides_where() -> None:
    def starts(seed: int) -> list[int]:
        data = VoiceBatches([ramp(410)], targets(1), window=400, seed=seed)
        return [int(places(data[0][0])[0]) for _ in range(200)]

    assert set(starts(0)) == set(range(1, 12))  # both ends too
    assert starts(0) == starts(0)
    assert starts(0) != starts(1)


def test_a_loader_hands_out_whole_batches_and_drops_the_rest_only_in_training() -> None:
    images = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    data = FaceBatches(images, targets(10))
    ordered = [x[:, 0, 0, 0].tolist() for x, _ in loader(data, 4, shuffle=False)]
    assert ordered == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    torch.manual_seed(0)
    batches = [x[:, 0, 0, 0].tolist() for x, _ in loader(data, 4, shuffle=True)]
    assert [len(batch) for batch in batches] == [4, 4]
    seen = [value for batch in batches for value in batch]
    assert len(set(seen)) == 8
    assert seen != sorted(seen)


def test_targets_stay_with_their_faces_through_a_loader() -> None:
    images = np.arange(9, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    for x, y in loader(FaceBatches(images, targets(9)), 3, shuffle=True):
        assert y.argmax(1).tolist() == [int(value) % 3 for value in x[:, 0, 0, 0]]
