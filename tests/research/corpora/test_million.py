"""A corpus of a million clips: read, written, split and audited within the memory that docs/scale.md states."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

N_CLIPS = 1_000_000
MOST_BYTES = 1000  # of memory for each clip, beside what the process takes for an empty corpus

# In a process of its own, whose peak is that of nothing else
PROGRAM = """
import json, resource, sys
from pathlib import Path
from emofuse.research.corpora.splits.audit import SameSounds, audit
from emofuse.research.corpora.manifest import read_manifest_in_part, write_manifest
from emofuse.research.corpora.splits.protocols import make_split

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

empty = peak()
manifest = read_manifest_in_part(sys.argv[1])
write_manifest(manifest, sys.argv[2])
split = make_split("actor-6fold", manifest, n_valid=2)
overlaps = audit(manifest, split, SameSounds(()))
print(json.dumps({
    "clips": len(manifest), "skipped": [reason for _, reason in manifest.skipped],
    "folds": [[len(fold.train), len(fold.valid), len(fold.test)] for fold in split.folds],
    "overlaps": sorted({overlap.kind for overlap in overlaps}), "bytes": peak() - empty,
}))
"""


@pytest.mark.load
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak of memory is told in another unit")
def test_a_million_clips_are_prepared_split_and_audited(tmp_path: Path) -> None:
    n_files, labels = 1000, ("neutral", "happy", "sad", "angry")
    for i in range(n_files):
        (tmp_path / f"talk-{i:04}.wav").touch()
    with (tmp_path / "clips.csv").open("w") as file:
        file.write("path,emotion,speaker,sex,session,start_s,end_s,licence\n")
        for i in range(N_CLIPS):
            which, cut = i % n_files, i // n_files
            start_s = "soon" if i == 700_000 else f"{3 * cut}"
            file.write(
                f"talk-{which:04}.wav,{labels[(i + cut) % 4]},s-{which // 2:03},female,s{which // 100},"
                f"{start_s},{3 * cut + 2.5},CC BY 4.0\n"
            )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "clips.csv"), str(tmp_path / "prepared.csv")],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["clips"] == N_CLIPS - 1
    assert told["skipped"] == ["line 700002: start_s 'soon' is not a number of seconds"]
    assert all(sum(fold) == N_CLIPS - 1 for fold in told["folds"]) and len(told["folds"]) == 6
    assert told["overlaps"] == ["session"]  # as speakers of one session are in two folds
    with (tmp_path / "prepared.csv").open() as prepared:
        assert sum(1 for _ in prepared) == N_CLIPS
    assert told["bytes"] < MOST_BYTES * N_CLIPS, f"{told['bytes'] / N_CLIPS:.0f} bytes for each clip"
    print(f"{told['bytes'] / N_CLIPS:.0f} bytes of memory for each of {N_CLIPS} clips")
