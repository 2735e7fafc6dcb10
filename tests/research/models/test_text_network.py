"""The text network beyond the contract: what it knows, and that padding and company do not matter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from emofuse.preprocessing.tokens import BEGIN, END, PADDING, UNKNOWN, WIDTH
from emofuse.research.models.settings import TextNetSettings
from emofuse.research.models.text import BUCKET_SIZE, N_BUCKETS, TextNet, Vocabulary, WordVectors, drop_words

A, B, C, D = (UNKNOWN + 1 + number for number in (2**23 - 1, 5, 70_000, 9))


def tokens(*texts: list[int]) -> Tensor:
    """Return texts of words without parts: (N, T, WIDTH)."""
    made = torch.full((len(texts), max(map(len, texts)), WIDTH), PADDING)
    for row, text in zip(made, texts, strict=True):
        row[: len(text), 0] = torch.tensor(text)
    return made


def rows(vocabulary: Vocabulary, *words: int) -> list[int]:
    """Return the rows of words in the vocabulary's table."""
    return vocabulary(tokens(list(words)))[0, :, 0].tolist()


def small(n_words: int = 3) -> TextNet:
    """Return a network that knows A, B and C, in evaluation."""
    torch.manual_seed(0)
    network = TextNet(TextNetSettings(n_words=n_words, n_parts=7, width=8, channels=8), 3)
    network.frontend.learn([[A, B], [A, C], [B, C, D]], least=2)
    return network.eval()


def test_frequent_words_are_known_and_others_are_one() -> None:
    known = rows(small().frontend, A, B, C)
    assert sorted(known) == [2, 3, 4]
    assert rows(small().frontend, A, D, PADDING, UNKNOWN, B) == [known[0], 1, 0, 1, known[1]]


def test_the_most_frequent_are_kept_and_places_may_stay_empty() -> None:
    vocabulary = Vocabulary(2, 5)
    vocabulary.learn([[A, B, B, B], [A, C], [C, A]], least=1)  # B is in one text, however often
    assert sorted(rows(vocabulary, A, C)) == [2, 3] and rows(vocabulary, B) == [1]
    wide = Vocabulary(9, 5)
    wide.learn([[A, B]], least=1)
    assert sorted(rows(wide, A, B)) == [2, 3] and rows(wide, C) == [1]
    wide.learn([[C]], least=1)
    assert rows(wide, A, B, C) == [1, 1, 2]


def test_words_of_one_bucket_are_told_apart_and_a_full_one_takes_no_more() -> None:
    alike = [UNKNOWN + 7 + i * N_BUCKETS for i in range(BUCKET_SIZE + 2)]
    vocabulary = Vocabulary(100, 5)
    vocabulary.learn([alike[: BUCKET_SIZE + 1]] * 2, least=1)
    found = rows(vocabulary, *alike)
    assert sorted(found[:BUCKET_SIZE]) == list(range(2, BUCKET_SIZE + 2))
    assert found[BUCKET_SIZE:] == [1, 1]
    assert rows(vocabulary, *(number + 1 for number in alike)) == [1] * len(alike)  # of the bucket beside it


def test_every_one_of_many_words_is_found() -> None:
    words = (torch.randperm(2**23, generator=torch.Generator().manual_seed(0))[:3000] + UNKNOWN + 1).tolist()
    vocabulary = Vocabulary(3000, 5)
    vocabulary.learn([words], least=1)
    assert sorted(rows(vocabulary, *words)) == list(range(2, 3002))


def test_parts_share_their_rows() -> None:
    made = tokens([A])
    made[0, 0, 1:4] = torch.tensor([10, 17, 11])
    assert small().frontend(made)[0, 0, 1:5].tolist() == [4, 4, 5, 0]


def test_vectors_are_the_same_in_training() -> None:
    network = small()
    made = network.frontend(torch.randint(0, 2**23, (2, 5, WIDTH), generator=torch.Generator().manual_seed(1)))
    made[1, 3:] = 0
    with torch.no_grad():
        expected = network.vectors(made)
        torch.testing.assert_close(network.vectors.train()(made), expected)


def test_averaging_weights_leaves_the_vocabulary_exact() -> None:
    for values in (small().frontend.known, small().frontend.first):
        assert torch.equal(torch.lerp(values, values.clone(), 0.005), values)


def test_padding_does_not_matter() -> None:
    network = small()
    text = tokens([BEGIN, A, B, END])
    longer = torch.nn.functional.pad(text, (0, 0, 0, 6), value=PADDING)
    with torch.no_grad():
        torch.testing.assert_close(network(longer), network(text))


def test_the_order_of_words_matters_and_unknown_words_without_parts_are_alike() -> None:
    network = small()
    with torch.no_grad():
        one, other = network(tokens([BEGIN, A, B, END], [BEGIN, B, A, END]))
        assert not torch.allclose(one, other, atol=1e-4)
        assert torch.equal(network(tokens([D, A])), network(tokens([D + 1, A])))
        with_parts = tokens([D, A])
        with_parts[0, 0, 1] = 12
        assert not torch.allclose(network(with_parts), network(tokens([D, A])), atol=1e-4)


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.3, 230, 370), (0.999, 980, 1000)])
def test_words_are_lost_but_not_where_a_text_begins_and_ends(share: float, low: int, high: int) -> None:
    texts = tokens(*[[BEGIN, *[A] * 100, END, PADDING]] * 10)
    texts[:, 1:101, 1] = C
    lost = drop_words(texts, share, torch.Generator().manual_seed(0))
    is_lost = lost[..., 0] == UNKNOWN
    assert low <= int(is_lost.sum()) <= high
    assert not lost[is_lost][:, 1:].any()  # its parts are lost too
    assert torch.equal(lost[~is_lost], texts[~is_lost])
    assert bool((texts[..., 0][is_lost] == A).all())


def test_words_begin_with_the_meanings_that_they_are_given() -> None:
    torch.manual_seed(0)
    vectors = WordVectors(n_rows=5, n_parts=6, width=2)
    rows = torch.zeros(4, WIDTH, dtype=torch.int64)
    rows[:, 0] = torch.tensor([2, 3, 4, 1])  # the last has no row of its own
    for row, parts in zip(rows, ((1, 2), (2, 3), (1, 4), (3, 2)), strict=True):
        row[1:3] = torch.tensor(parts)
    meanings = torch.tensor([[9.0, 1.0, 0.0], [5.0, -3.0, 0.0], [9.0, 3.0, 0.1], [5.0, -3.0, 0.0]])
    vectors.start_from(rows, meanings)
    made = vectors.eval()(rows.unsqueeze(0))[0].detach()
    distances = torch.cdist(made, made)[:3, :3] / torch.cdist(meanings, meanings)[:3, :3]
    ratios = distances[~torch.eye(3, dtype=torch.bool)]
    torch.testing.assert_close(ratios, ratios[:1].expand(6), rtol=1e-2, atol=0)  # as far apart as they were
    assert torch.cdist(made[3:], made[1:2]) < torch.cdist(made[3:], made[2:3])  # by its parts, like the second
    assert not vectors.parts.weight[5:].any()  # parts that no word has
