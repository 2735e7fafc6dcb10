"""Runs `emofuse serve` in a process of its own, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def service(
    folder: Path, *options: str, token: str = "", port: int = 0
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a service, on a free port where none is given, and end it afterwards. Yields its address and its process."""
    port = port or free_port()
    command = [
        sys.executable,
        "-m",
        "emofuse.cli.main",
        "serve",
        "--port",
        str(port),
        "--folder",
        str(folder),
        *options,
    ]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, "EMOFUSE_TOKEN": token}, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}/"
            until(lambda: process.poll() is not None or answers(f"{address}v1/health") == 200, 60, "it does not begin")
            assert process.poll() is None, Path(log.name).read_text()
            yield address, process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def answers(url: str) -> int:
    """Return the status that is answered with; 0 where nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def until(holds: Callable[[], object], seconds: float, problem: str) -> None:
    """Wait until something holds; fail with these words where it does not in time."""
    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s, problem
        time.sleep(0.05)
