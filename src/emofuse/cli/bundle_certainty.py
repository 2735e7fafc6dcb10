"""The part of `emofuse bundle fit` that is about certainty: what it is fitted on, and the table of how it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from emofuse.cli.console import OUT
from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle
from emofuse.inference.certainty import CertaintySettings
from emofuse.types import MODALITIES

if TYPE_CHECKING:
    from emofuse.research.evaluation.fusion.bundle_certainty import CertaintyCheck
    from emofuse.research.evaluation.fusion.bundle_fit import Calibration, Examples, Recorded
    from emofuse.research.evaluation.fusion.certainty_fit import Answers

_LEAST_ANSWERS = 50  # to clean inputs; with fewer nothing is told


def fit_bundle_certainty(
    bundle: Bundle,
    corpora: Mapping[str, Sequence[Examples]],
    calibrations: Mapping[str, Calibration],
    weights: Mapping[str, float],
    recorded: Sequence[Recorded],
    together: Sequence[str],
) -> CertaintySettings | None:
    """Fit how far a bundle's answers can be relied on, and print how left-out corpora were judged.

    Returns:
        The block for the bundle; None where there is too little to tell.
    """
    from emofuse.research.evaluation.fusion.bundle_certainty import fit_certainty
    from emofuse.research.evaluation.fusion.bundle_fit import join_by_clip

    answers: dict[str, list[Answers]] = {
        m: [one.answers(calibrations[m]) for one in ones] for m, ones in corpora.items()
    }
    enough = {m: ones for m, ones in answers.items() if sum(int(one.clean.sum()) for one in ones) >= _LEAST_ANSWERS}
    belonging: list[Mapping[str, Answers]] = [_read_together(text, bundle) for text in together]
    for one in recorded:
        if len(one.examples) > 1:
            joined: dict[str, Answers] = {
                m: each.answers(calibrations[m]) for m, each in join_by_clip(one.examples).items()
            }
            if len(next(iter(joined.values())).truth) >= _LEAST_ANSWERS:
                belonging.append(joined)
    before = bundle.manifest.certainty
    if before is not None:  # what was fitted for other temperatures and priors is no longer true
        stays = {m: one for m, one in before.modalities.items() if m not in corpora}
        before = before.model_copy(update={"modalities": stays})
    if not enough and not (before and before.modalities):
        return None
    block, checks = fit_certainty(enough, belonging, weights, before, len(bundle.labels))
    _print(checks)
    return block


def _read_together(text: str, bundle: Bundle) -> dict[str, Answers]:
    """Read the predictions that belong together, of one corpus: MODALITY=PREDICTIONS.csv,MODALITY=..."""
    from emofuse.research.evaluation.fusion.bundle_fit import (
        calibration_for,
        join_by_clip,
        read_examples,
    )

    examples: dict[str, Examples] = {}
    known = (*MODALITIES, *bundle.added)
    for part in text.split(","):
        key, _, file = part.partition("=")
        modality = next((m for m in known if m == key), None)
        if modality is None or not file:
            form = f"{'|'.join(known)}=PREDICTIONS.csv,... with two modalities or more"
            raise UsageError(f"--together {text!r} is not of the form {form}")
        found = read_examples(Path(file), bundle.labels)
        examples[modality] = replace(found, name=found.name.removeprefix(f"{modality}-"))
    if len(examples) < 2:
        raise UsageError(f"--together {text!r} is of one modality", "give two or more, with commas between")
    joined = join_by_clip(examples)
    return {m: one.answers(calibration_for(bundle, m, [one])) for m, one in joined.items()}


def _print(checks: Sequence[CertaintyCheck]) -> None:
    columns = ("of", "corpus", "answers", "right", "ECE", "after", "AUROC", "after", "surest 5th", "in sets")
    table = Table(*columns, box=None)
    for one in checks:
        numbers = [one.error_before, one.error, one.area_before, one.area]
        table.add_row(
            one.of,
            escape(one.corpus) + ("" if one.is_clean else ", spoilt"),
            str(one.n),
            f"{one.right:.1%}",
            *(f"{number:.3f}" for number in numbers),
            f"{one.surest:.1%}",
            f"{one.covered:.1%}" if one.is_clean else "",
        )
    OUT.print(table)
    OUT.print("each corpus judged by what was fitted on the others; in sets: how many truths are, of 90 % asked for")
