"""Deletes all that a service keeps, while none uses its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from emofuse.errors import OutputError
from emofuse.service.app import QUEUE, open_store
from emofuse.service.runner import JOBS
from emofuse.service.store import STATES


def delete_all(folder: Path) -> int:
    """Delete every job of a service's folder: recordings that wait, results, and their names in the queue.

    Returns:
        How many jobs there were.

    Raises:
        UsageError: A service uses the folder, or it is none of a service.
        OutputError: Something in it could not be deleted.
    """
    store = open_store(folder)
    try:
        ids = store.ids(*STATES)
        for one in ids:
            store.delete(one)
    finally:
        store.close()
    try:
        if (folder / JOBS).is_dir():
            shutil.rmtree(folder / JOBS)
        for file in folder.glob(f"{QUEUE}*"):
            file.unlink()
    except OSError as error:
        raise OutputError(f"cannot delete all of {folder}: {error.strerror or error}", "delete it yourself") from None
    return len(ids)
