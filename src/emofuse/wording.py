"""Small words that messages are made of."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Write a number of things: "1 clip", "2 clips"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
