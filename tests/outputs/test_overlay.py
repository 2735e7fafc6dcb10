"""What is drawn on a film, and where."""

import time
from dataclasses import replace

import numpy as np
import pytest

from emofuse.emotions import rgb
from emofuse.errors import UsageError
from emofuse.outputs import overlay
from emofuse.outputs.lettering import Image, Lettering
from emofuse.outputs.overlay import Overlay, OverlaySettings, TimelineBar
from emofuse.outputs.translations import LANGUAGES
from emofuse.types import Certainty, Face, Moment
from make_timelines import face, moment

SAD, HAPPY = rgb("sad"), rgb("happy")
ALL_THREE = ("face", "voice", "text")


def grey(width: int, height: int, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def draw(image: np.ndarray, shown: Moment, **settings) -> np.ndarray:
    return Overlay(OverlaySettings(**settings), has_bar=False).draw(image, shown)


def changed(before: np.ndarray, after: np.ndarray) -> tuple[int, int, int, int]:
    """The smallest box, left, top, right, bottom, around all pixels that differ."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (picture == colour).all(axis=2)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int, int]]:
    """Where each card and tag was drawn, in their order."""
    found: list[tuple[int, int, int, int]] = []
    card, tag = Overlay._draw_card, Overlay._draw_tag

    def draw_card(self: Overlay, *a) -> list[tuple[int, int, int, int]]:
        places = card(self, *a)
        found.extend(places)
        return places

    def draw_tag(self: Overlay, *a) -> tuple[int, int, int, int] | None:
        place = tag(self, *a)
        found.extend([] if place is None else [place])
        return place

    monkeypatch.setattr(Overlay, "_draw_card", draw_card)
    monkeypatch.setattr(Overlay, "_draw_tag", draw_tag)
    return found


def test_the_picture_given_is_left_as_it_is() -> None:
    image = grey(640, 480)
    image.setflags(write=False)
    out = Overlay(duration_s=1.0).draw(image, moment(0.0, "happy", faces=(face(),)))
    assert (image == 128).all()
    assert (out.shape, out.dtype) == (image.shape, np.uint8)
    assert out.flags.writeable


def test_a_box_is_in_the_colour_of_its_emotion() -> None:
    box = (300, 150, 450, 330)
    out = draw(grey(640, 480), moment(0.0, "happy", faces=(face(box, "sad"),)))
    sad = has(out, SAD)
    left, top, right, bottom = box
    for x in (left, right):
        assert sad[top : bottom + 1, x].mean() > 0.95
    for y in (top, bottom):
        assert sad[y, left : right + 1].mean() > 0.9
    assert not sad[top + 20 : bottom - 20, left + 20 : right - 20].any()


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (1280, 720), (3840, 2160), (405, 720), (1080, 1920)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_is_in_the_lower_third_and_in_the_picture(size, language, taken) -> None:
    width, height = size
    draw(grey(width, height), moment(3675.4, "surprised", ALL_THREE), language=language)
    ((left, top, right, bottom),) = taken
    assert 0 < left < 0.06 * width and right < width
    assert 0.66 * height < top and bottom < height


@pytest.mark.parametrize("value", [0, 255])
def test_the_card_reads_on_white_and_on_black(value: int, taken) -> None:
    out = draw(grey(1280, 720, value), moment(0.0, "happy", ALL_THREE))
    left, top, right, bottom = taken[0]
    card = out[top:bottom, left:right]
    ground = np.median(card[3:20, 8:], axis=(0, 1)).astype(int)
    assert ground.max() < 90  # white letters on it have a contrast of 7 and more
    assert has(card, (255, 255, 255)).sum() > 100


def test_the_card_leaves_the_faces_free_and_does_not_jump(taken) -> None:
    film = Overlay()
    low, high = face((20, 400, 250, 700)), face((20, 20, 250, 250))

    def place(time_s: float, *faces: Face) -> tuple[int, int]:
        taken.clear()
        film.draw(grey(1280, 720), moment(time_s, "happy", ALL_THREE, faces))
        return taken[0][:2]

    start = place(0.0)
    assert start[0] < 100 and start[1] > 500  # at the lower left
    assert place(0.1, low) == start  # a face that passes does not move it
    assert place(0.2) == place(0.9, low) == start
    assert place(1.5, low) == start
    moved = place(3.5, low)
    assert moved[0] > 600 and moved[1] > 500  # now at the lower right
    assert place(4.0) == place(60.0, high) == moved  # and it stays there


def test_the_card_begins_where_no_face_is(taken) -> None:
    draw(grey(1280, 720), moment(0.0, "happy", faces=(face((20, 400, 250, 700)), face((900, 400, 1200, 700)))))
    assert taken[0][1] < 100


@pytest.mark.parametrize(
    "box",
    [
        (560, 5, 639, 90),
        (-40, 200, 60, 300),
        (600, 200, 700, 300),
        (300, 400, 400, 520),
        (-100, -100, 740, 580),
        (560, -50, 700, 560),
    ],
)
def test_a_tag_stays_inside_the_picture(box, taken) -> None:
    draw(grey(640, 480), moment(0.0, "happy", faces=(face(box, "sad"),)), detail="boxes")
    for left, top, right, bottom in taken:
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 480


def test_tags_cover_no_face_no_card_and_no_other_tag(taken) -> None:
    boxes = [(x * 100 + 10, y * 100 + 20, x * 100 + 70, y * 100 + 90) for x in range(12) for y in range(6)]
    shown = moment(0.0, "happy", ALL_THREE, tuple(face(box, "sad", i) for i, box in enumerate(boxes)))
    draw(grey(1280, 720), shown)
    card, *tags = taken
    assert len(tags) > 40
    for i, tag in enumerate(tags):
        others = [card, *tags[:i], *tags[i + 1 :]]
        assert not any(overlay._shared(tag, other) for other in others)
        assert sum(overlay._shared(tag, box) > 0 for box in boxes) <= 1  # its own alone


def test_two_faces_side_by_side_have_whole_tags_in_their_colours() -> None:
    faces = (face((200, 200, 400, 450), "happy", 1), face((700, 200, 900, 450), "sad", 2))
    out = draw(grey(1280, 720), moment(0.0, None, faces=faces), detail="boxes")
    for colour, left in ((HAPPY, 200), (SAD, 700)):
        assert has(out, colour)[175:197, left : left + 60].mean() > 0.5  # filled, but for its letters


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 400), (400, 7)])
def test_a_tiny_picture_is_left_empty(size) -> None:
    image = grey(*size)
    found = moment(0.0, "happy", faces=(face((0, 0, 1, 1)),))
    assert (draw(image, found) == image).all()
    assert Overlay().draw(image, found).shape == image.shape


@pytest.mark.parametrize(
    "box", [(9e9, 9e9, 9.1e9, 9.1e9), (-3e38, -3e38, -2e38, -2e38), (50, 50, 40, 40), (-90, 0, -10, 50)]
)
def test_a_box_that_cannot_be_seen_is_not_drawn(box) -> None:
    image = grey(640, 480)
    without = draw(image, moment(0.0, "happy"), blur_faces=True)
    assert (draw(image, moment(0.0, "happy", faces=(face(box),)), blur_faces=True) == without).all()


def test_less_detail_draws_less(taken) -> None:
    image = grey(1280, 720)
    shown = moment(0.0, "happy", ALL_THREE, (face((500, 200, 700, 450), "sad"),))
    heights = {}
    for detail in ("full", "simple"):
        taken.clear()
        Overlay(OverlaySettings(detail)).draw(image, shown)
        heights[detail] = taken[0][3] - taken[0][1]
    assert heights["simple"] < heights["full"]
    taken.clear()
    boxes = Overlay(OverlaySettings("boxes")).draw(image, shown)
    assert len(taken) == 1 and has(boxes, SAD).any() and (boxes[-20:] == 128).all()
    assert (Overlay(OverlaySettings("none")).draw(image, shown) == image).all()


def test_words_are_in_the_language_asked_for() -> None:
    image, shown = grey(1280, 720), moment(0.0, "surprised", ALL_THREE)
    pictures = [draw(image, shown, language=language).tobytes() for language in LANGUAGES]
    assert len(set(pictures)) == len(LANGUAGES) == 10
    with pytest.raises(UsageError, match=r'"xx".*choose one of en, de'):
        draw(image, shown, language="xx")


@pytest.mark.parametrize(
    ("certainty", "language", "says"),
    [
        (None, "en", "happy  70 %"),
        (Certainty(0.9, "clear"), "en", "happy, clear"),
        (Certainty(0.2, "unsure", abstains=True), "de", "ungewiss, unsicher"),
    ],
)
def test_the_card_says_how_far_to_rely_on_it(certainty, language: str, says: str, monkeypatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(Lettering, "write", lambda self, canvas, text, *a: written.append(text))
    shown = moment(0.0, "happy")
    assert shown.fused is not None
    draw(grey(640, 480), replace(shown, fused=replace(shown.fused, certainty=certainty)), language=language)
    assert written[0] == says


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def detail_in(picture: np.ndarray, box: tuple[int, int, int, int]) -> float:
    """How much neighbouring pixels of a box differ."""
    left, top, right, bottom = box
    return float(np.abs(np.diff(picture[top:bottom, left:right].astype(int), axis=1)).mean())


def test_faces_are_blurred_but_for_the_one_that_is_to_stay() -> None:
    image, one, two = noise(640, 480), (100, 100, 200, 240), (400, 100, 500, 240)
    shown = moment(0.0, None, faces=(face(one, None, 1), face(two, None, 2)))
    both = draw(image, shown, detail="none", blur_faces=True)
    assert max(detail_in(both, one), detail_in(both, two)) < 5 < 60 < detail_in(image, one)
    but_two = draw(image, shown, detail="none", blur_faces=True, sharp=2)
    assert detail_in(but_two, one) < 5
    assert (but_two[100:240, 400:500] == image[100:240, 400:500]).all()


def test_faces_have_the_names_and_numbers_of_people_where_they_are_known() -> None:
    image, box = noise(640, 480), (100, 100, 300, 340)
    one = replace(face(box, None, 7), person_id=5)

    def drawn(shown: Face, people: dict[int, str] | None) -> Image:
        return Overlay(OverlaySettings("boxes"), people=people).draw(image, moment(0.0, None, faces=(shown,)))

    as_track = drawn(replace(one, track_id=5), None)  # "#5"
    assert (drawn(one, {5: ""}) == as_track).all()
    assert (drawn(one, {5: "Anna"}) != as_track).any() and (drawn(one, {5: "Анна"}) != drawn(one, {5: "Anna"})).any()
    nobody = replace(one, person_id=None)
    assert (drawn(nobody, {5: "Anna"}) == drawn(replace(nobody, track_id=None), None)).all()  # no number
    film = Overlay(OverlaySettings("none", blur_faces=True, sharp=5), people={5: "Anna"})
    assert (film.draw(image, moment(0.0, None, faces=(one,))) == image).all()
    assert detail_in(film.draw(image, moment(0.1, None, faces=(replace(nobody, track_id=5),))), box) < 5


def test_there_is_no_card_before_there_is_anything_to_say() -> None:
    image = noise(640, 480)
    film = Overlay(OverlaySettings("simple"), has_bar=False)
    assert (film.draw(image, moment(0.0, None), has_card=False) == image).all()
    assert (film.draw(image, moment(0.0, None)) != image).any()


def test_a_face_that_is_lost_for_a_moment_stays_blurred() -> None:
    image, box = noise(640, 480), (100, 100, 200, 240)
    film = Overlay(OverlaySettings("none", blur_faces=True))
    film.draw(image, moment(0.0, None, faces=(face(box, None, 1),)))
    assert detail_in(film.draw(image, moment(0.6, None)), box) < 5
    assert (film.draw(image, moment(1.2, None)) == image).all()


def test_the_bar_shows_the_labels_so_far() -> None:
    film = Overlay(duration_s=10.0)
    for tenth in range(75):  # the last "happy" is at 4.9, "sad" at 7.4
        out = film.draw(grey(1000, 480), moment(tenth / 10, "happy" if tenth < 50 else "sad"))
    row = out[-2]
    assert (row[:489] == HAPPY).all()
    assert (row[491:739] == SAD).all()
    assert (row[741:] == row[-1]).all() and tuple(row[-1]) not in (HAPPY, SAD)


def cells(bar: TimelineBar, width: int) -> np.ndarray:
    canvas = grey(width, 1)
    bar.draw(canvas)
    return canvas[0]


def test_the_bar_colours_the_time_before_a_moment():
    bar = TimelineBar(10.0)
    for time_s, label in ((0.5, "happy"), (1.0, None), (3.9, "sad"), (4.4, "happy")):
        bar.push(moment(time_s, label))
    row = cells(bar, 1000)
    assert (row[12:49] == HAPPY).all()  # a first moment stands for the shortest segment
    assert (row[51:99] == overlay._TRACK).all()
    # 2.9 s are more than three times the half second before: a gap, up to half a second before the moment.
    assert (row[101:339] == overlay._DARK).all()
    assert (row[341:389] == SAD).all()
    assert (row[391:439] == HAPPY).all()
    assert (row[441:] == overlay._DARK).all()


def test_the_bar_shows_a_single_picture():
    bar = TimelineBar(10.0)
    bar.push(moment(0.0, "happy"))
    row = cells(bar, 2048)
    assert (row[0] == HAPPY).all() and (row[1:] == overlay._DARK).all()
    bar.push(moment(10.0, "sad"))
    assert (cells(bar, 2048)[-1] == SAD).all()


def test_the_bar_of_a_live_stream_makes_room():
    bar = TimelineBar()
    for second in range(200):
        bar.push(moment(float(second), "happy" if second < 120 else "sad"))
    canvas = grey(240, 4)
    bar.draw(canvas)  # 60 s doubled twice: a pixel is a second
    assert (canvas[0, 1:118] == HAPPY).all()  # the last "happy" is at 119 s
    assert (canvas[0, 120:198] == SAD).all()
    assert not has(canvas, HAPPY)[:, 120:].any() and not has(canvas, SAD)[:, 200:].any()


def test_it_is_quick() -> None:
    image, found = grey(1280, 720), moment(0.0, "happy", ("face", "voice"), (face((500, 200, 700, 450)),))
    film = Overlay(duration_s=10.0)
    film.draw(image, found)
    spent_s = []
    for _ in range(20):
        start_s = time.perf_counter()
        film.draw(image, found)
        spent_s.append(time.perf_counter() - start_s)
    assert min(spent_s) < 0.01  # about 0.002 on an idle core; wide, for a busy machine
