"""A timeline as a page that opens from disk: the player of `player/` with the document, its script and style in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emofuse.files import atomic_write
from emofuse.formatting import documentary_line
from emofuse.outputs.explanations import explanations_html
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.tables import document_pieces
from emofuse.pages import read, stream
from emofuse.provenance import Provenance
from emofuse.timeline import Timeline
from emofuse.types import Json

if TYPE_CHECKING:
    from markupsafe import Markup

# In the order in which they build on one another: each may import only from those before it.
_SCRIPTS: Final = (
    *("document.js", "window.js", "interest.js", "lanes.js", "boxes.js", "parts.js", "stage.js", "slider.js"),
    *("people.js", "timeline.js", "transcript.js", "player.js"),
)
_IMPORT: Final = re.compile(r"^import\s[^;]*?from\s+\"\./[\w.]+\";\n", re.MULTILINE)
_HINT: Final = "Analyse it with --formats html,mp4 for a film that every browser plays."


def write_html(timeline: Timeline, path: str | os.PathLike[str], links: MediaLinks | None = None) -> None:
    """Write one page with the player, the whole timeline, and a link to the film that it plays.

    links: where it finds the recording; by default, where that is now. An annotated video among them is what the
    page plays, as every browser can; otherwise it plays the recording itself, with the boxes drawn over it. Raises
    OutputError when `path` cannot be written.
    """
    source = timeline.source
    links = links or MediaLinks.between(source.path, path)
    pieces = page_pieces(
        timeline,
        media="video" if source.has_video else "audio" if source.has_audio else None,
        url=links.annotated or links.recording,
        is_annotated=links.annotated is not None,
        document=Path(path).with_suffix(".json").name,
    )
    with atomic_write(path) as name, name.open("w", encoding="utf-8", newline="\n", errors="replace") as out:
        out.writelines(pieces)


def page_pieces(
    timeline: Timeline, media: str | None, url: str, is_annotated: bool, document: str = ""
) -> Iterator[str]:
    """Return the HTML of a report piece by piece. media: "video", "audio" or None; url: what it plays; is_annotated:
    whether that has boxes in its pictures already; document: the file with the timeline, for the command that names
    people."""
    from markupsafe import Markup

    headline = timeline.headline()
    answer = "no emotion could be read" if headline is None else headline.text
    name = file_name(timeline.source.path)
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
    return stream(
        "outputs/page.html.jinja",
        style=player_style(),
        script=script,
        title=documentary_line(f"{name}: {answer}"),
        name=name,
        answer=answer,
        media=media,
        url=url,
        why=explanations_html(timeline.explanations),
        provenance=entries_of(timeline.provenance),
        timeline=(Markup(piece.replace("\n", "")) for piece in document_pieces(_shown(timeline), script_json)),
        options=script_json(options),
    )


def _shown(timeline: Timeline) -> Json:
    """Return the document without the points of face meshes, which the page does not draw and which are most of it."""
    return replace(
        timeline, face_measurements=tuple(replace(one, points=None) for one in timeline.face_measurements)
    ).lazy_json()


def entries_of(provenance: Provenance | None) -> tuple[tuple[str, str], ...]:
    """Return how a result came about, line by line; nothing where nobody knows."""
    return () if provenance is None else tuple(provenance.entries())


def player_script() -> str:
    """Return the player as one ES module, `createPlayer(root, timeline, options)`; see player/player.js."""
    return "\n".join(_IMPORT.sub("", read(f"outputs/player/{name}")) for name in _SCRIPTS)


def player_style() -> str:
    """Return the player's style sheet; everything in it is below the class `ef`."""
    return read("outputs/player/player.css")


def script_json(document: Any) -> Markup:
    """Return JSON that may stand inside a script element: ASCII, and nothing in it ends the element."""
    from markupsafe import Markup

    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def file_name(path: str) -> str:
    """Return the last part of a path of any system, with what is not Unicode replaced."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return name.encode("utf-8", "replace").decode("utf-8")
