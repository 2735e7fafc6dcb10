"""Damaged files of every kind that is read, a few hundred: an answer, or an error of ours that names the file.

benchmarks/fuzz.py tries a hundred thousand, in processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz_targets import TARGETS, damaged, judge

N_EACH = 12
N_MEDIA = 60
# what each once did, by number: found by the long run
FOUND: dict[str, tuple[int, ...]] = {
    "feature archive": (235, 293, 396, 570),
    "media": (714, 1015),
    "address": (3,),
    "bundle": (100_248,),
    "manifest": (14, 53),
    "feature table": (27,),
    "split": (27,),
    "recipe": (22, 749),
}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, bytes]]:
    """Return what makes the whole files of a target, once for those that share them."""
    made: dict[object, dict[str, bytes]] = {}

    def of(target: str) -> dict[str, bytes]:
        make = TARGETS[target].make_seeds
        if make not in made:
            made[make] = make(tmp_path_factory.mktemp("seeds"))
        return made[make]

    return of


@pytest.mark.parametrize("target", TARGETS)
def test_whole_files_are_read(target: str, seeds: Callable[[str], dict[str, bytes]], tmp_path: Path) -> None:
    if target in ("live", "http", "message", "form"):
        pytest.skip("a request may be right and refused")
    found = {}
    n_most = 5 if target in ("analysis", "annotated", "recognised") else None  # of the files that `media` reads all of
    for name, data in list(seeds(target).items())[:n_most]:
        folder = tmp_path / name
        folder.mkdir()
        found[name] = judge(target, name, data, folder)
    assert "answer" in found.values(), found


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_files_are_read_or_refused(
    target: str, seeds: Callable[[str], dict[str, bytes]], tmp_path: Path
) -> None:
    numbers = (*FOUND.get(target, ()), *range(N_MEDIA if target == "media" else N_EACH))
    for number in numbers:
        name, data = damaged(target, number, seeds(target))
        folder = tmp_path / f"{number}"
        folder.mkdir(exist_ok=True)
        assert judge(target, name, data, folder) in ("answer", "ours"), number


def test_the_same_number_is_the_same_damage(seeds: Callable[[str], dict[str, bytes]]) -> None:
    made = [damaged("transcript", number, seeds("transcript")) for number in (0, 1, 0)]
    assert made[0] == made[2] != made[1]
