"""Real workers on real recordings, good and hostile: each has a clear end, and the service goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from emofuse.cli.demo import CLIP
from emofuse.errors import AssetError
from emofuse.inference.landmarker import FaceLandmarker
from emofuse.outputs.formats import FORMATS
from emofuse.service.settings import ServiceSettings
from make_media import Sound, record
from run_service import service, until
from running import children, is_running
from service_harness import Client, in_process


@pytest.fixture
def real(settings: Callable[..., ServiceSettings]) -> Callable[..., None]:
    """Return what runs a story against a service whose workers are the real ones."""

    def run(story: Callable[[Client], object], **changes: object) -> None:
        async def whole() -> None:
            async with in_process(settings(**changes)) as client:
                await story(client)  # type: ignore[misc]

        asyncio.run(whole())

    return run


def bomb(path: Path, width: int, height: int) -> Path:
    """Write a film of one picture of one colour: as large as one likes, and next to nothing as a file."""
    with av.open(str(path), "w") as out:
        track = out.add_stream("qtrle", rate=25, width=width, height=height, pix_fmt="gray")
        frame = av.VideoFrame(width, height, "gray")
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))  # where anything may have been
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        out.mux(track.encode(frame))
        out.mux(track.encode())
    return path


def test_faces_are_measured_and_answers_are_as_sure_as_was_asked(real: Callable[..., None], clip_mp4: Path) -> None:
    pytest.importorskip("tflite")
    try:
        FaceLandmarker()
    except AssetError as error:
        pytest.skip(str(error))

    async def story(client: Client) -> None:
        job_id = await client.submit(clip_mp4.read_bytes(), measure_faces=True)
        done = await client.reaches(job_id, "done")
        assert "faces" in done["results"]
        measured = await client.get(done["results"]["faces"])
        assert measured.headers["content-type"].startswith("text/csv") and len(measured.text.splitlines()) > 10
        document = (await client.get(done["results"]["json"])).json()
        asked = document["provenance"]["settings"]
        assert (asked["risk"], asked["coverage"], asked["measure_faces"]) == (0.4, 0.9, True)

    real(story, measure_faces=True, risk=0.4, coverage=0.9)


@pytest.mark.load
def test_a_film_and_a_sound_have_every_format(real: Callable[..., None], tmp_path: Path, talk_mp4: Path) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(talk_mp4.read_bytes(), name="<b>my talk.mp4")
        done = await client.reaches(job_id, "done")
        assert set(done["results"]) == {name for name, format in FORMATS.items() if not format.is_extra}
        for kind, path in done["results"].items():
            answer = await client.get(path)
            assert answer.status_code == 200
            assert answer.content or kind == "srt"  # there may be nothing to say of a tone
            assert str(tmp_path).encode() not in answer.content
            assert b"<b>" not in answer.content or kind == "json"
        document = (await client.get(done["results"]["json"])).json()
        assert document["source"]["path"] == "<b>my talk.mp4"
        assert len(document["moments"]) >= 4
        film = tmp_path / "annotated.mp4"
        film.write_bytes((await client.get(done["results"]["mp4"])).content)
        with av.open(str(film)) as opened:
            assert opened.streams.video and opened.streams.audio
        sound = record(tmp_path / "voice.wav", sound=Sound("pcm_s16le", 16_000, "mono", duration_s=0.5))
        done = await client.reaches(await client.submit(sound.read_bytes()), "done")
        assert set(done["results"]) == {name for name, format in FORMATS.items() if not format.is_extra} - {"mp4"}
        assert done["notes"] == "there is no picture, so no mp4 was written"

    real(story)


def test_people_are_named_and_joined_in_every_result(real: Callable[..., None], tmp_path: Path) -> None:
    name = "<i>Anna</i> \u0410\u043d\u043d\u0430 \u5b89\u5a1c"

    async def story(client: Client) -> None:
        job_id = await client.submit(CLIP.read_bytes(), name="talk.mp4", annotate=False)
        done = await client.reaches(job_id, "done")
        before = (await client.get(done["results"]["json"])).json()
        assert [person["id"] for person in before["people"]] == [1]
        path = f"/v1/analyses/{job_id}/people"
        answer = await client.post(path, json={"names": {"1": name}})
        assert answer.status_code == 200 and answer.json()["results"] == done["results"]
        after = (await client.get(done["results"]["json"])).json()
        assert [person["name"] for person in after["people"]] == [name]
        assert after["moments"] == before["moments"] and after["source"] == before["source"]
        for kind in ("eaf", "textgrid", "html"):
            text = (await client.get(done["results"][kind])).text
            assert "Анна" in text or "\\u0410" in text, kind
            assert "<i>Anna" not in text or kind == "textgrid"
        for edit, status in (({"merge": [[1, 7]]}, 422), ({"merge": [[1]]}, 422), ({"name": {}}, 422)):
            refused = await client.post(path, json=edit)
            assert refused.status_code == status and refused.json()["error"]["code"] == "not_allowed", refused.text
        assert "there is no person 7" in (await client.post(path, json={"merge": [[1, 7]]})).text
        assert (await client.get(done["results"]["json"])).json() == after
        assert (await client.post("/v1/analyses/none/people", json={})).status_code == 404

    real(story)


@pytest.mark.load
def test_hostile_and_broken_recordings_fail_in_words(real: Callable[..., None], tmp_path: Path, talk_mp4: Path) -> None:
    rng = np.random.default_rng(0)
    whole = talk_mp4.read_bytes()
    film = bomb(tmp_path / "bomb.mov", 15_360, 8_640)
    assert film.stat().st_size < 1_500_000
    playlist = b"\x00\x00\x00\x18ftypisom#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    sent = {
        "pictures, 15360 x 8640, are larger than 36 megapixels": film.read_bytes(),
        "longer than 3 s": record(tmp_path / "long.wav", sound=Sound("pcm_s16le", duration_s=4.0)).read_bytes(),
        "cannot read the recording": whole[:2000],
        "the recording": b"\x1aE\xdf\xa3" + rng.bytes(20_000),
        "cannot read the recording: it is not a recording": playlist,
    }

    async def story(client: Client) -> None:
        jobs = {words: await client.submit(data, annotate=False) for words, data in sent.items()}
        for words, job_id in jobs.items():
            failed = await client.reaches(job_id, "failed")
            assert failed["error"]["code"] == "not_analysed"
            assert words in failed["error"]["message"]
            assert str(tmp_path) not in failed["error"]["message"] and "/" not in failed["error"]["message"]
        await client.reaches(await client.submit(whole, annotate=False), "done")

    real(story, max_duration_s=3.0, workers=2)


def test_a_worker_gets_so_much_memory_and_no_more(real: Callable[..., None], tmp_path: Path, talk_mp4: Path) -> None:
    film = bomb(tmp_path / "bomb.mov", 8_192, 4_096)

    async def story(client: Client) -> None:
        failed = await client.reaches(await client.submit(film.read_bytes()), "failed")
        assert failed["error"]["code"] in ("not_analysed", "too_large", "crashed")
        await client.reaches(await client.submit(talk_mp4.read_bytes(), annotate=False), "done")

    real(story, job_memory_mb=700.0)


def test_a_worker_writes_no_file_larger_than_allowed(real: Callable[..., None], talk_mp4: Path) -> None:
    async def story(client: Client) -> None:
        failed = await client.reaches(await client.submit(talk_mp4.read_bytes()), "failed")
        assert "File too large" in failed["error"]["message"]

    real(story, job_file_mb=0.02)


def test_a_service_that_is_killed_loses_nothing(
    tmp_path: Path, talk_mp4: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    folder = tmp_path / "service"
    with service(folder) as (url, process):
        ids = [httpx.post(f"{url}v1/analyses?annotate=false", content=talk_mp4.read_bytes()).json()["id"]]
        until(lambda: children(process.pid), 30, "no worker")
        [worker] = children(process.pid)
        ids += [httpx.post(f"{url}v1/analyses?annotate=false", content=talk_mp4.read_bytes()).json()["id"]]
        process.kill()
        process.wait()
        until(lambda: not is_running(worker), 5, "the worker goes on")
    began = time.monotonic()
    with service(folder) as (url, _):
        for job_id in ids:
            address = f"{url}v1/analyses/{job_id}"
            until(lambda at=address: httpx.get(at).json()["state"] == "done", 60, "it is not done")  # type: ignore[misc]
        assert time.monotonic() - began < 60
