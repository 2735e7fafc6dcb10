"""The picture of a timeline as SVG: the same as the PNG, in lines and letters that a journal can scale."""

from __future__ import annotations

import os
from html import escape

from emofuse.files import atomic_write
from emofuse.formatting import documentary, documentary_line
from emofuse.outputs.lettering import Colour
from emofuse.outputs.timeline_image import MARGIN, WIDTH, Page, paint_timeline
from emofuse.timeline import Timeline

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!-- emofuse timeline -->\n'


def write_svg(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write the timeline as SVG, with how it was made as a description in it.

    Raises OutputError when `path` cannot be written.
    """
    page = paint_timeline(timeline, _SvgPage)
    how = "" if timeline.provenance is None else "\n".join(f"{k}: {v}" for k, v in timeline.provenance.entries())
    headline = timeline.headline()
    title = "no emotion could be read" if headline is None else headline.text
    text = (
        f'{HEAD}<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {page.height}" width="{WIDTH}" '
        f'height="{page.height}" font-family="DejaVu Sans, Arial, Helvetica, sans-serif" role="img">\n'
        f"<title>{_text(title)}</title>\n<desc>{escape(documentary(how))}</desc>\n"
        f'<rect width="{WIDTH}" height="{page.height}" fill="#ffffff"/>\n' + "\n".join(page.parts) + "\n</svg>\n"
    )
    with atomic_write(path) as name:
        name.write_text(text, encoding="utf-8", newline="\n", errors="replace")


class _SvgPage(Page):
    """Gathers what is drawn as elements."""

    def __init__(self, height: int, span_s: float) -> None:
        super().__init__(span_s)
        self.height = height
        self.parts: list[str] = []

    def fill(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        width, height = max(right - left, 0.5), max(bottom - top, 0.5)
        self.parts.append(
            f'<rect x="{left:.2f}" y="{top:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{_hex(colour)}"/>'
        )

    def line(self, points: list[tuple[float, float]], colour: Colour, width: float = 1.5) -> None:
        path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{_hex(colour)}" stroke-width="{width:g}"/>')

    def write(self, text: str, left: float, base: float, size: float, colour: Colour) -> None:
        # no longer than there is room for: the letters of a reader's font may be wider than ours
        room = min(self.text_width(text, size), WIDTH - MARGIN - left)
        fit = f' textLength="{room:.1f}" lengthAdjust="spacingAndGlyphs"' if text else ""
        self.parts.append(
            f'<text x="{left:.2f}" y="{base:.2f}" font-size="{size:g}" fill="{_hex(colour)}"{fit}>{_text(text)}</text>'
        )


def _text(text: str) -> str:
    return escape(documentary_line(text))


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
