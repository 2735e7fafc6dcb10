"""The bundle "large" is the base bundle with larger face and voice networks."""

from __future__ import annotations

import numpy as np
import pytest

from emofuse.inference.bundle import BUNDLES, Bundle, load_bundle
from emofuse.inference.bundle_writer import PAGE, page
from emofuse.inference.modalities.voice import VoicePredictor
from emofuse.inference.vad import SpeechDetector
from emofuse.reading import file_hash

RATE_HZ = 16_000
MOST_BYTES = 25_000_000


@pytest.fixture(scope="module")
def large() -> Bundle:
    return load_bundle("large")


def test_it_is_the_base_bundle_but_for_two_networks(large: Bundle) -> None:
    base = load_bundle("base")
    assert large.labels == base.labels and list(large.networks) == list(base.networks)
    own, theirs = large.manifest.modalities["text"], base.manifest.modalities["text"]
    assert own.model_copy(update={"file": theirs.file}) == theirs
    assert large.networks["text"].sha256 == base.networks["text"].sha256
    assert base.networks["face"].card.n_parameters < large.networks["face"].card.n_parameters
    assert large.networks["face"].card.input == base.networks["face"].card.input  # the same crops serve both
    assert large.networks["voice"].card.name == "voice-whisper"
    assert large.manifest.certainty is not None and base.manifest.certainty is not None
    own_certainty, theirs_certainty = large.manifest.certainty.modalities, base.manifest.certainty.modalities
    assert [m for m, c in own_certainty.items() if c != theirs_certainty[m]] == ["voice", "face"]


def test_its_files_are_whole_and_its_page_is_of_them(large: Bundle) -> None:
    for settings in large.manifest.modalities.values():
        assert file_hash(BUNDLES / "large" / settings.file) == settings.sha256
    assert sum((BUNDLES / "large" / f"{name}.onnx").stat().st_size for name in ("face", "voice")) < MOST_BYTES
    assert (BUNDLES / "large" / PAGE).read_text("utf-8") == page(large)


def test_its_card_names_whisper_and_every_corpus_with_a_licence(large: Bundle) -> None:
    card = large.networks["voice"].card
    sources = {source.name: source.licence for source in card.data}
    assert all(sources.values())
    assert any("Whisper" in name for name in sources)
    assert {"RAVDESS", "EMO-DB", "ASED", "nEMO", "EmoTale", "EMOVO"} <= sources.keys()


def test_its_face_network_names_what_it_began_with_and_who_may_use_it(large: Bundle) -> None:
    card = large.networks["face"].card
    sources = {source.name: source for source in card.data}
    assert sources["faces that are not named, by facex's network"].licence == "MIT (weights)"
    assert {"CFEE", "Taiwanese actors' faces"} <= sources.keys() and all(s.licence for s in sources.values())
    left_out = {score.on.partition(",")[0] for score in card.scores if score.weights == "same recipe"}
    assert left_out == {"CFEE", "Taiwanese actors' faces"}
    assert {score.on.partition(" ")[0] for score in card.scores if score.weights == "these"} == {"FER+"}


@pytest.mark.parametrize("duration_s", [0.5, 3.0])
def test_it_scores_what_is_spoken(large: Bundle, duration_s: float) -> None:
    times = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    pitch = 140 * (1 + 0.2 * np.sin(2 * np.pi * 1.3 * times))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    voice = sum(np.sin(k * phase) / k for k in range(1, 20)) * np.maximum(0, np.sin(2 * np.pi * 3 * times))
    samples = (0.1 * voice).astype(np.float32)

    class Spoken(SpeechDetector):
        def spoken_s(self, samples: np.ndarray, end_s: float) -> float:
            return len(samples) / RATE_HZ

    scores = VoicePredictor(large, Spoken()).score(samples, duration_s)
    assert scores is not None
    assert scores.probabilities.sum() == pytest.approx(1, abs=1e-5)
    quiet = VoicePredictor(large, Spoken()).score(0.1 * samples, duration_s)
    assert quiet is not None
    np.testing.assert_allclose(quiet.probabilities, scores.probabilities, atol=0.02)  # gain does not matter
