"""Speech is told from silence, noise and hum, whatever the size of the blocks."""

from pathlib import Path

import numpy as np
import pytest

from emofuse.cli.demo import CLIP
from emofuse.errors import AssetError
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import load_bundle
from emofuse.inference.vad import CHUNK, SileroDetector, SileroNetwork, silero_network
from emofuse.media import open_media
from emofuse.preprocessing.audio_buffer import RATE_HZ, SoundBuffer
from emofuse.types import AudioBlock
from made_streams import LoudNetwork, Told


def heard(detector: SileroDetector, samples: np.ndarray, block: int, start_s: float = 0.0) -> SileroDetector:
    for i in range(0, len(samples), block):
        detector.push(AudioBlock(samples[i : i + block], RATE_HZ, start_s + i / RATE_HZ))
    return detector


def chunks(*levels: float) -> np.ndarray:
    return np.repeat(np.array(levels, np.float32), CHUNK)


def test_chunks_follow_one_another_whatever_the_size_of_the_blocks() -> None:
    samples = np.arange(5 * CHUNK + 100, dtype=np.float32)
    for block in (1, 100, CHUNK, 4000):
        network = LoudNetwork()
        detector = heard(SileroDetector(network), samples[: 2 * CHUNK + 100] if block == 1 else samples, block)
        assert not network.windows  # until somebody asks
        detector.spoken_s(samples, 0.1)
        whole = np.concatenate([np.zeros(64, np.float32), samples])
        for i, window in enumerate(network.windows):
            np.testing.assert_array_equal(window, whole[i * CHUNK : (i + 1) * CHUNK + 64])
        assert len(network.windows) == (2 if block == 1 else 5)


def test_speech_is_counted_in_the_stretch_that_is_asked_for_and_ends_with_hysteresis() -> None:
    samples = chunks(0.1, 0.6, 0.4, 0.4, 0.3, 0.4, 0.9)  # 0.4 goes on with speech, and does not begin it
    detector = heard(SileroDetector(LoudNetwork()), samples, 300)
    end_s, chunk_s = len(samples) / RATE_HZ, CHUNK / RATE_HZ
    assert detector.spoken_s(samples, end_s) == pytest.approx(4 * chunk_s)
    assert detector.spoken_s(samples[-2 * CHUNK :], end_s) == pytest.approx(chunk_s)
    assert detector.spoken_s(samples[: 4 * CHUNK], 4 * chunk_s) == pytest.approx(3 * chunk_s)
    # a chunk that ends after the stretch has not been heard by then
    assert detector.spoken_s(samples[: 2 * CHUNK - 1], 2 * chunk_s - 1 / RATE_HZ) == 0
    assert detector.spoken_s(samples[:0], 1.0) == 0


def test_a_gap_begins_anew_and_an_overlap_is_skipped() -> None:
    network = LoudNetwork()
    detector = heard(SileroDetector(network), chunks(0.9, 0.9)[:-10], 300)
    samples = chunks(0.4, 0.6)
    heard(detector, samples, 300, start_s=2.0)
    detector.spoken_s(samples, 3.0)
    np.testing.assert_array_equal(network.windows[1][:64], 0)  # no context from before the gap
    assert detector.spoken_s(samples, 2.0 + len(samples) / RATE_HZ) == pytest.approx(CHUNK / RATE_HZ)
    n = len(network.windows)
    detector.push(AudioBlock(chunks(0.9, 0.9), RATE_HZ, 2.0))  # heard already
    detector.spoken_s(samples, 3.0)
    assert len(network.windows) == n


def test_it_keeps_a_minute_and_no_more() -> None:
    detector = heard(SileroDetector(LoudNetwork()), np.zeros(200 * RATE_HZ, np.float32), RATE_HZ)
    assert len(detector._chunks) * CHUNK / RATE_HZ == pytest.approx(60, abs=0.1)
    assert len(detector._waiting) < 2 * RATE_HZ


def test_a_file_that_is_not_it_is_an_asset_error(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(AssetError, match="not a network that can be run"):
        SileroNetwork(tmp_path / "no.onnx")
    with pytest.raises(AssetError, match="not Silero"):
        SileroNetwork(load_bundle().networks["face"].path)


# From here on with the real network.


def spoken_share(detector: SileroDetector, samples: np.ndarray) -> float:
    detector.push(AudioBlock(samples, RATE_HZ, 0.0))
    return detector.spoken_s(samples, len(samples) / RATE_HZ) / (len(samples) / RATE_HZ)


def test_what_ships_answers_as_the_file_that_silero_publishes_one_chunk_at_a_time() -> None:
    published = [0.0017, 0.0056, 0.0044, 0.1906, 0.2496, 0.985, 0.9997, 0.9996, 0.9999, 0.7825, 0.0164, 0.9997]
    with open_media(CLIP) as media:
        said = np.concatenate([np.zeros(64), *(p.samples for p in media if isinstance(p, AudioBlock))])
    windows = np.stack([said[i * CHUNK : (i + 1) * CHUNK + 64] for i in range(84)]).astype(np.float32)
    state = np.zeros((2, 1, 128), np.float32)
    together, after = silero_network().run(windows, state)
    np.testing.assert_allclose(together[::7], published, atol=1e-4)
    for i, window in enumerate(windows):
        alone, state = silero_network().run(window[None], state)
        assert alone[0] == pytest.approx(together[i], abs=1e-6)
    np.testing.assert_allclose(state, after, atol=1e-6)


def test_silero_hears_a_voice_and_no_silence_noise_or_notes() -> None:
    with open_media(CLIP) as media:
        said = np.concatenate([p.samples for p in media if isinstance(p, AudioBlock)])
    assert spoken_share(SileroDetector(), said) > 0.5
    t = np.arange(4 * RATE_HZ) / RATE_HZ
    hum = (0.1 * np.sin(2 * np.pi * 100 * t)).astype(np.float32)
    noise = (0.1 * np.random.default_rng(0).standard_normal(len(t))).astype(np.float32)
    for other in (np.zeros(len(t), np.float32), noise, hum):
        assert spoken_share(SileroDetector(), other) < 0.05


def test_the_analyzer_scores_no_hum_by_default() -> None:
    t = np.arange(3 * RATE_HZ) / RATE_HZ
    hum = (0.1 * np.sin(2 * np.pi * 100 * t)).astype(np.float32)
    analyzer = Analyzer(load_bundle(), Told())
    made = [*analyzer.push(AudioBlock(hum, RATE_HZ, 0.0)), *analyzer.flush()]
    assert [m.why["voice"] for m in made] == ["too little sound yet"] * 2 + ["no speech"] * 4


def test_sound_that_ended_before_the_picture_is_asked_about_where_it_was() -> None:
    with open_media(CLIP) as media:
        said = [p for p in media if isinstance(p, AudioBlock) and p.time_s < 3.0]
    detector, buffer = SileroDetector(), SoundBuffer(3.0)
    for block in said:
        detector.push(block)
        buffer.push(block)
    window = buffer.window(1.5, 4.5)
    assert detector.spoken_s(window, min(4.5, buffer.end_s)) > 0.8
