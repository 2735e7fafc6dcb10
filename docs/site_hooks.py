"""What mkdocs needs to know of our pages: where a link leads that leaves docs/, and the pages made of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCES = "https://github.com/emofuse/emofuse/blob/main/"
_LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")
_LISTED = re.compile(r"<!-- documented: (.*?)-->", re.DOTALL)  # full names, or `emofuse.__all__`
_SHIM = re.compile(r"https://unpkg\.com/iframe-worker/shim")
_OWN = {"CHANGELOG.md": "changes.md", "src/emofuse/bundles/base/card.md": "cards.md"}


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn a link to a file beside docs/ into one that works on the site; one to a file that is not there stays.

    The page of commands is written from the commands themselves, and that of the public names from `emofuse.__all__`.
    """
    if page.file.src_uri == "reference/commands.md":
        markdown = markdown.replace("<!-- commands -->", commands())
    markdown = _LISTED.sub(lambda found: documented(found[1].split()), markdown)
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def lead(link: re.Match[str]) -> str:
        target = (folder / link[1]).resolve()
        inside = target.is_relative_to(ROOT / "docs") or not target.is_relative_to(ROOT) or not target.exists()
        if inside:
            return link[0]
        place = target.relative_to(ROOT).as_posix()
        up = "../" * page.file.src_uri.count("/")
        return f"]({up}{_OWN[place]}{link[2] or ''})" if place in _OWN else f"]({SOURCES}{place}{link[2] or ''})"

    return _LINK.sub(lead, markdown)


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Take the script that lets the search run from disk from our files: the theme would ask another host for it."""
    return _SHIM.sub("../" * page.url.count("/") + "assets/iframe-worker.js", output)


def on_post_template(output_content: str, **_: Any) -> str:
    """Do so for pages that are no chapters, too, whose addresses begin at the root."""
    return _SHIM.sub("/assets/iframe-worker.js", output_content)


def documented(names: list[str]) -> str:
    """Return what makes mkdocstrings document these names, each once over all pages: public ones where those are."""
    import emofuse

    public = [getattr(emofuse, name) for name in emofuse.__all__ if not name.startswith("__")]
    places = [f"{one.__module__}.{one.__qualname__}" for one in public if hasattr(one, "__qualname__")]
    shown = places if names == ["emofuse.__all__"] else [name for name in names if name not in places]
    return "\n".join(f"::: {place}\n" for place in shown)


def commands() -> str:
    """Return every command with its options, as Markdown."""
    import typer

    from emofuse.cli.main import app

    group = typer.main.get_command(app)
    loaded = [(name, group.load_command(name)) for name in group.list_commands(None)]
    return "\n".join(line for name, command in loaded for line in _command(f"emofuse {name}", command, 2))


def _command(name: str, command: Any, level: int) -> list[str]:
    if hasattr(command, "list_commands"):
        inner = [command.get_command(None, one) for one in command.list_commands(None)]
        own = [f"{'#' * level} `{name}`", "", _paragraph(command.help), ""]
        return own + [
            line for one in inner if not one.hidden for line in _command(f"{name} {one.name}", one, level + 1)
        ]
    lines = [f"{'#' * min(level, 4)} `{name}`", "", _paragraph(command.help), ""]
    rows = [_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    return lines + (["| option | what it is | default |", "|---|---|---|", *rows, ""] if rows else [])


def _paragraph(text: str | None) -> str:
    """Return a help text with the lines of its paragraphs joined; what is indented is shown as code, as it is."""
    paragraphs = (text or "").strip().replace("\f", "").split("\n\n")
    return "\n\n".join(each if each.startswith("    ") else " ".join(each.split("\n")) for each in paragraphs)


def _row(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    names = [(parameter.metavar or parameter.name).upper()] if is_argument else list(parameter.opts)
    default = parameter.default
    shown = "" if callable(default) or default in (None, False, (), []) or parameter.required else f"`{default}`"
    text = " ".join(str(getattr(parameter, "help", "") or "").split()).replace("|", "\\|").replace("<", "&lt;")
    return f"| {', '.join(f'`{one}`' for one in names)} | {text} | {shown} |"
