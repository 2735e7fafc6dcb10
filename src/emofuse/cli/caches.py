"""Where libraries keep what they would keep below the home, when the home cannot be written."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_VARIABLES: Final = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR")  # matplotlib warns without one; numba ends librosa's import


def settle_caches() -> None:
    """Give libraries that need a cache one for this run alone, where the home is read-only or there is none.

    What the user has set stays. Called before they are imported; the folder goes when the process ends.
    """
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    home = Path.home()
    if not missing or (home.is_dir() and os.access(home, os.W_OK)):
        return
    folder = tempfile.mkdtemp(prefix="emofuse-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in missing:
        os.environ[name] = folder
