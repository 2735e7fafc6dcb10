"""`emofuse fairness`: whom a bundle, or a model that was evaluated, reads worse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from emofuse.cli.command_line import command_line
from emofuse.cli.console import OUT, progress_hook
from emofuse.cli.measured import CorporaOption, SampleOption, SeedOption, bundle_of, recordings_for
from emofuse.cli.train import need_torch
from emofuse.errors import UsageError

if TYPE_CHECKING:
    from emofuse.research.evaluation.protocols.fairness import FairnessReport

ATTRIBUTES: Final = ("sex", "speaker", "corpus", "language", "age", "skin_tone")


def fairness(
    model: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE|RECIPE|FOLDER", help="A bundle or a recipe, or the folder of `emofuse evaluate` of one."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="MANIFEST.csv|CORPUS,...",
            help="For a bundle: the recordings. For a folder: a manifest with more about its speakers, if any.",
        ),
    ] = "",
    by: Annotated[
        str, typer.Option(metavar="COLUMN,...", help="The columns that define the groups: any column of the manifest.")
    ] = ",".join(ATTRIBUTES),
    sample: SampleOption = None,
    seed: SeedOption = 1,
    corpora: CorporaOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the report.")] = Path("runs/fairness"),
) -> None:
    """Compare groups of people: the worst of them, gaps with intervals over people, equalised-odds differences.

    By sex, speaker, corpus, language, age and skin tone, where the data tell them.
    """
    need_torch()
    from emofuse.research.evaluation.reports.fairness_report import NAME, fairness_document, write_fairness
    from emofuse.research.evaluation.reports.terminal import print_document
    from emofuse.research.evaluation.reports.write import refuse_foreign_pages

    attributes = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    if not attributes:
        raise UsageError("--by names no column", f"for example --by {','.join(ATTRIBUTES)}")
    refuse_foreign_pages(out, NAME)  # before the work
    if (Path(model) / "predictions.csv").is_file():
        report = _of_predictions(Path(model), data, attributes)
    else:
        if not data:
            raise UsageError("there are no recordings to compare groups on", "name them with --data")
        report = _of_bundle(model, data, attributes, corpora, sample, seed)
    written = write_fairness(report, out)
    print_document(fairness_document(report), OUT)
    OUT.print("\n" + "\n".join(escape(str(file)) for file in written))


def _of_bundle(
    model: str, data: str, attributes: tuple[str, ...], corpora: Path | None, sample: int | None, seed: int
) -> FairnessReport:
    from emofuse.research.evaluation.protocols.fairness import FairnessReport, compare_groups
    from emofuse.research.evaluation.protocols.recordings import FUSED, answer
    from emofuse.research.evaluation.reports.condition_report import stamp_of

    loaded = bundle_of(model)
    recordings = recordings_for(loaded, data, corpora, sample, seed)
    with progress_hook() as hook:
        found = answer(loaded, recordings, on_progress=hook)
    return FairnessReport(
        title=f"Whom {loaded.manifest.name} reads worse",
        stamp=stamp_of(loaded, found, command_line(), seed),
        n=len(recordings),
        attributes=tuple(
            compare_groups(
                attribute,
                [one.group(attribute) for one in recordings],
                found.truth,
                found.probabilities[FUSED],
                found.speakers,
                found.labels,
            )
            for attribute in attributes
        ),
    )


def _of_predictions(folder: Path, data: str, attributes: tuple[str, ...]) -> FairnessReport:
    """Compare the groups of what `emofuse evaluate` predicted, by what it and a manifest tell of each clip."""
    import numpy as np

    from emofuse.inference.network import softmax
    from emofuse.research.evaluation.protocols.fairness import FairnessReport, compare_groups
    from emofuse.research.evaluation.protocols.recordings import read_facts
    from emofuse.research.evaluation.scores.predictions import read_predictions
    from emofuse.research.evaluation.scores.report import read_report

    report, found = read_report(folder), read_predictions(folder / "predictions.csv")
    told = read_facts(Path(data)) if data else {}
    missing = [clip for clip in found.clips if data and clip not in told]
    if missing:
        raise UsageError(f"{data} has no clip {missing[0]}, which was predicted", "name the manifest of these clips")
    own = {"speaker": found.speakers, "sex": found.sexes, "corpus": found.folds}
    probabilities = np.stack([softmax(one) for one in found.log_probabilities]).mean(axis=0)
    stamp = report.stamp.model_copy(update={"command": command_line() or report.stamp.command})
    return FairnessReport(
        title=f"Whom {report.model} reads worse",
        stamp=stamp,
        n=len(found.clips),
        attributes=tuple(
            compare_groups(
                attribute,
                own.get(attribute) or [told.get(clip, {}).get(attribute, "") for clip in found.clips],
                found.truth,
                probabilities.astype(np.float32),
                found.speakers,
                found.labels,
            )
            for attribute in attributes
        ),
    )
