"""A comparison of fusions as a folder: JSON, Markdown, HTML, the figures as PNG, and what every method predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from emofuse.files import make_folder
from emofuse.research.evaluation.fusion.figures import save_fusion_figures
from emofuse.research.evaluation.fusion.result import FusionReport
from emofuse.research.evaluation.fusion.run import ComparisonRuns
from emofuse.research.evaluation.fusion.sections import fusion_document
from emofuse.research.evaluation.protocols.folds import as_folder
from emofuse.research.evaluation.reports.write import write_pages, write_record
from emofuse.research.evaluation.scores.predictions import PREDICTIONS_NAME, write_predictions
from emofuse.research.evaluation.scores.report import write_json

METHODS: Final = "methods"


def write_fusion(report: FusionReport, runs: ComparisonRuns, folder: str | Path) -> list[Path]:
    """Write the comparison into `folder`, each file whole or not at all; return what was written, the JSON first.

    methods/NAME (of several draws: methods/NAME/drawK) holds each method's own report.json and predictions.csv.
    Raises OutputError when `folder` cannot be written to.
    """
    target = write_record(report, folder, "fusion")
    place = target.parent
    figures = save_fusion_figures(report, place)
    written = [target, *write_pages(fusion_document(report), place, "fusion"), *figures]
    for method, ran in runs.ran.items():
        for number, one in enumerate(ran, start=1):
            own = place / METHODS / as_folder(method)
            own = make_folder(own / f"draw{number}" if len(ran) > 1 else own)
            write_predictions(one.predictions, own / PREDICTIONS_NAME)
            written += [write_json(one.report, own), own / PREDICTIONS_NAME]
    return written
