"""A written page as blocks, and the same page as Markdown and as HTML that needs nothing else."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final


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


def to_html(document: Document, read: Callable[[str], bytes]) -> str:
    """Return the page as well-formed HTML with its pictures inside; `read` returns the bytes of one.

    It asks nothing of the network, and a policy in its head forbids it to.
    """
    caution = f'<p class="banner">{_html(document.caution)}</p>' if document.caution else ""
    body = "\n".join(_html_block(block, read) for block in document.blocks)
    mark = f"{_html(document.caution.partition(':')[0])}: " if caution else ""
    return _PAGE.format(
        title=_html(document.title),
        mark=mark,
        kind=' class="caution"' if caution else "",
        style=_STYLE,
        caution=caution,
        body=body,
    )


def _html(text: str) -> str:
    """Escape text, and make links of the addresses in it."""
    pieces = re.split(r"(https://[^\s<>\"']*[^\s<>\"'.,;:)\]])", printable(text))
    return "".join(
        f'<a href="{escape(piece)}" rel="noreferrer">{escape(piece)}</a>' if i % 2 else escape(piece)
        for i, piece in enumerate(pieces)
    )


def _html_block(block: Block, read: Callable[[str], bytes]) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_html(text)}</h2>"
        case Text(text):
            return f"<p>{_html(text)}</p>"
        case Caution(text):
            return f'<p class="caution">{_html(text)}</p>'
        case DefinitionList(pairs, cautions):
            marks = dict.fromkeys(cautions, ' class="caution"')
            rows = [f"<dt>{_html(name)}</dt><dd{marks.get(name, '')}>{_html(text)}</dd>" for name, text in pairs]
            return f"<dl>{''.join(rows)}</dl>"
        case Table():
            return _html_table(block)
        case Picture(file, text):
            data = base64.b64encode(read(file)).decode("ascii")
            return f'<figure><img alt="{escape(printable(text))}" src="data:image/png;base64,{data}"/></figure>'
        case Code(text):
            return f"<pre><code>{escape(printable(text))}</code></pre>"


def _html_table(table: Table) -> str:
    def row(tag: str, cells: Sequence[str]) -> str:
        marks = [' class="number"' if _is_number(table, i) else "" for i in range(len(cells))]
        inside = "".join(f"<{tag}{mark}>{_html(cell)}</{tag}>" for mark, cell in zip(marks, cells, strict=True))
        return f"<tr>{inside}</tr>"

    body = "\n".join(row("td", cells) for cells in table.rows)
    kind = ' class="caution"' if table.is_caution else ""
    return f'<div class="wide"><table{kind}>\n{row("th", table.header)}\n{body}\n</table></div>'


def _is_number(table: Table, column: int) -> bool:
    return 1 <= column <= table.n_numbers


def read_from(folder: Path) -> Callable[[str], bytes]:
    """Return how `to_html` finds the pictures of a page that are files in `folder`."""
    return lambda file: (folder / file).read_bytes()


_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2126; --paper: #fff; --faint: #5c6670; --line: #d5dae0; --red: #b3001b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --paper: #14171a; --faint: #9aa4af; --line: #353c44; --red: #ff6b6b; }
}
body { margin: 2rem auto; padding: 0 1.25rem; max-width: 58rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; font-size: .88rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
pre { padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; }
a { color: inherit; }
.caution, .caution td { color: var(--red); font-weight: 600; }
.banner { position: sticky; top: 0; margin: 0 0 1rem; padding: .6rem 1rem; border-radius: 6px;
  background: #b3001b; color: #fff; font-weight: 700; }
@media print { .banner { position: static; } }
"""

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{mark}{title}</title>
<style>{style}</style>
</head>
<body>
{caution}
<h1{kind}>{title}</h1>
{body}
</body>
</html>
"""
