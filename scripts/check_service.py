"""Send a recording to a service that was just started, and wait for its result.

    python scripts/check_service.py LOG RECORDING

LOG is what `emofuse serve` prints. Needs nothing but Python, so that it also checks the lightest install.
"""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.request
from pathlib import Path

PATIENCE_S = 120.0


def main() -> None:
    """Find the service's address, send, wait, and check."""
    log, recording = map(Path, sys.argv[1:])
    end_s = time.monotonic() + PATIENCE_S
    while not (found := re.search(r"listens on (\S+?);", log.read_text())):
        _wait(end_s, log.read_text())
    url = found[1]
    assert b"<title>emofuse</title>" in _ask(url, "/")
    job = json.loads(_ask(url, f"/v1/analyses?name={recording.name}", recording.read_bytes()))
    while job["state"] not in ("done", "failed"):
        _wait(end_s, job)
        job = json.loads(_ask(url, f"/v1/analyses/{job['id']}"))
    assert job["state"] == "done", job
    assert json.loads(_ask(url, job["results"]["json"]))["moments"], job


def _ask(url: str, path: str, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url + path, data) as answer:
        body: bytes = answer.read()
    return body


def _wait(end_s: float, state: object) -> None:
    assert time.monotonic() < end_s, state
    time.sleep(0.2)


if __name__ == "__main__":
    main()
