"""Gives every reader damaged files and messages, and counts what comes of it.

python benchmarks/fuzz.py --n 100000            # all readers, on all cores
python benchmarks/fuzz.py --n 5000 --only media # one of them

Answers and our own errors are right; a foreign exception, a promise that is broken, a crash, over --seconds or over
--megabytes for one input is not: it is listed, and the input is kept in --keep. The readers run in processes of their
own, which a watchdog ends and starts anew. The same number gives the same input (the seeds are encoded anew, though, by
whatever FFmpeg is here).
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import re
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

_START_S = 300.0  # in which a worker has to be ready
_ANYTHING_S = 0.2


def main() -> None:
    """Run the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--n", type=int, default=100_000, help="inputs, of all readers together")
    arguments.add_argument("--first", type=int, default=0, help="number of the first input of each reader")
    arguments.add_argument("--only", nargs="*", default=[], help="readers; default: all")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    arguments.add_argument("--seconds", type=float, default=20.0, help="of processor time that one input may take")
    arguments.add_argument("--megabytes", type=float, default=1024.0, help="that one input may take")
    arguments.add_argument("--minutes", type=float, default=1e9, help="end after so long")
    arguments.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder for inputs that went wrong")
    arguments.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.worker is not None:
        _work(given.worker)
        return
    sys.exit(1 if _run(given) else 0)


@dataclass
class Tally:
    """What came of the inputs, by reader."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)  # what went wrong: inputs
    slowest_s: dict[str, float] = field(default_factory=dict)
    largest_mb: dict[str, float] = field(default_factory=dict)
    n_done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def _run(given: argparse.Namespace) -> int:
    """Hand the inputs out, and print what came of them; return how many went wrong."""
    from fuzz_targets import TARGETS

    names = given.only or list(TARGETS)
    n_shares = sum(TARGETS[name].share for name in names)
    work: queue.Queue[tuple[str, int]] = queue.Queue()
    ahead = [(i * n_shares / TARGETS[t].share, t, i) for t in names for i in range(_n_of(t, given.n, n_shares))]
    for _, target, number in sorted(ahead):
        work.put((target, given.first + number))
    seeds = Path(tempfile.mkdtemp(prefix="emofuse-seeds-"))
    tally, until_s = Tally(), time.monotonic() + 60 * given.minutes
    try:
        for target in names:
            folder = seeds / target
            folder.mkdir()
            scratch = seeds / "scratch"
            scratch.mkdir(exist_ok=True)
            for name, data in TARGETS[target].make_seeds(scratch).items():
                (folder / name).write_bytes(data)
        threads = [
            threading.Thread(target=_follow, args=(work, seeds, given, tally, until_s), daemon=True)
            for _ in range(given.jobs)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(min(20.0, _ANYTHING_S if len(ahead) < 1000 else 20.0))
            n_wrong = sum(map(len, tally.wrong.values()))
            print(f"{tally.n_done:,} of {len(ahead):,}; {n_wrong} went wrong", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(seeds, ignore_errors=True)
    _print(tally)
    return sum(map(len, tally.wrong.values()))


def _n_of(target: str, n: int, n_shares: int) -> int:
    from fuzz_targets import TARGETS

    return max(1, n * TARGETS[target].share // n_shares)


def _print(tally: Tally) -> None:
    print("| reader | inputs | answers | our errors | wrong | slowest, s | most memory, MB |")
    print("|---|---|---|---|---|---|---|")
    total: Counter[str] = Counter()
    for target, counts in sorted(tally.counts.items()):
        total += counts
        extremes = f"{tally.slowest_s[target]:.1f} | {tally.largest_mb[target]:.0f}"
        print(f"| {target} | {_cells(counts)} | {extremes} |")
    extremes = f"{max(tally.slowest_s.values(), default=0):.1f} | {max(tally.largest_mb.values(), default=0):.0f}"
    print(f"| all | {_cells(total)} | {extremes} |")
    for what, inputs in sorted(tally.wrong.items(), key=lambda item: -len(item[1])):
        print(f"\n{len(inputs)} x {what}\n  {', '.join(inputs[:5])}")


def _cells(counts: Counter[str]) -> str:
    n_wrong = counts.total() - counts["answer"] - counts["ours"]
    return f"{counts.total():,} | {counts['answer']:,} | {counts['ours']:,} | {n_wrong:,}"


def _follow(
    work: queue.Queue[tuple[str, int]], seeds: Path, given: argparse.Namespace, tally: Tally, until_s: float
) -> None:
    """Give inputs to one worker after the other: to the next where one dies, hangs or has done many."""
    worker: _Worker | None = None
    while time.monotonic() < until_s:
        try:
            target, number = work.get_nowait()
        except queue.Empty:
            break
        if worker is None:
            worker = _Worker(seeds)
        told = worker.ask(target, number, 3 * given.seconds + 10)
        outcome, what = told["outcome"], told.get("what", "")
        if told.get("mb", 0.0) > given.megabytes:
            outcome, what = "memory", f"{target}: over {given.megabytes:g} MB"
        if told.get("s", 0.0) > given.seconds:
            outcome, what = "slow", f"{target}: over {given.seconds:g} s"
        with tally.lock:
            tally.n_done += 1
            tally.counts.setdefault(target, Counter())[outcome] += 1
            tally.slowest_s[target] = max(tally.slowest_s.get(target, 0.0), told.get("s", 0.0))
            tally.largest_mb[target] = max(tally.largest_mb.get(target, 0.0), told.get("mb", 0.0))
            if outcome not in ("answer", "ours"):
                tally.wrong.setdefault(what, []).append(_kept(target, number, seeds, given.keep))
                print(f"{target} {number}: {what}", file=sys.stderr, flush=True)
        if outcome in ("crash", "hang", "memory"):
            worker.end()
            worker = None
    if worker is not None:
        worker.end()


def _kept(target: str, number: int, seeds: Path, folder: Path) -> str:
    """Write an input that went wrong, and return its name."""
    from fuzz_targets import damaged

    name, data = damaged(target, number, _read_seeds(seeds / target))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{target.replace(' ', '-')}-{number}-{name.replace(' ', '-')}"
    file.write_bytes(data)
    return file.name


def _read_seeds(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class _Worker:
    """A process that reads damaged files, from the watchdog's side."""

    def __init__(self, seeds: Path) -> None:
        command = [sys.executable, __file__, "--worker", str(seeds)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "EMOFUSE_OFFLINE": "1", "PYTHONFAULTHANDLER": "0"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._is_ready = False

    def ask(self, target: str, number: int, within_s: float) -> dict[str, object]:
        """Give it an input and return what came of it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{json.dumps([target, number])}\n".encode())
            self._process.stdin.flush()
            line = self._line(within_s + (0.0 if self._is_ready else _START_S))
        except BrokenPipeError:
            line = b""
        self._is_ready = True
        if line is None:
            return {"outcome": "hang", "what": f"{target}: no end"}
        if not line:
            code = self._process.wait()
            return {"outcome": "crash", "what": f"{target}: the process died ({code})"}
        told: dict[str, object] = json.loads(line)
        return told

    def _line(self, within_s: float) -> bytes | None:
        """Return the next line, b"" where the process is gone, None where nothing comes in time."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(within_s):
                return None
        return self._process.stdout.readline()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def _work(seeds: Path) -> None:
    """Read what standard input names; write a line about each to what was standard output."""
    from fuzz_targets import damaged, judge

    told = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    known: dict[str, dict[str, bytes]] = {}
    scratch = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    for line in sys.stdin:
        target, number = json.loads(line)
        if target not in known:
            known[target] = _read_seeds(seeds / target)
        name, data = damaged(target, number, known[target])
        before_mb = _reset_peak()
        began_s = time.process_time()
        with tempfile.TemporaryDirectory(dir=scratch, prefix="emofuse-fuzz-") as folder:
            try:
                outcome = {"outcome": judge(target, name, data, Path(folder))}
            except Exception as error:  # noqa: BLE001 (this is what is looked for)
                outcome = {"outcome": "foreign", "what": _described(target, error)}
        spent_s = time.process_time() - began_s
        outcome |= {"s": spent_s, "mb": _peak_mb() - before_mb}  # type: ignore[dict-item]
        told.write(json.dumps(outcome) + "\n")
        told.flush()


def _described(target: str, error: Exception) -> str:
    """Say what was raised and where in our code, so that the same faults count as one."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/emofuse/" in frame.filename]
    where = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    text = re.sub(r"\d+(\.\d+)?", "#", str(error))[:200]
    return f"{target}: {type(error).__name__}{where}: {text!r}"


def _reset_peak() -> float:
    """Let the peak of this process's memory begin anew, and return what it has now, in megabytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return _peak_mb()


def _peak_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
    except (OSError, TypeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
