"""What is done to test clips: subsets, noise and loss, of the right modality and by the right amount."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from emofuse.research.evaluation.fusion.robustness import Condition, conditions, corrupt
from emofuse.research.evaluation.fusion.settings import RobustnessSettings

MODALITIES = ("acoustic", "lexical")
DEVIATIONS = {"acoustic": torch.tensor([1.0, 10.0]), "lexical": torch.tensor([2.0])}


def inputs(n: int = 2_000, steps: int = 1) -> tuple[Tensor, ...]:
    return torch.ones(n, steps, 2), torch.ones(n, steps), torch.full((n, steps, 1), 3.0), torch.ones(n, steps)


def changed(condition: Condition, steps: int = 1, by_step: bool = False) -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(1)
    return corrupt(inputs(steps=steps), MODALITIES, condition, DEVIATIONS, random, by_step)


def same(found: tuple[Tensor, ...], *places: int) -> bool:
    return all(torch.equal(found[i], inputs()[i]) for i in places)


def test_every_subset_but_none_and_all_is_tested() -> None:
    listed = conditions(RobustnessSettings(noise=(1.0,), loss=(0.5,)), ("a", "b", "c"))
    subsets = [c.modalities for c in listed if c.what == "only"]
    assert subsets == [("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]
    spoilt_ones = [(c.what, c.modalities, c.strength) for c in listed if c.what != "only"]
    assert spoilt_ones == [("noise", (m,), 1.0) for m in "abc"] + [("loss", (m,), 0.5) for m in "abc"]


def test_what_is_not_in_the_subset_is_masked() -> None:
    found = changed(Condition("only", ("lexical",)))
    assert not found[0].any() and not found[1].any()
    assert same(found, 2, 3)


def test_noise_is_in_the_deviations_of_the_training_part() -> None:
    found = changed(Condition("noise", ("acoustic",), 0.5))
    assert (found[0] - 1).std(dim=(0, 1)).tolist() == pytest.approx([0.5, 5.0], rel=0.06)
    assert found[0].mean(dim=(0, 1)).tolist() == pytest.approx([1.0, 1.0], abs=0.3)
    assert same(found, 1, 2, 3)


def test_a_share_of_the_utterances_loses_one_modality() -> None:
    found = changed(Condition("loss", ("lexical",), 0.25))
    lost = found[3][:, 0] == 0
    assert float(lost.float().mean()) == pytest.approx(0.25, abs=0.03)
    assert not found[2][lost].any() and (found[2][~lost] == 3).all()
    assert same(found, 0, 1)


@pytest.mark.parametrize("by_step", [False, True])
def test_frames_are_lost_together_and_the_turns_of_a_dialogue_each_alone(by_step: bool) -> None:
    mask = changed(Condition("loss", ("lexical",), 0.5), 4, by_step)[3]
    whole = (mask.sum(dim=1) % 4 == 0).float().mean()
    assert float(whole) == pytest.approx(2 / 16 if by_step else 1.0, abs=0.03)
