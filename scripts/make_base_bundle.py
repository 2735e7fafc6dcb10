r"""Make src/emofuse/bundles/base from its trained networks and the reports that measured them.

    python scripts/make_base_bundle.py \
        --face runs/face/model.safetensors --face-report runs/face-evaluation/report.json \
        --voice runs/voice/model.safetensors --voice-report runs/voice-evaluation/report.json \
        --text runs/text/model.safetensors --text-report runs/text-evaluation/report.json

Temperatures come from the reports. `emofuse bundle fit` then fits them anew, with priors, weights and certainty, on
predictions of corpora that the networks were not trained on; the face network, whose training took its prior out, with
--flat face.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Final

from emofuse.emotions import BASE
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.bundle_writer import BundleEntry, compose
from emofuse.research.evaluation.scores.report import EvaluationReport, card_scores, read_report
from emofuse.research.training.export import export

MODALITIES: Final[tuple[str, ...]] = ("face", "voice", "text")


def main() -> None:
    """Export the networks with their scores, and write fusion.json and card.md beside them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for modality in MODALITIES:
        parser.add_argument(
            f"--{modality}", type=Path, required=True, help="model.safetensors, or an ONNX file as it is"
        )
        parser.add_argument(
            f"--{modality}-report",
            type=Path,
            nargs="+",
            required=True,
            help="reports of emofuse evaluate: all go onto the card, the first gives the temperature",
        )
    parser.add_argument("-o", "--out", type=Path, default=BUNDLES / "base")
    arguments = vars(parser.parse_args())
    parts: dict[str, BundleEntry] = {}
    with tempfile.TemporaryDirectory() as folder:
        for modality in MODALITIES:
            reports = [read_report(path) for path in arguments[f"{modality}_report"]]
            file = _network(arguments[modality], Path(folder) / f"{modality}.onnx", reports)
            parts[modality] = BundleEntry(file, round(reports[0].temperature, 3))
        compose(arguments["out"], "base", BASE, parts)


def _network(source: Path, target: Path, reports: list[EvaluationReport]) -> Path:
    """Export a checkpoint with its scores; a network that is ONNX already is taken with the card it has."""
    if source.suffix == ".onnx":
        return source
    export(source, target, [score for report in reports for score in card_scores(report, target.stem)])
    return target


if __name__ == "__main__":
    main()
