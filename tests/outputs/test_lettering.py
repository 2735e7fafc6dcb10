"""Letters on pictures."""

import numpy as np
import pytest

from emofuse.outputs.lettering import Lettering, ink


def written(text: str, cap_px: int = 20, left: int = 5) -> np.ndarray:
    canvas = np.zeros((60, 400, 3), np.uint8)
    Lettering(cap_px).write(canvas, text, left, 40, (255, 0, 0))
    return canvas


@pytest.mark.parametrize("cap_px", [8, 20, 33])
def test_a_capital_is_as_high_as_asked_for_and_stands_on_its_line(cap_px: int) -> None:
    rows = np.nonzero(written("H", cap_px)[..., 0].max(axis=1) > 128)[0]
    assert rows[-1] == 39
    assert len(rows) == pytest.approx(cap_px, abs=1)


@pytest.mark.parametrize("text", ["Zoë", "Łukasz", "Ελένη", "Андрей", "سارة", "דוד"])
def test_letters_of_many_scripts_are_their_own(text: str) -> None:
    assert written(text).any()
    assert (written(text) != written("\U0010fffd" * len(text))).any()
    assert (written(text) != written("?" * len(text))).any()


def test_what_runs_out_of_the_picture_is_cut_off() -> None:
    assert written("wide", left=380).any()
    assert not written("wide", left=900).any()
    assert not written("wide", left=-900).any()
    assert written("two\nlines").any()


def test_a_text_is_shortened_to_the_room_there_is() -> None:
    letters = Lettering(10)
    assert letters.fit("happy", letters.width("happy")) == "happy"
    short = letters.fit("surprised", letters.width("surprised") - 1)
    assert short.endswith("\u2026") and letters.width(short) < letters.width("surprised")
    assert letters.fit("happy", 3) == ""


def test_ink_reads_on_any_colour() -> None:
    assert ink((255, 255, 0)) == (24, 24, 24)
    assert ink((0, 0, 128)) == (255, 255, 255)
