"""A stream from a server in this process: it comes whole, it dies, or it is not there."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emofuse.errors import MediaError, UsageError
from emofuse.media import network, open_media
from emofuse.media.network import NetworkStream
from emofuse.types import AudioBlock, Frame
from make_media import Sound, Video, record

Serve = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def served(answer: Serve) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/live.ts"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def transport(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MPEG-TS of 0.4 s, as it comes from a camera: key frames often, no pictures out of order."""
    video = Video(times=tuple(i / 25 for i in range(10)), options={"g": "5", "bf": "0", "tune": "zerolatency"})
    path = tmp_path_factory.mktemp("stream") / "live.ts"
    return record(path, video, Sound(duration_s=0.4), format="mpegts")


def whole(path: Path, n_missing: int = 0) -> Serve:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(path.stat().st_size + n_missing))
        request.end_headers()
        request.wfile.write(path.read_bytes())

    return answer


def test_a_stream_gives_the_pictures_and_sound_of_what_was_sent(transport: Path) -> None:
    with served(whole(transport)) as url:
        packets = list(NetworkStream(url).packets())
    with open_media(transport) as media:
        wanted = list(media)
    pictures = [p for p in packets if isinstance(p, Frame)]
    times = [p.time_s for p in pictures]
    assert len(times) == len([p for p in wanted if isinstance(p, Frame)]) == 10
    assert times == sorted(times) and times[-1] - times[0] == pytest.approx(0.36, abs=0.01)
    assert pictures[0].image.shape == (48, 64, 3) and pictures[0].image[5, 5, 0] > 150
    sound = sum(len(p.samples) for p in packets if isinstance(p, AudioBlock))
    assert sound == pytest.approx(sum(len(p.samples) for p in wanted if isinstance(p, AudioBlock)), abs=400)


def test_without_audio_there_are_pictures_alone_and_the_name_has_no_password(transport: Path) -> None:
    with served(whole(transport)) as url:
        stream = NetworkStream(url.replace("127", "me:secret@127") + "?token=secret", has_audio=False)
        assert "secret" not in stream.name and stream.name.endswith("/live.ts")
        assert {type(p) for p in stream.packets()} == {Frame}


def test_a_stream_that_falls_silent_is_an_error_and_not_a_wait_for_ever(tmp_path: Path) -> None:
    video = Video(times=tuple(i / 25 for i in range(75)), options={"g": "5", "bf": "0", "tune": "zerolatency"})
    path = record(tmp_path / "longer.ts", video, format="mpegts")
    is_done = threading.Event()

    def stall(request: http.server.BaseHTTPRequestHandler) -> None:
        whole(path, n_missing=1_000_000)(request)
        is_done.wait(20)

    with served(stall) as url:
        try:
            stream = NetworkStream(url, read_s=0.5)
            began_s = time.monotonic()
            with pytest.raises(MediaError, match="stopped"):
                for packet in stream.packets():
                    assert isinstance(packet, Frame)
            assert time.monotonic() - began_s < 10
        finally:
            is_done.set()


def test_what_is_not_there_or_no_stream_is_one_line(tmp_path: Path) -> None:
    def refuse(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_error(404)

    with served(refuse) as url, pytest.raises(MediaError, match="cannot read http"):
        NetworkStream(url)
    for address in ("file:///etc/passwd", "clip.mp4", "concat:a|b"):
        with pytest.raises(UsageError, match="begins with one of rtsp"):
            NetworkStream(address)


def leading_to(place: str, status: int = 302) -> Serve:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", place)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_or_port_is_not_followed(transport: Path, status: int) -> None:
    asked: list[str] = []

    def elsewhere(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        whole(transport)(request)

    with served(elsewhere) as other:
        for place in (other, other.replace("127.0.0.1", "localhost"), other.replace("http:", "")):
            with (
                served(leading_to(place, status)) as url,
                pytest.raises(MediaError, match=r"it leads to another host, '(127\.0\.0\.1|localhost):\d+'"),
            ):
                NetworkStream(url)
    assert asked == []


def test_a_redirect_on_the_same_host_is_followed(transport: Path) -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        (whole(transport) if request.path == "/there.ts?a=b" else leading_to("/there.ts?a=b"))(request)

    with served(answer) as url:
        assert len([p for p in NetworkStream(url).packets() if isinstance(p, Frame)]) == 10


def test_redirects_without_end_are_one_line() -> None:
    with served(leading_to("/live.ts")) as url, pytest.raises(MediaError, match="cannot read http"):
        NetworkStream(url)


@pytest.mark.parametrize(
    ("place", "is_followed"),
    [
        ("https://camera/x", True),
        ("http://camera:80/x", True),
        ("http://camera:8080/x", False),
        ("https://camera:8443/x", False),
        ("rtsp://camera/x", False),
        ("file:///etc/passwd", False),
        ("http://camera.evil.example/", False),
        ("http://camera:x/", False),
    ],
)
def test_where_a_redirect_may_lead(place: str, is_followed: bool) -> None:
    assert network._is_same_host("http://camera/live", place) == is_followed


def test_a_playlist_cannot_make_us_read_files(talk_mp4: Path) -> None:
    def playlist(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "application/vnd.apple.mpegurl")
        request.end_headers()
        request.wfile.write(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{talk_mp4}\n#EXT-X-ENDLIST\n".encode()
        )

    with served(playlist) as url, pytest.raises(MediaError):
        list(NetworkStream(url.replace(".ts", ".m3u8")).packets())


@pytest.mark.parametrize(
    "url", ["http://", "rtsp://", "https:", "rtmp:///a", "http://:80/a", "http://[::1", "http://a:99999999/", "srt://"]
)
def test_half_an_address_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError, match="address"):
        NetworkStream(url)
