"""Embeddings: what goes into the last layer, found in the file, handed out on request, and enough for a head."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import emofuse
from emofuse.errors import BundleError, UsageError
from emofuse.inference.bundle import BUNDLES, Bundle, load_bundle
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.onnx_graph import embedding_name, with_output
from make_media import Sound, record

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle("base")


def example(modality: str) -> NDArray[Any]:
    random = np.random.default_rng(0)
    if modality == "face":
        return (random.random((3, 1, 48, 48)) * 255).astype(np.float32)
    return random.normal(0, 0.1, (2, 48_000)).astype(np.float32)


def test_the_last_layer_makes_the_logits_of_the_embedding(bundle: Bundle) -> None:
    network = bundle.networks["voice"]
    batch = example("voice")
    vectors = network.embeddings(batch)
    graph = onnx.load(network.path).graph
    last = next(node for node in graph.node if "logits" in node.output)
    stored = {one.name: numpy_helper.to_array(one).astype(np.float32) for one in graph.initializer}
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    weight, bias = (stored[casts.get(name, name)] for name in last.input[1:3])
    transposed = next((a.i for a in last.attribute if a.name == "transB"), 0)
    expected = vectors @ (weight.T if transposed else weight) + bias
    np.testing.assert_allclose(network.logits(batch), expected, atol=1e-3)
    assert len(vectors) == len(batch) and vectors.ndim == 2


def test_the_added_output_is_what_onnx_itself_reads() -> None:
    data = (BUNDLES / "base" / "text.onnx").read_bytes()
    name = embedding_name(data, "logits")
    assert name is not None
    model = onnx.load_from_string(with_output(data, name))
    assert [one.name for one in model.graph.output] == ["logits", "known", name]
    assert len(model.graph.node) == len(onnx.load_from_string(data).graph.node)


def test_what_has_no_linear_layer_has_no_embedding() -> None:
    node = helper.make_node("Relu", ["x"], ["logits"])
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node], "g", [value("x", TensorProto.FLOAT, ["N", 2])], [value("logits", TensorProto.FLOAT, ["N", 2])]
    )
    assert embedding_name(helper.make_model(graph).SerializeToString(), "logits") is None


def test_a_network_without_one_says_so(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emofuse.inference.network.embedding_name", lambda data, output: None)
    network = OnnxNetwork(bundle.networks["face"].path)
    with pytest.raises(BundleError, match=r"face.onnx has no embedding"):
        network.embeddings(example("face"))


def test_they_are_gathered_on_request_and_change_no_answer(clip_mp4: Path) -> None:
    plain, asked = emofuse.analyze(clip_mp4), emofuse.analyze(clip_mp4, embeddings=True)
    assert plain.embedded == () and asked.to_json()["moments"] == plain.to_json()["moments"]
    face, voice = asked.embeddings("face"), asked.embeddings("voice")
    assert face.shape[1] == 160 and voice.shape[1] == 384 and len(face) > 5
    of_faces = [one for one in asked.embedded if one.modality == "face"]
    assert {one.track_id for one in of_faces} == {1} and of_faces[-1].start_s > of_faces[0].start_s
    part = asked.between(0.5, 1.0)
    assert 0 < len(part.embeddings("face")) < len(face)
    with pytest.raises(UsageError, match=r"no embeddings of 'text' \(there are some of face, voice\)"):
        asked.embeddings("text")
    with pytest.raises(UsageError, match="analyse it with embeddings=True"):
        plain.embeddings("face")


def test_the_command_writes_them_as_arrays(emofuse_command: Callable[..., Any], clip_mp4: Path, tmp_path: Path) -> None:
    result = emofuse_command("analyze", clip_mp4, "-o", tmp_path, "--formats", "json", "--embeddings")
    assert result == 0
    with np.load(tmp_path / "clip.embeddings.npz") as found:
        assert found["voice"].shape[1] == 384 and len(found["face"]) == len(found["face_start_s"])
        assert set(found["face_track_id"]) == {1} and set(found["voice_track_id"]) == {-1}


@pytest.fixture
def emofuse_command() -> Callable[..., int]:
    from emofuse.cli.main import run

    def command(*arguments: object) -> int:
        with pytest.raises(SystemExit) as stop:
            run([str(argument) for argument in arguments])
        return int(stop.value.code or 0)

    return command


def test_the_page_says_what_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Run the page's own code on made vectors: two kinds of clips by three speakers each."""
    page = (ROOT / "docs" / "embeddings.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    random = np.random.default_rng(0)
    sound = record(tmp_path / "new.wav", sound=Sound("pcm_s16le", 16_000, "mono"))
    rows = [f"{kind}-{i}.wav,{kind},s{i % 3}" for kind in ("calm", "tense") for i in range(5)]
    (tmp_path / "calm.csv").write_text("path,label,speaker\n" + "\n".join(rows) + "\n")
    real = emofuse.Pipeline.load("base")

    class Made:
        """A timeline whose embeddings lie about those of its kind; that of a real recording stays real."""

        def __init__(self, path: str) -> None:
            self.path = path

        def embeddings(self, modality: str) -> NDArray[np.float32]:
            centre = 1.0 if str(self.path).startswith("tense") or str(self.path) == "new.wav" else -1.0
            return (centre + random.normal(0, 0.5, (4, 128))).astype(np.float32)

    assert sound.exists() and real.labels
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(emofuse.Pipeline, "__call__", lambda self, path, **options: Made(path))
    names: dict[str, Any] = {}
    for block in blocks[1:]:
        exec(block, names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tense" and float(lines[1].split()[0]) > 0.9
