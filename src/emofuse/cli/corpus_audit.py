"""`emofuse corpus audit`: what the parts of a split share, ours or anybody's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.progress import Progress

from emofuse.cli.console import ERR, OUT, note
from emofuse.errors import UsageError
from emofuse.formatting import pluralise
from emofuse.research.corpora.manifest import Manifest, read_manifest
from emofuse.research.corpora.splits.audit import KINDS, Kind, Overlap, SameSounds, contradictions, same_sounds
from emofuse.research.corpora.splits.audit import audit as find_overlaps
from emofuse.research.corpora.splits.protocols import (
    Split,
    is_leaky,
    make_split,
    missing_emotions,
    names_a_file,
    read_split,
)

N_VALID: Final = 2  # speakers that validate where a protocol is audited
_FIELDS: Final[dict[Kind, str]] = {"session": "session", "sentence": "statement"}  # which a manifest may leave empty
_PLURAL: Final[dict[Kind, str]] = {
    "speaker": "speakers",
    "session": "sessions",
    "audio": "sounds",
    "sentence": "sentences",
}


def audit(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST.csv", help="The table of the clips.")],
    split: Annotated[
        str,
        typer.Option(
            help="A CSV that assigns clips, speakers or sessions to folds or parts, or the name of a protocol."
        ),
    ],
    n_valid: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"Speakers who validate; default {N_VALID}, and 0 for a file, which is audited as given."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of a random split.")] = 0,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help=f"An overlap that is intended; can be repeated: {', '.join(KINDS)}."),
    ] = None,
) -> None:
    """List what two parts of a fold share: a speaker, a session, a sound under two names, a sentence.

    The exit code is 1 when there is any, and 0 when there is none.

    Where everybody says the same few sentences, as in RAVDESS, all parts share them: --allow sentence.
    """
    allowed = _kinds(allow or ())
    clips = read_manifest(manifest)
    if names_a_file(split):
        made = read_split(split, clips, n_valid or 0)
    else:
        made = make_split(split, clips, N_VALID if n_valid is None else n_valid, seed)
    sounds = SameSounds(()) if "audio" in allowed else _sounds(clips)
    overlaps = find_overlaps(clips, made, sounds)
    leaky = is_leaky(made, clips) or "LEAKY" in made.description
    OUT.print(f"[bold]{escape(clips.name)}[/bold]: {len(clips)} clips, {len(clips.speakers)} speakers")
    OUT.print(escape(made.description).replace("LEAKY", "[bold red]LEAKY[/bold red]"))
    _print_counts(clips, made)
    _print_overlaps(overlaps, allowed)
    compared = [kind for kind in KINDS if kind not in allowed and _is_told(clips, kind)]
    _print_notes(clips, made, sounds, allowed)
    found = Counter(o.kind for o in overlaps if o.kind not in allowed)
    if leaky:
        OUT.print("[bold red]LEAKY[/bold red]: speakers of a test part are known from training or validation")
    _print_verdict(found, compared)
    if found:
        raise typer.Exit(1)


def _kinds(names: Sequence[str]) -> set[Kind]:
    for name in names:
        if name not in KINDS:
            raise UsageError(f"there is no overlap {name!r} to allow", f"one of {', '.join(KINDS)}")
    return {kind for kind in KINDS if kind in names}


def _sounds(manifest: Manifest) -> SameSounds:
    with Progress(console=ERR, transient=True) as progress:
        task = progress.add_task("comparing sounds", total=len(manifest))
        return same_sounds(manifest, lambda step, done, total: progress.update(task, completed=done, total=total))


def _print_counts(manifest: Manifest, split: Split) -> None:
    """Print clips by fold, part and emotion; as lines, which no narrow terminal or pipe cuts off."""
    labels = [label for label in manifest.labels if manifest.counts()[label]]
    rows = [["fold", "part", "clips", "speakers", *labels]]
    for fold in split.folds:
        for part, indices in (("train", fold.train), ("valid", fold.valid), ("test", fold.test)):
            held = [manifest.clips[i] for i in indices]
            by_label = Counter(clip.emotion for clip in held)
            n_speakers = len({clip.speaker for clip in held})
            rows.append([fold.name, part, f"{len(held)}", f"{n_speakers}", *(f"{by_label[each]}" for each in labels)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(w) if at < 2 else cell.rjust(w) for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        OUT.print("  " + escape("  ".join(cells)))


def _print_overlaps(overlaps: Sequence[Overlap], allowed: set[Kind]) -> None:
    for kind in KINDS:
        of_kind = [o for o in overlaps if o.kind == kind]
        if kind in allowed:
            if of_kind:
                OUT.print(f"{kind}: {pluralise(len(of_kind), 'overlap')}, allowed")
            continue
        for o in of_kind:
            a, b = o.parts
            what = repr(o.value)
            if kind == "audio":
                what = " and ".join(str(paths[0]) for paths in (o.clips_a, o.clips_b))
            counts = f"{pluralise(len(o.clips_a), 'clip')} in {a}, {len(o.clips_b)} in {b}"
            OUT.print(f"[red]{kind}[/red]: fold {escape(o.fold)}, {a} and {b}: {escape(what)} ({counts})")


def _print_notes(manifest: Manifest, split: Split, sounds: SameSounds, allowed: set[Kind]) -> None:
    """Say what was not compared, and what is odd without being an overlap."""
    for kind, field in _FIELDS.items():
        n_without = sum(not getattr(clip, field) for clip in manifest)
        if n_without and kind not in allowed:
            note(f"{n_without} of {len(manifest)} clips have no {field} in the manifest: not compared by {kind}")
    if "audio" in allowed:
        note("sounds were not compared: --allow audio")
    for path, reason in sounds.undecoded:
        note(f"compared by the bytes of its file: {path}: {reason}")
    for group in contradictions(manifest, sounds):
        clips = [manifest.clips[i] for i in group]
        who = ", ".join(f"{clip.path} ({clip.speaker}, {clip.emotion})" for clip in clips)
        note(f"the same sound under different speakers or emotions: {who}")
    for fold in split.folds:
        missing = missing_emotions(fold, manifest)
        if missing:
            note(f"fold {fold.name} has no clip of {', '.join(missing)} to train on")


def _is_told(manifest: Manifest, kind: Kind) -> bool:
    """Say whether the manifest has anything to compare by."""
    field = _FIELDS.get(kind)
    return field is None or any(getattr(clip, field) for clip in manifest)


def _print_verdict(found: Counter[Kind], compared: Sequence[Kind]) -> None:
    if not found:
        names = " or ".join(_PLURAL[kind] for kind in compared) or "anything that is not allowed"
        OUT.print(f"[bold green]clean[/bold green]: no two parts of a fold share {names}")
        return
    kinds = ", ".join(f"{kind} {n}" for kind, n in found.items())
    OUT.print(f"[bold red]{pluralise(found.total(), 'overlap')}[/bold red]: {kinds}")
    if set(found) == {"sentence"}:
        note("if all speakers use the same sentences by design, add --allow sentence")
