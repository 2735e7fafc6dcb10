"""The queue: order, limits, what a restart makes of it, and that one service has it to itself."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emofuse.errors import UsageError
from emofuse.service.store import MOST_ATTEMPTS, JobStore, QueueFullError


class Clock:
    """A time that stands still until it is set."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], JobStore]]:
    """Return what opens the same file again, after closing it."""
    stores: list[JobStore] = []

    def again() -> JobStore:
        for store in stores:
            store.close()
        stores.append(JobStore(tmp_path / "jobs.sqlite", clock))
        return stores[-1]

    yield again
    stores[-1].close()


@pytest.fixture
def store(opened: Callable[[], JobStore]) -> JobStore:
    return opened()


def queued(store: JobStore, name: str = "a.mp4") -> str:
    job = store.reserve(name, "{}", 100)
    store.enqueue(job.id)
    return job.id


def test_jobs_are_worked_on_in_the_order_in_which_they_came_whatever_the_clock_says(
    store: JobStore, clock: Clock
) -> None:
    first = queued(store)
    clock.now_s = 10.0  # somebody has set it back
    second = queued(store)
    assert [store.ahead_of(first), store.ahead_of(second)] == [0, 1]
    claimed = store.claim()
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.attempts) == (first, "running", 1)
    assert store.ahead_of(second) == 1  # the one that runs
    second_claimed = store.claim()
    assert second_claimed is not None and second_claimed.id == second
    assert store.claim() is None


def test_a_job_that_is_still_coming_is_not_worked_on_but_takes_its_place(store: JobStore) -> None:
    store.reserve("a", "{}", 2)
    queued(store)
    with pytest.raises(QueueFullError):
        store.reserve("c", "{}", 2)
    claimed = store.claim()
    assert claimed is not None
    assert store.claim() is None
    assert store.reserve("c", "{}", 2).state == "receiving"  # one that runs takes none


def test_a_job_goes_through_its_states(store: JobStore, clock: Clock) -> None:
    job_id = queued(store)
    store.describe(job_id, "b.mp4", '{"mode": "frame"}')
    store.claim()
    store.advance(job_id, 7.0)
    store.advance(job_id, 0.5)
    found = store.get(job_id)
    assert found is not None and (found.name, found.progress, found.finished_s) == ("b.mp4", 0.5, None)
    assert found.options == '{"mode": "frame"}'
    clock.now_s = 1005.0
    store.finish(job_id, "odd")
    found = store.get(job_id)
    assert found is not None
    assert (found.state, found.progress, found.finished_s, found.message) == ("done", 1.0, 1005.0, "odd")
    assert store.counts() == {"receiving": 0, "queued": 0, "running": 0, "done": 1, "failed": 0}
    assert store.delete(job_id) and not store.delete(job_id)
    assert store.get(job_id) is None


def test_what_has_ended_expires_to_the_second(store: JobStore, clock: Clock) -> None:
    job_id = queued(store)
    assert store.next_expiry_in_s(60) is None
    store.claim()
    store.fail(job_id, "crashed", "why")
    clock.now_s += 59
    job = store.get(job_id)
    assert job is not None
    assert store.next_expiry_in_s(60) == 1
    assert not store.is_expired(job, 60) and store.expired(60) == []
    clock.now_s += 1
    assert store.is_expired(job, 60) and store.expired(60) == [job_id]


def test_a_restart_runs_again_what_ran_and_forgets_what_was_coming(opened: Callable[[], JobStore]) -> None:
    store = opened()
    coming = store.reserve("coming", "{}", 9).id
    running, waiting = queued(store), queued(store)
    store.claim()
    store.advance(running, 0.7)
    store = opened()
    store.recover()
    assert store.get(coming) is None
    assert store.ids("queued") == {running, waiting}
    found = store.claim()
    assert found is not None and (found.id, found.progress, found.attempts) == (running, 0.0, 2)


def test_a_job_that_was_running_whenever_the_service_died_is_given_up(opened: Callable[[], JobStore]) -> None:
    store = opened()
    job_id = queued(store)
    for attempt in range(MOST_ATTEMPTS):
        claimed = store.claim()
        assert claimed is not None and claimed.attempts == attempt + 1
        store = opened()
        store.recover()
    found = store.get(job_id)
    assert found is not None and (found.state, found.code) == ("failed", "interrupted")


def test_an_orderly_restart_is_no_attempt(store: JobStore) -> None:
    job_id = queued(store)
    for _ in range(3 * MOST_ATTEMPTS):
        store.claim()
        store.requeue(job_id, is_counted=False)
    found = store.get(job_id)
    assert found is not None and (found.state, found.attempts) == ("queued", 0)
    store.claim()
    store.requeue(job_id, is_counted=True)
    found = store.get(job_id)
    assert found is not None and found.attempts == 1


def test_only_what_is_coming_can_be_put_into_the_queue(store: JobStore) -> None:
    job_id = queued(store)
    store.claim()
    store.finish(job_id)
    store.enqueue(job_id)
    store.requeue(job_id, is_counted=True)
    found = store.get(job_id)
    assert found is not None and found.state == "done"


def test_another_service_cannot_have_the_same_queue(store: JobStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another service may be using its folder"):
        JobStore(tmp_path / "jobs.sqlite", Clock())


def test_the_queue_of_a_service_that_was_killed_is_free(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    code = (
        "import os, sys; from pathlib import Path; from emofuse.service.store import JobStore\n"
        "store = JobStore(Path(sys.argv[1]), lambda: 1.0); job = store.reserve('a', '{}', 9); store.enqueue(job.id)\n"
        "print(job.id, flush=True); os.kill(os.getpid(), 9)"
    )
    found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    store = JobStore(path, Clock())
    claimed = store.claim()
    store.close()
    assert claimed is not None and claimed.id == found.stdout.strip()


def test_a_file_that_is_no_queue_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(UsageError, match="cannot be used: file is not a database"):
        JobStore(path, Clock())


def bytes_in(folder: Path) -> bytes:
    """Return all that is in the files of a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_what_was_deleted_is_in_no_file(store: JobStore, tmp_path: Path) -> None:
    """Rows are moved between pages as others come and go; a copy that stayed behind would be found."""
    chance = random.Random(0)
    names: dict[str, str] = {}
    for i in range(150):
        name = f"private-{i}-" + "x" * chance.randrange(100)
        job_id = store.reserve("recording", "{}", 999).id
        store.describe(job_id, name, "{}")
        store.enqueue(job_id)
        names[job_id] = name
        if i % 3 == 2:
            gone = chance.choice(sorted(names))
            store.delete(gone)
            store.purge()
            del names[gone]
            kept = sorted(name.split("-")[1] for name in names.values())
            found = bytes_in(tmp_path)
            told = sorted({part.split(b"-")[0].decode() for part in found.split(b"private-")[1:]})
            assert told == kept
    for job_id in names:
        store.delete(job_id)
    store.purge()
    assert b"private-" not in bytes_in(tmp_path)


def test_what_a_killed_service_had_deleted_is_gone_after_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    code = (
        "import os, sys; from pathlib import Path; from emofuse.service.store import JobStore\n"
        "store = JobStore(Path(sys.argv[1]), lambda: 1.0); kept = store.reserve('kept.mp4', '{}', 9)\n"
        "store.enqueue(kept.id); store.delete(store.reserve('private.mp4', '{}', 9).id)\n"
        "store.reserve('private-still-coming.mp4', '{}', 9); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert b"private" in bytes_in(tmp_path)  # it was killed before it could
    store = JobStore(path, Clock())
    store.recover()
    assert b"private" not in bytes_in(tmp_path) and b"kept.mp4" in bytes_in(tmp_path)
    store.close()


def test_a_purge_that_fails_is_made_up_for(store: JobStore, tmp_path: Path) -> None:
    store.delete(queued(store, "private.mp4"))
    store._base.execute("BEGIN")  # VACUUM is not possible within a transaction
    with pytest.raises(sqlite3.OperationalError):
        store.purge()
    store._base.execute("COMMIT")
    store.purge()
    assert b"private" not in bytes_in(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no modes of files")
def test_the_files_are_their_owners_alone(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "jobs.sqlite").touch(0o644)
    store = JobStore(tmp_path / "jobs.sqlite", clock)
    queued(store)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"jobs.sqlite": 0o600, "jobs.sqlite-wal": 0o600}
    store.close()
