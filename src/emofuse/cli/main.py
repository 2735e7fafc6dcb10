"""The `emofuse` command: gathers the command groups, and turns our errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final

import typer

from emofuse import __version__
from emofuse.cli.caches import settle_caches
from emofuse.cli.command_line import remember_command
from emofuse.cli.console import ERR, print_error
from emofuse.cli.lazy import LazyGroup
from emofuse.errors import EmofuseError, UsageError
from emofuse.processes import TERMINATED, stop_when_terminated
from emofuse.remote import is_url


class _Commands(LazyGroup):
    places: ClassVar[Mapping[str, str]] = {
        "analyze": "emofuse.cli.analyze:analyze",
        "tables": "emofuse.cli.tables:tables",
        "people": "emofuse.cli.people:people",
        "demo": "emofuse.cli.demo:demo",
        "agree": "emofuse.cli.agree:agree",
        "live": "emofuse.cli.live:live",
        "serve": "emofuse.cli.serve:serve",
        "info": "emofuse.cli.info:info",
        "privacy": "emofuse.cli.privacy:privacy",
        "train": "emofuse.cli.train:train",
        "export": "emofuse.cli.train:export",
        "evaluate": "emofuse.cli.evaluate:evaluate",
        "compare": "emofuse.cli.compare:compare",
        "robustness": "emofuse.cli.robustness:robustness",
        "fairness": "emofuse.cli.fairness:fairness",
        "benchmark": "emofuse.cli.benchmark:benchmark",
        "bundle": "emofuse.cli.bundle:app",
        "corpus": "emofuse.cli.corpus:app",
        "features": "emofuse.cli.features:app",
    }


app = typer.Typer(
    name="emofuse",
    cls=_Commands,
    help="Emotion from face, voice and words on video. `emofuse clip.mp4` analyses a recording.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


_INTERRUPTED: Final = 130


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emofuse {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Emotion from face, voice and words on video. `emofuse clip.mp4` analyses a recording."""


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    stop_when_terminated()
    settle_caches()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        _refuse_empty(given)
        remember_command(given)
        app(
            args=_with_command(given), prog_name="emofuse"
        )  # under that name also where Python was told to run the package
    except EmofuseError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code in (_INTERRUPTED, TERMINATED):  # typer makes the first of Ctrl-C
            ERR.print("stopped; nothing was left half-written")
        raise


def _with_command(arguments: list[str]) -> list[str]:
    """Return the arguments with `analyze` before them, where a recording comes in place of a command."""
    if not arguments or arguments[0] in {*_Commands.places, "--help", "--version"}:
        return arguments
    first = arguments if arguments[0].startswith("-") else arguments[:1]
    return ["analyze", *arguments] if any(map(_is_recording, first)) else arguments


def _is_recording(argument: str) -> bool:
    """Whether an argument is a file, a folder, an address, or has the name of a recording, which may be missing."""
    if argument.startswith("-"):
        return False
    if is_url(argument) or os.path.exists(argument):  # noqa: PTH110 (raises nothing, for a name that is too long)
        return True
    from emofuse.media.kinds import media_suffixes  # late: it takes FFmpeg, which no other command line waits for

    return Path(argument).suffix.lower() in media_suffixes()


def _refuse_empty(arguments: list[str]) -> None:
    """Raise UsageError for an empty argument: as a path, it would be the folder that the command is run in."""
    for argument in arguments:
        name, is_assigned, value = argument.partition("=")
        if not argument or (name.startswith("--") and is_assigned and not value):
            what = f"{name} has no value" if name else 'one of the arguments is empty: ""'
            raise UsageError(what, "name a file or folder; `.` is the one you are in")


if __name__ == "__main__":
    run()
