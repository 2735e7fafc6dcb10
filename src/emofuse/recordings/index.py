"""The page and the table over a batch, in a folder or at an address."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from emofuse.files import make_folder
from emofuse.outputs.index import Row, write_index
from emofuse.remote import Address, Place, upload


def write_batch_index(rows: Sequence[Row], folder: Place) -> tuple[Place, ...]:
    """Write the page and the table over these recordings, and return where they are.

    Raises OutputError when they cannot be written.
    """
    if not isinstance(folder, Address):
        return write_index(rows, make_folder(folder))
    with tempfile.TemporaryDirectory(prefix="emofuse-") as scratch:
        # as if the results lay around them, so that the links are the same
        near = [replace(row, files=tuple(Path(scratch) / _below(file, folder) for file in row.files)) for row in rows]
        places = []
        for file in write_index(near, Path(scratch)):
            upload(file, folder / file.name)
            places.append(folder / file.name)
        return tuple(places)


def _below(file: Place, folder: Address) -> str:
    return str(file).removeprefix(f"{str(folder).rstrip('/')}/")
