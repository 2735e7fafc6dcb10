"""A bundle: a folder with a network per modality and `fusion.json`, which says how their answers become one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emofuse.errors import BundleError
from emofuse.inference.network import OnnxNetwork

BUNDLES: Final = Path(__file__).parent.parent / "bundles"
MANIFEST: Final = "fusion.json"


class ModalitySettings(BaseModel):
    """One modality of a bundle. temperature calibrates its network; weight is its say in the fusion."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str
    temperature: float = Field(gt=0)
    weight: float = Field(gt=0)


class BundleManifest(BaseModel):
    """What `fusion.json` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    version: str
    labels: tuple[str, ...] = Field(min_length=2)
    modalities: dict[Literal["face", "voice"], ModalitySettings] = Field(min_length=1)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A loaded bundle: its manifest and a network for each of its modalities."""

    manifest: BundleManifest
    networks: dict[str, OnnxNetwork]

    @property
    def labels(self) -> tuple[str, ...]:
        """What the bundle answers with."""
        return self.manifest.labels

    @property
    def weights(self) -> dict[str, float]:
        """The say of each modality in the fusion."""
        return {m: s.weight for m, s in self.manifest.modalities.items()}


def load_bundle(name_or_path: str | Path = "base", device: str = "cpu") -> Bundle:
    """Load a bundle that ships, by its name, or any folder. Raises BundleError, saying what is wrong with it."""
    # a bundle that ships comes first: a folder that happens to be called "base" is not what people mean
    shipped = BUNDLES / name_or_path
    folder = shipped if (shipped / MANIFEST).is_file() else Path(name_or_path)
    file = folder / MANIFEST
    if not file.is_file():
        known = ", ".join(sorted(p.parent.name for p in BUNDLES.glob(f"*/{MANIFEST}")))
        raise BundleError(f"no bundle {str(name_or_path)!r}", f"give a folder with {MANIFEST}, or one of: {known}")
    try:
        manifest = BundleManifest.model_validate_json(file.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError, json.JSONDecodeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{file} is not whole: {where}: {first['msg']}") from None
    networks: dict[str, OnnxNetwork] = {}
    for modality, settings in manifest.modalities.items():
        network = OnnxNetwork(folder / settings.file, device)
        if network.card.modality != modality:
            raise BundleError(f"{settings.file} is a {network.card.modality} network, not a {modality} one")
        networks[modality] = network
    return Bundle(manifest, networks)
