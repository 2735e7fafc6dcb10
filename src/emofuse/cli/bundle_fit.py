"""`emofuse bundle fit`: what a bundle's fusion rests on, fitted on predictions of data that its networks never saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from emofuse.cli.bundle_certainty import fit_bundle_certainty
from emofuse.cli.console import OUT, progress_hook
from emofuse.cli.train import need_torch
from emofuse.errors import UsageError
from emofuse.inference.bundle import MANIFEST, Bundle, load_bundle
from emofuse.inference.bundle_writer import compose, entries_of_bundle, head_of_bundle
from emofuse.inference.same_person import ADAPTED
from emofuse.types import MODALITIES

if TYPE_CHECKING:
    from emofuse.research.evaluation.fusion.bundle_fit import Calibration, Check, Examples, Recorded, Together


def fit(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder that holds one, or the name of one.")],
    on: Annotated[
        list[str],
        typer.Option(
            "--on",
            metavar="MODALITY=PREDICTIONS.csv|RECORDINGS.csv",
            help="Predictions of `emofuse evaluate` for a corpus that the face, voice, clip or text network was not "
            "trained on, or a manifest of recordings that none of them was trained on; several are best.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    flat: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODALITY",
            help="A network that was trained without its prior (train.logit_adjustment): its prior is flat.",
        ),
    ] = None,
    together: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODALITY=PREDICTIONS.csv,...",
            help="Predictions of two modalities or more for the same clips of a corpus, of any models: they show how "
            "much agreement is worth.",
        ),
    ] = None,
    only_certainty: Annotated[
        bool,
        typer.Option("--only-certainty", help="Leave the answers unchanged: fit only how reliable they are."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the halves, and of the examples that are put together.")] = 1,
) -> None:
    """Fit temperatures, priors, weights and certainty of a bundle, check them, and write the bundle anew.

    A modality without predictions keeps what it has; of one that the bundle adds, which calibrates itself, weight and
    certainty are fitted. Weights are fitted where two modalities or more have predictions,
    on one half of the recordings of a manifest, and checked on the other. Without a manifest, examples of one emotion
    are put together. Certainty is how far answers can be relied on: docs/trust.md.

    Exit code: 0 the bundle was made, 1 it was not, 2 wrong usage.
    """
    need_torch()  # the extra that also brings what fits
    from emofuse.research.evaluation.fusion.bundle_fit import (
        calibration_for,
        check_calibration,
        neutral_mean,
        present_calibration,
    )

    loaded = load_bundle(bundle)
    corpora, recorded = _read(on, loaded)
    unknown = [name for name in flat or () if name not in corpora]
    if unknown:
        raise UsageError(f"--flat {unknown[0]}: nothing is fitted for it", "give its predictions with --on")
    parts = entries_of_bundle(loaded)
    if only_certainty:
        present = {modality: present_calibration(loaded, modality) for modality in corpora}
        certainty = fit_bundle_certainty(loaded, corpora, present, loaded.weights, recorded, together or ())
        compose(
            out, loaded.manifest.name, loaded.labels, parts, loaded.manifest.hub_text, certainty, head_of_bundle(loaded)
        )
        OUT.print(f"{escape(str(out / MANIFEST))}: fitted the certainty of {', '.join(corpora)}")
        return
    calibrations = {
        modality: calibration_for(loaded, modality, ones, is_flat=modality in (flat or ()))
        for modality, ones in corpora.items()
    }
    checks: list[Check] = []
    for modality, ones in corpora.items():
        if modality in loaded.added:
            continue
        before = present_calibration(loaded, modality)
        checks += check_calibration(modality, ones, before, seed, is_flat=modality in (flat or ()))
    _print_checks(checks)
    weights = _fit_weights(_halves(corpora, recorded, calibrations, seed)) if len(corpora) > 1 else {}
    for modality, found in calibrations.items():
        neutral = neutral_mean(corpora[modality], found, loaded.labels) if modality in ADAPTED else None
        parts[modality] = replace(
            parts[modality],
            temperature=round(found.temperature, 3),
            prior=tuple(round(float(p), 4) for p in found.prior),
            weight=round(weights.get(modality, parts[modality].weight), 3),
            neutral=None if neutral is None else tuple(round(float(value), 3) for value in neutral),
        )
    all_weights: dict[str, float] = {m: part.weight for m, part in parts.items()}
    certainty = fit_bundle_certainty(loaded, corpora, calibrations, all_weights, recorded, together or ())
    compose(
        out, loaded.manifest.name, loaded.labels, parts, loaded.manifest.hub_text, certainty, head_of_bundle(loaded)
    )
    OUT.print(f"{escape(str(out / MANIFEST))}: fitted {', '.join(calibrations)}")


def _read(on: list[str], bundle: Bundle) -> tuple[dict[str, list[Examples]], list[Recorded]]:
    """Return the examples of each modality, those of recordings too, and the recordings."""
    from emofuse.research.evaluation.fusion.bundle_fit import read_examples, score_recordings

    corpora: dict[str, list[Examples]] = {}
    recorded: list[Recorded] = []
    known = (*MODALITIES, *bundle.added)
    for text in on:
        key, equals, file = text.partition("=")
        modality = next((m for m in known if m == key), None)
        if not equals and key.lower().endswith(".csv"):
            with progress_hook() as hook:
                recorded.append(score_recordings(Path(key), bundle, lambda *n, key=key: hook(key, *n)))
            for one, examples in recorded[-1].examples.items():
                corpora.setdefault(one, []).append(examples)
            continue
        if modality is None or not file:
            form = f"{'|'.join(known)}=PREDICTIONS.csv, or a manifest of recordings"
            raise UsageError(f"--on {text!r} is not of the form {form}")
        there = (*bundle.modalities, *bundle.added)
        if modality not in there:
            raise UsageError(f"there is no {modality} network in the bundle", f"it has {', '.join(there)}")
        corpora.setdefault(modality, []).append(read_examples(Path(file), bundle.labels))
    return corpora, recorded


def _print_checks(checks: list[Check]) -> None:
    table = Table("modality", "corpus", "clips", "calibration error before", "after", box=None, title_justify="left")
    for check in checks:
        table.add_row(check.modality, escape(check.name), str(check.n), f"{check.before:.3f}", f"{check.after:.3f}")
    OUT.print(table)
    OUT.print("after: fitted on the other corpora alone, or, where there is one, on its other half")


def _halves(
    corpora: dict[str, list[Examples]],
    recorded: list[Recorded],
    calibrations: dict[str, Calibration],
    seed: int,
) -> tuple[Together, Together]:
    """Return what weights are fitted on and what checks them: recordings where there are any, in which modalities
    belong together; else examples that are put together."""
    from emofuse.research.evaluation.fusion.bundle_fit import gather, join_together, put_together, split, split_together

    if recorded:
        return split_together(join_together([one.together(calibrations) for one in recorded]), seed)
    first, second = split(gather(corpora, calibrations), seed)
    return put_together(first, seed), put_together(second, seed + 1)


def _fit_weights(halves: tuple[Together, Together]) -> dict[str, float]:
    from emofuse.research.evaluation.fusion.bundle_fit import check_weights, fit_weights

    weights = fit_weights(halves[0])
    table = Table("modalities", "fused", "the best of them alone", box=None)
    for names, fused, alone in check_weights(halves[1], weights):
        table.add_row(" + ".join(names), f"{fused:.1%}", f"{alone:.1%}")
    OUT.print(table)
    return weights
