"""The text network beyond the contract: what it knows, and that padding and company do not matter."""

from __future__ import annotations

import pytest
import torch

from emofuse.config import TextNetSettings
from emofuse.features.text import BEGIN, END, PADDING, UNKNOWN
from emofuse.models.text import TextNet, Vocabulary, drop_words

A, B, C, D = (UNKNOWN + 1 + number for number in (2**23 - 1, 5, 70_000, 9))


def small(n_words: int = 3, readers: int = 2) -> TextNet:
    """Return a network that knows A, B and C, in evaluation."""
    torch.manual_seed(0)
    settings = TextNetSettings(n_words=n_words, readers=readers, width=8, channels=8)
    network = TextNet(settings, 3)
    network.frontend.learn([[A, B], [A, C], [B, C, D]], least=2)
    return network.eval()


def test_frequent_words_are_known_and_others_are_one() -> None:
    rows = small().frontend(torch.tensor([[A, B, C, D, PADDING, UNKNOWN]]))
    assert rows.tolist() == [[4, 2, 3, 1, 0, 1]]  # by their numbers, after padding and the unknown one


def test_the_most_frequent_are_kept_and_places_may_stay_empty() -> None:
    vocabulary = Vocabulary(2)
    vocabulary.learn([[A, B, B, B], [A, C], [C, A]], least=1)  # B is in one text, however often
    assert vocabulary(torch.tensor([[A, B, C]])).tolist() == [[3, 1, 2]]
    wide = Vocabulary(9)
    wide.learn([[A, B]], least=1)
    assert wide(torch.tensor([[A, B, C]])).tolist() == [[3, 2, 1]]
    wide.learn([[C]], least=1)
    assert wide(torch.tensor([[A, B, C]])).tolist() == [[1, 1, 2]]


def test_averaging_weights_leaves_the_vocabulary_exact() -> None:
    known = small().frontend.known
    assert torch.equal(torch.lerp(known, known.clone(), 0.005), known)


def test_padding_does_not_matter() -> None:
    network = small()
    text = torch.tensor([[BEGIN, A, B, END]])
    longer = torch.nn.functional.pad(text, (0, 6), value=PADDING)
    with torch.no_grad():
        torch.testing.assert_close(network(longer), network(text))


def test_the_order_of_words_matters_and_unknown_words_are_alike() -> None:
    network = small()
    with torch.no_grad():
        one, other = network(torch.tensor([[BEGIN, A, B, END], [BEGIN, B, A, END]]))
        assert not torch.allclose(one, other, atol=1e-4)
        assert torch.equal(network(torch.tensor([[D, A]])), network(torch.tensor([[D + 1, A]])))


def test_readers_are_taught_apart_and_answer_with_the_mean_of_their_log_probabilities() -> None:
    network = small()
    tokens = torch.tensor([[BEGIN, A, B, END], [BEGIN, C, A, END]])
    network.head.train()
    network.head.dropout.eval()
    with torch.no_grad():
        apart = network(tokens)
        assert apart.shape == (2, 2, 3)
        torch.testing.assert_close(network.eval()(tokens), apart.log_softmax(dim=2).mean(dim=1))
    assert not torch.allclose(apart[:, 0], apart[:, 1])


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.3, 230, 370), (0.999, 980, 1000)])
def test_words_are_lost_but_not_where_a_text_begins_and_ends(share: float, low: int, high: int) -> None:
    tokens = torch.tensor([[BEGIN, *[A] * 100, END, PADDING]]).repeat(10, 1)
    lost = drop_words(tokens, share, torch.Generator().manual_seed(0))
    assert low <= int((lost == UNKNOWN).sum()) <= high
    changed = lost != tokens
    assert bool((tokens[changed] == A).all()) and bool((lost[changed] == UNKNOWN).all())
