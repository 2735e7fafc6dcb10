"""The files of an analysis, as they are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from emofuse.outputs.writers import WRITERS, suffix
from emofuse.service.errors import RefusedError
from emofuse.service.guard import respond
from emofuse.service.runner import RECORDING

KINDS: Final = (*WRITERS, "mp4")
MEDIA_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "png": "image/png",
    "srt": "application/x-subrip",
    "vtt": "text/vtt; charset=utf-8",
    "eaf": "application/xml",
    "textgrid": "text/plain; charset=utf-8",
    "mp4": "video/mp4",
}


def results_in(folder: Path) -> dict[str, Path]:
    """Return the results that are there, by the names of their formats."""
    named = {kind: folder / f"{RECORDING}.{suffix(kind)}" for kind in KINDS}
    return {kind: file for kind, file in named.items() if file.is_file()}


class Download(FileResponse):
    """A result to be saved under the name of its recording; never to be shown in the browser, as a page of ours."""

    def __init__(self, file: Path, kind: str, name: str) -> None:
        try:
            found = file.stat()
        except OSError:  # it has just expired
            raise RefusedError(404, "no_such_analysis", "the analysis has just expired") from None
        shown = f"{Path(name).stem or RECORDING}.{suffix(kind)}"
        super().__init__(file, media_type=MEDIA_TYPES[kind], filename=shown, stat_result=found)

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
