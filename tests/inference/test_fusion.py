import numpy as np
import pytest

from emofuse.inference.fusion import fuse
from emofuse.types import Scores

LABELS = ("neutral", "happy", "sad")
WEIGHTS = {"face": 1.0, "voice": 1.0}


def scores(modality: str, p: list[float], quality: float = 1.0, start_s: float = 0.0, end_s: float = 1.0) -> Scores:
    return Scores(modality, LABELS, np.array(p, np.float32), start_s, end_s, quality)


def test_no_modality_gives_no_answer() -> None:
    assert fuse({}, WEIGHTS) is None


@pytest.mark.parametrize("modality", ["face", "voice"])
def test_one_modality_is_passed_on(modality: str) -> None:
    fused = fuse({modality: scores(modality, [0.2, 0.7, 0.1], 0.3)}, WEIGHTS)
    assert fused is not None
    np.testing.assert_allclose(fused.probabilities, [0.2, 0.7, 0.1], atol=1e-6)
    assert fused.quality == pytest.approx(0.3)
    assert fused.modality == "fused"


def test_two_are_pooled_by_weight_and_quality() -> None:
    face, voice = scores("face", [1.0, 0.0, 0.0], 0.5), scores("voice", [0.0, 1.0, 0.0], 1.0, 0.5, 3.0)
    fused = fuse({"voice": voice, "face": face}, {"face": 2.0, "voice": 3.0})
    assert fused is not None
    np.testing.assert_allclose(fused.probabilities, [0.25, 0.75, 0.0], atol=1e-6)
    assert (fused.start_s, fused.end_s) == (0.0, 3.0)
    assert fused.quality == pytest.approx((2 * 0.5 + 3 * 1.0) / 5)


def test_a_worthless_input_hardly_counts_but_alone_it_still_answers() -> None:
    face, voice = scores("face", [1.0, 0.0, 0.0], 0.0), scores("voice", [0.0, 1.0, 0.0], 1.0)
    both = fuse({"face": face, "voice": voice}, WEIGHTS)
    assert both is not None and both.probabilities[1] > 0.99
    alone = fuse({"face": face}, WEIGHTS)
    assert alone is not None and alone.label == "neutral"
