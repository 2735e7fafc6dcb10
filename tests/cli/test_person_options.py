"""`emofuse analyze` of one person's recordings: what they have in common, or their neutral voice, is taken out."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import emofuse as package
from emofuse.cli.demo import CLIP
from emofuse.cli.person_options import _one_face
from emofuse.emotions import BASE
from emofuse.errors import BundleError, UsageError
from emofuse.inference.bundle import BUNDLES, MANIFEST
from emofuse.media import open_media
from emofuse.types import AudioBlock
from make_media import Sound, beginning, record

pytestmark = pytest.mark.usefixtures("in_this_process")
LENGTHS_S = {"ada-1": 0.6, "ada-2": 1.0, "ben-1": 0.8, "ben-2": 1.2, "other": 0.7}
PERSONS = "person,recording\nAda,ada-1.mp4\nBen,ben-1\nAda,ada-2\nBen,ben-2\n"
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
def second(tmp_path_factory: pytest.TempPathFactory, clip_mp4: Path) -> Path:
    return Path(shutil.copy(clip_mp4, tmp_path_factory.mktemp("second") / "second.mp4"))


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recordings of two people, and one more."""
    folder = tmp_path_factory.mktemp("talks")
    for name, length_s in LENGTHS_S.items():
        beginning(CLIP, folder / f"{name}.mp4", length_s)
    return folder


def table(folder: Path, text: str = PERSONS) -> Path:
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    return path


def told(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return document


def test_the_command_answers_as_python_does(emofuse, tmp_path: Path, clip_mp4: Path, second: Path) -> None:
    result = emofuse("analyze", clip_mp4, second, "--same-person", "-o", tmp_path, "--formats", "json")
    assert result.code == 0, result.err
    assert "2 recordings are gone through first" in result.out + result.err
    expected = package.analyze([clip_mp4, second], same_person=True)[1]
    document = told(tmp_path, "second")
    assert document["provenance"]["settings"]["same_person"] == expected.provenance.settings["same_person"]
    assert package.Timeline.load(tmp_path / "second.json").summary.fused.probabilities == pytest.approx(
        expected.summary.fused.probabilities, abs=2e-4
    )


def test_a_baseline_is_taken_out_of_the_voice_alone(
    emofuse, tmp_path: Path, bundle: Path, clip_mp4: Path, second: Path
) -> None:
    plain = package.analyze(second, bundle=bundle)
    given = ("--baseline", clip_mp4, "--bundle", bundle)
    result = emofuse("analyze", second, *given, "-o", tmp_path, "--formats", "json,mp4")
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
    python = package.analyze(second, bundle=bundle, baseline=[clip_mp4])
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


def test_live_the_baseline_of_whoever_is_in_view_is_taken_out(
    emofuse, tmp_path: Path, bundle: Path, clip_mp4: Path, second: Path
) -> None:
    live = ("live", "--file", second, "--mode", "queue", "--bundle", bundle, "--view", "none", "--record")
    result = emofuse(*live, tmp_path / "adapted", "--baseline", clip_mp4)
    assert result.code == 0 and "somebody else" not in result.err
    (path,) = (tmp_path / "adapted").glob("*.json")
    ours = json.loads(path.read_text(encoding="utf-8"))
    given = ("--baseline", clip_mp4, "--bundle", bundle)
    assert emofuse("analyze", second, *given, "-o", tmp_path, "--formats", "json").code == 0
    theirs = told(tmp_path, "second")
    assert ours["provenance"]["settings"]["baseline"] == theirs["provenance"]["settings"]["baseline"]
    assert [m["by_modality"]["voice"] for m in ours["moments"]] == [
        m["by_modality"]["voice"] for m in theirs["moments"]
    ]
    assert ours["summary"]["by_modality"]["voice"] == theirs["summary"]["by_modality"]["voice"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--same-person", "--baseline", CLIP], "two ways to adapt to a person"),
        (["--baseline", "nowhere.wav", "--bundle", "{known}"], "nowhere.wav"),
        (["--baseline", CLIP, "--bundle", "permissive"], "does not know how other people sound"),
        (["--baseline", "{tone}", "--bundle", "{known}"], "nothing of the person to go by (voice)"),
    ],
)
def test_live_what_cannot_be_is_one_line(
    emofuse, tmp_path: Path, bundle: Path, arguments: list[object], says: str
) -> None:
    record(tmp_path / "tone.wav", sound=Sound("pcm_s16le", 16_000, "mono", 2.0, tone_hz=300.0))
    given = [str(each).format(known=bundle, tone=tmp_path / "tone.wav") for each in arguments]
    result = emofuse("live", "--file", CLIP, "--view", "none", *given)
    assert result.code == 2 and says in " ".join(result.err.split())


def test_live_a_baseline_without_a_face_is_taken_to_be_of_whoever_is_there(
    emofuse, tmp_path: Path, bundle: Path, clip_mp4: Path
) -> None:
    with open_media(clip_mp4, audio_rate_hz=16_000) as media:
        sound = np.concatenate([p.samples for p in media if isinstance(p, AudioBlock)])
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    live = ("live", "--file", clip_mp4, "--seconds", 1, "--view", "none", "--bundle", bundle)
    result = emofuse(*live, "--baseline", tmp_path / "voice.wav")
    assert result.code == 0 and "the baseline shows no face" in " ".join(result.err.split())


def test_baselines_of_two_people_are_refused() -> None:
    anna, ben = np.eye(2, dtype=np.float32)
    assert _one_face([]) is None
    np.testing.assert_array_equal(_one_face([(Path("a"), anna), (Path("b"), 2 * anna)]), 3 * anna)
    with pytest.raises(UsageError, match="--baseline a and b show two people"):
        _one_face([(Path("a"), anna), (Path("b"), ben)])


def test_other_knowledge_of_the_person_is_another_setting(
    emofuse, tmp_path: Path, bundle: Path, clip_mp4: Path, second: Path
) -> None:
    """What was made without adaptation is not kept by --resume where it is asked for."""
    command = ("analyze", clip_mp4, second, "-o", tmp_path, "--formats", "json", "--bundle", bundle, "--resume")
    assert emofuse(*command).code == 0
    assert "2 of 2 kept" in (kept := emofuse(*command)).out + kept.err
    again = emofuse(*command, "--same-person")
    assert again.code == 0 and "kept" not in again.out
    assert "same_person" in told(tmp_path, "clip")["provenance"]["settings"]
    kept = emofuse(*command, "--same-person")
    assert "2 of 2 kept" in kept.out + kept.err


def test_each_person_of_a_batch_is_adapted_to_apart(emofuse, tmp_path: Path, talks: Path) -> None:
    """What comes of it is that of a call with --same-person for each person, and of a plain call for the others."""
    out, formats = tmp_path / "out", ("--formats", "json,html,vtt")
    result = emofuse("analyze", talks, "--persons", table(tmp_path), "-o", out, *formats)
    assert result.code == 0, result.err
    assert "4 recordings are gone through first, to know 2 persons" in result.out + result.err
    apart = tmp_path / "apart"
    for person in ("ada", "ben"):
        own = [talks / f"{person}-{n}.mp4" for n in (1, 2)]
        assert emofuse("analyze", *own, "--same-person", "-o", apart / person, *formats).code == 0
        for recording in own:
            found, expected = told(out, recording.stem), told(apart / person, recording.stem)
            stamp = found["provenance"]["settings"]["same_person"]
            assert stamp.pop("person") == person.title() and stamp["recordings"] == 2
            for document in (found, expected):
                del document["provenance"]["call"], document["provenance"]["created"], document["mark"]
            assert found == expected
            for suffix in ("html", "vtt"):
                assert f"person={person.title()}" in (out / f"{recording.stem}.{suffix}").read_text("utf-8")
    assert emofuse("analyze", talks / "other.mp4", "-o", apart, *formats).code == 0
    found, plain = told(out, "other"), told(apart, "other")
    assert "same_person" not in found["provenance"]["settings"] and found["moments"] == plain["moments"]
    assert found["summary"] == plain["summary"]
    assert told(out, "ada-1")["moments"] != told(apart / "ben", "ben-1")["moments"]


def test_one_recording_of_a_person_is_adapted_to_itself(emofuse, tmp_path: Path, talks: Path) -> None:
    clip = talks / "ben-2.mp4"
    for name, options in (
        ("named", ("--persons", table(tmp_path, "recording,person\nben-2,Ben\n"))),
        ("alone", ("--same-person",)),
        ("plain", ()),
    ):
        result = emofuse("analyze", clip, *options, "-o", tmp_path / name, "--formats", "json")
        assert result.code == 0
        assert ("1 recording is gone through first" in result.out + result.err) == bool(options)
    named, alone, plain = (told(tmp_path / name, "ben-2") for name in ("named", "alone", "plain"))
    assert named["moments"] == alone["moments"] != plain["moments"]
    assert named["provenance"]["settings"]["same_person"]["person"] == "Ben"


def test_more_of_one_person_leaves_the_others_results(emofuse, tmp_path: Path, talks: Path) -> None:
    command = ("analyze", talks, "-o", tmp_path / "out", "--formats", "json", "--resume", "--persons")
    assert emofuse(*command, table(tmp_path)).code == 0
    again = emofuse(*command, table(tmp_path, PERSONS + "Ben,other\n"))
    assert again.code == 0 and "2 of 5 kept" in again.out + again.err  # Ada's
    assert told(tmp_path / "out", "ben-1")["provenance"]["settings"]["same_person"]["recordings"] == 3


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        ("recording,name\nclip,Ada\n", [], "has no column 'person'"),
        ("recording,person\nclip,Ada\nnobody.mp4,Ben\n", [], "nobody.mp4 is not one of these recordings"),
        ("recording,person\na,Ada\nb,Ben\nclip,Ben\n", [], "a (and 1 more) is not one of these recordings"),
        ("recording,person\nclip,\n", [], "gives no recording a person"),
        ("recording,person\nclip,Ada\nclip,Ben\n", [], "clip is in 'Ada' and 'Ben'"),
        ("recording,person\nclip,Ada\n", ["--same-person"], "--persons and --same-person are two ways"),
        ("recording,person\nclip,Ada\n", ["--baseline", CLIP], "--persons and --baseline are two ways"),
    ],
)
def test_a_table_of_persons_that_cannot_be_used_is_one_line(
    emofuse, tmp_path: Path, text: str, more: list[object], says: str
) -> None:
    result = emofuse("analyze", CLIP, "--persons", table(tmp_path, text), *more, "-o", tmp_path / "out")
    assert result.code == 2 and says in " ".join(result.err.split())
    assert not list((tmp_path / "out").glob("*.json"))


def test_only_photos_that_are_named_are_refused(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    command = ("analyze", clip_mp4, tmp_path / "photo.png", "-o", tmp_path / "out", "--formats", "json", "--persons")
    refused = emofuse(*command, table(tmp_path, "recording,person\nclip,Ada\nphoto,Ada\n"))
    assert refused.code == 2 and "photos are not adapted" in refused.err
    assert emofuse(*command, table(tmp_path, "recording,person\nclip,Ada\n")).code == 0


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
