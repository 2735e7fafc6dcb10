"""Converted networks give what TensorFlow Lite's own runtime gives."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from emofuse.assets import find
from emofuse.errors import AssetError, UsageError
from emofuse.inference.onnx_runtime import open_session
from emofuse.inference.tflite_onnx import to_onnx

pytest.importorskip("tflite")
NETWORKS = {"face_landmarks_detector.tflite": 1.0, "face_blendshapes.tflite": 256.0}  # the range of their input


@pytest.fixture(scope="module")
def landmarker() -> zipfile.ZipFile:
    """Return the file of the landmarker, or skip the test."""
    try:
        return zipfile.ZipFile(find("face_landmarker"))
    except AssetError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", NETWORKS)
def test_it_agrees_with_tensorflow_lite(landmarker: zipfile.ZipFile, name: str, tmp_path: Path) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(
        model_content=landmarker.read(name), num_threads=1
    )
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    path = tmp_path / "network.onnx"
    path.write_bytes(to_onnx(landmarker.read(name)))
    session = open_session(path)
    for seed in range(2):
        values = np.random.default_rng(seed).random(given["shape"], dtype=np.float32) * NETWORKS[name]
        interpreter.set_tensor(given["index"], values)
        interpreter.invoke()
        for output in interpreter.get_output_details():
            theirs = interpreter.get_tensor(output["index"])
            ours = session.run([output["name"]], {session.get_inputs()[0].name: values})[0]
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, atol=3e-3, rtol=1e-5)  # of places up to 256 pixels


@pytest.mark.parametrize("content", [b"", b"TFL3", bytes(range(256)) * 8, b"\x18\x00\x00\x00TFL3" + bytes(100)])
def test_what_is_no_network_is_refused(content: bytes) -> None:
    with pytest.raises(AssetError, match="cannot be converted"):
        to_onnx(content)


def test_a_network_that_is_cut_off_is_refused(landmarker: zipfile.ZipFile) -> None:
    content = landmarker.read("face_blendshapes.tflite")
    with pytest.raises(AssetError, match="cannot be converted"):
        to_onnx(content[: len(content) // 2])


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(UsageError, match=r"need the package tflite .*emofuse\[landmarks\]"):
        to_onnx(b"")
