"""The jobs of a service, in SQLite: what was asked for survives a restart."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal

from emofuse.errors import UsageError

State = Literal["receiving", "queued", "running", "done", "failed"]
STATES: Final[tuple[State, ...]] = ("receiving", "queued", "running", "done", "failed")
MOST_ATTEMPTS: Final = 3  # of a job whose process, or whose service, was killed while it ran: it may be the reason
_LOCK_S: Final = 1.0  # to wait for a service that is just ending


class QueueFullError(Exception):
    """As many jobs wait as may."""


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to analyse. name: what its owner calls it, for display alone. Times are seconds of the epoch.

    progress: of 1. code and message: why it failed, and what was odd about it. options: JSON for the worker.
    """

    id: str
    name: str
    state: State
    options: str
    created_s: float
    finished_s: float | None = None
    progress: float = 0.0
    attempts: int = 0
    code: str = ""
    message: str = ""


_COLUMNS: Final = ", ".join(field.name for field in fields(Job))
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, state TEXT NOT NULL,
    options TEXT NOT NULL, created_s REAL NOT NULL, finished_s REAL, progress REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT ''
)"""


class JobStore:
    """Every change is committed when the method returns. clock: seconds of the epoch. Of one thread.

    The file and its journal are for their owner's eyes alone. A job that was deleted is in neither after `purge`.

    The file belongs to one store at a time: another raises UsageError, as does a file that is none of ours.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_purged = False
        _make_private(path)
        self._base = sqlite3.connect(path, timeout=_LOCK_S, isolation_level=None)
        try:
            self._base.execute("PRAGMA locking_mode=EXCLUSIVE")  # let go of when the process ends, however it ends
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute(
                "PRAGMA synchronous=NORMAL"
            )  # outlives the process; a power cut may cost the last change
            self._base.execute("PRAGMA secure_delete=ON")  # zeros in place of what is deleted
            self._base.execute("PRAGMA temp_store=MEMORY")  # else VACUUM writes a copy into a folder of the system's
            self._base.execute(_TABLE)
        except sqlite3.Error as error:
            self._base.close()
            hint = "another service may be using its folder: name one for this service with --folder"
            raise UsageError(f"the queue {path} cannot be used: {error}", hint) from error

    def close(self) -> None:
        """Close the file, without what deleted jobs left in it."""
        with suppress(sqlite3.Error):  # the next start tries again
            self.purge()
        self._is_purged = True  # a request that is cancelled as the service ends, deletes until then, and not after
        self._base.close()

    def reserve(self, name: str, options: str, most: int) -> Job:
        """Make a job whose recording is still to come. Raises QueueFullError where `most` of them wait already."""
        counts = self.counts()
        if counts["receiving"] + counts["queued"] >= most:
            raise QueueFullError
        job = Job(secrets.token_urlsafe(16), name, "receiving", options, self._clock())
        self._base.execute(
            "INSERT INTO jobs (id, name, state, options, created_s) VALUES (?, ?, ?, ?, ?)",
            (job.id, job.name, job.state, job.options, job.created_s),
        )
        return job

    def enqueue(self, job_id: str) -> None:
        """Let a job whose recording is whole wait for its turn."""
        self._base.execute("UPDATE jobs SET state = 'queued' WHERE id = ? AND state = 'receiving'", (job_id,))

    def requeue(self, job_id: str, *, is_counted: bool) -> None:
        """Let a running job wait again, before all others. is_counted: whether this was one of its attempts."""
        self._base.execute(
            "UPDATE jobs SET state = 'queued', progress = 0, attempts = attempts - ? "
            "WHERE id = ? AND state = 'running'",
            (0 if is_counted else 1, job_id),
        )

    def describe(self, job_id: str, name: str, options: str) -> None:
        """Change what a job is called, and its options."""
        self._base.execute("UPDATE jobs SET name = ?, options = ? WHERE id = ?", (name, options, job_id))

    def claim(self) -> Job | None:
        """Start the job that has waited longest; None where none waits."""
        row = self._base.execute(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1 WHERE number = (SELECT number FROM jobs WHERE "
            f"state = 'queued' ORDER BY number LIMIT 1) RETURNING {_COLUMNS}"
        ).fetchone()
        return None if row is None else Job(*row)

    def advance(self, job_id: str, progress: float) -> None:
        """Note how much of a running job is done."""
        self._base.execute("UPDATE jobs SET progress = ? WHERE id = ?", (min(max(progress, 0.0), 1.0), job_id))

    def finish(self, job_id: str, message: str = "") -> None:
        """Note that a job's results are there."""
        self._end(job_id, "done", "", message)

    def fail(self, job_id: str, code: str, message: str) -> None:
        """Note that a job came to nothing, and why."""
        self._end(job_id, "failed", code, message)

    def _end(self, job_id: str, state: State, code: str, message: str) -> None:
        self._base.execute(
            "UPDATE jobs SET state = ?, code = ?, message = ?, finished_s = ?, progress = CASE WHEN ? = 'done' THEN 1 "
            "ELSE progress END WHERE id = ?",
            (state, code, message, self._clock(), state, job_id),
        )

    def get(self, job_id: str) -> Job | None:
        """Return a job, None where there is none."""
        row = self._base.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else Job(*row)

    def ahead_of(self, job_id: str) -> int:
        """Count the jobs that are worked on before this one, which waits."""
        (n,) = self._base.execute(
            "SELECT COUNT(*) FROM jobs WHERE state = 'running' OR (state = 'queued' AND number < "
            "(SELECT number FROM jobs WHERE id = ?))",
            (job_id,),
        ).fetchone()
        return int(n)

    def delete(self, job_id: str) -> bool:
        """Forget a job; return whether there was one. Its name is on the disk until `purge`."""
        self._is_purged = False
        return self._base.execute("DELETE FROM jobs WHERE id = ?", (job_id,)).rowcount > 0

    def purge(self) -> None:
        """Take what deleted jobs left out of the file and its journal.

        secure_delete alone leaves the copies that SQLite makes when it moves a row to another page, and the journal.

        Raises:
            sqlite3.Error: The disk is full, for example; the next call tries again.
        """
        if self._is_purged:
            return
        self._base.execute("VACUUM")
        (is_busy, _, _) = self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise sqlite3.OperationalError("the journal is in use")
        self._is_purged = True

    def ids(self, *states: State) -> set[str]:
        """Return the ids of the jobs in these states, of all where none is named."""
        marks = ", ".join("?" * len(states or STATES))
        return {row[0] for row in self._base.execute(f"SELECT id FROM jobs WHERE state IN ({marks})", states or STATES)}

    def is_expired(self, job: Job, keep_s: float) -> bool:
        """Whether a job ended keep_s ago or longer."""
        return job.finished_s is not None and job.finished_s + keep_s <= self._clock()

    def expired(self, keep_s: float) -> list[str]:
        """Return the jobs that ended keep_s ago or longer."""
        rows = self._base.execute("SELECT id FROM jobs WHERE finished_s + ? <= ?", (keep_s, self._clock()))
        return [row[0] for row in rows]

    def next_expiry_in_s(self, keep_s: float) -> float | None:
        """Return how long it takes until the next job expires; None where none has ended."""
        (oldest_s,) = self._base.execute("SELECT MIN(finished_s) FROM jobs").fetchone()
        return None if oldest_s is None else float(oldest_s) + keep_s - self._clock()

    def counts(self) -> dict[State, int]:
        """Count the jobs by their state."""
        found = dict(self._base.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())
        return {state: int(found.get(state, 0)) for state in STATES}

    def recover(self) -> None:
        """Put right what a service that was killed left: what ran waits again, what was being received is forgotten.

        A job that was running MOST_ATTEMPTS times when the service ended is failed: it may be what ended it. What was
        deleted just before leaves the file now.
        """
        self._base.execute("DELETE FROM jobs WHERE state = 'receiving'")
        given_up = self._base.execute(
            "SELECT id FROM jobs WHERE state = 'running' AND attempts >= ?", (MOST_ATTEMPTS,)
        ).fetchall()
        for (job_id,) in given_up:
            self.fail(job_id, "interrupted", f"the service ended {MOST_ATTEMPTS} times while it was working on this")
        self._base.execute("UPDATE jobs SET state = 'queued', progress = 0 WHERE state = 'running'")
        self.purge()


def _make_private(path: Path) -> None:
    """Make a file that its owner alone may read; SQLite gives the journals beside it the same mode."""
    with suppress(FileExistsError):  # and not opened: to close it would let go of the lock of another store on it
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    path.chmod(0o600)
