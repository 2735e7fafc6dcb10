"""What is measured of real faces: of the clip that ships, turned, mirrored and moved."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from emofuse.cli.demo import CLIP
from emofuse.errors import AssetError
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import load_bundle
from emofuse.inference.detector import YuNetDetector
from emofuse.inference.landmarker import FaceLandmarker
from emofuse.media import open_media
from emofuse.types import AudioBlock, Face, FaceMeasurement
from make_media import first_picture

pytest.importorskip("tflite")

# MediaPipe 1.2.3's own answer for the first picture of the clip that ships: some of its 478 points (x and y in pixels),
# and the angles of its facial transformation matrix.
THEIR_POINTS = {
    1: (279.2, 164.2),  # the tip of the nose
    33: (243.7, 125.2),
    133: (266.6, 128.8),
    362: (295.0, 130.4),
    263: (318.6, 129.0),
    61: (252.2, 173.7),
    291: (305.4, 175.4),
    152: (276.5, 221.7),  # the chin
    468: (253.8, 126.1),
    473: (307.1, 129.0),
}
THEIR_ANGLES = (0.3, -12.9, -3.5)


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    try:
        return FaceLandmarker()
    except AssetError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def first() -> tuple[np.ndarray, Face]:
    """Return the first picture of the clip, and the face in it."""
    image = first_picture(CLIP)
    return image, YuNetDetector().detect(image)[0]


@pytest.fixture(scope="module")
def measured(landmarker: FaceLandmarker, first: tuple[np.ndarray, Face]) -> FaceMeasurement:
    one = landmarker.measure(*first, 0.0)
    assert one is not None
    return one


def test_a_face_that_smiles_is_measured(measured: FaceMeasurement, first: tuple[np.ndarray, Face]) -> None:
    box = first[1].box_xyxy
    assert measured.points is not None and measured.points.shape == (478, 3)
    assert (np.median(measured.points[:, :2], axis=0) > box[:2]).all()
    assert (np.median(measured.points[:, :2], axis=0) < box[2:]).all()
    assert measured.presence > 0.99 and measured.smile > 0.5 and measured.blink < 0.3
    assert measured.blendshapes.min() >= 0 and measured.blendshapes.max() <= 1


def test_it_is_what_mediapipe_itself_answers(measured: FaceMeasurement) -> None:
    assert measured.points is not None
    between_eyes = float(np.linalg.norm(measured.points[33, :2] - measured.points[263, :2]))
    for number, place in THEIR_POINTS.items():
        assert np.linalg.norm(measured.points[number, :2] - place) < 0.03 * between_eyes
    head = measured.head
    assert (head.yaw_deg, head.pitch_deg, head.roll_deg) == pytest.approx(THEIR_ANGLES, abs=3.0)


def test_a_picture_that_is_turned_shows_a_head_that_leans(
    landmarker: FaceLandmarker, first: tuple[np.ndarray, Face], measured: FaceMeasurement
) -> None:
    image, face = first
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 1.0)  # against the clock
    assert face.landmarks is not None
    moved = replace(face, landmarks=(face.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32))
    one = landmarker.measure(cv2.warpAffine(image, turn, (width, height)), moved, 0.0)
    assert one is not None
    assert one.head.roll_deg - measured.head.roll_deg == pytest.approx(20, abs=2)
    assert one.smile == pytest.approx(measured.smile, abs=0.1)


def test_a_mirror_turns_left_into_right(
    landmarker: FaceLandmarker, first: tuple[np.ndarray, Face], measured: FaceMeasurement
) -> None:
    image = np.ascontiguousarray(first[0][:, ::-1])
    (one,) = [landmarker.measure(image, face, 0.0) for face in YuNetDetector().detect(image)[:1]]
    assert one is not None
    assert one.head.yaw_deg == pytest.approx(-measured.head.yaw_deg, abs=3)
    assert one.head.roll_deg == pytest.approx(-measured.head.roll_deg, abs=2)
    assert one.head.pitch_deg == pytest.approx(measured.head.pitch_deg, abs=4)


def test_what_is_no_face_is_not_measured(landmarker: FaceLandmarker, first: tuple[np.ndarray, Face]) -> None:
    image, face = first
    assert landmarker.measure(np.zeros_like(image), face, 0.0) is None
    assert landmarker.measure(image, replace(face, landmarks=None), 0.0) is None


def test_a_stream_measures_every_picture_and_keeps_the_latest(landmarker: FaceLandmarker) -> None:
    settings = AnalyzerSettings(measure_faces=True)
    analyzer = Analyzer(load_bundle("base"), settings=settings)
    times = []
    with open_media(CLIP) as media:
        for packet in media:
            if isinstance(packet, AudioBlock):
                continue
            if packet.time_s > 0.2:
                break
            analyzer.push(packet)
            times += [(one.time_s, one.track_id) for one in analyzer.face_measurements]
            assert all(one.points is None for one in analyzer.face_measurements)
    assert [time_s for time_s, _ in times] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2])
    assert {track_id for _, track_id in times} == {times[0][1]}
    assert "face measurements" in [model.role for model in analyzer.models()]
