"""What a program does beyond its own memory, as strace sees it: names looked up, hosts reached, files written."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
_CALLS = "connect,sendto,sendmsg,sendmmsg,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,"
_CALLS += "rmdir,link,linkat,symlink,symlinkat,truncate,chmod,fchmodat,mknod,mknodat"
_NAMES = re.compile(r'"/etc/(resolv\.conf|nsswitch\.conf|hosts|gai\.conf)"|nscd/socket|resolve/io\.systemd')
_ADDRESS = re.compile(r'sin6?_addr=inet_(?:addr|pton)\((?:AF_INET6, )?"([^"]+)"')
_PATH = re.compile(r'(?:AT_FDCWD|\d+)?(?:<([^>]*)>)?(?:, )?"((?:[^"\\]|\\.)*)"')
_NOWHERE = ("/dev/null", "/dev/shm/", "/dev/tty", "/proc/", "/memfd:", "/tmp/pytest-trace")


@contextmanager
def traced(command: list[str], folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run a command under strace, with the children it starts. Yields its process and the file of what it did."""
    log = folder.parent / f"{folder.name}.strace"
    given = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    process = subprocess.Popen(
        ["strace", "-f", "-q", "-y", "-s", "300", "-e", f"trace={_CALLS}", "-o", str(log), *command],
        cwd=folder,
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process, log
    finally:
        with suppress(ProcessLookupError):  # what strace follows goes on when strace alone is ended
            os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def names_looked_up(log: Path) -> list[str]:
    """Return the calls that look up the name of a host."""
    return [line for line in log.read_text(errors="replace").splitlines() if _NAMES.search(line)]


def hosts_reached(log: Path) -> set[str]:
    """Return the addresses that were connected or sent to."""
    return set(_ADDRESS.findall(log.read_text(errors="replace")))


def files_written(log: Path, folder: Path, allowed: Iterable[Path]) -> list[str]:
    """Return the calls that make, change or delete a file elsewhere than in the folders that are allowed.

    folder: where the program was run in.
    """
    roots = [str(path.resolve()) for path in allowed]
    found = []
    for line in log.read_text(errors="replace").splitlines():
        call = re.search(r"(\w+)\((.*)", line)
        if (
            call is None
            or call[1] in ("connect", "sendto", "sendmsg", "sendmmsg")
            or ") = -1 " in " ".join(line.split())
        ):
            continue  # none of a file, or it came to nothing
        if call[1] in ("open", "openat") and not re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)", line):
            continue
        for base, name in _PATH.findall(call[2]):
            path = os.path.normpath(Path(base or folder) / name)
            if not path.startswith((*roots, *_NOWHERE)):
                found.append(line)
    return found
