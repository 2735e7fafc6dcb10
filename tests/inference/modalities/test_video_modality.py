"""What a clip network is given, and what is made of its answer."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.card import InputSpec
from emofuse.emotions import BASE
from emofuse.inference.bundle import Bundle
from emofuse.inference.modalities.video import ClipPredictor
from emofuse.inference.network import softmax
from emofuse.preprocessing.audio_buffer import RATE_HZ, SoundBuffer
from emofuse.types import AudioBlock, Face
from made_streams import Loud
from make_networks import RecordingNetwork, bundle_of, clip_card, clip_spec, plain, speech

RED = (250, 0, 0)
FACE = Face(np.array([10, 10, 80, 90], np.float32), 0.9, None, 1)


def recorded(
    spec: InputSpec, logits: NDArray[np.float32] | None = None, **settings: float
) -> tuple[Bundle, RecordingNetwork]:
    network = RecordingNetwork(clip_card(spec), logits)
    return bundle_of(network, **settings), network


def sound_of(samples: NDArray[np.float32], start_s: float = 0.0) -> SoundBuffer:
    buffer = SoundBuffer(5.0)
    buffer.push(AudioBlock(samples, RATE_HZ, start_s))
    return buffer


def watch(predictor: ClipPredictor, until_s: float, colour: tuple[int, int, int] = RED) -> None:
    for i in range(round(until_s * 30)):
        predictor.push(plain(colour), [FACE], i / 30)


def test_picture_only_gives_frames_and_nothing_else() -> None:
    bundle, network = recorded(clip_spec())
    predictor = ClipPredictor(bundle, Loud())
    assert not predictor.uses_audio
    watch(predictor, 1.0)
    scores = predictor.score(1.0, sound_of(speech(1.0)))
    ((frames,),) = network.calls
    assert frames.shape == (1, 4, 16, 16, 3) and frames.dtype == np.uint8
    assert (frames == RED).all()
    assert scores is not None and (scores.modality, scores.labels, scores.end_s) == ("clip", BASE, 1.0)
    assert 0 <= scores.start_s < 0.2


def test_nobody_to_see_and_nobody_to_hear_is_no_answer() -> None:
    for spec in (clip_spec(), clip_spec(rate_hz=RATE_HZ)):
        bundle, network = recorded(spec)
        predictor = ClipPredictor(bundle, Loud())
        assert predictor.score(1.0, sound_of(np.zeros(RATE_HZ, np.float32))) is None
        assert predictor.score(1.0, SoundBuffer(1.0)) is None
        assert network.calls == []


def test_sound_and_picture_are_both_given_in_the_same_window() -> None:
    bundle, network = recorded(clip_spec(rate_hz=RATE_HZ, window_s=2.0))
    predictor = ClipPredictor(bundle, Loud())
    watch(predictor, 3.0)
    voice = speech(3.0)
    assert predictor.score(3.0, sound_of(voice)) is not None
    frames, samples, present = network.calls[0]
    assert frames.any() and samples.dtype == np.float32
    np.testing.assert_array_equal(samples[0], voice[RATE_HZ:])
    np.testing.assert_array_equal(present, [[1, 1]])


def test_sound_that_began_late_or_ended_early_keeps_its_place() -> None:
    bundle, network = recorded(clip_spec(rate_hz=RATE_HZ, window_s=2.0))
    predictor = ClipPredictor(bundle, Loud())
    watch(predictor, 2.0)
    voice = speech(1.0)
    predictor.score(2.0, sound_of(voice, start_s=0.5))
    samples = network.calls[0][1][0]
    assert len(samples) == 2 * RATE_HZ
    np.testing.assert_array_equal(samples[RATE_HZ // 2 : 3 * RATE_HZ // 2], voice)
    assert not samples[: RATE_HZ // 2].any() and not samples[3 * RATE_HZ // 2 :].any()


def test_silence_is_absent_sound() -> None:
    bundle, network = recorded(clip_spec(rate_hz=RATE_HZ))
    predictor = ClipPredictor(bundle, Loud())
    watch(predictor, 1.0)
    noise = np.random.default_rng(0).normal(0, 0.01, RATE_HZ).astype(np.float32)
    assert predictor.score(1.0, sound_of(noise)) is not None
    _, samples, present = network.calls[0]
    np.testing.assert_array_equal(present, [[1, 0]])
    assert not samples.any()


def test_sound_alone_is_answered_where_the_network_hears() -> None:
    bundle, network = recorded(clip_spec(rate_hz=RATE_HZ))
    scores = ClipPredictor(bundle, Loud()).score(1.0, sound_of(speech(1.0)))
    frames, samples, present = network.calls[0]
    np.testing.assert_array_equal(present, [[0, 1]])
    assert not frames.any() and frames.shape == (1, 4, 16, 16, 3) and samples.any()
    assert scores is not None and (scores.start_s, scores.end_s) == (0.0, 1.0)
    assert scores.quality == pytest.approx(1.0, abs=0.05)  # as that of a voice


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_answers_for_every_frame_are_averaged_as_log_probabilities_or_the_newest_is_taken(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (1, 4, len(BASE))).astype(np.float32)
    expected = {
        "mean": np.exp(np.log(softmax(logits[0], temperature)).mean(axis=0)),
        "newest": softmax(logits[0], temperature)[-1],
    }
    for frame_answers, wanted in expected.items():
        bundle, _ = recorded(clip_spec(per_frame=True), logits, temperature=temperature)
        predictor = ClipPredictor(bundle, Loud(), frame_answers)  # type: ignore[arg-type]
        watch(predictor, 1.0)
        scores = predictor.score(1.0, SoundBuffer(1.0))
        assert scores is not None
        np.testing.assert_allclose(scores.probabilities, wanted / wanted.sum(), atol=1e-5)


def test_black_frames_have_no_say() -> None:
    logits = np.zeros((1, 4, len(BASE)), np.float32)
    logits[0, :2, 1], logits[0, 2:, 3] = 4.0, 90.0  # the last two frames will be black
    answers: tuple[Literal["mean", "newest"], ...] = ("mean", "newest")
    for frame_answers in answers:
        bundle, _ = recorded(clip_spec(per_frame=True, sampling="first"), logits)
        predictor = ClipPredictor(bundle, Loud(), frame_answers)
        watch(predictor, 2 / 30)
        scores = predictor.score(0.1, SoundBuffer(1.0))
        assert scores is not None and scores.label == BASE[1]
