"""The options of what is drawn on a film, which `analyze` and `live` share."""

from __future__ import annotations

from typing import Annotated

import typer

from emofuse.cli.panels import FILM
from emofuse.errors import UsageError
from emofuse.outputs.overlay import Detail, OverlaySettings
from emofuse.outputs.translations import LANGUAGES, translate

OverlayOption = Annotated[
    Detail,
    typer.Option(
        "--overlay",
        help="On the film: boxes and a card with the answer of each modality (full), with the fused one alone "
        "(simple), no card (boxes), or nothing (none).",
        rich_help_panel=FILM,
    ),
]
LanguageOption = Annotated[
    str,
    typer.Option(
        "--overlay-lang",
        metavar="CODE",
        help=f"The language of its words: {', '.join(LANGUAGES)}.",
        rich_help_panel=FILM,
    ),
]
BlurOption = Annotated[
    bool,
    typer.Option("--blur-faces", help="Blur the faces on the film.", rich_help_panel=FILM),
]
PersonOption = Annotated[
    int | None,
    typer.Option(
        "--person", metavar="N", help="With --blur-faces: the person whose face is not blurred.", rich_help_panel=FILM
    ),
]


def overlay_settings(detail: Detail, language: str, blur_faces: bool, person: int | None) -> OverlaySettings:
    """Return what is drawn on a film, by a command's options.

    Raises:
        UsageError: there are no words in that language, or someone is to stay sharp where nobody is blurred.
    """
    translate("neutral", language)
    if person is not None and not blur_faces:
        raise UsageError("--person exempts a face from blurring, but no face is blurred", "add --blur-faces")
    return OverlaySettings(detail, language, blur_faces, person)
