"""A worker process, from the service's side: begun, followed, ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from emofuse.recordings.progress import Stage

COMMAND: Final = (sys.executable, "-m", "emofuse.service.worker")
_GRACE_S: Final = 3.0  # between asking a process to end and ending it
_LONGEST_LINE: Final = 1 << 16
# Ended by somebody (a person, a service manager, the system when memory is short), not by a fault of its own.
_FROM_OUTSIDE: Final = {-int(getattr(signal, name, 0)) for name in ("SIGTERM", "SIGKILL", "SIGINT", "SIGHUP")} - {0}
# Allocators and libraries that reserve address space for each core: the memory limit counts that, too.
_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process said at its end. code: why it came to nothing, "" where it did not. trace: for the log alone."""

    code: str
    message: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a process is: share, 0 to 1, and what it is doing."""

    share: float
    stage: Stage


class WorkerProcess:
    """Runs `emofuse.service.worker`. Its task goes in by a pipe, and so does the end of the service: it ends then."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls, task: dict[str, Any], *, may_fetch: bool = False) -> Self:
        """Start one. Not on the command line, which every user of the machine can see: the task holds a name.

        may_fetch: whether it may fetch weights that the service has not.
        """
        environment = {**os.environ, **_ENVIRONMENT}
        if not may_fetch:
            environment["EMOFUSE_OFFLINE"] = "1"
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LONGEST_LINE,
            env=environment,
            process_group=0,  # Ctrl-C is for the service, which ends its workers itself
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(task).encode() + b"\n")
        return cls(process)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def was_killed(self) -> bool:
        """Whether it was ended from outside."""
        return self._process.returncode in _FROM_OUTSIDE

    async def follow(self, on_progress: Callable[[Reached], None]) -> Outcome | None:
        """Wait for its end, and return what it said then; None where it said nothing."""
        assert self._process.stdout is not None
        outcome = None
        async for line in self._process.stdout:
            try:
                told = json.loads(line)
            except ValueError:  # a library that prints
                continue
            if "progress" in told:
                on_progress(Reached(float(told["progress"]), told.get("stage", "analysing")))
            else:
                outcome = Outcome(told["code"], told["message"], told.get("trace", ""))
        await self._process.wait()
        return outcome

    async def end(self) -> None:
        """End it where it runs still, and wait until it has."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _GRACE_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
