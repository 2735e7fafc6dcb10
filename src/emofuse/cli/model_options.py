"""`--bundle`, and `--permissive-only`: a bundle that may not be used commercially is refused."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from emofuse.cli.console import OUT
from emofuse.cli.panels import MODELS
from emofuse.inference.bundle import Bundle
from emofuse.inference.licences import Licence, check_permissive, sources_of

BundleOption = Annotated[str, typer.Option(help="A bundle's name, or a folder that holds one.", rich_help_panel=MODELS)]
PermissiveOption = Annotated[
    bool,
    typer.Option(
        "--permissive-only",
        help="Refuse a bundle unless the licences of its data and weights allow commercial use.",
        rich_help_panel=MODELS,
    ),
]
_COLOURS = {Licence.YES: "green", Licence.NO: "red", Licence.UNCLEAR: "yellow"}


def check_allowed(bundle: Bundle, permissive_only: bool) -> None:
    """Raise BundleError where only what may be used commercially is asked for, and a bundle may not."""
    if permissive_only:
        check_permissive(bundle)


def print_licences(bundle: Bundle) -> None:
    """Print what each network was made of, with its licence, and whether that allows commercial use by its name."""
    table = Table("network", "made of", "licence", "commercial use", box=None, title_justify="left")
    for source in sources_of(bundle):
        allows = f"[{_COLOURS[source.allows]}]{source.allows.value}[/]"
        table.add_row(source.modality, escape(source.name), escape(source.licence), allows)
    OUT.print(table)
    OUT.print("by the names of the licences: no legal advice; emofuse itself is MIT")
