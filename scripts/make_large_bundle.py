r"""Make src/emofuse/bundles/large: the base bundle's face and text networks where they are, and a larger voice network.

    emofuse train recipes/voice-whisper.toml -o runs/voice-whisper
    python scripts/make_large_bundle.py --voice runs/voice-whisper/model.safetensors \
        --voice-report runs/voice-whisper-evaluation/report.json --voice-prior 0.14 0.14 0.15 0.14 0.15 0.14 0.14

The temperature comes from the report. The prior is what the network predicts on average of corpora that it was not
trained on, over the labels of the bundle, every emotion counting alike.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from emofuse import __version__
from emofuse.atomic import make_folder
from emofuse.evaluation.result import card_scores, read_report
from emofuse.inference.bundle import BUNDLES, MANIFEST, ModalitySettings, load_bundle, read_manifest
from emofuse.inference.compose import PAGE, page
from emofuse.reading import file_hash
from emofuse.training.export import export

VOICE: Final = "voice.onnx"


def main() -> None:
    """Export the network with its scores, and write fusion.json and card.md beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice", type=Path, help="model.safetensors; the network that is there, if not given")
    parser.add_argument("--voice-report", type=Path, help="a report of emofuse evaluate, for the card and temperature")
    parser.add_argument("--voice-prior", type=float, nargs="+", help="one share for each label")
    parser.add_argument("-o", "--out", type=Path, default=BUNDLES / "large")
    arguments = parser.parse_args()
    out: Path = arguments.out
    make_folder(out)
    if arguments.voice is not None:
        report = read_report(arguments.voice_report)
        export(arguments.voice, out / VOICE, card_scores(report, "voice"))
        settings = ModalitySettings(
            file=VOICE,
            temperature=round(report.temperature, 3),
            weight=1.0,
            sha256=file_hash(out / VOICE),
            prior=tuple(arguments.voice_prior),
        )
    else:
        settings = read_manifest(out).modalities["voice"]
    base = read_manifest(BUNDLES / "base")
    modalities = {
        modality: settings if modality == "voice" else own.model_copy(update={"file": f"../base/{own.file}"})
        for modality, own in base.modalities.items()
    }
    manifest = base.model_copy(update={"name": "large", "version": __version__, "modalities": modalities})
    (out / MANIFEST).write_text(manifest.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
    (out / PAGE).write_text(page(load_bundle(out)), encoding="utf-8")


if __name__ == "__main__":
    main()
