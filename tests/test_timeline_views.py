"""What a timeline is asked for at a keyboard: how it prints, its tables, parts, plots and files."""

from __future__ import annotations

import builtins
import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pytest
from matplotlib import pyplot

from emofuse.errors import OutputError, UsageError
from emofuse.outputs.formats import FORMATS
from emofuse.outputs.marks import recording_id
from emofuse.outputs.records import TABLE_NAMES
from emofuse.people import Person
from emofuse.timeline import SourceInfo, Timeline
from emofuse.types import Face, Line, Word
from make_timelines import TIMELINES, course, face, moment, scores, timeline

GAP = TIMELINES["a gap"]
SPOKEN = replace(
    timeline(*course([("happy", 20), ("sad", 20)]), duration_s=4.0),
    lines=(
        Line("good day", 0.2, 1.0, (Word("good", 0.2, 0.5), Word("day", 0.6, 1.0)), "Ada"),
        Line("and now", 2.5, 3.0),
    ),
)


@pytest.fixture(autouse=True)
def _close_figures() -> Any:
    yield
    pyplot.close("all")


def test_it_prints_as_one_line() -> None:
    assert repr(SPOKEN) == "<Timeline of clip.mp4: happy 0.38 from face, 40 moments in 4.0 s>"
    assert repr(TIMELINES["empty"]) == "<Timeline of clip.mp4: no emotion could be read, 0 moments>"
    named = replace(SPOKEN, source=SourceInfo("/a/b\n\x1b[31mc.mp4", None, None, None, None, False, False))
    assert "\n" not in repr(named) and "\x1b" not in repr(named) and "/a/" not in repr(named)


def test_it_is_a_sequence_of_moments_and_true_even_where_it_has_none() -> None:
    assert len(SPOKEN) == 40 and list(SPOKEN) == list(SPOKEN.moments)
    assert len(TIMELINES["empty"]) == 0 and TIMELINES["empty"]


def test_a_notebook_shows_its_picture() -> None:
    hostile = replace(SPOKEN, source=replace(SPOKEN.source, path='"><script>.mp4'))
    html = hostile._repr_html_()
    assert html.startswith('<img src="data:image/png;base64,iVBOR') and html.count("<") == 1


def test_words_are_those_of_the_lines() -> None:
    assert [(w.text, w.start_s, w.end_s) for w in SPOKEN.words] == [
        ("good", 0.2, 0.5),
        ("day", 0.6, 1.0),
        ("and now", 2.5, 3.0),
    ]


def test_a_part_has_its_own_moments_lines_and_summary() -> None:
    part = SPOKEN.between(2.0, 3.0)
    assert [m.time_s for m in part] == pytest.approx([2.1 + i / 10 for i in range(9)] + [3.0])
    assert [line.text for line in part.lines] == ["and now"]
    assert part.summary.fused is not None and part.summary.fused.label == "sad"
    assert part.summary.by_modality["face"].label == "sad" and part.summary.why == SPOKEN.summary.why
    assert [(s.label, round(s.start_s, 1), round(s.end_s, 1)) for s in part.segments()] == [("sad", 2.0, 3.0)]
    assert Timeline.from_json(part.to_json()).to_json() == part.to_json()


def test_parts_that_meet_share_no_moment_and_lose_none() -> None:
    cuts = (0.0, 0.7, 1.9, math.inf)
    parts = [SPOKEN.between(a, b) for a, b in pairwise(cuts)]
    assert [m for part in parts for m in part] == list(SPOKEN)
    assert SPOKEN.between(0, math.inf).to_json() == SPOKEN.to_json()


def test_a_part_without_an_answer_says_why() -> None:
    part = GAP.between(2.5, 4.0)
    assert len(part) == 15 and part.summary.fused is None
    assert part.summary.why["face"] == "it gave no answer in this part"


def two_people() -> Timeline:
    """Ada is seen all the time, happy and then sad; Bea from 2 s on, and speaks from 3 s."""

    def faces(i: int) -> tuple[Face, ...]:
        ada = replace(face(label="happy" if i < 20 else "sad"), person_id=1)
        return (ada, replace(face(label="angry"), person_id=2)) if i >= 20 else (ada,)

    moments = [
        replace(moment(i / 10, "happy", ("face", "voice"), faces(i)), speaker_id=2 if i >= 30 else None)
        for i in range(41)
    ]
    people = (
        Person(1, "Ada", ((0.0, 4.0),), (), {"happy": 1.9, "sad": 2.1}, scores("happy"), {"face": scores("happy")}),
        Person(2, "", ((2.0, 4.0),), ((3.0, 4.0),)),
    )
    return replace(timeline(*moments, duration_s=4.0), people=people)


def test_a_part_has_the_people_who_are_in_it_as_they_are_there() -> None:
    early, late = two_people().between(0, 1.5), two_people().between(2.5, 3.5)
    assert [p.title for p in early.people] == ["Ada"] and early.people[0].seen == ((0.0, 1.5),)
    ada, bea = late.people
    assert ada.summary is not None and ada.summary.label == "sad" and list(ada.by_modality) == ["face"]
    assert list(ada.share_of_time) == ["sad"] and ada.spoke == ()
    assert bea.seen == ((2.5, 3.5),) and bea.spoke == ((3.0, 3.5),) and list(bea.by_modality) == ["face", "voice"]


def test_people_are_a_table_and_named_in_those_of_segments_and_faces() -> None:
    table = two_people().to_dataframe("people")
    assert list(table.name.fillna("")) == ["Ada", ""] and list(table.first_s) == [0.0, 2.0]
    assert list(table.seen_s) == [4.0, 2.0] and list(table.spoke_s) == [0.0, 1.0]
    assert table.label[0] == "happy" and pandas.isna(table.label[1])
    assert table.share_s_sad[0] == 2.1 and table.share_s_angry[0] == 0.0
    segments = two_people().records("segments")
    assert [(s["people"], s["speakers"]) for s in segments] == [("1+2", "2")]
    assert two_people().records("faces")[-1]["person_id"] == 2


@pytest.mark.parametrize(("start_s", "end_s"), [(2, 1), (math.nan, 1), (0, math.nan)])
def test_a_part_of_no_time_is_refused(start_s: float, end_s: float) -> None:
    with pytest.raises(UsageError, match="no time lies between"):
        SPOKEN.between(start_s, end_s)


# Tables.


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
@pytest.mark.parametrize("table", TABLE_NAMES)
@pytest.mark.parametrize("name", TIMELINES)
def test_every_table_of_every_timeline_keeps_its_columns_and_their_kinds(name: str, table: Any, library: Any) -> None:
    found, empty = (one.to_dataframe(table, library) for one in (TIMELINES[name], TIMELINES["empty"]))
    records = TIMELINES[name].records(table)
    if library == "pandas":
        assert len(found) == len(records)
        if name != "with clips" or table != "moments":  # which has a modality more
            assert found.dtypes.to_dict() == empty.dtypes.to_dict()
    else:
        assert found.to_pylist() == records
        assert name == "with clips" or found.schema == empty.schema


def test_tables_hold_what_the_timeline_says() -> None:
    moments = GAP.to_dataframe("moments")
    assert list(moments.columns[:4]) == ["time_s", "label", "confidence", "p_neutral"]
    assert moments.label[0] == "happy" and moments.confidence[0] == 0.7 and moments.face_happy[0] == 0.7
    assert moments.label.isna().sum() == 30 and moments.p_happy.isna().sum() == 30
    segments = GAP.to_dataframe("segments")
    assert list(segments.label) == ["happy", "sad"] and segments.end_s.iloc[-1] == 7.0
    words = SPOKEN.records("words")
    assert words[0] == {"start_s": 0.2, "end_s": 0.5, "text": "good", "speaker": "Ada", "person_id": None}
    assert words[2] == {"start_s": 2.5, "end_s": 3.0, "text": "and now", "speaker": None, "person_id": None}
    faces = timeline(moment(0.5, "happy", faces=(face(track_id=7), face(label=None)))).to_dataframe("faces")
    assert list(faces.track_id) == [7, 3] and list(faces.left) == [10.0, 10.0]
    assert faces.p_happy[0] == pytest.approx(0.83) and pandas.isna(faces.label[1])


def test_labels_that_look_alike_in_a_document_keep_their_columns() -> None:
    labels = ("a\x00", "a\x01", "b")
    found = timeline(moment(0.5, "b", labels=labels), labels=labels).to_dataframe()
    assert list(found.columns[3:6]) == ["p_a\ufffd", "p_a\ufffd_", "p_b"] and found.p_b[0] == pytest.approx(0.7)


def test_polars_makes_the_same_table() -> None:
    polars = pytest.importorskip("polars")
    table = GAP.to_dataframe("moments", "polars")
    assert table.to_dicts() == GAP.records("moments") and table.schema["time_s"] == polars.Float64
    assert TIMELINES["empty"].to_dataframe("words", "polars").columns[:3] == ["start_s", "end_s", "text"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: GAP.to_dataframe("moment"), "no table 'moment' (choose from moments, faces"),
        (lambda: GAP.to_dataframe("moments", "excel"), "no tables of 'excel' (choose from pandas, polars, pyarrow)"),
        (lambda: GAP.records(3), "no table 3"),
        (lambda: GAP.save("x.docx"), "no format of a timeline is called '.docx' (choose from .html, .json"),
        (lambda: GAP.save("x"), "no format of a timeline is called 'x'"),
        (lambda: GAP.save("x.mp4"), "emofuse analyze --formats mp4"),
        (lambda: Timeline.load("no.json"), "no timeline at no.json"),
    ],
)
def test_what_is_wrong_is_one_line(call: Any, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        call()


@pytest.mark.parametrize(("module", "extra"), [("pandas", "tables"), ("matplotlib", "plots")])
def test_a_library_that_is_missing_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.split(".")[0] == module:
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr("emofuse.outputs.records.import_module", without)
    with pytest.raises(UsageError, match=re.escape(f"{module} is not installed (pip install 'emofuse[{extra}]')")):
        GAP.to_dataframe() if module == "pandas" else GAP.plot()


# Pictures and files.


def test_a_plot_has_a_curve_per_label_a_shade_per_segment_and_a_gap_where_nothing_was_read() -> None:
    axes = GAP.plot()
    curves = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    assert list(curves) == list(GAP.labels)
    assert curves["happy"][0] == pytest.approx(0.7) and all(math.isnan(p) for p in curves["happy"][20:50])
    assert len(axes.patches) == 2
    own = pyplot.subplots()[1]
    assert GAP.plot(own) is own and own.get_lines()


@pytest.mark.parametrize("name", [name for name, format in FORMATS.items() if format.write is not None])
def test_a_timeline_is_saved_by_its_suffix(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.{FORMATS[name].suffix.upper()}"
    recording = tmp_path / "clip.mp4"
    recording.write_bytes(b"a recording")
    replace(GAP, source=replace(GAP.source, path=str(recording))).save(path)
    assert FORMATS[name].origin(path) in (recording_id(recording), "")  # "": a format that cannot tell of which


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    SPOKEN.save(tmp_path / "x.json")
    assert Timeline.load(tmp_path / "x.json").to_json() == SPOKEN.to_json()
    with pytest.raises(OutputError):
        SPOKEN.save(tmp_path / "absent" / "x.json")


def test_arrow_is_read_by_others(tmp_path: Path) -> None:
    table = GAP.to_dataframe("segments", "pyarrow")
    assert isinstance(table, pyarrow.Table) and table.column("label").to_pylist() == ["happy", "sad"]
