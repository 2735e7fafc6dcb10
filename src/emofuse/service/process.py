"""A worker process, from the service's side: begun, followed, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from emofuse.service.messages import Outcome, ProgressReport, Task, read_report

COMMAND: Final = (sys.executable, "-m", "emofuse.service.worker")
_GRACE_S: Final = 3.0  # between asking a process to end and ending it
_LONGEST_LINE: Final = 1 << 16
# Ended by somebody (a person, a service manager, the system when memory is short), not by a fault of its own.
_FROM_OUTSIDE: Final = {-int(getattr(signal, name, 0)) for name in ("SIGTERM", "SIGKILL", "SIGINT", "SIGHUP")} - {0}
# Allocators and libraries that reserve address space for each core: the memory limit counts that, too.
_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class WorkerProcess:
    """Runs `emofuse.service.worker`. Its task goes in by a pipe, and so does the end of the service: it ends then."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls, task: Task, *, may_fetch: bool = False) -> Self:
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
        process.stdin.write(task.to_line())
        return cls(process)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def was_killed(self) -> bool:
        """Whether it was ended from outside."""
        return self._process.returncode in _FROM_OUTSIDE

    async def follow(self, on_progress: Callable[[ProgressReport], None]) -> Outcome | None:
        """Wait for its end, and return what it reported then; None where it reported nothing."""
        assert self._process.stdout is not None
        outcome = None
        async for line in self._process.stdout:
            report = read_report(line)
            if isinstance(report, ProgressReport):
                on_progress(report)
            elif report is not None:
                outcome = report
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
            async with asyncio.timeout(_GRACE_S):  # wait_for of Python 3.11 may lose that it is cancelled itself
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
