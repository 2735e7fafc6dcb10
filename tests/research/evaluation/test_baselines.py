"""What a score is read against."""

from __future__ import annotations

import pytest

from emofuse.research.corpora.registry import CORPORA
from emofuse.research.evaluation.scores.baselines import baselines_for, chance
from emofuse.research.evaluation.scores.report import Baseline

COUNTS = [96, *[192] * 7]


def known(metric: str, protocol: str = "actor-6fold", **changes: bool) -> dict[str, Baseline]:
    return {a.name: a for a in baselines_for(CORPORA["ravdess"].published, protocol, metric, COUNTS, **changes)}


def test_chance_is_of_the_classes_that_occur() -> None:
    found = [chance("UAR", COUNTS), chance("UAR", [5, 0, 5]), chance("accuracy", COUNTS), chance("accuracy", [1, 3, 0])]
    assert [a.value for a in found if a is not None] == [1 / 8, 1 / 2, 192 / 1440, 3 / 4]
    assert chance("macro F1", COUNTS) is None
    assert chance("UAR", [0, 0]) is None


def test_the_published_and_measured_scores_of_ravdess() -> None:
    uar, accuracy = known("UAR"), known("accuracy")
    assert {name: a.value for name, a in uar.items()} == {
        "chance": 0.125,
        "eGeMAPS + SVM": 0.473,
        "ComParE-2016 + SVM": 0.556,
        "frozen mn04 (AudioSet) + SVM": 0.607,
        "frozen Whisper-large-v3": 0.753,
    }
    assert accuracy["ComParE-2016 + SVM"].value == 0.563
    assert accuracy["people, voice only"].value == 0.6
    assert "10.1371/journal.pone.0196391" in accuracy["people, voice only"].source
    assert all(a.source and a.metric == "UAR" for a in uar.values())


def test_another_protocol_is_noted() -> None:
    assert "another" not in known("UAR")["ComParE-2016 + SVM"].note
    assert "its protocol is another: 6 folds over actors" in known("UAR", "loso")["ComParE-2016 + SVM"].note
    assert "protocol" not in known("accuracy", "loso")["people, voice only"].note  # people are in no fold


def test_transductive_systems_stand_beside_transductive_ones_alone() -> None:
    assert not any("transductive" in a.note for a in known("UAR").values())
    looking = known("UAR", transductive=True)
    assert looking["ComParE-2016 + SVM, by actor"].value == 0.642
    assert looking["ComParE-2016 + SVM, by actor"].note.startswith("transductive")
    assert "ComParE-2016 + SVM" in looking


@pytest.mark.parametrize("name", ["emodb", "ravdess-song"])
def test_another_corpus_has_chance_alone(name: str) -> None:
    assert [a.name for a in baselines_for(CORPORA[name].published, "loso", "UAR", [3] * 7)] == ["chance"]


def test_a_metric_without_anchors_has_none() -> None:
    assert known("macro F1") == {}
