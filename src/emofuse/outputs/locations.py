"""Where a recording is, said so that a file beside it can find it again."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote


def relative_url(target: str | os.PathLike[str], folder: str | os.PathLike[str]) -> str:
    """Return the URL of a file, relative to a folder where one leads there, else `file://`.

    Every character that means something in a URL or in HTML is escaped; a name that is not Unicode keeps its bytes.
    """
    try:
        relative = os.path.relpath(Path(target).resolve(), Path(folder).resolve())
    except ValueError:  # on Windows there is no way from one drive to another
        return Path(target).resolve().as_uri()
    # "./" keeps a colon in the name from looking like a scheme.
    return "./" + quote(os.fsencode(relative.replace(os.sep, "/")), safe="/")
