"""What each of the networks of clips sees: order, places, and what torchvision's own networks give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_networks import RECIPES, inputs
from torch import nn
from torchvision.models.video import mvit_v2_s, r3d_18

from emofuse.errors import UsageError
from emofuse.research.models.cnn3d import Halving
from emofuse.research.models.frame_sequence import positions
from emofuse.research.models.registry import build
from emofuse.research.models.settings import Cnn3dSettings, MvitSettings, R3dSettings
from emofuse.research.models.torchvision_clips import Mvit, R3d, _tiny_mvit


def clips(n: int, n_frames: int, seed: int = 0) -> torch.Tensor:
    return inputs(("frames",), n, n_frames=n_frames, seed=seed)[0]


def test_r3d_gives_what_torchvisions_classifier_would_get(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = r3d_18()
    torch.save(whole.state_dict(), tmp_path / "r3d.pth")
    network = R3d(R3dSettings(), 4, tmp_path / "r3d.pth").eval()
    whole.fc = nn.Identity()
    x = network.frontend(clips(2, 3))
    with torch.no_grad():
        torch.testing.assert_close(network.embed(x), whole.eval()(x.transpose(1, 2)))


def test_mvit_gives_what_torchvisions_classifier_would_get(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    whole = _tiny_mvit()
    monkeypatch.setattr("emofuse.research.models.torchvision_clips._tiny_mvit", lambda: whole)
    network = Mvit(MvitSettings(size="tiny"), 4).eval()
    x = torch.randn(1, 16, 3, 112, 112)
    with torch.no_grad():
        torch.testing.assert_close(network.embed(x), whole.eval()(x.transpose(1, 2)))


def test_mvit_small_is_torchvisions_with_its_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = mvit_v2_s().state_dict()
    torch.save(state, tmp_path / "mvit.pth")
    network = Mvit(MvitSettings(), 4, tmp_path / "mvit.pth")
    loaded = network.backbone.state_dict()
    assert {name for name in state if not name.startswith("head.")} == set(loaded)
    assert all(torch.equal(value, state[name]) for name, value in loaded.items())
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    unread = ("pool_q.pool.weight", "rel_pos_h", "rel_pos_w", "rel_pos_t")
    assert frozen == {f"backbone.blocks.15.attn.{name}" for name in unread}


@pytest.mark.parametrize("shape", [(20, 224), (16, 112)])
def test_mvit_says_what_size_it_needs(shape: tuple[int, int]) -> None:
    n_frames, size_px = shape
    with torch.device("meta"):  # no weight is needed to refuse a size
        network = Mvit(MvitSettings(), 4)
        frames = torch.zeros(1, n_frames, size_px, size_px, 3, dtype=torch.uint8)
    expected = rf"mvit sees 16 frames of 224 x 224, not {n_frames} of {size_px} x {size_px}.*data.n_frames=16"
    with pytest.raises(UsageError, match=expected):
        network(frames)


def test_time_is_halved_while_there_is_some_left() -> None:
    sizes = [Halving()(torch.zeros(1, 1, t, 8, 8)).shape[2:] for t in (20, 5, 2, 1)]
    assert sizes == [(10, 4, 4), (2, 4, 4), (1, 4, 4), (1, 4, 4)]


def test_cnn3d_keeps_places_apart() -> None:
    torch.manual_seed(0)
    network = build(Cnn3dSettings(widths=(4, 4, 4)), 4).eval()
    frames = torch.full((1, 4, 64, 64, 3), 128, dtype=torch.uint8)
    changed = frames.clone()
    changed[:, :, :16, :16] = 255
    with torch.no_grad():
        moved = (network.embed(network.frontend(changed)) - network.embed(network.frontend(frames))).view(4, 4, 4)
    seen = moved.abs().amax(dim=0)
    assert seen[0, 0] > 0.01
    assert seen[2:].max() < 1e-6 and seen[:, 2:].max() < 1e-6


@pytest.mark.parametrize("name", ["cnn3d", "resnet-lstm", "resnet-transformer", "r3d", "mvit", "face-sequence"])
def test_the_order_of_frames_matters(name: str) -> None:
    torch.manual_seed(0)
    network = build(RECIPES[name].model, 4).eval()
    frames = clips(2, 8)
    with torch.no_grad():
        difference = network(frames.flip(1)) - network(frames)
    assert difference.abs().max() > 1e-4


def test_positions_are_apart_and_the_same_for_any_length() -> None:
    places = positions(300, 64, torch.device("cpu"))
    assert torch.equal(positions(7, 64, torch.device("cpu")), places[:7])
    assert places.abs().max() <= 1
    torch.testing.assert_close(places.square().sum(dim=1), torch.full((300,), 32.0))
    distances = torch.cdist(places, places) + 10 * torch.eye(300)
    assert distances.min() > 0.5
    torch.testing.assert_close(places[5, :2], torch.sin(5 * torch.tensor([1.0, 1000 ** (-1 / 32)])))
