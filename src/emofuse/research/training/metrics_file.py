"""metrics.csv: how a training went, a row for each epoch, whole whenever it is cut off."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from emofuse.files import write_csv_file


class MetricsFile(ExperimentWriter):
    """Writes metrics.csv anew at every row, under another name first, and goes on with that of an earlier part.

    Lightning's own deletes the earlier part, and appends: a training that is stopped while it does, and goes on, finds
    rows that do not fit their header.
    """

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        self._rows: list[dict[str, Any]] = _rows_of(Path(self.metrics_file_path))

    def save(self) -> None:
        """Write all rows, the earlier ones too."""
        if not self.metrics:
            return
        rows = [*self._rows, *self.metrics]
        columns = sorted({key for row in rows for key in row})
        write_csv_file(self.metrics_file_path, columns, ([row.get(column) for column in columns] for row in rows))
        self._rows, self.metrics = rows, []

    def _check_log_dir_exists(self) -> None:
        """Keep what is there."""


def metrics_logger(out: Path) -> CSVLogger:
    """Return a logger that writes, or goes on with, `out`/metrics.csv."""
    logger = CSVLogger(out, name="", version="", flush_logs_every_n_steps=1)
    logger._experiment = MetricsFile(logger.log_dir)
    return logger


def _rows_of(path: Path) -> list[dict[str, Any]]:
    """Read the rows of an earlier part; cells beyond the header, which an older version may have left, are dropped."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: cell for key, cell in row.items() if key and cell} for row in csv.DictReader(file)]
