"""Recordings that several tests read, made once per run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from emofuse.assets import cache_folder
from make_media import Sound, Video, record


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is made in a cache of the run's own. Weights that the user's cache has are still found."""
    folders = [os.environ.get("EMOFUSE_WEIGHTS", ""), str(cache_folder())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOFUSE_WEIGHTS", os.pathsep.join(filter(None, folders)))
        patch.setenv("EMOFUSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def media_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the session's recordings are made in."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def talk_mp4(media_dir: Path) -> Path:
    """Return an MP4 of 2 s: 50 pictures of 64 x 48 at 25 per second, and a 440 Hz tone, stereo at 44.1 kHz."""
    times = tuple(i / 25 for i in range(50))
    return record(media_dir / "talk.mp4", Video(times=times), Sound(duration_s=2.0))


@pytest.fixture(scope="session")
def silent_film_mp4(media_dir: Path) -> Path:
    """Return an MP4 of 1 s with pictures alone."""
    return record(media_dir / "film.mp4", Video())


@pytest.fixture(scope="session")
def voice_wav(media_dir: Path) -> Path:
    """Return a WAV of 1 s with a 440 Hz tone of amplitude 0.5, mono at 16 kHz."""
    return record(media_dir / "voice.wav", sound=Sound("pcm_s16le", 16_000, "mono"))
