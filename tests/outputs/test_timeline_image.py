"""The picture of a timeline, looked at by its colours."""

import numpy as np
import pytest

from emofuse.emotions import rgb
from emofuse.outputs.timeline_image import MAX_PEOPLE, WIDTH, timeline_image
from make_timelines import TIMELINES, course, moment, timeline

LEFT, RIGHT, TOP = 150, WIDTH - 28, 74  # where the fused band is


def at(image, share, row=3):
    return tuple(int(v) for v in image[TOP + row, round(LEFT + share * (RIGHT - LEFT))])


def test_bands_have_the_colours_of_the_segments():
    image = timeline_image(timeline(*course([("happy", 20), (None, 30), ("sad", 20)]), duration_s=7.0))
    assert image.shape[1:] == (WIDTH, 3) and image.dtype == np.uint8
    assert at(image, 0.1) == rgb("happy")
    assert at(image, 0.45) == (241, 243, 244)  # a gap
    assert at(image, 0.9) == rgb("sad")


def test_a_surer_answer_has_a_higher_curve():
    def height(p):
        image = timeline_image(timeline(*(moment(i / 10, "happy", p=p) for i in range(40)), duration_s=4.0))
        column = image[TOP + 26 : TOP + 74, LEFT + 700].sum(axis=1)
        return int(column.argmin())

    assert height(0.9) < height(0.6) < height(0.3)


def test_more_people_than_rows_are_counted():
    few, many = timeline_image(TIMELINES["silent film"]), timeline_image(TIMELINES["many faces"])
    assert many.shape[0] < few.shape[0] + (MAX_PEOPLE + 2) * 84


@pytest.mark.parametrize("name", TIMELINES)
def test_any_timeline_is_drawn(name):
    image = timeline_image(TIMELINES[name])
    assert image.min() < 100 < 200 < image.max()
