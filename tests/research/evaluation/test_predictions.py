"""Predictions of every clip: what is allowed, and that their CSV gives back the same ones."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import OutputError, UsageError
from emofuse.research.evaluation.scores.predictions import Predictions, read_predictions, write_predictions
from make_reports import predictions


def tiny(**changes: object) -> Predictions:
    """Return two seeds' predictions of three clips."""
    p = [[[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.25, 0.25]], [[0.1, 0.8, 0.1], [0.0, 0.3, 0.7], [0.2, 0.2, 0.6]]]
    with np.errstate(divide="ignore"):
        logs = np.log(np.array(p)).astype(np.float32)
    known: dict[str, object] = {
        "clips": ("a/1.wav", 'b, "two".wav', "c/乐.wav"),
        "speakers": ("ann", "bob", "bob"),
        "sexes": ("female", "male", "unknown"),
        "folds": ("1", "2", "2"),
        "labels": ("neutral", "happy, very", "sad"),
        "seeds": (3, 11),
        "truth": np.array([0, 2, 1], dtype=np.int64),
        "log_probabilities": logs,
    }
    return Predictions(**{**known, **changes})


def test_the_csv_gives_back_the_same_predictions(tmp_path: Path) -> None:
    for number, given in enumerate([tiny(), predictions()]):
        path = tmp_path / f"{number}.csv"
        write_predictions(given, path)
        read = read_predictions(path)
        for name in ("clips", "speakers", "sexes", "folds", "labels", "seeds"):
            assert getattr(read, name) == getattr(given, name)
        assert read.truth.tolist() == given.truth.tolist()
        assert read.truth.dtype == np.int64
        assert read.log_probabilities.dtype == np.float32
        assert np.array_equal(read.log_probabilities, given.log_probabilities)  # to the last digit, -inf too
        assert np.array_equal(read.guesses, given.guesses)


def test_the_csv_is_one_row_per_seed_and_clip(tmp_path: Path) -> None:
    write_predictions(tiny(), tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert [row["seed"] for row in rows] == ["3"] * 3 + ["11"] * 3
    second = {key: value for key, value in rows[1].items() if not key.startswith("p_")}
    assert second == {
        "clip": 'b, "two".wav',
        "speaker": "bob",
        "sex": "male",
        "fold": "2",
        "seed": "3",
        "truth": "sad",
        "guess": "happy, very",
    }
    assert [float(rows[1][f"p_{label}"]) for label in tiny().labels] == pytest.approx([0.1, 0.6, 0.3])
    assert float(rows[4]["p_neutral"]) == 0.0


def test_a_guess_is_the_most_probable_class() -> None:
    assert tiny().guesses.tolist() == [[0, 1, 0], [1, 2, 2]]


def test_the_vote_is_by_mean_probability() -> None:
    # means: (0.4, 0.5, 0.1), (0.05, 0.45, 0.5), (0.35, 0.225, 0.425)
    assert tiny().vote().tolist() == [1, 2, 2]


def test_the_vote_does_not_need_normalised_log_probabilities() -> None:
    shift = np.array([[[0.0], [-3.0], [1.0]], [[2.0], [5.0], [-4.0]]], dtype=np.float32)
    assert tiny(log_probabilities=tiny().log_probabilities + shift).vote().tolist() == [1, 2, 2]


def test_clips_can_be_put_in_another_order() -> None:
    turned = tiny().ordered_as(tiny().clips[::-1])
    assert turned.speakers == ("bob", "bob", "ann")
    assert turned.folds == ("2", "2", "1")
    assert turned.sexes == ("unknown", "male", "female")
    assert turned.truth.tolist() == [1, 2, 0]
    assert turned.guesses.tolist() == [[0, 1, 0], [2, 2, 1]]
    with pytest.raises(KeyError, match="other"):
        tiny().ordered_as(["other"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speakers": ("ann", "bob")}, "as many speakers"),
        ({"seeds": (3,)}, "1 seeds"),
        ({"labels": ("neutral", "sad")}, "2 labels"),
        ({"truth": np.array([0, 1])}, "as many"),
        ({"truth": np.array([0, 1, 3])}, "not an index into the 3 labels"),
        ({"truth": np.array([0, 1, -1])}, "not an index"),
        ({"clips": ("a", "b", "a")}, "twice"),
        ({"seeds": (3, 3)}, "twice"),
        ({"log_probabilities": np.full((2, 3, 3), np.nan, dtype=np.float32)}, "not a number"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_no_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="0 clips"):
        Predictions((), (), (), (), ("a",), (1,), np.array([], np.int64), np.empty((1, 0, 1), np.float32))


HEADER = "clip,speaker,sex,fold,seed,truth,guess,p_a,p_b"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not enough values"),
        ("clip,score\nx,1", "its columns are not clip"),
        (HEADER, "do not have the same clips"),
        (f"{HEADER}\nx,s,male,1,0,a,a,0.9", "line 2 has 8 cells, not 9"),
        (f"{HEADER}\nx,s,male,1,zero,a,a,0.9,0.1", "zero"),
        (f"{HEADER}\nx,s,male,1,0,c,a,0.9,0.1", "'c'"),
        (f"{HEADER}\nx,s,male,1,0,a,a,0.9,much", "much"),
        (f"{HEADER}\nx,s,male,1,0,a,a,0.9,nan", "not a number"),
        (f"{HEADER}\nx,s,male,1,0,a,a,0.9,0.1\ny,s,male,1,1,a,a,0.9,0.1", "same clips in the same order"),
        (f"{HEADER}\nx,s,male,1,0,a,a,0.9,0.1\nx,s,male,1,1,b,a,0.9,0.1", "same clips in the same order"),
        (f"{HEADER}\nx,s,male,1,0,a,a,0.9,0.1\nx,s,male,1,0,a,a,0.9,0.1", "twice"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"other\.csv does not hold predictions") as caught:
        read_predictions(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"\x89PNG\x00\xff")
    for name in ("gone.csv", "x.png"):
        with pytest.raises(UsageError, match=name.replace(".", r"\.")):
            read_predictions(tmp_path / name)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    write_predictions(tiny(), path)
    before = path.read_bytes()
    broken = replace(tiny(), labels=("neutral", "sad\ud800", "x"))  # a lone surrogate, which UTF-8 has not
    with pytest.raises(UnicodeEncodeError):
        write_predictions(broken, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["p.csv"]
    with pytest.raises(OutputError, match="cannot write"):
        write_predictions(tiny(), tmp_path / "no" / "p.csv")
