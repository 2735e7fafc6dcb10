"""`emofuse robustness`: what is kept of a bundle's answers under noise, in rooms, in the dark, behind a mask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from emofuse.cli.command_line import command_line
from emofuse.cli.console import OUT, progress_hook
from emofuse.cli.measured import (
    BundleArgument,
    CorporaOption,
    RecordingsOption,
    SampleOption,
    SeedOption,
    bundle_of,
    recordings_for,
)
from emofuse.cli.train import need_torch
from emofuse.errors import UsageError


def robustness(
    bundle: BundleArgument,
    data: RecordingsOption,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="CONDITION", help="The beginning of a condition's name; can be repeated; default: all."
        ),
    ] = None,
    sample: SampleOption = None,
    seed: SeedOption = 1,
    corpora: CorporaOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the report.")] = Path("runs/robustness"),
) -> None:
    """Measure how a bundle's accuracy and confidence change under degraded conditions.

    Sound: noise, babble, rooms, telephones, codecs, gain, clipping. Picture: blur, darkness, low resolution, rotation,
    compression, masks, sunglasses, hands. Fewer pictures a second, sound ahead of or behind the picture, and without
    sound, picture or words. What a corpus has nothing for is left out.
    """
    need_torch()
    from emofuse.research.evaluation.protocols.conditions import CLEAN, CONDITIONS
    from emofuse.research.evaluation.reports.condition_report import (
        condition_document,
        measure_conditions,
        write_condition_report,
    )
    from emofuse.research.evaluation.reports.terminal import print_document
    from emofuse.research.evaluation.reports.write import refuse_foreign_pages

    chosen = [one for one in CONDITIONS if not only or any(one.name.startswith(name) for name in only)]
    unknown = [name for name in only or () if not any(one.name.startswith(name) for one in CONDITIONS)]
    if unknown:
        raise UsageError(f"no condition is called {unknown[0]!r}", "; ".join(one.name for one in CONDITIONS))
    refuse_foreign_pages(out, "robustness")  # before the work
    loaded = bundle_of(bundle)
    recordings = recordings_for(loaded, data, corpora, sample, seed)
    conditions = [CLEAN, *(one for one in chosen if one is not CLEAN)]
    with progress_hook() as hook:
        report = measure_conditions(loaded, recordings, command_line(), seed, conditions, hook)
    written = write_condition_report(report, out)
    print_document(condition_document(report), OUT)
    OUT.print("\n" + "\n".join(escape(str(file)) for file in written))
