"""The options of the commands that recognise speech."""

from __future__ import annotations

from typing import Annotated

import typer

from emofuse.cli.panels import WORDS

AsrModelOption = Annotated[
    str,
    typer.Option("--asr-model", help="Whisper's size, or the folder of a model.", rich_help_panel=WORDS),
]
AsrLanguageOption = Annotated[
    str | None,
    typer.Option(
        "--asr-language",
        metavar="CODE",
        help="The spoken language, such as en; detected by default.",
        rich_help_panel=WORDS,
    ),
]
