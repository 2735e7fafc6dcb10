"""`emofuse info`: versions, devices, and the bundle with its cards."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer
from rich.markup import escape

from emofuse import __version__
from emofuse.card import ModelCard
from emofuse.cli.bundle import format_weight, hub_text_line
from emofuse.cli.console import OUT
from emofuse.cli.model_options import BundleOption, PermissiveOption, check_allowed, print_licences
from emofuse.inference.bundle import load_bundle
from emofuse.inference.onnx_runtime import available_devices

PACKAGES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "pydantic", "torch", "torchvision", "lightning")


def info(
    bundle: BundleOption = "base",
    licences: Annotated[
        bool,
        typer.Option("--licences", help="Print only what its networks were trained on, and what the licences allow."),
    ] = False,
    permissive_only: PermissiveOption = False,
) -> None:
    """Print versions, devices, and what is in a bundle, with its cards."""
    loaded = load_bundle(bundle)
    check_allowed(loaded, permissive_only)
    if licences:
        print_licences(loaded)
        return
    OUT.print(f"[bold]emofuse {__version__}[/bold] on Python {platform.python_version()}, {platform.platform()}")
    OUT.print("packages: " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    OUT.print("devices:  " + ", ".join(available_devices()))
    manifest = loaded.manifest
    OUT.print(f"\n[bold]bundle {escape(manifest.name)} {escape(manifest.version)}[/bold]: {', '.join(loaded.labels)}")
    for modality, settings in manifest.modalities.items():
        weight = format_weight(settings)
        if modality in loaded.added:
            OUT.print(f"\n[bold]{modality}[/bold] ({escape(settings.file)}, a modality that the bundle adds, {weight})")
            continue
        card = loaded.card(modality)
        OUT.print(f"\n[bold]{modality}[/bold] ({settings.file}, {card.n_parameters:,} parameters, {weight})")
        _print_card(card)
    if manifest.hub_text is not None:
        OUT.print("\n" + hub_text_line(manifest))
        OUT.print("  it is loaded when there are words; `emofuse bundle check` loads and tries it")


def _print_card(card: ModelCard) -> None:
    OUT.print(f"  {escape(card.description)}")
    OUT.print(f"  labels: {', '.join(card.labels)}")
    for source in card.data:
        OUT.print(f"  data: {escape(source.name)} ({escape(source.part)}), licence: {escape(source.licence)}")
    for score in card.scores:
        interval = f" [{score.interval_95[0]:.1%}, {score.interval_95[1]:.1%}]" if score.interval_95 else ""
        OUT.print(
            f"  {score.metric} {score.value:.1%}{escape(interval)} on {escape(score.on)} ({score.weights} weights)"
        )
        OUT.print(f"    {escape(score.protocol)}\n    {escape(score.command)}")
    for caution in card.cautions:
        OUT.print(f"  caution: {escape(caution)}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
