"""Feature sets made of recordings: what the reader gets of them, what is absent and why, and runs that were cut off."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from emofuse.errors import AssetError, CorpusError, UsageError
from emofuse.inference.detector import YuNetDetector
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.registry import read_corpus
from emofuse.research.feature_sets import encoders as extract_encoders
from emofuse.research.feature_sets import extract as module
from emofuse.research.feature_sets.encoders import AudioSetEncoder, Encoder, FaceEncoder, Features, NoFeatures
from emofuse.research.feature_sets.extract import Extraction, ExtractSettings, extract
from emofuse.research.feature_sets.store import read_feature_set
from emofuse.research.models.face import read_exported
from emofuse.research.models.face_sequence import MARGIN, SHIPPED, FaceCrops
from emofuse.research.models.frames import IMAGENET, ScaledFrames
from emofuse.research.models.frontends import loudness
from emofuse.research.models.settings import VoiceNetSettings
from emofuse.research.models.voice import VoiceNet
from emofuse.research.tasks.speech import decoded_samples
from emofuse.research.training import svm as classical
from make_films import GONE, RedSquares, write_film
from make_media import cut

CPU = torch.device("cpu")
REAL_MAKE_ENCODERS = module.make_encoders


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find red squares for faces, and take an AudioSet network of random weights that are the same each time."""
    monkeypatch.setattr(module, "YuNetDetector", RedSquares)

    def seeded(name: str) -> None:
        assert name == "mn04_as"
        torch.manual_seed(0)

    monkeypatch.setattr(classical, "find", seeded)


def write_sound(path: Path, seconds: float, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    soundfile.write(path, 0.1 * random.normal(size=round(seconds * 16_000)), 16_000, subtype="PCM_16")
    return path


def manifest_of(*clips: Clip, name: str = "mine") -> Manifest:
    return Manifest(name, ("happy", "angry"), clips, "CC0")


@pytest.fixture
def sounds(tmp_path: Path) -> Manifest:
    """Return five sounds of two people."""
    return manifest_of(
        *(
            Clip(write_sound(tmp_path / f"s{i}.wav", 0.5 + 0.1 * i, i), "happy", f"mine-{i % 2}", text=f"words {i}")
            for i in range(5)
        )
    )


class Counting(Encoder):
    """Answers with what is in the words of a clip, and counts. stop_at: the clip before which Ctrl-C is pressed."""

    modality = "lexical"
    name = "counting"

    def __init__(self, stop_at: int | None = None, version: int = 1) -> None:
        self.identity = {"encoder": self.name, "version": version}
        self.stop_at, self.encoded = stop_at, list[str]()

    def source(self, clip: Clip) -> str:
        return clip.text

    def encode(self, clip: Clip) -> Features:
        if len(self.encoded) == self.stop_at:
            raise KeyboardInterrupt
        self.encoded.append(clip.text)
        if not clip.text:
            raise NoFeatures("no words are given")
        return np.full((2, 3), len(clip.text), np.float32)


def run(
    monkeypatch: pytest.MonkeyPatch, encoder: Encoder, clips: Manifest, out: Path, overwrite: bool = False
) -> Extraction:
    monkeypatch.setattr(module, "make_encoders", lambda settings: {encoder.modality: encoder})
    return extract(clips, out, overwrite=overwrite)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_films_become_a_set_that_the_reader_reads(films: Path, tmp_path: Path) -> None:
    clips = read_corpus("ravdess-video", films / "ravdess")
    heard: list[tuple[str, int, int]] = []
    made = extract(clips, tmp_path / "set", ExtractSettings(n_frames=4), hook=lambda *step: heard.append(step))
    assert heard[-1] == ("extracting", 6, 6)
    assert (made.n_made, made.dims, made.steps) == (
        12,
        {"visual": 160, "acoustic": 2496},
        {"visual": (4, 4), "acoustic": (1, 1)},
    )
    read = read_feature_set(tmp_path / "set")
    assert [clip.path.name for clip in read.manifest] == [clip.path.stem for clip in clips]
    assert read.manifest.speakers == ["ravdess-01", "ravdess-02", "ravdess-03"]
    assert read.manifest.counts() == {"happy": 3, "angry": 3}
    assert read.manifest.licence == clips.licence
    assert read.dims == {"visual": 160, "acoustic": 2496}
    assert {array.shape for array in read.features["visual"]} == {(4, 160)}
    happy, angry = read.features["visual"][:2]
    assert read.manifest.clips[0].emotion != read.manifest.clips[1].emotion
    assert not np.array_equal(read.features["acoustic"][0], read.features["acoustic"][1])
    assert np.abs(happy).max() > 0.01 and np.isfinite(angry).all()
    assert np.load(made.table.parent / "features/visual_features/01-01-03-01-01-01-01.npy").dtype == np.float16


def test_faces_are_seen_as_the_face_network_sees_them(films: Path) -> None:
    (clip, *_) = read_corpus("ravdess-video", films / "ravdess")
    encoder = FaceEncoder("face", 3, CPU, RedSquares)
    found = encoder.encode(clip)
    faces = extract_encoders.read_face_clip(clip, 112, MARGIN, RedSquares, FeatureCache())
    network = read_exported(SHIPPED).eval()
    assert (len(faces), found.shape) == (6, (3, 160))
    frames = torch.from_numpy(faces.frames(np.array([1, 3, 5]), 112))  # of six, the middles of thirds
    with torch.no_grad():
        expected = network.embed(FaceCrops(MARGIN)(frames[None])[0]).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-2, rtol=2e-3)
    assert FaceEncoder("face", 50, CPU, RedSquares).encode(clip).shape == (6, 160)  # no picture twice


def test_resnet_takes_its_weights_or_none_at_all(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clip, *_) = read_corpus("ravdess-video", films / "ravdess")
    monkeypatch.setenv("EMOFUSE_WEIGHTS", "")
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    with pytest.raises(AssetError, match=r"resnet50-11ad3fa6\.pth cannot be had") as caught:
        extract(manifest_of(clip), tmp_path / "set", ExtractSettings(visual="resnet50", acoustic="none"))
    assert "--visual face" in caught.value.hint
    assert not (tmp_path / "set").exists()
    weights, loaded = tmp_path / "weights.pth", []
    weights.write_bytes(b"made up")
    monkeypatch.setattr(extract_encoders, "find", lambda name: weights)
    monkeypatch.setattr("emofuse.research.models.frames.load_torchvision", lambda network, path: loaded.append(path))
    encoder = FaceEncoder("resnet50", 2, CPU, RedSquares)
    assert loaded == [weights]
    assert not encoder.network.training
    found = encoder.encode(clip)
    assert found.shape == (2, 2048)
    faces = extract_encoders.read_face_clip(clip, 224, MARGIN, RedSquares, FeatureCache())
    first = torch.from_numpy(faces.frames(extract_encoders.choose_frames(6, 2, "uniform"), 224))[:1]
    with torch.no_grad():
        expected = encoder.network[1](ScaledFrames(IMAGENET)(first[None]))[0, 0].numpy()
    np.testing.assert_allclose(found[0], expected, rtol=5e-3, atol=1e-3)


def test_a_step_of_sound_is_pooled_as_the_utterance_is(tmp_path: Path) -> None:
    encoder = AudioSetEncoder(1.0, CPU)
    clip = Clip(write_sound(tmp_path / "long.wav", 2.9), "happy", "me")
    short = replace(clip, end_s=1.2)
    torch.manual_seed(0)
    network = VoiceNet(VoiceNetSettings(), 2, None).eval()
    found = encoder.encode(clip)
    assert found.shape == (3, 2496)
    whole, brief = (
        torch.from_numpy(decoded_samples(each, FeatureCache()).astype(np.float32) / 32768)[None]
        for each in (clip, short)
    )
    with torch.no_grad():
        log_mel = network.frontend(whole)  # 291 frames: three equal parts
        last = network.embed(log_mel[:, :, 194:], loudness(log_mel)[:, :, 194:])[0].numpy()
        alone = network.embed(network.frontend(brief))[0].numpy()
    np.testing.assert_allclose(found[2], last, rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(encoder.encode(short)[0], alone, rtol=2e-3, atol=1e-3)
    with pytest.raises(NoFeatures, match=r"shorter than 0\.25 s"):
        encoder.encode(replace(clip, end_s=0.1))


def test_what_half_a_float_cannot_hold_stays_whole() -> None:
    assert extract_encoders.halved(torch.tensor([[1.0, -60_000.0]])).dtype == np.float16
    large = extract_encoders.halved(torch.tensor([[1.0, -70_000.0]]))
    assert large.dtype == np.float32 and large.tolist() == [[1.0, -70_000.0]]


def test_functionals_of_the_utterance_are_finite(tmp_path: Path) -> None:
    pytest.importorskip("opensmile")
    clips = manifest_of(Clip(write_sound(tmp_path / "noise.wav", 0.6), "happy", "me"))
    made = extract(clips, tmp_path / "set", ExtractSettings(visual="none", acoustic="egemaps"))
    assert (made.dims, made.steps) == ({"acoustic": 88}, {"acoustic": (1, 1)})
    (features,) = read_feature_set(tmp_path / "set").features["acoustic"]
    assert features is not None and np.abs(features).max() > 1


def test_what_a_clip_has_not_is_absent_with_its_reason(tmp_path: Path) -> None:
    nobody = write_film(tmp_path / "nobody.mp4", [GONE] * 6)
    silent = write_film(tmp_path / "silent.mp4", [20] * 6, tone_hz=None)
    sound = write_sound(tmp_path / "sound.wav", 0.5)
    damaged = cut(sound, tmp_path / "damaged.wav", 0.0)
    clips = manifest_of(*(Clip(p, "happy", "me") for p in (nobody, silent, sound, damaged)))
    made = extract(clips, tmp_path / "set")
    assert made.absent == {
        "visual": {
            "no face was found": ("nobody",),
            "has no picture": ("sound",),
            "is empty (0 bytes)": ("damaged",),
        },
        "acoustic": {"has no sound": ("silent",), "is empty (0 bytes)": ("damaged",)},
    }
    read = read_feature_set(tmp_path / "set")
    assert [clip.path.name for clip in read.manifest] == ["nobody", "silent", "sound"]
    assert [array is None for array in read.features["visual"]] == [True, False, True]
    assert [array is None for array in read.features["acoustic"]] == [False, True, False]
    assert extract(clips, tmp_path / "set").n_made == 0  # reasons are remembered too


def test_a_run_that_was_cut_off_goes_on(sounds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, Counting(stop_at=3), sounds, tmp_path / "cut")
    assert not (tmp_path / "cut/dataset.csv").exists()
    assert sorted(files(tmp_path / "cut")) == [
        "extract.json",
        *(f"features/lexical_features/s{i}.npy" for i in range(3)),
    ]
    rest = Counting()
    assert run(monkeypatch, rest, sounds, tmp_path / "cut").n_made == 2
    assert rest.encoded == ["words 3", "words 4"]
    run(monkeypatch, Counting(), sounds, tmp_path / "whole")
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_what_the_record_does_not_name_is_not_trusted(
    sounds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, Counting(), sounds, tmp_path)
    record = json.loads((tmp_path / "extract.json").read_text())
    del record["made"]["lexical"]["s1"]
    (tmp_path / "extract.json").write_text(json.dumps(record))
    (tmp_path / "features/lexical_features/s2.npy").unlink()
    again = Counting()
    run(monkeypatch, again, sounds, tmp_path)
    assert again.encoded == ["words 1", "words 2"]


def test_clips_that_are_new_or_changed_are_made_and_no_others(
    sounds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, Counting(), replace(sounds, clips=sounds.clips[:4]), tmp_path / "set")
    other = replace(sounds, clips=(replace(sounds.clips[0], text="other words"), *sounds.clips[1:]))
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, Counting(stop_at=0), other, tmp_path / "set")
    assert not (tmp_path / "set/dataset.csv").exists()  # it would still name what is out of date
    again = Counting()
    run(monkeypatch, again, other, tmp_path / "set")
    assert again.encoded == ["other words", "words 4"]
    read = read_feature_set(tmp_path / "set")
    assert [array[0, 0] for array in read.features["lexical"] if array is not None] == [11, 7, 7, 7, 7]
    fewer = run(monkeypatch, Counting(), replace(sounds, clips=sounds.clips[1:3]), tmp_path / "set")
    assert fewer.n_made == 0
    assert len(read_feature_set(tmp_path / "set").manifest) == 2


def test_features_of_two_encoders_are_never_mixed(
    sounds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, Counting(), sounds, tmp_path / "set")
    before = files(tmp_path / "set")
    with pytest.raises(UsageError, match="lexical features of another encoder: version was 1, now 2") as caught:
        run(monkeypatch, Counting(version=2), sounds, tmp_path / "set")
    assert "--overwrite" in caught.value.hint
    assert files(tmp_path / "set") == before
    assert run(monkeypatch, Counting(version=2), sounds, tmp_path / "set", overwrite=True).n_made == 5
    assert json.loads((tmp_path / "set/extract.json").read_text())["encoders"]["lexical"]["version"] == 2


def test_a_modality_that_is_added_leaves_the_others_as_they_are(
    sounds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, Counting(), sounds, tmp_path)
    both = {"acoustic": AudioSetEncoder(2.0, CPU), "lexical": Counting(stop_at=0)}
    monkeypatch.setattr(module, "make_encoders", lambda settings: both)
    assert extract(sounds, tmp_path).n_made == 5
    assert read_feature_set(tmp_path).dims == {"acoustic": 2496, "lexical": 3}


def test_a_set_of_somebody_else_is_left_alone(
    sounds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/dataset.csv").write_text("file_name_list\n")
    with pytest.raises(UsageError, match="a feature set that was not made here"):
        run(monkeypatch, Counting(), sounds, tmp_path / "set")
    (tmp_path / "set/extract.json").write_text("{}")
    with pytest.raises(CorpusError, match="cannot read"):
        run(monkeypatch, Counting(), sounds, tmp_path / "set")
    assert (tmp_path / "set/dataset.csv").read_text() == "file_name_list\n"


def test_nothing_at_all_is_an_error_that_says_why(
    sounds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = replace(sounds, clips=tuple(replace(clip, text="") for clip in sounds))
    with pytest.raises(CorpusError, match=r"no clip of mine has any of these features: no words are given \(5\)"):
        run(monkeypatch, Counting(), mute, tmp_path / "set")
    assert not (tmp_path / "set/dataset.csv").exists()
    with pytest.raises(UsageError, match="every modality is none"):
        REAL_MAKE_ENCODERS(ExtractSettings(visual="none", acoustic="none"))


def test_an_answer_that_is_not_finite_is_none(
    sounds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Counting):
        def encode(self, clip: Clip) -> NDArray[np.float32]:
            return np.array([[np.nan if clip.text == "words 2" else 1.0]], np.float32)

    made = run(monkeypatch, Broken(), sounds, tmp_path / "set")
    assert made.absent == {"lexical": {"the encoder's answer is not finite": ("s2",)}}


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "cuda", SimpleNamespace(is_available=lambda: False))
    with pytest.raises(UsageError, match="no CUDA device"):
        module._device("cuda")
    assert module._device("auto") == CPU


@pytest.mark.load
@pytest.mark.usefixtures("warm_processes")
def test_features_do_not_depend_on_how_many_work_at_once(sounds: Manifest, tmp_path: Path) -> None:
    pytest.importorskip("opensmile")
    settings = ExtractSettings(visual="none", acoustic="egemaps")
    extract(sounds, tmp_path / "one", settings)
    made = extract(sounds, tmp_path / "two", settings, jobs=2)
    assert made.n_made == 5
    assert files(tmp_path / "one") == files(tmp_path / "two")


@pytest.mark.corpus
def test_real_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = os.environ.get("EMOFUSE_DATA")
    if not folder:
        pytest.skip("EMOFUSE_DATA names no folder with the corpora")
    monkeypatch.setattr(module, "YuNetDetector", YuNetDetector)
    clips = read_corpus("cremad", Path(folder) / "cremad")
    made = extract(replace(clips, clips=clips.clips[:2]), tmp_path / "set", ExtractSettings(n_frames=5))
    assert made.absent == {"visual": {}, "acoustic": {}}
    read = read_feature_set(tmp_path / "set")
    assert [array.shape for array in read.features["visual"]] == [(5, 160)] * 2
    assert [array.shape for array in read.features["acoustic"]] == [(1, 2496)] * 2
