"""`emofuse bundle fit`: what a bundle's fusion rests on, fitted on predictions of data that its networks never saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from emofuse.cli.console import OUT
from emofuse.cli.train import need_torch
from emofuse.errors import UsageError
from emofuse.inference.bundle import MANIFEST, Bundle, BundleModality, load_bundle
from emofuse.inference.compose import MODALITIES, compose, parts_of_bundle

if TYPE_CHECKING:
    from emofuse.evaluation.bundle_fit import Calibration, Check, Examples


def fit(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder that holds one, or the name of one.")],
    on: Annotated[
        list[str],
        typer.Option(
            "--on",
            metavar="face|voice|clip|text=PREDICTIONS.csv",
            help="What `emofuse evaluate` predicted of a corpus that the network was not trained on; several are best.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    seed: Annotated[int, typer.Option(help="Of the halves, and of the examples that are put together.")] = 1,
) -> None:
    """Fit temperatures, priors and weights of a bundle, check them, and write the bundle anew.

    A modality without predictions keeps what it has. Weights are fitted where two modalities or more have predictions:
    examples of one emotion are put together, on one half of them, and checked on the other.

    Exit code: 0 the bundle was made, 1 it was not, 2 wrong usage.
    """
    need_torch()  # the extra that also brings what fits
    from emofuse.evaluation.bundle_fit import check_calibration, fit_calibration

    loaded = load_bundle(bundle)
    corpora = _read(on, loaded)
    calibrations = {modality: fit_calibration(ones) for modality, ones in corpora.items()}
    checks: list[Check] = []
    for modality, ones in corpora.items():
        checks += check_calibration(modality, ones, _present_calibration(loaded, modality), seed)
    _print_checks(checks)
    weights = _fit_weights(corpora, calibrations, seed) if len(corpora) > 1 else {}
    parts = parts_of_bundle(loaded)
    for modality, found in calibrations.items():
        parts[modality] = replace(
            parts[modality],
            temperature=round(found.temperature, 3),
            prior=tuple(round(float(p), 4) for p in found.prior),
            weight=round(weights.get(modality, parts[modality].weight), 3),
        )
    compose(out, loaded.manifest.name, loaded.labels, parts, loaded.manifest.hub_text)
    OUT.print(f"{escape(str(out / MANIFEST))}: fitted {', '.join(calibrations)}")


def _read(on: list[str], bundle: Bundle) -> dict[BundleModality, list[Examples]]:
    from emofuse.evaluation.bundle_fit import read_examples

    corpora: dict[BundleModality, list[Examples]] = {}
    for text in on:
        key, _, file = text.partition("=")
        modality = next((m for m in MODALITIES if m == key), None)
        if modality is None or not file:
            raise UsageError(f"--on {text!r} is not of the form {'|'.join(MODALITIES)}=PREDICTIONS.csv")
        if modality not in bundle.networks:
            raise UsageError(f"there is no {modality} network in the bundle", f"it has {', '.join(bundle.networks)}")
        corpora.setdefault(modality, []).append(read_examples(Path(file), bundle.labels))
    return corpora


def _present_calibration(bundle: Bundle, modality: BundleModality) -> Calibration:
    import numpy as np

    from emofuse.evaluation.bundle_fit import Calibration

    settings = bundle.manifest.modalities[modality]
    return Calibration(settings.temperature, np.array(settings.prior or np.full(len(bundle.labels), 1.0)))


def _print_checks(checks: list[Check]) -> None:
    table = Table("modality", "corpus", "clips", "calibration error before", "after", box=None, title_justify="left")
    for check in checks:
        table.add_row(check.modality, escape(check.name), str(check.n), f"{check.before:.3f}", f"{check.after:.3f}")
    OUT.print(table)
    OUT.print("after: fitted on the other corpora alone, or, where there is one, on its other half")


def _fit_weights(
    corpora: dict[BundleModality, list[Examples]], calibrations: dict[BundleModality, Calibration], seed: int
) -> dict[str, float]:
    from emofuse.evaluation.bundle_fit import check_weights, fit_weights, gather, put_together, split

    halves = split(gather(corpora, calibrations), seed)
    weights = fit_weights(put_together(halves[0], seed))
    table = Table("modalities", "fused", "the best of them alone", box=None)
    for names, fused, alone in check_weights(put_together(halves[1], seed + 1), weights):
        table.add_row(" + ".join(names), f"{fused:.1%}", f"{alone:.1%}")
    OUT.print(table)
    return weights
