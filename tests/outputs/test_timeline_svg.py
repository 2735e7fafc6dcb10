"""The picture of a timeline for papers: what the PNG shows, as lines and letters."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from emofuse.emotions import rgb
from emofuse.outputs.timeline_image import WIDTH, timeline_image
from emofuse.outputs.timeline_svg import write_svg
from make_timelines import TIMELINES, conversation

SVG = "{http://www.w3.org/2000/svg}"


def drawn(name: str, folder: Path) -> ElementTree.Element:
    write_svg(TIMELINES[name], folder / "a.svg")
    return ElementTree.parse(folder / "a.svg").getroot()


def test_it_has_units_a_legend_and_the_segments_to_scale(tmp_path: Path) -> None:
    write_svg(conversation(), tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "time, min:s" in texts and texts.count("probability, %") == 4 and {"0:01.0", "0:04.0"} <= set(texts)
    assert "Anna" in texts and texts[-2:] == ["happy", "sad"]  # the legend, in the order of the labels
    happy = "#{:02x}{:02x}{:02x}".format(*rgb("happy"))
    widths = [float(e.get("width", 0)) for e in root.iter(f"{SVG}rect") if e.get("fill") == happy]
    assert abs(max(widths) - (WIDTH - 150 - 28)) < 1  # Anna is happy all the time
    (fused,) = (one for one in conversation().segments() if one.label == "happy")
    span = (WIDTH - 150 - 28) * (fused.end_s - fused.start_s) / 4.0
    assert any(abs(width - span) < 1 for width in widths)
    assert root.find(f"{SVG}title") is not None and len(list(root.iter(f"{SVG}polyline"))) >= 4


def test_it_is_as_large_as_the_png(tmp_path: Path) -> None:
    for name, timeline in TIMELINES.items():
        root = drawn(name, tmp_path)
        assert root.get("viewBox") == f"0 0 {WIDTH} {timeline_image(timeline).shape[0]}"
