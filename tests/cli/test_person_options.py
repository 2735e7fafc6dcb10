"""`emofuse analyze` of one person's recordings: what they have in common, or their neutral voice, is taken out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import emofuse as package
from emofuse.cli.demo import CLIP
from emofuse.emotions import BASE
from emofuse.errors import BundleError
from emofuse.inference.bundle import BUNDLES, MANIFEST
from make_media import Sound, record

pytestmark = pytest.mark.usefixtures("in_this_process")
OTHERS = [-1.0, -2.0, -3.0, -2.0, -3.0, -4.0, -3.0]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base bundle, which knows how others sound when they are neutral."""
    folder = tmp_path_factory.mktemp("bundle") / "known"
    shutil.copytree(BUNDLES / "base", folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["modalities"]["voice"]["neutral"] = OTHERS
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copy(CLIP, tmp_path_factory.mktemp("second") / "second.mp4"))


def told(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return document


def test_the_command_answers_as_python_does(emofuse, tmp_path: Path, second: Path) -> None:
    result = emofuse("analyze", CLIP, second, "--same-person", "-o", tmp_path, "--formats", "json")
    assert result.code == 0, result.err
    assert "2 recordings are gone through first" in result.out + result.err
    expected = package.analyze([CLIP, second], same_person=True)[1]
    document = told(tmp_path, "second")
    assert document["provenance"]["settings"]["same_person"] == expected.provenance.settings["same_person"]
    assert package.Timeline.load(tmp_path / "second.json").summary.fused.probabilities == pytest.approx(
        expected.summary.fused.probabilities, abs=2e-4
    )


def test_a_baseline_is_taken_out_of_the_voice_alone(emofuse, tmp_path: Path, bundle: Path, second: Path) -> None:
    plain = package.analyze(second, bundle=bundle)
    result = emofuse("analyze", second, "--baseline", CLIP, "--bundle", bundle, "-o", tmp_path, "--formats", "json,mp4")
    assert result.code == 0, result.err
    adapted = package.Timeline.load(tmp_path / "second.json")
    stamp = adapted.provenance.settings["baseline"]
    assert stamp["recordings"] == 1 and stamp["halfway"] == 5.0 and "utterances_face" not in stamp
    n = stamp["utterances_voice"]
    own = np.log([m.by_modality["voice"].evidence for m in plain.moments if "voice" in m.by_modality])
    moment = next(m for m in plain.moments if "voice" in m.by_modality)
    expected = np.log(moment.by_modality["voice"].evidence) - n / (n + 5) * (own.mean(axis=0) - OTHERS)
    expected = np.exp(expected) / np.exp(expected).sum()
    (found,) = (m for m in adapted.moments if m.time_s == moment.time_s)
    np.testing.assert_allclose(found.by_modality["voice"].evidence, expected, atol=2e-3)
    np.testing.assert_allclose(found.by_modality["face"].evidence, moment.by_modality["face"].evidence, atol=1e-4)
    python = package.analyze(second, bundle=bundle, baseline=[CLIP])
    np.testing.assert_allclose(adapted.summary.fused.probabilities, python.summary.fused.probabilities, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--same-person", "--baseline", CLIP], "two ways to adapt to a person"),
        (["--baseline", "nowhere.wav", "--bundle", "large"], "nowhere.wav"),
        (["--baseline", CLIP, "--bundle", "permissive"], "does not know how other people sound"),
    ],
)
def test_what_cannot_be_is_one_line(emofuse, tmp_path: Path, arguments: list[object], says: str) -> None:
    result = emofuse("analyze", CLIP, *arguments, "-o", tmp_path / "out", "--formats", "json")
    assert result.code == 2 and says in result.err
    assert not list((tmp_path / "out").glob("*.json"))


def test_a_baseline_in_which_nobody_speaks_is_refused(emofuse, tmp_path: Path, bundle: Path) -> None:
    record(tmp_path / "tone.wav", sound=Sound("pcm_s16le", 16_000, "mono", 4.0, tone_hz=300.0))
    result = emofuse("analyze", CLIP, "--baseline", tmp_path / "tone.wav", "--bundle", bundle, "-o", tmp_path / "out")
    assert result.code == 2 and "nothing of the person to go by (voice)" in result.err


def test_other_knowledge_of_the_person_is_another_setting(emofuse, tmp_path: Path, bundle: Path, second: Path) -> None:
    """What was made without adaptation is not kept by --resume where it is asked for."""
    command = ("analyze", CLIP, second, "-o", tmp_path, "--formats", "json", "--bundle", bundle, "--resume")
    assert emofuse(*command).code == 0
    assert "2 of 2 kept" in (kept := emofuse(*command)).out + kept.err
    again = emofuse(*command, "--same-person")
    assert again.code == 0 and "kept" not in again.out
    assert "same_person" in told(tmp_path, "clip")["provenance"]["settings"]
    kept = emofuse(*command, "--same-person")
    assert "2 of 2 kept" in kept.out + kept.err


def test_photos_are_refused(emofuse, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    result = emofuse("analyze", CLIP, tmp_path / "photo.png", "--same-person", "-o", tmp_path / "out")
    assert result.code == 2 and "photos are not adapted" in result.err


def test_bundles_keep_a_reference_of_their_labels(bundle: Path, tmp_path: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["modalities"]["voice"]["neutral"] = OTHERS[: len(BASE) - 1]
    broken = Path(shutil.copytree(bundle, tmp_path / "broken"))
    (broken / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="neutral of voice is not 7 numbers"):
        package.Pipeline.load(broken)
