"""The text emotion network: several small readers of the same words, which answer together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofuse.config import TextNetSettings
from emofuse.features.text import BITS, PADDING, UNKNOWN
from emofuse.models.frontends import FeatureKind

NOTHING: Final = 2.0 ** (BITS + 1)  # in a place of the vocabulary that no word has: above every word's number


class Vocabulary(nn.Module):
    """The words that a network knows, so that a file is whole in itself: numbers of words in, rows of a table out.

    Row 0 is padding, row 1 any word that it does not know, then come the words that it does, by their numbers.
    """

    def __init__(self, n_words: int) -> None:
        super().__init__()
        # floats: averaging the weights over a training leaves them as they are, but not integers
        self.register_buffer("known", torch.full((n_words,), NOTHING))
        self.known: Tensor  # (V,), rising

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return 2 + len(self.known)

    def learn(self, texts: Iterable[Iterable[int]], least: int) -> None:
        """Take the words that occur in `least` texts or more, the most frequent ones where there are too many."""
        times = Counter(number for text in texts for number in set(text))
        often = sorted((-n, number) for number, n in times.items() if n >= least)[: len(self.known)]
        self.known.fill_(NOTHING)
        self.known[: len(often)] = torch.tensor(sorted(number for _, number in often), dtype=torch.float32)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T) numbers of words to (N, T) rows, int64."""
        numbers = tokens.float()
        if torch.compiler.is_compiling():  # so many known words have a smaller number; ONNX has no search
            place = (numbers.unsqueeze(2) > self.known).sum(dim=2)
        else:
            place = torch.searchsorted(self.known, numbers)
        found = self.known[place.clamp(max=len(self.known) - 1)] == numbers
        rows = torch.where(found, place + 2, torch.ones_like(place))
        return torch.where(tokens == PADDING, torch.zeros_like(rows), rows)


class Reader(nn.Module):
    """Convolutions over the vectors of words, and of each channel the strongest answer (Kim, 2014, arXiv:1408.5882)."""

    def __init__(self, n_rows: int, settings: TextNetSettings) -> None:
        super().__init__()
        self.words = nn.Embedding(n_rows, settings.width, padding_idx=0)
        with torch.no_grad():
            self.words.weight[1:].normal_(std=0.3)
        self.dropout = nn.Dropout(settings.word_dropout)
        self.spans = nn.ModuleList(
            nn.Conv1d(settings.width, settings.channels, span, padding=span - 1) for span in settings.spans
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Map (N, T) rows to (N, D)."""
        x = self.dropout(self.words(rows)).transpose(1, 2)
        is_word = (rows != 0).to(x.dtype)
        strongest = []
        for span in self.spans:
            y = F.relu(span(x))
            # a window counts that begins at or before the last word: padding adds none
            reach = F.pad(is_word, (y.shape[2] - is_word.shape[1], 0), value=1.0)
            strongest.append((y * reach.unsqueeze(1)).amax(dim=2))
        return torch.cat(strongest, dim=1)


class Answers(nn.Module):
    """Logits of each reader. In training they are apart, so that each learns for itself; then their mean answers."""

    def __init__(self, n_readers: int, n_features: int, n_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleList(nn.Linear(n_features, n_classes) for _ in range(n_readers))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, K D) to (N, K, C) logits in training; else to (N, C), the mean log-probabilities of the readers."""
        parts = self.dropout(features).chunk(len(self.heads), dim=1)
        logits = torch.stack([head(part) for head, part in zip(self.heads, parts, strict=True)], dim=1)
        return logits if self.training else logits.log_softmax(dim=2).mean(dim=1)


class TextNet(nn.Module):
    """Words in, logits out. What it knows of words it learns with the task: there are no pretrained vectors."""

    inputs: ClassVar[tuple[str, ...]] = ("tokens",)
    feature_kind: ClassVar[FeatureKind] = "words"
    description: ClassVar[str] = "Convolutions over the words of a sentence, several readers that answer together."

    def __init__(self, settings: TextNetSettings, n_classes: int) -> None:
        super().__init__()
        self.frontend = Vocabulary(settings.n_words)
        self.readers = nn.ModuleList(Reader(self.frontend.n_rows, settings) for _ in range(settings.readers))
        n_each = len(settings.spans) * settings.channels
        self.n_features = settings.readers * n_each
        self.head = Answers(settings.readers, n_each, n_classes, settings.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Score texts. tokens: (N, T) int64 as `features.text.stack` gives them. Returns (N, C) logits, or, in
        training, (N, K, C): those of each reader."""
        return self.classify(self.frontend(tokens))

    def classify(self, rows: Tensor) -> Tensor:
        """Score the rows (N, T) that the vocabulary gives."""
        return cast(Tensor, self.head(self.embed(rows)))

    def embed(self, rows: Tensor) -> Tensor:
        """Map rows (N, T) to (N, D): what all readers make of them, side by side."""
        return torch.cat([reader(rows) for reader in self.readers], dim=1)


def drop_words(tokens: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Make a share of the words of (N, T) unknown ones; where a text begins and ends stays."""
    lost = torch.rand(tokens.shape, generator=generator) < share
    return torch.where(lost & (tokens > UNKNOWN), UNKNOWN, tokens)
