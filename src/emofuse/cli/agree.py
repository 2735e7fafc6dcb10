"""`emofuse agree`: how far two accounts of one recording agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from emofuse.agreement import STEP_S, Agreement
from emofuse.agreement import agree as compare
from emofuse.cli.console import OUT


def agree(
    first: Annotated[Path, typer.Argument(metavar="A", help="A timeline's JSON, or an annotation: .eaf or .csv.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one, of the same recording.")],
    tier: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of an ELAN file; by default the only one of emotions.")
    ] = None,
    step_s: Annotated[float, typer.Option(help="Seconds between the times that are compared.")] = STEP_S,
) -> None:
    """Compare a timeline with a person's annotation: agreement, Cohen's kappa, concordance of valence."""
    found = compare(first, second, tier=tier, step_s=step_s)
    only = " and ".join(f"{seconds:.1f} s" for seconds in found.only_s)
    OUT.print(f"compared:    {found.compared_s:.1f} s in which both have a label; one of them alone: {only}")
    OUT.print(f"agreement:   {_number(found.agreement)}")
    OUT.print(f"kappa:       {_number(found.kappa)}")
    OUT.print(f"concordance: {_number(found.concordance)} (of valence)")
    if found.compared_s:
        OUT.print(_table(found))


def _table(found: Agreement) -> Table:
    """Return the seconds by both labels."""
    table = Table("A \\ B", *(escape(label) for label in found.labels), title="seconds")
    for label, row in zip(found.labels, found.confusion, strict=True):
        table.add_row(escape(label), *(f"{seconds:.1f}" if seconds else "" for seconds in row))
    return table


def _number(value: float | None) -> str:
    return "cannot be told" if value is None else f"{value:.3f}"
