"""The text emotion network: vectors of words and of their parts, and convolutions over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar, Final, Protocol, cast

import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from emofuse.preprocessing.tokens import BITS, PADDING, UNKNOWN
from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.settings import TextNetSettings

NOTHING: Final = 2.0 ** (BITS + 1)  # in a place of the vocabulary that no word has: above every word's number
N_BUCKETS: Final = 2**13
BUCKET_SIZE: Final = 8  # the most words of a bucket that are kept
_STD: Final = 0.2  # of the vectors' values, at the start
_RIDGE: Final = 1.0  # of the regression of meanings on parts


class Vocabulary(nn.Module):
    """The words that a network knows, so that a file is whole in itself: numbers of words in, rows of tables out.

    Row 0 is padding, row 1 any word that it does not know, then come the words that it does, by the remainder of their
    numbers by N_BUCKETS: ONNX has no search, but so each is compared with the few of its bucket alone. Parts of words
    have the rows of their remainder by n_parts, after row 0 (Weinberger et al., 2009, arXiv:0902.2206).
    """

    def __init__(self, n_words: int, n_parts: int) -> None:
        super().__init__()
        self.n_parts = n_parts
        # floats: averaging the weights over a training leaves them as they are, but not integers
        self.register_buffer("known", torch.full((n_words,), NOTHING))
        self.known: Tensor  # (V,), bucket after bucket
        self.register_buffer("first", torch.zeros(N_BUCKETS))
        self.first: Tensor  # (N_BUCKETS,), where in `known` each begins

    @property
    def n_rows(self) -> int:
        """How many rows of words there are."""
        return 2 + len(self.known)

    def learn(self, texts: Iterable[Iterable[int]], least: int) -> None:
        """Take the words that occur in `least` texts or more, the most frequent ones where there are too many."""
        times = Counter(number for text in texts for number in set(text))
        often = [number for _, number in sorted((-n, number) for number, n in times.items() if n >= least)]
        buckets: list[list[int]] = [[] for _ in range(N_BUCKETS)]
        n_free = len(self.known)
        for number in often:
            bucket = buckets[number % N_BUCKETS]
            if n_free and len(bucket) < BUCKET_SIZE:
                bucket.append(number)
                n_free -= 1
        sizes = torch.tensor([len(bucket) for bucket in buckets])
        self.first.copy_(sizes.cumsum(0) - sizes)
        self.known.fill_(NOTHING)
        kept = [number for bucket in buckets for number in bucket]
        self.known[: len(kept)] = torch.tensor(kept, dtype=torch.float32)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, WIDTH) numbers of words and parts to rows, int64, of the same shape."""
        words, parts = tokens[..., 0], tokens[..., 1:]
        places = self.first[words % N_BUCKETS].long().unsqueeze(-1) + torch.arange(BUCKET_SIZE, device=tokens.device)
        places = places.clamp(max=len(self.known) - 1)
        found = self.known[places] == words.unsqueeze(-1)
        rows = torch.where(found, places + 2, torch.ones_like(places)).amax(dim=-1)
        rows = torch.where(words == PADDING, torch.zeros_like(rows), rows)
        part_rows = torch.where(parts == PADDING, torch.zeros_like(parts), parts % self.n_parts + 1)
        return torch.cat([rows.unsqueeze(-1), part_rows], dim=-1)


class WordVectors(nn.Module):
    """A vector of each word: its own and those of its parts, added up."""

    def __init__(self, n_rows: int, n_parts: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(n_rows, width, padding_idx=0)
        self.parts = nn.Embedding(1 + n_parts, width, padding_idx=0)
        with torch.no_grad():
            self.words.weight[1:].normal_(std=_STD)
            self.parts.weight[1:].normal_(std=_STD)

    def forward(self, rows: Tensor) -> Tensor:
        """Map (N, T, WIDTH) rows to (N, T, D)."""
        parts = rows[..., 1:]
        n_parts = (parts != 0).sum(dim=-1, keepdim=True).clamp(min=1)
        if self.training:  # the same sum, without a vector of each part in memory; ONNX has no such operation
            added = F.embedding_bag(parts.flatten(0, 1), self.parts.weight, mode="sum", padding_idx=0)
            added = added.view(*rows.shape[:2], -1)
        else:
            added = self.parts(parts).sum(dim=-2)
        vectors: Tensor = self.words(rows[..., 0]) + added / n_parts.sqrt()
        return vectors

    def start_from(self, rows: Tensor, meanings: Tensor) -> None:
        """Begin with what somebody else knows of words.

        The meanings' first principal components become the vectors: as much of each as the parts of the word tell, by
        ridge regression, is laid into the parts, so that unknown words have a meaning too, and the rest into its own.

        Args:
            rows: (N, WIDTH) of N words, as the vocabulary gives them; those without a row of their own tell of parts.
            meanings: (N, D) vectors of these words, D of `width` or more.
        """
        width = self.words.embedding_dim
        centred = meanings - meanings.mean(dim=0)
        axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, :width]
        wanted = centred @ axes
        wanted = wanted * (_STD / wanted.square().mean().sqrt())
        is_part = rows[:, 1:] != PADDING
        words, parts = is_part.nonzero()[:, 0], rows[:, 1:][is_part]
        share = is_part.sum(dim=1).clamp(min=1).float().rsqrt()[words]
        n_parts = len(self.parts.weight)
        shares = csr_matrix((share.numpy(), (words.numpy(), parts.numpy())), shape=(len(rows), n_parts))
        together = torch.from_numpy((shares.T @ shares).toarray()) + _RIDGE * torch.eye(n_parts)
        by_parts = torch.linalg.solve(together, torch.from_numpy(shares.T @ wanted.numpy()))
        with torch.no_grad():
            self.parts.weight.copy_(by_parts)
            self.words.weight[rows[:, 0]] = wanted - torch.from_numpy(shares @ by_parts.numpy())
            self.words.weight[:2] = 0  # padding, and any unknown word


class TextNet(nn.Module):
    """Words in, logits out. What it knows of words it learns with the task, or begins with what MiniLM knows of them.

    Convolutions over a few words in a row, of each channel the strongest answer (Kim, 2014, arXiv:1408.5882), and the
    mean of the words' vectors.
    """

    inputs: ClassVar[tuple[str, ...]] = ("tokens",)
    feature_kind: ClassVar[FeatureKind] = "words"
    description: ClassVar[str] = "Convolutions over the words of a sentence and their parts."

    def __init__(self, settings: TextNetSettings, n_classes: int) -> None:
        super().__init__()
        self.frontend = Vocabulary(settings.n_words, settings.n_parts)
        self.vectors = WordVectors(self.frontend.n_rows, settings.n_parts, settings.width)
        self.word_dropout = nn.Dropout(settings.word_dropout)
        self.spans = nn.ModuleList(
            nn.Conv1d(settings.width, settings.channels, span, padding=span - 1) for span in settings.spans
        )
        self.n_features = settings.width + len(settings.spans) * settings.channels
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(self.n_features, n_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Score texts. tokens: (N, T, WIDTH) int64 as `features.text.stack` gives them. Returns (N, C) logits."""
        return self.classify(self.frontend(tokens))

    def classify(self, rows: Tensor) -> Tensor:
        """Score the rows (N, T, WIDTH) that the vocabulary gives."""
        logits: Tensor = self.head(self.dropout(self.embed(rows)))
        return logits

    def known(self, rows: Tensor) -> Tensor:
        """Return (N,) the share of the words with parts, so not of marks and figures, that are in the vocabulary."""
        is_word = (rows[..., 1] != 0).float()
        is_known = is_word * (rows[..., 0] > 1).float()
        return is_known.sum(dim=1) / is_word.sum(dim=1).clamp(min=1)

    def embed(self, rows: Tensor) -> Tensor:
        """Map rows (N, T, WIDTH) to (N, D)."""
        is_word = (rows[..., 0] != 0).float().unsqueeze(1)
        x = self.word_dropout(self.vectors(rows)).transpose(1, 2) * is_word
        strongest = []
        for span in self.spans:
            y = F.relu(span(x))
            # a window counts that begins at or before the last word: padding adds none
            reach = F.pad(is_word, (y.shape[2] - is_word.shape[2], 0), value=1.0)
            strongest.append((y * reach).amax(dim=2))
        return torch.cat([x.sum(dim=2) / is_word.sum(dim=2), *strongest], dim=1)


class Reporting(Protocol):
    """A text network that can tell how much of a text it knows."""

    frontend: nn.Module

    def classify(self, rows: Tensor) -> Tensor:
        """Score what the front end gives. Returns (N, C) logits."""
        ...

    def known(self, rows: Tensor) -> Tensor:
        """Return (N,) the share of the words that it knows: 0 where there are none."""
        ...


class ReportingTextNet(nn.Module):
    """A text network that also tells how much of a text it knows, as it is exported."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Score texts. Returns (N, C) logits, and (N,) the share of the words that the network knows."""
        network = cast(Reporting, self.network)
        rows = network.frontend(tokens)
        return network.classify(rows), network.known(rows)


def drop_words(tokens: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Make a share of the words of (N, T, WIDTH) unknown ones, without parts; where a text begins and ends stays."""
    lost = torch.rand(tokens.shape[:2], generator=generator) < share
    lost &= tokens[..., 0] > UNKNOWN
    nothing = torch.full_like(tokens[0, 0], PADDING)
    nothing[0] = UNKNOWN
    return torch.where(lost.unsqueeze(-1), nothing, tokens)
