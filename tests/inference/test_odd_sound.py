"""Sound as it comes from odd devices is answered as it would be, and what is hardly speech has no sure answer."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.cli.demo import CLIP
from emofuse.inference.pipeline import Pipeline
from emofuse.media import open_media
from emofuse.types import AudioBlock, Scores

RATE_HZ = 16_000


@pytest.fixture(scope="module", params=["base", "large"])
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    return Pipeline.load(request.param)


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    with open_media(CLIP) as media:
        return np.concatenate([packet.samples for packet in media if isinstance(packet, AudioBlock)])


def voice(pipeline: Pipeline, samples: NDArray[np.floating], rate_hz: int = RATE_HZ) -> Scores | None:
    return pipeline((samples.astype(np.float32), rate_hz)).summary.by_modality.get("voice")


def test_a_dead_channel_changes_nothing(pipeline: Pipeline, speech: NDArray[np.float32]) -> None:
    alone = voice(pipeline, speech)
    assert alone is not None
    for channels in ([speech, 0 * speech], [0 * speech, speech]):
        beside = voice(pipeline, np.stack(channels, axis=1))
        assert beside is not None
        np.testing.assert_allclose(beside.evidence, alone.evidence, atol=0.02)


def test_a_very_high_rate_changes_nothing_and_a_low_one_gives_no_sure_answer(
    pipeline: Pipeline, speech: NDArray[np.float32]
) -> None:
    as_it_is = voice(pipeline, speech)
    high = voice(pipeline, librosa.resample(speech, orig_sr=RATE_HZ, target_sr=192_000), 192_000)
    low = voice(pipeline, librosa.resample(speech, orig_sr=RATE_HZ, target_sr=8_000), 8_000)
    assert as_it_is is not None and high is not None and low is not None
    np.testing.assert_allclose(high.evidence, as_it_is.evidence, atol=0.03)
    assert low.certainty is not None and low.certainty.word == "unsure"


def test_a_fifth_of_a_second_is_not_enough(pipeline: Pipeline, speech: NDArray[np.float32]) -> None:
    loudest = int(np.abs(speech).argmax())
    assert voice(pipeline, speech[loudest - RATE_HZ // 10 : loudest + RATE_HZ // 10]) is None


def test_tones_as_if_sung_have_no_sure_answer(pipeline: Pipeline) -> None:
    times = np.arange(4 * RATE_HZ) / RATE_HZ
    notes = 220 * 2 ** (np.floor(2 * times) % 5 / 12) * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * times))
    phase = 2 * np.pi * np.cumsum(notes) / RATE_HZ
    found = voice(pipeline, 0.1 * sum(np.sin(k * phase) / k for k in range(1, 12)))
    assert found is None or (found.certainty is not None and found.certainty.word == "unsure")
