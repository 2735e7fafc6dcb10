"""Recordings that several tests read, made once per run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from emofuse.assets import cache_folder
from emofuse.cli.demo import CLIP
from make_media import Sound, Video, beginning, record

# What a shell begins in the background ignores Ctrl-C, and so would all that the tests begin.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before any test imports torch. There is a process of tests for each core: where each has a thread for each core, they
# wait for one another most of the time, and so do the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where a machine sets it, each of the many processes that tests start would compile the package again.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # also where a test imports ONNX Runtime by itself, before emofuse does


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is made in a cache of the run's own. Weights that the user's cache has are still found."""
    folders = [os.environ.get("EMOFUSE_WEIGHTS", ""), str(cache_folder())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOFUSE_WEIGHTS", os.pathsep.join(filter(None, folders)))
        patch.setenv("EMOFUSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def corpora() -> Path:
    """Return the folder of the real corpora, or skip the test."""
    folder = os.environ.get("EMOFUSE_DATA")
    if not folder:
        pytest.skip("EMOFUSE_DATA names no folder with the corpora")
    return Path(folder)


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
def clip_mp4(media_dir: Path) -> Path:
    """Return clip.mp4, the first 1.5 s of the clip that ships with the package: a face that smiles, and a voice."""
    return beginning(CLIP, media_dir / "clip.mp4", 1.5)


@pytest.fixture(scope="session")
def silent_film_mp4(media_dir: Path) -> Path:
    """Return an MP4 of 1 s with pictures alone."""
    return record(media_dir / "film.mp4", Video())


@pytest.fixture(scope="session")
def voice_wav(media_dir: Path) -> Path:
    """Return a WAV of 1 s with a 440 Hz tone of amplitude 0.5, mono at 16 kHz."""
    return record(media_dir / "voice.wav", sound=Sound("pcm_s16le", 16_000, "mono"))


@pytest.fixture
def warm_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let worker processes begin as copies of one that has imported all they need, which takes each of them seconds."""
    from emofuse.research import parallel  # it imports torch

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["emofuse.research.evaluation.protocols.folds", "emofuse.research.feature_sets.extract"]
    )
    monkeypatch.setattr(parallel, "get_context", lambda method: context)


@pytest.fixture
def blank_figures() -> Iterator[pytest.MonkeyPatch]:
    """Make the figures of reports as ever, and save them blank: to render those of one report takes a second.

    A test that looks at them calls `undo`.
    """
    from matplotlib.figure import Figure

    white = cv2.imencode(".png", np.full((9, 9, 3), 255, np.uint8))[1].tobytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, name, **options: Path(name).write_bytes(white))
        yield patch
