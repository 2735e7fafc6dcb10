"""Whisper's first layers under a classifier: its weights from CTranslate2's file, its log-mel, what does not matter."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from emofuse.errors import AssetError, UsageError
from emofuse.research.models.ctranslate2_file import read_weights
from emofuse.research.models.settings import WhisperVoiceSettings
from emofuse.research.models.voice_whisper import LOUDEST, WhisperEncoder, WhisperLogMel, WhisperVoice, load_whisper
from emofuse.research.recipes.data import VoiceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.training.export import export

SETTINGS = WhisperVoiceSettings(pretrained=None, width=32, heads=2, hidden=8)
CODES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def write_model(path: Path, arrays: dict[str, NDArray[np.generic]], version: int = 6) -> Path:
    """Write what CTranslate2's converter would."""
    parts = [struct.pack("<I", version), text("WhisperSpec"), struct.pack("<II", 3, len(arrays))]
    for name, array in arrays.items():
        parts += [text(name), struct.pack("<B", array.ndim), *(struct.pack("<I", size) for size in array.shape)]
        parts += [struct.pack("<BI", CODES[str(array.dtype)], array.nbytes), array.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


def theirs(encoder: WhisperEncoder) -> dict[str, NDArray[np.generic]]:
    """Name an encoder's weights as CTranslate2 does."""
    names = {"attention_norm": "self_attention/layer_norm", "dense_norm": "ffn/layer_norm"}
    names |= {"query_key_value": "self_attention/linear_0", "out": "self_attention/linear_1"}
    names |= {"up": "ffn/linear_0", "down": "ffn/linear_1"}
    arrays: dict[str, NDArray[np.generic]] = {"encoder/num_heads": np.array(2, np.int16)}
    for name, value in encoder.state_dict().items():
        parts = name.split(".")
        if parts[0] == "layers":
            what = {"weight": "gamma", "bias": "beta"}[parts[3]] if parts[2].endswith("norm") else parts[3]
            key = f"encoder/layer_{parts[1]}/{names[parts[2]]}/{what}"
        else:
            key = f"encoder/{parts[0]}/{parts[1]}"
        arrays[key] = value.numpy().astype(np.float16)
    return arrays


def encoder(seed: int, n_layers: int = 3) -> WhisperEncoder:
    torch.manual_seed(seed)
    return WhisperEncoder(32, 2, n_layers)


def test_weights_come_from_the_file_by_their_names(tmp_path: Path) -> None:
    whole = encoder(1, n_layers=6)
    path = write_model(tmp_path / "model.bin", theirs(whole))
    network = WhisperVoice(SETTINGS, 4, path)
    expected = {name: value.half().float() for name, value in whole.state_dict().items()}
    for name, value in network.backbone.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert len(network.backbone.layers) == 3  # no more than the last tap


def test_a_file_of_another_size_or_kind_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "few.bin", theirs(encoder(1, n_layers=2)))
    with pytest.raises(RuntimeError, match="encoder/layer_2"):
        load_whisper(encoder(2), path)
    whole = write_model(tmp_path / "model.bin", theirs(encoder(1)))
    cut = tmp_path / "cut.bin"
    cut.write_bytes(whole.read_bytes()[:-1000])
    other = tmp_path / "other.bin"
    other.write_bytes(b"\x80\x02}q\x00." * 100)
    later = write_model(tmp_path / "later.bin", theirs(encoder(1)), version=7)
    for broken in (cut, other, later):
        with pytest.raises(AssetError, match=broken.name):
            read_weights(broken)


def test_the_encoder_never_learns(tmp_path: Path) -> None:
    network = WhisperVoice(SETTINGS, 4)
    assert {name.split(".")[0] for name, value in network.named_parameters() if value.requires_grad} == {"head"}


def test_positions_are_whispers_sinusoids() -> None:
    """As whisper/model.py `sinusoids(length, channels)` makes them."""
    plain = encoder(3, n_layers=1).eval()
    for part in plain.parameters():
        part.data.zero_()  # what is left is the positions, which the layer passes on
    with torch.no_grad():
        (made,) = plain(torch.zeros(1, 80, 8))
    steps = np.log(10_000) / (16 - 1)
    angles = np.arange(4)[:, None] * np.exp(-steps * np.arange(16))[None]
    np.testing.assert_allclose(made[0].numpy(), np.concatenate([np.sin(angles), np.cos(angles)], axis=1), atol=1e-5)


def test_the_log_mel_is_whispers_against_the_loudest_band() -> None:
    """By their own formula: log10, no lower than 8 below the top, (x + 4) / 4, with the top at 2."""
    samples = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    samples[:, 8_000:] *= 1e-6
    window = torch.hann_window(400)
    power = torch.stft(samples, 400, 160, window=window, pad_mode="constant", return_complex=True).abs()[..., :-1] ** 2
    front = WhisperLogMel()
    powers = torch.log10((front.bank @ power).clamp(min=1e-10))
    powers = powers - powers.amax(dim=(1, 2), keepdim=True) + 2
    expected = (torch.maximum(powers, torch.tensor(2.0 - 8)) + 4) / 4
    torch.testing.assert_close(front(samples), expected, atol=2e-4, rtol=0)
    assert front(samples).max() == pytest.approx(LOUDEST, abs=1e-5)


def test_gain_does_not_matter() -> None:
    network = WhisperVoice(SETTINGS, 4).eval()
    samples = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(0.1 * samples), network(samples), atol=1e-4, rtol=1e-4)


def test_faint_frames_do_not_count() -> None:
    """The statistics of what is loud stay as they are when more silence is after it, as far as attention lets them."""
    network = WhisperVoice(WhisperVoiceSettings(pretrained=None, width=32, heads=2, hidden=8, taps=(1,)), 4).eval()
    for layer in network.backbone.layers:
        torch.nn.init.zeros_(layer.out.weight)  # no attention
        torch.nn.init.zeros_(layer.out.bias)
    samples = torch.zeros(1, 32_000)
    samples[:, :8_000] = 0.1 * torch.randn(8_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        short, long = (network.embed(network.frontend(samples[:, :n])) for n in (16_000, 32_000))
        unweighted = [network.backbone(network.frontend(samples[:, :n]))[0].mean(dim=1) for n in (16_000, 32_000)]
    assert (short - long).abs().mean() < 0.1 * (unweighted[0] - unweighted[1]).abs().mean()


def test_silence_has_a_prediction() -> None:
    with torch.no_grad():
        assert torch.isfinite(WhisperVoice(SETTINGS, 4).eval()(torch.zeros(2, 16_000))).all()


def test_heads_must_share_the_width() -> None:
    with pytest.raises(UsageError, match="5 heads"):
        WhisperVoiceSettings(width=32, heads=5)


@pytest.mark.load
@pytest.mark.parametrize(
    ("rank", "pool", "stored"), [(0, 1, 3 * 12 * 64**2), (8, 1, 3 * 8 * 16 * 64), (8, 2, 3 * 8 * 16 * 64)]
)
def test_its_large_layers_ship_in_8_bits(tmp_path: Path, rank: int, pool: int, stored: int) -> None:
    """stored: three squares of each layer, then one, four and four; or two sides of each, 4 + 2 + 5 + 5 of them."""
    settings = WhisperVoiceSettings(pretrained=None, width=64, heads=2, hidden=8, rank=rank, pool=pool)
    recipe = Recipe(name="tiny", seed=0, data=VoiceDataSettings(), model=settings)
    network = WhisperVoice(settings, 4)
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(["a", "b", "c", "d"])}
    save_file(network.state_dict(), tmp_path / "model.safetensors", metadata=header)
    export(tmp_path / "model.safetensors", tmp_path / "tiny.onnx")  # checked on windows of several lengths
    initializers = onnx.load(tmp_path / "tiny.onnx").graph.initializer
    in_8_bits = sum(math.prod(one.dims) for one in initializers if one.data_type == onnx.TensorProto.INT8)
    assert in_8_bits == stored + 2 * 2 * 64 * 8  # and what the classifier takes: mean and deviation of two taps
    in_whole = [math.prod(one.dims) for one in initializers if one.data_type == onnx.TensorProto.FLOAT]
    assert max(in_whole) < 80 * 256  # the mel bank apart, nothing large is left


def test_several_classifiers_learn_apart_and_answer_together() -> None:
    settings = SETTINGS.model_copy(update={"classifiers": 3})
    network = WhisperVoice(settings, 4)
    samples = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    assert network(samples).shape == (2, 3, 4)
    network.eval()
    with torch.no_grad():
        statistics = network.embed(network.frontend(samples))
        expected = sum(one(statistics) for one in network.head[0].each) / 3
        torch.testing.assert_close(network(samples), expected)


def test_pooled_layers_have_the_mean_of_steps_and_as_many_statistics() -> None:
    network = WhisperVoice(SETTINGS.model_copy(update={"taps": (1,), "pool": 3}), 4).eval()
    mel = network.frontend(0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        (made,) = network.backbone(mel)
        assert made.shape == (2, 17, 32)  # 50 steps of 20 ms, the last two together
        assert network.embed(mel).shape == (2, 64)
    steps = torch.arange(5.0)[None, None]
    assert network.backbone.pooled(steps).tolist() == [[[1.0, 3.5]]]
