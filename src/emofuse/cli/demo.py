"""`emofuse demo`: the clip that ships with the package, analysed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from emofuse.cli.analyze import analyze

CLIP: Final = Path(__file__).parent.parent / "demo" / "clip.mp4"


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("emofuse-demo"),
) -> None:
    """Analyse the clip that ships with emofuse: a portrait from NASA with a synthesised voice, and its words."""
    analyze([str(CLIP)], out=str(out), transcript=str(CLIP.with_suffix(".srt")))
