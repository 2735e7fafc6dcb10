"""The card of a bundle says what it is for and what not, and holds what was measured of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emofuse.emotions import BASE
from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.bundle_writer import page
from emofuse.research.evaluation.protocols.benchmark import BenchmarkRow
from emofuse.research.evaluation.protocols.fairness import AttributeResult, FairnessReport, GroupResult
from emofuse.research.evaluation.reports.benchmark_page import BenchmarkReport
from emofuse.research.evaluation.reports.bundle_card import measured_sections
from emofuse.research.evaluation.reports.condition_report import ConditionReport, ConditionScore
from make_reports import stamp


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle("base")


def test_a_card_says_what_is_forbidden_and_who_may_use_it(bundle: Bundle) -> None:
    card = page(bundle)
    for told in ("Article 5 (1) f", "at work or in education", "tell those who are exposed", "## Intended uses"):
        assert told in card
    assert "Commercial use: not of this bundle: the data of face, voice do not allow it" in card
    assert "Commercial use: the licences of all data and weights allow it" in page(load_bundle("permissive"))


def test_the_cards_that_ship_are_those_of_their_bundles() -> None:
    for name in ("base", "permissive"):
        loaded = load_bundle(name)
        shipped = (loaded.networks["text"].path.parent.parent / name / "card.md").read_text("utf-8")
        own = page(loaded)
        uses = own[own.index("## Intended uses") :]
        assert shipped.endswith(uses)
        assert shipped.startswith(own[: own.index("## Intended uses")].rstrip())


def test_what_was_measured_is_in_the_card(bundle: Bundle, tmp_path: Path) -> None:
    row = BenchmarkRow(
        network="voice",
        modality="voice",
        corpus="EMO-DB",
        relation="left out",
        n=454,
        n_units=10,
        uar=0.605,
        uar_95=(0.55, 0.65),
        accuracy=0.6,
        accuracy_95=(0.5, 0.7),
        calibration_error=0.05,
        recalls={"happy": 0.7},
        licence="free for research",
        command="emofuse evaluate recipes/voice.toml --protocol leave-one-corpus-out",
    )
    benchmark = BenchmarkReport(
        bundle="base 0.1.0", sha256="ab" * 32, labels=BASE, left_out=(row,), real_time=1.0, command="x", versions="y"
    )
    clean = ConditionScore(
        name="as it is",
        kind="as it is",
        answered=1,
        uar=0.7,
        uar_95=(0.6, 0.8),
        kept=1,
        kept_95=(1, 1),
        accuracy=0.7,
        confidence=0.6,
        calibration_error=0.1,
        by_modality={"voice": 0.7},
    )
    masked = clean.model_copy(update={"name": "surgical mask", "kept": 0.5})
    conditions = ConditionReport(title="t", stamp=stamp(), n_recordings=9, n_speakers=3, conditions=(clean, masked))
    group = GroupResult(
        name="male",
        n=30,
        n_people=5,
        uar=0.5,
        uar_95=(0.4, 0.6),
        accuracy=0.5,
        accuracy_95=(0.4, 0.6),
        confidence=0.5,
        calibration_error=0.1,
    )
    groups = (group, group.model_copy(update={"name": "female", "uar": 0.7}))
    sex = AttributeResult(attribute="sex", groups=groups, n_left_out=0, gap=0.2, gap_95=(0.1, 0.3))
    fairness = FairnessReport(title="t", stamp=stamp(), n=60, attributes=(sex,))
    files = []
    for name, report in (("b", benchmark), ("r", conditions), ("f", fairness)):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(report.model_dump_json(), "utf-8")
    card = page(bundle, measured_sections(bundle, files))
    assert "60.5%" in card and "leave-one-corpus-out" in card
    assert "surgical mask" in card and "50%" in card
    assert "| sex | 2 | +20.0 points | +10.0 to +30.0 |" in card
    assert "| voice | EMO-DB | de | acted |" in card
    assert card.index("surgical mask") < card.index("## Intended uses")


def test_another_file_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    for text in ("[]", "{", json.dumps({"format": "emofuse-benchmark/1"}), json.dumps({"format": "else"})):
        file.write_text(text, "utf-8")
        with pytest.raises(UsageError, match=r"x\.json"):
            measured_sections(bundle, [file])
