"""Blinks, and the forms in which measurements of faces are kept."""

from __future__ import annotations

import doctest
import json
from dataclasses import replace

import numpy as np
import pytest

import emofuse.action_units
import emofuse.face_measurements
import emofuse.types
from emofuse.action_units import UNITS
from emofuse.errors import UsageError
from emofuse.face_measurements import COLUMNS, Blink, find_blinks, table_rows
from emofuse.timeline import Timeline
from emofuse.types import BLENDSHAPES, FaceMeasurement
from make_timelines import TIMELINES, measurement


def closing(curve: list[float], fps: float = 25.0, start_s: float = 0.0, track_id: int = 1) -> list[FaceMeasurement]:
    shapes = [("eyeBlinkLeft", "eyeBlinkRight")] * len(curve)
    return [
        measurement(start_s + i / fps, track_id, **dict.fromkeys(names, value))
        for i, (value, names) in enumerate(zip(curve, shapes, strict=True))
    ]


def test_a_blink_begins_when_the_eyes_are_closed_and_ends_when_they_are_open() -> None:
    (blink,) = find_blinks(closing([0.1, 0.3, 0.7, 0.9, 0.6, 0.4, 0.3, 0.1]))
    assert blink == Blink(1, pytest.approx(2 / 25), pytest.approx(6 / 25))


def test_eyes_that_stay_closed_do_not_blink() -> None:
    assert find_blinks(closing([0.1] + [0.9] * 13 + [0.1])) == []
    assert len(find_blinks(closing([0.1] + [0.9] * 11 + [0.1]))) == 1


def test_eyes_that_were_never_seen_open_do_not_blink() -> None:
    assert find_blinks(closing([0.9, 0.9, 0.1, 0.1])) == []


def test_a_face_that_was_away_does_not_blink_in_between() -> None:
    assert find_blinks([*closing([0.1, 0.9]), *closing([0.1], start_s=2.0)]) == []


def test_each_person_blinks_alone() -> None:
    both = closing([0.1, 0.9, 0.1, 0.1, 0.1]) + closing([0.1, 0.1, 0.1, 0.8, 0.1], track_id=2)
    found = find_blinks(sorted(both, key=lambda one: one.time_s))
    assert [(b.track_id, round(b.start_s, 2)) for b in found] == [(1, 0.04), (2, 0.12)]


def test_a_document_keeps_them_to_its_decimals() -> None:
    points = np.random.default_rng(0).uniform(0, 600, (478, 3)).astype(np.float32)
    measured = (measurement(0.5, 3, mouthSmileLeft=0.25), replace(measurement(0.54, None), points=points))
    timeline = replace(TIMELINES["many faces"], face_measurements=measured)
    document = json.loads(json.dumps(timeline.to_json()))
    again = Timeline.from_json(document)
    assert again.to_json() == document
    assert again.face_measurements[0].smile == 0.125
    np.testing.assert_allclose(again.face_measurements[1].points, points, atol=0.051)
    assert "face_measurements" not in TIMELINES["many faces"].to_json()


@pytest.mark.parametrize(
    "broken", [{}, {"blendshapes": ["smile"], "faces": []}, {"blendshapes": list(BLENDSHAPES), "faces": [{}]}]
)
def test_measurements_that_are_not_whole_are_refused(broken: dict[str, object]) -> None:
    document = {**TIMELINES["many faces"].to_json(), "face_measurements": broken}
    with pytest.raises(UsageError, match="not a whole"):
        Timeline.from_json(document)


def test_a_row_has_the_angles_and_every_movement() -> None:
    (row,) = table_rows([measurement(1.0, 7, jawOpen=0.5, browDownLeft=1.0)])
    cells = dict(zip(COLUMNS, row, strict=True))
    assert (cells["time_s"], cells["track_id"], cells["jawOpen"], cells["brow"]) == (1.0, 7, 0.5, -0.5)
    assert cells["head_yaw_deg"] == 12.0


def test_every_action_unit_is_made_of_movements_that_there_are() -> None:
    assert {name for names in UNITS.values() for name in names} <= set(BLENDSHAPES)


@pytest.mark.parametrize("module", [emofuse.face_measurements, emofuse.action_units, emofuse.types])
def test_the_examples_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
