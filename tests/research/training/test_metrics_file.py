"""What a training tells of its course stays whole."""

import csv
from pathlib import Path

import pytest

from emofuse import files
from emofuse.research.training.callbacks import metrics_logger


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_part_that_goes_on_keeps_the_rows_before_it(tmp_path: Path) -> None:
    first = metrics_logger(tmp_path)
    first.log_metrics({"epoch": 0, "loss": 1.5}, step=3)
    first.save()
    again = metrics_logger(tmp_path)
    again.log_metrics({"epoch": 1, "loss": 1.25, "score": 0.5}, step=6)
    again.save()
    assert rows_of(tmp_path) == [
        {"epoch": "0", "loss": "1.5", "score": "", "step": "3"},
        {"epoch": "1", "loss": "1.25", "score": "0.5", "step": "6"},
    ]


def test_an_epoch_that_is_gone_through_again_takes_the_place_of_its_rows(tmp_path: Path) -> None:
    first = metrics_logger(tmp_path)
    first.log_metrics({"epoch": 0, "val_loss": 1.5}, step=3)
    first.log_metrics({"epoch": 0, "loss": 1.0}, step=3)
    first.save()
    again = metrics_logger(tmp_path)
    again.log_metrics({"epoch": 0, "val_loss": 1.5}, step=3)
    for _ in range(2):
        again.log_metrics({"epoch": 0, "loss": 1.0}, step=3)
        again.save()
    assert [(row["val_loss"], row["loss"]) for row in rows_of(tmp_path)] == [("1.5", ""), ("", "1.0")]


def test_being_stopped_while_it_writes_costs_no_row_and_doubles_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = metrics_logger(tmp_path)
    logger.log_metrics({"epoch": 0, "loss": 1.5}, step=3)
    logger.save()

    def stopped(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "begin_csv", stopped)
        with pytest.raises(KeyboardInterrupt):
            logger.log_metrics({"epoch": 1, "loss": 1.0, "score": 0.5}, step=6)
            logger.save()
    assert [row["epoch"] for row in rows_of(tmp_path)] == ["0"]
    logger.finalize("interrupted")  # as Lightning does then
    assert [row["epoch"] for row in rows_of(tmp_path)] == ["0", "1"]


def test_rows_that_an_older_version_left_too_long_are_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,step\r\n0,3\r\n1,6,0.5\r\n", newline="")
    logger = metrics_logger(tmp_path)
    logger.log_metrics({"epoch": 2}, step=9)
    logger.save()
    assert [row["step"] for row in rows_of(tmp_path)] == ["3", "6", "9"]
