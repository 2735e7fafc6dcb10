"""The annotated film shows what the whole recording came to, at every picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.bundle import load_bundle
from emofuse.inference.smoothing import Smoother
from emofuse.media import MediaReader, open_media
from emofuse.outputs.overlay import Canvas, Overlay
from emofuse.recordings import one
from emofuse.recordings.film import FacePlaces, FilmMoments
from emofuse.recordings.one import Options, analyze_recording
from emofuse.recordings.plan import Task
from emofuse.recordings.progress import Progress
from emofuse.types import Moment
from make_media import Sound, Video, record
from make_timelines import face, moment, timeline


def test_places_of_faces_are_kept_as_they_were() -> None:
    places = FacePlaces()
    two = (face((1.25, -2.5, 3, 4), None, 1), face((5, 6, 7.1, 8), None, None))
    places.add(0.0, two)
    places.add(0.04, ())
    places.add(0.08, two[:1])
    found = places.at(0.0)
    assert [one.track_id for one in found] == [1, None]
    for kept, given in zip(found, two, strict=True):
        np.testing.assert_array_equal(kept.box_xyxy, given.box_xyxy)
        assert kept.score == pytest.approx(given.score)
    assert places.at(0.04) == [] and places.at(0.05) == [] and len(places.at(0.08)) == 1 and places.at(1.0) == []


def known(track: int, person: int | None, label: str) -> Any:
    return replace(face((0, 0, 9, 9), label, track), person_id=person)


def test_a_picture_shows_the_moment_that_stands_for_it() -> None:
    moments = [moment(0.5, "happy"), moment(1.0, "sad"), moment(1.5, "sad"), moment(6.0, "angry")]
    film = FilmMoments(timeline(*moments), FacePlaces(), None)
    shown = {time_s: film.at(time_s) for time_s in (0.0, 0.5, 0.52, 1.0, 1.52, 3.0, 5.6, 6.3)}
    labels = {time_s: m.fused.label if m.fused else None for time_s, (m, _) in shown.items()}
    assert labels == {
        0.0: "happy",
        0.5: "happy",
        0.52: "sad",
        1.0: "sad",
        1.52: None,
        3.0: None,
        5.6: "angry",
        6.3: "angry",
    }
    assert all(has_card for _, has_card in shown.values())
    late = FilmMoments(timeline(moment(3.0, "happy"), moment(3.5, "happy")), FacePlaces(), None)
    assert late.at(0.0)[0].fused is None and not late.at(0.0)[1]  # there is nothing to say yet
    assert late.at(2.6)[1] and late.at(2.6)[0].fused is not None
    assert FilmMoments(timeline(), FacePlaces(), None).at(0.0)[1] is False


def test_faces_go_by_person_and_keep_what_was_said_of_them() -> None:
    places = FacePlaces()
    for i in range(10):
        places.add(i / 10, (face((i, 0, i + 9, 9), None, 4 if i < 5 else 7), face((50, 0, 59, 9), None, 9)))
    moments = (
        replace(moment(0.5, "happy"), faces=(known(4, 2, "happy"),)),
        replace(moment(1.0, "sad"), faces=(known(7, 2, "sad"), known(9, None, "angry"))),
    )
    film = FilmMoments(timeline(*moments), places, None)
    told = [
        [(f.person_id, f.emotion.label if f.emotion else None, f.box_xyxy[0]) for f in film.at(i / 10)[0].faces]
        for i in range(10)
    ]
    assert told[0] == [(2, "happy", 0.0), (None, None, 50.0)]
    assert told[6] == [(2, "sad", 6.0), (None, "angry", 50.0)]  # another track, and the same person


def test_the_film_agrees_with_the_timeline(clip_mp4: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Moment] = []

    class Spy(Overlay):
        def draw_on(self, canvas: Canvas, moment: Moment, *, has_card: bool = True) -> None:
            drawn.append(moment)
            assert has_card
            super().draw_on(canvas, moment, has_card=has_card)

    monkeypatch.setattr(one, "Overlay", Spy)
    told: list[Progress] = []
    options = Options(("json", "mp4"), AnalyzerSettings())
    outcome = analyze_recording(Task(clip_mp4, tmp_path / "clip"), options, load_bundle(), told.append)
    assert outcome.failure == "" and outcome.timeline is not None and (tmp_path / "clip.mp4").is_file()
    smoother = Smoother()
    steady = [smoother.push(each) for each in outcome.timeline.moments]
    for view in drawn:
        later = [each for each in steady if each.time_s >= view.time_s - 1e-6]
        standing = later[0] if later else steady[-1]
        assert view.fused is not None and standing.fused is not None
        np.testing.assert_array_equal(view.fused.probabilities, standing.fused.probabilities)
    assert {f.person_id for view in drawn for f in view.faces} == {person.id for person in outcome.timeline.people}
    assert list(dict.fromkeys(each.stage for each in told)) == ["analysing", "drawing"]
    shares = [each.share or 0.0 for each in told]
    assert shares == sorted(shares) and shares[-1] > 0.9


@pytest.mark.parametrize(("times", "hears"), [((0.0, 0.04, 0.08), False), ((0.0,), True)])
def test_the_film_is_drawn_without_decoding_the_sound_unless_pictures_stand_as_long_as_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: tuple[float, ...], hears: bool
) -> None:
    asked: list[bool] = []

    def spied(*arguments: Any, **options: Any) -> MediaReader:
        asked.append(options["hears"])
        return open_media(*arguments, **options)

    monkeypatch.setattr(one, "open_media", spied)
    path = record(tmp_path / "a.mp4", Video(times=times), Sound())
    outcome = analyze_recording(Task(path, tmp_path / "film"), Options(("mp4",), AnalyzerSettings()), load_bundle())
    assert outcome.failure == "" and asked == [True, hears]
    with open_media(tmp_path / "film.mp4") as film:
        assert film.source.has_audio
