"""A report on a terminal: the scores with their stamp, and what fits beside them."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Line

from emofuse.research.evaluation.reports import sections as contents
from emofuse.research.evaluation.reports.document import (
    Block,
    Caution,
    Code,
    DefinitionList,
    Document,
    Heading,
    Picture,
    Table,
    Text,
    printable,
)
from emofuse.research.evaluation.scores.report import EvaluationReport, validated

_RED = "bold red"
_BANNER = "bold white on red"


def print_report(report: EvaluationReport, console: Console) -> None:
    """Print the scores, their stamp, and the tables but those by speaker. Raises UsageError without a stamp."""
    checked = validated(report)
    sections = (
        contents.scores,
        contents.stamp,
        contents.comparison,
        contents.leak,
        contents.emotions,
        contents.folds,
        contents.sexes,
        contents.calibration,
    )
    blocks = tuple(block for section in sections for block in section(checked))
    print_document(Document(checked.title, contents.caution(checked.stamp), blocks), console)


def print_document(document: Document, console: Console) -> None:
    """Print a page's text and tables; its pictures are left to the files."""
    parts: list[RenderableType] = []
    if document.caution:
        parts.append(Line(f" {printable(document.caution)} ", style=_BANNER))
    parts.append(Line(printable(document.title), style=_RED if document.caution else "bold"))
    for block in document.blocks:
        parts += _rendered(block)
    for part in parts:
        console.print(part, soft_wrap=False)


def _rendered(block: Block) -> Sequence[RenderableType]:
    match block:
        case Heading(text):
            return [Line(), Line(printable(text), style="bold")]
        case Text(text):
            return [Padding(Line(printable(text), style="dim"), (0, 0, 0, 2), expand=False)]
        case Caution(text):
            return [Padding(Line(printable(text), style=_RED), (0, 0, 0, 2), expand=False)]
        case DefinitionList():
            return [Padding(_definitions(block), (0, 0, 0, 2), expand=False)]
        case Table():
            return [Padding(_table(block), (0, 0, 0, 1), expand=False)]
        case Code(text):
            return [Padding(Line(printable(text)), (0, 0, 0, 2), expand=False)]
        case Picture():
            return []


def _definitions(definitions: DefinitionList) -> Grid:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in definitions.pairs:
        style = _RED if name in definitions.cautions else ""
        grid.add_row(Line(printable(name), style=style or "dim"), Line(printable(text), style=style))
    return grid


def _table(table: Table) -> Grid:
    style = _RED if table.is_caution else ""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", border_style="dim")
    for i, name in enumerate(table.header):
        is_number = 1 <= i <= table.n_numbers
        grid.add_column(Line(printable(name)), justify="right" if is_number else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*(Line(printable(cell), style=style) for cell in row))
    return grid
