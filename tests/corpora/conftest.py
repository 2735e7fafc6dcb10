"""Small made corpora."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

Write = Callable[..., Path]


@pytest.fixture
def write_sound(tmp_path: Path) -> Write:
    """Return a function that writes samples (T,) or (T, channels) below the test's folder, as PCM of 16 bits."""

    def write(name: str, samples: NDArray[np.float64] | None = None, rate_hz: int = 16_000) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(160) if samples is None else samples, rate_hz, subtype="PCM_16")
        return path

    return write


@pytest.fixture
def corpora() -> Path:
    """Return the folder of the real corpora, or skip the test."""
    folder = os.environ.get("EMOFUSE_DATA")
    if not folder:
        pytest.skip("EMOFUSE_DATA names no folder with the corpora")
    return Path(folder)
