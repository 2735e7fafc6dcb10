"""What recordings are spread over: the processes of this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from emofuse.errors import UsageError
from emofuse.recordings.one import Options, Outcome
from emofuse.recordings.plan import Task
from emofuse.recordings.pool import LocalEngine, OnProgress


class Engine(Protocol):
    """Analyses recordings somewhere. Whatever it is, each recording has the same outcome."""

    def analyze(
        self, tasks: Sequence[Task], options: Options, on_progress: OnProgress | None = None
    ) -> Generator[Outcome]:
        """Yield what came of each recording, in the order in which they end.

        What is lost on the way, a process or a machine, costs at most the recording that it was working on. Close the
        generator where its consumer may raise: what is not finished is stopped then.

        Args:
            tasks: The recordings, and where their results go.
            options: How to analyse them.
            on_progress: Is told how far each of them is, some times in a second.

        Raises:
            UsageError: There is nothing to spread them over.
        """
        ...


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What may be asked of an engine.

    Attributes:
        jobs: Recordings to work on at once; None: one on this machine, as many as there are cores in a cluster.
        address: Of a cluster, as HOST:PORT or "auto"; None: the one that RAY_ADDRESS names, or one of this machine.
    """

    jobs: int | None = None
    address: str | None = None


def _local(settings: EngineSettings) -> Engine:
    if settings.address is not None:
        raise UsageError("--address is that of a cluster", "give --engine ray, too")
    return LocalEngine(settings.jobs or 1)


def _ray(settings: EngineSettings) -> Engine:
    from emofuse.recordings.ray_engine import RayEngine  # needs the extra `scale`

    return RayEngine(settings.address, settings.jobs)


ENGINES: Final[Mapping[str, Callable[[EngineSettings], Engine]]] = {"local": _local, "ray": _ray}
"""Every engine by the name that `--engine` takes; makes it, or raises UsageError where it cannot be had."""
