"""The report as a folder: report.json, report.md, report.html, and the figures as PNG."""

from __future__ import annotations

from pathlib import Path

from emofuse.atomic import atomic, make_folder
from emofuse.evaluation.contents import report_document
from emofuse.evaluation.document import Document, read_from, to_html, to_markdown
from emofuse.evaluation.figures import save_figures
from emofuse.evaluation.result import EvaluationReport, stamped, write_json


def write_report(report: EvaluationReport, folder: str | Path) -> list[Path]:
    """Write the report into `folder`, each file whole or not at all; return what was written, report.json first.

    A figure whose data the report lacks is not drawn, and the pages do not speak of it. Raises UsageError for
    a report without its stamp, and OutputError when `folder` cannot be written to.
    """
    place = make_folder(folder)
    written = [write_json(stamped(report), place)]
    figures = save_figures(report, place)
    document = report_document(report, {path.name for path in figures})
    return [*written, *write_pages(document, place, "report"), *figures]


def write_pages(document: Document, folder: Path, name: str) -> list[Path]:
    """Write a document as <name>.md and <name>.html into a folder that holds its pictures."""
    pages = {
        folder / f"{name}.md": to_markdown(document),
        folder / f"{name}.html": to_html(document, read_from(folder)),
    }
    for path, text in pages.items():
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return list(pages)
