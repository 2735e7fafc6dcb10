"""The WebSocket: pictures and sound in, moments out, through the same live session as a camera."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from emofuse.errors import EmofuseError
from emofuse.formatting import pluralise
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.asr import load_recognizer
from emofuse.inference.live import LiveSession, PushSource
from emofuse.inference.live_person import CausalPerson
from emofuse.inference.live_updates import LiveUpdate
from emofuse.inference.live_words import LiveWords
from emofuse.inference.smoothing import Smoother
from emofuse.service.http_errors import RefusedError
from emofuse.service.live_messages import Said, Start, Stop, WordBudget, first_message, later_message
from emofuse.service.security import is_token, respond
from emofuse.service.state import AppState, get_state
from emofuse.service.wire_format import PacketReader
from emofuse.timeline_json import moment_json, spoken_json
from emofuse.types import Json, Line, Packet

START_S: Final = 10.0  # in which the first message has to come
SILENT_S: Final = 30.0  # without a message: nobody is there
UNREAD_S: Final = 20.0  # in which a client has to take a message
# Connections that may be there beside those that are live, to show their token and begin. As many again are told that
# there are too many, and further ones are not made: each may fill a buffer of the size of a message.
WAITING: Final = 16
MOST_PER_S: Final = 250.0  # messages; a client that sends more is read no faster
BURST_S: Final = 2.0
NORMAL, POLICY, BROKEN, LATER = 1000, 1008, 1011, 1013  # RFC 6455, 7.4.1, and its registry
_CODES: Final = {429: LATER, 500: BROKEN}
_TOO_MANY: Final = "too many connections wait; come back later"
_log = logging.getLogger(__name__)
router = APIRouter(prefix="/v1")


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Analyse what a client sends. What it does wrong is told to it before the connection is ended."""
    state = get_state(socket)
    if state.n_sockets >= state.settings.max_live + 2 * WAITING + 1:
        await respond(RefusedError(503, "busy", _TOO_MANY, 5.0), socket.send, "websocket.http")
        return
    state.n_sockets += 1
    try:
        await socket.accept()
        with suppress(WebSocketDisconnect):  # a client may leave at any time
            refusal = await _served(socket, state)
            if refusal is not None:
                await _send(socket, {"type": "error", **refusal.body()})
            code = NORMAL if refusal is None else _CODES.get(refusal.status, POLICY)
            await socket.close(code, "" if refusal is None else refusal.code)
    finally:
        state.n_sockets -= 1


async def _served(socket: WebSocket, state: AppState) -> RefusedError | None:
    """Serve a client to its end; return what it has to be told if that was not of its own will."""
    try:
        start = await _started(socket, state)
        state.n_live += 1
        try:
            await _run(socket, state, start)
        finally:
            state.n_live -= 1
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


async def _started(socket: WebSocket, state: AppState) -> Start:
    """Wait for the first message. Raises RefusedError where it does not come, or the client may not be served."""
    s = state.settings
    if state.n_sockets > s.max_live + WAITING:
        raise RefusedError(429, "busy", _TOO_MANY)
    message = await _next(socket, START_S, f'no {{"type": "start"}} came within {START_S:g} s')
    start = first_message(message.get("text"))
    if s.token is not None and not is_token(start.token, s.token):
        raise RefusedError(401, "no_token", "this service wants its token in the first message")
    if state.n_live >= s.max_live:
        live = f"{pluralise(state.n_live, 'other')} {'is' if state.n_live == 1 else 'are'} live"
        raise RefusedError(429, "busy", f"{live}, and no more may be; come back later")
    if start.transcribe and not s.live_asr:
        message = "this service does not recognise the speech of live clients; `emofuse serve --live-asr` does"
        raise RefusedError(409, "no_recogniser", message)
    return start


async def _next(socket: WebSocket, within_s: float, missing: str) -> Any:
    try:
        async with asyncio.timeout(within_s):
            message = await socket.receive()
    except TimeoutError:
        raise RefusedError(408, "too_slow", missing) from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", NORMAL))
    return message


async def _run(socket: WebSocket, state: AppState, start: Start) -> None:
    """Push what comes into a session, and send what it answers, until either side ends."""
    loop = asyncio.get_running_loop()
    source = PushSource("a live client")
    # two threads of its own, so that no session waits for another's: one answers, one decodes
    with ThreadPoolExecutor(2, "emofuse-live") as threads:
        settings = state.settings.analyzer(mode=start.mode, hop_s=start.hop_s)
        analyzer = await loop.run_in_executor(threads, state.models.analyzer, settings)
        words = None
        if start.transcribe:
            load = partial(load_recognizer, state.settings.asr_model, is_live=True)
            words = LiveWords(await loop.run_in_executor(threads, load), language=start.language)
        smoother, person = None if start.raw else Smoother(), CausalPerson() if start.same_person else None
        with LiveSession(analyzer, source, smoother=smoother, words=words, person=person) as session:
            labels = list(analyzer.bundle.labels)
            await _send(socket, {"type": "ready", "labels": labels, "modalities": _modalities(analyzer)})

            def send(document: Json) -> Future[None]:
                return asyncio.run_coroutine_threadsafe(_send(socket, document), loop)

            def decode(data: bytes) -> asyncio.Future[list[Packet]]:
                return loop.run_in_executor(threads, lambda: list(reader.read(data)))

            reader = PacketReader(start.rate_hz, has_sound=start.sound)
            answering = loop.run_in_executor(threads, _answer, session, send, state, start.transcribe)
            receiving = asyncio.create_task(_receive(socket, source, reader, decode, state.settings.max_live_s))
            try:
                await asyncio.wait((answering, receiving), return_when=asyncio.FIRST_COMPLETED)
                if receiving.done():
                    receiving.result()  # raises what went wrong
                    source.close()
                await answering
                await _send(socket, {"type": "end", "stats": _stats(session)})
            finally:
                session.stop()
                receiving.cancel()
                await asyncio.gather(answering, receiving, return_exceptions=True)
                await loop.run_in_executor(threads, session.close)  # it may wait for the recogniser
                state.metrics.live_dropped.inc(session.stats().n_dropped)


def _answer(session: LiveSession, send: Callable[[Json], Future[None]], state: AppState, sends_lines: bool) -> None:
    """Send every moment, and every line if that is wanted.

    Runs in a thread, which waits until each is sent: a slow client has pictures dropped.
    """
    modalities = _modalities(session.analyzer)
    for update in session:
        for line in update.lines if sends_lines else ():
            send({"type": "line", "line": spoken_json(line)}).result()
        for moment in update.steady:
            document = moment_json(moment, modalities) | {"why": dict(moment.why)}
            state.metrics.live_moments.inc()
            send({"type": "moment", "moment": document, "delay_s": _delay(update), "stats": _stats(session)}).result()


def _delay(update: LiveUpdate) -> float | None:
    return None if update.delay_s is None else round(update.delay_s, 4)


def _modalities(analyzer: Analyzer) -> list[str]:
    return list(analyzer.bundle.modalities)


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
        "lines": stats.n_lines,
        "missed_s": round(stats.missed_s, 1),
        "width": info.width,
        "height": info.height,
    }


async def _receive(
    socket: WebSocket,
    source: PushSource,
    reader: PacketReader,
    decode: Callable[[bytes], asyncio.Future[list[Packet]]],
    longest_s: float,
) -> None:
    """Hand on what comes, until the client says stop or leaves. Raises RefusedError for what cannot be."""
    until_s = time.monotonic() + longest_s
    due_s = 0.0  # when the next message is early no more
    words = WordBudget()
    while (now_s := time.monotonic()) < until_s:
        due_s = max(due_s, now_s - BURST_S) + 1.0 / MOST_PER_S
        await asyncio.sleep(max(due_s - now_s, 0.0))
        message = await _next(socket, SILENT_S, f"nothing came for {SILENT_S:g} s")
        data = message.get("bytes")
        if data is not None:
            for packet in await decode(data):
                if not source.put(packet):
                    return
            continue
        said = later_message(message.get("text"))
        if isinstance(said, Stop):
            return
        if isinstance(said, Said):
            reader.check_time(said.end_s)
            words.take(said.text)
            source.put(Line(said.text, said.start_s, said.end_s))
    raise RefusedError(429, "too_long", f"a live session may last {longest_s:g} s")


async def _send(socket: WebSocket, document: dict[str, Any]) -> None:
    """Send a message. Raises WebSocketDisconnect where the client is gone, or takes nothing."""
    try:
        async with asyncio.timeout(UNREAD_S):
            await socket.send_text(json.dumps(document))
    except (RuntimeError, TimeoutError):  # it has been closed meanwhile, or is not read
        raise WebSocketDisconnect(NORMAL) from None
