"""Make src/emofuse/bundles/permissive: those networks of the base bundle whose data and weights allow commercial use.

    python scripts/make_permissive_bundle.py

Its networks are the files of the base bundle, not copies of them. It is made again whenever the base bundle is.
"""

from __future__ import annotations

from emofuse.inference.bundle import BUNDLES, MANIFEST, load_bundle
from emofuse.inference.bundle_writer import PAGE, page
from emofuse.inference.licences import in_the_way, sources_of

NAME = "permissive"


def main() -> None:
    """Write fusion.json and card.md."""
    base = load_bundle("base")
    refused = {source.modality for source in in_the_way(sources_of(base))}
    manifest = base.manifest
    kept = {
        modality: settings.model_copy(update={"file": f"../base/{settings.file}"})
        for modality, settings in manifest.modalities.items()
        if modality not in refused
    }
    certainty = manifest.certainty
    if certainty is not None:
        known = {modality: one for modality, one in certainty.modalities.items() if modality in kept}
        certainty = certainty.model_copy(update={"modalities": known})
    made = manifest.model_copy(update={"name": NAME, "modalities": kept, "certainty": certainty})
    folder = BUNDLES / NAME
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).write_text(made.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page(load_bundle(folder)), encoding="utf-8")
    print(f"{folder}: {', '.join(kept) or 'nothing'}; left out: {', '.join(sorted(refused))}")


if __name__ == "__main__":
    main()
