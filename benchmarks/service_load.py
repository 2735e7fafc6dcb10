"""Measure `emofuse serve` under load: many uploads at once, on loopback.

    python benchmarks/service_load.py [--uploads 50] [--workers 2] [--mb 20] [--clip FILE] [--no-annotate]

Starts a service in a folder of its own, sends it the clip (by default the demo clip, as an MP4 with --mb megabytes of
padding) that many times at once, and waits until every analysis has ended. Memory is that of the service's process as
Linux gives it, without the workers, which have a limit each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx

MEGABYTE = 1_000_000
_POLL_S = 0.2


def padded(clip: bytes, n_bytes: int) -> bytes:
    """Return an MP4 that is this much larger, with a box that players skip (ISO/IEC 14496-12, 8.1.2)."""
    return clip if not n_bytes else clip + (8 + n_bytes).to_bytes(4, "big") + b"free" + bytes(n_bytes)


def memory_mb(pid: int, name: str = "VmRSS") -> float:
    """Return how much memory a process has (VmRSS) or ever had (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


async def measure(url: str, pid: int, data: bytes, n_uploads: int, annotate: bool = True) -> dict[str, Any]:
    """Send `data` n_uploads times at once to the service at `url`, whose process is `pid`; return what came of it."""
    limits = httpx.Limits(max_connections=n_uploads + 2)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=600) as client:
        await client.get("/v1/health")
        before_mb = memory_mb(pid)
        began = time.monotonic()
        answers_s: list[float] = []
        asking = asyncio.create_task(_ask_on(client, answers_s))
        taken = await asyncio.gather(*(_upload(client, data, annotate) for _ in range(n_uploads)))
        sent_s = time.monotonic() - began
        ended = await asyncio.gather(*(_wait(client, job_id) for job_id, _ in taken))
        whole_s = time.monotonic() - began
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        left = (await client.get("/v1/health")).json()["jobs"]
    return {
        "uploads": n_uploads,
        "upload_mb": len(data) / 1e6,
        "done": sum(state == "done" for state in ended),
        "different_ids": len({job_id for job_id, _ in taken}),
        "left": left,
        "taken_in_s": sent_s,
        "upload_median_s": median(spent_s for _, spent_s in taken),
        "upload_longest_s": max(spent_s for _, spent_s in taken),
        "all_done_in_s": whole_s,
        "memory_before_mb": before_mb,
        "memory_peak_mb": memory_mb(pid, "VmHWM"),
        "memory_after_mb": memory_mb(pid),
        "health_median_s": median(answers_s),
        "health_longest_s": max(answers_s),
    }


async def _upload(client: httpx.AsyncClient, data: bytes, annotate: bool) -> tuple[str, float]:
    began = time.monotonic()
    answer = await client.post("/v1/analyses", params={"annotate": annotate}, content=data)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"], time.monotonic() - began


async def _wait(client: httpx.AsyncClient, job_id: str) -> str:
    while True:
        state = (await client.get(f"/v1/analyses/{job_id}")).json()["state"]
        if state in ("done", "failed"):
            return str(state)
        await asyncio.sleep(_POLL_S)


async def _ask_on(client: httpx.AsyncClient, answers_s: list[float]) -> None:
    """Ask for the health again and again, as a monitor does, until cancelled; note how long each answer takes."""
    while True:
        began = time.monotonic()
        await client.get("/v1/health")
        answers_s.append(time.monotonic() - began)
        await asyncio.sleep(_POLL_S)


def main() -> None:
    """Run the measurement and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    demo = Path(__file__).parents[1] / "src" / "emofuse" / "demo" / "clip.mp4"
    parser.add_argument("--uploads", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--mb", type=float, default=20.0, help="padding of each upload")
    parser.add_argument("--clip", type=Path, default=demo, help="an MP4")
    parser.add_argument("--no-annotate", action="store_true", help="make no annotated video")
    given = parser.parse_args()
    data = padded(given.clip.read_bytes(), int(given.mb * MEGABYTE))
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", "0", "--folder", f"{folder}/service", "--workers", str(given.workers)]
        command = [sys.executable, "-m", "emofuse.cli.main", "serve", *options, "--max-queue", str(given.uploads)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
            try:
                assert process.stdout is not None
                found = re.search(r"http://\S+?(?=;|\s|$)", process.stdout.readline())
                assert found is not None, "the service did not start"
                result = asyncio.run(measure(found[0], process.pid, data, given.uploads, not given.no_annotate))
            finally:
                process.terminate()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
