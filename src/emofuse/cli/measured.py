"""What the commands that measure a bundle on recordings have in common: which bundle, and which recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.reading import is_folder

if TYPE_CHECKING:
    from emofuse.research.evaluation.protocols.recordings import Recording

BundleArgument = Annotated[
    str,
    typer.Argument(
        metavar="BUNDLE|RECIPE",
        help="A bundle's name or folder, or a recipe: what `emofuse train --bundle` made of it.",
    ),
]
RecordingsOption = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="MANIFEST.csv|CORPUS,...",
        help="Labelled recordings: tables of `emofuse corpus prepare`, or names of corpora and sets of faces.",
    ),
]
CorporaOption = Annotated[
    Path | None, typer.Option("--corpora", envvar="EMOFUSE_DATA", help="The folder of the corpora.")
]
SampleOption = Annotated[
    int | None,
    typer.Option(
        min=2, help="Use this many recordings of each corpus, balanced over emotions and speakers; default: all."
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of what is drawn.")]


def bundle_of(name: str, device: str = "cpu") -> Bundle:
    """Load a bundle, or the one that was made of a recipe's training.

    Raises UsageError where a recipe was not trained yet.
    """
    if not name.endswith(".toml"):
        return load_bundle(name, device)
    made = Path("runs") / Path(name).stem / "bundle"
    if not is_folder(made):
        raise UsageError(f"there is no bundle of {name} in {made}", f"make it: emofuse train {name} --bundle")
    return load_bundle(made, device)


def recordings_for(bundle: Bundle, data: str, corpora: Path | None, sample: int | None, seed: int) -> list[Recording]:
    """Return the recordings that a command is to measure on. Raises UsageError where there is none."""
    from emofuse.research.evaluation.protocols.recordings import draw_alike, find_recordings

    found: list[Recording] = []
    for name in filter(None, (part.strip() for part in data.split(","))):
        of_corpus = find_recordings([name], corpora, bundle.labels)
        found += of_corpus if sample is None else draw_alike(of_corpus, sample, seed)
    if not found:
        raise UsageError(f"--data {data!r} names no recording", "give a manifest, or the name of a corpus")
    return found
