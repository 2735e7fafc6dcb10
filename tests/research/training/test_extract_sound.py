"""Encoders of sound through transformers itself: tiny ones of each family, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from emofuse.errors import AssetError, UsageError
from emofuse.research.corpora.manifest import Clip
from emofuse.research.feature_sets.encoders import NoFeatures
from emofuse.research.feature_sets.sound_encoder import HubSoundEncoder
from make_hub_models import audio_config, make_text_model

transformers = pytest.importorskip("transformers")
CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "conv_dim": (8, 8),
    "conv_kernel": (10, 8), "conv_stride": (160, 2), "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}  # fmt: skip


def make_encoder(folder: Path, kind: str) -> Path:
    """Write an encoder of a family, with weights of its own."""
    torch.manual_seed(0)
    if kind == "whisper":
        config = transformers.WhisperConfig(
            d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=8, decoder_ffn_dim=8, vocab_size=32, num_mel_bins=80, pad_token_id=0, bos_token_id=1,
            eos_token_id=2, decoder_start_token_id=1,
        )  # fmt: skip
        model: Any = transformers.WhisperModel(config)
        transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    else:
        made = {
            "wav2vec2": lambda: transformers.Wav2Vec2Model(audio_config()),
            "hubert": lambda: transformers.HubertModel(transformers.HubertConfig(**SMALL)),
            "wavlm": lambda: transformers.WavLMModel(transformers.WavLMConfig(**SMALL)),
            "data2vec": lambda: transformers.Data2VecAudioModel(
                transformers.Data2VecAudioConfig(**SMALL, conv_pos_kernel_size=3)
            ),
        }
        model = made[kind]()
        transformers.Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Clip]:
    folder = tmp_path_factory.mktemp("sound")

    def make(duration_s: float) -> Clip:
        path = folder / f"{duration_s:g}.wav"
        samples = np.random.default_rng(0).normal(0, 0.1, round(duration_s * 16_000))
        soundfile.write(path, samples, 16_000)
        return Clip(path, "happy", "me")

    return make


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm", "data2vec", "whisper"])
def test_a_clip_is_steps_of_the_last_layer(tmp_path: Path, clip: Callable[[float], Clip], kind: str) -> None:
    encoder = HubSoundEncoder(str(make_encoder(tmp_path / kind, kind)), 2.0, CPU)
    features = encoder.encode(clip(5.0))
    assert features.shape == (2, 8) and np.isfinite(features).all()
    assert np.abs(features[0] - features[1]).max() > 0
    assert encoder.name == f"hub:{kind}" and len(str(encoder.identity["weights"])) == 64
    np.testing.assert_array_equal(encoder.encode(clip(5.0)), features)
    with pytest.raises(NoFeatures):
        encoder.encode(clip(0.01))


def test_what_is_longer_than_it_hears_goes_in_parts(tmp_path: Path, clip: Callable[[float], Clip]) -> None:
    encoder = HubSoundEncoder(str(make_encoder(tmp_path / "whisper", "whisper")), 5.0, CPU)
    seen: list[int] = []
    forward = encoder._frames

    def counted(samples: Any) -> torch.Tensor:
        found = forward(samples)
        seen.append(len(found))
        return found

    encoder._frames = counted  # type: ignore[method-assign]
    assert encoder.encode(clip(40.0)).shape == (8, 8)
    assert seen == [1000, 1000]  # 50 a second, of two parts of 20 s, without the silence that fills 30 s


def test_other_weights_are_another_encoder(tmp_path: Path) -> None:
    first = HubSoundEncoder(str(make_encoder(tmp_path / "a", "wav2vec2")), 2.0, CPU)
    same = HubSoundEncoder(str(make_encoder(tmp_path / "b" / "a", "wav2vec2")), 2.0, CPU)
    assert first.identity == same.identity
    other = HubSoundEncoder(str(make_encoder(tmp_path / "c" / "a", "hubert")), 2.0, CPU)
    assert other.identity["weights"] != first.identity["weights"]


def test_what_is_no_encoder_of_sound_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssetError, UsageError)) as caught:
        HubSoundEncoder(str(make_text_model(tmp_path / "text", ("sad", "happy"))), 2.0, CPU)
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(AssetError, match="no encoder nobody/nothing: "):
        HubSoundEncoder("nobody/nothing", 2.0, CPU)
