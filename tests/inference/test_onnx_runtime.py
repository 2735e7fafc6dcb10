"""The one door to ONNX Runtime: shut to telemetry, and to its own format."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import emofuse
from emofuse.errors import BundleError
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.onnx_runtime import available_devices, open_session

FACE = BUNDLES / "base" / "face.onnx"


def test_it_is_imported_in_one_place_alone() -> None:
    source = Path(emofuse.__file__).parent
    importers = set()
    for file in source.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "onnxruntime" for name in names):
                importers.add(file.relative_to(source).as_posix())
    assert importers == {"inference/onnx_runtime.py"}


@pytest.mark.parametrize("asked", [None, "0"])
def test_telemetry_is_off_before_it_is_loaded(tmp_path: Path, asked: str | None) -> None:
    """From 1.32 on it writes an id of the machine below HOME as soon as it is imported."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    if asked is not None:
        environment["ORT_DISABLE_TELEMETRY"] = asked
    code = "import sys, emofuse.inference.onnx_runtime, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n" and done.stderr == ""
    assert list(tmp_path.rglob("*")) == []


def test_its_own_format_is_not_taken_whatever_the_file_is_called(tmp_path: Path) -> None:
    """Its own format is not what was checked."""
    named = tmp_path / "network.ort"
    named.write_bytes(FACE.read_bytes())
    assert [one.name for one in open_session(named).get_outputs()] == ["logits"]
    named.write_bytes(b"\x18\0\0\0ORTM" + bytes(100))
    with pytest.raises(BundleError, match="not a network that can be run"):
        open_session(named)


def test_the_processor_is_always_there() -> None:
    assert "cpu" in available_devices()
