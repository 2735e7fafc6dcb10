"""Putting a bundle together: the networks' files, `fusion.json` and a page about them, in a folder of their own."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emofuse import __version__
from emofuse.card import FORBIDDEN, INTENDED, LIMITS, ModelCard
from emofuse.emotions import BASE, LABEL_SETS, SPELLINGS
from emofuse.errors import BundleError, OutputError
from emofuse.files import make_folder
from emofuse.inference.bundle import (
    MANIFEST,
    Bundle,
    BundleManifest,
    HeadSettings,
    HubTextSettings,
    ModalitySettings,
    labels_matrix,
    load_bundle,
    read_manifest,
)
from emofuse.inference.certainty import CertaintySettings
from emofuse.inference.fusion_head import FusionHead
from emofuse.inference.licences import in_the_way, sources_of
from emofuse.inference.own_model import OwnModel
from emofuse.inference.own_onnx import OnnxModel
from emofuse.reading import file_hash
from emofuse.staging import StagedPath

PAGE: Final = "card.md"
HEAD: Final = "fusion.onnx"
_FUSIONS: Final = {
    "linear": "The modalities' calibrated probabilities are averaged, each with its weight times the quality of its "
    "input.",
    "head": "Where two modalities or more have an embedding, a trained fusion answers over those; all else is pooled.",
    "logarithmic": "Each network's prior is taken off its answers; what is left is evidence, which is added up, each "
    "with its weight times the quality of its input. Before it, all labels are equally likely.",
}


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """One modality of a bundle to be: its ONNX file, a model of one's own, or module:NAME where the bundle adds it, and
    what goes into ModalitySettings."""

    file: Path | OwnModel | str
    temperature: float = 1.0
    weight: float = 1.0
    prior: tuple[float, ...] | None = None
    neutral: tuple[float, ...] | None = None


def compose(
    folder: Path,
    name: str,
    labels: Sequence[str],
    parts: Mapping[str, BundleEntry],
    hub_text: HubTextSettings | None = None,
    certainty: CertaintySettings | None = None,
    head: BundleEntry | None = None,
) -> None:
    """Write a bundle, load it, and only then put it in place of what `folder` held: nothing, or another bundle.

    hub_text: the text model of the Hub, or a folder of one, that it names; it is not copied. certainty: how far its
    answers can be relied on, fitted for these very networks. head: a trained fusion of them; its weight does not count.
    Raises OutputError where
    `folder` holds anything else or cannot be written, BundleError where the parts make no bundle.
    """
    target = folder.resolve()
    _check_replaceable(target)
    make_folder(target.parent)
    staged = None
    try:
        staged = StagedPath(target, is_folder=True)
        made = staged.path
        modalities: dict[str, ModalitySettings] = {}
        for modality, part in parts.items():
            modalities[modality] = ModalitySettings(
                **_placed(part.file, made, f"{modality}.onnx"),
                temperature=part.temperature,
                weight=part.weight,
                prior=part.prior,
                neutral=part.neutral,
            )
        fusion = None if head is None else _copy_head(head, made / HEAD)
        manifest = BundleManifest(
            name=name,
            version=__version__,
            labels=tuple(labels),
            modalities=modalities,
            hub_text=hub_text,
            head=fusion,
            certainty=certainty,
        )
        (made / MANIFEST).write_text(manifest.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
        bundle = load_bundle(made, runs_code=True)  # which whoever makes the bundle has named
        if bundle.head is not None:
            FusionHead(bundle)  # refuses one that does not go with the networks
        (made / PAGE).write_text(page(bundle), encoding="utf-8")
        _swap(made, target)
    except OSError as error:
        raise OutputError(f"cannot write the bundle {folder}: {error.strerror or error}") from error
    finally:
        if staged is not None:
            staged.discard()


def _copy_head(head: BundleEntry, target: Path) -> HeadSettings:
    assert isinstance(head.file, Path), "a trained fusion is a file that was exported"
    shutil.copyfile(head.file, target)
    return HeadSettings(file=target.name, temperature=head.temperature, sha256=file_hash(target), prior=head.prior)


def head_of_bundle(bundle: Bundle) -> BundleEntry | None:
    """Return the trained fusion of a bundle with its settings, None where it has none."""
    settings = bundle.manifest.head
    if bundle.head is None or settings is None:
        return None
    return BundleEntry(bundle.head.path, settings.temperature, 1.0, settings.prior)


def entries_of_bundle(bundle: Bundle) -> dict[str, BundleEntry]:
    """Return the networks of a bundle with their settings, to make another one of."""
    files: dict[str, Path | OwnModel | str] = {m: network.path for m, network in bundle.networks.items()}
    files |= dict(bundle.own.items())
    files |= {m: bundle.manifest.modalities[m].file for m in bundle.added}
    return {
        m: BundleEntry(files[m], settings.temperature, settings.weight, settings.prior, settings.neutral)
        for m, settings in bundle.manifest.modalities.items()
        if m in files
    }


def _placed(file: Path | OwnModel | str, folder: Path, name: str) -> dict[str, Any]:
    """Copy a network into the folder of a bundle; return what of ModalitySettings says where and what it is."""
    if isinstance(file, str):
        return {"file": file}
    if not isinstance(file, Path | OnnxModel):
        if not file.source:
            hint = "name it as module:NAME, of a module that Python finds"
            raise BundleError(f"{file.name} is a function that a bundle cannot name", hint)
        return {"file": file.source, "label_map": dict(file.label_map) or None}
    copied = folder / name
    shutil.copyfile(file if isinstance(file, Path) else file.path, copied)
    placed: dict[str, Any] = {"file": copied.name, "sha256": file_hash(copied)}
    if isinstance(file, OnnxModel):
        placed |= {"card": file.own_card, "label_map": dict(file.label_map) or None}
    return placed


def common_labels(cards: Sequence[ModelCard], first_choice: Sequence[str] = BASE) -> tuple[str, ...]:
    """Choose what a bundle of these networks answers with: `first_choice` where all can be mapped to it, else the
    labels that they share. Raises BundleError where there are none such."""
    own = {card.labels for card in cards}
    try:
        for card in cards:
            labels_matrix(card.labels, first_choice)
    except BundleError as error:
        if len(own) == 1:
            return own.pop()
        hint = f"choose a set with --labels: {', '.join(LABEL_SETS)}"
        raise BundleError(f"the networks have no labels in common: {error.message}", hint) from None
    return tuple(first_choice)


def page(bundle: Bundle, measured: str = "") -> str:
    """Write what people should know of a bundle, as Markdown: labels, data with licences, scores, cautions, and what it
    is for and must not be used for.

    measured: sections on what was measured of it since, as Markdown.
    """
    manifest = bundle.manifest
    lines = [
        f"# Bundle {manifest.name} {manifest.version}",
        "",
        f"Answers with: {', '.join(manifest.labels)}.{_changes(bundle)}",
        _FUSIONS[bundle.pool],
        *([_FUSIONS["head"]] if bundle.head is not None else []),
        "",
        "Scores are fractions of one corpus's own test; they say little about your recordings. Emotion shown is not "
        "emotion felt: do not decide about people by it.",
    ]
    if manifest.certainty is not None:
        lines += ["", *_about_certainty(manifest.certainty, list(bundle.modalities))]
    for modality in bundle.modalities:
        settings = manifest.modalities[modality]
        lines += ["", f"## {modality}: `{settings.file}`", "", *_about(bundle.card(modality), settings)]
    for modality in bundle.added:
        file = manifest.modalities[modality].file
        lines += ["", f"## {modality}: `{file}`", "", "Code that the bundle brings along; its licence is not stated."]
    if manifest.hub_text is not None:
        own = f"temperature {manifest.hub_text.temperature}; weight {manifest.hub_text.weight}"
        lines += ["", f"## text: `{manifest.hub_text.model}`", "", f"A text model of the Hugging Face Hub, {own}."]
    if bundle.head is not None and manifest.head is not None:
        lines += ["", f"## fusion: `{manifest.head.file}`", "", *_about(bundle.head.card, manifest.head)]
    lines += ["", measured.strip()] if measured else []
    for title, sentences in (("Intended uses", INTENDED), ("Forbidden uses", FORBIDDEN), ("Limits", LIMITS)):
        lines += ["", f"## {title}", "", *(f"- {sentence}" for sentence in sentences)]
    lines += ["", f"Commercial use: {_commerce(bundle)}."]
    return "\n".join(lines) + "\n"


def _about_certainty(certainty: CertaintySettings, modalities: Sequence[str]) -> list[str]:
    lines = [
        "Confidence is the share of such answers that were right on corpora that were left out; an answer is called "
        f"clear from {certainty.clear:.2f} on, and likely from {certainty.likely:.2f}.",
    ]
    if certainty.measured:
        lines += [
            "",
            "| of | left-out answers | right | of those called clear or likely | right |",
            "|---|---|---|---|---|",
        ]
    told = [*modalities, *(["fused"] if len(modalities) > 1 else [])]
    for name, bins in ((name, bins) for name, bins in certainty.measured.items() if name in told):
        called = [one for one in bins if one.p_right >= certainty.likely]
        counts = [sum(one.n for one in some) for some in (bins, called)]
        right = [
            sum(one.n * one.right for one in some) / max(n, 1) for some, n in zip((bins, called), counts, strict=True)
        ]
        lines.append(f"| {name} | {counts[0]:,} | {right[0]:.1%} | {counts[1]:,} | {right[1]:.1%} |")
    return lines


def _commerce(bundle: Bundle) -> str:
    refused = dict.fromkeys(source.modality for source in in_the_way(sources_of(bundle)))
    if not refused:
        return "the licences of all data and weights allow it, by their names"
    return f"not of this bundle: the data of {', '.join(refused)} do not allow it, or do not say so"


def _about(card: ModelCard, settings: ModalitySettings | HeadSettings) -> list[str]:
    lines = [
        card.description,
        "",
        f"- labels: {', '.join(card.labels)}",
        f"- {_size(card)}temperature {settings.temperature}"
        + (f"; weight {settings.weight}" if isinstance(settings, ModalitySettings) else ""),
    ]
    lines += [f"- recipe: `{card.name}`, seed {card.seed}"] if card.recipe else []
    lines += [f"- data: {d.name}{f' ({d.part})' if d.part else ''}, licence: {d.licence}" for d in card.data]
    lines += [f"- caution: {caution}" for caution in card.cautions]
    if card.scores:
        lines += ["", "| score | value | 95 % interval | on | weights |", "|---|---|---|---|---|"]
    for s in card.scores:
        interval = f"{s.interval_95[0]:.1%} to {s.interval_95[1]:.1%}" if s.interval_95 else ""
        lines.append(f"| {s.metric} | {s.value:.2%} | {interval} | {s.on} | {s.weights} |")
    for protocol, command in dict.fromkeys((s.protocol, s.command) for s in card.scores):
        lines += ["", f"{protocol}. `{command}`"]
    return lines


def _size(card: ModelCard) -> str:
    return f"parameters: {card.n_parameters:,}; " if card.n_parameters else ""


def _changes(bundle: Bundle) -> str:
    """Say which labels of the networks count as another one, and which are left out."""
    said: dict[str, None] = {}
    carried = [(n.card.labels, labels_matrix(n.card.labels, bundle.labels)) for n in bundle.networks.values()]
    carried += [(model.names, model.matrix(bundle.labels)) for model in bundle.own.values()]
    for labels, matrix in carried:
        for label, row in zip(labels, matrix, strict=True):
            if not row.any():
                said[f"{label} is left out"] = None
            elif _meaning(label) != _meaning(into := bundle.labels[int(row.argmax())]):
                said[f"{label} counts as {into}"] = None
    text = "; ".join(said)
    return f" {text[0].upper()}{text[1:]}." if text else ""


def _meaning(label: str) -> str:
    return next((meaning for meaning, spellings in SPELLINGS.items() if label in spellings), label)


def _check_replaceable(target: Path) -> None:
    """Raise OutputError where putting a bundle at `target` would lose something that is not a bundle."""
    hint = "choose a folder that is not there yet"
    if target == Path.cwd():
        raise OutputError(f"{target} is the folder you are in", hint)
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target} is a file", hint)
    held = {path.name for path in target.iterdir()} if target.is_dir() else set()
    if not held:
        return
    try:
        own = {MANIFEST, PAGE, HEAD, *(s.file for s in read_manifest(target).modalities.values())}
    except (OSError, BundleError):
        own = set()
    if not held <= own:
        raise OutputError(f"{target} holds something else: {', '.join(sorted(held - own)[:3])}", hint)


def _swap(made: Path, target: Path) -> None:
    """Put `made` in the place of `target`; on failure `target` is as it was."""
    if not target.exists():
        made.rename(target)
        return
    # not by a name of ours: if we were killed now, the next run must not take it for something of ours to clear away
    aside = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:8]}.old")
    target.rename(aside)
    try:
        made.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
