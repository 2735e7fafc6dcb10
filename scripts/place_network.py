r"""Put a network into a bundle of the package, and leave the others as they are: into `base`, or into one that has
networks of its own beside those of base: `large`, a face and a voice network, or `languages`, a text network of many.

    emofuse train recipes/voice-whisper.toml -o runs/voice-whisper
    emofuse evaluate recipes/voice-whisper.toml --protocol leave-one-corpus-out -o runs/left-out
    emofuse export runs/voice-whisper/model.safetensors --report runs/left-out/report.json -o voice.onnx
    emofuse bundle make voice=voice.onnx --from base -o made
    emofuse bundle fit made --on voice=CORPUS.csv -o fitted
    python scripts/place_network.py large --network voice --fitted fitted

`bundle fit` takes predictions of each corpus that the network was not trained on (scripts/predict_left_out.py, by the
networks of the folds). `languages` is made in the same way of recipes/text-languages.toml, with text=text.onnx
(docs/text.md), the face network of large with `large --network face` (docs/faces.md), and a network of base with `base
--network voice`, or face, or text. `--measures mouth_octaves,eyes_octaves` takes of what was fitted only how much these
measures lower a certainty, and leaves the network and all else as they are. Then, and whenever base was made anew, run
it for the others without --fitted: their own networks stay, and the rest is base's as that is now.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from emofuse.files import make_folder
from emofuse.inference.bundle import BUNDLES, MANIFEST, BundleManifest, load_bundle, read_manifest
from emofuse.inference.bundle_writer import PAGE, page
from emofuse.inference.certainty import CertaintySettings
from emofuse.research.evaluation.fusion.certainty_fit import fit_limits

BASE: Final = "base"
OWN: Final[dict[str, tuple[str, ...]]] = {"large": ("face", "voice"), "languages": ("text",)}
"""By the bundle's name, which networks are its own."""


def main() -> None:
    """Write the network, fusion.json and card.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=(*OWN, BASE))
    parser.add_argument("--network", choices=("face", "voice", "text"), help="which one is put into it")
    parser.add_argument("--fitted", type=Path, help="a bundle with the network, as `emofuse bundle fit` wrote it")
    parser.add_argument("--measures", help="take only what these take off a certainty, separated by commas")
    arguments = parser.parse_args()
    fitted: Path | None = arguments.fitted
    placed: str | None = arguments.network
    if (fitted is None) != (placed is None) or (arguments.name == BASE and fitted is None):
        parser.error("a network that is put into a bundle takes --network and --fitted")
    if placed is not None and placed not in OWN.get(arguments.name, (placed,)):
        parser.error(f"{arguments.name} has no {placed} network of its own: it has that of {BASE}")
    folder = BUNDLES / arguments.name
    make_folder(folder)
    made = {modality: read_manifest(folder) for modality in OWN.get(arguments.name, ()) if modality != placed}
    if fitted is not None and placed is not None:
        made[placed] = read_manifest(fitted)
        if arguments.measures:
            made[placed] = _with_measures(read_manifest(folder), made[placed], placed, arguments.measures.split(","))
        else:
            shutil.copyfile(fitted / made[placed].modalities[placed].file, folder / f"{placed}.onnx")
    others = "" if arguments.name == BASE else f"../{BASE}/"
    manifest = _beside(read_manifest(BUNDLES / BASE), made, others).model_copy(update={"name": arguments.name})
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page(load_bundle(folder)), encoding="utf-8")
    print(f"{folder}: {', '.join(manifest.modalities)}")


def _beside(base: BundleManifest, made: Mapping[str, BundleManifest], others: str) -> BundleManifest:
    """Return what is the bundle's of its own modalities, and base's of all else.

    Args:
        base: As it is now.
        made: By its own modalities, what each is taken from.
        others: Where the files of base are, from the bundle.
    """
    modalities = {
        modality: settings.model_copy(update={"file": f"{others}{settings.file}"})
        for modality, settings in base.modalities.items()
    }
    certainty = base.certainty
    for own, manifest in made.items():
        modalities[own] = manifest.modalities[own].model_copy(update={"file": f"{own}.onnx"})
        if own == "face":  # what a neutral picture of a person gains was too little to adapt by (docs/adapt.md)
            modalities[own] = modalities[own].model_copy(update={"neutral": None})
        if certainty is not None and manifest.certainty is not None:
            certainty = _certainty_beside(certainty, manifest.certainty, own)
    return base.model_copy(update={"modalities": modalities, "certainty": certainty})


def _with_measures(
    present: BundleManifest, fitted: BundleManifest, modality: str, measures: Sequence[str]
) -> BundleManifest:
    """Return a bundle as it is, but for how much these measures lower the certainty of a modality."""
    assert present.certainty is not None and fitted.certainty is not None, "certainty is what is taken"
    own, new = present.certainty.modalities[modality], fitted.certainty.modalities[modality]
    taken = own.model_copy(update={"measures": own.measures | {name: new.measures[name] for name in measures}})
    modalities = {**present.certainty.modalities, modality: taken}
    return present.model_copy(update={"certainty": present.certainty.model_copy(update={"modalities": modalities})})


def _certainty_beside(base: CertaintySettings, made: CertaintySettings, own: str) -> CertaintySettings:
    """Return base's certainty but for the bundle's own modality.

    What is fused is base's, as it was fitted on models of people's modalities together and not on these networks.
    """
    known = {**base.modalities, own: made.modalities[own]}
    measured = {**base.measured, own: made.measured[own]}
    clear, likely = fit_limits(measured)
    return base.model_copy(update={"modalities": known, "measured": measured, "clear": clear, "likely": likely})


if __name__ == "__main__":
    main()
