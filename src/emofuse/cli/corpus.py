"""`emofuse corpus`: the group, and `prepare`, which writes the manifest that training and evaluation start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from emofuse.cli import corpus_audit
from emofuse.cli.console import ERR, OUT
from emofuse.errors import CorpusError
from emofuse.files import make_folder
from emofuse.formatting import pluralise
from emofuse.ownership import refuse_foreign
from emofuse.research.corpora.decode import check_clip
from emofuse.research.corpora.manifest import Manifest, is_manifest, read_manifest_in_part, write_manifest
from emofuse.research.corpora.registry import CORPORA, read_corpus

app = typer.Typer(
    name="corpus", help="Prepare and audit a corpus before training.", no_args_is_help=True, add_completion=False
)
app.command("audit")(corpus_audit.audit)


@app.command("prepare")
def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(CORPORA)}.")],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder of the corpus; for csv, the file itself.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The manifest to write, as CSV.")],
    sound: Annotated[
        Path | None, typer.Option("--sound", help="The folder of the films' sound, if it is not FOLDER (ravdess-av).")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Decode every file; write nothing if one is unreadable, empty or silent.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file even if it is not a manifest.")
    ] = False,
) -> None:
    """List the clips of a corpus in a CSV, count them, and report which files were left out, and why.

    Exit code: 0 the manifest was written, 1 it was not, 2 wrong usage.
    """
    if not overwrite:
        refuse_foreign([out], is_manifest)
    is_table = name == "csv" and sound is None
    manifest = read_manifest_in_part(folder) if is_table else read_corpus(name, folder, sound)
    _print_counts(manifest)
    _print_skipped(manifest)
    make_folder(out.parent)  # before a check that takes minutes
    duration = f", {_check(manifest) / 60:.1f} minutes" if check else ""
    write_manifest(manifest, out)
    counts = f"{pluralise(len(manifest), 'clip')}, {pluralise(len(manifest.speakers), 'speaker')}{duration}"
    OUT.print(escape(f"{out}: {counts}, licence: {manifest.licence or 'unknown'}"))


def _print_counts(manifest: Manifest) -> None:
    by_emotion, by_sex, by_speaker = (manifest.counts_by(field) for field in ("emotion", "sex", "speaker"))
    sexes = {clip.speaker: clip.sex for clip in manifest}
    emotions = _table("emotion", "clips")
    for label in manifest.labels:
        emotions.add_row(escape(label), str(by_emotion[label]))
    both = _table("sex", "clips", "speakers")
    for sex in sorted(by_sex):
        both.add_row(sex, str(by_sex[sex]), str(sum(value == sex for value in sexes.values())))
    speakers = _table("speaker", "sex", "clips")
    for speaker in manifest.speakers:
        speakers.add_row(escape(speaker), sexes[speaker], str(by_speaker[speaker]))
    OUT.print(f"[bold]{escape(manifest.name)}[/bold]")
    for table in (emotions, both, speakers):
        OUT.print(table)
        OUT.print()


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in ("clips", "speakers") else "left", overflow="fold")
    return table


def _print_skipped(manifest: Manifest) -> None:
    if not manifest.skipped:
        return
    OUT.print(f"[bold]left out {len(manifest.skipped)}:[/bold]")
    for path, reason in manifest.skipped:
        OUT.print(f"  {escape(str(path))}: {escape(reason)}")
    OUT.print()


def _check(manifest: Manifest) -> float:
    """Decode every clip and return the duration of them all in seconds; raise CorpusError where some cannot be used."""
    duration_s = 0.0
    faults: list[str] = []
    for clip in track(manifest.clips, "decoding", console=ERR, transient=True):
        try:
            duration_s += check_clip(clip)
        except CorpusError as error:
            faults.append(error.message)
    if faults:
        for fault in faults:
            ERR.print(f"  {escape(fault)}")
        raise CorpusError(
            f"{len(faults)} of {len(manifest)} clips cannot be used, so no manifest was written",
            "mend or move these files, or prepare without --check",
        )
    return duration_s
