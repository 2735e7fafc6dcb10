"""What a face network is given of a picture, and what is measured beside it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from emofuse.card import InputSpec
from emofuse.inference.bundle import BUNDLES, load_bundle
from emofuse.inference.modalities.face import FacePredictor
from emofuse.inference.network import read_card
from emofuse.preprocessing.face import FaceCrops
from emofuse.preprocessing.measures import measure_face
from emofuse.types import Face
from make_networks import RecordingNetwork

BASE = load_bundle("base")
CARD = read_card(BUNDLES / "base" / "face.onnx")


@pytest.mark.parametrize("size_px", [48, 96, 112])
def test_a_network_is_given_faces_as_large_as_its_card_says(size_px: int) -> None:
    card = CARD.model_copy(update={"input": InputSpec(kind="face", size_px=size_px)})
    network = RecordingNetwork(card, np.zeros((1, 8), np.float32))
    predictor = FacePredictor(replace(BASE, networks={**BASE.networks, "face": network}))
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), 5), np.uint8)
    points = np.array([[120, 120], [180, 124], [150, 155], [125, 185], [172, 188]], np.float32)
    face, crops = Face(np.array([90, 60, 210, 230], np.float32), 0.9, points), FaceCrops(image)
    [scores] = predictor.score(crops, [face], 1.0)
    [(batch,)] = network.calls
    np.testing.assert_array_equal(batch, crops.of(face, size_px)[None, None].astype(np.float32))
    measured = measure_face(crops.of(face), face)  # of the small crop, whatever the network takes
    assert {name: scores.measures[name] for name in measured} == measured


def test_a_face_network_says_how_large_its_faces_are() -> None:
    with pytest.raises(ValidationError, match="must give its size_px"):
        InputSpec(kind="face")
