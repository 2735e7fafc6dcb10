"""The options of how sure an answer has to be and of which stretch is looked at, which several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from emofuse.cli.panels import ANSWERS, INPUT
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.answers import check_options, read_prior
from emofuse.inference.bundle import Bundle
from emofuse.media import Span, parse_time

DEFAULTS = AnalyzerSettings()

RiskOption = Annotated[
    float,
    typer.Option(
        metavar="0..1",
        help="The highest risk of a wrong answer; above it, the answer is `uncertain`.",
        rich_help_panel=ANSWERS,
    ),
]
CoverageOption = Annotated[
    float | None,
    typer.Option(
        metavar="0.5..0.99",
        help="Add sets of labels that contain the truth in this share of cases (JSON: labels).",
        rich_help_panel=ANSWERS,
    ),
]
PriorOption = Annotated[
    str,
    typer.Option(
        metavar="flat|corpus|FILE",
        help="How often each emotion is expected: all alike, as in the networks' training, or a JSON file with a "
        "number for each.",
        rich_help_panel=ANSWERS,
    ),
]
StartOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Where to start, in seconds or as h:mm:ss of the recording.", rich_help_panel=INPUT
    ),
]
EndOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Where to end; times stay those of the recording.", rich_help_panel=INPUT),
]


def answer_settings(risk: float, coverage: float | None, prior: str) -> dict[str, Any]:
    """Return settings for `AnalyzerSettings`. Raises UsageError where the file of a prior cannot be read."""
    return {"risk": risk, "coverage": coverage, "prior": read_prior(prior)}


def check_answers(bundle: Bundle, settings: AnalyzerSettings) -> None:
    """Raise UsageError where a bundle cannot be asked for these."""
    check_options(bundle, settings.prior, settings.coverage)


def span_of(start: str | None, end: str | None) -> Span:
    """Return the stretch that is meant. Raises UsageError for what is not a time, or an end before the start."""
    return Span(0.0 if start is None else parse_time(start), None if end is None else parse_time(end))
