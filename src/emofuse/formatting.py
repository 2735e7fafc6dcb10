"""Small words that messages are made of, and what of a text belongs into a document."""

from __future__ import annotations

import re
from typing import Final

# Control characters but tabs and ends of lines, and what no XML may hold
_NOT_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def pluralise(count: int, noun: str) -> str:
    """Write a number of things: "1 clip", "2 clips"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def clock(time_s: float, *, has_tenths: bool = False) -> str:
    """Write a time as minutes and seconds, with hours where there are any.

    >>> clock(75.26), clock(75.26, has_tenths=True), clock(3675.0)
    ('1:15', '1:15.3', '1:01:15')
    """
    tenths = round(time_s * 10) if has_tenths else round(time_s) * 10
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths / 10:04.1f}" if has_tenths else f"{tenths // 10:02d}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def cue_time(time_ms: int, point: str) -> str:
    """Write a time as subtitles do; SubRip has a comma before the milliseconds, and WebVTT a point.

    >>> cue_time(3_675_250, ",")
    '01:01:15,250'
    """
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{milliseconds:03d}"


def documentary(text: str) -> str:
    r"""Return a text as a document can hold it, be it XML, HTML or subtitles: what is not a character becomes U+FFFD.

    Half a surrogate pair, as in the name of a file that is not Unicode, becomes a question mark.

    >>> documentary("a\x1b[31mb\tc")
    'a\ufffd[31mb\tc'
    """
    return _NOT_TEXT.sub("\ufffd", text.encode("utf-8", "replace").decode("utf-8"))


def documentary_line(text: str) -> str:
    r"""Return a text as one line of a document, with a space for any white space.

    >>> documentary_line("a\n b\x00")
    'a b\ufffd'
    """
    return documentary(" ".join(text.split()))
