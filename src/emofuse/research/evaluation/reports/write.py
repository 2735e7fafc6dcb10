"""The report as a folder: report.json, report.md, report.html, and the figures as PNG."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from pydantic import BaseModel

from emofuse.files import atomic_write, make_folder
from emofuse.ownership import ELSEWHERE_HINT, beginning_of, refuse_foreign
from emofuse.research.evaluation.reports.document import Document, read_from, to_html, to_markdown
from emofuse.research.evaluation.reports.figure_frame import save
from emofuse.research.evaluation.reports.figures import save_figures
from emofuse.research.evaluation.reports.sections import report_document
from emofuse.research.evaluation.scores.report import EvaluationReport, validated, write_json

_FORMAT: Final = re.compile(r'\{\s*"format":\s*"emofuse-')  # how report.json, comparison.json and fusion.json begin


def write_report(report: EvaluationReport, folder: str | Path) -> list[Path]:
    """Write the report into `folder`, each file whole or not at all; return what was written, report.json first.

    A figure whose data the report lacks is not drawn, and the pages do not speak of it. Raises UsageError for
    a report without its stamp, and OutputError when `folder` cannot be written to.
    """
    refuse_foreign_pages(folder, "report")
    place = make_folder(folder)
    written = [write_json(validated(report), place)]
    figures = save_figures(report, place)
    document = report_document(report, {path.name for path in figures})
    return [*written, *write_pages(document, place, "report"), *figures]


def refuse_foreign_pages(folder: str | Path, name: str) -> None:
    """Raise UsageError where <name>.json, .md or .html in a folder were not written by emofuse."""
    place = Path(folder)

    def is_ours(file: Path, beginning: str) -> bool:
        record = beginning if file.suffix == ".json" else beginning_of(place / f"{name}.json")
        return _FORMAT.match(record) is not None

    refuse_foreign((place / f"{name}.{suffix}" for suffix in ("json", "md", "html")), is_ours, ELSEWHERE_HINT)


def write_record(record: BaseModel, folder: str | Path, name: str) -> Path:
    """Write a record as <name>.json into `folder`, which is made where there is none; return the file.

    Raises OutputError where the folder cannot be written to, UsageError where somebody else's page is in the way.
    """
    refuse_foreign_pages(folder, name)
    target = make_folder(folder) / f"{name}.json"
    with atomic_write(target) as temporary:
        temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return target


def write_illustrated(
    record: BaseModel, document: Document, figure: Figure, folder: str | Path, name: str
) -> list[Path]:
    """Write a record with its page and its one figure: <name>.json, .md, .html and .png; return them, the JSON first.

    Raises OutputError where the folder cannot be written to, UsageError where somebody else's page is in the way.
    """
    target = write_record(record, folder, name)
    picture = save(figure, target.with_suffix(".png"))
    return [target, *write_pages(document, target.parent, name), picture]


def write_pages(document: Document, folder: Path, name: str) -> list[Path]:
    """Write a document as <name>.md and <name>.html into a folder that holds its pictures."""
    pages = {
        folder / f"{name}.md": to_markdown(document),
        folder / f"{name}.html": to_html(document, read_from(folder)),
    }
    for path, text in pages.items():
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return list(pages)
