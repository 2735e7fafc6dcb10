"""Networks over features: any subset of modalities, steps that are not there, and what each fusion does with them."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import pytest
import torch
from tiny_networks import DIMS, LABELS, N_STEPS, OVER_FEATURES, RECIPES, inputs, make
from torch import Tensor, nn

from emofuse.errors import RecipeError
from emofuse.research.models.fusion.base import FeatureLayout, FeatureNet, drop_modalities_of_rows
from emofuse.research.models.fusion.frontend import FeatureFrontend
from emofuse.research.models.fusion.merge import drop_modalities
from emofuse.research.models.fusion.settings import EarlyFusionSettings, TemporalFusionSettings, UnimodalSettings
from emofuse.research.models.fusion.temporal import MaskedGru
from emofuse.research.models.fusion.unimodal import UnimodalNet
from emofuse.research.models.registry import build

NAMES = tuple(DIMS)
SUBSETS = [*chain.from_iterable(combinations(NAMES, n) for n in range(len(NAMES) + 1))]
IN_DIALOGUES = [name for name in OVER_FEATURES if name.startswith("dialogue")]
each_network = pytest.mark.parametrize("recipe", OVER_FEATURES, indirect=True)


def whole(n: int = 4, seed: int = 0, n_steps: int = N_STEPS) -> list[Tensor]:
    """Make n utterances with all modalities."""
    random = torch.Generator().manual_seed(seed)
    parts = [(3 * torch.randn(n, n_steps, d, generator=random), torch.ones(n, n_steps)) for d in DIMS.values()]
    return [*chain.from_iterable(parts)]


def answer(network: nn.Module, x: list[Tensor]) -> Tensor:
    with torch.no_grad():
        logits: Tensor = network.eval()(*x)
    return logits


@each_network
@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_an_absent_modality_changes_nothing_and_a_present_one_does(network: nn.Module, subset: tuple[str, ...]) -> None:
    assert isinstance(network, FeatureNet)
    modalities_used = (network.modality,) if isinstance(network, UnimodalNet) else NAMES
    x = whole()
    for i, name in enumerate(NAMES):
        x[2 * i + 1].fill_(name in subset)
    logits = answer(network, x)
    assert logits.shape == (4, len(LABELS)) and torch.isfinite(logits).all()
    assert bool(logits.any()) == bool(set(subset) & set(modalities_used))  # it abstains where there is nothing to go by
    for i, name in enumerate(NAMES):
        for other in (1e3, float("nan"), float("inf")):
            changed = [*x]
            changed[2 * i] = torch.where(torch.rand_like(x[2 * i]) > 0.5, other, -x[2 * i])
            if name not in subset or name not in modalities_used:
                assert torch.equal(answer(network, changed), logits)
            elif other == 1e3:
                assert not torch.allclose(answer(network, changed), logits, atol=1e-3)


@pytest.mark.parametrize("recipe", [name for name in OVER_FEATURES if name not in IN_DIALOGUES], indirect=True)
def test_padding_steps_change_nothing(network: nn.Module) -> None:
    x = whole()
    longer = [*x]
    for at, n_more in ((0, 4), (2, 1), (4, 2)):  # modalities need not be equally long
        padding = torch.full((4, n_more, x[at].shape[2]), 7.0)
        longer[at] = torch.cat([x[at], padding], dim=1)
        longer[at + 1] = torch.cat([x[at + 1], torch.zeros(4, n_more)], dim=1)
    torch.testing.assert_close(answer(network, longer), answer(network, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("recipe", IN_DIALOGUES, indirect=True)
def test_a_dialogues_answer_is_about_the_middle_and_hears_its_neighbours(network: nn.Module) -> None:
    x = whole()
    logits = answer(network, x)
    gone = [part.clone() for part in x]
    for mask in gone[1::2]:
        mask[:, 0] = 0  # the first turn of a dialogue has none before it
    without = answer(network, gone)
    assert not torch.allclose(without, logits, atol=1e-4)
    for values in gone[::2]:
        values[:, 0] = float("nan")
    assert torch.equal(answer(network, gone), without)
    turned = [part.flip(1) for part in x]
    assert not torch.allclose(answer(network, turned), logits, atol=1e-4)  # what was before is not what comes after


@pytest.mark.parametrize("recipe", ["dialogue-gru", "dialogue-unified"], indirect=True)
def test_neighbours_speak_for_an_utterance_without_features(network: nn.Module) -> None:
    x = whole()
    for mask in x[1::2]:
        mask[:, N_STEPS // 2] = 0
    logits = answer(network, x)
    assert torch.isfinite(logits).all() and logits.any()


def test_masked_recurrent_networks_are_plain_ones_over_what_is_there() -> None:
    torch.manual_seed(0)
    gru = MaskedGru(8, 1, 0.0).eval()
    plain = nn.GRU(8, 4, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for suffix, part in (("", gru.ahead[0]), ("_reverse", gru.back[0])):
            for name, value in part.named_parameters():
                getattr(plain, name + suffix).copy_(value)
        x = torch.randn(2, 6, 8)
        is_there = torch.tensor([[False, True, True, False, True, True], [True] * 6])
        got = gru(x, is_there)
        torch.testing.assert_close(got[0, is_there[0]], plain(x[0:1, is_there[0]])[0][0])
        torch.testing.assert_close(got[1], plain(x[1:2])[0][0])


def test_the_front_end_standardises_by_the_training_part_and_blanks_the_rest() -> None:
    frontend = FeatureFrontend({"acoustic": 2})
    frontend.fit("acoustic", torch.tensor([1.0, 5.0]), torch.tensor([2.0, 0.0]))
    x = torch.tensor([[[3.0, 5.0], [float("nan"), 9.0]]])
    standardised, mask = frontend(x, torch.tensor([[1.0, 0.0]]))
    assert torch.equal(standardised, torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]))  # a feature that never changes: centred
    assert torch.equal(mask, torch.tensor([[1.0, 0.0]]))


def test_modalities_are_dropped_alike_and_never_all() -> None:
    torch.manual_seed(0)
    present = torch.tensor([[True, True, True], [True, True, False], [False, False, True], [False, False, False]])
    dropped = drop_modalities(present.repeat(4000, 1), 0.4).view(4000, 4, 3)
    assert not (dropped & ~present).any()
    assert torch.equal(dropped.any(dim=2), present.any(dim=1).expand(4000, 4))
    rates = 1 - dropped.float().mean(dim=0)
    # of two, each goes with 0.4, but for half of the 0.16 in which both would
    torch.testing.assert_close(rates[1, :2], torch.full((2,), 0.4 - 0.08), atol=0.03, rtol=0)
    torch.testing.assert_close(rates[0], torch.full((3,), 0.4 - 0.064 / 3), atol=0.03, rtol=0)
    assert torch.equal(dropped[:, 2], present[2].expand(4000, 3))
    assert torch.equal(drop_modalities(present, 0.0), present)


def test_a_dropped_modality_is_gone_from_all_steps() -> None:
    torch.manual_seed(0)
    x = whole(n=50)
    dropped = drop_modalities_of_rows(tuple(x), 0.6)
    kept = torch.stack([mask.any(dim=1) for mask in dropped[1::2]], dim=1)
    assert 50 < kept.sum() < 120
    for i in range(len(NAMES)):
        assert torch.equal(dropped[2 * i].abs().sum(dim=(1, 2)) > 0, kept[:, i])
        assert torch.equal(dropped[2 * i + 1], kept[:, i : i + 1].expand(50, N_STEPS).float())


def test_modalities_are_dropped_in_training_alone() -> None:
    settings = EarlyFusionSettings(hidden=(8,), dropout=0.0, modality_dropout=0.9)
    network = build(settings, 3, layout=FeatureLayout(DIMS))
    x = whole(n=40)
    torch.manual_seed(0)
    assert not torch.equal(network.train()(*x), network(*x))
    assert torch.equal(answer(network, x), answer(network, x))


def test_the_perceptrons_are_the_reference_systems() -> None:
    layout = FeatureLayout({"visual": 2048, "acoustic": 128, "lexical": 768})

    def widths(settings: Any) -> list[tuple[int, int]]:
        layers = [m for m in build(settings, 4, layout=layout).modules() if isinstance(m, nn.Linear)]
        return [(layer.in_features, layer.out_features) for layer in layers]

    assert widths(UnimodalSettings(modality="lexical")) == [(768, 128), (128, 64), (64, 4)]
    # all features, and which modalities are there
    assert widths(EarlyFusionSettings()) == [(2048 + 128 + 768 + 3, 256), (256, 128), (128, 4)]


def test_a_modality_that_is_not_given_is_said() -> None:
    with pytest.raises(RecipeError, match="there is no 'tactile' in the data"):
        build(UnimodalSettings(modality="tactile"), 3, layout=FeatureLayout(DIMS))


@pytest.mark.parametrize("name", [name for name in OVER_FEATURES if name != "unimodal"])
def test_one_modality_alone_is_enough(name: str) -> None:
    recipe = RECIPES[name]
    asked = recipe.data.context or None
    network = build(recipe.model, 3, layout=FeatureLayout({"lexical": 6}, asked))
    x = inputs(("lexical", "lexical_mask"), 4)
    network(*x).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_steps_of_modalities_that_are_unequally_long_stand_side_by_side_from_the_first_on() -> None:
    torch.manual_seed(0)
    network = build(TemporalFusionSettings(width=8), 3, layout=FeatureLayout({"acoustic": 2, "lexical": 3})).eval()
    acoustic, lexical = torch.randn(1, 4, 2), torch.randn(1, 1, 3)
    short = [acoustic, torch.ones(1, 4), lexical, torch.ones(1, 1)]
    filled = [acoustic, torch.ones(1, 4), torch.cat([lexical, torch.zeros(1, 3, 3)], 1), torch.eye(4)[:1]]
    assert torch.equal(answer(network, short), answer(network, filled))


def test_recipes_of_dialogues_ask_about_the_middle() -> None:
    assert [make(RECIPES[name]).target_step for name in IN_DIALOGUES] == [1] * len(IN_DIALOGUES)
