"""A written page as blocks, and the same page as Markdown and as HTML that needs nothing else."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.pages import read, render

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Caution:
    """A paragraph that must not be overlooked: red."""

    text: str


@dataclass(frozen=True, slots=True)
class DefinitionList:
    """Names and what they stand for. Those in `cautions` are red."""

    pairs: tuple[tuple[str, str], ...]
    cautions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Table:
    """Cells under a header. n_numbers: how many columns after the first are numbers; any further ones are words."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_numbers: int
    is_caution: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG beside the page; text says what it shows."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """What is typed at a prompt."""

    text: str


Block = Heading | Text | Caution | DefinitionList | Table | Picture | Code


@dataclass(frozen=True, slots=True)
class Document:
    """A page. caution: what is wrong with all of it, or nothing."""

    title: str
    caution: str
    blocks: tuple[Block, ...]


def printable(text: str) -> str:
    """Make one line of text, and replace control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def to_markdown(document: Document) -> str:
    """Return the page as GitHub-flavoured Markdown; red is a caution block and a red square."""
    parts = [f"# {'🟥 ' if document.caution else ''}{_md(document.title)}"]
    if document.caution:
        parts.append(_md_caution(document.caution))
    return "\n\n".join([*parts, *map(_md_block, document.blocks)]) + "\n"


def _md(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~$&#])", r"\\\1", printable(text))


def _md_caution(text: str) -> str:
    return f"> [!CAUTION]\n> 🟥 **{_md(text)}**"


def _md_block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_md(text)}"
        case Text(text):
            return _md(text)
        case Caution(text):
            return _md_caution(text)
        case DefinitionList(pairs, cautions):
            return "\n".join(f"- {'🟥 ' if n in cautions else ''}**{_md(n)}**: {_md(text)}" for n, text in pairs)
        case Table():
            return _md_table(block)
        case Picture(file, text):
            return f"![{_md(text)}]({file})"
        case Code(text):
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            return f"{fence}sh\n{printable(text)}\n{fence}"


def _md_table(table: Table) -> str:
    marks = ["---:" if _is_number(table, i) else "---" for i in range(len(table.header))]
    header = [f"🟥 {table.header[0]}" if table.is_caution else table.header[0], *table.header[1:]]
    lines = [map(_md, header), marks, *(map(_md, row) for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def to_html(document: Document, read_picture: Callable[[str], bytes]) -> str:
    """Return the page as well-formed HTML with its pictures inside.

    It asks nothing of the network, and a policy in its head forbids it to.

    Args:
        document: The page.
        read_picture: Returns the bytes of a PNG by the name of its file.
    """
    return render(
        "research/evaluation/reports/document.html.jinja",
        style=read("research/evaluation/reports/document.css"),
        title=printable(document.title),
        caution=document.caution,
        mark=f"{document.caution.partition(':')[0]}: " if document.caution else "",
        blocks=document.blocks,
        kind_of=lambda block: type(block).__name__,
        linked=_linked,
        printable=printable,
        number=_number_class,
        png=lambda file: base64.b64encode(read_picture(file)).decode("ascii"),
    )


def _linked(text: str) -> Markup:
    """Escape text, and make links of the addresses in it."""
    from markupsafe import Markup

    pieces = re.split(r"(https://[^\s<>\"']*[^\s<>\"'.,;:)\]])", printable(text))
    link = Markup('<a href="{0}" rel="noreferrer">{0}</a>')
    return Markup().join(link.format(piece) if i % 2 else piece for i, piece in enumerate(pieces))


def _number_class(table: Table, column: int) -> Markup:
    from markupsafe import Markup

    return Markup(' class="number"') if _is_number(table, column) else Markup()


def _is_number(table: Table, column: int) -> bool:
    return 1 <= column <= table.n_numbers


def read_from(folder: Path) -> Callable[[str], bytes]:
    """Return how `to_html` finds the pictures of a page that are files in `folder`."""
    return lambda file: (folder / file).read_bytes()
