"""A late fusion from its recipe to its report: each member in its own folder, fused fold by fold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from emofuse.errors import CorpusError, RecipeError, UsageError
from emofuse.research.corpora.splits.protocols import Split, make_split
from emofuse.research.evaluation.fusion.late_fusion import fuse_folds
from emofuse.research.evaluation.protocols import folds
from emofuse.research.evaluation.protocols.cross_corpus import across_corpora
from emofuse.research.evaluation.protocols.cross_validation import cross_validate
from emofuse.research.evaluation.protocols.folds import ADAPTED, STORED, FoldResult, FoldTask
from emofuse.research.evaluation.protocols.learners import RunContext, selection
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport
from emofuse.research.models.settings import SvmSettings
from emofuse.research.recipes.recipe import LateFusionSettings, Recipe, load_recipe
from emofuse.research.tasks.utterances import FusedUtterances, Utterances
from emofuse.research.training.jobs import load_utterances
from make_ravdess import TONES_HZ, tiny_recipe, write_ravdess

COMMAND = "emofuse evaluate both.toml"
SVM = '[data]\ncorpus = "speech"\n[model]\nname = "svm"\nfeatures = "action-units"\n'
NETWORK = """
name = "heard"
seed = 8
[data]
corpus = "speech"
labels = "basic-7"
window_s = 0.6
eval_windows = 2
[model]
name = "mel-cnn"
widths = [4, 8]
[train]
epochs = 1
batch_size = 9
optimizer = "adamw"
lr = 0.01
warmup_epochs = 0
mixup = 0
ema_decay = "none"
keep = "last"
"""
BOTH = 'seed = 3\n[data]\ncorpus = "speech"\nvalid_speakers = 1\n[model]\nname = "late-fusion"\n'


class Fused(NamedTuple):
    """What went in, what came out, and which fold each member was trained on, in order."""

    recipe: Recipe
    data: Utterances
    split: Split
    folder: Path
    report: EvaluationReport
    predictions: Predictions
    tasks: list[FoldTask]


def silent(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a made RAVDESS of 8 actors with a table of action units: the emotion and the actor in noise."""
    folder = write_ravdess(tmp_path_factory.mktemp("corpora"), range(1, 9))
    random = np.random.default_rng(2)
    rows = ["name;AU01_r;AU12_r;AU45_c"]
    for actor in range(1, 9):
        own = random.normal(0, 1.0, 3)
        for number, emotion in enumerate(TONES_HZ):
            values = own + random.normal(0, 0.2, 3) + np.array([2 * number, -2 * number, 0])
            rows.append(";".join([f"01-01-{emotion:02}-01-01-01-{actor:02}", *map(str, values)]))
    (folder / "ravdess" / "action_units.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of recipes: two machines, a network, and fusions of them."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "heard.toml").write_text(NETWORK)
    (folder / "seen.toml").write_text(f'name = "seen"\n{SVM}')
    (folder / "straight.toml").write_text(f'name = "straight"\n{SVM}kernel = "linear"\n')
    (folder / "both.toml").write_text(f'name = "both"\n{BOTH}members = ["heard.toml", "seen.toml"]\n')
    (folder / "machines.toml").write_text(f'name = "machines"\n{BOTH}members = ["seen.toml", "straight.toml"]\n')
    return folder


@pytest.fixture(scope="module")
def fused(root: Path, recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> Fused:
    """Cross-validate a network fused with a machine, once."""
    recipe = load_recipe(recipes / "both.toml")
    data = load_utterances(recipe, root)
    split = make_split("actor-2fold", data.folded, 1)
    folder = tmp_path_factory.mktemp("runs")
    tasks: list[FoldTask] = []
    real = folds._run

    def watched(task: FoldTask, data: Utterances) -> None:
        tasks.append(task)
        real(task, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "_run", watched)
        report, predictions = cross_validate(recipe, data, split, RunContext(folder, (3,), COMMAND), silent)
    return Fused(recipe, data, split, folder, report, predictions, tasks)


def stored(folder: Path, fused: Fused) -> list[FoldResult]:
    """Read what a member's folds left, as it is in the files."""
    results = []
    for fold in fused.split.folds:
        with np.load(folder / "seed3" / f"fold{fold.name}" / STORED) as arrays:
            truth = fused.data.truth(fold.valid)
            results.append(FoldResult(arrays["test"], arrays["valid"], truth, 0, None))
    return results


def test_members_are_of_the_fusions_corpora_labels_and_validation_speakers(fused: Fused) -> None:
    heard, seen = fused.recipe.members
    assert (heard.name, seen.name) == ("heard", "seen")
    assert heard.data.labels == "ravdess-8" and heard.data.valid_speakers == 1
    assert heard.data.window_s == 0.6  # what it hears is its own
    assert heard.train.batch_size == 9
    assert isinstance(fused.data, FusedUtterances)
    assert [type(member).__name__ for member in fused.data.members] == ["SpeechData", "SpeechData"]
    assert all(len(member.manifest) == 24 and len(member.labels) == 8 for member in fused.data.members)
    assert fused.data.members[0].settings == heard.data
    for handed_out in (fused.data.batches, fused.data.training):
        with pytest.raises(TypeError, match="through its members"):
            handed_out((0,))


def test_the_fused_predictions_are_those_of_the_members_own_folds(fused: Fused) -> None:
    members = [stored(fused.folder / name, fused) for name in ("heard", "seen")]
    assert isinstance(fused.recipe.model, LateFusionSettings)
    by_hand = fuse_folds(fused.recipe.model, members)
    expected = np.concatenate([result.calibrated for result in by_hand])
    np.testing.assert_allclose(fused.predictions.log_probabilities[0], expected, atol=1e-6)
    assert (expected.argmax(axis=1) == fused.predictions.truth).mean() > 0.7


def test_a_member_gives_what_it_gives_alone(fused: Fused, root: Path, recipes: Path, tmp_path: Path) -> None:
    alone = fused.recipe.members[1]
    cross_validate(alone, load_utterances(alone, root), fused.split, RunContext(tmp_path, (3,), COMMAND), silent)
    for one, other in zip(stored(tmp_path, fused), stored(fused.folder / "seen", fused), strict=True):
        assert np.array_equal(one.test, other.test) and np.array_equal(one.valid, other.valid)


def test_every_member_is_trained_in_every_fold_by_the_fusions_seed(fused: Fused) -> None:
    assert [(task.recipe.name, task.fold.name, task.recipe.seed) for task in fused.tasks] == [
        ("heard", "1", 3),
        ("heard", "2", 3),
        ("seen", "1", 3),
        ("seen", "2", 3),
    ]
    for task, fold in zip(fused.tasks, fused.split.folds * 2, strict=True):
        assert task.fold == fold
        assert task.folder == fused.folder / task.recipe.name / "seed3" / f"fold{fold.name}"
    assert {path.parent.relative_to(fused.folder).parts[0] for path in fused.folder.rglob(STORED)} == {"heard", "seen"}


def test_the_second_time_no_member_is_trained(fused: Fused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds, "_run", lambda *arguments: pytest.fail("trained again"))
    context = RunContext(fused.folder, (3,), COMMAND)
    other = fused.recipe.model.model_copy(update={"rule": "mean"})
    mean = fused.recipe.model_copy(update={"model": other})
    report, predictions = cross_validate(fused.recipe, fused.data, fused.split, context, silent)
    assert report == fused.report
    assert np.array_equal(predictions.log_probabilities, fused.predictions.log_probabilities)
    _, averaged = cross_validate(mean, fused.data, fused.split, context, silent)  # another rule needs no training
    assert not np.array_equal(averaged.log_probabilities, predictions.log_probabilities)


def test_the_stamp_says_how_members_and_weights_were_chosen(fused: Fused) -> None:
    report, stamp = fused.report, fused.report.stamp
    assert (report.title, report.model) == ("both on RAVDESS speech", "both")
    assert stamp.selection == (
        "weights of the log-probabilities by the validation speakers; "
        "heard: none: 1 epochs as the recipe says; the validation speakers fit the temperature alone; "
        "seen: C of 0.3, 1, 3, 10 by the validation speakers, who are then trained on too"
    )
    assert "torch" in stamp.versions and "scikit-learn" in stamp.versions and "opensmile" not in stamp.versions
    assert stamp.versions.count("emofuse") == 1
    assert (stamp.transductive, stamp.leaky, stamp.seeds) == (False, False, (3,))
    assert report.n_parameters is not None and report.n_parameters > 100  # of the network; a machine has none
    mean = fused.recipe.model.model_copy(update={"rule": "mean"})
    chosen_by = selection(fused.recipe.model_copy(update={"model": mean}))
    assert chosen_by.startswith("temperatures by the validation speakers; heard: ")


def test_transductive_machines_standardise_by_speaker(root: Path, recipes: Path, tmp_path: Path) -> None:
    recipe = load_recipe(recipes / "machines.toml")
    data = load_utterances(recipe, root)
    split = make_split("actor-2fold", data.folded, 1)
    context = RunContext(tmp_path / "run", (3,), COMMAND)
    plain, _ = cross_validate(recipe, data, split, context, silent)
    adapted, other = cross_validate(recipe, data, split, replace(context, transductive=True), silent)
    assert not plain.stamp.transductive and adapted.stamp.transductive
    assert adapted.title == "machines on RAVDESS speech, transductive"
    assert adapted.metric("UAR").value > plain.metric("UAR").value  # for an actor moves every feature
    # as members whose own recipes standardise by speaker
    by_speaker = tuple(
        member.model_copy(update={"model": member.model.model_copy(update={"normalise": "speaker"})})
        for member in recipe.model.members
    )
    same = recipe.model_copy(update={"model": recipe.model.model_copy(update={"members": by_speaker})})
    report, predictions = cross_validate(same, data, split, replace(context, out=tmp_path / "same"), silent)
    assert report.stamp.transductive
    assert np.array_equal(predictions.log_probabilities, other.log_probabilities)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run/seen/seed3/fold1").iterdir()}
    assert kept.keys() == {STORED, ADAPTED}  # both, apart
    again, _ = cross_validate(recipe, data, split, context, silent)
    assert again == plain
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run/seen/seed3/fold1").iterdir()} == kept


def test_a_member_that_cannot_be_adapted_is_said_before_any_is_trained(fused: Fused, tmp_path: Path) -> None:
    late = LateFusionSettings(members=tuple(reversed(fused.recipe.model.members)))  # the machine, which can, first
    recipe = fused.recipe.model_copy(update={"model": late})
    data = replace(fused.data, members=tuple(reversed(fused.data.members)))
    context = RunContext(tmp_path / "run", (3,), COMMAND, transductive=True)
    with pytest.raises(UsageError, match="--transductive goes with voice-mobilenet and svm, not with mel-cnn"):
        cross_validate(recipe, data, fused.split, context, silent)
    assert not (tmp_path / "run").exists()


def test_seeds_are_those_of_the_fusion(fused: Fused, root: Path, recipes: Path, tmp_path: Path) -> None:
    recipe = load_recipe(recipes / "machines.toml")
    data = load_utterances(recipe, root)
    report, predictions = cross_validate(recipe, data, fused.split, RunContext(tmp_path, (3, 4), COMMAND), silent)
    assert report.stamp.seeds == (3, 4)
    assert np.array_equal(*predictions.log_probabilities)  # machines draw nothing
    assert {path.parts[-3] for path in tmp_path.rglob(STORED)} == {"seed3", "seed4"}


def test_fusions_may_be_members(root: Path, recipes: Path, tmp_path: Path) -> None:
    (recipes / "nested.toml").write_text(f'name = "nested"\n{BOTH}members = ["machines.toml", "straight.toml"]\n')
    recipe = load_recipe(recipes / "nested.toml", ["data.labels=basic-7"])
    assert [inner.data.labels for inner in recipe.members[0].members] == ["basic-7", "basic-7"]
    data = load_utterances(recipe, root)
    report, _ = cross_validate(
        recipe, data, make_split("actor-2fold", data.folded, 1), RunContext(tmp_path, (3,), COMMAND), silent
    )
    assert report.stamp.labels == data.labels and len(data.labels) == 7
    parts = {path.relative_to(tmp_path).parts[:-3] for path in tmp_path.rglob(STORED)}
    assert parts == {("machines", "seen"), ("machines", "straight"), ("straight",)}


def test_one_corpus_against_another_by_the_tables_of_both(root: Path, recipes: Path, tmp_path: Path) -> None:
    recipe = load_recipe(recipes / "machines.toml")
    rows = ["path,emotion,speaker"]
    for i, emotion in enumerate(("neutral", "happy", "angry")):
        soundfile.write(tmp_path / f"{emotion}.wav", np.random.default_rng(i).normal(0, 0.1, 9_600), 16_000)
        rows.append(f"{emotion}.wav,{emotion},other-{i}")
    (tmp_path / "other.csv").write_text("\n".join(rows))
    data, split = across_corpora(recipe, (str(tmp_path / "other.csv"),), root)
    assert isinstance(data, FusedUtterances) and len(data.manifest) == 27
    context = RunContext(tmp_path / "run", (3,), COMMAND)
    with pytest.raises(CorpusError, match=r"no action_units\.csv in the folders above .*neutral\.wav"):
        cross_validate(recipe, data, split, context, silent)
    (tmp_path / "action_units.csv").write_text("name;AU01_r;AU12_r;AU45_c\nneutral;0;0;0\nhappy;2;-2;0\nangry;4;-4;0")
    report, predictions = cross_validate(recipe, data, split, context, silent)
    assert report.stamp.protocol.startswith("cross-corpus: trained on RAVDESS speech, tested on all of other")
    assert predictions.log_probabilities.shape == (1, 3, 3)
    assert predictions.guesses[0].tolist() == [0, 1, 2]


def test_a_member_that_does_not_go_with_its_data_is_said_before_anything_is_decoded(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emofuse.research.tasks.speech.decode_speech", lambda *arguments: pytest.fail("decoded"))
    seen = tiny_recipe(SvmSettings(features="action-units"))
    crossed = Recipe.model_validate(
        {"name": "crossed", "data": {"corpus": "video", "train_on": ["ravdess"]}, "model": {"name": "mel-cnn"}}
    )
    late = LateFusionSettings(members=(seen, crossed))
    with pytest.raises(RecipeError, match="'crossed' pairs 'video' with 'mel-cnn'"):
        load_utterances(Recipe(name="f", data=seen.data, model=late), root)
