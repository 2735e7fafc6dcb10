"""Whatever the reader can read is found, once; what is passed over or cannot be read is told."""

import os
import shutil
from pathlib import Path

import pytest

from emofuse.media.kinds import may_be_recording, media_suffixes
from emofuse.recordings import finding
from emofuse.recordings.finding import find_recordings
from make_media import Sound, Video, record


def places(*inputs: Path) -> list[str]:
    return [place.as_posix() for _, place in find_recordings(inputs).recordings]


def test_every_suffix_that_the_reader_knows() -> None:
    wanted = ".mp4 .MOV .mkv .webm .avi .flv .wmv .mpg .mts .m2ts .vob .mxf .3gp .ogv .wav .FLAC .mp3 .m4a .wma .opus"
    assert {suffix.lower() for suffix in wanted.split()} <= media_suffixes()
    assert not media_suffixes() & {".txt", ".srt", ".jpg", ".png", ".heic", ".avif", ".pdf", ".zip", ".json", ".csv"}


def test_recordings_of_any_name_are_found_and_the_rest_is_told(tmp_path: Path, voice_wav: Path) -> None:
    for name in ("a.MTS", "b.WMA", "b2.ogv"):
        (tmp_path / name).write_bytes(b"whatever")
    shutil.copy(voice_wav, tmp_path / "c without a suffix")
    shutil.copy(voice_wav, tmp_path / "d.bak")
    record(tmp_path / "e.ts", Video())
    (tmp_path / "f.ts").write_text("export const answer: number = 42;\n")
    for name in ("notes.txt", "g.jpg", "h.JPG", "README"):
        (tmp_path / name).write_text("hello")
    (tmp_path / ".hidden.mp4").touch()
    found = find_recordings([tmp_path])
    assert [p.as_posix() for _, p in found.recordings] == [
        "a.MTS",
        "b.WMA",
        "b2.ogv",
        "c without a suffix",
        "d.bak",
        "e.ts",
    ]
    assert found.failures == []
    (told,) = found.notes
    assert told == f"passed over in {tmp_path}, as they are no recordings: 2 .jpg, 1 README, 1 .ts, 1 .txt"


@pytest.mark.parametrize("format", ["matroska", "avi", "flv", "ogg", "mpegts", "aiff", "wav", "mp4", "asf", "mp3"])
def test_a_recording_is_known_by_how_it_begins(tmp_path: Path, format: str) -> None:
    codec = {"ogg": "flac", "aiff": "pcm_s16be", "wav": "pcm_s16le", "mp3": "mp3"}.get(format, "aac")
    path = record(tmp_path / "clip.unknown", sound=Sound(codec), format=format)
    assert may_be_recording(path)


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    for name in ("in/a.wav", "in/deep/b.wav", "other/c.wav"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "in" / "deep" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "other")
    (tmp_path / "in" / "linked again").symlink_to(tmp_path / "other")
    (tmp_path / "in" / "z.wav").symlink_to(tmp_path / "other" / "c.wav")
    # z.wav is the same recording as linked/c.wav, which comes before it
    assert places(tmp_path / "in") == ["a.wav", "deep/b.wav", "linked/c.wav"]


def test_what_is_no_file_or_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "absent")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    os.mkfifo(tmp_path / "pipe")
    found = find_recordings([tmp_path])
    assert found.recordings == []
    reasons = {Path(name).name: reason for name, reason in found.failures}
    assert reasons["gone.mp4"] == "a link that leads nowhere" and reasons["pipe.mp4"] == "not a file"
    assert "Too many levels of symbolic links" in reasons["loop.mp4"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "z.wav").write_bytes(b"x")
    scandir = os.scandir

    def refuse(folder: str):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(finding.os, "scandir", refuse)
    found = find_recordings([tmp_path])
    assert found.failures == [(str(tmp_path / "locked"), "this folder cannot be read: Permission denied")]
    assert places(tmp_path) == ["z.wav"]


def test_one_bad_name_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    bad = [Path("n" * 5000), tmp_path / "absent", tmp_path / "a.wav" / "below", Path(os.fsdecode(b"caf\xe9"))]
    found = find_recordings([*bad, tmp_path / "loop", tmp_path / "a.wav", tmp_path / "a.wav"])
    assert [s.name for s, _ in found.recordings] == ["loop", "a.wav"]
    assert [reason for _, reason in found.failures] == ["no such file or folder"] * 4
