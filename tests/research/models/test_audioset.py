"""The AudioSet network that the voice starts from: its weights go in whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from emofuse.assets import find
from emofuse.errors import AssetError
from emofuse.research.models.frontends import loudness
from emofuse.research.models.settings import VoiceNetSettings
from emofuse.research.models.voice import VoiceNet, audio_mobilenet, load_audioset


def as_efficient_at(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename torchvision's weights as EfficientAT calls them: gates are linear layers, deeper down."""
    renamed = {}
    for name, value in state.items():
        is_gate = ".fc1." in name or ".fc2." in name
        theirs = name.replace(".fc", ".conc_se_layers.0.fc") if is_gate else name
        renamed[f"features.{theirs}"] = value[:, :, 0, 0] if is_gate and value.ndim == 4 else value
    return {**renamed, "classifier.2.weight": torch.zeros(3, 3)}


@pytest.fixture
def state() -> dict[str, Tensor]:
    """Return random weights of the network, its statistics too."""
    torch.manual_seed(7)
    state = audio_mobilenet().state_dict()
    return {k: torch.rand(v.shape) if v.is_floating_point() else torch.full_like(v, 9) for k, v in state.items()}


def test_weights_in_their_names_fill_the_network(state: dict[str, Tensor], tmp_path: Path) -> None:
    theirs = as_efficient_at(state)
    assert any("conc_se_layers.0.fc1.weight" in name for name in theirs)
    torch.save(theirs, tmp_path / "w.pt")
    backbone = audio_mobilenet()
    load_audioset(backbone, tmp_path / "w.pt")
    loaded = backbone.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_a_voice_network_starts_from_exactly_the_weights_it_is_given(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(as_efficient_at(state), tmp_path / "w.pt")
    network = VoiceNet(VoiceNetSettings(hidden=8), 4, tmp_path / "w.pt")
    loaded = network.backbone.state_dict()
    assert len(network.backbone) == 14  # up to the last tap
    assert [name for name, value in loaded.items() if not torch.equal(state[name], value)] == []
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize("change", ["shape", "missing", "unknown"])
def test_weights_that_do_not_fit_are_refused(state: dict[str, Tensor], tmp_path: Path, change: str) -> None:
    theirs = as_efficient_at(state)
    first = next(iter(theirs))
    if change == "shape":
        theirs[first] = theirs[first].repeat(2, 1, 1, 1)
    elif change == "missing":
        del theirs[first]
    else:
        theirs["features.99.weight"] = torch.zeros(1)
    torch.save(theirs, tmp_path / "w.pt")
    with pytest.raises(RuntimeError, match="99" if change == "unknown" else first.removeprefix("features.")):
        load_audioset(audio_mobilenet(), tmp_path / "w.pt")


def test_taps_choose_what_the_head_sees() -> None:
    narrow = VoiceNet(VoiceNetSettings(pretrained=None, taps=(16,), hidden=8), 4)
    wide = VoiceNet(VoiceNetSettings(pretrained=None, taps=(15, 16), hidden=8), 4)
    last = narrow.head[0].num_features
    # the mean and the deviation of each channel and frequency: 103 bands halved five times are 4
    assert last == 2 * 384 * 4
    assert wide.head[0].num_features == last + 2 * narrow.backbone[15].out_channels * 4


@pytest.mark.corpus
def test_the_real_weights_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    try:
        path = find("mn04_as")
    except AssetError as error:
        pytest.skip(str(error))
    network = VoiceNet(VoiceNetSettings(), 8, path)
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    stem = theirs["features.0.0.weight"]
    assert stem.shape == (8, 1, 3, 3)
    assert torch.equal(network.backbone.state_dict()["0.0.weight"], stem)
    # what real weights make of sound neither vanishes nor explodes
    with torch.no_grad():
        out = network.eval().backbone(network.frontend(torch.randn(1, 48_000) * 0.1).unsqueeze(1))
    assert 0.01 < out.abs().mean() < 10


def test_pauses_do_not_dilute_the_voice() -> None:
    """The features of a voice move less when silence is put around it than with plain averages they would."""
    network = VoiceNet(VoiceNetSettings(pretrained=None, hidden=8), 4).eval()
    time = torch.arange(32_000) / 16_000
    voice = sum(torch.sin(2 * torch.pi * 140 * k * time) / k for k in range(1, 9))[None] * 0.05
    padded = torch.nn.functional.pad(voice, (16_000, 16_000))
    mel, mel_padded = network.frontend(voice), network.frontend(padded)
    weights = loudness(mel_padded)[0, 0]
    assert weights[:90].max() < 0.01 and weights[150:250].min() > 0.4
    assert loudness(mel).shape == (1, 1, mel.shape[2])
    moved = (network.embed(mel) - network.embed(mel_padded)).abs().mean() / network.embed(mel).abs().mean()
    assert moved < 0.15
