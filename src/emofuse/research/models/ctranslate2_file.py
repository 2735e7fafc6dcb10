"""CTranslate2's model.bin, as far as plain weights go: a list of named arrays (its converter's `ModelSpec.save`)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import AssetError

_VERSIONS: Final = (5, 6)  # of the form of the file
_TYPES: Final = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}


def read_weights(path: Path, prefix: str = "") -> dict[str, NDArray[np.generic]]:
    """Read the arrays whose names begin with `prefix`.

    Args:
        path: The file.
        prefix: Of the names that are wanted.

    Returns:
        The arrays, as they are stored, by their names without the prefix.

    Raises:
        AssetError: It is no such file, or is cut off.
    """
    data = path.read_bytes()
    try:
        return _read(memoryview(data), prefix)
    except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
        raise AssetError(
            f"{path} is not a model.bin of CTranslate2: {error}", "remove it, so that it is fetched"
        ) from None


def _read(data: memoryview, prefix: str) -> dict[str, NDArray[np.generic]]:
    place = 0

    def number(kind: str) -> int:
        nonlocal place
        value: int
        (value,) = struct.unpack_from(f"<{kind}", data, place)
        place += struct.calcsize(f"<{kind}")
        return value

    def text() -> str:
        nonlocal place
        length = number("H")
        place += length
        return bytes(data[place - length : place - 1]).decode()  # a zero ends it

    version = number("I")
    if version not in _VERSIONS:
        raise ValueError(f"version {version}")
    text()  # the kind of model
    number("I")
    found: dict[str, NDArray[np.generic]] = {}
    for _ in range(number("I")):
        name = text()
        shape = tuple(number("I") for _ in range(number("B")))
        kind, size = _TYPES[number("B")], number("I")
        if name.startswith(prefix):
            found[name.removeprefix(prefix)] = np.frombuffer(data[place : place + size], kind).reshape(shape)
        place += size
    return found
