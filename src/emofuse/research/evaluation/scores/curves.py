"""How a training went, read from the metrics.csv that it left."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from emofuse.research.evaluation.scores.report import Curve


def read_curve(folder: Path, fold: str, seed: int) -> Curve | None:
    """Read the losses and the validation UAR of each epoch; None where no training left any."""
    file = folder / "metrics.csv"
    if not file.exists():
        return None
    epochs: dict[int, dict[str, float]] = {}
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row.get("epoch"):
                values = {key: float(value) for key, value in row.items() if value}
                epochs.setdefault(int(values["epoch"]), {}).update(values)
    if not epochs:
        return None

    def column(name: str) -> tuple[float | None, ...]:
        values = [epochs[epoch].get(name, math.nan) for epoch in sorted(epochs)]
        return tuple(None if math.isnan(value) else value for value in values)

    return Curve(
        fold=fold,
        seed=seed,
        train_loss=column("train_loss"),
        valid_loss=column("val_loss"),
        valid_uar=column("val_uar"),
    )
