"""`emofuse privacy`: what is kept of people, where, for how long, and how it is deleted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.markup import escape
from rich.table import Table

from emofuse.assets import cache_folder
from emofuse.cli.console import OUT
from emofuse.errors import OutputError, UsageError
from emofuse.formatting import pluralise
from emofuse.outputs.formats import FORMATS
from emofuse.recordings.plan import RECORDS

What = Literal["features", "service", "results"]
_NAMES: Final = {f".{one.suffix.lower()}": one for one in FORMATS.values()}


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that emofuse keeps. until: for how long; deleted_by: how it goes."""

    what: str
    holds: str
    where: str
    n_bytes: int
    until: str
    deleted_by: str


def privacy(
    results: Annotated[
        list[Path] | None, typer.Argument(metavar="[FOLDER...]", help="Folders of results, to include as well.")
    ] = None,
    service: Annotated[
        Path | None, typer.Option(help="The folder of the service; default: the one in the cache.")
    ] = None,
    delete: Annotated[
        What | None,
        typer.Option(help="features, service, or results: the files that emofuse wrote into the given folders."),
    ] = None,
) -> None:
    """List what is stored about people, where, and for how long; with --delete, delete it.

    An analysis sends nothing anywhere, and stores only its results. Stop the service before deleting `service`.
    """
    folders = list(results or ())
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder", "name the folders of results")
    place = service or cache_folder() / "service"
    if delete == "results":
        if not folders:
            raise UsageError("--delete results needs the folders that hold them")
        n = sum(_delete_results(folder) for folder in folders)
        OUT.print(f"deleted {pluralise(n, 'file')} that emofuse wrote; everything else in the folders stays")
    elif delete == "features":
        OUT.print(f"deleted {_megabytes(_delete_features())} of decoded sound and faces")
    elif delete == "service":
        OUT.print(f"deleted {pluralise(_delete_service(place), 'job')} in {escape(str(place))}")
    else:
        _print(_kept(place, folders))


def _kept(service: Path, folders: Sequence[Path]) -> list[Kept]:
    features, hub = cache_folder() / "features", Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    found = [
        Kept(
            "training and evaluation: decoded corpora",
            "voices and faces of the corpora that you trained or measured on",
            str(features),
            _size(features),
            "until it is deleted",
            "--delete features",
        ),
        Kept(
            "the service",
            "recordings that wait or are analysed, their names, and results",
            str(service),
            _size(service),
            "a recording until it was analysed, results for --keep-s, an hour by default",
            "DELETE /v1/analyses/ID, or --delete service",
        ),
        Kept(
            "weights that were fetched",
            "nothing of yours",
            str(cache_folder()),
            _size(cache_folder()) - _size(features) - _size(cache_folder() / "service"),
            "until it is deleted",
            "delete the folder",
        ),
        Kept(
            "models of the Hugging Face Hub and Whisper",
            "nothing of yours",
            str(hub),
            _size(hub),
            "until it is deleted",
            "delete the folder",
        ),
    ]
    for folder in folders:
        n_bytes = sum(file.stat().st_size for file in _own_files(folder))
        holds = "faces, words and emotions of those recorded; where the recordings are, and the command"
        found.append(Kept("results", holds, str(folder), n_bytes, "until it is deleted", "--delete results FOLDER"))
    return found


def _print(found: Sequence[Kept]) -> None:
    OUT.print("[bold]Nothing leaves this machine[/bold] by an analysis or the service; what emofuse keeps on it:")
    for one in found:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        for name, text in (
            ("holds", one.holds),
            ("where", f"{one.where} ({_megabytes(one.n_bytes)})"),
            ("how long", one.until),
            ("goes by", one.deleted_by),
        ):
            table.add_row(f"  {name}", escape(text))
        OUT.print(f"\n[bold]{escape(one.what)}[/bold]")
        OUT.print(table)
    OUT.print(
        "\nWhat is deleted is unlinked, not written over: encrypt the disk where that matters. Results of `emofuse "
        "analyze` lie in the folder that you chose; name it here to see and delete them."
    )


def _own_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder that emofuse wrote, as it wrote them."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.is_symlink():
            continue
        kind = _NAMES.get(file.suffix.lower())
        if RECORDS in file.relative_to(folder).parts or (kind is not None and kind.is_ours(file)):
            yield file


def _delete_results(folder: Path) -> int:
    n = 0
    for file in list(_own_files(folder)):
        _unlink(file)
        n += 1
    records = folder / RECORDS
    if records.is_dir() and not any(path.is_file() for path in records.rglob("*")):
        shutil.rmtree(records, ignore_errors=True)
    return n


def _delete_features() -> int:
    """Delete the arrays that are cached, and nothing else that may lie there. Return how many bytes they had."""
    folder = cache_folder() / "features"
    n_bytes = 0
    for file in sorted(folder.glob("??/*.npy")):
        n_bytes += file.stat().st_size
        _unlink(file)
    return n_bytes


def _delete_service(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    try:
        from emofuse.service.deletion import delete_all
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed", "pip install 'emofuse[serve]'") from None
    return delete_all(folder)


def _unlink(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot delete {file}: {error.strerror or error}", "delete it yourself") from None


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"
