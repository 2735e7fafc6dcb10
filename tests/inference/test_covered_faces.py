"""Faces whose mouth or eyes are covered: the answer is less sure, and says why."""

from __future__ import annotations

import numpy as np
import pytest

import emofuse
from emofuse.cli.demo import CLIP
from emofuse.inference.detector import YuNetDetector
from emofuse.research.evaluation.protocols.corrupt_picture import (
    PictureChange,
    put_hand_before,
    put_on_mask,
    put_on_sunglasses,
)
from emofuse.types import Certainty
from make_media import first_picture


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return first_picture(CLIP)


def certainty(picture: np.ndarray, bundle: str) -> Certainty:
    face = emofuse.analyze(picture, bundle=bundle).summary.by_modality["face"]
    assert face is not None and face.certainty is not None
    return face.certainty


def covered_by(cover: PictureChange, picture: np.ndarray) -> np.ndarray:
    return cover(picture, YuNetDetector().detect(picture))


@pytest.mark.parametrize("bundle", ["base", "large", "languages"])
@pytest.mark.parametrize(("cover", "reason"), [(put_on_mask, "covered mouth"), (put_on_sunglasses, "covered eyes")])
def test_a_covered_face_says_so(picture: np.ndarray, cover: PictureChange, reason: str, bundle: str) -> None:
    assert reason in certainty(covered_by(cover, picture), bundle).lowered_by
    assert not {"covered mouth", "covered eyes"} & {*certainty(picture, bundle).lowered_by}


@pytest.mark.parametrize(("bundle", "most"), [("base", 0.5), ("large", 0.6)])
@pytest.mark.parametrize("cover", [put_on_mask, put_hand_before])
def test_nothing_is_clear_or_likely_where_the_mouth_is_covered(
    picture: np.ndarray, cover: PictureChange, bundle: str, most: float
) -> None:
    covered = certainty(covered_by(cover, picture), bundle)
    assert covered.word == "unsure" and covered.p_right < min(most, certainty(picture, bundle).p_right)
