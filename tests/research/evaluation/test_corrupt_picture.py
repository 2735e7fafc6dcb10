"""Pictures are corrupted as the condition tells, where the face is."""

from __future__ import annotations

import numpy as np
import pytest

from emofuse.preprocessing.face import LANDMARKS, crop_face
from emofuse.research.evaluation.protocols.conditions import CONDITIONS
from emofuse.research.evaluation.protocols.corrupt_picture import (
    Picture,
    blur,
    compress,
    darken,
    put_hand_before,
    put_on_mask,
    put_on_sunglasses,
    reduce_to,
    rotate,
)
from emofuse.types import Face

# a face as it is framed, twice as large, 30 pixels right and 20 down
FACE = Face(np.array([39, 17, 117, 121], np.float32), 0.9, (2 * LANDMARKS + [30, 20]).astype(np.float32))
RANDOM = np.random.default_rng(1)
PICTURE: Picture = (60 + 100 * RANDOM.random((160, 200, 3))).astype(np.uint8)


def changed(after: Picture) -> np.ndarray:
    """Return how much of each part of the framed face has changed: brow, eyes, nose, mouth."""
    both = [crop_face(image, FACE).astype(float) for image in (PICTURE, after)]
    differs = np.abs(both[0] - both[1]) > 12
    return np.array([differs[a:b, 8:40].mean() for a, b in ((2, 10), (15, 22), (24, 30), (33, 42))])


def test_a_mask_covers_nose_and_mouth_and_leaves_the_eyes() -> None:
    brow, eyes, nose, mouth = changed(put_on_mask(PICTURE, [FACE]))
    assert brow == 0 and eyes < 0.1
    assert nose > 0.8 and mouth > 0.8


def test_sunglasses_cover_the_eyes_alone() -> None:
    brow, eyes, _, mouth = changed(put_on_sunglasses(PICTURE, [FACE]))
    assert brow == 0 and mouth == 0
    assert eyes > 0.7


def test_a_hand_is_before_the_mouth() -> None:
    brow, _, _, mouth = changed(put_hand_before(PICTURE, [FACE]))
    assert brow == 0
    assert mouth > 0.3


def test_what_is_worn_follows_a_tilted_face() -> None:
    tilted = rotate(30)(PICTURE, [FACE])
    middle = FACE.box_xyxy[:2] / 2 + FACE.box_xyxy[2:] / 2
    turn = np.deg2rad(30)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    assert FACE.landmarks is not None
    points = ((FACE.landmarks - middle) @ matrix.T + middle).astype(np.float32)
    masked = put_on_mask(tilted, [Face(FACE.box_xyxy, 0.9, points)])
    mouth, eyes = points[3:].mean(axis=0).astype(int), points[:2].mean(axis=0).astype(int)
    assert tuple(masked[mouth[1], mouth[0]]) == (150, 185, 200)
    assert tuple(masked[eyes[1], eyes[0]]) == tuple(tilted[eyes[1], eyes[0]])


def test_nobody_wears_anything_where_there_is_no_face() -> None:
    for wear in (put_on_mask, put_on_sunglasses, put_hand_before):
        np.testing.assert_array_equal(wear(PICTURE, []), PICTURE)


def test_blur_and_distance_go_by_the_size_of_the_face() -> None:
    noisy = PICTURE.astype(float).std()
    assert blur(0.07)(PICTURE, [FACE]).astype(float).std() < blur(0.01)(PICTURE, [FACE]).astype(float).std() < noisy
    assert reduce_to(20)(PICTURE, [FACE]).astype(float).std() < reduce_to(60)(PICTURE, [FACE]).astype(float).std()
    np.testing.assert_array_equal(reduce_to(96)(PICTURE, [FACE]), PICTURE)  # it is as small already


def test_darkness_takes_light_away() -> None:
    dark = darken(0.2)(PICTURE, [])
    assert dark.mean() == pytest.approx(PICTURE.mean() * 0.2 ** (1 / 2.2), rel=0.03)
    np.testing.assert_array_equal(darken(0.2)(PICTURE, []), dark)


def test_a_lower_quality_is_further_from_the_picture() -> None:
    far, near = (np.abs(compress(q)(PICTURE, []).astype(float) - PICTURE).mean() for q in (5, 90))
    assert far > near > 0


def test_every_condition_keeps_the_size() -> None:
    for one in CONDITIONS:
        if one.picture is not None:
            after = one.picture(PICTURE, [FACE] if one.needs_faces else [])
            assert after.shape == PICTURE.shape and after.dtype == np.uint8, one.name
            assert not np.array_equal(after, PICTURE), one.name
