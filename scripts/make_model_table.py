"""Print the table of docs/speech.md from reports of `emofuse evaluate`, so that no number is copied by hand.

python scripts/make_model_table.py runs/*-actor-6fold/report.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from emofuse.research.evaluation.scores.report import EvaluationReport, read_report


def main() -> None:
    """Read the reports that are named, and print a row for each, best first, transductive ones below."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path, nargs="+", help="report.json of emofuse evaluate")
    reports = [read_report(path) for path in parser.parse_args().reports]
    reports.sort(key=lambda report: (report.stamp.transductive, -report.metric("UAR").value))
    print("| model | parameters | UAR (95 % interval) | by fold | accuracy | macro F1 | command |")
    print("|---|---|---|---|---|---|---|")
    for report in reports:
        print(row(report))


def row(report: EvaluationReport) -> str:
    """Return a report's row."""
    uar, accuracy, macro_f1 = (report.metric(name) for name in ("UAR", "accuracy", "macro F1"))
    low, high = uar.interval_95
    flags = "".join([" (transductive)" if report.stamp.transductive else "", " (LEAKY)" if report.stamp.leaky else ""])
    cells = [
        f"`{report.model}`{flags}",
        f"{report.n_parameters:,}" if report.n_parameters else "",
        f"**{uar.value:.1%}** ({low:.1%} to {high:.1%})",
        ", ".join(f"{100 * value:.0f}" for value in uar.by_fold),
        f"{accuracy.value:.1%}",
        f"{macro_f1.value:.1%}",
        f"`{report.stamp.command}`",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
