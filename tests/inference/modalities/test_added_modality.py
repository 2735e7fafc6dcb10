"""A modality of one's own, as docs/architecture.md says: one file, and one line in a bundle's fusion.json."""

from __future__ import annotations

import csv
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import emofuse
from emofuse.errors import BundleError
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import BUNDLES, MANIFEST, load_bundle
from emofuse.inference.licences import check_permissive
from emofuse.inference.load_model import ALLOW
from emofuse.inference.modalities.registry import MODALITIES as REGISTERED
from emofuse.outputs.formats import save_timeline
from emofuse.outputs.index import Digest, Row, summary_table
from emofuse.timeline import Timeline
from emofuse.types import MODALITIES, Scores

PAGE = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Add a modality")[2].partition("\n## ")[0]


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a bundle made by the steps of the page, in a folder of its own that is the present one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ALLOW, "1")
    (module,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    (line,) = re.findall(r"```json\n(.*?)```", SECTION, re.DOTALL)
    Path("loudness.py").write_text(module, encoding="utf-8")
    made = tmp_path / "mine"
    made.mkdir()
    for file in (BUNDLES / "base").iterdir():
        (made / file.name).symlink_to(file)
    manifest = json.loads((made / MANIFEST).read_text(encoding="utf-8"))
    manifest["modalities"] |= json.loads("{" + line.strip().rstrip(",") + "}")
    (made / MANIFEST).unlink()
    (made / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return made


@pytest.fixture
def timeline(bundle: Path, clip_mp4: Path) -> Timeline:
    """Return what the bundle makes of a short film with a face and a voice."""
    return emofuse.analyze(clip_mp4, bundle=bundle)


def test_it_is_in_every_moment_and_in_the_summary(timeline: Timeline) -> None:
    assert timeline.summary.listed == (*MODALITIES[:3], "loudness")
    assert timeline.summary.used[-1] == "loudness"
    for moment in timeline.moments:
        assert list(moment.by_modality)[-1] == "loudness"
        assert moment.by_modality["loudness"].end_s == moment.time_s
    document = json.loads(json.dumps(timeline.to_json()))
    schema = json.loads(files("emofuse.outputs").joinpath("timeline.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(document)
    assert document["summary"]["by_modality"]["loudness"] == timeline.summary.by_modality["loudness"].as_dict()
    assert [m["role"] for m in document["provenance"]["models"]].count("loudness") == 1
    assert Timeline.from_json(document).summary.listed == timeline.summary.listed


def test_it_has_a_say_in_the_fused_answer_by_its_weight(bundle: Path, clip_mp4: Path) -> None:
    apart = []
    for weight in (0.01, 100.0):
        manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
        manifest["modalities"]["loudness"]["weight"] = weight
        (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        moment = emofuse.analyze(clip_mp4, bundle=bundle).moments[-1]
        assert moment.fused is not None
        own = moment.by_modality["loudness"].probabilities
        apart.append(float(np.abs(moment.fused.probabilities - own).max()))
    assert apart[0] > 0.1 and apart[1] < 0.02


def test_every_output_has_it(timeline: Timeline, tmp_path: Path) -> None:
    for suffix in ("csv", "html", "png"):
        save_timeline(timeline, tmp_path / f"out.{suffix}")
    header = next(csv.reader((tmp_path / "out.csv").open(encoding="utf-8")))
    assert "loudness_angry" in header and "voice_angry" in header
    assert "loudness" in (tmp_path / "out.html").read_text(encoding="utf-8")
    table = summary_table([Row("clip.mp4", Digest.of(timeline))])
    assert table.records()[0]["loudness"] == timeline.summary.by_modality["loudness"].label


def test_where_it_has_nothing_the_reason_is_given(bundle: Path, silent_film_mp4: Path) -> None:
    summary = emofuse.analyze(silent_film_mp4, bundle=bundle).summary
    assert summary.why["loudness"] == "no audio track" and summary.used == []


def test_what_a_bundle_adds_is_checked(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_bundle(bundle)
    assert repr(emofuse.Pipeline(loaded)).endswith("('face', 'voice', 'text', 'loudness'), device='cpu')")
    with pytest.raises(BundleError, match="may not be used commercially"):
        check_permissive(loaded)
    loaded.added["loudness"] = Scores
    with pytest.raises(BundleError, match="loudness:Loudness is not the modality 'loudness'"):
        Analyzer(loaded)
    del loaded.added["loudness"]
    with pytest.raises(BundleError, match="names the modality 'loudness'"):
        Analyzer(loaded)
    monkeypatch.delenv(ALLOW)
    with pytest.raises(BundleError, match="runs Python code"):
        load_bundle(bundle)


def test_what_ships_is_in_the_registry_in_the_order_of_results() -> None:
    assert tuple(kind.name for kind in REGISTERED) == MODALITIES
