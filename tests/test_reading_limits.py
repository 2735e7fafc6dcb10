"""Small files of anybody's making: how much of them is read, and what is wrong with them."""

import doctest
from pathlib import Path

import pytest

from emofuse import reading
from emofuse.reading import one_line, parse_json, read_bytes


def test_the_examples_hold() -> None:
    assert doctest.testmod(reading).failed == 0


def test_no_more_is_read_than_may_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(1024))
    assert read_bytes(tmp_path / "a", 1 / 1024) == bytes(1024)
    with pytest.raises(ValueError, match="larger than"):
        read_bytes(tmp_path / "a", 1023 / 1024 / 1024)
    with pytest.raises(ValueError, match=r"larger than 0\.5 MB"):
        read_bytes("/dev/zero", 0.5)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "{", b"\xff\xfe\xff", b"\x80", ""])
def test_whatever_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError) as raised:
        parse_json(text)
    assert not isinstance(raised.value, RecursionError)


def test_a_line_has_no_control_characters_and_an_end() -> None:
    assert one_line(ValueError("a\n\x1b[31mb")) == "a [31mb"
    assert one_line(KeyError()) == "KeyError"
    assert len(one_line("x" * 1000)) == 200
