"""The server on a real port: clients that hold connections, say nonsense or do not read; and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from emofuse.errors import UsageError
from emofuse.service import server, slow_clients
from emofuse.service.server import listen
from emofuse.service.settings import ServiceSettings
from emofuse.service.store import JobStore
from run_service import service, until
from running import children, is_running
from service_harness import MATROSKA, in_thread, recording

Make = Callable[..., ServiceSettings]


@pytest.fixture
def url(settings: Make, stand_in: None) -> Iterator[str]:
    with in_thread(settings(max_upload_mb=5.0, stall_s=1.0)) as found:
        yield found


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as made:
        yield made


def rest(connection: socket.socket) -> bytes:
    """Read until the service hangs up."""
    found = b""
    try:
        while data := connection.recv(65536):
            found += data
    except ConnectionResetError:
        pass
    return found


def heads(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Take an answer apart: status, headers by their names in small letters, body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    named = (line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in named}, body


def answer_on(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one answer, of a connection that stays open."""
    found = b""
    while b"\r\n\r\n" not in found or len(heads(found)[2]) < int(heads(found)[1]["content-length"]):
        data = connection.recv(65536)
        assert data, "it hangs up"
        found += data
    return heads(found)


POST = b"POST /v1/analyses HTTP/1.1\r\nhost: 127.0.0.1\r\n"
GET = b"GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00" * 20 + b"\r\n\r\n",  # TLS
        b"GET /v1/health HTTP/1.1\r\n\r\n",  # no host
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: x\r\n\r\n",
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
        POST + b"content-length: " + b"9" * 30 + b"\r\n\r\n",
        POST + b"transfer-encoding: gzip\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nnonsense\r\n",
        GET + b"x: " + b"y" * 900_000 + b"\r\n\r\n",
        GET + b"x\r\n" * 30_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 900_000 + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_by_the_server_itself(url: str, sent: bytes) -> None:
    with connected(url) as connection:
        connection.sendall(sent)
        status, headers, body = heads(rest(connection))
    assert status == 400 and headers["connection"] == "close"
    assert headers["content-type"].startswith("text/plain") and b"Invalid HTTP request received." in body
    assert httpx.get(f"{url}/v1/health").status_code == 200


CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
PIECE = b"ff\r\n" + MATROSKA + bytes(251) + b"\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [POST + CHUNKED + PIECE, b"zz\r\n"],
        [POST + CHUNKED + PIECE + b"zz\r\nabc\r\n"],
        [POST + CHUNKED + b"3\r\nabcdefg\r\n"],
        [POST + CHUNKED + PIECE + b"0\r\nno header\r\n\r\n"],
        [GET + CHUNKED + b"zz\r\n"],
        [GET + CHUNKED, b"zz\r\n"],
        [b"DELETE /v1/analyses/x HTTP/1.1\r\nhost: 127.0.0.1\r\n" + CHUNKED + b"zz\r\n"],
    ],
)
def test_a_damaged_chunk_is_refused_and_leaves_nothing(
    url: str, caplog: pytest.LogCaptureFixture, pieces: list[bytes]
) -> None:
    with connected(url) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.1)
        assert rest(connection).startswith(b"HTTP/1.1 ")
    assert httpx.get(f"{url}/v1/health").json()["jobs"]["receiving"] == 0
    warnings = [record for record in caplog.records if record.levelname != "INFO"]
    assert warnings[0].getMessage() == "Invalid HTTP request received." and len(warnings) <= 2
    assert {record.name for record in warnings} <= {"uvicorn.error", "asyncio"}  # a fault of the request, not of ours


@pytest.mark.parametrize(
    "before",
    [b"", GET + b"\r\n"],
    ids=["the first request", "a later request"],
)
def test_a_head_that_trickles_is_hung_up_on(url: str, monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    monkeypatch.setattr(slow_clients, "HEADER_S", 0.5)
    with connected(url) as connection:
        if before:
            connection.sendall(before)
            assert answer_on(connection)[0] == 200
        began = time.monotonic()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for byte in GET + b"x: " + b"y" * 1000:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - began < 5


def test_a_silent_connection_is_hung_up_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "HEADER_S", 0.3)
    with connected(url) as connection:
        assert rest(connection) == b""


def test_requests_on_one_connection_are_served_as_long_as_they_come(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "HEADER_S", 1.0)
    with httpx.Client(base_url=url) as client:
        for _ in range(6):
            assert client.get("/v1/health").status_code == 200
            time.sleep(0.3)


def test_a_large_upload_is_refused_before_it_comes_and_what_comes_of_it_is_not_read_for_ever(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_clients, "HEADER_S", 0.5)
    with connected(url) as connection:
        connection.sendall(POST + b"content-length: 900000000\r\n\r\n" + MATROSKA)
        status, _, body = answer_on(connection)
        assert status == 413 and json.loads(body)["error"]["code"] == "too_large"
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(1000):
                connection.sendall(bytes(10))
                time.sleep(0.02)


def test_a_client_that_asks_first_need_not_send(url: str) -> None:
    with connected(url) as connection:
        connection.sendall(POST + b"content-length: 900000000\r\nexpect: 100-continue\r\n\r\n")
        assert answer_on(connection)[0] == 413
    with connected(url) as connection:
        data = recording()
        head = b"content-length: %d\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n" % len(data)
        connection.sendall(POST + head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(data)
        assert heads(rest(connection))[0] == 202


def test_an_upload_without_a_length_may_be_too_large(url: str) -> None:
    def body() -> Iterator[bytes]:
        yield MATROSKA
        for _ in range(60):
            yield bytes(100_000)

    answer = httpx.post(f"{url}/v1/analyses", content=body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert httpx.get(f"{url}/v1/health").json()["jobs"]["receiving"] == 0


def test_an_upload_that_stalls_is_refused(url: str) -> None:
    with connected(url) as connection:
        connection.sendall(POST + b"content-length: 1000\r\n\r\n" + MATROSKA)
        status, _, body = answer_on(connection)
    assert status == 408 and json.loads(body)["error"]["code"] == "too_slow"


def test_a_client_that_vanishes_in_its_upload_leaves_nothing(url: str, tmp_path: Path) -> None:
    jobs = tmp_path / "service" / "jobs"
    for reset in (False, True):
        with connected(url) as connection:
            connection.sendall(POST + b"content-length: 1000\r\n\r\n" + MATROSKA)
            until(lambda: list(jobs.rglob("recording")), 20, "it never arrived")
            if reset:  # as when a machine goes down
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        until(lambda: not list(jobs.iterdir()), 20, "it is still there")
    assert httpx.get(f"{url}/v1/health").json()["jobs"]["receiving"] == 0


def big_result(url: str, tmp_path: Path, n_bytes: int) -> str:
    """Have a job done, make its result this large, and return where that is."""
    job = httpx.post(f"{url}/v1/analyses", content=recording()).json()
    path = f"/v1/analyses/{job['id']}"
    until(lambda: httpx.get(url + path).json()["state"] == "done", 30, "it is not done")
    (tmp_path / "service" / "jobs" / job["id"] / "results" / "recording.json").write_bytes(bytes(n_bytes))
    return f"{path}/results/json"


def test_a_client_that_does_not_read_is_given_up(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "UNREAD_S", 0.5)
    path = big_result(url, tmp_path, 60_000_000)
    before = open_files()
    with connected(url) as connection:
        connection.sendall(b"GET " + path.encode() + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        until(lambda: len(open_files()) > len(before) + 1, 20, "the file is never opened")
        until(lambda: len(open_files()) <= len(before) + 1, 20, "the file stays open")
        assert len(rest(connection)) < 60_000_000


def open_files() -> list[Path]:
    return list(Path("/proc/self/fd").iterdir())


def test_a_download_goes_on_when_its_job_expires(url: str, tmp_path: Path) -> None:
    path = big_result(url, tmp_path, 30_000_000)
    with httpx.stream("GET", url + path) as answer:
        pieces = answer.iter_raw(1 << 16)
        size = len(next(pieces))
        assert httpx.delete(url + path.removesuffix("/results/json")).status_code == 204
        assert size + sum(map(len, pieces)) == 30_000_000


def test_requests_beyond_what_there_is_room_for_are_refused(
    settings: Make, stand_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    with in_thread(settings()) as url:
        with connected(url), connected(url), connected(url), connected(url) as fourth:
            fourth.sendall(GET + b"\r\n")
            assert answer_on(fourth)[0] == 503
        until(lambda: is_up(url), 20, "there is never room again")


def test_a_proxy_on_this_machine_tells_how_it_was_asked(url: str) -> None:
    answer = httpx.get(f"{url}/docs", headers={"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1"})
    assert url.replace("http:", "https:") in answer.text


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/health").status_code == 200
    except httpx.HTTPError:
        return False


def test_an_address_that_is_taken_is_said(url: str) -> None:
    port = urlsplit(url).port
    assert port is not None
    with pytest.raises(UsageError, match=f"cannot listen on port {port} of 127.0.0.1: Address already in use"):
        listen("127.0.0.1", port)
    with pytest.raises(UsageError, match="there is no address"):
        listen("no such host.invalid", 0)


def test_a_name_is_listened_on_at_all_its_addresses() -> None:
    sockets = listen("localhost", 0)
    assert len({one.getsockname()[1] for one in sockets}) == 1
    for one in sockets:
        one.close()


def test_a_service_in_a_thread_leaves_none_behind(settings: Make, stand_in: None) -> None:
    before = set(threading.enumerate())
    with in_thread(settings()) as url:
        job = httpx.post(f"{url}/v1/analyses", content=recording()).json()
        until(lambda: httpx.get(f"{url}/v1/analyses/{job['id']}").json()["state"] == "done", 30, "it is not done")
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_soon_whatever_goes_on_and_nothing_is_lost(
    tmp_path: Path, number: int, talk_mp4: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    folder = tmp_path / "service"
    with service(folder) as (url, process):
        ids = [httpx.post(f"{url}v1/analyses", content=talk_mp4.read_bytes()).json()["id"] for _ in range(2)]
        until(lambda: children(process.pid), 30, "no worker")
        [worker] = children(process.pid)
        with connected(url) as coming, connected(url):
            coming.sendall(POST + b"content-length: 1000\r\n\r\n" + MATROSKA)
            until(lambda: httpx.get(f"{url}v1/health").json()["jobs"]["receiving"], 20, "no upload")
            began = time.monotonic()
            process.send_signal(number)
            assert process.wait(30) == 0
            assert time.monotonic() - began < 12
            status, headers, body = heads(rest(coming))
            assert (status, json.loads(body)["error"]["code"]) == (503, "ending") and headers["retry-after"]
        assert not is_running(worker)
    assert "Traceback" not in (tmp_path / "service.log").read_text()
    store = JobStore(folder / "jobs.sqlite", time.time)
    assert store.ids() == {path.name for path in (folder / "jobs").iterdir()} == set(ids)
    jobs = [store.get(job_id) for job_id in ids]
    assert all(job is not None and job.state in ("queued", "done") for job in jobs), jobs
    store.close()


def test_who_is_sending_is_told_that_it_ends_where_nothing_else_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    with service(tmp_path / "service") as (url, process), connected(url) as coming:
        coming.sendall(POST + b"content-length: 1000\r\n\r\n" + MATROSKA)
        until(lambda: httpx.get(f"{url}v1/health").json()["jobs"]["receiving"], 20, "no upload")
        process.send_signal(signal.SIGINT)
        status, _, body = heads(rest(coming))
        assert process.wait(30) == 0
    assert (status, json.loads(body)["error"]["code"]) == (503, "ending")
    assert not list((tmp_path / "service" / "jobs").iterdir())


def serve_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emofuse.cli.main", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "EMOFUSE_OFFLINE": "1", "EMOFUSE_TOKEN": "", **environment},
    )


def test_a_second_service_in_the_same_folder_is_refused_in_a_line(settings: Make, stand_in: None) -> None:
    with in_thread(settings()):
        found = serve_command("--port", "0", "--folder", str(settings().folder))
    assert found.returncode == 2
    assert "another service may be using its folder" in found.stderr and "Traceback" not in found.stderr
