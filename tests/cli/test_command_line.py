"""The command stands in the results, with what was given and without what is secret."""

from __future__ import annotations

import json
from contextvars import Context
from pathlib import Path

import pytest

from emofuse.cli.command_line import command_line, remember_command
from emofuse.remote import without_secrets


def document(folder: Path) -> dict:
    (file,) = folder.glob("*.json")
    return json.loads(file.read_text())


def test_analyze_tells_its_command_and_the_transcript_it_found(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    here = tmp_path / "a b.mp4"
    here.write_bytes(clip_mp4.read_bytes())
    (tmp_path / "a b.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nI am glad\n\n")
    out = tmp_path / "out"
    done = emofuse("analyze", here, "-o", out, "--formats", "json", "--transcript", "auto", "--smooth", "--hop-s", 0.5)
    assert done.code == 0, done.err
    how = document(out)["provenance"]
    assert how["call"] == (f"emofuse analyze '{here}' -o {out} --formats json --transcript auto --smooth --hop-s 0.5")
    assert (how["transcript"]["how"], how["transcript"]["name"]) == ("found", "a b.srt")
    assert how["settings"]["smoothing"]["persistence"] > 1


def test_a_transcript_is_found_or_given(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(clip_mp4.read_bytes())
    said = tmp_path / "talk.srt"
    said.write_text("1\n00:00:00,000 --> 00:00:00,500\nI am glad\n\n")
    for options, how in (((), "found"), (("--transcript", tmp_path), "found"), (("--transcript", said), "given")):
        out = tmp_path / how / str(len(options))
        done = emofuse("analyze", tmp_path / "talk.mp4", "-o", out, "--formats", "json", *options)
        assert done.code == 0, done.err
        origin = document(out)["provenance"]["transcript"]
        assert (origin["how"], origin["name"]) == (how, "talk.srt"), options


def test_each_process_of_a_batch_tells_the_same_command(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(clip_mp4.read_bytes())
    out = tmp_path / "out"
    done = emofuse("analyze", tmp_path / "a.mp4", tmp_path / "b.mp4", "-o", out, "--formats", "json", "--jobs", 2)
    assert done.code == 0, done.err
    calls = [json.loads((out / f"{name}.json").read_text())["provenance"]["call"] for name in "ab"]
    assert calls[0] == calls[1] and calls[0].endswith("--jobs 2") and "b.mp4" in calls[0]


def test_a_live_recording_tells_its_command(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    done = emofuse("live", "--file", clip_mp4, "--no-audio", "--view", "none", "--record", tmp_path)
    assert done.code == 0, done.err
    call = document(tmp_path)["provenance"]["call"]
    assert call == f"emofuse live --file {clip_mp4} --no-audio --view none --record {tmp_path}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:secret@camera:554/stream?token=secret#x", "rtsp://camera:554/stream"),
        ("https://a:b@host", "https://host"),
        ("--source=rtsp://me:secret@camera/1?k=v", "--source=rtsp://camera/1"),
        ("--hop-s=0.5", "--hop-s=0.5"),
        ("clip.mp4", "clip.mp4"),
        ("me:secret@camera", "me:secret@camera"),  # no address, and never opened as one
        ("http://[bad", "(an address)"),
    ],
)
def test_what_is_secret_in_an_address_is_left_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_outside_of_a_command_there_is_none_and_a_long_one_is_cut() -> None:
    assert Context().run(command_line) == ""

    def long() -> str:
        remember_command(["analyze", *(f"{i}.mp4" for i in range(1000))])
        return command_line()

    told = Context().run(long)
    assert told.startswith("emofuse analyze 0.mp4 1.mp4") and told.endswith("38.mp4 (and 961 more)")
