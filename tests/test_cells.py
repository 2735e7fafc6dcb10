"""Cells of CSV: no formula, numbers stay numbers, and what is read back is what was written."""

import doctest

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emofuse import cells
from emofuse.cells import escape_cell, unescape_cell


def test_the_examples_hold() -> None:
    assert doctest.testmod(cells).failed == 0


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("a")', "-1+cmd|' /C'!A0"])
def test_a_formula_is_text(text: str) -> None:
    assert escape_cell(text) == f"'{text}"


@pytest.mark.parametrize("number", ["-1", "+0.5", "-.5", "1e-5", "-2.5E+10", "-inf", -3, 0.5, "12", ""])
def test_a_number_stays_one(number: object) -> None:
    assert escape_cell(number) == number


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r1e.x") | st.characters()))
@example("''=")
@example("'-1")
def test_it_is_read_back(text: str) -> None:
    assert unescape_cell(escape_cell(text)) == text
