"""Augmentation of clips: alike in every frame of one, each switch by itself, and nothing where all are off."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from emofuse.preprocessing.face_clip import BLACK, choose_frames
from emofuse.research.recipes.data import VideoDataSettings
from emofuse.research.tasks.clip_augment import (
    augment_frames,
    draw_frames,
    draw_offset,
    lose_frames,
    mirror,
    recolour,
)

OFF = {"flip": 0, "crop": 0, "colour": 0, "time_jitter": 0, "drop": 0}


def settings(**changes: object) -> VideoDataSettings:
    """Return settings with everything off but these."""
    return VideoDataSettings.model_validate({**OFF, **changes})


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def clips(n: int = 6, n_frames: int = 4) -> Tensor:
    """Make clips whose frames are all the same picture, another one for each clip."""
    pictures = torch.randint(20, 200, (n, 1, 8, 10, 3), generator=seeded(9), dtype=torch.uint8)
    return pictures.expand(n, n_frames, 8, 10, 3).clone()


def same_in_all_frames(frames: Tensor) -> bool:
    return bool((frames == frames[:, :1]).all())


def test_with_everything_off_nothing_changes() -> None:
    frames = clips()
    before = frames.clone()
    assert torch.equal(augment_frames(frames, settings(), seeded()), before)
    assert torch.equal(frames, before)
    random = np.random.default_rng(0)
    for sampling in ("first", "uniform"):
        still = settings(sampling=sampling, n_frames=16)
        assert draw_frames(40, still, random).tolist() == choose_frames(40, 16, sampling).tolist()
    assert {draw_offset(settings(), random) for _ in range(20)} == {(0, 0)}


@pytest.mark.parametrize("switch", [{"flip": 0.5}, {"colour": 0.5}, {"flip": 0.5, "colour": 0.5}])
def test_what_is_done_is_done_to_all_frames_of_a_clip(switch: dict[str, float]) -> None:
    frames = clips()
    changed = augment_frames(frames, settings(**switch), seeded(3))
    assert changed.shape == frames.shape
    assert changed.dtype == torch.uint8
    assert same_in_all_frames(changed)
    assert not torch.equal(changed, frames)
    assert torch.equal(changed, augment_frames(frames, settings(**switch), seeded(3)))
    assert not torch.equal(changed, augment_frames(frames, settings(**switch), seeded(4)))


def test_a_mirrored_clip_is_mirrored_left_to_right() -> None:
    frames = clips(400, 2)
    changed = mirror(frames, 0.25, seeded())
    is_mirrored = (changed == frames.flip(3)).flatten(1).all(1)
    is_kept = (changed == frames).flatten(1).all(1)
    assert bool((is_mirrored ^ is_kept).all())
    assert 70 <= int(is_mirrored.sum()) <= 130
    assert torch.equal(mirror(frames, 1.0, seeded()), frames.flip(3))


def test_colours_change_by_the_amount_and_no_more() -> None:
    grey = torch.full((300, 1, 2, 2, 3), 100, dtype=torch.uint8)  # neither saturation nor contrast shows
    brightness = recolour(grey, 0.2, seeded()).float().mean(dim=(1, 2, 3, 4)) / 100
    assert brightness.min() >= 0.795
    assert brightness.max() <= 1.205
    assert brightness.min() < 0.83
    assert brightness.max() > 1.17
    assert brightness.std() == pytest.approx(0.4 / 12**0.5, rel=0.1)


def test_saturation_and_contrast_change_each_by_its_own_draw() -> None:
    picture = torch.tensor([[150, 100, 100], [50, 100, 100], [80, 80, 80], [120, 120, 120]], dtype=torch.uint8)
    frames = picture.view(1, 1, 2, 2, 3).repeat(200, 1, 1, 1, 1)
    changed = recolour(frames, 0.3, seeded()).float().view(200, 4, 3)
    brightness = changed.mean(dim=(1, 2)) / frames.float().mean()
    contrast = (changed[:, 3] - changed[:, 2]).mean(dim=1) / 40 / brightness
    saturation = (changed[:, 0, 0] - changed[:, 0, 1]) / 50 / brightness / contrast
    for factor in (brightness, contrast, saturation):
        assert 0.62 <= factor.min() < 0.78
        assert 1.22 < factor.max() <= 1.38
    together = torch.corrcoef(torch.stack([brightness, contrast, saturation]))
    assert (together - torch.eye(3)).abs().max() < 0.25


def test_colours_stay_within_what_a_byte_holds() -> None:
    ends = torch.tensor([0, 255], dtype=torch.uint8).repeat_interleave(3).view(1, 1, 1, 2, 3).repeat(50, 1, 1, 1, 1)
    changed = recolour(ends, 0.9, seeded())
    assert changed[:, 0, 0, 1, 0].max() == 255
    assert bool((changed[:, :, :, 1] >= changed[:, :, :, 0]).all())  # nothing wrapped round


def test_black_frames_stay_black_and_count_for_nothing() -> None:
    frames = clips(4, 3)
    padded = torch.cat([frames, torch.zeros_like(frames)], dim=1)
    changed = recolour(padded, 0.5, seeded(1))
    assert bool((changed[:, 3:] == 0).all())
    assert torch.equal(changed[:, :3], recolour(frames, 0.5, seeded(1)))
    nothing = torch.zeros(2, 2, 4, 4, 3, dtype=torch.uint8)
    assert torch.equal(recolour(nothing, 0.5, seeded()), nothing)


def test_time_jitter_displaces_by_at_most_so_many_steps() -> None:
    random = np.random.default_rng(0)
    still = choose_frames(161, 16, "uniform")
    step = 161 / 16
    drawn = np.array([draw_frames(161, settings(time_jitter=0.4), random) for _ in range(200)])
    off = drawn - still
    assert np.abs(off).max() <= 0.4 * step + 1
    assert np.abs(off).max() > 0.35 * step
    assert (np.diff(drawn, axis=1) >= 0).all()
    assert len({tuple(row) for row in drawn}) == 200


def test_a_strided_clip_starts_anywhere_in_training() -> None:
    random = np.random.default_rng(0)
    strided = settings(sampling="strided", stride=2, n_frames=4)
    starts = {tuple(draw_frames(10, strided, random)) for _ in range(200)}
    assert starts == {(s, s + 2, s + 4, s + 6) for s in range(4)}


def test_a_lost_frame_is_the_one_before() -> None:
    random = np.random.default_rng(0)
    indices = np.arange(10, 20)
    n_lost = 0
    for _ in range(300):
        kept = lose_frames(indices, 0.3, random)
        assert kept[0] == 10
        lost = kept != indices
        assert (kept[1:][lost[1:]] == kept[:-1][lost[1:]]).all()
        n_lost += int(lost.sum())
    assert n_lost / (300 * 9) == pytest.approx(0.3, abs=0.03)
    assert lose_frames(indices, 1.0, random).tolist() == [10] * 10  # the first is never lost
    padded = np.array([0, 1, 2, BLACK, BLACK])
    assert lose_frames(padded, 1.0, random).tolist() == [0, 0, 0, BLACK, BLACK]


def test_offsets_cut_off_at_most_the_part_that_was_asked_for() -> None:
    random = np.random.default_rng(0)
    drawn = np.array([draw_offset(settings(crop=0.1, size_px=112), random) for _ in range(2000)])
    assert set(drawn[:, 0]) == set(drawn[:, 1]) == set(range(-11, 12))
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.1
