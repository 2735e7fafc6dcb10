"""The currency checks its shapes when it is made."""

import numpy as np
import pytest

from emofuse.errors import UsageError
from emofuse.types import AudioBlock, Face, Frame, Line, Scores, Word

LABELS = ("neutral", "happy", "sad")


def scores(*values: float, **changes: float) -> Scores:
    arguments = {"start_s": 0.0, "end_s": 1.0} | changes
    return Scores("face", LABELS, np.array(values, dtype=np.float32), **arguments)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.float32),
    ],
)
def test_frame_refuses_what_is_not_rgb_bytes(image):
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        Frame(image, 0.0)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "message"),
    [
        (np.zeros((2, 900), dtype=np.float32), 16000, r"\(T,\) or \(T, channels\) float32, not \(2, 900\)"),
        (np.zeros((4, 2, 1), dtype=np.float32), 16000, r"not \(4, 2, 1\)"),
        (np.zeros(8, dtype=np.int16), 16000, r"not \(8,\) int16"),
        ([0.0, 0.5], 16000, "not a list"),
        (np.zeros(8, dtype=np.float32), 0, "from 1000 to 768000, not 0"),
        (np.zeros(8, dtype=np.float32), 44_100.5, "whole number"),
        (np.zeros(8, dtype=np.float32), "48000", "whole number"),
    ],
)
def test_audio_block_refuses_other_shapes_and_rates(samples, rate_hz, message):
    with pytest.raises(ValueError, match=message) as caught:
        AudioBlock(samples, rate_hz, 0.0)
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), None, "0"])
def test_a_packet_has_a_finite_time(time_s):
    with pytest.raises(UsageError, match="finite number of seconds"):
        AudioBlock(np.zeros(8, np.float32), 16000, time_s)
    with pytest.raises(UsageError, match="finite number of seconds"):
        Frame(np.zeros((2, 2, 3), np.uint8), time_s)


def test_audio_block_ends_after_its_last_sample():
    assert AudioBlock(np.zeros(800, dtype=np.float32), 16000, 2.0).end_s == pytest.approx(2.05)


@pytest.mark.parametrize(
    ("values", "changes", "message"),
    [
        ((0.5, 0.5), {}, r"must be \(3,\)"),
        ((0.5, 0.5, 0.5), {}, "sum to 1"),
        ((1.5, -0.5, 0.0), {}, "non-negative"),
        ((float("nan"), 0.5, 0.5), {}, "finite"),
        ((1.0, 0.0, 0.0), {"quality": 1.5}, "quality"),
        ((1.0, 0.0, 0.0), {"end_s": -1.0}, "before they start"),
    ],
)
def test_scores_refuse_what_is_not_a_distribution(values, changes, message):
    with pytest.raises(ValueError, match=message):
        scores(*values, **changes)


def test_scores_name_their_winner():
    found = scores(0.2, 0.7, 0.1)
    assert found.label == "happy"
    assert found.confidence == pytest.approx(0.7)
    assert found.as_dict() == {"neutral": 0.2, "happy": 0.7, "sad": 0.1}


def test_face_checks_its_box_and_landmarks():
    with pytest.raises(ValueError, match=r"\(4,\)"):
        Face(np.zeros(3, dtype=np.float32), 0.9)
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        Face(np.zeros(4, dtype=np.float32), 0.9, np.zeros((2, 5), dtype=np.float32))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_face_refuses_what_is_not_a_number(value):
    with pytest.raises(ValueError, match="box_xyxy must be finite"):
        Face(np.array([0, 0, value, 1], dtype=np.float32), 0.9)
    with pytest.raises(ValueError, match="score must be finite"):
        Face(np.zeros(4, dtype=np.float32), value)


@pytest.mark.parametrize(("box", "size_px"), [((0, 0, 40, 10), 20.0), ((10, 0, 5, 10), 0.0)])
def test_face_size_is_the_geometric_mean_of_its_sides(box, size_px):
    assert Face(np.array(box, dtype=np.float32), 0.9).size_px == pytest.approx(size_px)


@pytest.mark.parametrize("kind", [Word, Line])
@pytest.mark.parametrize(("start_s", "end_s"), [(1.0, 0.5), (0.0, float("nan")), (0.0, float("inf"))])
def test_words_and_lines_refuse_times_that_go_back_or_are_none(kind: type, start_s: float, end_s: float) -> None:
    assert kind("hi", 0.5, 0.5).end_s == 0.5
    with pytest.raises(ValueError, match=kind.__name__):
        kind("hi", start_s, end_s)


@pytest.mark.parametrize("kind", [Line, Word])
@pytest.mark.parametrize(
    ("text", "start_s", "end_s"), [(3, 0.0, 1.0), ("a", None, 1.0), ("a", 0.0, "1"), ("a", 1.0, 0.5)]
)
def test_what_was_said_is_a_text_with_times(kind, text, start_s, end_s):
    with pytest.raises(UsageError) as caught:
        kind(text, start_s, end_s)
    assert isinstance(caught.value, ValueError)
