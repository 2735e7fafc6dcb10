"""What is measured of an input: each number follows what it is called after."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from emofuse.cli.demo import CLIP
from emofuse.inference.detector import YuNetDetector
from emofuse.preprocessing.face import crop_face
from emofuse.preprocessing.measures import measure_face, measure_text, measure_voice
from emofuse.research.evaluation.protocols.corrupt_picture import put_hand_before, put_on_mask, put_on_sunglasses
from emofuse.types import Face
from make_media import first_picture

RATE_HZ = 16_000


def face(size_px: float = 64, roll_deg: float = 0, turn: float = 0) -> Face:
    angle = np.radians(roll_deg)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array([[-10, 0], [10, 0], [20 * turn, 8], [-8, 18], [8, 18]]) @ turned.T + 32
    return Face(np.array([0, 0, size_px, size_px], np.float32), 0.9, points.astype(np.float32))


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)


def test_a_faces_size_and_pose() -> None:
    found = measure_face(picture(), face(32, roll_deg=30, turn=0.2))
    assert found["size_octaves"] == 5 and found["detection"] == 0.9
    assert found["roll_deg"] == pytest.approx(30, abs=0.1) and found["turn"] == pytest.approx(0.2, abs=1e-3)
    assert measure_face(picture(), face(roll_deg=180))["roll_deg"] == pytest.approx(180, abs=0.1)


def test_blur_and_darkness() -> None:
    sharp = picture()
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2)
    assert measure_face(blurred, face())["sharpness"] < measure_face(sharp, face())["sharpness"] - 2
    dark = measure_face((sharp // 8).astype(np.uint8), face())
    assert dark["light"] < 20 and dark["contrast"] < 15


@pytest.fixture(scope="module")
def seen() -> tuple[np.ndarray, Face]:
    """Return the first picture of the demo, and the face in it."""
    image = first_picture(CLIP)
    (found,) = YuNetDetector().detect(image)
    return image, found


@pytest.mark.parametrize("light", [1.0, 0.15])
def test_what_covers_mouth_or_eyes(seen: tuple[np.ndarray, Face], light: float) -> None:
    image, found = seen

    def measured(picture: np.ndarray) -> dict[str, float]:
        return measure_face(crop_face((picture * light).astype(np.uint8), found), found)

    open_face = measured(image)
    assert min(open_face["mouth_octaves"], open_face["eyes_octaves"]) > -0.5
    for cover, measure, other in (
        (put_on_mask, "mouth_octaves", "eyes_octaves"),
        (put_hand_before, "mouth_octaves", "eyes_octaves"),
        (put_on_sunglasses, "eyes_octaves", "mouth_octaves"),
    ):
        covered = measured(cover(image, [found]))
        assert covered[measure] < open_face[measure] - 0.7 and covered[measure] < -0.9
        assert covered[other] > -1.3
    even = measure_face(np.full((48, 48), 90, np.uint8), found)
    assert even["mouth_octaves"] == even["eyes_octaves"] == 0  # nothing is seen of anything


def voice(noise: float) -> np.ndarray:
    """Syllables of a tone of 200 Hz with harmonics, and noise all over."""
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * 200 * k * t) / k for k in range(1, 30)) * (np.sin(2 * np.pi * 2 * t) > 0)
    return (0.1 * tone + noise * np.random.default_rng(0).normal(size=len(t))).astype(np.float32)


def test_noise_overdrive_and_band() -> None:
    clean, noisy = measure_voice(voice(1e-4), 1.0), measure_voice(voice(0.1), 1.0)
    assert clean["snr_db"] > noisy["snr_db"] + 20
    assert noisy["flatness_db"] > clean["flatness_db"]
    overdriven = np.clip(voice(1e-4), -0.02, 0.02)
    assert measure_voice(overdriven, 1.0)["clipped"] > 10 * clean["clipped"] + 0.1
    spectrum = np.fft.rfft(voice(1e-3))
    spectrum[np.fft.rfftfreq(2 * RATE_HZ, 1 / RATE_HZ) > 3_400] = 0
    telephone = np.fft.irfft(spectrum).astype(np.float32)
    assert measure_voice(telephone, 1.0)["high_band_db"] < measure_voice(voice(1e-3), 1.0)["high_band_db"] - 10


@pytest.mark.parametrize("n", [0, 1, 100])
def test_hardly_any_sound_is_measured_too(n: int) -> None:
    assert all(np.isfinite(value) for value in measure_voice(np.zeros(n, np.float32), 0.0).values())


def test_words() -> None:
    found = measure_text("I am so happy that you came to see me!", 0.9)
    assert found["word_octaves"] == pytest.approx(np.log2(10)) and found["known"] == 0.9
    assert found["known_octaves"] == pytest.approx(np.log2(1 + 9))
    assert found["english"] > measure_text("Xylophon Quarzkristall", 0.5)["english"] == 0
