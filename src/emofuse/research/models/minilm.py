"""A text emotion network over MiniLM, an encoder of sentences: pieces of words in, logits out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from emofuse.errors import AssetError
from emofuse.preprocessing.pieces import INSIDE, MOST_PIECES, PADDING, SPECIAL, WordPieces
from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.layers import CoarseLinear
from emofuse.research.models.settings import MiniLmSettings

MOST_BYTES: Final = 24  # of a piece; longer ones are left out
_EPS: Final = 1e-12  # of BERT's norms
_MASK: Final = SPECIAL.index("[MASK]")
_MOST_EMBEDDED: Final = 30_000  # pieces that `embed_words` keeps, nearly all
_AT_ONCE: Final = 256  # words that it embeds together
_MARK, _WORD, _REST = 0.0, 1.0, 2.0  # kinds of pieces


class Pieces(nn.Module):
    """The vocabulary of a network, which its weights carry, so that a file is whole in itself."""

    def __init__(self, n_pieces: int) -> None:
        super().__init__()
        # floats: averaging the weights over a training leaves them as they are, but not integers
        self.register_buffer("letters", torch.zeros(n_pieces, MOST_BYTES))
        self.letters: Tensor  # (V, MOST_BYTES), each piece in UTF-8
        self.register_buffer("kinds", torch.zeros(n_pieces))
        self.kinds: Tensor  # (V,), whether a piece is a mark, begins a word or goes on with one

    def take(self, vocabulary: Sequence[str]) -> None:
        """Take the pieces of a vocabulary, as many as there are places or fewer."""
        self.letters.zero_()
        self.kinds.zero_()
        for row, piece in enumerate(vocabulary):
            self.letters[row, : len(piece.encode())] = torch.tensor(list(piece.encode()), dtype=torch.float32)
            kind = _REST if piece.startswith(INSIDE) else _WORD if piece[0].isalpha() else _MARK
            self.kinds[row] = kind

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The pieces in their order."""
        rows = (bytes(int(n) for n in row if n) for row in self.letters.tolist())
        return tuple(row.decode() for row in rows if row)

    def forward(self, pieces: Tensor) -> Tensor:
        """Return the numbers of pieces (N, T), which are rows of the table already."""
        return pieces


class Layer(nn.Module):
    """A layer of BERT: attention and two dense layers, each beside a shortcut and before a norm."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.p = heads, dropout
        self.query_key_value, self.out = CoarseLinear(width, 3 * width), CoarseLinear(width, width)
        self.up, self.down = CoarseLinear(width, 4 * width), CoarseLinear(4 * width, width)
        self.attention_norm, self.dense_norm = nn.LayerNorm(width, _EPS), nn.LayerNorm(width, _EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (N, T, D) to the same form. mask: (N, 1, 1, T), 0 where there is a piece, else far below 0."""
        parts = self.query_key_value(x).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
        x = self.attention_norm(x + self.dropout(self.out(attended)))
        dense = self.dropout(self.down(F.gelu(self.up(x))))
        return cast(Tensor, self.dense_norm(x + dense))


class Encoder(nn.Module):
    """The first layers of MiniLM: vectors of pieces and places, a norm, and layers of attention."""

    def __init__(self, n_pieces: int, settings: MiniLmSettings) -> None:
        super().__init__()
        width = settings.width
        self.words = nn.Embedding(n_pieces, width, padding_idx=PADDING)
        self.places = nn.Embedding(MOST_PIECES, width)
        self.norm = nn.LayerNorm(width, _EPS)
        self.layers = nn.ModuleList(
            Layer(width, settings.heads, settings.layer_dropout if i >= settings.frozen else 0.0)
            for i in range(settings.layers)
        )
        for part in (
            self.words,
            *([self.places, self.norm, *self.layers[: settings.frozen]] if settings.frozen else []),
        ):
            part.requires_grad_(False)

    def forward(self, pieces: Tensor) -> Tensor:
        """Map (N, T) numbers of pieces to (N, T, D)."""
        places = torch.arange(pieces.shape[1], device=pieces.device)
        x = self.norm(self.words(pieces) + self.places(places))
        mask = (pieces == PADDING).float()[:, None, None] * -1e4
        for layer in self.layers:
            x = layer(x, mask)
        return cast(Tensor, x)


class MiniLm(nn.Module):
    """MiniLM fine-tuned: the mean of what its layers make of a text's pieces, and one layer that classifies it.

    The encoder is Wang et al.'s (2020, arXiv:2002.10957), as Reimers and Gurevych trained it on pairs of sentences
    (2019, arXiv:1908.10084). Its vectors of pieces stay as they are, and of them those are kept that texts have.
    """

    inputs: ClassVar[tuple[str, ...]] = ("pieces",)
    feature_kind: ClassVar[FeatureKind] = "words"
    description: ClassVar[str] = "The layers of MiniLM over the pieces of a sentence's words."

    def __init__(self, settings: MiniLmSettings, n_classes: int) -> None:
        super().__init__()
        self.frontend = Pieces(settings.n_pieces)
        self.backbone = Encoder(settings.n_pieces, settings)
        self.n_features = settings.width
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.width, n_classes)

    def forward(self, pieces: Tensor) -> Tensor:
        """Score texts. pieces: (N, T) int64, as `WordPieces` gives them. Returns (N, C) logits."""
        return self.classify(self.frontend(pieces))

    def classify(self, pieces: Tensor) -> Tensor:
        """Score the numbers of pieces (N, T). Returns (N, C) logits."""
        logits: Tensor = self.head(self.dropout(self.embed(pieces)))
        return logits

    def embed(self, pieces: Tensor) -> Tensor:
        """Map (N, T) to (N, D): the mean over the pieces."""
        is_piece = (pieces != PADDING).float().unsqueeze(2)
        x: Tensor = self.backbone(pieces) * is_piece
        return x.sum(dim=1) / is_piece.sum(dim=1)

    def known(self, pieces: Tensor) -> Tensor:
        """Return (N,) the share of the words that are one piece: 0 where there are none."""
        kinds = self.frontend.kinds[pieces]
        is_word = (kinds == _WORD).float()
        is_cut = F.pad((kinds[:, 1:] == _REST).float(), (0, 1))
        return (is_word * (1 - is_cut)).sum(dim=1) / is_word.sum(dim=1).clamp(min=1)


def choose_pieces(vocabulary: Sequence[str], texts: Iterable[str], n: int) -> list[int]:
    """Choose which `n` pieces of a vocabulary are kept.

    Returns:
        Their numbers: those of SPECIAL first, then those that most texts have, single letters before them all.
    """
    reader = WordPieces(_ordered(vocabulary))
    times = Counter(number for text in texts for number in set(reader.encode(text).tolist()))
    pieces = reader.vocabulary
    letters = [i for i, piece in enumerate(pieces) if len(piece.removeprefix(INSIDE)) == 1 and piece.isascii()]
    first = [*range(len(SPECIAL)), *letters]
    often = [number for number, _ in times.most_common() if len(pieces[number].encode()) <= MOST_BYTES]
    chosen = list(dict.fromkeys([*first, *often]))[:n]
    place = {piece: i for i, piece in enumerate(vocabulary)}
    return [place[pieces[number]] for number in chosen]


def _ordered(vocabulary: Sequence[str]) -> tuple[str, ...]:
    return (*SPECIAL, *(piece for piece in vocabulary if piece not in SPECIAL))


def load_minilm(network: MiniLm, texts: Iterable[str], weights: Path, words: Path) -> None:
    """Give a network the weights of MiniLM, and the pieces of its vocabulary that texts have.

    Args:
        network: What to fill.
        texts: What the pieces are chosen by.
        weights: A `model.safetensors` of BERT's form.
        words: Its `vocab.txt`.

    Raises:
        AssetError: The weights are of another form.
    """
    vocabulary = words.read_text(encoding="utf-8").splitlines()
    chosen = choose_pieces(vocabulary, texts, len(network.frontend.kinds))
    network.frontend.take([vocabulary[i] for i in chosen])
    stored = load_file(weights)
    encoder = network.backbone
    try:
        tables = {name: stored[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")}
        with torch.no_grad():
            encoder.words.weight[: len(chosen)] = tables["word"][chosen]
            encoder.places.weight.copy_(tables["position"][:MOST_PIECES] + tables["token_type"][0])
        _fill(encoder.norm, stored, "embeddings.LayerNorm")
        for i, layer in enumerate(encoder.layers):
            assert isinstance(layer, Layer)
            before = f"encoder.layer.{i}"
            for what in ("weight", "bias"):
                parts = [stored[f"{before}.attention.self.{part}.{what}"] for part in ("query", "key", "value")]
                getattr(layer.query_key_value, what).data.copy_(torch.cat(parts))
            _fill(layer.out, stored, f"{before}.attention.output.dense")
            _fill(layer.attention_norm, stored, f"{before}.attention.output.LayerNorm")
            _fill(layer.up, stored, f"{before}.intermediate.dense")
            _fill(layer.down, stored, f"{before}.output.dense")
            _fill(layer.dense_norm, stored, f"{before}.output.LayerNorm")
    except (KeyError, RuntimeError) as error:
        raise AssetError(f"{weights} holds no encoder of this form: {error}", "see `layers`, `width`") from None


@torch.inference_mode()
def embed_words(words: Sequence[str], weights: Path, pieces: Path, settings: MiniLmSettings | None = None) -> Tensor:
    """Ask MiniLM, as it was pretrained, what words mean, each by itself.

    Args:
        words: N of them.
        weights: See `load_minilm`.
        pieces: Its `vocab.txt`.
        settings: Of the encoder, as the weights have them; the pieces that are kept are the words'. None: MiniLM of six
            layers.

    Returns:
        (N, D): the mean of what its layers make of the pieces of each word.

    Raises:
        AssetError: The weights are of another form.
    """
    network = MiniLm(settings or MiniLmSettings(n_pieces=_MOST_EMBEDDED), n_classes=1).eval()
    load_minilm(network, words, weights, pieces)
    reader = WordPieces(network.frontend.vocabulary)
    encoded = [torch.from_numpy(reader.encode(word)) for word in words]
    order = sorted(range(len(words)), key=lambda i: len(encoded[i]))
    embedded = torch.zeros(len(words), network.n_features)
    for start in range(0, len(order), _AT_ONCE):
        chosen = order[start : start + _AT_ONCE]
        batch = nn.utils.rnn.pad_sequence([encoded[i] for i in chosen], batch_first=True, padding_value=PADDING)
        embedded[chosen] = network.embed(network.frontend(batch))
    return embedded


def _fill(module: nn.Module, stored: Mapping[str, Tensor], name: str) -> None:
    module.load_state_dict({what: stored[f"{name}.{what}"] for what in ("weight", "bias")})


def drop_pieces(pieces: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Hide a share of the pieces (N, T) behind [MASK]; where a text begins and ends stays."""
    lost = torch.rand(pieces.shape, generator=generator) < share
    return torch.where(lost & (pieces > _MASK), torch.full_like(pieces, _MASK), pieces)
