"""Corpora left out in turn, and folds over the speakers of all of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emofuse.errors import UsageError
from emofuse.research.corpora.splits.protocols import is_leaky
from emofuse.research.evaluation.protocols.by_corpus import ALL_CORPORA, LEAVE_ONE_OUT, read_by_corpus
from emofuse.research.evaluation.protocols.cross_validation import cross_validate
from emofuse.research.evaluation.protocols.learners import RunContext
from emofuse.research.evaluation.reports.sections import calibration
from emofuse.research.models.settings import VoiceNetSettings, WhisperVoiceSettings
from emofuse.research.recipes.data import VoiceDataSettings
from emofuse.research.training.fit import fit, load_weights
from emofuse.research.training.jobs import load_utterances, utterance_job
from make_ravdess import tiny_recipe, trained_on, write_ravdess

TONES = {"n": 0.0, "h": 300.0, "a": 3000.0}  # as write_ravdess has them
CORPORA = ("ravdess", "ased", "emovo", "emogator")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return RAVDESS, ASED and EMOVO of four speakers each, and bursts of one person."""
    root = write_ravdess(tmp_path_factory.mktemp("data"), range(1, 5))
    random = np.random.default_rng(0)

    def write(name: str, hertz: float) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        t = np.arange(int(random.integers(9_600, 12_000))) / 16_000
        wave = 0.2 * np.sin(2 * np.pi * hertz * t) + 0.02 * random.normal(size=len(t))
        soundfile.write(root / name, wave, 16_000)

    for speaker in range(1, 5):
        for letter, hertz in TONES.items():
            write(f"ased/{letter}1-01-01-01-{speaker:02}.wav", hertz)
            write(f"ased/{letter}1-03-01-01-{speaker:02}.wav", hertz)
        for name, hertz in (("neu", 0.0), ("gio", 300.0), ("rab", 3000.0), ("sor", 900.0)):
            write(f"emovo/{name}-{'fm'[speaker % 2]}{speaker}-b1.wav", hertz)
    write("emogator/000001-02-1.wav", 300.0)
    return root


def test_every_corpus_of_speech_is_left_out_once(data: Path) -> None:
    recipe = trained_on(tiny_recipe(), *CORPORA, labels="basic-7", valid_speakers=1)
    utterances, split = read_by_corpus(recipe, LEAVE_ONE_OUT, data)
    assert [fold.name for fold in split.folds] == ["RAVDESS speech", "ASED", "EMOVO"]
    clips = utterances.manifest.clips
    assert not is_leaky(split, utterances.manifest)
    for fold, prefix in zip(split.folds, CORPORA, strict=False):
        assert {clips[i].speaker.partition("-")[0] for i in fold.test} == {prefix}
        assert {clips[i].speaker.partition("-")[0] for i in fold.train} == set(CORPORA) - {prefix}
        assert {clips[i].speaker.partition("-")[0] for i in fold.valid} == set(CORPORA) - {prefix, "emogator"}
    ased, emovo = split.folds[1:]
    assert {clips[i].style for i in ased.test} == {"acted, neutral text"} and len(ased.test) == 12
    assert emovo.labels == ("neutral", "happy", "angry")  # nobody else is surprised
    assert {clips[i].emotion for i in emovo.test} == set(emovo.labels)


def test_a_corpus_whose_sound_narrows_an_encoder_is_trained_on_and_not_tested(data: Path) -> None:
    model = WhisperVoiceSettings(pretrained=None, width=16, heads=2, hidden=8, rank=4)
    recipe = trained_on(tiny_recipe(model), *CORPORA, labels="basic-7", valid_speakers=1)
    utterances, split = read_by_corpus(recipe, LEAVE_ONE_OUT, data)
    assert [fold.name for fold in split.folds] == ["ASED", "EMOVO"]
    for fold in split.folds:
        assert any(utterances.manifest.clips[i].speaker.startswith("ravdess") for i in fold.train)


def test_nothing_but_the_sound_is_learnt_of_a_corpus_of_sound_alone(data: Path) -> None:
    model = WhisperVoiceSettings(pretrained=None, width=16, heads=2, hidden=8, taps=(1,))
    made = {"versions": 1, "as_recorded": 1, "balance_corpora": True, "sound_only": ["emogator"], "valid_speakers": 1}
    recipe = trained_on(tiny_recipe(model), *CORPORA, labels="basic-7", **made)
    utterances, split = read_by_corpus(recipe, LEAVE_ONE_OUT, data)
    others = range(utterances.n_labelled, len(utterances.manifest))
    assert {utterances.manifest.clips[i].speaker.partition("-")[0] for i in others} == {"emogator"}
    assert not {*others} & {*utterances.of_last_speakers(1)}
    for fold in (None, *split.folds):
        job = utterance_job(recipe, utterances, fold)
        assert job.train.chosen.max() < utterances.n_labelled  # type: ignore[attr-defined]
        assert job.train.activations.made.shape[1] == utterances.n_labelled  # type: ignore[attr-defined]
    assert sum(len(window) for window in utterances.sound_of_no_fold()) == utterances.corpora.sizes[0] + len(others)


@pytest.mark.parametrize("corpora", [("ased", "ravdess"), ("ased",)])
def test_corpora_of_sound_alone_come_last(corpora: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="sound_only names the last"):
        VoiceDataSettings(train_on=corpora, sound_only=("ased",))


def test_of_a_large_corpus_some_clips_are_taken(data: Path) -> None:
    recipe = trained_on(tiny_recipe(), *CORPORA, labels="basic-7", valid_speakers=1, most_clips=10)
    first, again = (read_by_corpus(recipe, LEAVE_ONE_OUT, data)[0].manifest for _ in range(2))
    assert [clip.path for clip in first] == [clip.path for clip in again]
    counts = Counter(clip.speaker.partition("-")[0] for clip in first)
    assert counts == {"ravdess": 10, "ased": 10, "emovo": 10, "emogator": 1}


def test_the_headline_is_the_mean_of_the_corpora_and_others_calibrate(data: Path, tmp_path: Path) -> None:
    recipe = trained_on(tiny_recipe(batch_size=4), "ravdess", "ased", labels="basic-7", valid_speakers=1)
    utterances, split = read_by_corpus(recipe, LEAVE_ONE_OUT, data)
    report, predictions = cross_validate(recipe, utterances, split, RunContext(tmp_path, (3,), "x"), lambda text: None)
    names = {path.parent.name: load_weights(path)[1].data.train_on for path in tmp_path.rglob("model.safetensors")}
    assert names == {"foldRAVDESS speech": ("ased",), "foldASED": ("ravdess",)}
    mean, ravdess, ased = report.metrics[:3]
    assert [m.name for m in (mean, ravdess, ased)] == ["UAR, mean of corpora", "UAR on RAVDESS speech", "UAR on ASED"]
    assert report.headline == (mean.name,)
    assert mean.value == pytest.approx((ravdess.value + ased.value) / 2)
    assert mean.by_fold == pytest.approx((ravdess.value, ased.value))
    low, high = ased.interval_95
    assert low <= ased.value <= high
    right = [
        np.mean(
            [
                g == t
                for g, t, f in zip(predictions.guesses[0], predictions.truth, predictions.folds, strict=True)
                if f == "ASED" and t == label
            ]
        )
        for label in sorted({t for t, f in zip(predictions.truth, predictions.folds, strict=True) if f == "ASED"})
    ]
    assert ased.value == pytest.approx(float(np.mean(right)))
    absent = utterances.labels.index("disgust")
    assert float(np.exp(predictions.log_probabilities[..., absent]).max()) < 1e-6
    assert "the other left-out corpora fit the temperature" in report.stamp.selection
    assert "fitted to left-out corpora" in calibration(report)[1].text


def test_folds_over_all_speakers_test_everybody_once_and_no_bursts(data: Path) -> None:
    recipe = trained_on(tiny_recipe(), *CORPORA, labels="basic-7", valid_speakers=1)
    utterances, split = read_by_corpus(recipe, ALL_CORPORA, data)
    assert not is_leaky(split, utterances.manifest)
    tested = sorted(i for fold in split.folds for i in fold.test)
    speech = [i for i, clip in enumerate(utterances.manifest) if not clip.speaker.startswith("emogator")]
    assert tested == speech
    assert all(len({*fold.train, *fold.valid, *fold.test}) == len(utterances.manifest) for fold in split.folds)


def test_one_corpus_cannot_be_left_out(data: Path) -> None:
    recipe = trained_on(tiny_recipe(), "ravdess", labels="basic-7")
    with pytest.raises(UsageError, match="alone cannot be left out"):
        read_by_corpus(recipe, LEAVE_ONE_OUT, data)


def test_what_an_earlier_training_knew_is_not_tested(data: Path, tmp_path: Path) -> None:
    network = VoiceNetSettings(pretrained=None, taps=(2, 4), hidden=8)
    first = trained_on(tiny_recipe(network, batch_size=6), "ravdess", labels="basic-7")
    job = utterance_job(first, load_utterances(first, data), None)
    start = str(fit(first, job, tmp_path / "run", progress=False).weights)
    recipe = trained_on(tiny_recipe(network.model_copy(update={"start": start})), "ravdess", "ased", labels="basic-7")
    assert [fold.name for fold in read_by_corpus(recipe, LEAVE_ONE_OUT, data)[1].folds] == ["ASED"]
    with pytest.raises(UsageError, match="no corpus that could be tested"):
        read_by_corpus(trained_on(recipe, "ravdess"), LEAVE_ONE_OUT, data)
