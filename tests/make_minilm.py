"""A small encoder in the form of MiniLM's files: weights of BERT's names, and a vocabulary."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from safetensors.torch import save_file

from emofuse.preprocessing.pieces import INSIDE, SPECIAL

WORDS = ("i", "am", "so", "happy", "sad", "great", "help", "no", "not", "what", "yuck", "oh", "the", "train", "is")
VOCABULARY = (
    "[PAD]",
    "[unused0]",
    *SPECIAL[1:],
    *string.ascii_lowercase,
    *(INSIDE + letter for letter in string.ascii_lowercase),
    *".,!?'",
    *WORDS[1:],
    f"{INSIDE}ness",
)


def write_minilm(folder: Path, width: int = 16, n_layers: int = 2, seed: int = 0) -> tuple[Path, Path]:
    """Write the weights and the vocabulary; return their paths."""
    random = torch.Generator().manual_seed(seed)

    def made(*shape: int) -> torch.Tensor:
        return 0.2 * torch.randn(*shape, generator=random)

    stored = {
        "embeddings.word_embeddings.weight": made(len(VOCABULARY), width),
        "embeddings.position_embeddings.weight": made(512, width),
        "embeddings.token_type_embeddings.weight": made(2, width),
    }
    norms = ["embeddings.LayerNorm"]
    dense = {}
    for i in range(n_layers):
        layer = f"encoder.layer.{i}"
        dense |= {f"{layer}.attention.self.{part}": (width, width) for part in ("query", "key", "value")}
        dense |= {f"{layer}.attention.output.dense": (width, width)}
        dense |= {f"{layer}.intermediate.dense": (4 * width, width), f"{layer}.output.dense": (width, 4 * width)}
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name, (n_out, n_in) in dense.items():
        stored |= {f"{name}.weight": made(n_out, n_in), f"{name}.bias": made(n_out)}
    for name in norms:
        stored |= {f"{name}.weight": 1 + made(width), f"{name}.bias": made(width)}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(stored, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return folder / "model.safetensors", folder / "vocab.txt"
