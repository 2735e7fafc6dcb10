from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import BundleError, UsageError
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.network import OnnxNetwork, softmax

FACE = BUNDLES / "base" / "face.onnx"


def test_softmax_and_temperature() -> None:
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 0.0]], np.float32)
    np.testing.assert_allclose(softmax(logits), [[0.25, 0.75], [1.0, 0.0]], atol=1e-6)
    hot = softmax(np.array([[0.0, 2 * np.log(3.0)]], np.float32), temperature=2.0)
    np.testing.assert_allclose(hot, [[0.25, 0.75]], atol=1e-6)


def test_the_card_comes_with_the_network() -> None:
    network = OnnxNetwork(FACE)
    assert network.card.modality == "face"
    assert len(network.card.labels) == network.logits(np.zeros((3, 1, 48, 48), np.float32)).shape[1]
    assert network.card.data and all(source.licence for source in network.card.data)
    assert network.card.scores and all(score.protocol and score.command for score in network.card.scores)


def test_a_batch_scores_as_its_rows_do() -> None:
    network = OnnxNetwork(FACE)
    faces = (np.random.default_rng(0).random((5, 1, 48, 48)) * 255).astype(np.float32)
    rows = np.concatenate([network.logits(face[None]) for face in faces])
    np.testing.assert_allclose(network.logits(faces), rows, atol=1e-3)


def test_exposure_does_not_matter() -> None:
    network = OnnxNetwork(FACE)
    face = (np.random.default_rng(0).random((1, 1, 48, 48)) * 100 + 50).astype(np.float32)
    np.testing.assert_allclose(network.logits(face), network.logits(1.5 * face + 20), atol=0.1)


@pytest.mark.parametrize("content", [b"", b"not a network", FACE.read_bytes()[:5000]])
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"broken\.onnx") as caught:
        OnnxNetwork(path)
    assert "\n" not in str(caught.value)


def test_missing_file_and_wrong_input_and_device(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model"):
        OnnxNetwork(tmp_path / "absent.onnx")
    with pytest.raises(BundleError, match="could not score"):
        OnnxNetwork(FACE).logits(np.zeros((1, 3, 48, 48), np.float32))
    with pytest.raises(UsageError, match="tpu"):
        OnnxNetwork(FACE, device="tpu")
