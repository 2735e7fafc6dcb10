"""Cells of CSV files that a spreadsheet takes for text, not for a formula, and that are read back as they were.

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return
(https://owasp.org/www-community/attacks/CSV_Injection). An apostrophe before it makes it text. Numbers stay numbers.
"""

from __future__ import annotations

import re
from typing import Any, Final

_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED: Final = re.compile(r"'+[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan)")


def escape_cell(value: Any) -> Any:
    """Return what a cell is written as: a text that would be a formula gets an apostrophe, all else is as it is.

    >>> [escape_cell(value) for value in ("=1+2", "-0.5", "-x", -3, "'=1", "happy", None)]
    ["'=1+2", '-0.5', "'-x", -3, "''=1", 'happy', None]
    """
    if not isinstance(value, str) or not _FORMULA.match(value) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def unescape_cell(text: str) -> str:
    """Return what a cell stands for: the inverse of `escape_cell` for texts.

    >>> [unescape_cell(text) for text in ("'=1+2", "-0.5", "'tis", "''=1")]
    ['=1+2', '-0.5', "'tis", "'=1"]
    """
    return text[1:] if _ESCAPED.match(text) else text
