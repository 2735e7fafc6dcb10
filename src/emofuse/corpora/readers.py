"""Every corpus that can be read, by the name that commands and recipes call it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Final

from emofuse.corpora.cremad import read_cremad
from emofuse.corpora.emodb import read_emodb
from emofuse.corpora.iemocap import read_iemocap
from emofuse.corpora.manifest import Manifest, read_manifest
from emofuse.corpora.meld import read_meld
from emofuse.corpora.ravdess import read_ravdess, read_ravdess_av
from emofuse.corpora.savee import read_savee
from emofuse.corpora.tess import read_tess
from emofuse.errors import UsageError

Reader = Callable[[Path], Manifest]

READERS: Final[Mapping[str, Reader]] = {
    "ravdess": read_ravdess,
    "ravdess-song": partial(read_ravdess, kind="song"),
    "ravdess-video": partial(read_ravdess, media="video"),
    "ravdess-av": read_ravdess_av,
    "ravdess-7": partial(read_ravdess, neutral=False),
    "cremad": read_cremad,
    "emodb": read_emodb,
    "tess": read_tess,
    "savee": read_savee,
    "iemocap": read_iemocap,
    "meld": read_meld,
    "csv": read_manifest,
}
"""`csv` is given a file, your own table (`manifest.read_manifest`); every other one a folder."""


PAIRED: Final[Mapping[str, Callable[[Path, Path], Manifest]]] = {"ravdess-av": read_ravdess_av}
"""Those that take the sound of their films from another folder, too."""


def read_corpus(name: str, folder: str | Path, sound: str | Path | None = None) -> Manifest:
    """Read a corpus with the reader of that name. sound: the folder of its sounds, where they are apart.

    Raises UsageError for a name that no reader has and for one that takes no sound from elsewhere, CorpusError when
    the folder holds no such corpus.
    """
    if name not in READERS:
        close = get_close_matches(name.lower().replace("_", "-"), READERS, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"no corpus is called {name!r}", f"{meant}there is {', '.join(READERS)}")
    if sound is None:
        return READERS[name](Path(folder))
    if name not in PAIRED:
        raise UsageError(f"{name} takes no sound from another folder", f"those that do: {', '.join(PAIRED)}")
    return PAIRED[name](Path(folder), Path(sound))
