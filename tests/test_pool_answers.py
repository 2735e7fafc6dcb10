"""A mean of answers that were given tells how far it can be relied on, as they did."""

from __future__ import annotations

import numpy as np
import pytest

from emofuse.cli.demo import CLIP
from emofuse.inference.pipeline import analyze
from emofuse.timeline import Timeline, pool_answers
from emofuse.types import UNCERTAIN, Certainty, CertaintyWord, Scores

LABELS = ("sad", "happy")


def answer(p: float, word: CertaintyWord, abstains: bool = False) -> Scores:
    told, raw = np.array([1 - p, p], np.float32), np.array([0.05, 0.95], np.float32)
    return Scores("face", LABELS, told, 0, 1, certainty=Certainty(p, word, abstains), raw=raw)


def test_the_mean_is_as_certain_as_its_answers() -> None:
    mean = pool_answers([answer(0.9, "clear"), answer(0.7, "likely"), answer(0.6, "likely")], "face", [1, 1, 2])
    assert mean.confidence == pytest.approx(0.7) and mean.evidence[1] == pytest.approx(0.95)
    assert mean.certainty is not None and mean.certainty.p_right == pytest.approx(0.7)
    assert mean.certainty.word == "likely" and mean.answer == "happy"
    assert pool_answers([answer(0.6, "unsure", True)] * 2 + [answer(0.9, "clear")], "face", [1] * 3).answer == UNCERTAIN


def test_without_certainty_it_is_the_plain_mean() -> None:
    plain = Scores("face", LABELS, np.array([0.2, 0.8], np.float32), 0, 1)
    assert pool_answers([plain, answer(0.9, "clear")], "face", [1, 1]).certainty is None


def test_a_part_of_a_timeline_tells_as_the_whole_does() -> None:
    whole = analyze(CLIP, hop_s=0.5, end_s=3.0)
    part = Timeline.from_json(whole.to_json()).between(1, 2.5)
    fused = part.summary.fused
    assert fused is not None and fused.certainty is not None
    assert fused.confidence == pytest.approx(fused.certainty.p_right, abs=1e-3)
    inside = [m.fused.confidence for m in part.moments if m.fused is not None]
    assert min(inside) - 0.01 <= fused.confidence <= max(inside) + 0.01
