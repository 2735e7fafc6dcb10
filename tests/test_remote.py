"""Files at addresses are read by parts, give what a local copy gives, and fail in one line."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from emofuse import remote
from emofuse.errors import MediaError, OutputError, UsageError
from emofuse.media import open_media
from emofuse.remote import (
    Address,
    input_size,
    is_remote_folder,
    open_input,
    place_of,
    raise_failure,
    remote_files,
    upload,
    version_of,
)
from emofuse.types import Frame
from make_media import Sound, Video, record

fsspec = pytest.importorskip("fsspec")


class Ranges(BaseHTTPRequestHandler):
    """Serves one file by parts."""

    data: ClassVar[bytes] = b""
    asked: ClassVar[list[tuple[int, int]]] = []
    serves_parts: ClassVar[bool] = True
    n_answers: ClassVar[int] = 10**6  # after which it answers with an error

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path.startswith("/clip.mp4") else 404)
        self.send_header("Content-Length", str(len(self.data)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()

    def do_GET(self) -> None:
        if not self.path.startswith("/clip.mp4"):
            self.send_error(404)
            return
        if len(self.asked) >= self.n_answers:
            self.send_error(503)
            return
        start, _, end = self.headers.get("Range", f"bytes=0-{len(self.data) - 1}").partition("=")[2].partition("-")
        self.asked.append((int(start), int(end)))
        part = self.data[int(start) : int(end) + 1] if self.serves_parts else self.data
        self.send_response(206 if self.serves_parts else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(data: bytes, *, serves_parts: bool = True, n_answers: int = 10**6) -> Iterator[tuple[str, type[Ranges]]]:
    members = {"data": data, "asked": [], "serves_parts": serves_parts, "n_answers": n_answers}
    handler = type("Handler", (Ranges,), members)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/clip.mp4", handler
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_WAITS_S", (0.0, 0.0))


@pytest.fixture
def store() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    yield "memory://store"
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a recording of several parts."""
    monkeypatch.setattr(remote, "_BLOCK_BYTES", 1 << 12)
    return record(tmp_path / "clip.mp4", Video(), Sound())


def put(address: str, data: bytes) -> str:
    fsspec.filesystem("memory").pipe_file(address, data)
    return address


def packets(path: str | Path) -> str:
    digest = hashlib.sha256()
    with open_media(path) as media:
        for packet in media:
            digest.update(f"{packet.time_s:.6f}".encode())
            digest.update(packet.image if isinstance(packet, Frame) else packet.samples)
        assert media.warnings == []
    return digest.hexdigest()


def test_a_recording_at_an_address_is_the_same_and_is_read_by_parts(clip: Path) -> None:
    data = clip.read_bytes()
    with served(data) as (url, handler):
        assert packets(f"{url}?token=secret") == packets(clip)
        assert max(end - start for start, end in handler.asked) < 1 << 12
        assert (len(data) >> 12) < len(handler.asked) < 4 * (len(data) >> 12)  # each stream has a container of its own
        with open_media(f"{url}?token=secret") as media:
            assert media.source.path == url


def test_a_file_is_read_at_any_place(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_BLOCK_BYTES", 10)
    url = put(f"{store}/a.bin", bytes(range(100)))
    with open_input(url) as file:
        assert file.read(3) == bytes(range(3))
        assert file.seek(-5, 2) == 95
        assert file.read() == bytes(range(95, 100))
        file.seek(8)
        assert file.read(25) == bytes(range(8, 33)) and file.tell() == 33
    assert input_size(url) == 100


def test_what_cannot_be_read_is_one_line(store: str, _no_waiting: None) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://me:secret@127.0.0.1:{closed.getsockname()[1]}/clip.mp4?key=secret"
    with pytest.raises(MediaError, match=r"^cannot read http://127[^?@]*clip\.mp4: 127\.0\.0\.1:\d+ does not answer"):
        open_media(nobody)
    with served(b"x" * 10) as (url, _), pytest.raises(MediaError, match="no such file: http"):
        open_media(url.replace("clip", "other"))
    with served(bytes(3 << 20), serves_parts=False) as (url, _), pytest.raises(MediaError, match="HTTP Range"):
        open_input(url).read(10)
    with pytest.raises(MediaError, match="no such file: memory://store/absent"):
        open_media(f"{store}/absent.mp4")
    with pytest.raises(MediaError, match="is empty"):
        open_media(put(f"{store}/empty.mp4", b""))
    with pytest.raises(MediaError, match="not a recording that emofuse knows"):
        open_media(put(f"{store}/text.mp4", b"words" * 100))


def test_an_address_that_falls_silent_is_an_error_and_no_damage(
    clip: Path, monkeypatch: pytest.MonkeyPatch, _no_waiting: None
) -> None:
    monkeypatch.setattr(remote, "_MOST_BLOCKS", 2)
    data = clip.read_bytes()
    with served(data) as (url, handler):
        packets(url)
        n_all = len(handler.asked)
    for n in (0, 1, n_all // 2, n_all - 1):
        with served(data, n_answers=n) as (url, _), pytest.raises(MediaError, match=r"cannot read http.*503"):
            packets(url)


def test_an_address_is_tried_again(_no_waiting: None, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = put(f"{store}/a.bin", b"abc")
    with open_input(url) as file:
        files = fsspec.filesystem("memory")
        whole, tries = files.cat_file, []

        def flaky(*arguments: object) -> bytes:
            tries.append(arguments)
            if len(tries) < 3:
                raise ConnectionResetError("gone")
            return bytes(whole(*arguments))

        monkeypatch.setattr(files, "cat_file", flaky)
        assert file.read() == b"abc" and len(tries) == 3
    raise_failure(url)


@pytest.mark.parametrize("text", ["ftp://host/a.mp4", "file:///etc/passwd", "zip://a::s3://b/c.zip", "s3://a::b"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        place_of(text)
    with pytest.raises((UsageError, MediaError)):
        open_media(text)


def test_places() -> None:
    assert place_of("a/b.mp4") == Path("a/b.mp4")
    address = place_of("https://me:secret@host/deep/a%20b.MP4?key=7")
    assert isinstance(address, Address)
    assert (address.name, address.stem, address.suffix) == ("a b.MP4", "a b", ".MP4")
    assert str(address) == "https://host/deep/a%20b.MP4"
    key = Address("s3://bucket/talk #1?.mp4")  # which are characters like others there
    assert (key.name, key.stem, str(key)) == ("talk #1?.mp4", "talk #1?", key.url)
    assert Address("s3://bucket/in/") / "a.mp4" == Address("s3://bucket/in/a.mp4")


def test_folders(store: str, tmp_path: Path) -> None:
    for name in ("b.mp4", "a/z.mp4", ".hidden/c.mp4", "a/.d.mp4"):
        put(f"{store}/in/{name}", b"x")
    folder = Address(f"{store}/in")
    assert is_remote_folder(folder) and not is_remote_folder(folder / "b.mp4")
    assert remote_files(folder) == [(folder / "a/z.mp4", "a/z.mp4"), (folder / "b.mp4", "b.mp4")]
    first = version_of(folder / "b.mp4")
    assert version_of(folder / "b.mp4") == first
    put(f"{store}/in/b.mp4", b"yy")
    assert version_of(folder / "b.mp4") != first
    (tmp_path / "result.csv").write_text("label\n")
    upload(tmp_path / "result.csv", folder / "out/result.csv")
    with open_input(folder / "out/result.csv") as file:
        assert file.read() == b"label\n"
    with pytest.raises(OutputError, match="cannot write http"):
        upload(tmp_path / "result.csv", Address("http://127.0.0.1:9/result.csv"))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    remote._files_of.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(UsageError, match=r"gs:// needs a package.*pip install 'emofuse\[remote\]' gcsfs"):
        open_input("gs://bucket/a.mp4")
