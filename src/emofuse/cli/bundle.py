"""`emofuse bundle`: put networks together so that `emofuse analyze --bundle` can use them, and check what was."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from emofuse.card import InputSpec
from emofuse.cli import bundle_fit
from emofuse.cli.console import OUT, note
from emofuse.cli.train import need_torch
from emofuse.emotions import BASE, LABEL_SETS
from emofuse.errors import UsageError
from emofuse.files import atomic_write
from emofuse.inference.bundle import (
    FUSION,
    MANIFEST,
    Bundle,
    BundleManifest,
    HubTextSettings,
    ModalitySettings,
    certainty_without,
    load_bundle,
    load_network,
)
from emofuse.inference.bundle_check import HubCheckResult, check_bundle, check_hub_text
from emofuse.inference.bundle_writer import BundleEntry, common_labels, compose, entries_of_bundle, head_of_bundle, page
from emofuse.inference.load_model import is_own, load_model
from emofuse.inference.own_model import OWN_MODALITIES, OwnModel
from emofuse.inference.own_onnx import card_beside
from emofuse.types import MODALITIES, in_order

app = typer.Typer(
    name="bundle",
    help="Put networks together for `analyze`, and check them.",
    no_args_is_help=True,
    add_completion=False,
)


app.command("fit")(bundle_fit.fit)


@app.command("make")
def make(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[face|voice|clip|text|fusion]=MODEL...",
            help="A file that `emofuse export` wrote, or a model of your own: hub:ID of the Hugging Face Hub, net.onnx "
            "with a card net.toml beside it, or module:NAME of a function in Python.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="The name of the bundle; by default the folder's name.")] = "",
    base: Annotated[
        str,
        typer.Option("--from", metavar="BUNDLE", help="The bundle to take everything else from (a name or folder)."),
    ] = "",
    weights: Annotated[
        list[str] | None, typer.Option("--weight", metavar="clip=2", help="The weight of a modality in the fusion.")
    ] = None,
    temperatures: Annotated[
        list[str] | None, typer.Option("--temperature", metavar="voice=0.98", help="As `emofuse evaluate` reports it.")
    ] = None,
    labels: Annotated[
        str, typer.Option(help="The labels of the answers: a label set's name, or labels separated by commas.")
    ] = "",
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="voice:LABEL_0=angry",
            help="The meaning of a label of your own model; if empty, the label is left out.",
        ),
    ] = None,
) -> None:
    """Put networks together in a folder: their files, fusion.json and a page about them.

    Exit code: 0 the bundle was made, 1 it was not, 2 wrong usage.
    """
    wanted = _labels(labels) if labels else None
    own = [one.removeprefix(f"{FUSION}=") for one in networks or [] if one.startswith(f"{FUSION}=")]
    named = _pairs([one for one in networks or [] if not one.startswith(f"{FUSION}=")], "MODEL")
    given = _given(named, _label_maps(maps or [], named))
    temperature, weight = _numbers(temperatures or [], "--temperature"), _numbers(weights or [], "--weight")
    loaded = load_bundle(base) if base else None
    parts = _parts(given, loaded)
    if not parts:
        raise UsageError("a bundle needs a network", "for example clip=model.onnx, or --from base")
    hub = _hub_text(loaded, out, temperature, weight) if loaded is not None and "text" not in given else None
    there = dict.fromkeys((*parts, *(["text"] if hub else [])))
    if absent := [m for m in (*temperature, *weight) if m not in there]:
        raise UsageError(f"there is no {absent[0]} network in the bundle", f"it has {', '.join(there)}")
    cards = [load_network(part.file, m).card for m, part in parts.items() if isinstance(part.file, Path)]
    answers = wanted or common_labels(cards, loaded.labels if loaded else BASE)
    for part in parts.values():
        for line in part.file.notes(answers) if isinstance(part.file, OwnModel) else ():
            note(line)
    is_of_same_labels = loaded is not None and answers == loaded.labels
    for modality, part in parts.items():
        if modality in given and modality not in temperature:
            note(f"the temperature of {modality} is not known, so it is 1: its probabilities may be too sure")
        prior = part.prior if is_of_same_labels else None  # it is over other labels
        parts[modality] = replace(
            part,
            temperature=temperature.get(modality, part.temperature),
            weight=weight.get(modality, part.weight),
            prior=prior,
            neutral=part.neutral if is_of_same_labels else None,
        )
    head = BundleEntry(Path(own[-1])) if own else None
    certainty = None
    if loaded is not None and is_of_same_labels:
        head = head_of_bundle(loaded) if head is None and not given else head
        certainty = certainty_without(loaded.manifest, {*given, *temperature})
    compose(out, name or out.resolve().name, answers, parts, hub, certainty, head)
    OUT.print(f"{escape(str(out / MANIFEST))}: {', '.join(parts)}")


def _hub_text(
    base: Bundle, out: Path, temperature: Mapping[str, float], weight: Mapping[str, float]
) -> HubTextSettings | None:
    """Take the text model of the Hub from a bundle, and its weight in the fusion."""
    hub = base.manifest.hub_text
    if hub is None:
        return None
    if Path(hub.model).is_absolute():  # a folder of one
        if Path(hub.model).is_relative_to(out.resolve()):
            raise UsageError(f"the text model {hub.model} lies in the folder that is made anew", "choose another --out")
        note(f"the text model stays where it is: {hub.model}")
    new = {"temperature": temperature.get("text", hub.temperature), "weight": weight.get("text", hub.weight)}
    return hub.model_copy(update=new)


def _given(named: Mapping[str, str], maps: Mapping[str, Mapping[str, str]]) -> dict[str, Path | OwnModel]:
    """Find what is named: a network that was exported, or a model of one's own."""
    given: dict[str, Path | OwnModel] = {}
    for modality, source in named.items():
        is_file = not is_own(source)
        if is_file and card_beside(Path(source)) is None:
            if modality in maps:
                raise UsageError(f"--map {modality}: is for a model of your own", "an exported network has its labels")
            given[modality] = Path(source)
            continue
        own = next((one for one in OWN_MODALITIES if one == modality), None)
        if own is None:
            raise UsageError(f"a model of your own cannot be the {modality}", f"one of {', '.join(OWN_MODALITIES)}")
        given[modality] = load_model(source, own, label_map=maps.get(modality))
    return given


def _label_maps(texts: Iterable[str], named: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Read `modality:LABEL=meaning`. Raises UsageError for anything else."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        key, colon, rest = text.partition(":")
        label, equals, meaning = rest.rpartition("=")
        modality = next((m for m in named if m == key), None)
        if modality is None or not colon or not equals or not label:
            raise UsageError(f"--map {text!r} is not of the form MODALITY:LABEL=meaning", "of a modality that is given")
        found.setdefault(modality, {})[label] = meaning
    return found


def _parts(given: Mapping[str, Path | OwnModel], base: Bundle | None) -> dict[str, BundleEntry]:
    """Take what is given, and the rest from a bundle."""
    parts = {} if base is None else entries_of_bundle(base)
    parts |= {modality: BundleEntry(file) for modality, file in given.items()}
    return {modality: parts[modality] for modality in in_order(parts)}


@app.command("check")
def check(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder that holds one, or the name of one.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Load a bundle, run each of its networks once on made-up input, and print its contents.

    A text model of the Hugging Face Hub that it names is fetched, where it is not on this machine, and run as well.
    Exit code: 0 the bundle can be used, 1 something is wrong with it, 2 wrong usage.
    """
    loaded = load_bundle(bundle, device)
    manifest = loaded.manifest
    trials, hub_trial = check_bundle(loaded), check_hub_text(loaded)
    OUT.print(f"[bold]bundle {escape(manifest.name)} {escape(manifest.version)}[/bold]: {', '.join(loaded.labels)}")
    for trial in trials:
        card, settings = loaded.card(trial.modality), manifest.modalities[trial.modality]
        sizes = [f"{card.n_parameters:,} parameters"] if card.n_parameters else []
        size = ", ".join([*sizes, f"{trial.size_bytes / 1e6:.1f} MB"] if trial.size_bytes else sizes) or "size unknown"
        weight = format_weight(settings)
        OUT.print(f"\n[bold]{trial.modality}[/bold] {escape(settings.file)}: {escape(card.name)} ({size}, {weight})")
        OUT.print(f"  labels: {escape(', '.join(card.labels))}")
        OUT.print(f"  input: {_written(card.input)}")
        OUT.print(f"  cost: {trial.call_ms:.1f} ms a call on {escape(device)}")
        for source in card.data:
            OUT.print(f"  data: {escape(source.name)}, licence: {escape(source.licence)}")
        for caution in card.cautions:
            OUT.print(f"  caution: {escape(caution)}")
    if loaded.head is not None and manifest.head is not None:
        card, head = loaded.head.card, manifest.head
        said = f"{card.n_parameters:,} parameters, temperature {head.temperature:.2f}"
        OUT.print(f"\n[bold]fusion[/bold] {escape(head.file)}: {escape(card.name)} ({said})")
        OUT.print(f"  input: {_written(card.input)}")
    if hub_trial is not None:
        _print_hub_text(manifest, hub_trial, device)
    OUT.print("\nall networks can be run")


@app.command("card")
def card(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder that holds one, or the name of one.")],
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results",
            metavar="FILE.json",
            help="What `emofuse benchmark`, `robustness` or `fairness` wrote.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write; by default the result is printed.")
    ] = None,
) -> None:
    """Write the card of a bundle: data, licences, scores, what was measured since, intended and forbidden uses."""
    loaded = load_bundle(bundle)
    measured = ""
    if results:
        need_torch()
        from emofuse.research.evaluation.reports.bundle_card import measured_sections

        measured = measured_sections(loaded, results)
    text = page(loaded, measured)
    if out is None:
        OUT.print(escape(text), end="")
        return
    with atomic_write(out) as name:
        name.write_text(text, encoding="utf-8", newline="\n")
    OUT.print(escape(str(out)))


def _print_hub_text(manifest: BundleManifest, trial: HubCheckResult, device: str) -> None:
    OUT.print("\n" + hub_text_line(manifest))
    OUT.print(f"  labels: {escape(', '.join(trial.names))}")
    for line in trial.notes:
        OUT.print(f"  {escape(line)}")
    OUT.print("  input: a sentence or two")
    OUT.print(f"  cost: {trial.call_ms:.1f} ms a call on {escape(device)}")


def hub_text_line(manifest: BundleManifest) -> str:
    """Say which text model of the Hub a bundle names, which it must do, as the other networks are said."""
    hub = manifest.hub_text
    assert hub is not None, "asked of bundles that name one"
    instead = f", in place of {manifest.modalities['text'].file}" if "text" in manifest.modalities else ""
    what = f"a text model of the Hugging Face Hub{escape(instead)} ({format_weight(hub)})"
    return f"[bold]text[/bold] {escape(hub.model)}: {what}"


def format_weight(settings: ModalitySettings | HubTextSettings) -> str:
    """Return a network's weight in the fusion and the temperature that calibrates it, for a line of text."""
    return f"weight {settings.weight:.2f}, temperature {settings.temperature:.2f}"


def _written(spec: InputSpec) -> str:
    """Say what a network is given."""
    if spec.kind == "face":
        kind = "grey faces" if spec.margin is None else "faces in colour"
        return f"{kind} of {spec.size_px} x {spec.size_px}"
    if spec.dims is not None:
        return "embeddings of " + ", ".join(f"{modality} ({size})" for modality, size in spec.dims.items())
    if spec.kind == "text":
        return "English words, a sentence or two"
    if spec.kind == "samples":
        return f"{spec.window_s:g} s of sound at {spec.rate_hz} Hz" if spec.window_s else f"sound at {spec.rate_hz} Hz"
    every = f"every {spec.stride}, " if spec.sampling == "strided" else ""
    over = f" over {spec.window_s:g} s" if spec.sampling == "uniform" else ""
    sound = f", and {spec.window_s:g} s of sound at {spec.rate_hz} Hz" if spec.rate_hz else ""
    answer = ", an answer for every frame" if spec.per_frame else ""
    return f"{spec.n_frames} frames of {spec.size_px} x {spec.size_px}, {every}{spec.sampling}{over}{sound}{answer}"


def _pairs(texts: Iterable[str], what: str) -> dict[str, str]:
    """Read `modality=value`, each modality once. Raises UsageError for anything else."""
    found: dict[str, str] = {}
    for text in texts:
        key, _, value = text.partition("=")
        modality = next((m for m in MODALITIES if m == key), None)
        if modality is None or not value:
            raise UsageError(f"{text!r} is not of the form {'|'.join(MODALITIES)}={what}")
        if modality in found:
            raise UsageError(f"{modality} is given twice: {found[modality]} and {value}")
        found[modality] = value
    return found


def _numbers(texts: Iterable[str], option: str) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for modality, text in _pairs(texts, "NUMBER").items():
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            raise UsageError(f"{option} {modality}={text}: it must be a number above 0")
        numbers[modality] = number
    return numbers


def _labels(text: str) -> tuple[str, ...]:
    """Return the labels of a set, or those of a list. Raises UsageError for less than two, or one that is twice."""
    if text in LABEL_SETS:
        return LABEL_SETS[text]
    labels = tuple(part.strip() for part in text.split(",") if part.strip())
    if len(labels) < 2:
        raise UsageError(f"no label set is called {text!r}", f"there is {', '.join(LABEL_SETS)}, or labels with commas")
    if len(set(labels)) < len(labels):
        raise UsageError(f"a label is twice in {text!r}")
    return labels
