"""Cuts are found where a film has them: at any size, not in a restless film, and no track goes on across one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import load_bundle
from emofuse.inference.cuts import CutDetector
from emofuse.types import Face, Frame

Image = NDArray[np.uint8]


def shot(seed: int, n: int, shake_px: float = 0.0, size: tuple[int, int] = (90, 160)) -> list[Image]:
    """Pan slowly over a picture of coloured patches, with noise and a shaking hand."""
    rng = np.random.default_rng(seed)
    height, width = size
    patches = rng.uniform(20, 235, (6, 8, 3))
    wall = np.kron(patches, np.ones((height // 4, width // 5, 1)))
    images = []
    for i in range(n):
        x = round(width / 8 + i * width / 400 + rng.normal(0, shake_px))
        y = round(height / 8 + rng.normal(0, shake_px))
        part = wall[max(y, 0) :, max(x, 0) :][:height, :width]
        images.append(np.clip(part + rng.normal(0, 4, part.shape), 0, 255).astype(np.uint8))
    return images


def found(images: list[Image], rate_hz: float = 25.0) -> list[int]:
    cuts = CutDetector()
    return [i for i, image in enumerate(images) if cuts.push(image, i / rate_hz)]


@pytest.mark.parametrize("size", [(90, 160), (360, 640), (640, 360)])
@pytest.mark.parametrize("rate_hz", [5.0, 25.0])
def test_every_cut_of_a_film_is_found_and_nothing_else(size, rate_hz):
    film = [image for seed, n in enumerate((20, 5, 12, 30)) for image in shot(seed, n, size=size)]
    assert found(film, rate_hz) == [0, 20, 25, 37]


def test_a_shaking_camera_cuts_nothing():
    assert found(shot(3, 50, shake_px=2.0)) == [0]


def test_a_change_of_size_alone_is_no_cut():
    large = shot(1, 1, size=(360, 640))[0]
    assert found([large, np.ascontiguousarray(large[::2, ::2]), large]) == [0]


def test_hue_goes_round():
    red, pinkish = (np.full((90, 160, 3), colour, np.uint8) for colour in ((200, 20, 24), (200, 24, 20)))
    assert found([red, pinkish, red]) == [0]


class _OneFace:
    """Finds a face in the same place of every picture."""

    def detect(self, image: Image) -> list[Face]:
        return [Face(np.array([40, 20, 90, 80], np.float32), 0.95)]


def test_no_track_goes_on_across_a_cut():
    analyzer = Analyzer(load_bundle("base"), detector=_OneFace())
    same_face = shot(7, 1)[0][20:80, 40:90]
    ids = []
    for i, image in enumerate([*shot(0, 6), *shot(1, 6)]):
        image[20:80, 40:90] = same_face
        image[10:110, 30:100] = same_face.mean()  # and what is around it, so that looks alone would join them
        analyzer.push(Frame(image, i / 25))
        ids.append([face.track_id for face in analyzer.view(i / 25).faces])
    assert ids == [[1]] * 6 + [[2]] * 6
