"""Labels and names with whatever in them: every document stays one, and no cell becomes a formula."""

from __future__ import annotations

import csv
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from emofuse.errors import UsageError
from emofuse.outputs.elan import write_eaf
from emofuse.outputs.index import Digest, Row, write_index
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.page import write_html
from emofuse.outputs.subtitles import write_srt, write_vtt
from emofuse.outputs.tables import read_json, write_csv, write_json
from emofuse.outputs.textgrid import write_textgrid
from emofuse.timeline import Timeline
from emofuse.transcripts.subtitles import read_subtitles
from make_timelines import moment, timeline

LABELS = ("=1+1", "\x1b[31mred\x00\x08", "a\n\n9 --> \x85b\x0b", '"</script><b>', "\ud800\ufffe")


@pytest.fixture
def hostile() -> Timeline:
    """Return a timeline in which each of LABELS has a second, of a file whose name is as odd."""
    moments = [moment(i / 10, LABELS[i // 10], labels=LABELS) for i in range(50)]
    made = timeline(*moments, duration_s=5.0, labels=LABELS)
    return replace(made, source=replace(made.source, path="\x1b]0;x\x07\ud800=1.mp4"))


def _has_controls(text: str) -> bool:
    return any((ord(c) < 32 and c not in "\t\n\r") or 0x7F <= ord(c) < 0xA0 for c in text)


def test_elan_is_well_formed(hostile: Timeline, tmp_path: Path) -> None:
    write_eaf(hostile, tmp_path / "a.eaf", MediaLinks.beside("a.mp4"))
    root = ElementTree.parse(tmp_path / "a.eaf").getroot()
    values = [value.text for value in root.iter("CVE_VALUE")]
    assert values[0] == "=1+1" and values[1] == "\ufffd[31mred\ufffd\ufffd" and len(values) == len(LABELS)
    assert not _has_controls((tmp_path / "a.eaf").read_text(encoding="utf-8"))


def test_html_has_no_control_characters(hostile: Timeline, tmp_path: Path) -> None:
    write_html(hostile, tmp_path / "a.html", MediaLinks.beside("a.mp4"))
    write_index([Row("\x1b[2J\x00.mp4", Digest.of(hostile)), Row("b", failure="\x1b[2J")], tmp_path)
    for name in ("a.html", "index.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert not _has_controls(text)
        assert text.count("<b>") == text.count("</b>") and "</script><b>" not in text
        HTMLParser().feed(text)


@pytest.mark.parametrize("write", [write_srt, write_vtt])
def test_subtitles_have_a_cue_for_each_segment(hostile: Timeline, tmp_path: Path, write: object) -> None:
    write(hostile, tmp_path / "a")  # type: ignore[operator]
    text = (tmp_path / "a").read_text(encoding="utf-8")
    assert len(read_subtitles(text)) == len(hostile.segments()) == len(LABELS)
    assert not _has_controls(text)


def test_textgrid_has_one_line_for_each_text(hostile: Timeline, tmp_path: Path) -> None:
    write_textgrid(hostile, tmp_path / "a")
    lines = (tmp_path / "a").read_text(encoding="utf-8").splitlines()
    assert all(line.count('"') % 2 == 0 for line in lines) and not _has_controls("\n".join(lines))


def test_csv_has_no_formulas_and_numbers_stay_numbers(hostile: Timeline, tmp_path: Path) -> None:
    write_csv(hostile, tmp_path / "a.csv")
    header, *rows = csv.reader((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines())
    assert rows[0][1] == "'=1+1" and float(rows[0][2]) == pytest.approx(0.7)
    assert header[3] == "p_=1+1" and len(rows) == 50 and {len(row) for row in rows} == {len(header)}


def test_the_table_over_recordings_has_no_formulas(hostile: Timeline, tmp_path: Path) -> None:
    rows = [Row("=cmd|' /C calc'!A0.mp4", Digest.of(hostile)), Row("@x", failure="\t=1"), Row("-x\n", failure="-1")]
    write_index(rows, tmp_path)
    with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
        _, first, second, third = csv.reader(file)
    assert first[0].startswith("'=cmd") and second[0] == "'@x" and second[-1] == "'=1"
    assert third[0] == "'-x" and third[-1] == "-1"


def test_json_is_read_back(hostile: Timeline, tmp_path: Path) -> None:
    write_json(hostile, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json").to_json() == hostile.to_json()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "Exceeds the limit"),
        (b"\xff\xfe\x00", "cannot read"),
        (b"[]", "schema is None"),
        (b'{"schema": "emofuse/1", "labels": [1]}', "labels are not all text"),
        (b'{"schema": "emofuse/1", "labels": ["a"], "moments": [{"time_s": 1' + b"0" * 400 + b"}]}", "not a whole"),
        (b'{"schema": "\x1b[31m"}', "cannot read"),
    ],
)
def test_what_is_no_timeline_is_said_in_a_line(tmp_path: Path, text: bytes, says: str) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(UsageError) as raised:
        read_json(tmp_path / "a.json")
    assert says in str(raised.value) and "a.json" in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="no timeline at"):
        read_json(tmp_path / "b.json")


@pytest.mark.parametrize("name", ["..", ".", "...", "../..", "/etc", "a/../../b", "..\\.."])
def test_no_name_leads_to_a_folder(name: str) -> None:
    links = MediaLinks.beside(name, name)
    for url in (links.recording, links.absolute, links.annotated or ""):
        assert url.startswith("./") and url.count("/") == 1 and url[2:].strip(".")
