"""The classical baselines: where features come from, who chooses C, and that no test label is ever looked at."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.emotions import RAVDESS
from emofuse.errors import UsageError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.relabel import Relabelled
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.models.settings import SvmSettings
from emofuse.research.recipes.data import VoiceDataSettings
from emofuse.research.tasks.speech import SpeechData
from emofuse.research.tasks.utterances import Corpora
from emofuse.research.training import svm as classical
from emofuse.research.training.svm import run_svm, standardise_by_speaker, utterance_features
from make_ravdess import with_clips

EMOTIONS = ("neutral", "happy", "angry")
N_SPEAKERS, PER_SPEAKER = 8, 9
FOLD = Fold("1", train=tuple(range(36)), valid=tuple(range(36, 54)), test=tuple(range(54, 72)))


def made_speech(
    emotions: Sequence[str] | None = None, samples: Sequence[NDArray[np.int16]] = (), n_folded: int | None = None
) -> SpeechData:
    """Return 8 speakers with 9 clips each; what there is to hear does not matter where features are given."""
    clips = [
        Clip(Path(f"{speaker}-{i}.wav"), EMOTIONS[i % 3], f"s{speaker}")
        for speaker in range(N_SPEAKERS)
        for i in range(PER_SPEAKER)
    ]
    if emotions is not None:
        clips = [replace(clip, emotion=emotion) for clip, emotion in zip(clips, emotions, strict=True)]
    sounds = tuple(samples) or tuple(np.full(4, i, np.int16) for i in range(len(clips)))
    manifest = Manifest("made", RAVDESS, tuple(clips[: len(sounds)]), "")
    digests = tuple(f"{i:064x}" for i in range(len(sounds)))
    corpora = Corpora(Relabelled(manifest, {}, Counter()), replace(manifest, clips=manifest.clips[:n_folded]))
    return SpeechData(settings=VoiceDataSettings(), corpora=corpora, digests=digests, samples=sounds)


@pytest.fixture
def speech() -> SpeechData:
    return made_speech()


@pytest.fixture
def features(speech: SpeechData) -> NDArray[np.float32]:
    """Return (72, 5): an emotion moves the first two, a speaker all of them, by more; the last is constant."""
    random = np.random.default_rng(0)
    emotion = np.array([EMOTIONS.index(clip.emotion) for clip in speech.manifest])
    moved = np.stack([np.cos(emotion * 2.1), np.sin(emotion * 2.1)], axis=1)
    by_speaker = np.repeat(random.normal(0, 1.5, (N_SPEAKERS, 5)), PER_SPEAKER, axis=0)
    values = by_speaker + random.normal(0, 0.3, (72, 5))
    values[:, :2] += moved
    values[:, 4] = 0.1
    return values.astype(np.float32)


def right(speech: SpeechData, values: NDArray[np.float32], part: Sequence[int]) -> float:
    return float((values.argmax(axis=1) == speech.truth(part)).mean())


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_a_machine_learns_and_scores_labels_that_do_not_occur_below_all_others(
    speech: SpeechData, features: NDArray[np.float32], kernel: str
) -> None:
    result = run_svm(SvmSettings(kernel=kernel, normalise="speaker"), speech, features, FOLD)
    assert result.test.shape == (18, 8) and result.valid.shape == (18, 8)
    assert right(speech, result.test, FOLD.test) > 0.9
    known = [RAVDESS.index(emotion) for emotion in EMOTIONS]
    others = [i for i in range(8) if i not in known]
    assert result.test[:, others].max() < result.test[:, known].min()


def test_two_emotions_are_told_apart_too(features: NDArray[np.float32]) -> None:
    random = np.random.default_rng(1)
    drawn = [("sad", "angry")[i] for i in random.integers(0, 2, 72)]
    speech = made_speech(drawn)
    features[:, 0] = [3.0 * (emotion == "angry") for emotion in drawn]
    features[:, 0] += random.normal(0, 0.3, 72)
    assert right(speech, run_svm(SvmSettings(), speech, features, FOLD).test, FOLD.test) > 0.9


def test_the_same_twice(speech: SpeechData, features: NDArray[np.float32]) -> None:
    one, two = (run_svm(SvmSettings(), speech, features, FOLD) for _ in range(2))
    assert np.array_equal(one.test, two.test) and np.array_equal(one.valid, two.valid)


def test_no_test_label_is_looked_at(speech: SpeechData, features: NDArray[np.float32]) -> None:
    emotions = [clip.emotion for clip in speech.manifest]
    emotions[54:] = ["disgust"] * 18
    for normalise in ("train", "speaker"):
        settings = SvmSettings(normalise=normalise)
        honest, other = (
            run_svm(settings, speech, features, FOLD),
            run_svm(settings, made_speech(emotions), features, FOLD),
        )
        assert honest.c == other.c
        assert np.array_equal(honest.test, other.test)
        assert np.array_equal(honest.valid, other.valid)


def test_only_by_the_speaker_do_test_features_count(speech: SpeechData, features: NDArray[np.float32]) -> None:
    moved = features.copy()
    moved[63:] += 2.0  # the second test speaker
    for normalise in ("train", "speaker"):
        settings = SvmSettings(normalise=normalise)
        before, after = run_svm(settings, speech, features, FOLD), run_svm(settings, speech, moved, FOLD)
        assert np.array_equal(before.valid, after.valid)
        assert np.array_equal(before.test[:9], after.test[:9])  # a speaker's clips say nothing of another's
        is_same = np.allclose(before.test[9:], after.test[9:], atol=1e-4)
        assert is_same == (normalise == "speaker")  # where it is taken out again


def recalls(settings: SvmSettings, speech: SpeechData, features: NDArray[np.float32], fold: Fold) -> list[float]:
    """Return the validation speakers' mean recall over the emotions that they show, for every C."""
    found = []
    for c in settings.c:
        valid = run_svm(settings.model_copy(update={"c": (c,)}), speech, features, fold).valid.argmax(axis=1)
        truth = speech.truth(fold.valid)
        found.append(float(np.mean([(valid[truth == label] == label).mean() for label in np.unique(truth)])))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_c_is_the_first_that_is_best_on_the_validation_speakers(seed: int) -> None:
    random = np.random.default_rng(seed)
    speech = made_speech([EMOTIONS[i] for i in random.integers(0, 3, 72)])
    noisy = random.normal(0, 1, (72, 5)).astype(np.float32)
    noisy[:, 0] += speech.truth(range(72))
    settings = SvmSettings(c=(0.01, 0.3, 10.0, 1000.0))
    by_c = recalls(settings, speech, noisy, FOLD)
    assert len(set(by_c)) > 1
    chosen = run_svm(settings, speech, noisy, FOLD)
    assert chosen.c == settings.c[by_c.index(max(by_c))]
    assert np.array_equal(chosen.valid, run_svm(SvmSettings(c=(chosen.c,)), speech, noisy, FOLD).valid)


def test_an_emotion_that_no_validation_speaker_shows_has_no_part_in_the_choice(
    features: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    emotions = [clip.emotion for clip in made_speech().manifest]
    emotions[36:54] = ["neutral", "happy"] * 9
    speech = made_speech(emotions)
    neutral, happy, angry = (RAVDESS.index(emotion) for emotion in EMOTIONS)
    # recalls of 6 and 6 of 9, and of 9 and 6 of 9, which is better; a recall of anger, guessed once, there is none
    guesses = {
        1.0: [neutral, happy] * 6 + [happy, neutral] * 3,
        2.0: [neutral, happy] * 6 + [neutral, neutral] * 2 + [neutral, angry],
    }
    monkeypatch.setattr(classical, "_decide", lambda settings, c, *rest: np.eye(8, dtype=np.float32)[guesses[c]])
    assert run_svm(SvmSettings(c=(1.0, 2.0)), speech, features, FOLD).c == 2.0


def test_validation_speakers_are_trained_on_once_c_is_chosen(
    speech: SpeechData, features: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    real = classical._decide

    def watched(settings: SvmSettings, c: float, *rest: Any) -> NDArray[np.float32]:
        parts.append((tuple(rest[2]), tuple(rest[3])))
        return real(settings, c, *rest)

    monkeypatch.setattr(classical, "_decide", watched)
    run_svm(SvmSettings(c=(1.0, 3.0)), speech, features, FOLD)
    assert parts == [(FOLD.train, FOLD.valid)] * 2 + [(FOLD.train + FOLD.valid, FOLD.test)]


def test_added_clips_are_trained_on_but_for_those_of_the_speakers_held_out(
    features: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = made_speech(n_folded=45)  # the clips of speakers 5 to 7, and none before, are added
    fold = Fold("1", train=tuple(range(18)), valid=tuple(range(18, 36)), test=tuple(range(36, 45)))
    clips = list(speech.manifest.clips)
    clips[60] = replace(clips[60], speaker="s4")  # the one who is tested
    speech = with_clips(speech, clips)
    trained: list[tuple[int, ...]] = []
    real = classical._decide
    monkeypatch.setattr(
        classical, "_decide", lambda settings, c, *rest: trained.append(tuple(rest[2])) or real(settings, c, *rest)
    )
    run_svm(SvmSettings(c=(1.0,)), speech, features, fold)
    assert trained[0] == (*range(18), *range(45, 60), *range(61, 72))


def test_features_are_standardised_within_every_speaker(features: NDArray[np.float32]) -> None:
    speakers = [f"s{i // PER_SPEAKER}" for i in range(72)]
    mixed = np.random.default_rng(0).permutation(72)  # a speaker's clips need not lie together
    out = standardise_by_speaker(features[mixed], [speakers[i] for i in mixed])
    assert out.dtype == np.float32
    for speaker in set(speakers):
        own = out[[i for i, place in enumerate(mixed) if speakers[place] == speaker]]
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(own[:, :4].std(axis=0), 1, atol=1e-5)
    assert (out[:, 4] == 0).all()  # constant, and no more than that: 0.1 is not what nine of it sum up to


def test_features_are_computed_once_and_what_is_undefined_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[NDArray[np.float32]] = []

    def extract(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        calls.append(samples)
        return np.array([samples[0], np.nan, np.inf, -np.inf], dtype=np.float32)

    monkeypatch.setattr(classical, "_audioset", lambda: extract)
    speech = made_speech(samples=[np.full(4, 16_384, np.int16), np.full(4, -32_768, np.int16)])
    heard: list[tuple[str, int, int]] = []
    values = utterance_features(speech, "audioset", lambda *step: heard.append(step))
    assert values.dtype == np.float32
    assert values.tolist() == [[0.5, 0, 0, 0], [-1, 0, 0, 0]]
    assert heard == [("audioset", 1, 2), ("audioset", 2, 2)]
    monkeypatch.setattr(classical, "_audioset", lambda: pytest.fail("made again"))
    assert np.array_equal(utterance_features(speech, "audioset"), values)
    assert len(calls) == 2
    other = replace(speech, digests=(speech.digests[0], "f" * 64))
    monkeypatch.setattr(classical, "_audioset", lambda: extract)
    utterance_features(other, "audioset")
    assert len(calls) == 3  # the clip that is another, alone


def test_without_opensmile_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def missing(name: str, *rest: Any) -> Any:
        if name == "opensmile":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    speech = replace(made_speech(samples=[np.zeros(4, np.int16)]), digests=("e" * 64,))
    with pytest.raises(UsageError, match="egemaps needs openSMILE") as caught:
        utterance_features(speech, "egemaps")
    assert "emofuse[opensmile]" in caught.value.hint


@pytest.mark.parametrize(("name", "n_features"), [("egemaps", 88), ("compare", 6373)])
def test_opensmile_gives_the_sets_by_their_size(name: str, n_features: int) -> None:
    pytest.importorskip("opensmile")
    t = np.arange(16_000) / 16_000
    voiced = np.round(8_000 * np.sin(2 * np.pi * 180 * t) * (1 + np.sin(2 * np.pi * 3 * t))).astype(np.int16)
    speech = replace(made_speech(samples=[voiced, voiced // 2]), digests=("c" * 64, "d" * 64))
    values = utterance_features(speech, name)
    assert values.shape == (2, n_features)
    assert np.isfinite(values).all()
    assert not np.array_equal(values[0], values[1])


def test_the_network_of_audioset_is_taken_as_it_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from emofuse.research.models.settings import VoiceNetSettings
    from emofuse.research.models.voice import VoiceNet

    asked: list[str] = []
    monkeypatch.setattr(classical, "find", lambda name: asked.append(name))  # no file: random weights
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    noise = (3_000 * random.normal(size=(2, 12_000))).astype(np.int16)
    speech = replace(made_speech(samples=list(noise)), digests=("a" * 64, "b" * 64))
    values = utterance_features(speech, "audioset")
    assert asked == ["mn04_as"]  # read once, and not for every clip
    torch.manual_seed(0)
    network = VoiceNet(VoiceNetSettings(), 2, None).eval()
    with torch.no_grad():
        expected = network.embed(network.frontend(torch.from_numpy(noise[1] / np.float32(32768))[None]))
    np.testing.assert_array_equal(values[1], expected[0].numpy())
