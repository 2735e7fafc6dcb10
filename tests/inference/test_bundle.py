import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emofuse.card import InputSpec
from emofuse.emotions import BASE, RAVDESS
from emofuse.errors import BundleError
from emofuse.inference.bundle import BUNDLES, MANIFEST, labels_matrix, load_bundle
from emofuse.inference.modalities.face import FacePredictor
from emofuse.inference.modalities.voice import VoicePredictor
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.preprocessing.face import FaceCrops
from emofuse.types import Face
from made_streams import Loud


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLES / "base", tmp_path / "bundle"))


def change(folder: Path, **values: object) -> None:
    file = folder / MANIFEST
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_the_base_bundle() -> None:
    bundle = load_bundle()
    assert bundle.labels == BASE
    assert set(bundle.networks) == {"face", "voice", "text"}
    assert all(f.stat().st_size < 5_000_000 for f in (BUNDLES / "base").glob("*.onnx"))
    card = (BUNDLES / "base" / "card.md").read_text()
    for network in bundle.networks.values():
        assert all(source.licence in card for source in network.card.data)


def test_networks_that_ship_are_loaded_once_and_those_of_a_folder_each_time(copy: Path) -> None:
    base, again, languages = load_bundle(), load_bundle("base"), load_bundle("languages")
    for modality in ("face", "voice"):
        assert base.networks[modality] is again.networks[modality] is languages.networks[modality]
    assert base.networks["text"] is again.networks["text"] is not languages.networks["text"]
    assert load_bundle(copy).networks["face"] is not load_bundle(copy).networks["face"]


def test_by_folder(copy: Path) -> None:
    assert load_bundle(copy).manifest == load_bundle("base").manifest


def test_a_folder_called_base_does_not_hide_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_bundle("base").manifest.name == "base"


def test_what_is_wrong_is_said(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle 'nothing'.*base"):
        load_bundle("nothing")
    (copy / "face.onnx").rename(copy / "elsewhere.onnx")
    with pytest.raises(BundleError, match=r"no model at .*face\.onnx"):
        load_bundle(copy)
    shutil.copy(copy / "voice.onnx", copy / "face.onnx")
    with pytest.raises(BundleError, match="is a voice network, not a face one"):
        load_bundle(copy)


@pytest.mark.parametrize("text", ["", "{", '{"name": "x"}', "[]"])
def test_a_broken_manifest(copy: Path, text: str) -> None:
    (copy / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match="not whole"):
        load_bundle(copy)


def test_temperature_softens(copy: Path) -> None:
    face = Face(np.array([10, 10, 90, 90], np.float32), 0.9)
    image = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    modalities = json.loads((copy / MANIFEST).read_text())["modalities"]
    del modalities["face"]["prior"]
    change(copy, modalities=modalities)
    sharp = FacePredictor(load_bundle(copy)).score(FaceCrops(image), [face], 1.0)[0]
    modalities["face"]["temperature"] = 100.0
    change(copy, modalities=modalities)
    soft = FacePredictor(load_bundle(copy)).score(FaceCrops(image), [face], 1.0)[0]
    assert soft.confidence < sharp.confidence
    assert sharp.labels == BASE and sharp.start_s == sharp.end_s == 1.0


def test_contempt_is_left_out() -> None:
    bundle = load_bundle()
    assert "contempt" in bundle.networks["face"].card.labels
    assert "contempt" not in bundle.labels


def test_no_faces_and_no_speech() -> None:
    bundle = load_bundle()
    assert FacePredictor(bundle).score(FaceCrops(np.zeros((10, 10, 3), np.uint8)), [], 0.0) == []
    voice = VoicePredictor(bundle, Loud())
    assert voice.score(np.zeros(3 * RATE_HZ, np.float32), 3.0) is None
    assert voice.score(np.zeros(0, np.float32), 3.0) is None


def test_a_short_voice_is_scored_with_less_trust() -> None:
    t = np.arange(RATE_HZ * 2) / RATE_HZ
    wave = (0.1 * np.sign(np.sin(2 * np.pi * 140 * t))).astype(np.float32)
    voice = VoicePredictor(load_bundle(), Loud())
    short, long = voice.score(wave[: RATE_HZ // 2], 0.5), voice.score(wave, 2.0)
    assert short is not None and long is not None
    assert short.quality < long.quality
    assert (long.start_s, long.end_s) == (0.0, 2.0)


def test_a_voice_is_padded_to_the_window_of_its_card() -> None:
    class Heard:
        def __init__(self, window_s: float) -> None:
            card = load_bundle().networks["voice"].card
            self.card = card.model_copy(update={"input": InputSpec(kind="samples", rate_hz=RATE_HZ, window_s=window_s)})
            self.n_samples: list[int] = []

        def logits(self, samples: np.ndarray) -> np.ndarray:
            self.n_samples.append(samples.shape[1])
            np.testing.assert_array_equal(samples[0, RATE_HZ // 2 :], 0)
            return np.zeros((1, len(self.card.labels)), np.float32)

    base = load_bundle()
    t = np.arange(RATE_HZ // 2) / RATE_HZ
    wave = (0.1 * np.sign(np.sin(2 * np.pi * 140 * t))).astype(np.float32)
    for window_s, least in ((3.0, 24_000), (0.53, 4240)):  # voice, wave-cnn-16
        network = Heard(window_s)
        voice = VoicePredictor(replace(base, networks={**base.networks, "voice": network}), Loud())
        assert voice.score(wave, 0.5) is not None
        assert network.n_samples == [round(window_s * RATE_HZ)]
        assert voice.is_enough(np.zeros(least, np.float32)) and not voice.is_enough(np.zeros(least - 1, np.float32))


def test_labels_are_carried_by_the_table_of_a_set_or_by_their_names() -> None:
    assert labels_matrix(("calm", "contempt"), BASE).tolist() == [[1, 0, 0, 0, 0, 0, 0], [0] * 7]
    assert labels_matrix(("calm", "fear"), RAVDESS)[0, 1] == 1
    own = labels_matrix(("up", "down"), ("down", "up", "still"))
    assert own.tolist() == [[0, 1, 0], [1, 0, 0]]
    with pytest.raises(BundleError, match="'bliss'"):
        labels_matrix(("happy", "bliss"), BASE)
    with pytest.raises(BundleError, match="'calm'"):
        labels_matrix(("calm",), ("down", "up"))
    with pytest.raises(BundleError, match="none of the labels boredom"):
        labels_matrix(("boredom", "other"), BASE)


def test_a_prior_is_taken_off_the_answer(copy: Path) -> None:
    face = Face(np.array([10, 10, 90, 90], np.float32), 0.9)
    image = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    modalities = json.loads((copy / MANIFEST).read_text())["modalities"]
    prior = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    answers = []
    for one in (None, prior.tolist()):
        modalities["face"]["prior"] = one
        change(copy, modalities=modalities)
        answers.append(FacePredictor(load_bundle(copy)).score(FaceCrops(image), [face], 1.0)[0].probabilities)
    expected = answers[0] / prior
    np.testing.assert_allclose(answers[1], expected / expected.sum(), rtol=1e-4)


def test_labels_that_cannot_be_mapped_are_found_when_the_bundle_is_loaded(copy: Path) -> None:
    modalities = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))["modalities"]
    change(copy, labels=["up", "down"])
    with pytest.raises(BundleError, match=r"the prior of face is not 2 numbers that add up to 1"):
        load_bundle(copy)
    change(
        copy,
        modalities={m: {k: v for k, v in s.items() if k not in ("prior", "neutral")} for m, s in modalities.items()},
    )
    with pytest.raises(BundleError, match=r"the certainty of (face|voice|text) is not over 2 labels"):
        load_bundle(copy)
    change(copy, certainty=None)
    with pytest.raises(BundleError, match=r"face\.onnx: no mapping for the label 'neutral'"):
        load_bundle(copy)


def test_a_bundle_is_fused_linearly_where_a_network_has_no_prior(copy: Path) -> None:
    assert load_bundle(copy).pool == "logarithmic"
    modalities = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))["modalities"]
    del modalities["voice"]["prior"]
    change(copy, modalities=modalities)
    assert load_bundle(copy).pool == "linear"


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"[" * 100_000, b'{"name": ' + b"9" * 5000 + b"}", b"", b'{"name": "\x1b[31m"}']
)
def test_a_manifest_that_is_none_is_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "fusion.json").write_bytes(text)
    with pytest.raises(BundleError) as raised:
        load_bundle(tmp_path)
    assert "fusion.json" in str(raised.value) and not set(str(raised.value)) & {"\n", "\x1b"}
