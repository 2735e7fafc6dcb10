"""What is drawn, and where."""

import time

import numpy as np
import pytest

from emofuse.emotions import BASE, rgb
from emofuse.outputs import overlay
from emofuse.outputs.overlay import Strip, draw, drawable
from make_timelines import face, moment

SAD, HAPPY = rgb("sad"), rgb("happy")


def grey(width: int, height: int, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> tuple[int, int, int, int]:
    """The smallest box, left, top, right, bottom, around all pixels that differ."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (picture == colour).all(axis=2)


def test_the_picture_given_is_left_as_it_is():
    image = grey(640, 480)
    image.setflags(write=False)
    out = draw(image, moment(0.0, "happy", faces=(face(),)), BASE, strip=Strip(1.0))
    assert (image == 128).all()
    assert (out.shape, out.dtype) == (image.shape, np.uint8)
    assert out.flags.writeable


def test_a_box_is_in_the_colour_of_its_emotion():
    box = (300, 250, 450, 430)
    out = draw(grey(640, 480), moment(0.0, "happy", faces=(face(box, "sad"),)), BASE)
    sad = has(out, SAD)
    left, top, right, bottom = box
    for x in (left, right):
        assert sad[top : bottom + 1, x].mean() > 0.95
    for y in (top, bottom):
        assert sad[y, left : right + 1].mean() > 0.95
    assert not sad[top + 20 : bottom - 20, left + 20 : right - 20].any()


def test_a_tag_sits_on_its_box():
    out = draw(grey(640, 480), moment(0.0, "happy", faces=(face((300, 250, 450, 430), "sad"),)), BASE)
    tag = has(out, SAD)[228:248, 300:360]
    assert tag.mean() > 0.5  # filled, but for its letters
    assert not has(out, SAD)[200:225, 300:360].any()


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
def test_a_tag_stays_inside_the_picture(box, monkeypatch):
    places = []
    place = overlay._tag_place
    monkeypatch.setattr(overlay, "_tag_place", lambda *a: places.append((place(*a), a[1], a[2])) or place(*a))
    draw(grey(640, 480), moment(0.0, "happy", faces=(face(box, "sad"),)), BASE, strip=Strip(1.0))
    ((left, top), (tag_w, tag_h), (width, height)) = places[0]
    assert left >= 0 and left + tag_w <= width == 640
    assert top >= 0 and top + tag_h <= height < 480


def test_a_tag_keeps_off_the_panel():
    image = grey(640, 480)
    panel = changed(image, draw(image, moment(0.0, "happy"), BASE))
    box = (20, panel[3] + 5, 150, panel[3] + 120)
    out = draw(image, moment(0.0, "happy", faces=(face(box, "disgust"),)), BASE)
    tag = has(out, rgb("disgust"))
    assert tag[box[3] + 3 : box[3] + 16, 22:80].mean() > 0.4


@pytest.mark.parametrize("size", [(426, 240), (1280, 720), (3840, 2160), (405, 720), (1080, 1920)])
def test_the_panel_scales_and_lies_in_the_corner(size):
    width, height = size
    image = grey(width, height)
    left, top, right, bottom = changed(image, draw(image, moment(0.0, "happy", ("face", "voice")), BASE))
    assert 0 < left < 0.05 * width and 0 < top < 0.05 * height
    assert 0.15 * width < right < 0.55 * width
    assert 0.12 * height < bottom < 0.5 * height


def test_bars_are_as_long_as_their_probabilities():
    image = grey(1280, 720)
    lengths = {
        p: int(has(draw(image, moment(0.0, "happy", p=p), BASE), HAPPY).any(axis=0).sum()) for p in (0.25, 0.5, 1.0)
    }
    assert lengths[0.5] == pytest.approx(lengths[1.0] / 2, abs=1)
    assert lengths[0.25] == pytest.approx(lengths[1.0] / 4, abs=1)
    assert not has(draw(image, moment(0.0, None), BASE), HAPPY).any()


def test_more_labels_than_room_shows_the_likely_ones():
    labels = tuple(f"label {i}" for i in range(60))
    assert overlay._shown(labels, {"label 50": 0.6, "label 7": 0.3}, 2) == ["label 7", "label 50"]
    found = moment(0.0, None)
    image = grey(640, 480)
    _, _, _, bottom = changed(image, draw(image, found, labels))
    assert bottom <= 240 + 8


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 400), (400, 7)])
def test_a_tiny_picture_is_left_empty(size):
    image = grey(*size)
    found = moment(0.0, "happy", faces=(face((0, 0, 1, 1)),))
    assert (draw(image, found, BASE) == image).all()
    assert draw(image, found, BASE, strip=Strip(1.0)).shape == image.shape


@pytest.mark.parametrize(
    "box", [(9e9, 9e9, 9.1e9, 9.1e9), (-3e38, -3e38, -2e38, -2e38), (50, 50, 40, 40), (-90, 0, -10, 50)]
)
def test_a_box_that_cannot_be_seen_is_not_drawn(box):
    image = grey(640, 480)
    without = draw(image, moment(0.0, "happy"), BASE)
    assert (draw(image, moment(0.0, "happy", faces=(face(box),)), BASE) == without).all()


def test_any_label_can_be_drawn():
    assert drawable("très 喜\n") == "tr?s ??"
    labels = ("heureux ☺", "très triste " * 30)
    found = moment(0.0, None, faces=(face((100, 100, 200, 200), None),))
    out = draw(grey(640, 480), found, labels)
    assert out.shape == (480, 640, 3)


def test_strip_shows_the_labels_so_far():
    strip = Strip(10.0)
    for tenth in range(75):
        strip.push(moment(tenth / 10, "happy" if tenth < 50 else "sad"))  # the last "happy" is at 4.9, "sad" at 7.4
    out = draw(grey(1000, 480), moment(7.4, "sad"), BASE, strip=strip)
    row = out[-2]
    assert (row[:489] == HAPPY).all()
    assert (row[491:739] == SAD).all()
    assert (row[741:] == row[-1]).all() and tuple(row[-1]) not in (HAPPY, SAD)


def cells(strip: Strip, width: int) -> np.ndarray:
    canvas = grey(width, 1)
    strip.draw(canvas)
    return canvas[0]


def test_strip_colours_the_time_before_a_moment():
    strip = Strip(10.0)
    for time_s, label in ((0.5, "happy"), (1.0, None), (3.9, "sad"), (4.4, "happy")):
        strip.push(moment(time_s, label))
    row = cells(strip, 1000)
    assert (row[12:49] == HAPPY).all()  # a first moment stands for the shortest segment
    assert (row[51:99] == overlay._TRACK).all()
    # 2.9 s are more than three times the half second before: a gap, up to half a second before the moment.
    assert (row[101:339] == overlay._DARK).all()
    assert (row[341:389] == SAD).all()
    assert (row[391:439] == HAPPY).all()
    assert (row[441:] == overlay._DARK).all()


def test_strip_shows_a_single_picture():
    strip = Strip(10.0)
    strip.push(moment(0.0, "happy"))
    row = cells(strip, 2048)
    assert (row[0] == HAPPY).all() and (row[1:] == overlay._DARK).all()
    strip.push(moment(10.0, "sad"))
    assert (cells(strip, 2048)[-1] == SAD).all()


def test_strip_of_a_live_stream_makes_room():
    strip = Strip()
    for second in range(200):
        strip.push(moment(float(second), "happy" if second < 120 else "sad"))
    canvas = grey(240, 4)
    strip.draw(canvas)  # 60 s doubled twice: a pixel is a second
    assert (canvas[0, 1:118] == HAPPY).all()  # the last "happy" is at 119 s
    assert (canvas[0, 120:198] == SAD).all()
    assert not has(canvas, HAPPY)[:, 120:].any() and not has(canvas, SAD)[:, 200:].any()


def test_it_is_quick():
    image, found = grey(1280, 720), moment(0.0, "happy", ("face", "voice"), (face((500, 200, 700, 450)),))
    strip = Strip(10.0)
    draw(image, found, BASE, strip=strip)
    spent_s = []
    for _ in range(20):
        start_s = time.perf_counter()
        draw(image, found, BASE, strip=strip)
        spent_s.append(time.perf_counter() - start_s)
    assert min(spent_s) < 0.005  # about 0.001 on an idle core; wide, for a busy machine
