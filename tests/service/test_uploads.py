"""Uploads: taken whole or not at all, in any form they come; and which files are taken for recordings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from emofuse.media.kinds import begins_as_recording, media_suffixes
from emofuse.service import api
from emofuse.service.http_errors import RefusedError
from emofuse.service.settings import ServiceSettings
from emofuse.service.uploads import MOST_TRANSCRIPT_BYTES, check_stated
from make_media import Sound, Video, record
from service_harness import MATROSKA, Client, recording, refusal

Serve = Callable[..., None]


async def pieces(*data: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    """Yield a body in pieces, so that nobody states its length."""
    for piece in data:
        await asyncio.sleep(pause_s)
        yield piece


def form(*parts: tuple[str, bytes], boundary: str = "edge", end: bytes = b"--\r\n") -> dict[str, Any]:
    """Return a request with a multipart form. parts: the value of Content-Disposition, and the content."""
    body = b"".join(
        b"--%b\r\ncontent-disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary.encode(), head.encode(), content)
        for head, content in parts
    )
    content = body + b"--" + boundary.encode() + end
    return {"content": content, "headers": {"content-type": f"multipart/form-data; boundary={boundary}"}}


def test_uploads_that_are_refused_leave_nothing(serve: Serve, tmp_path: Path) -> None:
    film = recording()
    disposition = 'name="file"; filename="a.mp4"'
    refused: list[tuple[dict[str, Any], tuple[int, str]]] = [
        ({"content": b""}, (400, "empty")),
        ({"content": b"%PDF-1.7 " * 100}, (415, "not_a_recording")),
        ({"content": b"GIF89a" + bytes(600)}, (415, "not_a_recording")),
        ({"content": b"\x89PNG\r\n"}, (415, "not_a_recording")),
        ({"content": MATROSKA + bytes(1_000_000)}, (413, "too_large")),
        ({"content": pieces(MATROSKA, *[bytes(100_000)] * 11)}, (413, "too_large")),
        ({"content": film, "headers": {"content-type": "multipart/form-data"}}, (400, "bad_form")),
        ({"content": film, "headers": {"content-type": "multipart/form-data; boundary=x"}}, (400, "bad_form")),
        (
            {"content": film, "headers": {"content-type": f"multipart/form-data; boundary={'x' * 300}"}},
            (400, "bad_form"),
        ),
        (form(('name="other"', film)), (400, "no_file")),
        (form(('name="file"', film)), (400, "no_file")),
        (form((disposition, b"")), (400, "empty")),
        (form((disposition, b"%PDF-1.7")), (415, "not_a_recording")),
        (form((disposition, film), (disposition, film)), (400, "bad_form")),
        (form((disposition, film), end=b""), (400, "cut_off")),
        (form((disposition, MATROSKA + bytes(1_000_000))), (413, "too_large")),
        (form(('name="other"', bytes(1_010_000))), (413, "too_large")),
        (form(("x" * 9000, film)), (400, "bad_form")),
    ]

    async def story(client: Client) -> None:
        for request, expected in refused:
            answer = await client.post("/v1/analyses", **request)
            assert refusal(answer) == expected, (request, answer.text)
            assert list((tmp_path / "service" / "jobs").iterdir()) == []
        assert client.app.state.service.store.ids() == set()
        counted = (await client.get("/v1/metrics")).text
        assert 'emofuse_uploads_total{code="not_a_recording"} 4.0' in counted

    serve(story, max_upload_mb=1.0)


def test_a_form_with_a_file(serve: Serve) -> None:
    async def story(client: Client) -> None:
        answer = await client.post("/v1/analyses", files={"file": ("größe.mp4", recording(("task", None)))})
        assert answer.json()["name"] == "größe.mp4"
        job_id = answer.json()["id"]
        await client.reaches(job_id, "done")
        other = form(('name="note"', b"hello"), ('name="file"; filename=""', recording()), ('name="x"', b"y"))
        assert (await client.post("/v1/analyses", **other)).json()["name"] == "recording"
        named = await client.post("/v1/analyses?name=b.mp4", files={"file": ("a.mp4", recording())})
        assert named.json()["name"] == "b.mp4"

    serve(story)


def test_a_transcript_beside_the_recording(serve: Serve, tmp_path: Path) -> None:
    film = ('name="file"; filename="a.mp4"', recording(("list", None)))
    words = 'name="transcript"; filename="a b.SRT"', b"1\n00:00:00,000 --> 00:00:01,000\nhello\n"

    async def story(client: Client) -> None:
        for parts in ((film, words), (words, film)):
            answer = await client.post("/v1/analyses", **form(*parts))
            assert answer.status_code == 202, answer.text
            job_id = answer.json()["id"]
            await client.reaches(job_id, "done")
            there = (await client.get(f"/v1/analyses/{job_id}/results/json")).json()
            assert there == {"recording": film[1].decode("latin-1"), "transcript.srt": words[1].decode()}
            left = {file.name for file in (tmp_path / "service" / "jobs" / job_id).iterdir()}
            assert left == {"results"}  # it goes with the recording
        empty = ('name="transcript"; filename=""', b"")  # a field of a page that was left alone
        assert (await client.post("/v1/analyses", **form(film, empty))).status_code == 202
        for parts, expected in (
            ((film, ('name="transcript"; filename="a.docx"', b"x")), (415, "not_a_transcript")),
            ((film, words, words), (400, "bad_form")),
            ((film, (words[0], bytes(MOST_TRANSCRIPT_BYTES + 1))), (413, "too_large")),
            ((words,), (400, "no_file")),
        ):
            assert refusal(await client.post("/v1/analyses", **form(*parts))) == expected

    serve(story)


def test_an_upload_of_exactly_what_is_allowed_is_taken_in_pieces_of_any_size(serve: Serve) -> None:
    padded = MATROSKA + b"[]".ljust(1_000_000 - 4)

    async def story(client: Client) -> None:
        await client.reaches(await client.submit(padded), "done")
        tiny = pieces(*[padded[i : i + 1] for i in range(100)], padded[100:])
        sent = await client.post("/v1/analyses", content=tiny)
        await client.reaches(sent.json()["id"], "done")
        sent = await client.post("/v1/analyses", **form(('name="file"; filename="a"', padded)))
        await client.reaches(sent.json()["id"], "done")

    serve(story, max_upload_mb=1.0)


def test_a_slow_upload_is_refused(serve: Serve, tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        stalls = await client.post("/v1/analyses", content=pieces(MATROSKA, b"x", pause_s=0.4))
        assert refusal(stalls) == (408, "too_slow")
        trickles = await client.post("/v1/analyses", content=pieces(MATROSKA, *[b"x"] * 20, pause_s=0.05))
        assert refusal(trickles) == (408, "too_slow")
        assert list((tmp_path / "service" / "jobs").iterdir()) == []

    serve(story, stall_s=0.3, least_bytes_s=1000.0)


def test_an_upload_that_is_still_coming_has_its_place_in_the_queue(serve: Serve) -> None:
    async def story(client: Client) -> None:
        gate = asyncio.Event()

        async def held() -> AsyncIterator[bytes]:
            yield recording()
            await gate.wait()

        coming = asyncio.create_task(client.post("/v1/analyses", content=held()))
        while client.app.state.service.store.counts()["receiving"] == 0:
            await asyncio.sleep(0.01)
        assert refusal(await client.post("/v1/analyses", content=recording())) == (429, "queue_full")
        gate.set()
        await client.reaches((await coming).json()["id"], "done")

    serve(story, max_queue=1)


def test_an_upload_that_is_broken_off_leaves_nothing(serve: Serve, tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        async def held() -> AsyncIterator[bytes]:
            yield recording()
            await asyncio.sleep(60)

        coming = asyncio.create_task(client.post("/v1/analyses", content=held()))
        while not list((tmp_path / "service" / "jobs").rglob("recording")):
            await asyncio.sleep(0.01)
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        assert client.app.state.service.store.ids() == set()
        assert list((tmp_path / "service" / "jobs").iterdir()) == []

    serve(story)


def test_a_full_disk_is_said(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    async def story(client: Client) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(api, "receive", full)
            answer = await client.post("/v1/analyses", content=recording())
            assert refusal(answer) == (507, "disk_full") and answer.headers["retry-after"] == "60"
        assert client.app.state.service.store.ids() == set()
        await client.reaches(await client.submit(), "done")

    serve(story)


FILMS = {
    ".mp4": ("libx264", "aac"),
    ".m4v": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".mkv": ("libx264", "aac"),
    ".webm": ("libvpx", "libopus"),
    ".avi": ("mpeg4", "libmp3lame"),
    ".flv": ("flv", "aac"),
    ".wmv": ("wmv2", "wmav2"),
    ".mpg": ("mpeg1video", "mp2"),
    ".mpeg": ("mpeg2video", "mp2"),
    ".ts": ("libx264", "aac"),
    ".3gp": ("libx264", "aac"),
}
SOUNDS = {
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".mp3": "libmp3lame",
    ".m4a": "aac",
    ".aac": "aac",
    ".ogg": "libopus",
    ".opus": "libopus",
}


def test_a_recording_of_every_kind_that_is_read_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    assert set(FILMS) | set(SOUNDS) <= media_suffixes()
    files = [
        record(
            tmp_path / f"a{suffix}", Video(codec=film, size=(176, 144), time_base=Fraction(1, 25)), Sound(sound, 48_000)
        )
        for suffix, (film, sound) in FILMS.items()
    ]
    files += [record(tmp_path / f"b{suffix}", sound=Sound(codec, 48_000)) for suffix, codec in SOUNDS.items()]
    files += [record(tmp_path / "c.aiff", sound=Sound("pcm_s16be"))]
    for file in files:
        assert begins_as_recording(file.read_bytes()[:512]), file.name


def test_streams_without_a_header_of_their_own_are_known(tmp_path: Path) -> None:
    stream = record(tmp_path / "a.ts", Video()).read_bytes()
    coded = b"".join(bytes(4) + stream[i : i + 188] for i in range(0, len(stream), 188))  # as cameras write .m2ts
    assert begins_as_recording(coded[:512])
    with av.open(str(tmp_path / "bare.mp3"), "w", options={"id3v2_version": "0", "write_xing": "0"}) as out:
        track = out.add_stream("libmp3lame", rate=44_100)
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=1152)
        frame.sample_rate = 44_100
        for packet in [*track.encode(frame), *track.encode(None)]:
            out.mux(packet)
    bare = (tmp_path / "bare.mp3").read_bytes()
    assert bare[0] == 0xFF and begins_as_recording(bare[:512])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"G",
        b"GIF89a" + bytes(600),
        b"Good morning, " * 50,
        "ein Text in UTF-16".encode("utf-16") * 20,
        b"\x89PNG\r\n\x1a\n" + bytes(600),
        b"\xff\xd8\xff\xe0" + bytes(600),
        b"%PDF-1.7",
        b"PK\x03\x04" + bytes(600),
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd",
        b"ffconcat version 1.0\nfile /etc/passwd",
        b"<?xml version='1.0'?><MPD/>",
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"\x7fELF" + bytes(600),
        bytes(600),
    ],
)
def test_what_is_no_recording(data: bytes) -> None:
    assert not begins_as_recording(data[:512])


@pytest.mark.parametrize("stated", ["9" * 5000, str(2**63), "600000000"])
def test_a_length_of_thousands_of_digits_is_too_large(settings: Callable[..., ServiceSettings], stated: str) -> None:
    with pytest.raises(RefusedError, match="larger than 500 MB"):
        check_stated(stated, settings())
