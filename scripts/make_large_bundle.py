r"""Make a bundle of the package that has one network of its own beside the base bundle's: `large`, a larger voice
network, or `languages`, a text network of many languages.

    emofuse train recipes/voice-whisper.toml -o runs/voice-whisper
    emofuse evaluate recipes/voice-whisper.toml --protocol leave-one-corpus-out -o runs/left-out
    emofuse export runs/voice-whisper/model.safetensors --report runs/left-out/report.json -o voice.onnx
    emofuse bundle make voice=voice.onnx --from base -o made
    emofuse bundle fit made --on voice=CORPUS.csv -o fitted
    python scripts/make_large_bundle.py large --fitted fitted

`languages` is made in the same way of recipes/text-languages.toml, with text=text.onnx (docs/text.md).
`bundle fit` takes a file of predictions of each corpus that the network was not trained on.
Without --fitted the network stays as it is, and the rest is taken from the base bundle as that is now: run it so
whenever the base bundle was made anew.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Final

from emofuse.files import make_folder
from emofuse.inference.bundle import BUNDLES, MANIFEST, BundleManifest, load_bundle, read_manifest
from emofuse.inference.bundle_writer import PAGE, page
from emofuse.inference.certainty import CertaintySettings
from emofuse.research.evaluation.fusion.certainty_fit import fit_limits

OWN: Final[dict[str, str]] = {"large": "voice", "languages": "text"}
"""By the bundle's name, which network is its own."""


def main() -> None:
    """Write the network, fusion.json and card.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=OWN)
    parser.add_argument("--fitted", type=Path, help="a bundle with the network, as `emofuse bundle fit` wrote it")
    arguments = parser.parse_args()
    fitted: Path | None = arguments.fitted
    own = OWN[arguments.name]
    folder = BUNDLES / arguments.name
    make_folder(folder)
    manifest = read_manifest(fitted or folder)
    if fitted is not None:
        shutil.copyfile(fitted / manifest.modalities[own].file, folder / manifest.modalities[own].file)
    made = _beside(read_manifest(BUNDLES / "base"), manifest, own).model_copy(update={"name": arguments.name})
    (folder / MANIFEST).write_text(made.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page(load_bundle(folder)), encoding="utf-8")
    print(f"{folder}: {', '.join(made.modalities)}")


def _beside(base: BundleManifest, made: BundleManifest, own: str) -> BundleManifest:
    """Return what is the bundle's of its own modality and of the fusion, and base's of all else."""
    modalities = {
        modality: made.modalities[modality]
        if modality == own
        else settings.model_copy(update={"file": f"../base/{settings.file}"})
        for modality, settings in base.modalities.items()
    }
    certainty = made.certainty
    if certainty is not None and base.certainty is not None:
        certainty = _certainty_beside(base.certainty, certainty, own)
    return made.model_copy(update={"modalities": modalities, "certainty": certainty})


def _certainty_beside(base: CertaintySettings, made: CertaintySettings, own: str) -> CertaintySettings:
    """Return base's certainty but for the bundle's own modality.

    What is fused keeps its own certainty where the bundle was fitted with the other modalities.
    """
    known = {**base.modalities, own: made.modalities[own]}
    if base.measured.keys() <= made.measured.keys():
        return made.model_copy(update={"modalities": known})
    measured = {**base.measured, own: made.measured[own]}
    clear, likely = fit_limits(measured)
    return base.model_copy(update={"modalities": known, "measured": measured, "clear": clear, "likely": likely})


if __name__ == "__main__":
    main()
