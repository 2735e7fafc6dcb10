"""`emofuse people`: who is in a result, with names, and joined where two are one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from emofuse.cli.console import OUT, note, printable
from emofuse.errors import UsageError
from emofuse.outputs.formats import FORMATS, get_format
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.marks import UNKNOWN, mark_file, origin
from emofuse.outputs.tables import read_json
from emofuse.recordings.people_edits import edit_people
from emofuse.timeline import Timeline


def people(
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="A result that analyze wrote.")],
    name: Annotated[
        list[str] | None, typer.Option("--name", metavar="ID=NAME", help="Name a person; can be repeated.")
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option("--merge", metavar="ID,ID", help="Merge entries that are the same person; can be repeated."),
    ] = None,
    formats: Annotated[
        str, typer.Option(metavar="LIST", help="Other results beside it to write again, such as html,eaf.")
    ] = "",
) -> None:
    """List the people of a result, name them, and merge entries that are the same person.

    With --name or --merge the file is written again, and so are the --formats beside it. Example:
    emofuse people clip.json --merge 3,5 --name 1=Anna --formats html
    """
    timeline = read_json(file)
    joined = [[_id(one, group) for one in group.split(",")] for group in merge or []]
    timeline = edit_people(timeline, dict(map(_named, name or [])), joined)
    if name or merge:
        _write(timeline, file, ["json", *(kind.strip() for kind in formats.split(",") if kind.strip())])
    if timeline.people:
        OUT.print(_table(timeline))
    else:
        note("this result lists no people: analyse the recording again to find them")


def _named(text: str) -> tuple[int, str]:
    number, separator, name = text.partition("=")
    if not separator:
        raise UsageError(f"--name {text!r} has no name", "give it as 1=Anna")
    return _id(number, text), name


def _id(text: str, whole: str) -> int:
    if not text.strip().isdecimal():
        raise UsageError(
            f"{text.strip()!r} in {whole!r} is not a person's number", "the numbers are those that are listed"
        )
    return int(text)


def _write(timeline: Timeline, file: Path, kinds: list[str]) -> None:
    recording = origin("json", file)
    for kind in kinds:
        format = get_format(kind)
        if format.write is None:
            known = ", ".join(name for name, one in FORMATS.items() if one.write is not None)
            raise UsageError(f"{kind!r} cannot be written from a result", f"choose from {known}")
        path = file if kind == "json" else file.with_name(f"{file.stem}.{format.suffix}")
        film = file.with_suffix(".mp4")
        links = MediaLinks.between(timeline.source.path, path, film if film.is_file() else None)
        format.write(timeline, path, links)
        if recording not in (None, UNKNOWN):
            mark_file(kind, path, recording)


def _table(timeline: Timeline) -> Table:
    table = Table("id", "name", "seen", "speaks", "mostly")
    for person in timeline.people:
        mostly = next(iter(person.share_of_time.items()), None)
        spoke = "?" if person.spoke is None else f"{sum(b - a for a, b in person.spoke):.1f} s"
        table.add_row(
            str(person.id),
            escape(printable(person.name)),
            f"{person.seen_s:.1f} s",
            spoke,
            "" if mostly is None else escape(printable(f"{mostly[0]} ({mostly[1]:.1f} s)")),
        )
    return table
