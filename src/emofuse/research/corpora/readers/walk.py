"""What every reader does with a folder: look at each file below it, and say why when it is not one of the clips."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from emofuse.errors import CorpusError
from emofuse.research.corpora.manifest import Clip, Manifest

Skipped = tuple[Path, str]


def read_files(
    root: Path,
    name: str,
    labels: tuple[str, ...],
    licence: str,
    suffixes: Sequence[str],
    understand: Callable[[Path], Clip | str],
    example: str,
    identify: Callable[[Clip], str] = lambda clip: clip.path.stem,
) -> Manifest:
    """Make the manifest of the files below `root` that have one of `suffixes` and that `understand` makes a clip of.

    understand returns the reason where a file is none. identify tells utterances apart: of two files with the
    same one (downloads often hold a corpus twice) the earlier suffix counts, then the earlier path.
    Every file that is left out is in `skipped`. Raises CorpusError, with `example` as the hint, when none is left in.
    """
    found: list[Clip] = []
    files, skipped = files_below(root, suffixes)
    for path in files:
        if path.suffix.lower() not in suffixes:
            skipped.append((path, f"not one of {', '.join(suffixes)}"))
            continue
        clip = understand(path)
        if isinstance(clip, Clip):
            found.append(clip)
        else:
            skipped.append((path, clip))
    clips, twice = _once(found, suffixes, identify)
    skipped += twice
    if not clips:
        raise CorpusError(f"no recording of {name} under {root}", _hint(example, skipped))
    return Manifest(name, labels, tuple(clips), licence, tuple(sorted(skipped)))


def files_below(root: Path, suffixes: Sequence[str]) -> tuple[list[Path], list[Skipped]]:
    """Return every file below a folder, sorted, through links too, and what cannot be looked into, with why.

    What is hidden is passed over (.git, .DS_Store), but not a hidden file that has one of `suffixes`: those are
    the leftovers of a copy, or a recording that somebody misses.
    """
    files: list[Path] = []
    skipped: list[Skipped] = []
    entered: dict[str, str] = {}

    def refuse(error: OSError) -> None:
        folder = Path(error.filename)
        if folder.exists():
            skipped.append((folder, f"the folder cannot be read: {(error.strerror or str(error)).lower()}"))

    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        first = entered.setdefault(os.path.realpath(folder), folder)
        if first != folder:  # a link back up would go round for ever
            skipped.append((Path(folder), f"the same folder as {first}"))
            folders.clear()
            continue
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") and path.suffix.lower() not in suffixes:
                continue
            if path.is_file():
                files.append(path)
            else:
                skipped.append((path, "a link to nothing" if path.is_symlink() else "not a file"))
    return sorted(files), skipped


def _once(
    found: Sequence[Clip], suffixes: Sequence[str], identify: Callable[[Clip], str]
) -> tuple[list[Clip], list[Skipped]]:
    best: dict[str, Clip] = {}
    for clip in sorted(found, key=lambda clip: suffixes.index(clip.path.suffix.lower())):  # stable: then by path
        best.setdefault(identify(clip), clip)
    clips, twice = [], []
    for clip in found:
        chosen = best[identify(clip)]
        if chosen is clip:
            clips.append(clip)
        else:
            twice.append((clip.path, f"the same utterance as {chosen.path}"))
    return clips, twice


def _hint(example: str, skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return f"expected {example}"
    path, reason = min(skipped)
    return f"expected {example}; left out {len(skipped)}, the first {path.name}: {reason}"
