"""The embeddings of a recording as a file of NumPy's."""

from __future__ import annotations

import io
import os
import zipfile
from typing import Final

import numpy as np

from emofuse.files import atomic_write
from emofuse.timeline import Timeline

OWN_MEMBER: Final = "emofuse.npy"  # of an archive that emofuse has written


def write_npz(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write what was embedded as .npz: for each modality its (N, D) vectors, and the start, end and track of each.

    The arrays are called voice, voice_start_s, voice_end_s, voice_track_id (-1 for none) and so on. Raises OutputError
    when `path` cannot be written.
    """
    arrays: dict[str, np.ndarray] = {"emofuse": np.array("embeddings/1")}
    for modality in dict.fromkeys(one.modality for one in timeline.embedded):
        found = [one for one in timeline.embedded if one.modality == modality]
        arrays[modality] = np.stack([one.vector for one in found])
        arrays[f"{modality}_start_s"] = np.array([one.start_s for one in found])
        arrays[f"{modality}_end_s"] = np.array([one.end_s for one in found])
        arrays[f"{modality}_track_id"] = np.array([-1 if one.track_id is None else one.track_id for one in found])
    with atomic_write(path) as name, name.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def is_npz(data: bytes) -> bool:
    """Return whether an archive is one that `write_npz` has written, and whole as it was written."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return OWN_MEMBER in archive.namelist() and archive.testzip() is None
    except zipfile.BadZipFile:
        return False
