import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import BundleError, UsageError
from emofuse.inference import network as place
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.network import OnnxNetwork, read_card, softmax
from emofuse.inference.onnx_runtime import open_session
from emofuse.reading import file_hash
from make_networks import clip_card, clip_spec, write_clip_network

FACE = BUNDLES / "base" / "face.onnx"


def test_softmax_and_temperature() -> None:
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 0.0]], np.float32)
    np.testing.assert_allclose(softmax(logits), [[0.25, 0.75], [1.0, 0.0]], atol=1e-6)
    hot = softmax(np.array([[0.0, 2 * np.log(3.0)]], np.float32), temperature=2.0)
    np.testing.assert_allclose(hot, [[0.25, 0.75]], atol=1e-6)


def test_the_card_comes_with_the_network() -> None:
    network = OnnxNetwork(FACE)
    assert network.card.modality == "face"
    assert len(network.card.labels) == network.logits(np.zeros((3, 1, 96, 96), np.float32)).shape[1]
    assert network.card.data and all(source.licence for source in network.card.data)
    assert network.card.scores and all(score.protocol and score.command for score in network.card.scores)


def test_a_batch_scores_as_its_rows_do() -> None:
    network = OnnxNetwork(FACE)
    faces = (np.random.default_rng(0).random((5, 1, 96, 96)) * 255).astype(np.float32)
    rows = np.concatenate([network.logits(face[None]) for face in faces])
    np.testing.assert_allclose(network.logits(faces), rows, atol=1e-3)


def test_exposure_does_not_matter() -> None:
    network = OnnxNetwork(FACE)
    face = (np.random.default_rng(0).random((1, 1, 96, 96)) * 100 + 50).astype(np.float32)
    np.testing.assert_allclose(network.logits(face), network.logits(1.5 * face + 20), atol=0.1)


def test_a_file_that_was_checked_before_is_opened_when_it_is_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def counted(path: Path, device: str, n_threads: int) -> object:
        opened.append(path)
        return open_session(path, device, n_threads)

    monkeypatch.setattr(place, "open_session", counted)
    path = Path(shutil.copy(FACE, tmp_path / "face.onnx"))
    OnnxNetwork(path, checked="0" * 64)
    assert opened == [path]  # it is another file
    network, changed = OnnxNetwork(path, checked=file_hash(FACE)), OnnxNetwork(path, checked=file_hash(FACE))
    assert opened == [path] and network.card == OnnxNetwork(FACE).card
    face = np.full((1, 1, 96, 96), 90, np.float32)
    assert (network.logits(face) == OnnxNetwork(FACE).logits(face)).all()
    network.logits(face)
    assert opened == [path, FACE, path, FACE]
    path.write_bytes(FACE.read_bytes() + b"\x00")
    with pytest.raises(BundleError, match=r"face\.onnx was changed after it was loaded"):
        changed.logits(face)


@pytest.mark.parametrize("content", [b"", b"not a network", FACE.read_bytes()[:5000]])
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"broken\.onnx") as caught:
        OnnxNetwork(path)
    assert "\n" not in str(caught.value)


def test_a_card_is_read_without_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = OnnxNetwork(FACE).card
    monkeypatch.delattr("emofuse.inference.network.open_session")
    assert read_card(FACE) == card
    with pytest.raises(BundleError, match="no model"):
        read_card(tmp_path / "absent.onnx")


def test_missing_file_and_wrong_input_and_device(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model"):
        OnnxNetwork(tmp_path / "absent.onnx")
    with pytest.raises(BundleError, match="could not score"):
        OnnxNetwork(FACE).logits(np.zeros((1, 3, 96, 96), np.float32))
    with pytest.raises(UsageError, match="tpu"):
        OnnxNetwork(FACE, device="tpu")


@pytest.mark.parametrize(("rate_hz", "per_frame"), [(None, False), (None, True), (16_000, False)])
def test_a_clip_network_takes_its_inputs_by_name(tmp_path: Path, rate_hz: int | None, per_frame: bool) -> None:
    spec = clip_spec(rate_hz=rate_hz, per_frame=per_frame)
    network = OnnxNetwork(write_clip_network(tmp_path / "clip.onnx", spec))
    red = np.zeros((2, 4, 16, 16, 3), np.uint8)
    red[1, ..., 0] = 50
    sound = [np.full((2, 8000), 0.5, np.float32), np.array([[1, 1], [1, 0]], np.float32)] if rate_hz else []
    expected = np.zeros((2, 7), np.float32)
    expected[1, 3] = 10.0  # the red one is angry
    if rate_hz:
        expected[0, 6] = 10.0  # the one that is heard is surprised
    logits = network.logits(red, *sound)
    np.testing.assert_allclose(logits, np.repeat(expected[:, None], 4, axis=1) if per_frame else expected, atol=1e-4)


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        ({"rate_hz": 16_000}, "takes frames, samples, present; by its card it would take frames"),
        ({"n_frames": 8}, r"frames of .* \(\?, 8, 16, 16, 3\); by its card .* \(\?, 4, 16, 16, 3\)"),
        ({"size_px": 32}, r"32, 32, 3\); by its card"),
        ({"per_frame": True}, r"gives \(\?, 4, 7\); by its card it would be \(\?, 7\)"),
    ],
)
def test_a_clip_network_that_does_not_fit_its_card(tmp_path: Path, graph: dict[str, object], says: str) -> None:
    with pytest.raises(BundleError, match=says) as caught:
        OnnxNetwork(write_clip_network(tmp_path / "clip.onnx", clip_spec(), **graph))
    assert "\n" not in str(caught.value)


def test_a_card_with_other_labels_than_the_network_has(tmp_path: Path) -> None:
    card = clip_card(clip_spec(), ("angry", "disgust", "sad"))
    with pytest.raises(BundleError, match=r"gives \(\?, 7\); by its card it would be \(\?, 3\)"):
        OnnxNetwork(write_clip_network(tmp_path / "clip.onnx", clip_spec(), card=card))


def test_a_face_card_on_a_clip_network(tmp_path: Path) -> None:
    card = OnnxNetwork(FACE).card
    with pytest.raises(BundleError, match="takes frames; by its card it would take faces"):
        OnnxNetwork(write_clip_network(tmp_path / "clip.onnx", clip_spec(), card=card))


@pytest.mark.parametrize("change", [{"size_px": None}, {"window_s": 0.0}, {"rate_hz": 8000}])
def test_a_card_that_is_not_whole_is_one_line(tmp_path: Path, change: dict[str, object]) -> None:
    text = clip_card(clip_spec()).model_dump(mode="json")
    text["input"] |= change
    path = write_clip_network(tmp_path / "clip.onnx", clip_spec(), card=json.dumps(text))
    with pytest.raises(BundleError, match=f"card in .*{next(iter(change))}"):
        OnnxNetwork(path)


def test_a_card_that_is_not_utf8_is_our_error(tmp_path: Path) -> None:
    data = FACE.read_bytes()
    (tmp_path / "a.onnx").write_bytes(data.replace(b'"description"', b'"d\xffscription"'))
    with pytest.raises(BundleError, match=r"the text in .*a\.onnx is not UTF-8"):
        OnnxNetwork(tmp_path / "a.onnx")
