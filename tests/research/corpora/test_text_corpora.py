"""The text corpora: votes over our emotions, parts that share no sentence, lines as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.emotions import BASE
from emofuse.errors import CorpusError, UsageError
from emofuse.research.corpora.made_texts import DENIED, FEELINGS, QUALITIES, STATEMENTS, make_texts
from emofuse.research.corpora.readers.brighter import read_brighter
from emofuse.research.corpora.readers.edos import read_edos
from emofuse.research.corpora.readers.goemotions import read_goemotions
from emofuse.research.corpora.readers.meld import read_meld_texts
from emofuse.research.corpora.readers.xed import read_xed
from emofuse.research.corpora.registry import TEXTS, read_texts, text_corpus
from emofuse.research.corpora.text_union import join_texts
from emofuse.research.corpora.texts import LabelledText, Texts, hashed_part, share_votes, text_key, tidy_subtitle
from make_meld import write_meld
from make_text_corpora import (
    EDOS_TURNS,
    write_brighter,
    write_brighter_german,
    write_edos,
    write_further_edos,
    write_goemotions,
    write_projections,
    write_xed,
)

WRITERS = {"goemotions": write_goemotions, "xed": write_xed, "edos": write_edos, "brighter": write_brighter}


def votes(**shares: float) -> tuple[float, ...]:
    return tuple(shares.get(label, 0.0) for label in BASE)


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_corpus_is_read_by_its_name(name: str, tmp_path: Path) -> None:
    if name == "meld":
        write_meld(tmp_path)
    else:
        WRITERS[name](tmp_path / name)
    corpus = read_texts(name, tmp_path)
    assert corpus.texts and TEXTS[name].licence and set(TEXTS[name].labels) == set(BASE)
    assert all(sum(one.votes) == pytest.approx(1) or not one.is_labelled for one in corpus.texts)
    (tmp_path / "empty" / name).mkdir(parents=True)
    with pytest.raises(CorpusError, match="under"):
        read_texts(name, tmp_path / "empty")


def test_goemotions_has_its_own_parts_and_several_labels_share_the_votes(tmp_path: Path) -> None:
    corpus = read_goemotions(write_goemotions(tmp_path / "data" / "ekman"))
    assert [(one.part, one.votes) for one in corpus.texts] == [
        ("train", votes(happy=1)),
        ("train", votes(neutral=1)),
        ("train", votes(angry=0.5, disgust=0.5)),
        ("dev", votes(sad=1)),
        ("dev", votes(happy=1)),
        ("test", votes(neutral=1)),
    ]
    assert "[NAME]" not in corpus.texts[0].text and corpus.texts[0].text.startswith("I love ")
    assert corpus.texts[2].label is None and corpus.texts[3].label == BASE.index("sad")


def test_xed_leaves_out_anticipation_and_trust(tmp_path: Path) -> None:
    texts = read_xed(write_xed(tmp_path / "x")).texts
    assert [one.votes for one in texts] == [
        votes(angry=1),
        votes(fearful=0.5, happy=0.5),
        votes(),
        votes(sad=1),
        votes(disgust=1),
        votes(surprised=1),
        votes(neutral=1),
        votes(neutral=1),
    ]
    assert texts[3].text == "She isn't sad, I think."
    assert texts[2].text.startswith("I trust ") and "[" not in texts[2].text
    assert all(one.part == hashed_part(text_key(one.text)) for one in texts)


def test_lines_that_xeds_labels_were_projected_onto_train_alone(tmp_path: Path) -> None:
    folder = write_xed(tmp_path / "x")
    before = len(read_xed(folder).texts)
    lines = [f"Line {i} , please !\t5, 6\n" for i in range(40)]
    junk = '"It is one\nda/1954/1.xml.gz\ten/1954/2.xml.gz\t1"\t3\n'
    (folder / "en-projections.tsv").write_text("".join([*lines, junk]), encoding="utf-8")
    added = read_xed(folder).texts[before:]
    assert 20 < len(added) < 40  # those that would be dev or test are left out
    assert {one.part for one in added} == {"train"}
    assert {one.votes for one in added} == {votes(happy=0.5, sad=0.5)}
    assert added[0].text.endswith(", please!")


def test_a_translated_line_stands_in_the_part_of_its_english_one(tmp_path: Path) -> None:
    folder = write_projections(tmp_path / "xed")
    by_text = {one.text: one for one in read_texts("xed@de", tmp_path).texts}
    parts = {text_key(one.text): one.part for one in read_xed(folder).texts}
    hate = by_text["Ich hasse es hier."]
    assert (hate.votes, hate.language, hate.source, hate.english) == (
        votes(angry=1),
        "de",
        "I hate it here.",
        "I hate it here.",
    )
    assert hate.part == parts["i hate it here"]
    assert by_text["Was?"].source == "Who is that?"  # through the Danish line
    assert by_text["Was?"].part == parts["who is that"] and not by_text["Was?"].is_labelled
    assert by_text["Guten Tag"].source == by_text["Guten Tag"].english == ""  # the alignment does not have it
    assert by_text["Guten Tag"].part == hashed_part("guten tag")


def test_a_line_that_translates_lines_of_several_parts_is_left_out(tmp_path: Path) -> None:
    folder = write_projections(tmp_path / "xed")
    sources = [f"Line {i}" for i in range(40)]
    assert len({hashed_part(text_key(source)) for source in sources}) == 3
    pairs = "".join(f"en/1/a.xml.gz\tx\t{i}\t1\t{source}\tGuten Tag\n" for i, source in enumerate(sources))
    (folder / "pairs-de.txt").write_text(pairs, encoding="utf-8")
    assert "Guten Tag" not in [one.text for one in read_texts("xed@de", tmp_path).texts]


def test_languages_of_a_corpus_are_read_by_their_names(tmp_path: Path) -> None:
    write_projections(tmp_path / "xed")
    write_brighter_german(write_brighter(tmp_path / "brighter"))
    german = read_texts("brighter@de", tmp_path).texts
    assert [(one.part, one.votes, one.language) for one in german] == [
        ("train", votes(happy=1), "de"),
        ("dev", votes(neutral=1), "de"),
        ("test", votes(angry=0.5, disgust=0.5), "de"),
    ]
    assert read_texts("brighter@all", tmp_path).texts == german  # no English among them
    assert len(read_texts("xed@all", tmp_path).texts) == 4
    assert text_corpus("xed@de").title == "XED (German)" and text_corpus("xed@all").languages
    for name in ("xed@fr", "brighter@fi", "goemotions@de", "xed@"):
        with pytest.raises((UsageError, CorpusError)):
            read_texts(name, tmp_path)


def test_edos_counts_the_raters_of_the_last_turn(tmp_path: Path) -> None:
    corpus = read_edos(write_edos(tmp_path / "e"))
    by_text = {one.text: one for one in corpus.texts}
    assert by_text["I'm so sorry!"].votes == pytest.approx(votes(sad=2 / 3, fearful=1 / 3))
    assert by_text["You're late."].votes == votes() and by_text["You're late."].dialogue == "11"
    assert by_text["Nice to see you too!"].votes == votes(happy=1)
    assert by_text["Wait for me!"].votes == votes()  # one of three alone names an emotion of ours
    assert by_text["I see."].votes == votes(neutral=1)
    assert len({one.part for one in corpus.texts if one.dialogue == "11"}) == 1
    assert [tidy_subtitle(turn) for turn in EDOS_TURNS] == ["You're late.", "I'm so sorry!"]


def test_dialogues_that_a_network_labelled_train_without_a_label(tmp_path: Path) -> None:
    folder = write_edos(tmp_path / "e")
    before = read_edos(folder).texts
    write_further_edos(folder)
    texts = read_edos(folder).texts
    assert texts[: len(before)] == before
    assert [(one.text, one.part, one.dialogue, one.votes) for one in texts[len(before) :]] == [
        ("Who's there?", "train", "90", votes()),
        ("It's me, open up!", "train", "90", votes()),
    ]


def test_brighter_without_an_emotion_is_neutral(tmp_path: Path) -> None:
    texts = read_brighter(write_brighter(tmp_path / "b")).texts
    assert [(one.part, one.votes) for one in texts] == [
        ("train", votes(surprised=1)),
        ("train", votes(neutral=1)),
        ("dev", votes(angry=0.5, fearful=0.5)),
    ]


def test_meld_keeps_its_dialogues(tmp_path: Path) -> None:
    corpus = read_meld_texts(write_meld(tmp_path) / "meld")
    assert len(corpus.of_part("test")) == 21
    assert len({one.dialogue for one in corpus.texts}) == 11
    assert {one.label for one in corpus.texts} == set(range(7))


@pytest.mark.parametrize(
    ("reader", "file", "text", "message"),
    [
        (read_goemotions, "ekman_train.tsv", "love\t3\n", "ekman_train.tsv, line 1: not text, numbers"),
        (read_goemotions, "ekman_train.tsv", "love\t9\tx\n", "line 1"),
        (read_xed, "en-annotated.tsv", "fine\t1\nhm\t0\n", "en-annotated.tsv, line 2: not text and numbers"),
        (read_edos, "1. MTurk_groundtruth_labels_9K.csv", "DialogID,Dialog\n", "no column 'Worker 1 answer'"),
    ],
)
def test_what_is_amiss_is_named_with_its_line(reader, file, text, message, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        reader(tmp_path)


def corpus_of(*texts: tuple[str, str, bool]) -> Texts:
    happy, none = share_votes(["happy"]), share_votes([])
    return Texts(tuple(LabelledText(text, happy if known else none, part) for text, part, known in texts))


def test_no_sentence_is_trained_on_that_is_tested_or_watched() -> None:
    one = corpus_of(
        ("Hello there!", "train", True),
        ("Good bye", "train", True),
        ("Come in.", "train", True),
        ("Stay.", "train", True),
        ("who knows", "train", False),
        ("Who knows?", "train", False),
        ("come in", "train", False),
        ("good bye", "dev", True),
        ("HELLO, THERE", "dev", True),
        ("?!", "train", True),
    )
    other = corpus_of(("hello there", "test", True), ("stay", "dev", True), ("Trained elsewhere", "train", True))
    union = join_texts([one], held_out=[other])
    assert [text.text for text in union.train] == ["Come in."]
    assert [text.text for text in union.dev] == ["good bye"]
    assert [text.text for text in union.unlabelled] == ["who knows"]
    assert union.held_out == {"good bye", "hello there", "stay"}


def test_parts_are_of_the_sizes_that_are_meant() -> None:
    parts = [hashed_part(f"sentence {i}") for i in range(4000)]
    assert parts.count("test") == pytest.approx(800, abs=100)
    assert parts.count("dev") == pytest.approx(400, abs=80)


def test_made_sentences_are_different_and_repeatable() -> None:
    made = make_texts(3000, seed=3)
    assert len({one.text for one in made}) == 3000
    assert make_texts(3000, seed=3) == made != make_texts(3000, seed=4)
    assert all(sum(one.votes) == pytest.approx(1) and one.part == "train" for one in made)


def test_a_denied_feeling_is_never_that_feeling() -> None:
    made = {one.text: dict(zip(BASE, one.votes, strict=True)) for one in make_texts(9000, seed=1)}
    denied = {f"I'm not {word}.": emotion for emotion, words in FEELINGS.items() for word in words}
    found = {text: emotion for text, emotion in denied.items() if text in made}
    assert len(found) > 5
    for text, emotion in found.items():
        assert made[text][emotion] == 0 and made[text] == pytest.approx({**dict.fromkeys(BASE, 0.0), **DENIED[emotion]})


def test_no_word_of_the_rules_stands_for_two_emotions() -> None:
    for table in (FEELINGS, QUALITIES, STATEMENTS):
        words = [word for words in table.values() for word in words]
        assert len(set(words)) == len(words)
        assert set(table) <= set(BASE)
