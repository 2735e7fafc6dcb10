"""MELD: words of three tables, their order, their films, and what a wrong encoding did to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.emotions import MELD
from emofuse.errors import CorpusError, UsageError
from emofuse.research.corpora.readers.meld import read_meld, read_meld_text, repair

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"


def line(text: str, speaker: str, emotion: str, dialogue: int | str, turn: int) -> str:
    return f'1,"{text}",{speaker},{emotion},neutral,{dialogue},{turn},1,1,"00:00:01,000","00:00:02,000"'


def write(folder: Path, part: str, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / f"{part}_sent_emo.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding=encoding)
    return path


@pytest.fixture
def words(tmp_path: Path) -> Path:
    write(tmp_path / "text", "train", *(line(f"t{i}", "Joey", "joy", 0, i) for i in (10, 2, 0)))
    write(tmp_path / "text", "dev", line("Hi.", "Ross", "Neutral", 0, 0), line("So?", "Phoebe Sr", "fear", 3, 0))
    write(tmp_path / "text", "test", line("Well, no…", "Richard’s Date", "disgust", 0, 0))
    return tmp_path


def film(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_words_stand_in_the_order_of_the_conversation(words: Path) -> None:
    manifest = read_meld(words)
    assert [clip.path.name for clip in manifest] == [
        "train_dia0_utt0",
        "train_dia0_utt2",
        "train_dia0_utt10",
        "dev_dia0_utt0",
        "dev_dia3_utt0",
        "test_dia0_utt0",
    ]
    assert [clip.text for clip in manifest] == ["t0", "t2", "t10", "Hi.", "So?", "Well, no…"]
    assert manifest.labels == MELD
    assert (manifest.name, manifest.licence, manifest.skipped) == ("MELD", "GPL-3.0", ())
    assert [clip.emotion for clip in manifest][2:] == ["joy", "neutral", "fear", "disgust"]
    assert manifest.speakers == ["meld-Joey", "meld-Phoebe Sr", "meld-Richard’s Date", "meld-Ross"]
    assert manifest.counts_by("dialogue") == {"train_dia0": 3, "dev_dia0": 1, "dev_dia3": 1, "test_dia0": 1}
    assert manifest.counts_by("session") == {"train": 3, "dev": 2, "test": 1}


def test_one_part_is_read_by_itself(words: Path) -> None:
    assert [clip.text for clip in read_meld_text(words, "dev")] == ["Hi.", "So?"]
    assert read_meld_text(words).clips == read_meld(words).clips
    with pytest.raises(UsageError, match="MELD has no part 'valid'"):
        read_meld_text(words, "valid")
    (words / "text" / "dev_sent_emo.csv").unlink()
    with pytest.raises(CorpusError, match="no table of MELD"):
        read_meld_text(words, "dev")


def test_films_are_found_in_the_folders_of_their_parts(words: Path) -> None:
    train = film(words / "raw" / "train_splits" / "dia0_utt2.mp4")
    later = film(words / "raw" / "train_splits" / "dia0_utt10.mp4")
    dev = film(words / "raw" / "dev_splits_complete" / "dia0_utt0.mp4")
    test = film(words / "raw" / "output_repeated_splits_test" / "dia0_utt0.mp4")
    odd = film(words / "raw" / "train_splits" / "dia7_utt0.mp4")
    lost = film(words / "raw" / "dia0_utt0.mp4")
    final = film(words / "raw" / "output_repeated_splits_test" / "final_videos_testdia0_utt0.mp4")
    manifest = read_meld(words)
    assert [clip.path for clip in manifest] == [train, later, dev, test]
    assert [clip.text for clip in manifest] == ["t2", "t10", "Hi.", "Well, no…"]
    assert dict(manifest.skipped) == {
        words / "text" / "train_dia0_utt0": "no film of it",
        words / "text" / "dev_dia3_utt0": "no film of it",
        odd: "not in the table of part train",
        lost: "in no folder of a part, such as train_splits, dev_splits_complete, output_repeated_splits_test",
        final: "the name is not dialogue, turn",
    }


def test_rows_that_say_nothing_are_listed(tmp_path: Path) -> None:
    rows = (line("A", "Joey", "joy", 0, 0), line("B", "Joey", "bliss", 0, 1), line(" ", "Joey", "joy", 0, 2))
    write(tmp_path, "train", *rows, line("C", "Joey", "joy", 0, 0))
    manifest = read_meld_text(tmp_path, "train")
    assert [clip.text for clip in manifest] == ["A"]
    assert manifest.skipped == (
        (tmp_path / "train_dia0_utt0", "line 5: there twice"),
        (tmp_path / "train_dia0_utt1", "line 3: unknown: emotion bliss"),
        (tmp_path / "train_dia0_utt2", "line 4: no words"),
    )


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train", line("A", "Joey", "joy", "x", 0))
    with pytest.raises(CorpusError, match="line 2: Dialogue_ID and Utterance_ID are not numbers"):
        read_meld(tmp_path)
    (tmp_path / "train_sent_emo.csv").write_text("Utterance,Emotion\nA,joy\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="no column 'Speaker'"):
        read_meld(tmp_path)


def test_a_table_in_the_encoding_of_windows_is_read(tmp_path: Path) -> None:
    write(tmp_path, "train", line("It’s — “so”… café", "Joey", "joy", 0, 0), encoding="cp1252")
    assert read_meld(tmp_path).clips[0].text == "It’s — “so”… café"


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ("It\x92s \x96 \x93so\x94\x85", "It’s – “so”…"),
        ("Itâ€™s", "It’s"),
        ("cafÃ©", "café"),
        ("It’s — “so”", "It’s — “so”"),
        ("Âme sœur", "Âme sœur"),
        ("a\xa0b ", "a b"),
    ],
)
def test_what_a_wrong_encoding_did_is_undone(seen: str, meant: str) -> None:
    assert repair(seen) == meant


@pytest.mark.corpus
def test_the_real_words(corpora: Path) -> None:
    sizes = {part: read_meld_text(corpora / "meld", part) for part in ("train", "dev", "test")}
    assert {part: len(manifest) for part, manifest in sizes.items()} == {"train": 9989, "dev": 1109, "test": 2610}
    assert {part: len(m.counts_by("dialogue")) for part, m in sizes.items()} == {"train": 1038, "dev": 114, "test": 280}
    assert not any(manifest.skipped for manifest in sizes.values())
    assert sizes["dev"].clips[0].text == "Oh my God, he’s lost it. He’s totally lost it."
    assert not any("\x80" <= sign < "\xa0" for manifest in sizes.values() for clip in manifest for sign in clip.text)
