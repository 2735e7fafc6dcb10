"""Small made corpora."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from make_features import HEADER

Write = Callable[..., Path]
Make = Callable[..., Path]


@pytest.fixture
def write_sound(tmp_path: Path) -> Write:
    """Return a function that writes samples (T,) or (T, channels) below the test's folder, as PCM of 16 bits."""

    def write(name: str, samples: NDArray[np.float64] | None = None, rate_hz: int = 16_000) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(160) if samples is None else samples, rate_hz, subtype="PCM_16")
        return path

    return write


@pytest.fixture(params=["zip", "folder"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return a function that writes rows and files as a feature set, once in a zip and once in a folder."""

    def write(rows: Sequence[str], files: Mapping[str, bytes], header: str = HEADER) -> Path:
        folder = tmp_path / "Mine"
        folder.mkdir()
        (folder / "dataset.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        if request.param == "zip":
            with zipfile.ZipFile(folder / "features.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
        else:
            for name, content in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        return folder

    return write
