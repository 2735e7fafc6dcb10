"""Segments, smoothing and the JSON form of a timeline."""

import json
import math
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise

import jsonschema
import numpy as np
import pytest

from emofuse.emotions import BASE
from emofuse.errors import UsageError
from emofuse.segments import interval_start, smooth_probabilities
from emofuse.timeline import SourceInfo, Timeline, mean_scores
from emofuse.types import Line, Moment, Scores, Word
from make_timelines import TIMELINES, course, face, moment, scores, timeline

SCHEMA = json.loads(files("emofuse.outputs").joinpath("timeline.schema.json").read_text(encoding="utf-8"))


def stretches(found: Timeline) -> list[tuple[float, float, str]]:
    return [(round(s.start_s, 3), round(s.end_s, 3), s.label) for s in found.segments()]


def test_smoothing_averages_over_time_and_not_over_rows():
    times = np.array([0.0, 0.1, 0.2, 5.0])
    p = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=np.float32)
    smooth = smooth_probabilities(times, p, width_s=1.0)
    assert smooth.dtype == np.float32
    assert smooth == pytest.approx(np.array([[2 / 3, 1 / 3]] * 3 + [[0, 1]]))


def test_smoothing_keeps_rows_that_sum_to_one():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(7), size=400).astype(np.float32)
    times = np.cumsum(rng.uniform(0.01, 0.5, size=400))
    assert smooth_probabilities(times, p, 1.0).sum(axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("time_s", "before_s", "hop_s", "from_s"),
    [
        (2.0, 1.5, 0.5, 1.5),
        (2.0, 1.1, 0.1, 1.1),  # under a second is never a gap
        (2.0, 1.0, 0.1, 1.0),
        (2.1 + 0.3, 2.1 - 0.7, 0.1, 2.1 - 0.7),  # a second, but for the last bit
        (2.0, 0.9, 0.1, 1.9),
        (2.0, 0.5, 0.5, 0.5),  # three hops
        (2.0, 0.4, 0.5, 1.5),
        (2.0, -math.inf, 0.5, 1.5),
        (0.2, -math.inf, 0.5, 0.0),
        (2.0, 2.0, 0.5, 2.0),
    ],
)
def test_a_moment_stands_for_the_time_since_the_one_before(time_s, before_s, hop_s, from_s):
    assert interval_start(time_s, before_s, hop_s) == pytest.approx(from_s, abs=1e-9)


def test_segments_follow_the_labels():
    found = timeline(*course([("happy", 20), ("sad", 20)]), duration_s=4.0)  # the last "happy" is at 1.9
    assert stretches(found) == [(0.0, 1.9, "happy"), (1.9, 4.0, "sad")]
    assert found.segments()[0].confidence == pytest.approx(0.7, abs=1e-4)


def test_a_flicker_does_not_make_a_segment():
    found = timeline(*course([("happy", 20), ("sad", 2), ("happy", 20)]))
    assert stretches(found) == [(0.0, 4.1, "happy")]


def test_the_first_moment_of_a_queue_stands_for_the_first_hop():
    found = timeline(*(moment(t, "happy" if t < 1.2 else "sad") for t in (0.5, 1.0, 1.5, 2.0, 2.5, 2.7)))
    # Averaged from half a second before to half a second after: 1.0 is 2 to 1 for "happy", 1.5 is 2 to 1 for "sad".
    assert stretches(found) == [(0.0, 1.0, "happy"), (1.0, 2.7, "sad")]


@pytest.mark.parametrize(
    ("duration_s", "end_s"), [(None, 2.0), (1.0, 2.0), (2.0, 2.0), (2.3, 2.3), (2.75, 2.75), (2.8, 2.0), (60.0, 2.0)]
)
def test_the_last_segment_lasts_to_an_end_that_is_near(duration_s, end_s):
    found = timeline(*course([("happy", 5)], hop_s=0.5), duration_s=duration_s)  # to 2.0, and 1.5 hops are 0.75
    assert stretches(found) == [(0.0, end_s, "happy")]


def weak_happiness(*sad_at: int) -> list[Moment]:
    """Four seconds of a faint "happy", and a strong "sad" over these tenths of a second, counted from 0."""
    return [
        moment((i + 1) / 10, *(("sad", ("face",), (), 0.99) if i in sad_at else ("happy", ("face",), (), 0.3)))
        for i in range(40)
    ]


def test_a_short_segment_is_folded_into_the_one_before(monkeypatch):
    found = timeline(*weak_happiness(20, 29))  # together they outweigh "happy" at 2.5 and 2.6 s alone
    assert stretches(found) == [(0.0, 4.0, "happy")]
    monkeypatch.setattr("emofuse.segments.MIN_SEGMENT_S", 0.0)
    assert stretches(found) == [(0.0, 2.4, "happy"), (2.4, 2.6, "sad"), (2.6, 4.0, "happy")]


def test_a_short_first_segment_is_folded_into_the_one_after(monkeypatch):
    found = timeline(*weak_happiness(0))
    assert stretches(found) == [(0.0, 4.0, "happy")]
    monkeypatch.setattr("emofuse.segments.MIN_SEGMENT_S", 0.0)
    assert stretches(found) == [(0.0, 0.1, "sad"), (0.1, 4.0, "happy")]


def test_a_moment_at_the_very_start_has_no_stretch_of_its_own():
    found = timeline(moment(0.0, "sad"), *(moment(t, "happy") for t in (0.6, 1.2, 1.8)))
    assert stretches(found) == [(0.0, 1.8, "happy")]


def test_a_moment_at_the_very_start_before_a_gap_stands_for_a_hop():
    found = timeline(moment(0.0, "sad"), *(moment(t, "happy") for t in (5.0, 5.2, 5.4, 5.6)), duration_s=5.7)
    assert stretches(found) == [(0.0, 0.2, "sad"), (4.8, 5.7, "happy")]


def test_a_recording_shorter_than_any_segment_has_one():
    moments = [moment(t, "sad" if t == 0.0 else "happy") for t in (0.0, 0.1, 0.2, 0.3)]
    assert stretches(timeline(*moments, duration_s=0.35)) == [(0.0, 0.35, "happy")]


def test_silence_is_a_gap_between_segments():
    assert stretches(TIMELINES["a gap"]) == [(0.0, 1.9, "happy"), (4.9, 7.0, "sad")]
    same = timeline(*course([("happy", 20), (None, 30), ("happy", 20)]))
    assert stretches(same) == [(0.0, 1.9, "happy"), (4.9, 6.9, "happy")]


def test_silence_is_a_gap_where_few_moments_spoke():
    found = timeline(*course([("happy", 1), (None, 40), ("happy", 1), (None, 40), ("sad", 1)], hop_s=0.5))
    assert stretches(found) == [(0.0, 0.5, "happy"), (20.0, 20.5, "happy"), (40.5, 41.0, "sad")]


def test_a_short_silence_is_not_a_gap():
    assert stretches(timeline(*course([("happy", 20), (None, 5), ("happy", 20)]))) == [(0.0, 4.4, "happy")]


@pytest.mark.parametrize(("duration_s", "end_s"), [(None, 2.0), (2.1, 2.1), (9.0, 2.0), (1.0, 2.0)])
def test_one_moment_is_a_short_segment_inside_the_recording(duration_s, end_s):
    assert stretches(timeline(moment(2.0, "happy"), duration_s=duration_s)) == [(1.6, end_s, "happy")]


@pytest.mark.parametrize(("duration_s", "end_s"), [(None, 0.4), (0.04, 0.04), (0.6, 0.6), (9.0, 0.4)])
def test_one_moment_at_the_very_start_stands_for_what_follows(duration_s, end_s):
    assert stretches(timeline(moment(0.0, "happy"), duration_s=duration_s)) == [(0.0, end_s, "happy")]


def test_uneven_times_are_kept():
    times = [0.0, 0.04, 0.2, 0.21, 0.9, 1.3, 2.0, 2.01, 2.6, 3.1, 3.3]
    found = timeline(*(moment(t, "happy" if t < 1.9 else "sad") for t in times), duration_s=3.4)
    assert stretches(found) == [(0.0, 1.3, "happy"), (1.3, 3.4, "sad")]


def test_moments_at_one_time_are_as_one():
    found = timeline(*(moment(1.0, "happy") for _ in range(3)))
    assert stretches(found) == [(0.6, 1.0, "happy")]
    double = timeline(*(moment(t, "happy") for t in (0.5, 0.5, 1.0, 1.0, 1.5, 1.5)), duration_s=2.0)
    assert stretches(double) == [(0.0, 2.0, "happy")]


def test_segments_never_overlap_whatever_the_moments():
    rng = np.random.default_rng(1)
    for _ in range(20):
        times = np.cumsum(rng.choice([0.0, 0.04, 0.1, 0.5, 2.0], size=60))
        times -= rng.choice([0.0, times[0]])
        labels = rng.choice([*BASE, None], size=60)
        moments = [moment(float(t), label) for t, label in zip(times, labels, strict=True)]
        segments = timeline(*moments, duration_s=float(times[-1] + rng.choice([-1.0, 0.01, 0.3, 9.0]))).segments()
        assert all(s.start_s < s.end_s for s in segments)
        assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(segments))
        touching = [(a, b) for a, b in pairwise(segments) if a.end_s == b.start_s]
        assert all(a.label != b.label for a, b in touching)


def test_moments_out_of_order_are_refused():
    with pytest.raises(ValueError, match="order of time"):
        timeline(moment(1.0, "happy"), moment(0.5, "happy"))
    with pytest.raises(ValueError, match="order of time"):
        timeline(moment(float("nan"), None))


def test_scores_over_other_labels_are_refused():
    with pytest.raises(ValueError, match="in a timeline over"):
        timeline(moment(0.0, "happy"), labels=("happy", "sad"))


def test_mean_scores_weigh_by_quality():
    sure = Scores("face", ("a", "b"), np.array([1, 0], dtype=np.float32), 0.0, 1.0, quality=0.9)
    unsure = Scores("face", ("a", "b"), np.array([0, 1], dtype=np.float32), 2.0, 3.0, quality=0.1)
    mean = mean_scores([sure, unsure], "face")
    assert mean is not None
    assert mean.probabilities == pytest.approx([0.9, 0.1])
    assert (mean.start_s, mean.end_s, mean.quality) == (0.0, 3.0, pytest.approx(0.5))
    assert mean_scores([], "face") is None
    with pytest.raises(ValueError, match="different labels"):
        mean_scores([sure, scores("happy")], "face")


def test_what_was_said_goes_through_json():
    lines = (
        Line("I'm angry.", 0.2, 0.7001, (Word("I'm", 0.2, 0.3), Word("angry.", 0.3, 0.7))),
        Line("Yes.", 0.7, 0.9, speaker="A"),
    )
    whole = replace(TIMELINES["sound only"], lines=lines)
    document = whole.to_json()
    unscored = {"person_id": None, "label": None, "probabilities": None}
    assert document["lines"][1] == {"text": "Yes.", "start_s": 0.7, "end_s": 0.9, "speaker": "A"} | unscored
    assert document["lines"][0]["words"][1] == {"text": "angry.", "start_s": 0.3, "end_s": 0.7}
    jsonschema.validate(document, SCHEMA)
    assert Timeline.from_json(document).lines == (replace(lines[0], end_s=0.7), lines[1])
    assert "lines" not in TIMELINES["sound only"].to_json()


def test_summary_says_who_spoke():
    assert TIMELINES["sound only"].summary.used == ["voice", "text"]
    assert TIMELINES["empty"].summary.used == []


@pytest.mark.parametrize("name", TIMELINES)
def test_json_round_trip_is_exact(name):
    document = json.loads(json.dumps(TIMELINES[name].to_json(), allow_nan=False))
    assert Timeline.from_json(document).to_json() == document


def test_very_many_labels_can_be_read_back():
    rng = np.random.default_rng(2)
    labels = tuple(f"label {i}" for i in range(40))
    moments = []
    for i in range(200):
        p = rng.dirichlet(np.ones(len(labels))).astype(np.float32)
        fused = Scores("fused", labels, p / p.sum(), 0.0, 0.0)
        moments.append(Moment(i / 7, fused, {"face": fused}))
    document = timeline(*moments, labels=labels).to_json()
    again = Timeline.from_json(document)
    assert [m.time_s for m in again.moments] == [round(i / 7, 4) for i in range(200)]
    assert again.moments[5].by_modality["face"].as_dict() == pytest.approx(
        document["moments"][5]["by_modality"]["face"], abs=1.1e-4
    )


def test_a_label_agrees_with_the_rounded_probabilities():
    tie = Scores("fused", ("a", "b"), np.array([0.49999, 0.50001], dtype=np.float32), 0.0, 0.0)
    found = Moment(0.0, tie, {})
    written = timeline(found, labels=("a", "b")).to_json()["moments"][0]
    assert (written["label"], written["probabilities"]) == ("a", {"a": 0.5, "b": 0.5})


def test_json_keeps_faces():
    written = timeline(moment(0.0, "happy", faces=(face(),))).to_json()["moments"][0]["faces"]
    assert written[0]["box_xyxy"] == [10.0, 20.0, 60.0, 90.0]
    assert (written[0]["track_id"], written[0]["label"], written[0]["score"]) == (3, "happy", 0.9)


def test_json_has_null_for_what_is_not_a_number():
    whole = TIMELINES["silent film"]
    source = SourceInfo("live", float("inf"), 640, 480, float("nan"), True, True)
    odd = Timeline(whole.labels, whole.moments, source, whole.summary)
    written = odd.to_json()["source"]
    assert (written["duration_s"], written["fps"]) == (None, None)


def test_another_schema_is_refused():
    with pytest.raises(UsageError, match="'emofuse/9'"):
        Timeline.from_json({"schema": "emofuse/9"})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("labels",), None),
        (("moments", 0, "time_s"), "soon"),
        (("moments", 0, "probabilities", "happy"), 7.0),
        (("moments", 0, "by_modality"), []),
        (("summary", "by_modality"), {}),
        (("source",), {}),
    ],
)
def test_a_damaged_document_is_refused_in_one_line(path, value):
    document = json.loads(json.dumps(TIMELINES["silent film"].to_json()))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(UsageError, match="not a whole emofuse/2 document"):
        Timeline.from_json(document)


def test_a_field_that_a_later_release_adds_is_passed_over():
    document = TIMELINES["silent film"].to_json()
    document["source"]["codec"] = document["mood"] = "later"
    assert Timeline.from_json(document).source.width == 640
