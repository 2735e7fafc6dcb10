"""The files of an analysis, as they are sent."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi.responses import FileResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from emofuse.outputs.formats import FORMATS
from emofuse.service.http_errors import RefusedError
from emofuse.service.runner import RECORDING
from emofuse.service.security import respond

_PIECE: Final = 1 << 18  # bytes


def results_in(folder: Path) -> dict[str, Path]:
    """Return the results that are there, by the names of their formats."""
    named = {kind: folder / f"{RECORDING}.{format.suffix}" for kind, format in FORMATS.items()}
    return {kind: file for kind, file in named.items() if file.is_file()}


def shown_as(name: str, kind: str) -> str:
    """Return what a result is called, after its recording."""
    return f"{Path(name).stem or RECORDING}.{FORMATS[kind].suffix}"


class Archive(StreamingResponse):
    """Results in one ZIP archive, made while it is sent: films are not compressed once more, and nothing is kept."""

    def __init__(self, found: Mapping[str, Path], name: str) -> None:
        stem = quote(Path(name).stem or RECORDING, safe="")
        disposition = f"attachment; filename*=utf-8''{stem}.zip"
        files = [(shown_as(name, kind), file) for kind, file in found.items()]
        super().__init__(_zipped(files), media_type="application/zip", headers={"content-disposition": disposition})


class _Gathered(io.RawIOBase):
    """A file that is written to and can go nowhere: what is in it is taken out in pieces."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data, self._data = bytes(self._data), bytearray()
        return data


def _zipped(files: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    out = _Gathered()
    with zipfile.ZipFile(out, "w", allowZip64=True) as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(name, time.localtime(file.stat().st_mtime)[:6])
            entry.compress_type = zipfile.ZIP_STORED if file.suffix == ".mp4" else zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    yield out.take()
    yield out.take()


class Download(FileResponse):
    """A result to be saved under the name of its recording; never to be shown in the browser, as a page of ours."""

    def __init__(self, file: Path, kind: str, name: str) -> None:
        try:
            found = file.stat()
        except OSError:  # it has just expired
            raise RefusedError(404, "no_such_analysis", "the analysis has just expired") from None
        shown = shown_as(name, kind)
        super().__init__(file, media_type=FORMATS[kind].media_type, filename=shown, stat_result=found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a range that it has not is refused in the form of all refusals, where starlette has plain text."""
        refusal: RefusedError | None = None

        async def send_on(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start" and message["status"] == 416:
                refusal = RefusedError(416, "no_such_range", f"the result has {self.headers['content-length']} bytes")
            elif message["type"] == "http.response.start" and message["status"] == 400:
                refusal = RefusedError(400, "bad_range", "Range is not bytes=FIRST-LAST")
            if refusal is None:
                await send(message)

        await super().__call__(scope, receive, send_on)
        if refusal is not None:
            await respond(refusal, send)
