"""Pages of HTML and Markdown from templates: one base, one style sheet, one content security policy.

A template stands beside the code that fills it and is named by its path in the package, as
`outputs/index.html.jinja`. What it is given is escaped; what is no character in a document becomes U+FFFD.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from emofuse.formatting import documentary

if TYPE_CHECKING:
    from jinja2 import Environment

GENERATOR: Final = '<meta name="generator" content="emofuse"'
"""How the pages tell that they are of our making; the tag of older ones ended in ">", that of newer ones in "/>"."""

STYLE_SHEET: Final = "outputs/player/page.css"  # the service's own page links the same file


def render(template: str, *, style: str = "", script: str = "", **values: object) -> str:
    """Fill a template and return its text, as `stream` does piece by piece."""
    return "".join(stream(template, style=style, script=script, **values))


def stream(template: str, *, style: str = "", script: str = "", **values: object) -> Iterator[str]:
    """Fill a template and yield its text piece by piece: what the template iterates over is asked for as it is written.

    A page that extends `pages/base.html.jinja` lets nothing run or load but the style sheet, `style`, `script`,
    media, and pictures that are in the page: whatever a file's name holds, nothing is asked of another host.

    Args:
        template: Its path in the package.
        style: CSS of this kind of page, after the style sheet of all.
        script: An ES module.
        values: What the template is filled with. Strings are escaped.

    Yields:
        The page, or what else the template makes.
    """
    from markupsafe import Markup

    sheet = f"{read(STYLE_SHEET)}\n{style}"
    page = {"style": Markup(sheet), "script": Markup(script), "policy": Markup(_policy(sheet, script))}
    return _environment().get_template(template).generate(**page, **values)


def render_macro(template: str, macro: str, *values: object) -> str:
    """Return what a macro of a template makes of values: a piece of a page, safe to stand in another."""
    piece: str = getattr(_environment().get_template(template).module, macro)(*values)
    return piece


def read(file: str) -> str:
    """Return the text of a file of the package, by its path in it."""
    return files("emofuse").joinpath(*file.split("/")).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # where a page is written: it takes a while
    from jinja2.utils import select_autoescape

    return Environment(
        loader=PackageLoader("emofuse", ""),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=StrictUndefined,
        finalize=_written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _written(value: Any) -> Any:
    return documentary(value) if type(value) is str else value  # markup is what a template or a function of ours made


def _policy(style: str, script: str) -> str:
    allowed = [
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        "img-src data: blob:",
        # 'self' is nothing where a page is opened from disk.
        "media-src 'self' file: blob: data:",
        *([f"script-src '{_hash(script)}'"] if script else []),
    ]
    return "; ".join(allowed)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
