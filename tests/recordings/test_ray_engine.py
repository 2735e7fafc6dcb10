"""A cluster of two machines, one of which is lost: what comes of the recordings is what one machine gives."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from emofuse.errors import UsageError
from emofuse.files import atomic_write
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.recordings.engine import ENGINES, EngineSettings
from emofuse.recordings.one import Options, Outcome
from emofuse.recordings.plan import Task
from emofuse.recordings.pool import analyze_each
from emofuse.recordings.progress import OnProgress, Progress
from make_media import Sound, record
from running import is_running

OPTIONS = Options(("json",), AnalyzerSettings())


def pretend(task: Task, options: Options, on_progress: OnProgress) -> Outcome:
    """Do with its process what the name of the recording says, and write which of Ray's processes it belongs to."""
    name = task.source.stem
    on_progress(Progress(1.0, 2.0))
    with atomic_write(task.target("json")) as result:
        result.write_text(str(os.getppid()))
        if name.startswith("crash"):
            ctypes.string_at(0)
        if name.startswith("starve"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("slow"):
            with (task.stem.parent / f"{name}.begun").open("a") as begun:
                begun.write(f"{os.getppid()}\n")
            while not (task.stem.parent / "go").exists():
                time.sleep(0.02)
    return Outcome(task.source, files=(task.target("json"),), notes=(name,))


def tasks(folder: Path, *names: str) -> list[Task]:
    return [Task(Path(f"{name}.mp4"), folder / name) for name in names]


def test_an_address_that_does_not_answer_is_one_line() -> None:
    pytest.importorskip("ray")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(UsageError, match=rf"no Ray cluster at {address}: .*ray start --head"):
            ENGINES["ray"](EngineSettings(address=address))
    for wrong in ("nowhere", "host:0", "host:x"):
        with pytest.raises(UsageError, match=f"'{wrong}' is not an address of a cluster"):
            ENGINES["ray"](EngineSettings(address=wrong))
    with pytest.raises(UsageError, match="the address of a Ray client"):
        ENGINES["ray"](EngineSettings(address="ray://127.0.0.1:10001"))
    with pytest.raises(UsageError, match="--engine ray"):
        ENGINES["local"](EngineSettings(address=address))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # every machine has what the work is made of
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    size = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    made.add_node(**size)
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


def outcomes(found: Iterator[Outcome]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {o.source.stem: (o.failure, o.notes) for o in found}


@pytest.mark.load
def test_a_cluster_gives_what_one_machine_gives_though_a_machine_is_lost(cluster, tmp_path: Path) -> None:
    from emofuse.recordings.ray_engine import RayEngine

    names = ("slow-1", "slow-2", "a", "crash", "b")
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    far.mkdir()
    (near / "go").touch()
    alone = outcomes(analyze_each(tasks(near, *names), OPTIONS, 2, work=pretend))

    told: set[str] = set()
    engine = RayEngine(cluster.address, jobs=2, work=pretend)  # so that the first two are at work at once
    with closing(engine.analyze(tasks(far, *names), OPTIONS, lambda task, *_: told.add(task.source.stem))) as found:
        first: list[Outcome] = []
        begun = [far / "slow-1.begun", far / "slow-2.begun"]
        gathered = threading.Thread(target=lambda: first.extend(found), daemon=True)
        gathered.start()
        limit = time.monotonic() + 200
        while not all(file.exists() and file.read_text().endswith("\n") for file in begun):
            assert time.monotonic() < limit and not first, f"the two machines do not work at once: {first}"
            time.sleep(0.05)
        lost = next(node for node in cluster.list_all_nodes() if not node.head)
        workers = [int(file.read_text()) for file in begun]
        cluster.remove_node(lost, allow_graceful=False)
        while all(is_running(pid) for pid in workers):
            assert time.monotonic() < limit, "the machine goes on"
            time.sleep(0.05)
        (far / "go").touch()
        gathered.join(200)
        assert not gathered.is_alive()
    assert outcomes(iter(first)) == alone
    assert told == set(names)
    n_begun = sorted(len(file.read_text().split()) for file in begun)
    assert n_begun == [1, 2], "what the lost machine worked on is done again, and nothing else"
    assert sorted(file.name for file in far.glob("*.json")) == sorted(file.name for file in near.glob("*.json"))
    in_words = [
        said(cluster_or_not, tmp_path) for cluster_or_not in ([], ["--engine", "ray", "--address", cluster.address])
    ]
    assert in_words[0] == in_words[1]
    assert in_words[0][0] == 1 and "skipped 2 of 4" in in_words[0][2]


def said(options: list[str], folder: Path) -> tuple[int, list[str], str, str]:
    """Return the exit code of a batch, what it prints, in whatever order recordings end, and its table."""
    recordings, out = folder / "in", folder / "out"
    recordings.mkdir(exist_ok=True)
    for number, name in enumerate(("a", "c")):
        record(recordings / f"{name}.wav", sound=Sound("pcm_s16le", 16_000, "mono", 0.4, tone_hz=300.0 + 100 * number))
    (recordings / "b.mp4").write_bytes(b"no film")
    done = subprocess.run(
        [sys.executable, "-m", "emofuse", "analyze", "in", "absent.mp4", "-o", "out", "--formats", "json", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
    )
    table = (out / "summary.csv").read_text()
    documents = [json.loads((out / f"{name}.json").read_text()) for name in "ac"]
    for document in documents:
        document.pop("provenance")
        document.pop("mark")
    shutil.rmtree(out)
    return done.returncode, sorted(done.stdout.splitlines()), done.stderr, table + json.dumps(documents)
