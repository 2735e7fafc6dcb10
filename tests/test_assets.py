"""Weights are found in the user's folders, then the cache, then over HTTP (a server on this machine)."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emofuse import assets
from emofuse.assets import Asset
from emofuse.errors import AssetError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves `content` at any path but /missing, and counts what it was asked."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.n_requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.n_requests += 1
                self.send_response(404 if self.path == "/missing" else 200)
                self.send_header("Content-Length", str(len(outer.content)))
                self.end_headers()
                self.wfile.write(outer.content)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("EMOFUSE_WEIGHTS", raising=False)
    monkeypatch.delenv("EMOFUSE_OFFLINE", raising=False)
    monkeypatch.setenv("EMOFUSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def offer(monkeypatch: pytest.MonkeyPatch, url: str, sha256: str = SHA256) -> None:
    asset = Asset("tiny", "tiny.bin", url, sha256, "MIT", "a test file")
    monkeypatch.setattr(assets, "ASSETS", {"tiny": asset})


def test_the_table_is_whole() -> None:
    plain = {"whisper_base": "model.bin", "minilm_l6": "model.safetensors", "minilm_l6_words": "vocab.txt"}
    torchvision = {"resnet18", "resnet50", "r3d_18", "mvit_v2_s"}
    assert set(assets.ASSETS) == {"mn04_as", "face_landmarker", *torchvision, *plain}
    for name, asset in assets.ASSETS.items():
        assert asset.name == name and asset.licence and asset.about
        assert asset.url.startswith("https://")
        assert asset.url.endswith("/" + plain.get(name, asset.file))
        whole = "torchvision" not in asset.licence
        assert len(bytes.fromhex(asset.sha256)) == (32 if whole else 4)
        assert whole or asset.file.endswith(f"-{asset.sha256}.pth")


def test_downloads_once_and_leaves_nothing_else(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, server.address + "/tiny.bin")
    path = assets.find("tiny")
    assert path == cache / "tiny.bin" and path.read_bytes() == CONTENT
    assert assets.find("tiny") == path
    assert server.n_requests == 1
    assert [p.name for p in cache.iterdir()] == ["tiny.bin"]
    assert capfd.readouterr() == ("", "")


def test_shows_progress_on_a_terminal(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    offer(monkeypatch, server.address + "/tiny.bin")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    assets.find("tiny")
    assert "100%" in screen.getvalue()


def test_a_folder_of_the_user_comes_first(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, server.address + "/tiny.bin")
    wrong, right = tmp_path / "wrong", tmp_path / "right"
    for folder, content in ((wrong, b"another release"), (right, CONTENT)):
        folder.mkdir()
        (folder / "tiny.bin").write_bytes(content)
    monkeypatch.setenv("EMOFUSE_WEIGHTS", f"{tmp_path / 'absent'}{os.pathsep}{wrong}{os.pathsep}{right}")
    assert assets.find("tiny") == right / "tiny.bin"
    assert server.n_requests == 0


def test_a_cached_file_of_another_content_is_replaced(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server.address + "/tiny.bin")
    cache.mkdir()
    (cache / "tiny.bin").write_bytes(CONTENT[:1000])
    assert assets.find("tiny").read_bytes() == CONTENT


def test_a_wrong_download_is_refused_and_not_kept(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, server.address + "/tiny.bin")
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(AssetError, match="sent has another SHA-256"):
        assets.find("tiny")
    assert list(cache.iterdir()) == []


def test_the_beginning_of_a_hash_does_where_no_more_is_known(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server.address + "/tiny.bin", SHA256[:8])
    (tmp_path / "tiny.bin").write_bytes(b"another release")
    monkeypatch.setenv("EMOFUSE_WEIGHTS", str(tmp_path))
    assert assets.find("tiny") == cache / "tiny.bin"
    (tmp_path / "tiny.bin").write_bytes(CONTENT)
    assert assets.find("tiny") == tmp_path / "tiny.bin"
    assert server.n_requests == 1
    offer(monkeypatch, server.address + "/tiny.bin", "0" * 8)
    with pytest.raises(AssetError, match="sent has another SHA-256"):
        assets.find("tiny")
    assert (cache / "tiny.bin").read_bytes() == CONTENT


def test_errors_say_what_why_and_what_to_do(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, server.address + "/missing")
    with pytest.raises(AssetError, match="answered 404") as caught:
        assets.find("tiny")
    assert "tiny.bin" in caught.value.message and "\n" not in str(caught.value)
    assert server.address + "/missing" in caught.value.hint and "EMOFUSE_WEIGHTS" in caught.value.hint


def test_a_refused_connection_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    offer(monkeypatch, f"http://127.0.0.1:{port}/tiny.bin")
    with pytest.raises(AssetError, match=f"no connection to 127.0.0.1:{port}"):
        assets.find("tiny")


def test_a_silent_server_does_not_hold_us_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(assets, "_READ_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        offer(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/tiny.bin")
        with pytest.raises(AssetError, match="did not answer in time"):
            assets.find("tiny")


def test_offline_asks_nobody_and_names_the_file_passed_over(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server.address + "/tiny.bin")
    (tmp_path / "tiny.bin").write_bytes(b"another release")
    monkeypatch.setenv("EMOFUSE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    with pytest.raises(AssetError, match="EMOFUSE_OFFLINE forbids") as caught:
        assets.find("tiny")
    assert f"{tmp_path / 'tiny.bin'} has another SHA-256" in str(caught.value)
    assert server.n_requests == 0


def test_a_cache_that_cannot_be_made_is_named(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, server.address + "/tiny.bin")
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("EMOFUSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetError, match="cannot be written"):
        assets.find("tiny")


def test_an_unknown_name_lists_the_known() -> None:
    known = "face_landmarker, minilm_l6, minilm_l6_words, mn04_as, mvit_v2_s, r3d_18, "
    with pytest.raises(AssetError, match=f"{known}resnet18, resnet50"):
        assets.find("yolo")
