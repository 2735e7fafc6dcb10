r"""Make src/emofuse/bundles/large: the base bundle's face and text networks where they are, and a larger voice network.

    emofuse train recipes/voice-whisper.toml -o runs/voice-whisper
    emofuse evaluate recipes/voice-whisper.toml --protocol leave-one-corpus-out -o runs/left-out
    emofuse export runs/voice-whisper/model.safetensors --report runs/left-out/report.json -o voice.onnx
    emofuse bundle make voice=voice.onnx --from base -o made
    emofuse bundle fit made --on voice=CORPUS.csv -o fitted
    python scripts/make_large_bundle.py --fitted fitted

`bundle fit` takes a file of predictions of each corpus that the network was not trained on.
Without --fitted the voice network stays as it is, and the rest is taken from the base bundle as that is now: run it so
whenever the base bundle was made anew.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Final

from emofuse.files import make_folder
from emofuse.inference.bundle import BUNDLES, MANIFEST, BundleManifest, load_bundle, read_manifest
from emofuse.inference.compose import PAGE, page

NAME: Final = "large"
OWN: Final = "voice"


def main() -> None:
    """Write the network, fusion.json and card.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fitted", type=Path, help="a bundle with the voice network, as `emofuse bundle fit` wrote it")
    fitted: Path | None = parser.parse_args().fitted
    folder = BUNDLES / NAME
    make_folder(folder)
    manifest = read_manifest(fitted or folder)
    if fitted is not None:
        shutil.copyfile(fitted / manifest.modalities[OWN].file, folder / manifest.modalities[OWN].file)
    made = _beside(read_manifest(BUNDLES / "base"), manifest)
    (folder / MANIFEST).write_text(made.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page(load_bundle(folder)), encoding="utf-8")
    print(f"{folder}: {', '.join(made.modalities)}")


def _beside(base: BundleManifest, large: BundleManifest) -> BundleManifest:
    """Return what is large's of the voice and of the fusion, and base's of all else."""
    modalities = {
        modality: large.modalities[modality]
        if modality == OWN
        else own.model_copy(update={"file": f"../base/{own.file}"})
        for modality, own in base.modalities.items()
    }
    certainty = large.certainty
    if certainty is not None and base.certainty is not None:
        known = {**base.certainty.modalities, OWN: certainty.modalities[OWN]}
        certainty = certainty.model_copy(update={"modalities": known})
    return large.model_copy(update={"name": NAME, "modalities": modalities, "certainty": certainty})


if __name__ == "__main__":
    main()
