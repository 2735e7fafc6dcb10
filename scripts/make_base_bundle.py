r"""Make src/emofuse/bundles/base from two trained networks and the reports that measured them.

    python scripts/make_base_bundle.py \
        --face runs/face/model.safetensors --face-report runs/face-evaluation/report.json \
        --voice runs/voice/model.safetensors --voice-report runs/voice-evaluation/report.json

Temperatures come from the reports: fitted on validation data, never on test data. Both modalities get the same
weight: there is no corpus here with the pixels of several speakers to fit weights on, so their calibrated
probabilities and the quality of each input decide.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Literal

from emofuse import __version__
from emofuse.atomic import make_folder
from emofuse.card import ModelCard
from emofuse.emotions import BASE
from emofuse.evaluation.result import EvaluationReport, card_scores, read_report
from emofuse.inference.bundle import BUNDLES, MANIFEST, BundleManifest, ModalitySettings
from emofuse.inference.network import OnnxNetwork
from emofuse.training.export import export

WEIGHT = 1.0


def main() -> None:
    """Export both networks with their scores, and write fusion.json and card.md beside them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for modality in ("face", "voice"):
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
    out = make_folder(arguments["out"])
    cards: dict[str, ModelCard] = {}
    modalities: dict[str, ModalitySettings] = {}
    for modality in ("face", "voice"):
        reports = [read_report(path) for path in arguments[f"{modality}_report"]]
        file = f"{modality}.onnx"
        cards[modality] = _network(arguments[modality], out / file, reports)
        temperature = round(reports[0].temperature, 3)
        modalities[modality] = ModalitySettings(file=file, temperature=temperature, weight=WEIGHT)
    manifest = BundleManifest(name="base", version=__version__, labels=BASE, modalities=modalities)
    (out / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (out / "card.md").write_text(_card_page(manifest, cards), encoding="utf-8")


def _network(source: Path, target: Path, reports: list[EvaluationReport]) -> ModelCard:
    """Export a checkpoint with its scores; a network that is ONNX already is taken with the card it has."""
    if source.suffix != ".onnx":
        # a face network is measured itself, a voice network by others of its recipe, each without its test speakers
        weights: Literal["these", "same recipe"] = "these" if target.stem == "face" else "same recipe"
        return export(source, target, [score for report in reports for score in card_scores(report, weights)])
    if source.resolve() != target.resolve():
        shutil.copyfile(source, target)
    return OnnxNetwork(target).card


def _card_page(manifest: BundleManifest, cards: dict[str, ModelCard]) -> str:
    lines = [
        f"# Bundle {manifest.name} {manifest.version}",
        "",
        f"Answers with: {', '.join(manifest.labels)}. Calm counts as neutral; contempt is left out.",
        "The modalities' calibrated probabilities are averaged, each with its weight times the quality of its input.",
        "",
        "Scores are fractions of one corpus's own test; they say little about your recordings. Emotion shown is not "
        "emotion felt: do not decide about people by it.",
    ]
    for modality, card in cards.items():
        settings = manifest.modalities[modality]
        lines += ["", f"## {modality}: `{settings.file}`", "", card.description, ""]
        lines += [
            f"- labels: {', '.join(card.labels)}",
            f"- parameters: {card.n_parameters:,}; temperature {settings.temperature}; weight {settings.weight}",
            f"- recipe: `recipes/{card.name}.toml`, seed {card.seed}",
        ]
        lines += [f"- data: {d.name}{f' ({d.part})' if d.part else ''}, licence: {d.licence}" for d in card.data]
        lines += [f"- caution: {caution}" for caution in card.cautions]
        lines += ["", "| score | value | 95 % interval | on | weights |", "|---|---|---|---|---|"]
        for s in card.scores:
            low, high = s.interval_95 or (float("nan"), float("nan"))
            lines.append(f"| {s.metric} | {s.value:.2%} | {low:.1%} to {high:.1%} | {s.on} | {s.weights} |")
        for protocol, command in dict.fromkeys((s.protocol, s.command) for s in card.scores):
            lines += ["", f"{protocol}. `{command}`"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
