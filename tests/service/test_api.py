"""The REST interface: every endpoint, and every way in which it can refuse."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from emofuse.service import api
from emofuse.service.store import JobStore
from service_harness import Client, recording, refusal

Serve = Callable[..., None]


def test_a_recording_is_analysed_and_its_results_are_had(serve: Serve) -> None:
    async def story(client: Client) -> None:
        sent = await client.post("/v1/analyses", content=recording(("progress", 0.5), ("sleep", 0.5)))
        assert sent.status_code == 202
        job = sent.json()
        assert sent.headers["location"] == f"/v1/analyses/{job['id']}"
        assert (job["state"], job["name"], job["progress"], job["ahead"]) == ("queued", "recording", 0.0, 0)
        assert job["expires_s"] is None and job["error"] is None and job["results"] == {}
        running = await client.reaches(job["id"], "running")
        result = f"/v1/analyses/{job['id']}/results/json"
        assert refusal(await client.get(result)) == (409, "not_done")
        while running["state"] == "running" and running["progress"] == 0.0:
            await asyncio.sleep(0.01)
            running = await client.state(job["id"])
        assert running["progress"] == 0.5
        done = await client.reaches(job["id"], "done")
        assert done["progress"] == 1.0 and done["expires_s"] >= done["created_s"] + 3600
        assert done["results"] == {"json": result}
        answer = await client.get(result)
        assert answer.status_code == 200 and answer.json()["pid"] > 0
        assert answer.headers["content-type"] == "application/json"
        assert refusal(await client.get(f"/v1/analyses/{job['id']}/results/mp4")) == (404, "no_such_result")
        assert (await client.delete(f"/v1/analyses/{job['id']}")).status_code == 204
        assert refusal(await client.get(result)) == (404, "no_such_analysis")
        assert refusal(await client.delete(f"/v1/analyses/{job['id']}")) == (404, "no_such_analysis")

    serve(story)


def test_a_failure_is_told(serve: Serve) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("fail", "there is no face")))
        failed = await client.reaches(job_id, "failed")
        assert failed["error"] == {"code": "not_analysed", "message": "there is no face"}
        assert failed["expires_s"] is not None and failed["results"] == {} and failed["notes"] == ""
        answer = await client.get(f"/v1/analyses/{job_id}/results/json")
        assert refusal(answer) == (409, "failed") and "there is no face" in answer.text

    serve(story)


DEFAULTS = {
    "mode": "queue",
    "hop_s": 0.5,
    "annotate": True,
    "overlay": "full",
    "blur_faces": False,
    "smooth": False,
    "transcribe": False,
}


def test_the_worker_gets_the_options(serve: Serve) -> None:
    async def story(client: Client) -> None:
        data = recording(("task", None))
        job_id = await client.submit(data, name="x.mp4", mode="frame", hop_s=1.5, annotate=False)
        await client.reaches(job_id, "done")
        task = (await client.get(f"/v1/analyses/{job_id}/results/json")).json()
        assert task["options"] == DEFAULTS | {"mode": "frame", "hop_s": 1.5, "annotate": False}
        assert task["name"] == "x.mp4" and task["max_duration_s"] == 9.0
        second = await client.submit(data, audio_track=2)
        await client.reaches(second, "done")
        task = (await client.get(f"/v1/analyses/{second}/results/json")).json()
        assert task["options"] == DEFAULTS | {"audio_track": 2}
        default = await client.submit(data)
        await client.reaches(default, "done")
        task = (await client.get(f"/v1/analyses/{default}/results/json")).json()
        assert task["options"] == DEFAULTS

    serve(story, max_duration_s=9.0)


def test_the_fields_of_a_form_are_options_too(serve: Serve) -> None:
    async def sent(client: Client, query: str = "", **fields: str) -> Any:
        files = {"file": ("film.mp4", recording(("task", None)))}
        return await client.post(f"/v1/analyses{query}", files=files, data=fields)

    async def task(client: Client, answer: Any) -> dict[str, Any]:
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["id"]
        await client.reaches(job_id, "done")
        return dict((await client.get(f"/v1/analyses/{job_id}/results/json")).json())

    async def story(client: Client) -> None:
        whole = await task(client, await sent(client, mode="frame", hop_s="1.5", annotate="false", name="größe"))
        assert whole["name"] == "größe"
        assert whole["options"] == DEFAULTS | {"mode": "frame", "hop_s": 1.5, "annotate": False}
        mixed = await task(client, await sent(client, "?mode=frame&hop_s=2", annotate="no", mode="frame", other="x"))
        assert mixed["name"] == "film.mp4"
        assert mixed["options"] == DEFAULTS | {"mode": "frame", "hop_s": 2.0, "annotate": False}
        for query, field, value in (
            ("", "mode", "x"),
            ("", "hop_s", "nan"),
            ("", "hop_s", "0"),
            ("", "annotate", "7"),
            ("", "name", "x" * 301),
            ("", "name", "x" * 3000),
            ("?mode=queue", "mode", "frame"),
        ):
            answer = await sent(client, query, **{field: value})
            assert refusal(answer) == (422, "not_allowed") and answer.json()["error"]["message"].startswith(field)
        body = b"".join(b'--b\r\ncontent-disposition: form-data; name="mode"\r\n\r\nframe\r\n' for _ in range(2))
        headers = {"content-type": "multipart/form-data; boundary=b"}
        twice = await client.post("/v1/analyses", content=body + b"--b--\r\n", headers=headers)
        assert refusal(twice) == (422, "not_allowed") and "more than once" in twice.text
        assert client.app.state.service.store.ids("receiving", "queued", "running") == set()

    serve(story)


def test_faces_are_measured_where_the_service_allows_it(serve: Serve) -> None:
    async def refused(client: Client) -> None:
        assert (await client.get("/v1/health")).json()["measure_faces"] is False
        in_address = await client.post("/v1/analyses?measure_faces=true", content=recording())
        form = {"file": ("film.mp4", recording())}
        in_form = await client.post("/v1/analyses", files=form, data={"measure_faces": "true"})
        for answer in (in_address, in_form):
            assert refusal(answer) == (422, "not_allowed")
            assert answer.json()["error"]["message"].startswith("measure_faces: this service measures no faces")
        assert client.app.state.service.store.ids() == set()

    async def allowed(client: Client) -> None:
        assert (await client.get("/v1/health")).json()["measure_faces"] is True
        form = {"file": ("film.mp4", recording(("task", None)))}
        answer = await client.post("/v1/analyses", files=form, data={"measure_faces": "true"})
        job_id = answer.json()["id"]
        await client.reaches(job_id, "done")
        task = (await client.get(f"/v1/analyses/{job_id}/results/json")).json()
        assert task["options"]["measure_faces"] is True
        assert task["answers"] == {"risk": 0.4, "coverage": 0.9, "prior": {"happy": 2.0}}

    serve(refused)
    serve(allowed, measure_faces=True, risk=0.4, coverage=0.9, prior={"happy": 2.0})


def test_what_is_being_done_and_how_long_it_still_takes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(client: Client) -> None:
        steps = [("progress", [0.1, "transcribing"]), ("sleep", 1.2), ("progress", [0.5, "analysing"]), ("sleep", 2)]
        job_id = await client.submit(recording(*steps))
        seen: dict[str | None, float | None] = {}
        while (found := await client.state(job_id))["state"] != "done":
            seen[found["stage"]] = found["remaining_s"]
            await asyncio.sleep(0.02)
        assert seen["transcribing"] is None  # nothing is known before some of it is done
        assert seen["analysing"] is not None and 1.0 <= seen["analysing"] <= 6.0
        assert found["stage"] is None and found["remaining_s"] is None

    serve(story)


def test_speech_is_recognised_only_where_that_is_installed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(client: Client) -> None:
        monkeypatch.setattr(api, "find_spec", lambda name: None)
        assert (await client.get("/v1/health")).json()["asr"] is False
        answer = await client.post("/v1/analyses?transcribe=true", content=recording())
        assert refusal(answer) == (409, "no_recogniser") and "pip install" in answer.text
        assert client.app.state.service.store.ids() == set()
        monkeypatch.setattr(api, "find_spec", lambda name: object())
        assert (await client.get("/v1/health")).json()["asr"] is True
        job_id = await client.submit(recording(("task", None)), transcribe=True, language="de")
        await client.reaches(job_id, "done")
        task = (await client.get(f"/v1/analyses/{job_id}/results/json")).json()
        assert task["asr_model"] == "tiny"
        assert task["options"] == DEFAULTS | {"transcribe": True, "language": "de"}

    serve(story, asr_model="tiny")


def test_all_results_in_one_archive(serve: Serve) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(), name="größe <1>.mp4")
        done = await client.reaches(job_id, "done")
        answer = await client.get(f"/v1/analyses/{job_id}/archive")
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
        assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''gr%C3%B6%C3%9Fe%20%3C1%3E.zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == ["größe <1>.json"]
            assert archive.read("größe <1>.json") == (await client.get(done["results"]["json"])).content
        assert refusal(await client.get("/v1/analyses/none/archive")) == (404, "no_such_analysis")
        failed = await client.submit(recording(("fail", "it is not a film")))
        await client.reaches(failed, "failed")
        assert refusal(await client.get(f"/v1/analyses/{failed}/archive")) == (409, "failed")

    serve(story)


@pytest.mark.parametrize(
    "query",
    [
        "measure_faces=2",
        "mode=x",
        "hop_s=0",
        "hop_s=61",
        "hop_s=nan",
        "hop_s=x",
        "annotate=7",
        f"name={'x' * 301}",
        "formats=",
        "formats=json,exe",
        "formats=faces",
        "overlay=lots",
        "language=English",
    ],
)
def test_options_that_are_not_allowed_are_refused(serve: Serve, query: str) -> None:
    async def story(client: Client) -> None:
        answer = await client.post(f"/v1/analyses?{query}", content=recording())
        assert refusal(answer) == (422, "not_allowed")
        assert answer.json()["error"]["message"].startswith(query.partition("=")[0])
        assert client.app.state.service.store.ids() == set()

    serve(story)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", "recording"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a b.mp4", "a b.mp4"),
        ("größe 日本.mp4", "größe 日本.mp4"),
        ("a\u202egpj.mp4\x00\r\n", "agpj.mp4"),
        ("%ff%", "%ff%"),
        ("n" * 200, "n" * 120),
        ("<img src=x>.mp4", "<img src=x>.mp4"),
        (".mp4", ".mp4"),
    ],
)
def test_a_name_is_for_display_alone(serve: Serve, tmp_path: Path, given: str, shown: str) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(name=given)
        done = await client.reaches(job_id, "done")
        assert done["name"] == shown
        on_disk = {path.name for path in (tmp_path / "service").rglob("*")}
        assert on_disk <= {"jobs", "jobs.sqlite", "jobs.sqlite-wal", job_id, "results", "recording.json"}
        head = (await client.get(f"/v1/analyses/{job_id}/results/json")).headers["content-disposition"]
        stem = Path(shown).stem
        assert head in (
            f'attachment; filename="{stem}.json"',
            f"attachment; filename*=utf-8''{quote(f'{stem}.json')}",
        )

    serve(story)


def test_a_name_that_is_no_text_is_replaced(serve: Serve) -> None:
    async def story(client: Client) -> None:
        answer = await client.post("/v1/analyses?name=%ff%fe%00.mp4&name=", content=recording())
        assert (answer.status_code, answer.json()["name"]) == (202, "recording")

    serve(story)


@pytest.mark.parametrize(
    "path", ["x", "%00", "%ff", "..", "%2e%2e%2fjobs.sqlite", "a" * 5000, "%F0%9F%98%80", "' OR 1=1 --"]
)
def test_ids_that_are_none(serve: Serve, path: str) -> None:
    async def story(client: Client) -> None:
        for method in ("GET", "DELETE"):
            status, code = refusal(await client.request(method, f"/v1/analyses/{path}"))
            assert status == 404 and code in ("no_such_analysis", "no_such_endpoint")
        for kind in ("json", "..", "%2e%2e%2frecording"):
            assert refusal(await client.get(f"/v1/analyses/{path}/results/{kind}"))[0] == 404

    serve(story)


def test_other_paths_and_methods(serve: Serve) -> None:
    async def story(client: Client) -> None:
        assert refusal(await client.get("/v1/nothing")) == (404, "no_such_endpoint")
        assert refusal(await client.get("/static/../app.py")) == (404, "no_such_endpoint")
        assert refusal(await client.post("/v1/analyses/", content=recording())) == (404, "no_such_endpoint")
        answer = await client.put("/v1/analyses", content=b"")
        assert refusal(answer) == (405, "wrong_method") and answer.headers["allow"] == "POST"
        answer = await client.options("/v1/analyses/x")
        assert refusal(answer) == (405, "wrong_method") and answer.headers["allow"] == "DELETE, GET, HEAD"
        for path in ("/", "/v1/health", "/v1/metrics", "/static/app.css"):
            head, got = await client.head(path), await client.get(path)
            assert head.status_code == got.status_code == 200 and head.headers.keys() == got.headers.keys()
        assert "<title>emofuse</title>" in (await client.get("/")).text

    serve(story)


def test_parts_of_a_result(serve: Serve) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit()
        await client.reaches(job_id, "done")
        path = f"/v1/analyses/{job_id}/results/json"
        whole = (await client.get(path)).content
        part = await client.get(path, headers={"range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, whole[2:5])
        assert part.headers["content-range"] == f"bytes 2-4/{len(whole)}"
        assert refusal(await client.get(path, headers={"range": "bytes=9999-"})) == (416, "no_such_range")
        assert refusal(await client.get(path, headers={"range": "lines=1-2"})) == (400, "bad_range")
        head = await client.head(path)
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole)), b"")

    serve(story)


def test_a_full_queue_says_when_to_come_back(serve: Serve) -> None:
    async def story(client: Client) -> None:
        running = await client.submit(recording(("sleep", 60)))
        await client.reaches(running, "running")
        waiting = [await client.submit() for _ in range(2)]
        assert [(await client.state(job_id))["ahead"] for job_id in waiting] == [1, 2]
        answer = await client.post("/v1/analyses", content=recording())
        assert refusal(answer) == (429, "queue_full") and int(answer.headers["retry-after"]) >= 1
        await client.delete(f"/v1/analyses/{waiting[0]}")
        taken = await client.submit()
        await client.delete(f"/v1/analyses/{running}")
        await client.reaches(taken, "done")

    serve(story, max_queue=2)


def test_a_fault_of_the_service_is_an_answer_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(client: Client) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(JobStore, "counts", lambda self: 1 / 0)
            answer = await client.get("/v1/health")
        assert refusal(answer) == (500, "internal")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await client.get("/v1/health")).status_code == 200

    serve(story)


def test_health_says_what_is_allowed(serve: Serve) -> None:
    async def story(client: Client) -> None:
        health = (await client.get("/v1/health")).json()
        assert health["status"] == "ok" and re.match(r"\d+\.\d+", health["version"])
        assert (health["max_queue"], health["max_upload_mb"], health["keep_s"]) == (3, 2.0, 50.0)
        assert health["jobs"] == {"receiving": 0, "queued": 0, "running": 0, "done": 0, "failed": 0}
        assert (health["token_needed"], health["live_sessions"], health["max_live"]) == (False, 0, 2)

    serve(story, max_queue=3, max_upload_mb=2.0, keep_s=50.0)


def test_metrics_count(serve: Serve) -> None:
    async def story(client: Client) -> None:
        await client.reaches(await client.submit(), "done")
        await client.reaches(await client.submit(recording(("fail", "x"))), "failed")
        found: dict[str, str] = {}
        while found.get("emofuse_job_seconds_count") != "2.0":  # counted a moment after it can be seen that a job ended
            answer = await client.get("/v1/metrics")
            found = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
            await asyncio.sleep(0.01)  # without which the service, which runs in this loop, may never go on
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert found['emofuse_uploads_total{code="taken"}'] == "2.0"
        assert found['emofuse_jobs_ended_total{state="done"}'] == "1.0"
        assert found['emofuse_jobs{state="failed"}'] == "1.0"
        assert found["emofuse_live_sessions"] == "0.0"

    serve(story)


def test_what_is_said_of_a_name_is_json(serve: Serve) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(name='"}<script>')
        assert json.loads((await client.get(f"/v1/analyses/{job_id}")).text)["name"] == '"}<script>'

    serve(story)
