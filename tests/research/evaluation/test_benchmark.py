"""The benchmark: rows of predictions, others on the same faces, made films, and the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from emofuse.cli.demo import CLIP
from emofuse.emotions import BASE, FERPLUS
from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.research.corpora.manifest import Clip
from emofuse.research.evaluation.protocols.benchmark import BenchmarkRow, rows_as_shipped, rows_left_out, rows_of_peer
from emofuse.research.evaluation.protocols.made_films import MadeFilmsReport, make_films, measure_films
from emofuse.research.evaluation.protocols.recordings import Recording
from emofuse.research.evaluation.reports.benchmark_page import BenchmarkReport, DataLicence, Speed, benchmark_document
from emofuse.research.evaluation.reports.document import to_markdown
from emofuse.research.evaluation.scores.predictions import PREDICTIONS_NAME, Predictions, write_predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, write_json
from emofuse.research.evaluation.scores.summary import summarise
from make_media import first_picture
from make_reports import stamp
from make_text_corpora import write_brighter


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle("base")


def predictions(labels: tuple[str, ...], folds: tuple[str, ...] = ("a",), sure: float = 3.0) -> Predictions:
    """Of 6 people with 10 clips each, in turn of every label; the first three people's are right."""
    n = 60
    truth = np.arange(n) % len(labels)
    guess = np.where(np.arange(n) // 10 < 3, truth, (truth + 1) % len(labels))
    logits = np.zeros((n, len(labels)), np.float32)
    logits[np.arange(n), guess] = sure
    return Predictions(
        clips=tuple(f"{i}.wav" for i in range(n)),
        speakers=tuple(f"p{i // 10}" for i in range(n)),
        sexes=("unknown",) * n,
        folds=tuple(folds[i % len(folds)] for i in range(n)),
        labels=labels,
        seeds=(1,),
        truth=truth.astype(np.int64),
        log_probabilities=logits[None],
    )


def evaluated(folder: Path, found: Predictions, corpora: tuple[str, ...] = ()) -> Path:
    """Write a folder of `emofuse evaluate`."""
    made = summarise(found, list(dict.fromkeys(found.folds)), by_corpus=bool(corpora))
    report = EvaluationReport(
        title="left out",
        model="voice",
        stamp=stamp(labels=found.labels, leaky=False),
        metrics=made.metrics,
        per_class=made.per_class,
        confusion=made.confusion,
        temperature=1.0,
        calibration_error=(0.1, 0.1),
    )
    write_json(report, folder)
    write_predictions(found, folder / PREDICTIONS_NAME)
    return folder


def test_left_out_corpora_are_scored_each_by_itself(bundle: Bundle, tmp_path: Path) -> None:
    folder = evaluated(tmp_path / "run", predictions(BASE, ("EMO-DB", "nEMO")), ("EMO-DB", "nEMO"))
    rows = rows_left_out(bundle, {"voice": [folder]})
    assert [(row.corpus, row.relation, row.n) for row in rows] == [
        ("EMO-DB", "left out", 30),
        ("nEMO", "left out", 30),
    ]
    for row in rows:
        assert row.accuracy == pytest.approx(0.5)
        low, high = row.accuracy_95
        assert low < 0.2 and high > 0.8  # three of six people are right: over people that is anything
        assert set(row.recalls) == set(BASE)


def test_calibration_is_of_what_was_fitted_on_the_other_corpora(bundle: Bundle, tmp_path: Path) -> None:
    alone = evaluated(tmp_path / "one", predictions(BASE, sure=9.0))
    other = evaluated(tmp_path / "two", predictions(BASE, sure=9.0))
    (uncalibrated,) = rows_left_out(bundle, {"voice": [alone]})
    assert uncalibrated.calibration_error == pytest.approx(0.5, abs=0.01)  # it is sure, and half of it is wrong
    calibrated = rows_left_out(bundle, {"voice": [alone, other]})[0]
    assert calibrated.calibration_error < 0.1


def test_tables_of_left_out_predictions_are_read_without_their_conditions(bundle: Bundle, tmp_path: Path) -> None:
    write_predictions(predictions(BASE, ("clean", "noise 5 dB", "room")), tmp_path / "voice-emodb.csv")
    (row,) = rows_left_out(bundle, {"voice": [tmp_path / "voice-emodb.csv"]})
    assert (row.corpus, row.n, row.licence) == ("EMO-DB", 20, "free for research")
    assert "predict_left_out.py voice NETWORK.onnx emodb" in row.command
    write_predictions(predictions(BASE), tmp_path / "voice-ours.csv")
    with pytest.raises(UsageError, match="no corpus that is known"):
        rows_left_out(bundle, {"voice": [tmp_path / "voice-ours.csv"]})


def test_others_are_scored_on_the_same_faces(bundle: Bundle, tmp_path: Path) -> None:
    write_predictions(predictions(FERPLUS[:7]), tmp_path / "cfee.csv")
    (row,) = rows_of_peer("fer", tmp_path, bundle)
    assert (row.network, row.corpus, row.accuracy) == ("fer", "CFEE", pytest.approx(0.5))
    with pytest.raises(UsageError, match="no predictions of fer"):
        rows_of_peer("fer", tmp_path / "nowhere", bundle)


def test_corpora_that_are_not_there_are_named(bundle: Bundle, tmp_path: Path) -> None:
    rows, missing = rows_as_shipped(bundle, tmp_path)
    assert rows == []
    assert {"ferplus", "cfee", "emodb", "goemotions"} <= set(missing)


def test_a_corpus_that_has_no_test_part_is_passed_over(bundle: Bundle, tmp_path: Path) -> None:
    write_brighter(tmp_path / "brighter")
    rows, missing = rows_as_shipped(bundle, tmp_path)
    assert rows == [] and "brighter" not in missing


@pytest.fixture(scope="module")
def voices_and_faces() -> tuple[list[Recording], list[Recording]]:
    image = first_picture(CLIP)
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    emotions = ("happy", "sad", "angry")
    voices = [Recording(Clip(CLIP, e, f"v{i}", end_s=1.2), f"{e}.wav", "voices") for i, e in enumerate(emotions)]
    faces = [Recording(Clip(Path(), e, f"f{i}"), f"{e}.jpg", "faces", half) for i, e in enumerate(emotions)]
    return voices, faces


def test_films_agree_as_often_as_they_do_not(voices_and_faces: tuple[list[Recording], list[Recording]]) -> None:
    films = make_films(*voices_and_faces, n=6, seed=1)
    assert [film.voice == film.face for film in films] == [True, False] * 6
    assert [film.voice for film in films[::2]] == ["happy", "sad", "angry"] * 2
    for film in films:
        assert film.recording.clip.sound_file == CLIP and film.recording.still is not None
    assert films[0].recording.streams() == {"sound", "picture"}
    with pytest.raises(UsageError, match="two emotions in common"):
        make_films(voices_and_faces[0][:1], voices_and_faces[1], n=2, seed=1)


def test_whom_a_fused_answer_follows_is_counted(
    bundle: Bundle, voices_and_faces: tuple[list[Recording], list[Recording]]
) -> None:
    found = measure_films(bundle, make_films(*voices_and_faces, n=3, seed=1))
    assert found.agree.n == found.conflict.n == 3
    assert (found.bundle, found.voices, found.faces, found.is_known) == ("base", "voices", "faces", False)
    for score in (found.agree, found.conflict):
        shares = [one[0] for one in (score.as_both, score.as_voice, score.as_face, score.as_neither)]
        assert sum(shares) == pytest.approx(1)
    # the one face smiles all the time: who is said to be happy is found happy
    assert found.agree.as_both[0] == pytest.approx(1 / 3)
    assert found.conflict.as_both[0] == 0
    assert found.agree.alone["face"] == pytest.approx(1 / 3)


def row(**changes: object) -> BenchmarkRow:
    values: dict[str, object] = {
        "network": "voice",
        "modality": "voice",
        "corpus": "EMO-DB",
        "relation": "left out",
        "n": 454,
        "n_units": 10,
        "uar": 0.605,
        "uar_95": (0.55, 0.65),
        "accuracy": 0.6,
        "accuracy_95": (0.5, 0.7),
        "calibration_error": 0.05,
        "recalls": {"happy": 0.7},
        "licence": "free for research",
        "command": "emofuse evaluate recipes/voice.toml --protocol leave-one-corpus-out",
    }
    return BenchmarkRow.model_validate(values | changes)


def test_the_page_says_what_was_trained_on_and_how_it_is_made() -> None:
    report = BenchmarkReport(
        bundle="base 0.1.0",
        sha256="ab" * 32,
        labels=BASE,
        left_out=(row(),),
        shipped=(row(relation="trained on", uar=0.99, corpus="RAVDESS"),),
        peers=(row(network="fer", modality="face", relation="not trained on", corpus="CFEE"),),
        speed=(Speed(modality="voice", name="voice", n_parameters=547_047, megabytes=2.4, call_ms=3.5),),
        real_time=12.0,
        licences=(DataLicence(modality="voice", name="RAVDESS", licence="CC BY-NC-SA 4.0"),),
        missing=("savee",),
        command="emofuse benchmark base",
        versions="emofuse 0.1.0",
    )
    page = to_markdown(benchmark_document(report))
    left, shipped = page.index("left out"), page.index("What ships, corpus by corpus")
    assert left < shipped  # the first table is of strangers
    assert "60.5%" in page and "TRAINED ON THESE VERY CLIPS" in page
    assert "savee" in page and "emofuse benchmark base" in page
    recalls = page[page.index("Recall of each emotion") : page.index("Other networks")]
    assert "EMO-DB" in recalls and "RAVDESS" not in recalls  # no recalls of what was learnt by heart
    assert "| voice | RAVDESS | CC BY-NC-SA 4.0 | no |" in page
    assert "Voice over face" not in page
    films = MadeFilmsReport.model_validate(_films())
    assert "EMO-DB over CFEE" in to_markdown(benchmark_document(report.model_copy(update={"films": (films,)})))


def _films() -> dict[str, object]:
    pair = {
        "n": 10,
        **dict.fromkeys(("as_both", "as_voice", "as_face", "as_neither"), (0.25, (0.1, 0.4))),
        **dict.fromkeys(("confidence", "same_answer", "invented"), 0.5),
        **{key: {"voice": 0.5, "face": 0.5} for key in ("confidence_alone", "alone")},
    }
    return {"bundle": "base", "is_known": True, "voices": "EMO-DB", "faces": "CFEE", "agree": pair, "conflict": pair}


def test_a_recording_that_stands_is_seen_to_its_end(voices_and_faces: tuple[list[Recording], list[Recording]]) -> None:
    voices, faces = voices_and_faces
    film = replace(faces[0], clip=replace(voices[0].clip, sound_path=CLIP))
    times = [frame.time_s for frame in film.frames()]
    assert times == pytest.approx(np.arange(0, 1.2, 0.2))
