"""Makes tiny models in the form of the Hugging Face Hub, through transformers itself, that always give one class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def _labels(names: Sequence[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def _prefer(layer: Any, index: int) -> None:
    """Make a linear layer give the same class whatever comes in."""
    import torch

    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
        layer.bias[index] = 2.0


def make_image_model(folder: Path, names: Sequence[str], prefers: int = 0) -> Path:
    """Write a ViT of two layers that always gives the class `prefers`."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=32, patch_size=16,
        **_labels(names),
    )  # fmt: skip
    model = ViTForImageClassification(config)
    _prefer(model.classifier, prefers)
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def audio_config(**more: Any) -> Any:
    """Return the settings of a wav2vec 2.0 of some hundred weights."""
    from transformers import Wav2Vec2Config

    return Wav2Vec2Config(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, conv_dim=(8, 8),
        conv_kernel=(10, 8), conv_stride=(160, 2), num_feat_extract_layers=2, num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, classifier_proj_size=4, mask_time_prob=0.0, **more,
    )  # fmt: skip


def make_audio_model(folder: Path, names: Sequence[str], prefers: int = 0, rate_hz: int = 16_000) -> Path:
    """Write a wav2vec 2.0 that always gives the class `prefers`."""
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    model = Wav2Vec2ForSequenceClassification(audio_config(**_labels(names)))
    _prefer(model.classifier, prefers)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=rate_hz).save_pretrained(folder)
    return folder


def make_text_model(folder: Path, names: Sequence[str], prefers: int = 0, is_multi_label: bool = False) -> Path:
    """Write a BERT that always gives the class `prefers`."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "i", "am", "here"]))
    problem = {"problem_type": "multi_label_classification"} if is_multi_label else {}
    config = BertConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=32, **_labels(names), **problem,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    _prefer(model.classifier, prefers)
    model.save_pretrained(folder)
    BertTokenizerFast(vocab_file=str(vocabulary)).save_pretrained(folder)
    return folder


def make_headless(folder: Path) -> Path:
    """Write a wav2vec 2.0 that classifies nothing."""
    from transformers import Wav2Vec2Model

    Wav2Vec2Model(audio_config()).save_pretrained(folder)
    return folder
