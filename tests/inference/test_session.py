"""A file analysed equals its packets pushed one by one; and the real clips give whole answers."""

import hashlib
import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import emofuse
from emofuse.cli.demo import CLIP
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import load_bundle
from emofuse.inference.detector import YUNET
from emofuse.inference.face_identity import FACE_IDENTITY
from emofuse.inference.smoothing import Smoother, SmoothingSettings
from emofuse.inference.vad import SILERO
from emofuse.media import open_media
from emofuse.provenance import ModelFile
from emofuse.timeline import Timeline
from emofuse.types import Frame
from make_media import beginning
from stand_in_text import StandInText


# the first is longer than what a voice network hears at a time
@pytest.mark.parametrize(("mode", "duration_s"), [("queue", 3.5), ("frame", 1.5)])
def test_a_file_equals_its_packets_pushed(mode: str, duration_s: float, tmp_path: Path) -> None:
    talk = beginning(CLIP, tmp_path / "talk.mp4", duration_s)
    whole = emofuse.analyze(talk, mode=mode)
    bundle = load_bundle()
    analyzer = Analyzer(bundle, settings=AnalyzerSettings(mode=mode))
    with open_media(talk) as media:
        pushed = [m for packet in media for m in analyzer.push(packet)] + analyzer.flush()
    assert len(whole.moments) == len(pushed) > 0
    for a, b in zip(whole.moments, pushed, strict=True):
        assert a.time_s == b.time_s and a.why == b.why
        assert [f.track_id for f in a.faces] == [f.track_id for f in b.faces]
        assert (a.fused is None) == (b.fused is None)
        if a.fused is not None and b.fused is not None:
            np.testing.assert_array_equal(a.fused.probabilities, b.fused.probabilities)


def test_a_file_is_steadied_only_on_request(clip_mp4: Path) -> None:
    raw, steady = emofuse.analyze(clip_mp4), emofuse.analyze(clip_mp4, smoothing=SmoothingSettings())
    smoother = Smoother()
    for a, b in zip(map(smoother.push, raw.moments), steady.moments, strict=True):
        assert a.time_s == b.time_s
        assert a.fused is not None and b.fused is not None
        np.testing.assert_array_equal(a.fused.probabilities, b.fused.probabilities)
    last, first = steady.moments[-1].fused, raw.moments[-1].fused
    assert last is not None and first is not None and not np.allclose(last.probabilities, first.probabilities)


def test_the_demo_clip_is_seen_and_heard() -> None:
    timeline = emofuse.analyze(CLIP)
    assert timeline.summary.used == ["face", "voice"]
    assert timeline.summary.by_modality["face"] is not None
    assert timeline.summary.by_modality["face"].label == "happy"  # an open smile
    assert timeline.bundle["name"] == "base"
    seen = {f.track_id for m in timeline.moments for f in m.faces}
    assert seen == {1}


def test_frame_mode_follows_the_container(clip_mp4: Path) -> None:
    timeline = emofuse.analyze(clip_mp4, mode="frame")
    with open_media(clip_mp4) as media:
        times = [p.time_s for p in media if isinstance(p, Frame)]
    assert [m.time_s for m in timeline.moments if m.faces or m.time_s in times] == times


def clips(pattern: str) -> list[Path]:
    root = os.environ.get("EMOFUSE_DATA")
    return sorted(Path(root).glob(pattern)) if root else []


@pytest.mark.corpus
@pytest.mark.parametrize("pattern", ["cremad/videos/*.flv", "ravdess_original/videos/Actor_05/*.mp4"])
def test_real_clips_give_whole_answers(pattern: str) -> None:
    found = clips(pattern)
    if not found:
        pytest.skip("EMOFUSE_DATA does not name a folder with this corpus")
    for path in found:
        timeline = emofuse.analyze(path)
        assert timeline.summary.used == ["face", "voice"], path
        assert timeline.summary.fused is not None
        assert len({f.track_id for m in timeline.moments for f in m.faces}) == 1, path
        times = [m.time_s for m in timeline.moments]
        assert all(b > a for a, b in itertools.pairwise(times))
        assert Timeline.from_json(json.loads(json.dumps(timeline.to_json()))).to_json() == timeline.to_json()


def test_provenance_names_every_model_by_the_hash_of_its_file(clip_mp4: Path) -> None:
    how = emofuse.analyze(clip_mp4, hop_s=0.25, smoothing=SmoothingSettings(persistence=2.0)).provenance
    assert how is not None and how.version == emofuse.__version__
    assert how.call.startswith(
        f"emofuse.analyze({str(clip_mp4)!r}, bundle='base', device='cpu', hop_s=0.25, smoothing="
    )
    assert how.settings["hop_s"] == 0.25 and how.settings["mode"] == "queue"
    assert how.settings["smoothing"] == {"time_constant_s": 0.5, "persistence": 2.0}
    base = Path(emofuse.__file__).parent / "bundles" / "base"
    files = [base / "fusion.json", *(base / f"{m}.onnx" for m in ("face", "voice", "text"))]
    files += [YUNET, FACE_IDENTITY, SILERO]
    roles = ["fusion", "face", "voice", "text", "face detector", "face identity", "speech detector"]
    expected = [(r, f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for r, f in zip(roles, files, strict=True)]
    assert [(m.role, m.name, m.sha256) for m in how.models] == expected
    assert how.transcript is None and how.device == "cpu" and how.bundle["name"] == "base"


def test_provenance_names_the_transcript_and_a_scorer_of_ones_own(clip_mp4: Path, tmp_path: Path) -> None:
    file = tmp_path / "words.srt"
    file.write_text("1\n00:00:00,000 --> 00:00:00,500\nI am glad\n\n")
    how = emofuse.analyze(clip_mp4, transcript=file, text_model=StandInText()).provenance
    assert how is not None and how.transcript is not None
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (how.transcript.how, how.transcript.name, how.transcript.sha256) == ("given", "words.srt", sha256)
    assert [m for m in how.models if m.role == "text"] == [ModelFile("text", "StandInText", None)]


def test_the_result_itself_is_the_same_every_time(clip_mp4: Path) -> None:
    first, second = (replace(emofuse.analyze(clip_mp4), provenance=None) for _ in range(2))
    assert first.to_json() == second.to_json() and "provenance" not in first.to_json()
