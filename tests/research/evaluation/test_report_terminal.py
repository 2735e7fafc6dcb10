"""A report on a terminal: with its stamp, or not at all."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from emofuse.errors import UsageError
from emofuse.research.evaluation.reports.document import Document, Picture, Text
from emofuse.research.evaluation.reports.sections import LEAKY
from emofuse.research.evaluation.reports.terminal import print_document, print_report
from emofuse.research.evaluation.scores.report import EvaluationReport
from make_reports import leak, leaky_stamp, report


@pytest.fixture(scope="module")
def honest() -> EvaluationReport:
    """Return a report with a leak beside it."""
    made = report()
    return made.model_copy(update={"leak": leak(made)})


def printed(made: EvaluationReport, width: int = 200, colour: bool = False) -> str:
    out = io.StringIO()
    print_report(
        made, Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    )
    return out.getvalue()


def in_red(text: str) -> str:
    """Return the lines that hold red, on a red ground or in red ink."""
    codes = ("\x1b[1;31m", "\x1b[1;37;41m")
    return "\n".join(line for line in text.splitlines() if any(code in line for code in codes))


def test_the_scores_come_with_their_whole_stamp(honest: EvaluationReport) -> None:
    text = printed(honest)
    for metric in honest.metrics:
        low, high = metric.interval_95
        assert f"{metric.value:.1%}   {low:.1%} to {high:.1%}   ± {100 * metric.deviation_folds:.1f} (6 folds)" in text
    flat = " ".join(text.split())
    for name, value in honest.stamp.lines():
        assert f"{name} {value}" in flat
    assert flat.index(honest.stamp.protocol) < flat.index("By emotion")


def test_it_holds_at_any_width(honest: EvaluationReport) -> None:
    for width in (40, 80):
        lines = printed(honest, width).splitlines()
        assert max(map(len, lines)) <= width
    squeezed = "".join(printed(honest, 60).split())
    for name, value in honest.stamp.lines():
        assert "".join(f"{name}{value}".split()) in squeezed


def test_an_honest_report_is_red_in_its_leak_alone(honest: EvaluationReport) -> None:
    red = in_red(printed(honest, colour=True))
    assert "LEAKY: knowing the speaker is worth +" in red
    assert "random-6fold" in red
    assert "actor-6fold" not in red
    assert not in_red(printed(honest.model_copy(update={"leak": None}), colour=True))


def test_a_leaky_report_is_red() -> None:
    leaky = report(stamp=leaky_stamp())
    red = in_red(printed(leaky, colour=True))
    assert LEAKY in red
    assert f"{leaky.metrics[0].value:.1%}" in red
    assert "UAR (LEAKY)" in red
    assert "LEAKY: the test speakers were heard in training" in red
    assert LEAKY in printed(leaky)  # and where there is no colour


def test_without_a_stamp_nothing_is_printed(honest: EvaluationReport) -> None:
    fields = {name: getattr(honest, name) for name in EvaluationReport.model_fields if name != "stamp"}
    for bad in (EvaluationReport.model_construct(**fields), honest.metrics, 0.9):
        out = io.StringIO()
        with pytest.raises(UsageError, match="its stamp"):
            print_report(bad, Console(file=out))
        assert out.getvalue() == ""


def test_names_are_not_markup_and_do_not_move_the_cursor() -> None:
    text = printed(report(model="[red]m[/red] [/nonsense]\x1b[2J"))
    assert "[red]m[/red] [/nonsense]?[2J" in text
    assert "\x1b" not in text


def test_pictures_are_left_to_the_files() -> None:
    out = io.StringIO()
    print_document(Document("t", "", (Picture("p.png", "bars"), Text("said"))), Console(file=out, width=20))
    assert out.getvalue() == "t\n  said\n"
