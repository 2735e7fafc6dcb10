"""A timeline as a page that opens from disk: the player of `player/` with the document, its script and style in it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import replace
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from emofuse.files import atomic_write
from emofuse.formatting import documentary, documentary_line
from emofuse.outputs.explanations import explanations_html
from emofuse.outputs.locations import MediaLinks
from emofuse.provenance import Provenance
from emofuse.timeline import Timeline
from emofuse.types import Json

# In the order in which they build on one another: each may import only from those before it.
_SCRIPTS: Final = (
    *("document.js", "window.js", "interest.js", "lanes.js", "boxes.js", "parts.js", "stage.js", "slider.js"),
    *("people.js", "timeline.js", "transcript.js", "player.js"),
)
_IMPORT: Final = re.compile(r"^import\s[^;]*?from\s+\"\./[\w.]+\";\n", re.MULTILINE)
_HINT: Final = "Analyse it with --formats html,mp4 for a film that every browser plays."
GENERATOR: Final = '<meta name="generator" content="emofuse">'


def write_html(timeline: Timeline, path: str | os.PathLike[str], links: MediaLinks | None = None) -> None:
    """Write one page with the player, the whole timeline, and a link to the film that it plays.

    links: where it finds the recording; by default, where that is now. An annotated video among them is what the
    page plays, as every browser can; otherwise it plays the recording itself, with the boxes drawn over it. Raises
    OutputError when `path` cannot be written.
    """
    source = timeline.source
    links = links or MediaLinks.between(source.path, path)
    page = report_page(
        timeline,
        media="video" if source.has_video else "audio" if source.has_audio else None,
        url=links.annotated or links.recording,
        is_annotated=links.annotated is not None,
        document=Path(path).with_suffix(".json").name,
    )
    with atomic_write(path) as name, name.open("w", encoding="utf-8", newline="\n", errors="replace") as out:
        out.write(page)


def report_page(timeline: Timeline, media: str | None, url: str, is_annotated: bool, document: str = "") -> str:
    """Return the HTML of a report. media: "video", "audio" or None; url: what it plays; is_annotated: whether
    that has boxes in its pictures already; document: the file with the timeline, for the command that names people."""
    headline = timeline.headline()
    answer = "no emotion could be read" if headline is None else headline.text
    title = file_name(timeline.source.path)
    element = (
        f'<{media} id="media" src="{escape(url)}" controls preload="metadata" playsinline></{media}>' if media else ""
    )
    options = {
        "boxes": not is_annotated,
        "hint": "" if is_annotated or media == "audio" else _HINT,
        "json": document,
        "isWhole": not any(one.points is not None for one in timeline.face_measurements),
    }
    script = (
        f"{player_script()}\n"
        "const read = (id) => JSON.parse(document.getElementById(id).textContent);\n"
        'createPlayer(document.getElementById("player"), read("timeline"), '
        '{ media: document.getElementById("media"), ...read("options") });\n'
    )
    body = (
        f"<header><h1>{escape(title)}</h1></header>\n"
        f'<main id="player">{element}</main>\n'
        f"<noscript><p>{escape(answer)}. The player needs JavaScript; it runs on this machine only.</p></noscript>\n"
        f"{explanations_html(timeline.explanations)}"
        f"<footer>{provenance_html(timeline.provenance)}{notice()}</footer>\n"
        f'<script type="application/json" id="timeline">{script_json(_shown(timeline))}</script>\n'
        f'<script type="application/json" id="options">{script_json(options)}</script>\n'
    )
    return html_page(f"{title}: {answer}", body, player_style(), script)


def _shown(timeline: Timeline) -> Json:
    """Return the document without the points of face meshes, which the page does not draw and which are most of it."""
    return replace(
        timeline, face_measurements=tuple(replace(one, points=None) for one in timeline.face_measurements)
    ).to_json()


def provenance_html(provenance: Provenance | None) -> str:
    """Return how a result came about, as HTML that is folded away; "" where nobody knows."""
    if provenance is None:
        return ""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in provenance.entries())
    return f'<details class="provenance"><summary>How this was made</summary><dl>{rows}</dl></details>'


def html_page(title: str, body: str, style: str = "", script: str = "") -> str:
    """Return a whole page around a body: our style, then `style`, and `script` as a module, all inside it.

    Its policy lets nothing run or load but these, media, and pictures that are in the page: whatever a file's
    name holds, nothing is asked of another host.
    """
    style = f"{_read('page.css')}\n{style}"
    allowed = [
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        "img-src data: blob:",
        # 'self' is nothing where a page is opened from disk.
        "media-src 'self' file: blob: data:",
        *([f"script-src '{_hash(script)}'"] if script else []),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(allowed)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n{GENERATOR}\n'
        f"<title>{escape(documentary_line(title))}</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n{documentary(body)}"
        + (f'<script type="module">{script}</script>\n' if script else "")
        + "</body>\n</html>\n"
    )


def notice() -> str:
    """Return what every page says about what it shows, as HTML."""
    return (
        "<p>Made by emofuse, on the machine that ran it; this page loads nothing from any other host. It shows how "
        "networks read a face and a voice, which is not what a person feels, and is often wrong.</p>"
    )


def player_script() -> str:
    """Return the player as one ES module, `createPlayer(root, timeline, options)`; see player/player.js."""
    return "\n".join(_IMPORT.sub("", _read(name)) for name in _SCRIPTS)


def player_style() -> str:
    """Return the player's style sheet; everything in it is below the class `ef`."""
    return _read("player.css")


def script_json(document: Any) -> str:
    """Return JSON that may stand inside a script element: ASCII, and nothing in it ends the element."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def file_name(path: str) -> str:
    """Return the last part of a path of any system, with what is not Unicode replaced."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return name.encode("utf-8", "replace").decode("utf-8")


def _read(name: str) -> str:
    return files("emofuse.outputs").joinpath("player", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
