"""The protocols: who is tested when, what is reported, and what a stamp says of it."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from emofuse import __version__
from emofuse.emotions import RAVDESS
from emofuse.errors import CorpusError, RecipeError, UsageError
from emofuse.inference.network import softmax
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.splits.protocols import Split, make_split
from emofuse.research.evaluation.protocols import folds
from emofuse.research.evaluation.protocols import learners as protocol
from emofuse.research.evaluation.protocols.cross_corpus import across_corpora
from emofuse.research.evaluation.protocols.cross_validation import clip_names, cross_validate, with_leak
from emofuse.research.evaluation.protocols.learners import RunContext, selection
from emofuse.research.evaluation.scores.metrics import expected_calibration_error, fit_temperature
from emofuse.research.models.settings import FaceNetSettings, SvmSettings, VoiceNetSettings
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.speech import SpeechData
from emofuse.research.tasks.utterances import utterance_settings
from emofuse.research.training.jobs import load_utterances
from make_ravdess import tiny_recipe, trained_on
from reference_metrics import score, unweighted_average_recall

if TYPE_CHECKING:
    from conftest import CrossValidation

COMMAND = "emofuse evaluate tiny.toml"


def silent(text: str) -> None:
    pass


def stored(cross_validation: CrossValidation, fold: int) -> dict[str, NDArray[np.float32]]:
    with np.load(cross_validation.folder / "seed3" / f"fold{fold}" / folds.STORED) as arrays:
        return {name: arrays[name] for name in ("test", "valid")}


def actors_of(speech: SpeechData, clips: set[int]) -> list[int]:
    return sorted({int(speech.manifest.clips[i].speaker[-2:]) for i in clips})


def test_test_speakers_are_neither_trained_nor_selected_on(cross_validation: CrossValidation) -> None:
    assert len(cross_validation.fitted_on) == 6
    for fold, (train, valid) in enumerate(cross_validation.fitted_on):
        test = list(range(4 * fold + 1, 4 * fold + 5))
        trained, validated = (actors_of(cross_validation.speech, part) for part in (train, valid))
        assert len(validated) == 2
        assert sorted([*trained, *validated, *test]) == list(range(1, 25))  # so the three share nobody
        assert len(train) == 18 * 3


def test_every_clip_is_predicted_once_out_of_fold(cross_validation: CrossValidation) -> None:
    speech, predictions = cross_validation.speech, cross_validation.predictions
    assert predictions.truth.tolist() == [
        RAVDESS.index(clip.emotion) for clip in speech.manifest
    ]  # sorted as folds are
    assert predictions.speakers == tuple(clip.speaker for clip in speech.manifest)
    assert predictions.sexes[:6] == ("male",) * 3 + ("female",) * 3
    assert predictions.folds == tuple(str(1 + i // 12) for i in range(72))
    assert predictions.clips[0] == "Actor_01/03-01-01-01-01-01-01.flac"
    assert predictions.seeds == (3,)
    assert cross_validation.report.stamp.folds[0].n_test == 12


def test_predictions_are_calibrated_by_the_validation_speakers_of_their_fold(cross_validation: CrossValidation) -> None:
    parts = [stored(cross_validation, fold) for fold in range(1, 7)]
    for fold, part in enumerate(parts):
        assert part["test"].shape == (12, 8) and part["valid"].shape == (6, 8)
        # the mean of log-probabilities over windows: at most that of one
        assert (np.exp(part["test"]).sum(axis=1) <= 1 + 1e-5).all()
        truth = cross_validation.speech.truth(cross_validation.split.folds[fold].valid)
        expected = softmax(part["test"], fit_temperature(part["valid"], truth))
        found = np.exp(cross_validation.predictions.log_probabilities[0, 12 * fold : 12 * fold + 12])
        np.testing.assert_allclose(found, expected, atol=1e-6)
    report, predictions = cross_validation.report, cross_validation.predictions
    valid_truth = np.concatenate([cross_validation.speech.truth(f.valid) for f in cross_validation.split.folds])
    assert report.temperature == fit_temperature(np.concatenate([part["valid"] for part in parts]), valid_truth)
    raw = softmax(np.concatenate([part["test"] for part in parts]))
    assert report.calibration_error[0] == pytest.approx(expected_calibration_error(raw, predictions.truth))
    calibrated = softmax(predictions.log_probabilities[0])
    assert report.calibration_error[1] == pytest.approx(expected_calibration_error(calibrated, predictions.truth))


def test_the_report_says_what_the_predictions_say(cross_validation: CrossValidation) -> None:
    report, p = cross_validation.report, cross_validation.predictions
    guess = p.guesses[0]
    expected = score(p.truth, guess, 8)
    assert report.metric("UAR").value == pytest.approx(expected.uar)
    assert report.metric("accuracy").value == pytest.approx(expected.accuracy)
    assert report.metric("macro F1").value == pytest.approx(expected.macro_f1)
    assert np.array_equal(np.array(report.confusion), expected.confusion)
    assert np.array(report.confusion).sum(axis=1).tolist() == [24, 0, 24, 0, 24, 0, 0, 0]
    by_fold = [unweighted_average_recall(p.truth[i : i + 12], guess[i : i + 12]) for i in range(0, 72, 12)]
    assert report.metric("UAR").by_fold == pytest.approx(by_fold)
    assert [group.group for group in report.by_sex] == ["female", "male"]
    assert len(report.by_speaker) == 24
    network = sum(np.prod(shape) for shape in shapes_of(cross_validation.folder / "seed3" / "fold1"))
    assert report.n_parameters == network


def shapes_of(folder: Path) -> list[tuple[int, ...]]:
    from emofuse.research.training.fit import load_weights

    weights = load_weights(folder / "model.safetensors")[0]
    return [tuple(value.shape) for name, value in weights.items() if "running_" not in name and "num_b" not in name]


def test_the_stamp_says_how_it_was_made(cross_validation: CrossValidation) -> None:
    report, stamp = cross_validation.report, cross_validation.report.stamp
    assert report.title == "tiny on RAVDESS speech"
    assert report.model == "tiny"
    assert (stamp.corpus, stamp.licence) == ("RAVDESS speech", "CC BY-NC-SA 4.0")
    assert stamp.labels == RAVDESS
    assert stamp.label_map == {"angry": "angry", "happy": "happy", "neutral": "neutral"}
    assert stamp.left_out == 0
    assert stamp.protocol == cross_validation.split.description
    assert "6 folds over speakers" in stamp.protocol and "2 other speakers validate" in stamp.protocol
    assert (stamp.seeds, stamp.command) == ((3,), COMMAND)
    assert (stamp.transductive, stamp.leaky) == (False, False)
    assert stamp.selection.startswith("none: 1 epochs as the recipe says")  # for the recipe keeps the last
    assert f"emofuse {__version__}" in stamp.versions and "torch" in stamp.versions
    first = stamp.folds[0]
    assert first.test == tuple(f"ravdess-{i:02}" for i in range(1, 5))
    assert first.valid == ("ravdess-05", "ravdess-06")
    assert (len(first.train), first.n_train, first.n_valid) == (18, 54, 6)
    assert [fold.name for fold in stamp.folds] == list("123456")


def test_the_report_has_a_curve_a_fold_and_what_to_compare_with(cross_validation: CrossValidation) -> None:
    report = cross_validation.report
    assert [(curve.fold, curve.seed, len(curve.train_loss)) for curve in report.curves] == [
        (str(fold), 3, 1) for fold in range(1, 7)
    ]
    chance = {anchor.metric: anchor.value for anchor in report.anchors if anchor.name == "chance"}
    assert chance == {"UAR": pytest.approx(1 / 3), "accuracy": pytest.approx(1 / 3)}  # three emotions occur
    assert any(anchor.name == "eGeMAPS + SVM" for anchor in report.anchors)
    assert not any("by actor" in anchor.name for anchor in report.anchors)  # those are transductive


def test_every_fold_is_announced(cross_validation: CrossValidation) -> None:
    assert [Path(notice.removesuffix(" is done")).name for notice in cross_validation.notices] == [
        f"fold{i}" for i in range(1, 7)
    ]


def test_a_random_split_is_leaky_and_set_beside_the_honest_one(
    cross_validation: CrossValidation, recipe: Recipe, tmp_path: Path
) -> None:
    speech, report = cross_validation.speech, cross_validation.report
    split = make_split("random-2fold", speech.folded, 2, seed=3)
    leaky, predictions = cross_validate(recipe, speech, split, RunContext(tmp_path, (3,), COMMAND), silent)
    assert leaky.stamp.leaky is True
    assert "LEAKY" in leaky.stamp.protocol
    assert sorted(predictions.clips) == sorted(cross_validation.predictions.clips)
    assert set(leaky.stamp.folds[0].test) & set(leaky.stamp.folds[0].train)
    both = with_leak(report, leaky)
    assert both.leak is not None
    assert both.leak.protocol == leaky.stamp.protocol
    assert both.leak.metrics == leaky.metrics
    gap = leaky.metric("UAR").value - report.metric("UAR").value
    assert both.leak.gap["UAR"] == pytest.approx(gap)
    assert both.metrics == report.metrics and both.stamp == report.stamp  # which it never becomes
    assert report.leak is None


def made_features(speech: SpeechData) -> NDArray[np.float32]:
    """Return (N, 3): the emotion in the first, in noise."""
    noise = np.random.default_rng(0).normal(0, 0.3, (len(speech.manifest), 3))
    noise[:, 0] += speech.truth(range(len(speech.manifest)))
    return noise.astype(np.float32)


@pytest.mark.parametrize("normalise", ["train", "speaker"])
def test_an_svm_is_tested_alike_and_is_transductive_where_it_looks_at_the_test_speakers(
    speech: SpeechData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, normalise: str
) -> None:
    monkeypatch.setattr(protocol, "utterance_features", lambda speech, name, hook: made_features(speech))
    monkeypatch.setattr(folds, "fit", lambda *arguments, **options: pytest.fail("a network was trained"))
    svm = tiny_recipe(SvmSettings(normalise=normalise))
    split = make_split("actor-6fold", speech.folded, 2)
    report, predictions = cross_validate(svm, speech, split, RunContext(tmp_path, (3, 4, 5), COMMAND), silent)
    assert report.stamp.transductive is (normalise == "speaker")
    assert report.title == "tiny on RAVDESS speech" + (", transductive" if normalise == "speaker" else "")
    assert report.stamp.seeds == predictions.seeds == (3,)  # nothing is drawn, so once is enough
    assert report.metric("UAR").value > 0.9
    assert report.n_parameters is None
    assert report.curves == ()
    assert report.stamp.selection == "C of 0.3, 1, 3, 10 by the validation speakers, who are then trained on too"
    assert "scikit-learn" in report.stamp.versions and "opensmile" in report.stamp.versions
    assert any("by actor" in anchor.name for anchor in report.anchors) is (normalise == "speaker")


def test_features_that_were_kept_need_no_opensmile(
    speech: SpeechData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_installed(name: str) -> str:
        if name == "opensmile":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(protocol, "version", not_installed)
    assert "opensmile of an earlier run" in protocol.versions(tiny_recipe(SvmSettings()))
    assert "torch" in protocol.versions(tiny_recipe(SvmSettings(features="audioset")))


def test_adapted_to_the_test_speakers_a_network_is_transductive_and_its_training_is_the_same(
    speech: SpeechData, tmp_path: Path
) -> None:
    small = tiny_recipe(VoiceNetSettings(pretrained=None, hidden=8, taps=(1,)))
    split = make_split("actor-2fold", speech.folded, 2)
    context = RunContext(tmp_path, (3,), COMMAND)
    report, predictions = cross_validate(small, speech, split, context, silent)
    checkpoints = sorted(tmp_path.rglob("last.ckpt"))
    before = [path.stat().st_mtime_ns for path in checkpoints]
    adapted, other = cross_validate(small, speech, split, replace(context, transductive=True), silent)
    assert [path.stat().st_mtime_ns for path in checkpoints] == before and len(before) == 2
    assert not report.stamp.transductive and adapted.stamp.transductive
    assert adapted.title == "tiny on RAVDESS speech, transductive"
    assert not np.array_equal(predictions.log_probabilities, other.log_probabilities)
    again, same = cross_validate(small, speech, split, context, silent)  # both are kept, apart
    assert again == report
    assert np.array_equal(same.log_probabilities, predictions.log_probabilities)


def test_what_cannot_be_adapted_is_said_before_anything_is_trained(speech: SpeechData, tmp_path: Path) -> None:
    split = make_split("actor-2fold", speech.folded, 2)
    context = RunContext(tmp_path / "run", (3,), COMMAND, transductive=True)
    with pytest.raises(UsageError, match="--transductive goes with voice-mobilenet and svm, not with mel-cnn"):
        cross_validate(tiny_recipe(), speech, split, context, silent)
    assert not (tmp_path / "run").exists()


def test_a_fold_may_have_any_name(speech: SpeechData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "utterance_features", lambda speech, name, hook: made_features(speech))
    one, two = make_split("actor-2fold", speech.folded, 2).folds
    named = Split("mine", "by hand", (replace(one, name="../a/b"), replace(two, name="Ses 02")))
    report, predictions = cross_validate(
        tiny_recipe(SvmSettings()), speech, named, RunContext(tmp_path / "run", (3,), COMMAND), silent
    )
    assert [fold.name for fold in report.stamp.folds] == ["../a/b", "Ses 02"]
    assert set(predictions.folds) == {"../a/b", "Ses 02"}
    assert sorted(path.parent.name for path in tmp_path.rglob(folds.STORED)) == ["fold..%2Fa%2Fb", "foldSes 02"]
    assert {path.parent.parent for path in tmp_path.rglob(folds.STORED)} == {tmp_path / "run" / "seed3"}


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Return the manifest of three speakers with a happy, an angry, a neutral and a bored clip each."""
    random = np.random.default_rng(5)
    rows = ["path,emotion,speaker"]
    for speaker in "abc":
        for emotion in ("happiness", "anger", "neutral", "boredom"):
            soundfile.write(tmp_path / f"{speaker}-{emotion}.wav", random.normal(0, 0.1, 12_000), 16_000)
            rows.append(f"{speaker}-{emotion}.wav,{emotion},other-{speaker}")
    (tmp_path / "other.csv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path / "other.csv"


def test_one_corpus_is_trained_on_and_another_tested_on_the_labels_that_they_share(
    recipe: Recipe, ravdess: Path, other: Path, tmp_path: Path
) -> None:
    speech, split = across_corpora(trained_on(recipe, "ravdess"), (str(other),), ravdess)
    (fold,) = split.folds
    speakers = [{speech.manifest.clips[i].speaker for i in part} for part in (fold.train, fold.valid, fold.test)]
    assert speakers[0] == {f"ravdess-{i:02}" for i in range(3, 25)}
    assert speakers[1] == {"ravdess-01", "ravdess-02"}
    assert speakers[2] == {"other-a", "other-b", "other-c"}
    assert speech.labels == ("neutral", "happy", "angry")
    assert speech.corpora.joined.left_out == {"boredom": 3}
    assert len(fold.test) == 9
    report, predictions = cross_validate(recipe, speech, split, RunContext(tmp_path / "run", (3,), COMMAND), silent)
    assert report.stamp.protocol == (
        "cross-corpus: trained on RAVDESS speech, tested on all of other, on the labels that they share"
    )
    assert report.stamp.leaky is False
    assert report.stamp.labels == ("neutral", "happy", "angry")
    assert report.stamp.left_out == 3
    assert set(predictions.speakers) == speakers[2]
    assert [(f.n_train, f.n_valid, f.n_test) for f in report.stamp.folds] == [(66, 6, 9)]
    assert {anchor.name for anchor in report.anchors} == {"chance"}  # nobody has published this


def test_every_training_corpus_has_speakers_who_validate(recipe: Recipe, ravdess: Path, other: Path) -> None:
    speech, split = across_corpora(
        trained_on(recipe, "ravdess", str(other), valid_speakers=1), ("ravdess-song",), ravdess
    )
    valid = {speech.manifest.clips[i].speaker for i in split.folds[0].valid}
    assert valid == {"ravdess-01", "other-a"}


def test_across_corpora_of_the_same_speakers_is_said_to_be_leaky(recipe: Recipe, ravdess: Path, tmp_path: Path) -> None:
    speech, split = across_corpora(trained_on(recipe, "ravdess"), ("ravdess-song",), ravdess)
    assert split.description.endswith("; LEAKY: speakers of the test part are in training too")
    report, _ = cross_validate(recipe, speech, split, RunContext(tmp_path, (3,), COMMAND), silent)
    assert report.stamp.leaky is True


def test_songs_of_the_test_speakers_are_not_trained_on(
    recipe: Recipe, ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "utterance_features", lambda speech, name, hook: made_features(speech))
    svm = tiny_recipe(SvmSettings(), {"train_on": ("ravdess", "ravdess-song")})
    speech = load_utterances(svm, ravdess)
    split = make_split("actor-6fold", speech.folded, 2)
    report, predictions = cross_validate(svm, speech, split, RunContext(tmp_path, (3,), COMMAND), silent)
    stamp = report.stamp
    assert stamp.leaky is False
    assert all(not set(fold.train) & set(fold.test + fold.valid) for fold in stamp.folds)
    assert [fold.n_train for fold in stamp.folds] == [54, 60, 60, 60, 60, 54]  # who sing validate in the last
    assert stamp.protocol.endswith(
        "RAVDESS song too, of whose 6 clips those are left out whose speaker it validates or tests"
    )
    assert stamp.corpus == "RAVDESS speech"
    assert not any("03-02-" in clip for clip in predictions.clips)


def test_an_added_corpus_is_said_in_the_protocol(
    recipe: Recipe, ravdess: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "utterance_features", lambda speech, name, hook: made_features(speech))
    svm = tiny_recipe(SvmSettings(), {"train_on": ("ravdess", str(other))})
    speech = load_utterances(svm, ravdess)
    split = make_split("actor-6fold", speech.folded, 2)
    report, predictions = cross_validate(svm, speech, split, RunContext(tmp_path / "run", (3,), COMMAND), silent)
    assert report.stamp.protocol.endswith("; every fold trains on all 9 clips of other too")
    assert report.stamp.folds[0].n_train == 54 + 9
    assert {"other-a", "other-b", "other-c"} < set(report.stamp.folds[0].train)
    assert report.title == "tiny on RAVDESS speech"
    assert predictions.clips[0] == "Actor_01/03-01-01-01-01-01-01.flac"  # as without it, so that both can be compared
    assert any(anchor.name == "eGeMAPS + SVM" for anchor in report.anchors)


def test_what_would_be_trained_on_and_tested_on_is_refused(
    recipe: Recipe, ravdess: Path, other: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="ravdess is to be trained on and tested on"):
        across_corpora(trained_on(recipe, "ravdess", str(other)), ("ravdess",), ravdess)
    copies = [f"{tmp_path / 'a-anger.wav'},anger,renamed", f"{tmp_path / 'b-neutral.wav'},neutral,renamed"]
    (tmp_path / "copy.csv").write_text("\n".join(["path,emotion,speaker", *copies]))
    with pytest.raises(UsageError, match=r"2 clips of copy would be trained on and tested on, .*a-anger\.wav"):
        across_corpora(trained_on(recipe, str(other), valid_speakers=1), (str(tmp_path / "copy.csv"),), None)


def test_too_few_speakers_to_train_on_are_said(recipe: Recipe, ravdess: Path, other: Path) -> None:
    with pytest.raises(CorpusError, match="no speaker of other is left to train on"):
        across_corpora(trained_on(recipe, str(other), valid_speakers=3), ("ravdess",), ravdess)


def test_a_label_that_is_left_to_nobody_who_trains_is_said(recipe: Recipe, ravdess: Path, other: Path) -> None:
    rows = other.read_text().splitlines()
    other.write_text("\n".join(row for row in rows if "anger" not in row or "other-a" in row))
    with pytest.raises(CorpusError, match="no clip of angry is left to train on in other"):
        across_corpora(trained_on(recipe, str(other), valid_speakers=1), ("ravdess",), ravdess)


def named(*clips: Clip) -> tuple[str, ...]:
    return clip_names(Manifest("made", ("sad",), clips, ""))


def test_clips_are_named_below_the_folder_that_they_share_and_by_their_times(tmp_path: Path) -> None:
    one, two = tmp_path / "x" / "one.wav", tmp_path / "y" / "two.wav"
    assert named(Clip(one, "sad", "s"), Clip(two, "sad", "s")) == ("x/one.wav", "y/two.wav")
    assert named(Clip(one, "sad", "s")) == ("one.wav",)
    cut = (
        Clip(one, "sad", "s", end_s=1.5),
        Clip(one, "sad", "s", start_s=1.5),
        Clip(one, "sad", "s", "male", start_s=2, end_s=3.25),
    )
    assert named(*cut) == ("one.wav#0-1.5", "one.wav#1.5-", "one.wav#2-3.25")
    assert named(Clip(Path("x/one.wav"), "sad", "s"), Clip(Path("y/two.wav").absolute(), "sad", "s")) == (
        "x/one.wav",
        "y/two.wav",
    )


def test_how_a_model_is_chosen_is_said() -> None:
    assert selection(tiny_recipe(keep="best", epochs=7)).startswith("the best of at most 7 epochs by the validation")
    assert selection(tiny_recipe(keep="last", epochs=7)).startswith("none: 7 epochs as the recipe says")


def test_a_recipe_of_faces_is_none_of_speech(recipe: Recipe) -> None:
    assert utterance_settings(recipe) is recipe.data
    with pytest.raises(RecipeError, match="'f' is not of utterances"):
        utterance_settings(Recipe(name="f", data=FaceDataSettings(), model=FaceNetSettings()))
