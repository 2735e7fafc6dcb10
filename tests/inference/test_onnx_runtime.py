"""The one door to ONNX Runtime: shut to telemetry, and to its own format."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import pytest

import emofuse
from emofuse.errors import BundleError, UsageError
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.onnx_runtime import PROVIDERS, available_devices, open_session

FACE = BUNDLES / "base" / "face.onnx"
SESSION = onnxruntime.InferenceSession


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


class OnGpu:
    """Stands in for a session on a GPU: it computes on the CPU, and tells what it was asked for."""

    made: ClassVar[list[tuple[str, list[str]]]] = []
    starts = True

    def __init__(self, model: str | bytes, options: Any, providers: list[str]) -> None:
        name = Path(model).name if isinstance(model, str) else "content"
        OnGpu.made.append((name, providers))
        self._providers = providers if self.starts else ["CPUExecutionProvider"]
        self._session = SESSION(model, options, providers=["CPUExecutionProvider"])

    def get_providers(self) -> list[str]:
        return self._providers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> type[OnGpu]:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))
    monkeypatch.setattr(onnxruntime, "InferenceSession", OnGpu)
    monkeypatch.setattr(OnGpu, "made", [])
    return OnGpu


def test_the_networks_of_a_bundle_run_where_they_are_asked_to(gpu: type[OnGpu], clip_mp4: Path) -> None:
    assert available_devices() == ["cpu", "cuda"]
    pipeline = emofuse.Pipeline.load("base", device="cuda")
    networks = [name for name, providers in gpu.made if providers == ["CUDAExecutionProvider"]]
    assert sorted(networks) == ["face.onnx", "text.onnx", "voice.onnx"] and pipeline.device == "cuda"
    on_gpu, on_cpu = pipeline(clip_mp4), emofuse.analyze(clip_mp4)
    assert on_gpu.provenance is not None and on_gpu.provenance.device == "cuda"
    assert on_gpu.summary.fused is not None and on_cpu.summary.fused is not None
    np.testing.assert_array_equal(on_gpu.summary.fused.probabilities, on_cpu.summary.fused.probabilities)


def test_a_device_that_cannot_be_started_is_said_so(gpu: type[OnGpu], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "starts", False)
    with pytest.raises(UsageError, match=r"'cuda' cannot be used: .* could not be started"):
        open_session(FACE, "cuda")


def test_the_processor_is_always_there() -> None:
    assert "cpu" in available_devices()
