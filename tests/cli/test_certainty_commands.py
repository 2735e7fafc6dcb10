"""Certainty on the command line: options of `analyze`, and what `bundle fit` makes of predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from emofuse.cli.demo import CLIP
from emofuse.emotions import BASE
from emofuse.inference.answers import read_prior
from emofuse.inference.bundle import BUNDLES, MANIFEST, load_bundle
from emofuse.inference.load_model import ALLOW
from emofuse.inference.pipeline import analyze
from emofuse.research.evaluation.scores.predictions import Predictions, write_predictions
from emofuse.timeline import Timeline

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "src/emofuse/outputs/timeline.schema.json").read_text(encoding="utf-8")
)


def test_risk_coverage_and_prior_change_what_is_told_and_not_the_evidence(emofuse, tmp_path: Path) -> None:
    prior = tmp_path / "prior.json"
    prior.write_text(json.dumps({label: 100 if label == "sad" else 1 for label in BASE}), encoding="utf-8")
    told = ("--hop-s", 1, "--end", 2, "--risk", 0.001, "--coverage", 0.99)
    result = emofuse("analyze", CLIP, "-o", tmp_path, "--formats", "json", *told)
    assert result.code == 0, result.err
    found = {
        "plain": analyze(CLIP, hop_s=1, end_s=2).to_json(),
        "strict": json.loads((tmp_path / f"{CLIP.stem}.json").read_text(encoding="utf-8")),
        "prior": analyze(CLIP, hop_s=1, end_s=2, prior=read_prior(str(prior))).to_json(),
    }
    for document in found.values():
        jsonschema.validate(document, SCHEMA)
        assert Timeline.from_json(document).to_json() == {k: v for k, v in document.items() if k != "mark"}
    plain, strict, weighed = (found[name]["summary"] for name in found)
    assert plain["certainty"]["p_right"] == max(plain["probabilities"].values())
    assert strict["label"] == plain["label"] and strict["certainty"]["answer"] == "uncertain"
    assert {one["answer"] for one in found["strict"]["segments"]} == {"uncertain"}
    assert strict["certainty"]["labels"][0] == plain["label"] and "labels" not in plain["certainty"]
    assert weighed["probabilities"]["sad"] > plain["probabilities"]["sad"]
    # the command finds the words beside the clip, too
    scores = [{m: each["evidence"][m]["scores"] for m in ("face", "voice")} for each in (plain, strict, weighed)]
    assert scores[0] == scores[1] == scores[2]
    assert sum(one["weight"] for one in plain["evidence"].values()) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--risk", "0"), "risk"), (("--coverage", "0.2"), "coverage"), (("--prior", "none.json"), "--prior none.json")],
)
def test_a_value_that_is_not_allowed_is_named(emofuse, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = emofuse("analyze", CLIP, "-o", tmp_path, *options)
    assert result.code == 2 and message in result.err


def predictions(path: Path, seed: int, separation: float, n: int = 420) -> Path:
    """Predictions of sounds, a third of which are noisy and harder."""
    random = np.random.default_rng(seed)
    truth, is_noisy = np.arange(n) % 7, np.arange(n) % 3 == 0
    seen = separation * np.where(is_noisy, 0.3, 1.0)[:, None] * np.eye(7)[truth] + random.normal(size=(n, 7))
    logs = seen - np.log(np.exp(seen).sum(axis=1, keepdims=True))
    write_predictions(
        Predictions(
            tuple(map(str, range(n))),
            tuple(f"s{i // 7 % 10}" for i in range(n)),
            ("unknown",) * n,
            tuple("noise" if noisy else "clean" for noisy in is_noisy),
            BASE,
            (1,),
            truth,
            logs.astype(np.float32)[None],
            {"snr_db": np.where(is_noisy, 5.0, 40.0)},
        ),
        path,
    )
    return path


def test_certainty_is_fitted_and_answers_are_left_as_they_are(emofuse, tmp_path: Path) -> None:
    first, second = (predictions(tmp_path / f"{name}.csv", seed, 3.0) for seed, name in enumerate(("one", "two")))
    face = predictions(tmp_path / "face.csv", 2, 2.0)
    out = tmp_path / "fitted"
    on = ("--on", f"voice={first}", "--on", f"voice={second}", "--together", f"face={face},voice={first}")
    result = emofuse("bundle", "fit", "base", "--only-certainty", *on, "-o", out)
    assert result.code == 0, result.err
    fitted, before = load_bundle(out).manifest, load_bundle().manifest
    assert fitted.modalities == before.modalities
    assert fitted.certainty is not None and before.certainty is not None
    assert fitted.certainty.modalities["face"] == before.certainty.modalities["face"]  # nothing was given for it
    assert fitted.certainty.modalities["voice"].measures["snr_db"].loss > 0
    assert fitted.certainty.fused != before.certainty.fused
    changed = emofuse("bundle", "fit", "base", "--on", f"voice={first}", "-o", tmp_path / "other")
    assert changed.code == 0, changed.err
    assert load_bundle(tmp_path / "other").manifest.modalities["voice"] != before.modalities["voice"]


@pytest.mark.parametrize(
    ("together", "message"),
    [("face=x.csv", "does not hold predictions"), ("smell=x", "not of the form"), ("face", "not of the form")],
)
def test_what_does_not_belong_together_is_one_line(emofuse, tmp_path: Path, together: str, message: str) -> None:
    on = f"voice={predictions(tmp_path / 'one.csv', 0, 3.0, n=70)}"
    result = emofuse(
        "bundle", "fit", "base", "--only-certainty", "--on", on, "--together", together, "-o", tmp_path / "o"
    )
    assert result.code == 2 and message in result.err


LOUDNESS = """
from emofuse.inference.modalities.base import Modality


class Loudness(Modality):
    name = "loudness"

    def scores(self, time_s):
        return None

    def absence_reason(self, time_s):
        return "it is a test"
"""


def test_a_modality_that_a_bundle_adds_is_shown_and_its_weight_and_certainty_are_fitted(
    emofuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ALLOW, "1")
    Path("loudness_test.py").write_text(LOUDNESS, encoding="utf-8")
    shutil.copytree(BUNDLES / "base", "mine")
    manifest = json.loads(Path("mine", MANIFEST).read_text(encoding="utf-8"))
    manifest["modalities"]["loudness"] = {"file": "loudness_test:Loudness", "temperature": 1.0, "weight": 0.3}
    Path("mine", MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    shown = emofuse("info", "--bundle", "mine")
    assert shown.code == 0
    assert "loudness (loudness_test:Loudness, a modality that the bundle adds, weight 0.30," in " ".join(
        shown.out.split()
    )

    voice, loudness = (predictions(tmp_path / f"{seed}.csv", seed, strength) for seed, strength in ((0, 2.0), (1, 3.0)))
    on = ("--on", f"voice={voice}", "--on", f"loudness={loudness}")
    result = emofuse("bundle", "fit", "mine", *on, "--together", f"voice={voice},loudness={loudness}", "-o", "fitted")
    assert result.code == 0, result.err
    fitted = load_bundle("fitted")
    own = fitted.manifest.modalities["loudness"]
    assert own.temperature == 1.0 and own.prior == (0.1429,) * 7 and own.weight != 0.3
    assert (
        fitted.pool == "logarithmic"
        and fitted.manifest.modalities["face"] == load_bundle("mine").manifest.modalities["face"]
    )
    assert fitted.manifest.certainty is not None and "loudness" in fitted.manifest.certainty.modalities
    wrong = emofuse("bundle", "fit", "mine", "--on", f"smell={voice}", "-o", "other")
    assert wrong.code == 2 and "face|voice|text|clip|loudness=PREDICTIONS.csv" in " ".join(wrong.err.split())
