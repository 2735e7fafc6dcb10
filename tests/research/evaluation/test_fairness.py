"""Groups are compared: the worst, gaps with intervals over people, equalised odds as others count them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.research.evaluation.protocols.fairness import AttributeResult, FairnessReport, age_range, compare_groups
from emofuse.research.evaluation.reports.fairness_report import write_fairness
from make_reports import stamp

LABELS = ("happy", "sad", "angry")


def answers(groups: list[str], shares: dict[str, float], n_people: int = 8) -> tuple[NDArray, NDArray, list[str]]:
    """Make the truths and the probabilities of recordings, right in this share of each group's, and whose they are."""
    n = len(groups)
    truth = np.arange(n) % 3
    right = (np.arange(n) * 7) % 20 < 20 * np.array([shares[g] for g in groups])
    guess = np.where(right, truth, (truth + 1) % 3)
    probabilities = np.full((n, 3), 0.1, np.float32)
    probabilities[np.arange(n), guess] = 0.8
    return truth.astype(np.int64), probabilities, [f"{g}{i % n_people}" for i, g in enumerate(groups)]


def compare(groups: list[str], shares: dict[str, float], attribute: str = "sex") -> AttributeResult:
    return compare_groups(attribute, groups, *answers(groups, shares), LABELS)


def test_the_worst_group_comes_first_and_the_gap_has_an_interval() -> None:
    found = compare(["female"] * 150 + ["male"] * 150, {"female": 0.9, "male": 0.5})
    assert [one.name for one in found.groups] == ["male", "female"]
    assert found.gap == pytest.approx(0.4, abs=0.08)
    low, high = found.gap_95
    assert 0 < low < 0.4 < high < 0.7
    assert found.groups[0].n_people == 8
    assert found.groups[0].confidence == pytest.approx(0.8)


def test_a_gap_of_chance_is_told_from_one() -> None:
    found = compare(["female"] * 60 + ["male"] * 60, {"female": 0.7, "male": 0.7})
    assert found.gap_95[0] < 0.02


def test_what_the_data_do_not_tell_is_left_out_and_counted() -> None:
    groups = ["female"] * 60 + ["unknown"] * 30 + [""] * 10 + ["male"] * 5
    found = compare(groups, {"female": 0.8, "unknown": 0.1, "": 0.1, "male": 0.1})
    assert [one.name for one in found.groups] == ["female"]
    assert found.n_left_out == 45
    assert found.gap is None


def test_a_recording_without_an_answer_is_wrong() -> None:
    truth, probabilities, people = answers(["a"] * 60 + ["b"] * 60, {"a": 1.0, "b": 1.0})
    probabilities[60:90] = np.nan
    found = compare_groups("sex", ["a"] * 60 + ["b"] * 60, truth, probabilities, people, LABELS)
    assert [(one.name, one.accuracy) for one in found.groups] == [("b", 0.5), ("a", 1.0)]
    assert found.groups[0].confidence == pytest.approx(0.8)


def test_ages_are_ranges() -> None:
    assert [age_range(text) for text in ("7", "18", "29.5", "44", "59", "60", "-1")] == [
        "under 18",
        "18 to 29",
        "18 to 29",
        "30 to 44",
        "45 to 59",
        "60 and over",
        "",
    ]
    found = compare(["25"] * 30 + ["26"] * 30 + ["70"] * 60, {"25": 0.9, "26": 0.9, "70": 0.4}, "age")
    assert [one.name for one in found.groups] == ["60 and over", "18 to 29"]
    assert found.groups[1].n == 60


def test_equalised_odds_are_as_fairlearn_counts_them() -> None:
    metrics = pytest.importorskip("fairlearn.metrics")
    groups = (["a"] * 70 + ["b"] * 50 + ["c"] * 60) * 2
    shares = {"a": 0.9, "b": 0.6, "c": 0.75}
    truth, probabilities, people = answers(groups, shares)
    found = compare_groups("sex", groups, truth, probabilities, people, LABELS)
    for index, label in enumerate(LABELS):
        theirs = metrics.equalized_odds_difference(
            truth == index, probabilities.argmax(axis=1) == index, sensitive_features=groups
        )
        assert found.equalised_odds[label] == pytest.approx(theirs)
    low, high = found.odds_95
    assert low < max(found.equalised_odds.values()) < high + 0.05


def test_the_pages_name_worst_and_best(tmp_path: Path) -> None:
    attributes = (
        compare(["female"] * 60 + ["male"] * 60, {"female": 0.9, "male": 0.5}),
        compare(["unknown"] * 120, {"unknown": 0.5}, "skin_tone"),
    )
    report = FairnessReport(title="Whom base reads worse", stamp=stamp(), n=120, attributes=attributes)
    files = write_fairness(report, tmp_path)
    assert FairnessReport.model_validate_json(files[0].read_text("utf-8")) == report
    page = (tmp_path / "fairness.md").read_text("utf-8")
    assert "| male | female |" in page
    assert "By skin tone" in page and "No group is large enough" in page
    assert (tmp_path / "fairness.png").stat().st_size > 1000
