"""What was measured of a bundle, as sections of its card: corpora left out, groups, conditions, languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle
from emofuse.reading import one_line, parse_json, read_bytes
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.registry import CORPORA, FACES, PORTRAITS, TEXTS
from emofuse.research.evaluation.protocols.fairness import FORMAT as FAIRNESS
from emofuse.research.evaluation.protocols.fairness import FairnessReport
from emofuse.research.evaluation.reports.benchmark_page import FORMAT as BENCHMARK
from emofuse.research.evaluation.reports.benchmark_page import BenchmarkReport, left_out_blocks, recall_blocks
from emofuse.research.evaluation.reports.condition_report import FORMAT as CONDITIONS
from emofuse.research.evaluation.reports.condition_report import ConditionReport, condition_table
from emofuse.research.evaluation.reports.document import Block, Code, Document, Heading, Table, Text, to_markdown
from emofuse.research.evaluation.reports.fairness_report import gaps_table

_MOST_MB: Final = 64.0


def measured_sections(bundle: Bundle, files: Sequence[Path]) -> str:
    """Return sections for a bundle's card, as Markdown.

    Args:
        bundle: The bundle; its corpora are described, as far as their readers know them.
        files: What `emofuse benchmark`, `robustness` and `fairness` wrote as JSON.

    Raises:
        UsageError: A file is something else.
    """
    blocks: list[Block] = _languages(bundle)
    for file in files:
        blocks += _sections(file)
    page = to_markdown(Document("", "", tuple(blocks)))
    return page.partition("\n\n")[2]  # without a title of its own


def _sections(file: Path) -> list[Block]:
    try:
        document = parse_json(read_bytes(file, _MOST_MB))
        match document.get("format") if isinstance(document, dict) else None:
            case str(form) if form == BENCHMARK:
                return _of_benchmark(BenchmarkReport.model_validate(document))
            case str(form) if form == CONDITIONS:
                return _of_conditions(ConditionReport.model_validate(document))
            case str(form) if form == FAIRNESS:
                return _of_groups(FairnessReport.model_validate(document))
    except (OSError, ValueError, ValidationError) as error:
        raise UsageError(f"{file} cannot be read: {one_line(error)}") from None
    raise UsageError(f"{file} is of none of `emofuse benchmark`, `robustness` and `fairness`")


def _of_benchmark(report: BenchmarkReport) -> list[Block]:
    return [*left_out_blocks(report), *recall_blocks(report)]


def _of_conditions(report: ConditionReport) -> list[Block]:
    told = f"Protocol: {report.stamp.protocol}; {report.n_recordings} recordings of {report.n_speakers} speakers."
    table = condition_table(report)
    return [
        Heading(f"Under conditions: {report.stamp.corpus}"),
        Text(told),
        table,
        Code(report.stamp.command),
    ]


def _of_groups(report: FairnessReport) -> list[Block]:
    told = f"Protocol: {report.stamp.protocol}; {report.stamp.corpus}, {report.n} recordings."
    return [Heading("Groups of people"), Text(told), *gaps_table(report), Code(report.stamp.command)]


def _languages(bundle: Bundle) -> list[Block]:
    """Return which languages a bundle's networks learnt, and how the emotions came about."""
    known: dict[str, Corpus[Any]] = {
        corpus.title: corpus for one in (CORPORA, FACES, PORTRAITS, TEXTS) for corpus in one.values()
    }
    rows = []
    for modality, network in bundle.networks.items():
        for source in network.card.data:
            corpus = next((each for title, each in known.items() if source.name.startswith(title)), None)
            if corpus is not None and source.part != "pretraining":
                rows.append((modality, source.name, corpus.language or "not told", corpus.style or "not told"))
    if not rows:
        return []
    header = ("network", "corpus", "language", "how the emotions came about")
    return [Heading("Languages and origins of the data"), Table(header, tuple(rows), 0)]
