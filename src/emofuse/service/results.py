"""The files of an analysis, as they are sent."""

from __future__ import annotations

from pathlib import Path

from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from emofuse.outputs.formats import FORMATS
from emofuse.service.errors import RefusedError
from emofuse.service.guard import respond
from emofuse.service.runner import RECORDING


def results_in(folder: Path) -> dict[str, Path]:
    """Return the results that are there, by the names of their formats."""
    named = {kind: folder / f"{RECORDING}.{format.suffix}" for kind, format in FORMATS.items()}
    return {kind: file for kind, file in named.items() if file.is_file()}


class Download(FileResponse):
    """A result to be saved under the name of its recording; never to be shown in the browser, as a page of ours."""

    def __init__(self, file: Path, kind: str, name: str) -> None:
        try:
            found = file.stat()
        except OSError:  # it has just expired
            raise RefusedError(404, "no_such_analysis", "the analysis has just expired") from None
        shown = f"{Path(name).stem or RECORDING}.{FORMATS[kind].suffix}"
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
