"""What an ONNX file may hold before ONNX Runtime gets to see it: everything it needs, and ONNX's own operators alone.

A tensor may name another file as its data. ONNX Runtime before 1.24 read any file of the machine that way, and crashed
on some (https://github.com/microsoft/onnxruntime/releases/tag/v1.24.1); later ones still read those beside the network.
An operator of another domain comes from a library that would have to be loaded. Neither belongs into a bundle.

The file is walked as protobuf's wire format (https://protobuf.dev/programming-guides/encoding/), along the fields of
onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) that lead to tensors and to operators; the data of
tensors is skipped, not read. So the base install needs no `onnx`.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emofuse.errors import BundleError

ONNX_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})  # of the operators of the ONNX standard
_DEEPEST: Final = 100  # messages in one another, as protobuf's own readers allow
_MOST_FIELDS: Final = 10_000_000  # weights lie in few; a file of nothing but tiny fields would be read for minutes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4, groups, are in no ONNX file
_LONGEST_VARINT: Final = 10

# Of each message, the fields that lead on: number of the field, and the message it holds.
_INNER: Final = MappingProxyType(
    {
        "model": {7: "graph"},
        "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
        "node": {5: "attribute"},
        "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
        "sparse tensor": {1: "tensor", 2: "tensor"},
        "tensor": {},
    }
)
_MODEL_METADATA, _MODEL_TRAINING, _MODEL_FUNCTIONS, _NODE_DOMAIN = 14, 20, 25, 7
_ENTRY_KEY, _ENTRY_VALUE = 1, 2  # of the metadata
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14


def check_onnx_file(path: Path) -> None:
    """Refuse a network whose data is in other files, or whose operators are not those of ONNX.

    Args:
        path: The ONNX file. Only the structure is read: a file of 100 MB takes milliseconds.

    Raises:
        BundleError: The file names external data, has operators of another domain or functions or training steps of
            its own, or is not an ONNX file.
        OSError: The file cannot be read.

    Example:
        >>> from pathlib import Path
        >>> import emofuse
        >>> check_onnx_file(Path(emofuse.__file__).parent / "bundles" / "base" / "face.onnx")
    """
    with _opened(path) as data:
        _walk(path, data)


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of an ONNX file, which takes no session.

    Args:
        path: The ONNX file.

    Returns:
        What is written into it, by its key.

    Raises:
        BundleError: The file is not an ONNX file.
        UnicodeDecodeError: A text in it is not UTF-8.
        OSError: The file cannot be read.

    Example:
        >>> from pathlib import Path
        >>> import emofuse
        >>> sorted(read_metadata(Path(emofuse.__file__).parent / "bundles" / "base" / "face.onnx"))
        ['emofuse.card']
    """
    found: dict[str, str] = {}
    with _opened(path) as data:
        for number, wire_type, begin, size in fields_of(data, 0, len(data)):
            if number == _MODEL_METADATA and wire_type == _BYTES:
                entry = {n: data[at : at + k].decode() for n, _, at, k in fields_of(data, begin, begin + size)}
                found[entry.get(_ENTRY_KEY, "")] = entry.get(_ENTRY_VALUE, "")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[mmap.mmap]:
    """Yield what is in a file. Raises BundleError where that is nothing, or turns out to be no protobuf."""
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            raise BundleError(f"{path} is not a network that can be run: it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                yield data
            except _NotProtobufError:
                raise BundleError(f"{path} is not a network that can be run: it is not a complete ONNX file") from None


class _NotProtobufError(Exception):
    """The bytes are not messages of protobuf, or not in a form that ONNX files have."""


def _walk(path: Path, data: mmap.mmap) -> None:
    """Look at every message that can hold a tensor or an operator, in subgraphs too."""
    n_fields = 0
    waiting = [("model", 0, len(data), 1)]
    while waiting:
        message, begin, end, depth = waiting.pop()
        if depth > _DEEPEST:
            raise _NotProtobufError
        leads_on = _INNER[message]
        for number, wire_type, value, size in fields_of(data, begin, end):
            n_fields += 1
            if n_fields > _MOST_FIELDS:
                raise BundleError(f"{path} has more than {_MOST_FIELDS:,} fields, which no network needs")
            _check_field(path, data, message, number, wire_type, value, size)
            inner = leads_on.get(number)
            if inner is not None and wire_type == _BYTES:
                waiting.append((inner, value, value + size, depth + 1))


def _check_field(
    path: Path, data: mmap.mmap | bytes, message: str, number: int, wire_type: int, value: int, size: int
) -> None:
    """Raise BundleError for a field that may not be in a bundle's network. See `fields_of` for value and size."""
    if message == "tensor" and (
        number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_DATA_LOCATION and (wire_type != _VARINT or value != 0))
    ):
        raise BundleError(
            f"{path} has weights in another file (external data), which a bundle may not have",
            "save the network as one file: onnx.save(onnx.load(FILE), NEW_FILE)",
        )
    if message == "node" and number == _NODE_DOMAIN and wire_type == _BYTES:
        domain = data[value : value + min(size, 80)].decode("utf-8", "backslashreplace")
        if domain not in ONNX_DOMAINS:
            raise BundleError(
                f"{path} has an operator of {domain!r}, which is not one of ONNX's own",
                "export the network with the operators of the ONNX standard alone",
            )
    if message == "model" and number in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
        what = "training steps" if number == _MODEL_TRAINING else "operators defined in itself (functions)"
        raise BundleError(
            f"{path} has {what}, which a bundle's network may not have",
            "export it for inference, with onnx.inliner.inline_local_functions where it has functions",
        )


def fields_of(data: mmap.mmap | bytes, begin: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the fields of a message: number, wire type, and the number itself (varint) or where its bytes begin, and
    how many there are."""
    at = begin
    while at < end:
        key = data[at]  # nearly always of one byte, as a size is
        if key < 0x80:
            at += 1
        else:
            key, at = _varint(data, at, end)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise _NotProtobufError
        if wire_type == _VARINT:
            value, at = _varint(data, at, end)
            yield number, wire_type, value, 0
            continue
        if wire_type == _BYTES:
            if at < end and data[at] < 0x80:
                size, at = data[at], at + 1
            else:
                size, at = _varint(data, at, end)
        elif wire_type in (_FIXED32, _FIXED64):
            size = 4 if wire_type == _FIXED32 else 8
        else:
            raise _NotProtobufError
        if size > end - at:
            raise _NotProtobufError
        yield number, wire_type, at, size
        at += size


def _varint(data: mmap.mmap | bytes, at: int, end: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte, the lowest first; return it and where it ends."""
    value = 0
    for i in range(_LONGEST_VARINT):
        if at + i >= end:
            raise _NotProtobufError
        byte = data[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, at + i + 1
    raise _NotProtobufError
