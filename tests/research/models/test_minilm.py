"""The text network over MiniLM: its weights are the file's, and its vocabulary is what texts have."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emofuse.errors import AssetError
from emofuse.preprocessing.pieces import PADDING, SPECIAL, WordPieces
from emofuse.research.models.minilm import MiniLm, choose_pieces, drop_pieces, embed_words, load_minilm
from emofuse.research.models.settings import MiniLmSettings
from make_minilm import VOCABULARY, write_minilm

TEXTS = ("I am so happy!", "So sad.", "What? Help!")


def loaded(folder: Path, **changes: int) -> MiniLm:
    settings = MiniLmSettings(**{"n_pieces": 256, "layers": 2, "width": 16, "heads": 2, **changes})
    network = MiniLm(settings, 3)
    load_minilm(network, TEXTS, *write_minilm(folder))
    return network.eval()


def test_it_gives_what_the_library_of_the_hub_gives(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    network = loaded(tmp_path)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    from safetensors.torch import load_file

    theirs = transformers.BertModel(config, add_pooling_layer=False).eval()
    theirs.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=False)
    own = WordPieces(network.frontend.vocabulary).encode("I am so happy, happyness")
    same = [VOCABULARY.index(network.frontend.vocabulary[number]) for number in own]
    with torch.no_grad():
        expected = theirs(torch.tensor(same)[None]).last_hidden_state
        found = network.backbone(torch.from_numpy(own)[None])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_vocabulary_is_read_back_and_holds_what_texts_have(tmp_path: Path) -> None:
    network = loaded(tmp_path)
    vocabulary = network.frontend.vocabulary
    assert vocabulary[: len(SPECIAL)] == SPECIAL
    assert {"i", "am", "so", "happy", "sad", "##x", "z"} <= set(vocabulary)
    assert "train" not in vocabulary and "[unused0]" not in vocabulary
    again = MiniLm(MiniLmSettings(n_pieces=256, layers=2, width=16, heads=2), 3)
    again.load_state_dict(network.state_dict())
    assert again.frontend.vocabulary == vocabulary


def test_the_most_frequent_pieces_are_kept() -> None:
    n = len(choose_pieces(VOCABULARY, (), 10_000))
    chosen = choose_pieces(VOCABULARY, ["happy happy", "happy so", "so", "so am"], n + 2)
    assert [VOCABULARY[i] for i in chosen[-2:]] == ["so", "happy"]


def test_padding_changes_nothing(tmp_path: Path) -> None:
    network = loaded(tmp_path)
    text = torch.from_numpy(WordPieces(network.frontend.vocabulary).encode(TEXTS[0]))[None]
    padded = torch.cat([text, torch.full((1, 5), PADDING)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(network(text), network(padded), atol=1e-5, rtol=1e-5)
    assert network.known(padded).tolist() == network.known(text).tolist() == [1.0]


def test_a_word_in_pieces_is_not_known(tmp_path: Path) -> None:
    network = loaded(tmp_path)
    numbers = WordPieces(network.frontend.vocabulary).encode("happy xyz, sad sadly!")
    assert network.known(torch.from_numpy(numbers)[None]).item() == pytest.approx(0.5)
    assert network.known(torch.tensor([[2, 3]])).item() == 0


def test_the_frozen_layers_have_no_gradient(tmp_path: Path) -> None:
    network = loaded(tmp_path, frozen=1)
    network(torch.tensor([[2, 6, 7, 3]])).sum().backward()
    without = {name.removeprefix("layers.")[0] for name, p in network.backbone.named_parameters() if p.grad is None}
    assert "0" in without and "1" not in without
    assert network.backbone.words.weight.grad is None


def test_weights_of_another_form_are_refused(tmp_path: Path) -> None:
    weights, words = write_minilm(tmp_path, width=8)
    network = MiniLm(MiniLmSettings(n_pieces=256, layers=2, width=16, heads=2), 3)
    with pytest.raises(AssetError, match="holds no encoder of this form"):
        load_minilm(network, TEXTS, weights, words)


def test_where_a_text_begins_and_ends_is_never_hidden() -> None:
    pieces = torch.tensor([[2, 7, 8, 3, 0]])
    assert drop_pieces(pieces, 1.0, torch.Generator().manual_seed(0)).tolist() == [[2, 4, 4, 3, 0]]


def test_words_are_embedded_each_by_itself(tmp_path: Path) -> None:
    words = ["happy", "sad", "happyness", "great"]
    settings = MiniLmSettings(n_pieces=256, layers=2, width=16, heads=2)
    found = embed_words(words, *write_minilm(tmp_path), settings)
    network = loaded(tmp_path)
    reader = WordPieces(network.frontend.vocabulary)
    alone = [network.embed(torch.from_numpy(reader.encode(word))[None]) for word in ("happy", "sad")]
    torch.testing.assert_close(found[:2], torch.cat(alone), atol=1e-5, rtol=1e-5)
    assert found.shape == (4, 16) and not found.requires_grad
