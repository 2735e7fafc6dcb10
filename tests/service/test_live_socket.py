"""The WebSocket: a client that is as it should be, and all that are not. None leaves a thread behind."""

from __future__ import annotations

import functools
import json
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from emofuse.inference import live, vad
from emofuse.inference.asr import Recognition
from emofuse.provenance import TranscriptOrigin
from emofuse.service import live_socket, slow_clients
from emofuse.service.http_errors import RefusedError
from emofuse.service.live_messages import WordBudget
from emofuse.service.settings import ServiceSettings
from emofuse.types import Line, Word
from made_streams import LoudNetwork
from run_service import until
from service_harness import in_thread

Make = Callable[..., ServiceSettings]
DEMO = Path(__file__).parents[2] / "src" / "emofuse" / "demo" / "clip.mp4"
PICTURE, SOUND = 1, 2
TOKEN = "a-token-of-some-length"


def message(kind: int, time_s: float, body: bytes) -> bytes:
    return struct.pack("<Bd", kind, time_s) + body


@functools.cache
def demo(n_frames: int = 30) -> list[bytes]:
    """Return the beginning of the demo clip as a browser sends it: pictures and sound, in the order of time."""
    packets: list[tuple[float, bytes]] = []
    with av.open(str(DEMO)) as film:
        for frame in film.decode(video=0):
            if len(packets) == n_frames:
                break
            done, jpeg = cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"))
            assert done and frame.time is not None
            packets.append((frame.time, message(PICTURE, frame.time, bytes(jpeg))))
        end_s = packets[-1][0]
    with av.open(str(DEMO)) as film:
        resampler = av.AudioResampler("s16", "mono", 48_000)
        for block in film.decode(audio=0):
            if block.time is None or block.time > end_s:
                break
            for piece in resampler.resample(block):
                pcm = piece.to_ndarray().astype("<i2").tobytes()
                packets.append((block.time, message(SOUND, block.time, pcm)))
    return [data for _, data in sorted(packets, key=lambda packet: packet[0])]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a service that stays for all tests, so that its networks are loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOFUSE_OFFLINE", "1")
        with in_thread(ServiceSettings(folder=tmp_path_factory.mktemp("live"), max_live=2)) as found:
            yield found.replace("http", "ws") + "/v1/live"


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    until(lambda: not sessions(), 10, f"{sessions()} stay")


def sessions() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("emofuse-live")]


@contextmanager
def session(url: str, **start: Any) -> Iterator[ClientConnection]:
    """Begin a session."""
    with connect(url, max_size=None) as client:
        client.send(json.dumps({"type": "start", **start}))
        ready = json.loads(client.recv(timeout=60))
        assert ready["type"] == "ready", ready
        yield client


def rest(client: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """Read until the service closes; return the messages, and the code and the reason that it closes with."""
    found = []
    try:
        while True:
            found.append(json.loads(client.recv(timeout=30)))
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return found, closed.rcvd.code, closed.rcvd.reason


def problem(client: ClientConnection) -> tuple[str, str, int]:
    """Read to the end, which is an error; return its code and message, and the code that closes the connection."""
    found, code, reason = rest(client)
    error = found[-1]
    assert error["type"] == "error" and set(error["error"]) == {"code", "message"}
    assert reason == error["error"]["code"]
    return error["error"]["code"], error["error"]["message"], code


@pytest.mark.parametrize("mode", ["frame", "queue"])
def test_pictures_and_sound_become_moments(url: str, mode: str) -> None:
    with session(url, mode=mode, rate_hz=48_000, hop_s=0.2, raw=True) as client:
        for data in demo():
            client.send(data)
            time.sleep(0.005)
        client.send(json.dumps({"type": "stop"}))
        found, code, _ = rest(client)
    assert code == 1000
    assert [told["type"] for told in found] == ["moment"] * (len(found) - 1) + ["end"]
    stats = found[-1]["stats"]
    assert (stats["frames"], stats["width"], stats["height"]) == (30, 640, 480)
    assert stats["moments"] == len(found) - 1
    assert stats["moments"] + stats["dropped"] == 30 if mode == "frame" else len(found) >= 6
    times = [told["moment"]["time_s"] for told in found[:-1]]
    assert times == sorted(times) and times[-1] <= 1.3
    last = found[-2]["moment"]
    assert sum(last["probabilities"].values()) == pytest.approx(1.0, abs=0.01)
    [face] = last["faces"]
    left, top, right, bottom = face["box_xyxy"]
    assert 0 <= left < right <= 640 and 0 <= top < bottom <= 480
    assert "text" in last["why"]


def test_what_is_there_is_said_at_the_beginning(url: str) -> None:
    with connect(url) as client:
        client.send(json.dumps({"type": "start", "rate_hz": 44_100}))
        ready = json.loads(client.recv(timeout=60))
        assert set(ready) == {"type", "labels", "modalities"}
        assert "happy" in ready["labels"] and set(ready["modalities"]) >= {"face", "voice"}
        client.send(json.dumps({"type": "alive"}))
        client.send(json.dumps({"type": "line", "text": "I am happy", "start_s": 0.0, "end_s": 1.0}))
        client.send(json.dumps({"type": "stop"}))
        found, code, _ = rest(client)
    assert ([told["type"] for told in found], code) == (["end"], 1000)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "{",
        "null",
        "[]",
        "\x00",
        '"start"',
        "{}",
        '{"type": "stop"}',
        '{"type": "start", "mode": "x"}',
        '{"type": "start", "rate_hz": 1}',
        '{"type": "start", "rate_hz": 1e9}',
        '{"type": "start", "hop_s": 0}',
        '{"type": "start", "hop_s": NaN}',
        '{"type": "start", "bundle": "/etc"}',
        '{"type": "start", "token": "\\ud800"}',
        '{"type": "start", "token": 7}',
        '{"type": "start", "token": "' + "x" * 2000 + '"}',
        "[" * 100_000,
        b"",
        b"\x01\x02",
        demo()[0],
    ],
    ids=lambda sent: repr(sent[:40]),
)
def test_a_beginning_that_is_none(url: str, sent: str | bytes) -> None:
    with connect(url) as client:
        client.send(sent)
        code, words, closed = problem(client)
    assert (code, closed) == ("malformed", 1008) and words and len(words) < 400


def jpeg_of(width: int, height: int) -> bytes:
    """Return a JPEG of 16 x 16 that says that it has another size."""
    done, data = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
    assert done
    jpeg = bytes(data)
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "nothing in it"),
        (b"\x01", "nothing in it"),
        (message(3, 0.0, b"x"), "not 3"),
        (message(PICTURE, 0.0, b"no picture"), "neither JPEG nor WebP"),
        (message(PICTURE, 0.0, jpeg_of(30_000, 30_000)), "30000 x 30000"),
        (message(PICTURE, 0.0, jpeg_of(16, 16)[:60]), "picture"),
        (message(PICTURE, math.nan, jpeg_of(16, 16)), "nan"),
        (message(PICTURE, -math.inf, jpeg_of(16, 16)), "-inf"),
        (message(SOUND, 0.0, b"abc"), "16-bit"),
        (message(SOUND, 0.0, bytes(200_000)), "at most 2 s"),
        (message(SOUND, 5e9, bytes(200)), "still to come"),
        ("{", "Invalid JSON"),
        ('{"type": "start"}', "type"),
        ('{"type": "line", "text": "x", "start_s": 2, "end_s": 1}', "ends before it starts"),
        ('{"type": "line", "text": "x", "start_s": NaN, "end_s": 1}', "start_s"),
        ('{"type": "line", "text": "x", "start_s": 0, "end_s": 9e9}', "still to come"),
        ('{"type": "line", "text": "", "start_s": 0, "end_s": 1}', "text"),
        (json.dumps({"type": "line", "text": "x" * 2001, "start_s": 0, "end_s": 1}), "text"),
        ('{"type": "stop", "more": 1}', "more"),
        ('{"type": "' + "x" * 5000 + '"}', "tag"),
    ],
    ids=lambda sent: repr(sent[:30]),
)
def test_a_message_that_is_none(url: str, sent: str | bytes, words: str) -> None:
    with session(url) as client:
        client.send(sent)
        code, told, closed = problem(client)
    assert (code, closed) == ("malformed", 1008) and words in told and len(told) < 400


def test_time_that_goes_back(url: str) -> None:
    with session(url) as client:
        client.send(message(SOUND, 5.0, bytes(3200)))
        client.send(message(SOUND, 3.0, bytes(3200)))
        assert problem(client)[1] == "a time of 3 s is not valid, or goes back"


def test_a_message_that_is_too_large_for_any_picture(url: str) -> None:
    with session(url) as client:
        client.send(message(PICTURE, 0.0, bytes(4_000_000)))
        assert problem(client) == ("too_large", "a message of 4000009 bytes is larger than 4000000", 1008)
    with session(url) as client, pytest.raises(ConnectionClosed):
        client.send(bytes(20_000_000))
        client.recv(timeout=20)


def test_text_that_is_no_text(url: str) -> None:
    with session(url) as client, pytest.raises(ConnectionClosed) as caught:
        client.send(b"\xff\xfe", text=True)
        client.recv(timeout=20)
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 1007


def test_one_client_more_than_there_may_be(url: str) -> None:
    with session(url), session(url):
        with connect(url) as third:
            third.send(json.dumps({"type": "start"}))
            code, words, closed = problem(third)
        assert (code, closed) == ("busy", 1013) and "2 others" in words
        health = httpx.get(url.replace("ws", "http").replace("/live", "/health")).json()
        assert (health["live_sessions"], health["max_live"]) == (2, 2)
    until(lambda: not sessions(), 10, "they stay")
    with session(url):
        pass


def test_connections_that_only_wait_are_not_without_end(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "WAITING", 0)
    with connect(url), connect(url), connect(url) as third:
        assert problem(third)[0] == "busy"


def test_connections_beyond_those_that_are_told_so_are_not_made(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may fill a buffer of a message's size before it has shown a token."""
    monkeypatch.setattr(live_socket, "WAITING", 2)
    with ExitStack() as clients:
        for _ in range(4):  # two that may be live, two that wait
            clients.enter_context(connect(url))
        told = [clients.enter_context(connect(url)) for _ in range(2)]
        assert [problem(client)[0] for client in told] == ["busy", "busy"]
        monkeypatch.setattr(live_socket, "WAITING", -1)
        with pytest.raises(InvalidStatus) as caught, connect(url):
            pass
    answer = caught.value.response
    assert answer.status_code == 503 and answer.headers["retry-after"] and answer.body is not None
    assert json.loads(answer.body)["error"]["code"] == "busy"


def test_a_first_message_is_short_and_so_is_what_may_come_before_a_token(settings: Make) -> None:
    with in_thread(settings(token=TOKEN)) as http:
        url = http.replace("http", "ws") + "/v1/live"
        with connect(url) as client:
            client.send(json.dumps({"type": "start", "token": TOKEN, "mode": "x" * 5000}))
            assert problem(client) == ("malformed", "the first message has at most 4000 characters", 1008)
        with connect(url) as client, pytest.raises(ConnectionClosed):
            client.send(bytes(4_100_000))
            client.recv(timeout=20)


def test_more_words_than_anybody_says_are_refused(url: str) -> None:
    line = {"type": "line", "text": "never " * 300, "start_s": 0.0, "end_s": 1.0}
    with session(url) as client:
        for _ in range(5):
            client.send(json.dumps(line))
        code, words, closed = problem(client)
    assert (code, closed) == ("too_large", 1008) and "100 letters a second" in words


def test_the_words_of_a_fast_speaker_are_within_what_may_come() -> None:
    now_s = 0.0
    budget = WordBudget(lambda: now_s)
    for _ in range(2000):  # 25 characters a second, each word a line of its own
        now_s += 0.2
        budget.take("words")
    for _ in range(60):  # a minute's lines at once, from a transcript
        budget.take("x" * 60)
    with pytest.raises(RefusedError, match="too many words"):
        for _ in range(200):
            budget.take("x")


class Parrot:
    """Recognises the same line in every stretch of sound."""

    origin = TranscriptOrigin("recognised", "a parrot")

    def __init__(self, asked: list[object]) -> None:
        self._asked = asked

    def recognize(self, samples: np.ndarray, start_s: float = 0.0, language: str | None = None) -> Recognition:
        self._asked.append(language)
        return Recognition((Line("I am so happy", 0.3, 1.2, (Word("happy", 1.0, 1.2),)),), "en", 0.99)


def test_words_are_recognised_where_the_service_allows_it(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(vad, "silero_network", LoudNetwork)
    monkeypatch.setattr(
        live_socket, "load_recognizer", lambda model, **named: asked.append((model, named)) or Parrot(asked)
    )
    with in_thread(settings(live_asr=True, asr_model="tiny")) as http:
        url = http.replace("http", "ws") + "/v1/live"
        assert httpx.get(f"{http}/v1/health").json()["live_asr"] is True
        with session(url, mode="queue", transcribe=True, language="en") as client:
            for i in range(50):  # a second in which somebody speaks, between silence
                level = 29_000 if 10 <= i < 20 else 0
                client.send(message(SOUND, i / 10, np.full(1600, level, "<i2").tobytes()))
            client.send(json.dumps({"type": "stop"}))
            found, code, _ = rest(client)
    assert code == 1000 and asked == [("tiny", {"is_live": True}), "en"]
    (line,) = [told["line"] for told in found if told["type"] == "line"]
    assert line["text"] == "I am so happy" and line["start_s"] == pytest.approx(1.0, abs=0.1)
    (word,) = line["words"]
    assert word["text"] == "happy" and word["end_s"] == pytest.approx(1.9, abs=0.1)
    assert found[-1]["stats"]["lines"] == 1 and found[-1]["stats"]["missed_s"] == 0


def test_words_are_not_recognised_unless_the_service_allows_it(url: str) -> None:
    with connect(url) as client:
        client.send(json.dumps({"type": "start", "transcribe": True}))
        code, words, closed = problem(client)
    assert (code, closed) == ("no_recogniser", 1008) and "--live-asr" in words


def test_a_client_that_never_begins(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "START_S", 0.2)
    with connect(url) as client:
        assert problem(client) == ("too_slow", 'no {"type": "start"} came within 0.2 s', 1008)


def test_a_client_that_falls_silent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "SILENT_S", 0.7)
    with session(url) as client:
        for _ in range(4):  # paused, and says so
            time.sleep(0.2)
            client.send(json.dumps({"type": "alive"}))
        began = time.monotonic()
        assert problem(client) == ("too_slow", "nothing came for 0.7 s", 1008)
        assert time.monotonic() - began < 5


def test_a_session_ends_when_it_has_lasted_long_enough(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_thread(settings(max_live_s=0.3)) as http, session(http.replace("http", "ws") + "/v1/live") as client:
        with suppress(ConnectionClosed):
            for _ in range(40):
                time.sleep(0.05)
                client.send(json.dumps({"type": "alive"}))
        assert problem(client) == ("too_long", "a live session may last 0.3 s", 1013)


@pytest.mark.parametrize("vanishes", ["orderly", "reset", "while it is begun"])
def test_a_client_that_vanishes_leaves_nothing(url: str, vanishes: str) -> None:
    for _ in range(3):
        with connect(url) as client:
            client.send(json.dumps({"type": "start", "rate_hz": 48_000}))
            if vanishes != "while it is begun":
                client.recv(timeout=60)
                for data in demo()[:20]:
                    client.send(data)
            if vanishes != "orderly":
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.socket.close()  # with a reset
        until(lambda: not sessions(), 20, "its threads stay")
    health = url.replace("ws", "http").replace("/live", "/health")
    until(lambda: httpx.get(health).json()["live_sessions"] == 0, 20, "it counts still")


def test_a_client_that_does_not_read_has_pictures_dropped_and_is_given_up(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "UNREAD_S", 0.5)
    monkeypatch.setattr(slow_clients, "UNREAD_S", 1.0)

    def crowded(*arguments: Any) -> dict[str, Any]:  # fills what the system buffers sooner
        return {"padding": "x" * 1_000_000}

    monkeypatch.setattr(live_socket, "moment_json", crowded)
    with connect(url, max_size=None, max_queue=1, close_timeout=0.1) as client:
        client.send(json.dumps({"type": "start", "rate_hz": 48_000}))
        client.recv(timeout=60)
        with suppress(ConnectionClosed):
            for data in demo():
                client.send(data)
                time.sleep(0.01)
        until(lambda: not sessions(), 20, "it is waited for")


def test_an_analysis_that_fails_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(live.UpdateBuilder, "analyse", broken)
    with session(url) as client:
        client.send(demo()[0])
        code, words, closed = problem(client)
    assert (code, words, closed) == ("internal", "the service failed", 1011)


def test_a_client_is_read_no_faster_than_it_may_send(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "MOST_PER_S", 20.0)
    monkeypatch.setattr(live_socket, "BURST_S", 0.1)
    began = time.monotonic()
    with session(url) as client:
        for _ in range(20):
            client.send(json.dumps({"type": "alive"}))
        client.send(json.dumps({"type": "stop"}))
        assert rest(client)[1] == 1000
    assert time.monotonic() - began > 0.8


def test_a_token_is_shown_in_the_first_message(settings: Make) -> None:
    with in_thread(settings(token=TOKEN)) as http:
        url = http.replace("http", "ws") + "/v1/live"
        for token in ("", "wrong", TOKEN + "x", "größe", "\ud7ff"):
            with connect(url) as client:
                client.send(json.dumps({"type": "start", "token": token}))
                assert problem(client)[::2] == ("no_token", 1008)
        with session(url, token=TOKEN):
            pass


@pytest.mark.parametrize(
    ("headers", "path", "status", "code"),
    [
        ({"Origin": "http://evil.example"}, "", 403, "foreign_origin"),
        ({"Origin": "null"}, "", 403, "foreign_origin"),
        ({"Host": "evil.example"}, "", 421, "wrong_host"),
        ({}, "x", 404, "no_such_endpoint"),
    ],
)
def test_who_may_not_connect_is_told_why(url: str, headers: dict[str, str], path: str, status: int, code: str) -> None:
    given = {name: value for name, value in headers.items() if name != "Host"}
    named = url.replace("127.0.0.1", headers.get("Host", "127.0.0.1"))
    with (
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0)) as made,
        pytest.raises(InvalidStatus) as caught,
        connect(named + path, additional_headers=given, sock=made),
    ):
        pass
    answer = caught.value.response
    assert answer.status_code == status and answer.body is not None
    assert json.loads(answer.body)["error"]["code"] == code
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_page_of_this_service_may_connect(url: str) -> None:
    origin = url.replace("ws", "http").removesuffix("/v1/live")
    with connect(url, additional_headers={"Origin": origin}) as client:
        client.send(json.dumps({"type": "start"}))
        assert json.loads(client.recv(timeout=60))["type"] == "ready"


def test_the_end_of_the_service_ends_its_sessions(settings: Make) -> None:
    with ExitStack() as clients:
        with in_thread(settings()) as http:
            client = clients.enter_context(session(http.replace("http", "ws") + "/v1/live", rate_hz=48_000))
            for data in demo()[:20]:
                client.send(data)
            began = time.monotonic()
        assert time.monotonic() - began < 8  # though the client is still connected
        assert rest(client)[1] == 1012


def test_live_is_counted(url: str) -> None:
    metrics = url.replace("ws", "http").replace("/live", "/metrics")

    def counted() -> dict[str, str]:
        lines = httpx.get(metrics).text.splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    before = float(counted()["emofuse_live_moments_total"])
    with session(url) as client:
        assert counted()["emofuse_live_sessions"] == "1.0"
        client.send(demo()[0])
        assert json.loads(client.recv(timeout=30))["type"] == "moment"
    assert float(counted()["emofuse_live_moments_total"]) == before + 1
