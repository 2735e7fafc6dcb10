"""What networks over frames are made of: colours, averaging by area, a ResNet's embedding."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import ResNet18_Weights, ResNet50_Weights, resnet18
from torchvision.models.video import MViT_V2_S_Weights, R3D_18_Weights

from emofuse.research.models.frames import IMAGENET, KINETICS, KINETICS_MVIT, FrameEmbedding, ScaledFrames, area_weights


def test_colours_are_those_that_torchvisions_weights_were_trained_with() -> None:
    for enum, colours in (
        (ResNet18_Weights.IMAGENET1K_V1, IMAGENET),
        (ResNet50_Weights.IMAGENET1K_V2, IMAGENET),
        (R3D_18_Weights.KINETICS400_V1, KINETICS),
        (MViT_V2_S_Weights.KINETICS400_V1, KINETICS_MVIT),
    ):
        transform = enum.transforms()
        assert (tuple(transform.mean), tuple(transform.std)) == colours


def test_frames_are_scaled_by_colour() -> None:
    frames = torch.randint(0, 256, (2, 3, 4, 5, 3), dtype=torch.uint8)
    scaled = ScaledFrames(IMAGENET)(frames)
    assert scaled.shape == (2, 3, 3, 4, 5) and scaled.dtype == torch.float32
    red = (frames[1, 2, 3, 4, 0] / 255 - 0.485) / 0.229
    torch.testing.assert_close(scaled[1, 2, 0, 3, 4], red)
    blue = (frames[1, 2, 3, 4, 2] / 255 - 0.406) / 0.225
    torch.testing.assert_close(scaled[1, 2, 2, 3, 4], blue)


@pytest.mark.parametrize(("n_in", "n_out"), [(112, 48), (80, 48), (224, 48), (14, 4), (7, 4)])
def test_areas_are_averaged_as_opencv_does(n_in: int, n_out: int) -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (n_in, n_in)).astype(np.float32)
    weights = area_weights(n_in, n_out, 1.0, torch.device("cpu"))
    got = (weights @ torch.from_numpy(picture) @ weights.T).numpy()
    np.testing.assert_allclose(got, cv2.resize(picture, (n_out, n_out), interpolation=cv2.INTER_AREA), atol=0.01)


def test_the_middle_is_averaged_alone() -> None:
    weights = area_weights(112, 48, 1 / 1.4, torch.device("cpu"))
    assert not weights[:, :16].any() and not weights[:, 96:].any() and (weights[:, 16:96].sum(dim=0) > 0).all()
    torch.testing.assert_close(weights[:, 16:96], area_weights(80, 48, 1.0, torch.device("cpu")))
    torch.testing.assert_close(area_weights(5, 9, 0.37, torch.device("cpu")).sum(dim=1), torch.ones(9))


def test_a_frames_embedding_is_what_torchvisions_classifier_would_get(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = resnet18()
    torch.save(whole.state_dict(), tmp_path / "resnet18.pth")
    embedding = FrameEmbedding("resnet18", weights=tmp_path / "resnet18.pth").eval()
    whole.fc = nn.Identity()
    frames = torch.randn(2, 3, 3, 32, 32)
    with torch.no_grad():
        expected = whole.eval()(frames.flatten(0, 1)).view(2, 3, 512)
        torch.testing.assert_close(embedding(frames), expected)


@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_weights_of_another_network_are_refused(tmp_path: Path, change: str) -> None:
    state = resnet18().state_dict()
    if change == "missing":
        del state["layer4.1.conv2.weight"]
    elif change == "unknown":
        state["layer9.weight"] = torch.zeros(1)
    else:
        state["layer4.1.conv2.weight"] = torch.zeros(1, 512, 3, 3)
    torch.save(state, tmp_path / "resnet18.pth")
    with pytest.raises(RuntimeError, match="layer9" if change == "unknown" else "layer4.1.conv2"):
        FrameEmbedding("resnet18", weights=tmp_path / "resnet18.pth")
