"""What an extra brings and is not installed is one line that names what to install."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import emofuse
from emofuse.cli.demo import CLIP
from emofuse.errors import EmofuseError
from emofuse.timeline import Timeline


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    return emofuse.analyze(CLIP, end_s=1.0)


CALLS: dict[str, tuple[tuple[str, ...], Callable[[Timeline, Path], object], str]] = {
    "pandas": (("pandas",), lambda t, _: t.to_dataframe(), "pip install 'emofuse[tables]'"),
    "pandas of many": (
        ("pandas",),
        lambda t, _: emofuse.Timelines([t]).to_dataframe(),
        "pip install 'emofuse[tables]'",
    ),
    "polars": (("polars",), lambda t, _: t.to_dataframe(library="polars"), "pip install polars"),
    "pyarrow": (("pyarrow",), lambda t, _: t.to_dataframe(library="pyarrow"), "pip install pyarrow"),
    "matplotlib": (("matplotlib", "matplotlib.figure"), lambda t, _: t.plot(), "pip install 'emofuse[plots]'"),
    "opensmile": (("opensmile",), lambda t, _: emofuse.measure_voice(t), "pip install 'emofuse[voice]'"),
    "transformers": (
        ("transformers",),
        lambda t, _: emofuse.load_model("hub:somebody/something"),
        "pip install 'emofuse[text]'",
    ),
    "fsspec": (
        ("fsspec", "fsspec.implementations.http"),
        lambda t, _: emofuse.analyze("https://example.org/a.mp4"),
        "pip install 'emofuse[remote]'",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_it_is_one_line_that_says_what_to_install(
    name: str, timeline: Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules, call, install = CALLS[name]
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EmofuseError) as caught:
        call(timeline, tmp_path)
    assert "not installed" in str(caught.value) or "need" in str(caught.value)
    assert install in str(caught.value) and "\n" not in str(caught.value)
