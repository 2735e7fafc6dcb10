"""The course of a training, as it is read from the metrics.csv that it left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emofuse.research.evaluation.protocols.folds import read_curve

if TYPE_CHECKING:
    from conftest import CrossValidation


def written(folder: Path, *rows: str) -> Path:
    header = "epoch,step,train_loss,val_accuracy,val_loss,val_uar"
    (folder / "metrics.csv").write_bytes("\r\n".join([header, *rows, ""]).encode())
    return folder


def test_the_values_of_an_epoch_are_put_together(tmp_path: Path) -> None:
    folder = written(tmp_path, "0,1,,0.5,1.9,0.4", "0,1,2.1,,,", "1,3,,0.6,1.5,0.55", "1,3,1.7,,,")
    curve = read_curve(folder, "2", 7)
    assert curve is not None
    assert (curve.fold, curve.seed) == ("2", 7)
    assert curve.train_loss == (2.1, 1.7)
    assert curve.valid_loss == (1.9, 1.5)
    assert curve.valid_uar == (0.4, 0.55)


def test_what_was_not_measured_or_is_no_number_is_none(tmp_path: Path) -> None:
    curve = read_curve(written(tmp_path, "0,1,2.1,,,", "1,3,nan,,1.5,"), "1", 0)
    assert curve is not None
    assert (curve.train_loss, curve.valid_loss, curve.valid_uar) == ((2.1, None), (None, 1.5), (None, None))
    assert '"train_loss":[2.1,null]' in curve.model_dump_json()


def test_an_epoch_that_was_cut_off_and_done_again_counts_once(tmp_path: Path) -> None:
    curve = read_curve(written(tmp_path, "0,1,2.1,,,", "1,3,9.9,,,", "1,3,1.7,,,", "2,5,1.6,,,"), "1", 0)
    assert curve is not None and curve.train_loss == (2.1, 1.7, 1.6)


@pytest.mark.parametrize("rows", [None, (), (",1,2.1,,,",)])
def test_where_there_is_nothing_there_is_no_curve(tmp_path: Path, rows: tuple[str, ...] | None) -> None:
    if rows is not None:
        written(tmp_path, *rows)
    assert read_curve(tmp_path, "1", 0) is None


def test_a_training_leaves_what_is_read(cross_validation: CrossValidation) -> None:
    curve = read_curve(cross_validation.folder / "seed3" / "fold1", "1", 3)
    assert curve is not None
    (loss,), (valid_loss,), (uar,) = curve.train_loss, curve.valid_loss, curve.valid_uar
    assert loss is not None and loss > 0
    assert valid_loss is not None and valid_loss > 0
    assert uar is not None and 0 <= uar <= 1
