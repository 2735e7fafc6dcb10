"""The file of a comparison of fusions: its defaults, what it changes, and one clear line for what is amiss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emofuse.errors import RecipeError
from emofuse.research.evaluation.fusion.settings import (
    FusionComparisonSettings,
    load_fusion_comparison,
    modalities_used,
)
from emofuse.research.recipes.recipe import LateFusionSettings
from emofuse.research.training.jobs import check_pairing

MODALITIES = ("visual", "acoustic", "lexical")
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        (tmp_path / "c.toml").write_text(f'name = "c"\n{text}', encoding="utf-8")
        return tmp_path / "c.toml"

    return written


def test_by_default_there_are_all_modalities_and_all_fusions_trained_as_the_reference() -> None:
    recipes = FusionComparisonSettings(name="c").recipes(MODALITIES)
    names = ["video", "audio", "text", "early", "late-vote", "late-learned", "gated", "attention", "unified"]
    assert list(recipes) == names
    train = recipes["early"].train
    assert (train.optimizer, train.lr, train.weight_decay, train.batch_size) == ("adam", 1e-3, 1e-5, 32)
    assert (train.epochs, train.mixup, train.label_smoothing, train.schedule) == (50, 0, 0, "constant")
    assert train.patience > 0 and train.ema_decay is None
    vote = recipes["late-vote"].model
    assert isinstance(vote, LateFusionSettings)
    assert vote.rule == "vote"
    assert recipes["late-vote"].members == (recipes["video"], recipes["audio"], recipes["text"])


def test_a_table_changes_a_default_or_adds_a_method(write: Write) -> None:
    path = write(
        """
leave_out = ["gated", "unified"]
[train]
epochs = 5
[methods.early]
train = { lr = 0.01 }
[methods.dialogue]
model = { name = "temporal-fusion", encoder = "gru" }
data = { context = 4 }
[methods.late-text]
model = { name = "late-fusion", rule = "mean", members = ["text", "early"] }
"""
    )
    recipes = load_fusion_comparison(path, ["train.batch_size=64"]).recipes(MODALITIES[1:])
    assert list(recipes) == [
        "audio",
        "text",
        "early",
        "late-vote",
        "late-learned",
        "attention",
        "dialogue",
        "late-text",
    ]
    assert (recipes["early"].train.lr, recipes["early"].train.epochs) == (0.01, 5)
    assert (recipes["text"].train.lr, recipes["text"].train.batch_size) == (1e-3, 64)
    assert (recipes["dialogue"].data.context, recipes["text"].data.context) == (4, 0)
    assert recipes["late-text"].members == (recipes["text"], recipes["early"])


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sed = 1", "unknown key 'sed'", "'seeds'"),
        ("[train]\nepoch = 1", "unknown key 'train.epoch'", "'epochs'"),
        ("[data]\ncontexts = 1", "unknown key 'data.contexts'", "'context'"),
        ("[robustness]\nnoises = [1.0]", "unknown key 'robustness.noises'", "'noise'"),
        ('[methods.x]\nmodel = { name = "gated-fusion", wide = 8 }', "unknown key 'methods.x.model.wide'", "'width'"),
        ("[methods.x]\ntrain = { lr = 1 }", "the key 'methods.x.model' is missing", ""),
        ('[data]\nlabels = "iemocap"', "no label set is called 'iemocap'", "iemocap-4"),
        ("seeds = [1, 1]", "a seed is there twice: 1, 1", ""),
        ('test_on = ["meld"]\n[reference]', "test_on and \\[reference\\] do not go together", ""),
        ("[train]\nlr = -1", "train.lr: Input should be greater than 0, not -1", ""),
    ],
)
def test_what_is_amiss_is_named(write: Write, text: str, message: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        load_fusion_comparison(write(text))
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('leave_out = ["mate"]', "no method is called 'mate'"),
        ("[methods.early]\ntrain = { lr = -1 }", "method 'early': train.lr: .*greater than 0"),
        ('[methods.early]\ndata = { labels = "basic-7" }', "method 'early': data.labels is the same for all methods"),
        ('[methods.l]\nmodel = { name = "late-fusion", members = ["a", "b"] }', "method 'l': it has no member 'a'"),
        ('[methods.l]\nmodel = { name = "late-fusion", members = ["text"] }', "method 'l' puts two or more"),
        ('leave_out = ["early", "late-vote", "late-learned", "gated", "attention", "unified"]', "needs .* a fusion"),
        ('[data]\nmodalities = ["lexical"]', "only lexical features: there is nothing to fuse"),
        (
            '[data]\nmodalities = ["acoustic", "lexical"]\n[methods.early]\ndata = { modalities = ["visual"] }',
            "method 'early': data.modalities: the comparison leaves out 'visual'",
        ),
    ],
)
def test_methods_that_do_not_fit_are_named(write: Write, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_fusion_comparison(write(text)).recipes(MODALITIES)


def test_a_network_over_one_modality_is_a_single_modality(write: Write) -> None:
    network = 'model = { name = "temporal-fusion" }\ndata = { context = 4, modalities = ["lexical"] }'
    text = f'leave_out = ["text"]\n[methods.words]\n{network}'
    recipes = load_fusion_comparison(write(text)).recipes(MODALITIES)
    assert modalities_used(recipes["words"], MODALITIES) == ("lexical",)
    assert [member.name for member in recipes["late-vote"].members] == ["video", "audio", "words"]


def test_a_method_s_seeds_may_answer_together(write: Write) -> None:
    alone = 'model = { name = "late-fusion", members = ["text"], over_seeds = true }'
    recipes = load_fusion_comparison(write(f"[methods.together]\n{alone}")).recipes(MODALITIES)
    assert recipes["together"].members == (recipes["text"],)
    assert modalities_used(recipes["together"], MODALITIES) == ("lexical",)
    assert modalities_used(recipes["late-vote"], MODALITIES) == MODALITIES


@pytest.mark.parametrize(
    "name", ["iemocap-fusion", "iemocap-dialogue", "iemocap-reference", "iemocap-reference-context", "meld-fusion"]
)
def test_the_comparisons_that_ship_are_whole(name: str) -> None:
    settings = load_fusion_comparison(Path(__file__).parents[1] / "recipes" / f"{name}.toml")
    assert settings.name == name
    # IEMOCAP has no faces, and nothing but what is named in it looks at the utterances around one
    recipes = settings.recipes(MODALITIES[1:] if settings.data.context else MODALITIES)
    assert len(recipes) >= (5 if settings.data.context else 8)
    for recipe in recipes.values():
        check_pairing(recipe)
    if settings.published is not None:
        assert set(settings.published.scores) <= set(recipes)
