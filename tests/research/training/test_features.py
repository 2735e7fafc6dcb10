"""Utterances as features: pooling, normalisation, dialogues, and what a network is trained on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from emofuse.errors import CorpusError, RecipeError, UsageError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.relabel import join, relabel
from emofuse.research.corpora.splits.protocols import Fold, make_split
from emofuse.research.evaluation.protocols.cross_corpus import across_corpora
from emofuse.research.evaluation.protocols.cross_validation import cross_validate
from emofuse.research.evaluation.protocols.folds import clip_log_probabilities
from emofuse.research.evaluation.protocols.learners import RunContext
from emofuse.research.feature_sets.store import FeatureSet
from emofuse.research.models.fusion.base import FeatureNet
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.features import PADDING, FeatureData, decode_features
from emofuse.research.tasks.utterances import Corpora
from emofuse.research.training.export import export
from emofuse.research.training.fit import fit, load_weights, load_weights_into
from emofuse.research.training.jobs import check_pairing, load_utterances, make_network, utterance_job
from make_feature_corpus import write_feature_corpus

Arrays = tuple[NDArray[np.float32] | None, ...]


def recipe(model: dict[str, Any] | None = None, train: dict[str, Any] | None = None, **data: Any) -> Recipe:
    plain = {"epochs": 3, "batch_size": 8, "optimizer": "adam", "lr": 0.02, "mixup": 0, "ema_decay": None}
    return Recipe.model_validate(
        {
            "name": "tiny",
            "data": {"corpus": "features", "train_on": ["made"], **data},
            "model": model or {"name": "early-fusion", "hidden": [8]},
            "train": {**plain, "warmup_epochs": 0, **(train or {})},
        }
    )


def steps(*rows: float) -> NDArray[np.float32]:
    """Make an array (T, 1)."""
    return np.array(rows, dtype=np.float32)[:, np.newaxis]


def made(clips: list[Clip], name: str = "made", **features: Arrays) -> FeatureSet:
    manifest = Manifest(name, ("neutral", "happy", "sad", "angry"), tuple(clips), "none")
    return FeatureSet(manifest, features, {name: Counter() for name in features})


def talk(n: int, speakers: str = "ab", dialogues: str = "d", folder: str = "set") -> list[Clip]:
    """Make n clips, whose speakers and dialogues take turns."""
    return [
        Clip(
            Path(folder) / f"u{i}",
            ("neutral", "happy", "sad")[i % 3],
            speakers[i % len(speakers)],
            session="1",
            dialogue=dialogues[i * len(dialogues) // n],
        )
        for i in range(n)
    ]


def decode(*sets: FeatureSet, **data: Any) -> FeatureData:
    joined = join([relabel(one.manifest, "iemocap-4") for one in sets])
    return decode_features(recipe(**data).data, Corpora(joined, joined.manifest, feature_sets=sets))


def rows(data: FeatureData, *indices: int) -> list[Any]:
    """Return what a network is given of these utterances."""
    inputs, _ = data.batches(indices).__getitems__(range(len(indices)))
    return [part.squeeze(2).tolist() if part.ndim == 3 else part.tolist() for part in inputs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with a feature set of three sessions."""
    root = tmp_path_factory.mktemp("data")
    write_feature_corpus(root / "made")
    write_feature_corpus(root / "other", seed=1, acoustic=5)
    return root


@pytest.mark.parametrize(
    ("pool", "expected", "mask"),
    [
        ("mean", [[2.0], [5.0], [0.0]], [[1.0], [1.0], [0.0]]),
        ("max", [[3.0], [5.0], [0.0]], [[1.0], [1.0], [0.0]]),
        ("none", [[1.0, 2.0, 3.0], [5.0, 0.0, 0.0], [0.0] * 3], [[1.0] * 3, [1.0, 0.0, 0.0], [0.0] * 3]),
    ],
)
def test_steps_are_pooled_or_kept(pool: str, expected: list[list[float]], mask: list[list[float]]) -> None:
    data = decode(made(talk(3), acoustic=(steps(1, 2, 3), steps(5), None)), pool=pool)
    assert rows(data, 0, 1, 2) == [expected, mask]
    assert data.dims == {"acoustic": 1} and data.modalities == ("acoustic",)


def test_of_a_long_sequence_steps_are_kept_all_over_it() -> None:
    data = decode(made(talk(1), acoustic=(steps(*range(100)),)), pool="none", max_steps=4)
    assert rows(data, 0)[0] == [[0.0, 33.0, 66.0, 99.0]]


def test_modalities_are_those_of_the_recipe_in_the_order_of_the_set() -> None:
    one = made(talk(1), visual=(steps(1),), acoustic=(steps(2),), lexical=(steps(3),))
    assert decode(one).modalities == ("visual", "acoustic", "lexical")
    assert decode(one, modalities=["lexical", "visual"]).modalities == ("visual", "lexical")
    with pytest.raises(CorpusError, match="made has no tactile features"):
        decode(one, modalities=["tactile"])


def test_a_speaker_is_normalised_by_all_that_the_speaker_says() -> None:
    clips = talk(6)
    clips[4] = replace(clips[4], emotion="frustrated")  # which has no label here, but is heard
    values = [1.0, 10.0, 2.0, 30.0, 6.0, 20.0]
    one = made(clips, acoustic=tuple(steps(v) for v in values), lexical=tuple(steps(v) for v in values))
    data = decode(one, normalise_by_speaker=["acoustic"])
    acoustic, lexical = data.tables["acoustic"].x.flatten(), data.tables["lexical"].x.flatten()
    a, b = np.array([1.0, 2.0, 6.0]), np.array([10.0, 30.0, 20.0])
    a, b = (a - a.mean()) / a.std(), (b - b.mean()) / b.std()
    np.testing.assert_allclose(acoustic, [a[0], b[0], a[1], b[1], b[2]], atol=1e-6)
    assert lexical.tolist() == [1.0, 10.0, 2.0, 30.0, 20.0]


def test_a_context_is_the_neighbours_in_the_dialogue_and_no_others() -> None:
    values = tuple(steps(v) for v in (1, 2, 3, 4, 5, 6))
    data = decode(made(talk(6, dialogues="dde"), acoustic=values), context=2)
    x, mask = rows(data, 0, 2, 5)  # of dialogues of four utterances and of two
    assert x == [[0, 0, 1, 2, 3], [1, 2, 3, 4, 0], [0, 5, 6, 0, 0]]
    assert mask == [[0, 0, 1, 1, 1], [1, 1, 1, 1, 0], [0, 1, 1, 0, 0]]
    before = decode(made(talk(6, dialogues="dde"), acoustic=values), context=2, context_after=False)
    assert rows(before, 2)[0] == [[1, 2, 3]] and before.windows[0].tolist() == [PADDING, PADDING, 0]


def test_a_context_may_be_of_the_speaker_alone_and_folds_of_speakers_keep_it_apart() -> None:
    values = tuple(steps(v) for v in (1, 2, 3, 4, 5, 6))
    data = decode(made(talk(6), acoustic=values), context=1, context_of="speaker")
    assert rows(data, 0, 1, 2, 5)[0] == [[0, 1, 3], [0, 2, 4], [1, 3, 5], [4, 6, 0]]
    one, other = (0, 2, 4), (1, 3, 5)
    assert {data.manifest.clips[i].speaker for i in one}.isdisjoint(data.manifest.clips[i].speaker for i in other)
    data.check_no_context_leak(one, other)
    with pytest.raises(RecipeError, match="in two parts of a fold"):
        decode(made(talk(6), acoustic=values), context=1).check_no_context_leak(one, other)


def test_dialogues_of_two_corpora_are_two_though_they_are_called_alike() -> None:
    sets = [made(talk(2, folder=name), name, acoustic=(steps(1), steps(2))) for name in ("one", "two")]
    data = decode(*sets, context=1)
    assert data.windows.tolist() == [[PADDING, 0, 1], [0, 1, PADDING], [PADDING, 2, 3], [2, 3, PADDING]]


def test_a_context_without_dialogues_is_refused() -> None:
    clips = [replace(clip, dialogue="") for clip in talk(2)]
    with pytest.raises(CorpusError, match="names no dialogue"):
        decode(made(clips, acoustic=(steps(1), steps(2))), context=1)


def test_a_dialogue_in_two_parts_of_a_fold_is_refused() -> None:
    data = decode(made(talk(6, dialogues="de"), acoustic=tuple(steps(v) for v in range(6))), context=1)
    network = {"name": "temporal-fusion", "width": 8, "heads": 2}
    apart = Fold("1", train=(0, 1, 2), valid=(), test=(3, 4, 5))
    utterance_job(recipe(network, context=1), data, apart)
    with pytest.raises(RecipeError, match="dialogue d is in two parts of a fold"):
        utterance_job(recipe(network, context=1), data, Fold("1", train=(0, 1), valid=(2,), test=(3, 4, 5)))


def test_feature_sets_that_do_not_go_together_are_said() -> None:
    one = made(talk(2, folder="one"), acoustic=(steps(1), steps(2)), lexical=(steps(1), steps(2)))
    two = made(talk(2, folder="two"), "two", acoustic=(np.ones((1, 4), np.float32),) * 2, lexical=(steps(3), steps(4)))
    with pytest.raises(CorpusError, match="two has 4 acoustic features, and made 1"):
        decode(one, two)
    assert rows(decode(one, two, modalities=["lexical"]), 0, 3)[0] == [[1.0], [4.0]]
    silent = made(talk(2, folder="two"), "two", lexical=(steps(3), steps(4)))
    assert rows(decode(one, silent), 2)[:2] == [[[0.0]], [[0.0]]]  # a modality that one of them lacks is absent there


def test_the_hash_of_an_utterance_is_that_of_all_that_its_answer_is_made_from() -> None:
    def digests(*values: float, **settings: Any) -> tuple[str, ...]:
        return decode(made(talk(len(values)), acoustic=tuple(steps(v) for v in values)), **settings).digests

    plain = digests(1, 2, 3, 4)
    assert len(set(plain)) == 4
    assert [a == b for a, b in zip(plain, digests(1, 2, 9, 4), strict=True)] == [True, True, False, True]
    near = zip(digests(1, 2, 3, 4, context=1), digests(1, 2, 3, 9, context=1), strict=True)
    assert [a == b for a, b in near] == [True, True, False, False]
    normal = {"normalise_by_speaker": ["acoustic"]}  # speakers a and b take turns
    spread = zip(digests(1, 2, 3, 4, 6, 8, **normal), digests(1, 2, 3, 4, 7, 8, **normal), strict=True)
    assert [a == b for a, b in spread] == [False, True, False, True, False, True]


def test_networks_are_standardised_by_the_training_part_alone(folder: Path) -> None:
    data = load_utterances(recipe(), folder)
    assert isinstance(data, FeatureData)
    fold = make_split("session", data.folded, 2).folds[0]
    network = utterance_job(recipe(), data, fold).network
    assert isinstance(network, FeatureNet)
    for name, table in data.tables.items():
        own = table.x[list(fold.train)][table.mask[list(fold.train)] > 0]
        torch.testing.assert_close(network.frontend.get_buffer(f"mean_{name}"), own.mean(dim=0))
        torch.testing.assert_close(network.frontend.get_buffer(f"deviation_{name}"), own.std(dim=0, correction=0))


def test_what_is_absent_is_said(folder: Path) -> None:
    note = load_utterances(recipe(), folder).note()
    assert "1 of 72 utterances have no acoustic features (file is missing)" in note
    assert "no utterance has visual features" in note


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ({"name": "unimodal", "modality": "lexical", "hidden": [8]}, {}),
        ({"name": "gated-fusion", "width": 8}, {"normalise_by_speaker": ["acoustic"]}),
        ({"name": "temporal-fusion", "width": 8, "heads": 2}, {"context": 2}),
        ({"name": "unified-transformer", "width": 8, "heads": 2, "layers": 1}, {"context": 1, "context_after": False}),
    ],
    ids=["unimodal", "gated", "temporal", "unified"],
)
def test_a_network_is_trained_and_read_back(
    model: dict[str, Any], data: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    tiny = recipe(model, **data)
    utterances = load_utterances(tiny, folder)
    fold = make_split("session", utterances.folded, 2).folds[0]
    job = utterance_job(tiny, utterances, fold)
    result = fit(tiny, job, tmp_path, progress=False)
    weights, same, labels = load_weights(result.weights)
    assert same == tiny and labels == utterances.labels
    again = make_network(tiny, len(labels), dims=utterances.dims)
    load_weights_into(again, weights, result.weights)
    tested = utterances.batches(fold.test)
    scores = clip_log_probabilities(again.eval(), tested)
    assert scores.shape == (len(fold.test), 4)
    tested.n_at_once = 1  # an answer does not depend on those who are asked with it
    np.testing.assert_allclose(clip_log_probabilities(again, tested), scores, atol=1e-5)
    assert (scores.argmax(axis=1) == utterances.truth(fold.test)).mean() > 0.3
    with pytest.raises(UsageError, match="is a network over features"):
        export(result.weights, tmp_path / "out.onnx")


def test_one_set_is_tested_by_what_was_trained_on_another(folder: Path) -> None:
    tiny = recipe(labels="iemocap-4", modalities=["lexical"], valid_speakers=1)
    utterances, split = across_corpora(tiny, ["other"], folder)
    assert isinstance(utterances, FeatureData) and utterances.modalities == ("lexical",)
    (fold,) = split.folds
    assert {utterances.manifest.clips[i].path.parent.name for i in fold.test} == {"other"}
    assert len(fold.test) == 72 and len(fold.train) == 60
    assert utterance_job(tiny, utterances, fold).network is not None


def test_what_does_not_look_at_neighbours_is_given_none() -> None:
    for name in ("early-fusion", "gated-fusion"):
        with pytest.raises(RecipeError, match=f"{name} does not look at the utterances around one"):
            check_pairing(recipe({"name": name}, context=2))
    check_pairing(recipe({"name": "unified-transformer"}, context=2))
    with pytest.raises(RecipeError, match="recipe 'tiny' pairs 'features' with 'svm'"):
        check_pairing(recipe({"name": "svm"}))
    with pytest.raises(RecipeError, match="recipe 'tiny' pairs 'features' with 'mel-cnn'"):
        check_pairing(recipe({"name": "mel-cnn"}))


@pytest.mark.parametrize("by_speaker", [True, False])
def test_a_score_by_speakers_own_features_is_transductive(by_speaker: bool, folder: Path, tmp_path: Path) -> None:
    tiny = recipe(train={"epochs": 1}, normalise_by_speaker=["acoustic"] if by_speaker else [])
    data = load_utterances(tiny, folder)
    split = make_split("session", data.folded, 2)
    context = RunContext(tmp_path, (0,), "emofuse evaluate tiny.toml")
    report, predictions = cross_validate(tiny, data, split, context, lambda text: None)
    assert report.stamp.transductive == by_speaker
    assert "the best of at most 1 epochs by the validation speakers' UAR" in report.stamp.selection
    assert sorted(predictions.clips) == sorted(clip.path.name for clip in data.manifest)
