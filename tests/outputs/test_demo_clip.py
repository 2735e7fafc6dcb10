"""The clip that ships is what its description says."""

from importlib.resources import files

import av
import numpy as np
import pytest


@pytest.fixture(scope="module")
def clip():
    return files("emofuse").joinpath("demo/clip.mp4")


def test_it_is_small_and_says_where_it_is_from(clip):
    assert len(clip.read_bytes()) < 400_000
    terms = files("emofuse").joinpath("demo/README.md").read_text(encoding="utf-8")
    assert "public domain" in terms and "espeak-ng" in terms


def test_it_has_picture_and_sound(clip):
    with av.open(str(clip)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height, float(video.average_rate)) == (640, 480, 25.0)
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        samples = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio)])
    rate_hz = audio.codec_context.sample_rate
    assert 5.0 < len(samples) / rate_hz < 7.5
    assert np.abs(samples[: int(0.4 * rate_hz)]).max() < 0.01
    assert np.abs(samples[-int(0.4 * rate_hz) :]).max() < 0.01
    assert 0.3 < np.abs(samples).max() < 0.95
