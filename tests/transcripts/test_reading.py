"""A file to a transcript: by its suffix, in whatever encoding, fitted to the recording."""

from pathlib import Path

import pytest

from emofuse.errors import TranscriptError, UsageError
from emofuse.transcripts import Transcript, read_transcript, reading
from emofuse.types import Line, Word

CUE = "1\n00:00:01,000 --> 00:00:02,000\nÇa va – très bien.\n"


def write(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_read_without_a_word(tmp_path: Path, encoding: str) -> None:
    transcript = read_transcript(write(tmp_path, "a.srt", CUE.encode(encoding)), 5.0)
    assert (transcript.lines, transcript.notes) == ((Line("Ça va – très bien.", 1.0, 2.0),), ())


def test_windows_1252_is_read_and_said(tmp_path: Path) -> None:
    transcript = read_transcript(write(tmp_path, "a.srt", CUE.encode("cp1252")))
    assert transcript.lines[0].text == "Ça va – très bien."
    assert transcript.notes == ("the transcript is not in UTF-8 (line 3), and was read as Windows-1252",)


def test_what_the_file_holds_counts_more_than_its_suffix(tmp_path: Path) -> None:
    vtt = b"WEBVTT\n\n00:01.000 --> 00:02.000\nYes\n"
    assert read_transcript(write(tmp_path, "a.srt", vtt)).lines == (Line("Yes", 1.0, 2.0),)
    assert read_transcript(write(tmp_path, "a.txt", vtt)).lines == (Line("Yes", 1.0, 2.0),)


def test_a_file_of_any_size_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_MB", 0.001)
    with pytest.raises(TranscriptError, match=r"a\.srt: it is larger than 0\.001 MB"):
        read_transcript(write(tmp_path, "a.srt", CUE.encode() * 100))
    with pytest.raises(TranscriptError, match="larger"):
        read_transcript(write(tmp_path, "a.json", b" " * 5000))


def test_plain_text_is_spread_over_the_recording(tmp_path: Path) -> None:
    file = write(tmp_path, "a.TXT", b"I said no. Dr. Who said\n\nyes!!\n")
    transcript = read_transcript(file, 27.0)
    assert [(line.text, line.start_s, line.end_s) for line in transcript.lines] == [
        ("I said no.", 0.0, pytest.approx(10.0)),
        ("Dr. Who said", pytest.approx(10.0), pytest.approx(22.0)),
        ("yes!!", pytest.approx(22.0), 26.9),  # a little before the end: there is a moment there
    ]
    assert "spread over the recording" in transcript.notes[0]
    with pytest.raises(TranscriptError, match="whose length is known"):
        read_transcript(file)


def test_what_is_out_of_order_is_sorted_and_said(tmp_path: Path) -> None:
    text = "2\n00:05 --> 00:06\nb\n\n1\n00:01 --> 00:02\na\n"
    transcript = read_transcript(write(tmp_path, "a.srt", text.encode()))
    assert [line.text for line in transcript.lines] == ["a", "b"]
    assert "not in the order of time" in transcript.notes[0]


def test_the_end_of_the_recording() -> None:
    words = (Word("to", 2.0, 2.2), Word("morrow", 2.2, 3.5))
    transcript = Transcript((Line("hi", 0, 1), Line("to morrow", 2.0, 3.5, words), Line("late", 4, 5), Line("x", 5, 6)))
    cut = transcript.within(3.0)
    assert [(line.text, line.end_s) for line in cut.lines] == [("hi", 1), ("to morrow", 2.9)]
    assert cut.lines[1].words[1] == Word("morrow", 2.2, 2.9)
    assert cut.notes == ("2 lines of the transcript left out: after the end at 3.0 s",)
    assert transcript.within(None) is transcript
    with pytest.raises(TranscriptError, match=r"all of the transcript is after the end .* 4\.0 s of 3\.0 s"):
        Transcript((Line("late", 4, 5),)).within(3.0)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.srt", b"", "no words are in it"),
        ("a.vtt", b"WEBVTT\n\n", "no words are in it"),
        ("a.json", b"[]", "no words are in it"),
        ("a.txt", b"  \n\n", "no words are in it"),
        ("a.json", b"", "line 1: this is not JSON"),
        ("a.srt", b"\x00\x00\x00\x20ftypisom", "line 1: this is not text"),
        ("a.srt", b"1\n00:01 --> 00:02\n\x81\x8d\x8f", "line 3: this is not text in UTF-8"),
    ],
)
def test_faults_name_the_file(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    file = write(tmp_path, name, data)
    with pytest.raises(TranscriptError) as raised:
        read_transcript(file, 10.0)
    assert says in str(raised.value) and str(file) in str(raised.value)


def test_files_of_another_kind_and_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"one of \.srt, \.vtt"):
        read_transcript(write(tmp_path, "a.docx", b"PK"))
    with pytest.raises(UsageError, match="no transcript"):
        read_transcript(tmp_path / "absent.srt")
    (tmp_path / "folder.srt").mkdir()
    with pytest.raises(TranscriptError, match="cannot be read"):
        read_transcript(tmp_path / "folder.srt")


def test_lines_have_an_order() -> None:
    with pytest.raises(ValueError, match="in the order of time"):
        Transcript((Line("b", 1, 2), Line("a", 0, 1)))
