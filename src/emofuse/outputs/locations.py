"""Where a recording is, told so that a document beside it can find it again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from emofuse.remote import is_url, without_secrets


@dataclass(frozen=True, slots=True)
class MediaLinks:
    """Where a document finds what it plays.

    Attributes:
        recording: The recording's URL, relative to the document where a way leads there.
        absolute: The same URL from anywhere; equal to `recording` where the place is not to be told.
        annotated: The URL of the annotated video, which every browser plays, where one was written.
    """

    recording: str
    absolute: str
    annotated: str | None = None

    @classmethod
    def between(
        cls,
        recording: str | os.PathLike[str],
        document: str | os.PathLike[str],
        annotated: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Return the links from a document to a recording, and to its annotated video, on this machine.

        A recording at an address is found there, without the password and query that it may take.
        """
        folder = Path(document).parent
        video = None if annotated is None else relative_url(annotated, folder)
        if is_url(recording):
            return cls(without_secrets(os.fspath(recording)), without_secrets(os.fspath(recording)), video)
        return cls(relative_url(recording, folder), Path(recording).resolve().as_uri(), video)

    @classmethod
    def beside(cls, recording: str, annotated: str | None = None) -> Self:
        """Return the links of a document that will lie beside files of these names, wherever that is.

        A name is that of a file: none leads to a folder, or out of it.
        """
        url = _name_url(recording)
        return cls(url, url, None if annotated is None else _name_url(annotated))


def relative_url(target: str | os.PathLike[str], folder: str | os.PathLike[str]) -> str:
    """Return the URL of a file, relative to a folder where one leads there, else `file://`.

    Every character that means something in a URL or in HTML is escaped; a name that is not Unicode keeps its bytes.
    """
    try:
        relative = os.path.relpath(Path(target).resolve(), Path(folder).resolve())
    except ValueError:  # on Windows there is no way from one drive to another
        return Path(target).resolve().as_uri()
    return _url(relative.replace(os.sep, "/"))


def _name_url(name: str) -> str:
    if name.strip(".") == "":
        name = f"recording{name}"
    return "./" + quote(os.fsencode(name), safe="")


def _url(relative: str) -> str:
    # "./" keeps a colon in the name from looking like a scheme.
    return "./" + quote(os.fsencode(relative), safe="/")
