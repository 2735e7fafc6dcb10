"""The WebSocket: pictures and sound in, moments out, through the same live session as a camera."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from emofuse.errors import EmofuseError
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings, Mode
from emofuse.inference.bundle import load_bundle
from emofuse.inference.detector import detector_maker
from emofuse.inference.live import LiveSession, PushSource
from emofuse.inference.live_answers import LiveUpdate
from emofuse.inference.smoothing import Smoother
from emofuse.service.api import Parts
from emofuse.service.errors import RefusedError
from emofuse.service.guard import is_token
from emofuse.service.packets import PacketReader, malformed
from emofuse.timeline_json import moment_json
from emofuse.types import Json, Line

START_S: Final = 10.0  # in which the first message has to come
SILENT_S: Final = 30.0  # without a message: nobody is there
NORMAL, POLICY, BROKEN, LATER = 1000, 1008, 1011, 1013  # RFC 6455, 7.4.1, and its registry
_CODES: Final = {429: LATER, 500: BROKEN}
_DEFAULTS: Final = AnalyzerSettings()
_log = logging.getLogger(__name__)
_T = TypeVar("_T")
router = APIRouter(prefix="/v1")


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Start(_Message):
    """The first message. rate_hz: of the sound that comes, if any. raw: moments as they are, not steadied."""

    type: Literal["start"]
    token: str = ""
    mode: Mode = "frame"
    hop_s: float = Field(_DEFAULTS.hop_s, ge=0.05, le=60)
    rate_hz: int = Field(16_000, ge=8_000, le=192_000)
    sound: bool = True
    raw: bool = False


class Said(_Message):
    """What was said, by whatever recognised it."""

    type: Literal["line"]
    text: str = Field(min_length=1, max_length=2000)
    start_s: float = Field(ge=0, allow_inf_nan=False)
    end_s: float = Field(ge=0, allow_inf_nan=False)


class Stop(_Message):
    """Nothing more comes: the last moments are sent, then the connection ends."""

    type: Literal["stop"]


_START: Final = TypeAdapter(Start)
_LATER: Final[TypeAdapter[Said | Stop]] = TypeAdapter(Annotated[Said | Stop, Field(discriminator="type")])


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Analyse what a client sends. What it does wrong is told to it before the connection is ended."""
    parts: Parts = socket.app.state.parts
    await socket.accept()
    with suppress(WebSocketDisconnect):  # a client may leave at any time
        refusal = await _served(socket, parts)
        if refusal is not None:
            await _tell(socket, {"type": "error", **refusal.body()})
        code = NORMAL if refusal is None else _CODES.get(refusal.status, POLICY)
        await socket.close(code, "" if refusal is None else refusal.code)


async def _served(socket: WebSocket, parts: Parts) -> RefusedError | None:
    """Serve a client to its end; return what it has to be told if that was not of its own will."""
    try:
        start = await _started(socket, parts)
        parts.n_live += 1
        try:
            await _run(socket, parts, start)
        finally:
            parts.n_live -= 1
    except RefusedError as error:
        return error
    except EmofuseError as error:
        return RefusedError(400, "not_analysed", error.message)
    except WebSocketDisconnect:
        raise
    except Exception:  # noqa: BLE001  one client's trouble must not end the service
        _log.exception("a live session")
        return RefusedError(500, "internal", "the service failed")
    return None


async def _started(socket: WebSocket, parts: Parts) -> Start:
    """Wait for the first message. Raises RefusedError where it does not come, or the client may not be served."""
    try:
        message = await asyncio.wait_for(socket.receive(), START_S)
    except TimeoutError:
        raise RefusedError(408, "too_slow", f'no {{"type": "start"}} came within {START_S:g} s') from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", NORMAL))
    start = _parsed(_START, message.get("text"))
    s = parts.settings
    if s.token is not None and not is_token(start.token, s.token):
        raise RefusedError(401, "no_token", "this service wants its token in the first message")
    if parts.n_live >= s.max_live:
        raise RefusedError(429, "busy", f"{parts.n_live} others are live, and no more may be; come back later")
    return start


async def _run(socket: WebSocket, parts: Parts, start: Start) -> None:
    """Push what comes into a session, and send what it answers, until either side ends."""
    loop = asyncio.get_running_loop()
    source = PushSource("a live client")
    settings = AnalyzerSettings.checked(mode=start.mode, hop_s=start.hop_s)
    analyzer = await asyncio.to_thread(_analyzer, parts.settings.bundle, settings)
    smoother = None if start.raw else Smoother()
    with LiveSession(analyzer, source, smoother=smoother) as session:
        await _tell(
            socket, {"type": "ready", "labels": list(analyzer.bundle.labels), "modalities": _modalities(analyzer)}
        )

        def send(document: Json) -> Future[None]:
            return asyncio.run_coroutine_threadsafe(_tell(socket, document), loop)

        answering = asyncio.create_task(asyncio.to_thread(_answer, session, send, parts))
        receiving = asyncio.create_task(
            _receive(socket, source, PacketReader(start.rate_hz), parts.settings.max_live_s)
        )
        try:
            done, _ = await asyncio.wait((answering, receiving), return_when=asyncio.FIRST_COMPLETED)
            if receiving in done:
                source.close() if receiving.exception() is None else session.stop()
            for task in done:
                task.result()  # raises what went wrong
            await answering
            await _tell(socket, {"type": "end", "stats": _stats(session)})
        finally:
            session.stop()
            receiving.cancel()
            await asyncio.gather(answering, receiving, return_exceptions=True)
            parts.metrics.live_dropped.inc(session.stats().n_dropped)


def _analyzer(bundle: str, settings: AnalyzerSettings) -> Analyzer:
    return Analyzer(load_bundle(bundle), detector_maker(_log.info)(), settings)


def _answer(session: LiveSession, send: Callable[[Json], Future[None]], parts: Parts) -> None:
    """Send every moment. Runs in a thread, which waits until each is sent: a slow client has pictures dropped."""
    modalities = _modalities(session.analyzer)
    for update in session:
        for moment in update.steady:
            document = moment_json(moment, modalities) | {"why": dict(moment.why)}
            parts.metrics.live_moments.inc()
            send({"type": "moment", "moment": document, "delay_s": _delay(update), "stats": _stats(session)}).result()


def _delay(update: LiveUpdate) -> float | None:
    return None if update.delay_s is None else round(update.delay_s, 4)


def _modalities(analyzer: Analyzer) -> list[str]:
    return list(analyzer.bundle.networks)


def _stats(session: LiveSession) -> Json:
    stats, info = session.stats(), session.source_info()
    return {
        "moments": stats.n_moments,
        "frames": stats.n_frames,
        "dropped": stats.n_dropped,
        "moments_per_s": round(stats.moments_per_s, 2),
        "delay_median_s": stats.delay_median_s,
        "delay_p95_s": stats.delay_p95_s,
        "changes_per_minute": round(stats.changes_per_minute, 1),
        "steady_changes_per_minute": round(stats.steady_changes_per_minute, 1),
        "width": info.width,
        "height": info.height,
    }


async def _receive(socket: WebSocket, source: PushSource, reader: PacketReader, longest_s: float) -> None:
    """Hand on what comes, until the client says stop or leaves. Raises RefusedError for what cannot be."""
    until_s = time.monotonic() + longest_s
    while time.monotonic() < until_s:
        try:
            message = await asyncio.wait_for(socket.receive(), SILENT_S)
        except TimeoutError:
            raise RefusedError(408, "too_slow", f"nothing came for {SILENT_S:g} s") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL))
        data = message.get("bytes")
        if data is not None:
            for packet in await asyncio.to_thread(lambda data: list(reader.read(data)), data):
                if not source.put(packet):
                    return
            continue
        said = _parsed(_LATER, message.get("text"))
        if isinstance(said, Stop):
            return
        if said.end_s < said.start_s:
            raise malformed("a line ends before it starts")
        source.put(Line(said.text, said.start_s, said.end_s))
    raise RefusedError(429, "too_long", f"a live session may last {longest_s:g} s")


def _parsed(adapter: TypeAdapter[_T], text: str | None) -> _T:
    try:
        return adapter.validate_json(text or "")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise malformed(f"a message is not as it should be: {where}: {first['msg']}".replace(": :", ":")) from None


async def _tell(socket: WebSocket, document: dict[str, Any]) -> None:
    try:
        await socket.send_text(json.dumps(document))
    except RuntimeError:  # it has been closed meanwhile
        raise WebSocketDisconnect(NORMAL) from None
