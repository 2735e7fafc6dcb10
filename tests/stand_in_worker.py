"""A worker that does what its recording says, in place of an analysis: quick, and as bad as a test wants it.

A recording is the first bytes of a Matroska file, and a list of steps as JSON: see `recording` in service_harness.py.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

task = json.loads(sys.stdin.buffer.readline())
folder = Path(task["folder"])
if not (folder / "recording").exists():
    sys.exit(4)
steps = json.loads((folder / "recording").read_bytes()[4:])


def tell(**what: object) -> None:
    """Send a report to the service."""
    print(json.dumps(what), flush=True)


for verb, value in steps:
    if verb == "sleep":
        time.sleep(value)
    elif verb == "progress":
        share, stage = value if isinstance(value, list) else (value, "analysing")
        tell(kind="progress", share=share, stage=stage)
    elif verb == "print":
        print(value, flush=True)
    elif verb == "signal":
        os.kill(os.getpid(), value)
    elif verb == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif verb == "exit":
        sys.exit(value)
    elif verb == "fail":
        tell(kind="outcome", code="not_analysed", message=value)
        sys.exit()
    elif verb == "task":  # what it was given is its result
        (folder / "results" / "recording.json").write_text(json.dumps(task))
    elif verb == "list":  # what was sent is its result
        sent = {file.name: file.read_bytes().decode("latin-1") for file in folder.iterdir() if file.is_file()}
        (folder / "results" / "recording.json").write_text(json.dumps(sent))
    elif verb == "attempts":  # fails by SIGKILL until there were so many
        tried = folder / "tried"
        tried.write_text(tried.read_text() + "x" if tried.exists() else "x")
        if len(tried.read_text()) < value:
            os.kill(os.getpid(), signal.SIGKILL)
result = folder / "results" / "recording.json"
if not result.exists():
    result.write_text(json.dumps({"pid": os.getpid()}))
tell(kind="outcome", code="", message="")
