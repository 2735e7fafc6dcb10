"""What is done with a recording follows its packets: transcripts, progress, and what is written of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest

from emofuse.errors import MediaError, OutputError, TranscriptError
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.bundle import load_bundle
from emofuse.inference.session import fitted
from emofuse.media import VideoWriter, open_media
from emofuse.recordings.one import Options, Outcome, analyze_recording
from emofuse.recordings.plan import Task
from emofuse.recordings.progress import Progress
from emofuse.service import worker
from emofuse.service.messages import AnalysisTask
from emofuse.service.options import SubmitOptions
from emofuse.service.runner import RECORDING, RESULTS
from make_lengths import loud_then_quiet_mp3, quiet_then_loud_aac, with_long_header
from make_media import MILLISECOND, Sound, Video, record
from make_tracks import Track, tone, write_tracks


def test_a_cue_near_the_end_belongs_to_the_recording(tmp_path: Path) -> None:
    cues = tmp_path / "a.srt"
    cues.write_text("1\n00:01:00,000 --> 00:01:02,000\nstill here\n")
    with open_media(loud_then_quiet_mp3(tmp_path / "a.mp3")) as media:
        transcript = fitted(cues, media.source)
    assert transcript is not None and [line.start_s for line in transcript.lines] == [60.0]
    with (
        open_media(quiet_then_loud_aac(tmp_path / "a.aac")) as media,
        pytest.raises(TranscriptError, match="after the end"),
    ):
        fitted(cues, media.source)


def test_a_text_without_times_is_spread_over_what_there_is(tmp_path: Path) -> None:
    words = tmp_path / "a.txt"
    words.write_text("I am so happy. I am so sad. I am so angry.")
    with open_media(quiet_then_loud_aac(tmp_path / "a.aac")) as media:
        transcript = fitted(words, media.source)
    assert transcript is not None and len(transcript.lines) == 3
    assert transcript.lines[-1].end_s == pytest.approx(9.0, abs=0.2)


def analyzed(source: Path, stem: Path, formats: tuple[str, ...]) -> tuple[Outcome, list[tuple[float, float | None]]]:
    told: list[tuple[float, float | None]] = []
    options = Options(formats, AnalyzerSettings())

    def follow(reached: Progress) -> None:
        told.append((reached.time_s, reached.duration_s))

    outcome = analyze_recording(Task(source, stem), options, load_bundle("base"), follow)
    return outcome, told


def test_axes_and_progress_follow_the_packets(tmp_path: Path) -> None:
    whole = record(tmp_path / "a.mkv", Video(time_base=MILLISECOND), Sound())
    source = with_long_header(whole, tmp_path / "hours.mkv", 5 * 3600.0)
    outcome, told = analyzed(source, tmp_path / "out", ("json", "textgrid"))
    assert outcome.failure == "" and outcome.timeline is not None
    assert len({length_s for _, length_s in told}) == 1
    assert told[-1][1] == pytest.approx(1.0, abs=0.05)
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert document["source"]["duration_s"] == pytest.approx(1.0, abs=0.05)
    xmax = next(line for line in (tmp_path / "out.TextGrid").read_text().splitlines() if line.startswith("xmax"))
    assert float(xmax.split("=")[1]) == pytest.approx(1.0, abs=0.06)
    assert outcome.notes == ()


def test_the_other_results_are_written_where_the_mp4_cannot_be(
    talk_mp4: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise av.error.InvalidDataError(1094995529, "Invalid data found when processing input")

    monkeypatch.setattr("emofuse.media.writer.Soundtrack", refuse)
    outcome, _ = analyzed(talk_mp4, tmp_path / "out", ("json", "mp4", "html"))
    assert outcome.timeline is not None
    assert [file.name for file in outcome.files] == ["out.json", "out.html"]
    assert any(line.startswith("no mp4 was written: cannot write") for line in outcome.notes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.html", "out.json"]
    outcome, _ = analyzed(talk_mp4, tmp_path / "alone", ("mp4",))
    assert "cannot write" in outcome.failure  # nothing else was asked for


def test_a_writer_that_fails_at_the_end_costs_the_mp4_alone(
    talk_mp4: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(writer: VideoWriter) -> None:
        raise OutputError("cannot write it: what was written cannot be read")

    monkeypatch.setattr(VideoWriter, "_finish", refuse)
    outcome, _ = analyzed(talk_mp4, tmp_path / "out", ("mp4", "json"))
    assert [file.name for file in outcome.files] == ["out.json"]
    assert any("no mp4 was written" in line for line in outcome.notes)


def served(recording: Path, folder: Path, longest_s: float, **options: Any) -> tuple[str, ...]:
    (folder / RESULTS).mkdir(parents=True)
    (folder / RECORDING).write_bytes(recording.read_bytes())
    task = AnalysisTask(
        folder=folder,
        name="upload",
        memory_mb=3000,
        file_mb=4000,
        bundle="base",
        asr_model="tiny",
        answers={},
        max_duration_s=longest_s,
        max_megapixels=50,
        options=SubmitOptions(mode="queue", hop_s=0.5, annotate=False, **options),
    )
    return worker._analyze(task)


def test_the_limit_of_the_service_is_of_the_packets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = record(tmp_path / "a.mkv", Video(time_base=MILLISECOND), Sound())
    assert served(with_long_header(whole, tmp_path / "hours.mkv", 5 * 3600.0), tmp_path / "1", 60.0) == ()
    with pytest.raises(MediaError, match="longer than 60 s"):
        served(loud_then_quiet_mp3(tmp_path / "a.mp3"), tmp_path / "2", 60.0)
    told = capsys.readouterr().out.splitlines()
    assert all(json.loads(line)["share"] <= 1 for line in told)


def test_the_service_listens_to_the_track_that_is_asked_for(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Track(tone(hz, 1.0)) for hz in (300, 500)])
    notes = served(path, tmp_path / "1", 60.0, audio_track=2)
    assert notes == ("sound track 2 of 2 was used: as was asked for (--audio-track chooses another)",)
    document = json.loads((tmp_path / "1" / RESULTS / f"{RECORDING}.json").read_text(encoding="utf-8"))
    assert document["source"]["audio_tracks"] == [2]
    with pytest.raises(MediaError, match="sound track 3 is not in the recording"):
        served(path, tmp_path / "2", 60.0, audio_track=3)
