"""Films that are made of portraits: they go from one picture to the other and back, and a manifest names them."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from emofuse.emotions import FERPLUS
from emofuse.research.corpora.readers.portraits import Portraits
from emofuse.research.corpora.registry import PORTRAITS

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import make_portrait_films as module

NEUTRAL, HAPPY, SAD = (FERPLUS.index(name) for name in ("neutral", "happiness", "sadness"))


def _textured(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (140, 140, 3)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_a_film_goes_from_one_picture_to_the_other_and_back() -> None:
    calm, expressive = np.full((140, 140, 3), 60, np.uint8), np.full((140, 140, 3), 180, np.uint8)
    pictures = module.film(calm, expressive, 1.0, np.random.default_rng(0))
    levels = [float(picture.mean()) for picture in pictures]
    assert [picture.shape for picture in pictures] == [(192, 192, 3)] * 12
    assert levels[0] == pytest.approx(60, rel=0.15) and levels[-1] == pytest.approx(60, rel=0.15)
    assert max(levels) == pytest.approx(180, rel=0.15)
    assert levels.index(max(levels)) in (6, 7)


def test_a_place_that_moved_is_followed_and_not_blended_away() -> None:
    first = _textured(0)
    second, between = np.roll(first, 6, axis=1), np.roll(first, 3, axis=1)
    flow = module.flow_between(second, first)  # by how much what is in the second has moved in the first
    middle = (slice(30, 110), slice(30, 110))
    assert float(np.median(flow[middle][..., 0])) == pytest.approx(-6, abs=0.5)
    blended = 0.5 * first + 0.5 * second
    moved = module.moved(first, flow, 0.5)
    assert _difference(moved[middle], between[middle]) < 0.5 * _difference(blended[middle], between[middle])


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float32) - other).mean())


def test_people_without_a_neutral_picture_are_not_filmed(tmp_path: Path) -> None:
    rows = [("a", NEUTRAL), ("a", HAPPY), ("b", SAD)]
    truth = np.array([label for _, label in rows], dtype=np.int64)
    people = tuple(person for person, _ in rows)
    images = np.stack([_textured(seed) for seed in range(3)])
    faces = Portraits(images, np.eye(8, dtype=np.float32)[truth], truth, people, people)
    clips = module.write_films(faces, tmp_path, "cfee")
    assert sorted((clip.speaker, clip.emotion) for clip in clips) == [("cfee-a", "happiness"), ("cfee-a", "neutral")]
    assert all(clip.path.stat().st_size > 1000 and clip.licence == PORTRAITS["cfee"].licence for clip in clips)
