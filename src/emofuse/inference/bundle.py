"""A bundle: a folder with a network per modality and `fusion.json`, which says how their answers become one."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emofuse.card import ModelCard
from emofuse.emotions import LABEL_MAPS, LABEL_SETS, mapping_matrix
from emofuse.errors import BundleError, UsageError
from emofuse.importing import import_object, source_hash
from emofuse.inference.certainty import CertaintySettings
from emofuse.inference.fusion import Pool
from emofuse.inference.load_model import ALLOW, is_code, is_own, load_named
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.onnx_runtime import pick_device
from emofuse.inference.own_model import OWN_MODALITIES, OwnModality, OwnModel
from emofuse.inference.own_onnx import OnnxCard
from emofuse.provenance import ModelFile
from emofuse.reading import file_hash, is_file, is_folder, one_line, read_bytes
from emofuse.threads import allowed_threads
from emofuse.types import MODALITIES

BUNDLES: Final = Path(__file__).parent.parent / "bundles"
MANIFEST: Final = "fusion.json"
_MOST_MB: Final = 4.0  # of a manifest
FUSION: Final = "fusion"  # the modality of a trained fusion, on its card
MOST_THREADS: Final = 4  # of a clip network, the only kind that is large enough to gain from more than one

ModalityName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
_TAKEN: Final = ("fused", FUSION, "p")  # names that mean something else in results


class ModalitySettings(BaseModel):
    """One modality of a bundle. temperature calibrates its network; weight: how much its answer counts.

    sha256: of the file, as it was when the bundle was made; `emofuse bundle check` compares it. prior: what the network
    answers with before it has seen anything, over the bundle's labels; it is taken off every answer, so that what is
    left is evidence. The answers of a bundle in which a modality has none are fused linearly. A model that emofuse did
    not export is an ONNX file with its card, or "hub:ID" or "module:NAME" as the file; label_map says what its labels
    mean, where their names do not. neutral: the mean log-probabilities, over the bundle's labels, of what it answers
    for people in a neutral mood, on whom it was not trained (`PersonBaseline`'s reference).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str
    temperature: float = Field(gt=0, allow_inf_nan=False)
    weight: float = Field(gt=0, allow_inf_nan=False)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    prior: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None
    card: OnnxCard | None = None
    label_map: dict[str, str] | None = None
    neutral: tuple[Annotated[float, Field(le=0, allow_inf_nan=False)], ...] | None = None

    @property
    def is_own(self) -> bool:
        """Whether it is a model of the user's own, which emofuse did not export."""
        return self.card is not None or is_own(self.file)


class HubTextSettings(BaseModel):
    """A text classifier of the Hugging Face Hub, or a folder of one (in the bundle's, or anywhere), for the words."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)


class HeadSettings(BaseModel):
    """A trained fusion over the embeddings of a bundle's networks, in place of the pool of their answers.

    temperature, sha256, prior: as in ModalitySettings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    prior: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None


class BundleManifest(BaseModel):
    """What `fusion.json` holds.

    head: the trained fusion, None where answers are pooled. certainty: how far answers can be relied on; older bundles
    do not tell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    version: str
    labels: tuple[str, ...] = Field(min_length=2)
    modalities: dict[ModalityName, ModalitySettings] = Field(min_length=1)
    hub_text: HubTextSettings | None = None
    head: HeadSettings | None = None
    certainty: CertaintySettings | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        taken = [modality for modality in self.modalities if modality in _TAKEN]
        if taken:
            raise ValueError(f"{taken[0]} is no name of a modality")
        priors: dict[str, tuple[float, ...] | None] = {
            modality: settings.prior for modality, settings in self.modalities.items()
        }
        if self.head is not None:
            priors["the head"] = self.head.prior
        for modality, prior in priors.items():
            if prior is not None and (len(prior) != len(self.labels) or abs(sum(prior) - 1) > 0.01):
                raise ValueError(f"the prior of {modality} is not {len(self.labels)} numbers that add up to 1")
        for modality, settings in self.modalities.items():
            if settings.neutral is not None and len(settings.neutral) != len(self.labels):
                raise ValueError(f"neutral of {modality} is not {len(self.labels)} numbers")
        known = {} if self.certainty is None else self.certainty.modalities
        for name, one in known.items():
            if len(one.by_label) != len(self.labels):
                raise ValueError(f"the certainty of {name} is not over {len(self.labels)} labels")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A loaded bundle: its manifest, for each of its modalities a network or a model of one's own, and its trained
    fusion, if any. added: by its name, each modality that it brings along as module:NAME.

    The text model of the Hub, where it names one, is loaded when there are words
    (`modalities.text.text_scorer`), on this device.
    """

    manifest: BundleManifest
    networks: dict[str, OnnxNetwork]
    device: str = "cpu"
    sha256: str | None = None  # of the file of the manifest
    head: OnnxNetwork | None = None
    own: dict[OwnModality, OwnModel] = field(default_factory=dict)
    added: dict[str, Any] = field(default_factory=dict)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that it has something for, in the order of its manifest."""
        return tuple(m for m in self.manifest.modalities if m in self.networks or m in self.own)

    def card(self, modality: str) -> ModelCard:
        """Return what is known of the network or model of a modality."""
        found = self.own.get(cast(OwnModality, modality))
        return self.networks[modality].card if found is None else found.card

    def model_file(self, modality: str) -> ModelFile | None:
        """Return the file of the network or model of a modality, None where there is none."""
        own = self.own.get(cast(OwnModality, modality))
        if own is not None:
            return ModelFile(modality, own.source or own.name, own.sha256)
        if modality in self.added:
            file = self.manifest.modalities[modality].file
            return ModelFile(modality, file, source_hash(self.added[modality]) or None)
        network = self.networks.get(modality)
        return None if network is None else ModelFile(modality, self.manifest.modalities[modality].file, network.sha256)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the bundle answers with."""
        return self.manifest.labels

    @property
    def weights(self) -> dict[str, float]:
        """The say of each modality in the fusion."""
        hub = self.manifest.hub_text
        return {
            **{m: s.weight for m, s in self.manifest.modalities.items()},
            **({} if hub is None else {"text": hub.weight}),
        }

    @property
    def pool(self) -> Pool:
        """How its answers are fused: as evidence, where each of them is that."""
        is_evidence = all(s.prior is not None for s in self.manifest.modalities.values())
        return "logarithmic" if is_evidence and self.manifest.hub_text is None else "linear"


def bundle_folder(name_or_path: str | Path) -> Path:
    """Return the folder of a bundle that ships, by its name, or the folder that is meant, be it there or not."""
    # a bundle that ships comes first: a folder that happens to be called "base" is not what people mean
    shipped = BUNDLES / name_or_path
    return shipped if is_file(shipped / MANIFEST) else Path(name_or_path)


def load_bundle(name_or_path: str | Path = "base", device: str = "cpu", *, runs_code: bool | None = None) -> Bundle:
    """Load a bundle that ships, by its name, or any folder.

    runs_code: whether Python code that it names is run; None: where EMOFUSE_ALLOW_CODE is 1. Raises BundleError, saying
    what is wrong with it.
    """
    folder, device = bundle_folder(name_or_path), pick_device(device)
    if not is_file(folder / MANIFEST):
        known = ", ".join(sorted(p.parent.name for p in BUNDLES.glob(f"*/{MANIFEST}")))
        raise BundleError(f"no bundle {str(name_or_path)!r}", f"give a folder with {MANIFEST}, or one of: {known}")
    manifest = read_manifest(folder)
    networks: dict[str, OnnxNetwork] = {}
    own: dict[OwnModality, OwnModel] = {}
    added: dict[str, Any] = {}
    for modality, settings in manifest.modalities.items():
        if settings.is_own:
            if is_code(settings.file) and not (os.environ.get(ALLOW) == "1" if runs_code is None else runs_code):
                what = f"the bundle {manifest.name} runs Python code: {settings.file}"
                raise BundleError(what, f"set {ALLOW}=1 if you trust whoever made it")
            if is_code(settings.file) and modality not in MODALITIES:
                added[modality] = import_object(settings.file)
                continue
            own[_own_modality(modality)] = _load_own(folder, settings, modality, manifest.labels, device)
            continue
        load = _load_shipped if folder.parent == BUNDLES and device == "cpu" else load_network
        network = load(folder / settings.file, modality, device, settings.sha256)
        try:
            labels_matrix(network.card.labels, manifest.labels)
        except BundleError as error:
            raise BundleError(f"{settings.file}: {error.message}", error.hint) from None
        networks[modality] = network
    head = None if manifest.head is None else _load_head(folder / manifest.head.file, device)
    return Bundle(manifest, networks, device, file_hash(folder / MANIFEST), head, own, added)


def _load_head(path: Path, device: str) -> OnnxNetwork:
    network = OnnxNetwork(path, device)
    if network.card.modality != FUSION:
        raise BundleError(f"{path.name} is a {network.card.modality} network, not a fusion")
    return network


def certainty_without(manifest: BundleManifest, replaced: Collection[str]) -> CertaintySettings | None:
    """Return how far a bundle's answers can be relied on where the networks of some modalities are others now."""
    certainty = manifest.certainty
    if certainty is None or not replaced:
        return certainty
    known = {name: one for name, one in certainty.modalities.items() if name not in replaced}
    measured = {name: bins for name, bins in certainty.measured.items() if name in known}
    return certainty.model_copy(update={"modalities": known, "measured": measured})


def replaced(bundle: Bundle, models: Mapping[OwnModality, OwnModel]) -> Bundle:
    """Return a bundle with models of one's own in place of its networks. Nobody knows their priors, so that all answers
    are fused linearly, and how far theirs can be relied on is not told.

    Raises BundleError where a model's labels cannot be carried to those of the bundle.
    """
    if not models:
        return bundle
    modalities = dict(bundle.manifest.modalities)
    for modality, model in models.items():
        model.matrix(bundle.labels)
        weight = modalities[modality].weight if modality in modalities else 1.0
        modalities[modality] = ModalitySettings(file=model.source or model.name, temperature=1.0, weight=weight)
    hub = None if "text" in models else bundle.manifest.hub_text
    certainty = certainty_without(bundle.manifest, models)
    changed = {"modalities": modalities, "certainty": certainty, "hub_text": hub, "head": None}
    networks = {name: one for name, one in bundle.networks.items() if name not in models}
    return replace(
        bundle,
        manifest=bundle.manifest.model_copy(update=changed),
        networks=networks,
        head=None,  # it was trained on what other networks know
        own={**bundle.own, **models},
    )


def _own_modality(modality: str) -> OwnModality:
    found = next((one for one in OWN_MODALITIES if one == modality), None)
    if found is None:
        raise BundleError(
            f"a model of one's own cannot be the {modality} of a bundle", f"{', '.join(OWN_MODALITIES)} can"
        )
    return found


def _load_own(folder: Path, settings: ModalitySettings, modality: str, labels: Sequence[str], device: str) -> OwnModel:
    model = load_named(folder, settings.file, _own_modality(modality), settings.card, settings.label_map or {}, device)
    model.matrix(labels)
    return model


def read_manifest(folder: Path) -> BundleManifest:
    """Read the `fusion.json` of a folder. Raises BundleError where it is not whole."""
    file = folder / MANIFEST
    try:
        manifest = BundleManifest.model_validate_json(read_bytes(file, _MOST_MB))
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise BundleError(f"{file} is not whole: {one_line(where + first['msg'])}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read {file}: {one_line(error)}") from None
    hub = manifest.hub_text
    if hub is None or not is_folder(folder / hub.model):
        return manifest
    own = hub.model_copy(update={"model": str((folder / hub.model).resolve())})
    return manifest.model_copy(update={"hub_text": own})


def load_network(path: Path, modality: str, device: str = "cpu", sha256: str | None = None) -> OnnxNetwork:
    """Load a network that is to be one modality of a bundle. Raises BundleError where it is of another.

    sha256: as its bundle has it. A network of words that is this file is opened when there are words, as few recordings
    have any; but on a GPU at once, which may fail to start.
    """
    n_threads = min(MOST_THREADS, allowed_threads()) if modality == "clip" else 1
    network = OnnxNetwork(path, device, n_threads, sha256 if modality == "text" and device == "cpu" else None)
    if network.card.modality != modality:
        raise BundleError(f"{path.name} is a {network.card.modality} network, not a {modality} one")
    return network


def _load_shipped(path: Path, modality: str, device: str, sha256: str | None) -> OnnxNetwork:
    """Load a network that ships, once for all bundles and pipelines of a process: they are small, stay as they are, and
    hold no memory of a GPU."""
    return _load_once(path.resolve(), modality, device, sha256)


_load_once = cache(load_network)


def labels_matrix(source: Sequence[str], target: Sequence[str]) -> NDArray[np.float32]:
    """Return the 0/1 matrix (len(source), len(target)) that carries a network's labels to those of a bundle.

    Labels that are one of emotions.LABEL_SETS have its table; labels of one's own are the same by their names alone.
    Raises BundleError where a label cannot be carried, or none of them is.
    """
    tables = (LABEL_MAPS[name] for name, labels in LABEL_SETS.items() if set(labels) == set(target))
    try:
        matrix = mapping_matrix(source, target, next(tables, {label: label for label in target}))
    except UsageError as error:
        raise BundleError(
            error.message, "the labels of a bundle must be ones that its networks' can be mapped to"
        ) from None
    if not matrix.any():
        raise BundleError(f"none of the labels {', '.join(source)} can be mapped to {', '.join(target)}")
    return matrix
