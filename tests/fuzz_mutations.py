"""Damages real files, by the thousand and each time in the same way: bits, numbers, stretches, and words of a text."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Final

_NUMBERS: Final = (0, 1, *(2**bits - less for bits in (7, 8, 15, 16, 31, 32, 63, 64) for less in (0, 1)))
_HEAD: Final = 200  # bytes in which most of a container's promises are
_TOKENS: Final = (
    "9" * 5000,
    "-1",
    "-0.5",
    "1e999",
    "NaN",
    "Infinity",
    "null",
    "true",
    "[",
    "{",
    "[[" * 3000,
    '"',
    "\\ud800",
    "\x00",
    "\x1b[31m",
    "\r",
    "\n\n",
    "\t",
    "-->",
    "00:00:00,000",
    "99999999999:00:00.000 --> ",
    "<v ",
    "<00:00:01.000>",
    "&#" + "9" * 5000 + ";",
    ",",
    ";",
    "=cmd()",
    "../" * 10,
    "/dev/zero",
    "..",
    "a" * 5000,
    "é",
    "\u202e",
    "\ufeff",
    "[a]\n",
    "''' ",
    "0x",
    "1_000",
    "2024-01-01",
    "inf",
    "١",
    "²",
)


def mutate(data: bytes, random: random.Random, is_text: bool = False) -> bytes:
    """Return data with one to four damages. is_text: those of a text are tried too."""
    damages = (*_BYTES, *_TEXTS) if is_text else _BYTES
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        random.choice(damages)(changed, random)
    return bytes(changed)


def _place(data: bytearray, random: random.Random, room: int = 1) -> int:
    """Choose a place, in the first bytes as often as in all others."""
    most = max(len(data) - room, 0)
    return random.randint(0, min(most, _HEAD) if random.random() < 0.5 else most)


def _flip(data: bytearray, random: random.Random) -> None:
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        if data:
            data[_place(data, random)] ^= 1 << random.randrange(8)


def _overwrite(data: bytearray, random: random.Random) -> None:
    at = _place(data, random)
    piece = random.randbytes(random.choice((1, 2, 4, 16, 200)))
    data[at : at + len(piece)] = piece


def _number(data: bytearray, random: random.Random) -> None:
    size = random.choice((1, 2, 4, 8))
    number = random.choice(_NUMBERS) if random.random() < 0.7 else random.getrandbits(64)
    packed = struct.pack("<Q" if random.random() < 0.5 else ">Q", number & (256**size - 1))
    packed = packed[:size] if packed[:size].strip(b"\0") else packed[8 - size :]
    at = _place(data, random, size)
    data[at : at + size] = packed


def _cut(data: bytearray, random: random.Random) -> None:
    del data[_place(data, random) :]


def _drop(data: bytearray, random: random.Random) -> None:
    at = _place(data, random)
    del data[at : at + random.choice((1, 2, 4, 100, 1000))]


def _repeat(data: bytearray, random: random.Random) -> None:
    at = _place(data, random)
    piece = data[at : at + random.choice((1, 4, 50, 1000))]
    data[at:at] = piece * random.choice((1, 1, 2, 50))


def _move(data: bytearray, random: random.Random) -> None:
    at, to, n = _place(data, random), _place(data, random), random.choice((4, 64, 500))
    piece = bytes(data[at : at + n])
    data[to : to + n] = piece


def _blank(data: bytearray, random: random.Random) -> None:
    at, n = _place(data, random), random.choice((4, 32, 500))
    data[at : at + n] = random.choice((b"\0", b"\xff")) * min(n, max(len(data) - at, 0))


def _insert_token(data: bytearray, random: random.Random) -> None:
    at = random.randint(0, len(data))
    data[at:at] = random.choice(_TOKENS).encode()


def _replace_word(data: bytearray, random: random.Random) -> None:
    """Put a token in place of a word or number."""
    words = [i for i in range(len(data)) if _is_word(data[i]) and (i == 0 or not _is_word(data[i - 1]))]
    if not words:
        return
    at = end = random.choice(words)
    while end < len(data) and _is_word(data[end]):
        end += 1
    data[at:end] = random.choice(_TOKENS).encode()


def _is_word(byte: int) -> bool:
    return chr(byte).isalnum() or byte in b".-_"


def _repeat_line(data: bytearray, random: random.Random) -> None:
    lines = bytes(data).splitlines(keepends=True)
    if lines:
        at = random.randrange(len(lines))
        lines[at:at] = [lines[at]] * random.choice((1, 5, 200))
        data[:] = b"".join(lines)


def _drop_line(data: bytearray, random: random.Random) -> None:
    lines = bytes(data).splitlines(keepends=True)
    if lines:
        del lines[random.randrange(len(lines))]
        data[:] = b"".join(lines)


_BYTES: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    _flip,
    _flip,
    _overwrite,
    _number,
    _number,
    _number,
    _cut,
    _drop,
    _repeat,
    _move,
    _blank,
)
_TEXTS: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    _insert_token,
    _insert_token,
    _replace_word,
    _replace_word,
    _replace_word,
    _replace_word,
    _repeat_line,
    _drop_line,
)
