"""A batch that goes on where it was cut off, and one into the folder of another: nothing of other settings is mixed."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emofuse.recordings import worker
from emofuse.recordings.plan import RECORDS
from emofuse.remote import Address, open_input
from emofuse.staging import StagedPath
from make_media import Sound, record

pytestmark = pytest.mark.usefixtures("in_this_process")
Batch = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tones")
    for number, name in enumerate(("a", "b", "c")):
        record(folder / f"{name}.wav", sound=Sound("pcm_s16le", 16_000, "mono", 0.4, tone_hz=300.0 + 100 * number))
    return folder


@pytest.fixture
def recordings(tones: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tones, tmp_path / "in"))


@pytest.fixture
def batch(emofuse, recordings: Path, tmp_path: Path) -> Batch:
    def call(*options: object, inputs: tuple[object, ...] = (recordings,)) -> tuple[str, str]:
        result = emofuse("analyze", *inputs, "-o", tmp_path / "out", "--formats", "json,csv", *options)
        assert result.code == 0, result.err
        return result.out, result.err

    return call


def written(folder: Path) -> dict[str, int]:
    return {file.stem: file.stat().st_mtime_ns for file in folder.glob("*.json")}


def listed(folder: Path) -> list[str]:
    return [Path(row["recording"]).name for row in csv.DictReader((folder / "summary.csv").open(newline=""))]


def test_what_is_done_is_kept_and_named(batch: Batch, tmp_path: Path) -> None:
    batch()
    before, table = written(tmp_path / "out"), (tmp_path / "out" / "summary.csv").read_text()
    out, err = batch("--resume")
    assert written(tmp_path / "out") == before
    assert "3 of 3 kept: the results were there, of the same content and settings" in err
    assert [f"{name}.wav" in line and ", kept)" in line for name, line in zip("abc", out.splitlines(), strict=False)]
    assert out.count(", kept)") == 3
    assert (tmp_path / "out" / "summary.csv").read_text() == table
    assert all(f'href="./{name}.csv"' in (tmp_path / "out" / "index.html").read_text() for name in "abc")
    batch()  # without it all are made again
    assert all(written(tmp_path / "out")[name] > before[name] for name in "abc")


def test_only_what_is_the_same_is_kept(batch: Batch, recordings: Path, tmp_path: Path) -> None:
    batch()
    before = written(tmp_path / "out")
    record(recordings / "a.wav", sound=Sound("pcm_s16le", 16_000, "mono", 0.4, tone_hz=700.0))
    (tmp_path / "out" / "a.json").unlink()  # of another recording now, so that it would be in the way
    (tmp_path / "out" / "a.csv").unlink()
    (tmp_path / "out" / "b.csv").unlink()
    _, err = batch("--resume")
    assert "a.wav: analysed again: the recording has changed" in err
    assert "b.wav: analysed again: results are missing or were changed" in err
    assert "1 of 3 kept" in err
    after = written(tmp_path / "out")
    assert [after[name] > before[name] for name in "abc"] == [True, True, False]


def test_a_content_of_the_same_size_and_ends_is_another(batch: Batch, recordings: Path) -> None:
    file = recordings / "a.wav"
    data = bytearray(b"\0" * 200_000 + file.read_bytes())
    file.write_bytes(bytes(data[200_000:]) + bytes(data[:200_000]))
    batch()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    _, err = batch("--resume")
    assert "a.wav: analysed again: the recording has changed" in err and "2 of 3 kept" in err


@pytest.mark.parametrize(
    ("options", "name"),
    [(("--hop-s", 0.25), "hop_s"), (("--mode", "frame"), "mode"), (("--smooth",), "smoothing")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_results_of_other_settings_are_never_kept(batch: Batch, options: tuple[object, ...], name: str) -> None:
    batch()
    _, err = batch("--resume", *options)
    assert err.count(f"analysed again: they were made with another {name}") == 3 and "kept" not in err
    _, err = batch("--resume", *options)
    assert "3 of 3 kept" in err


def test_a_format_that_was_not_written_is_made(batch: Batch, tmp_path: Path) -> None:
    batch()
    _, err = batch("--resume", "--formats", "json")
    assert "3 of 3 kept" in err
    _, err = batch("--resume", "--formats", "json,srt")
    assert err.count("analysed again: srt was not written") == 3 and (tmp_path / "out" / "a.srt").exists()


def test_a_transcript_that_changes_is_another_result(batch: Batch, recordings: Path) -> None:
    (recordings / "a.srt").write_text("1\n00:00:00,000 --> 00:00:00,300\nwhat a day\n")
    batch("--transcript", "auto")
    (recordings / "a.srt").write_text("1\n00:00:00,000 --> 00:00:00,300\nwhat a pity\n")
    _, err = batch("--transcript", "auto", "--resume")
    assert "a.wav: analysed again: its transcript is another" in err and "2 of 3 kept" in err


def test_a_damaged_record_is_none(batch: Batch, tmp_path: Path) -> None:
    batch()
    for name, text in (("a", "{"), ("b", json.dumps({"schema": "emofuse-batch/1"})), ("c", "[]")):
        (tmp_path / "out" / RECORDS / f"{name}.json").write_text(text)
    out, err = batch("--resume")
    assert "kept" not in out + err and len(written(tmp_path / "out" / RECORDS)) == 3


def test_a_second_batch_joins_the_index_of_the_first(batch: Batch, recordings: Path, tmp_path: Path) -> None:
    batch(inputs=(recordings / "a.wav", recordings / "b.wav"))
    more = tmp_path / "more"
    more.mkdir()
    shutil.copy(recordings / "c.wav", more / "c.wav")
    shutil.copy(recordings / "c.wav", more / "d.wav")
    _, err = batch(inputs=(more,))
    assert listed(tmp_path / "out") == ["c.wav", "d.wav", "a.wav", "b.wav"]
    assert "index.html lists 2 more that were done before, with the same settings" in err
    _, err = batch("--hop-s", 0.25, inputs=(more,))
    assert listed(tmp_path / "out") == ["c.wav", "d.wav"]
    assert "2 more were done before, with other settings: index.html does not list them" in err


@pytest.fixture
def store(recordings: Path) -> Iterator[str]:
    files = pytest.importorskip("fsspec").filesystem("memory")
    for file in recordings.iterdir():
        files.pipe_file(f"memory://store/in/{file.name}", file.read_bytes())
    files.pipe_file("memory://store/in/notes.txt", b"words")
    yield "memory://store"
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def test_recordings_and_results_at_addresses(emofuse, batch: Batch, store: str, tmp_path: Path) -> None:
    batch()
    call = ("analyze", f"{store}/in", "-o", f"{store}/out", "--formats", "json,html")
    result = emofuse(*call)
    assert result.code == 0, result.err
    assert "memory://store/in/a.wav: " in result.out and "no recordings: 1 .txt" in result.err
    out = Address(f"{store}/out")
    for name in "abc":
        with open_input(out / f"{name}.json") as file:
            document = json.load(file)
        near = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        assert document["source"]["path"] == f"memory://store/in/{name}.wav"
        assert all(document[key] == near[key] for key in ("summary", "moments", "segments"))
    with open_input(out / "index.html") as file:
        assert b'href="./a.html"' in file.read()
    result = emofuse(*call, "--resume")
    assert "3 of 3 kept" in result.err
    result = emofuse("analyze", f"{store}/in", "memory://gone/x.wav", "-o", f"{store}/out", "--resume")
    assert result.code == 1 and "memory://gone/x.wav: no such file" in result.err


def test_results_go_to_no_address_of_the_web(emofuse, recordings: Path) -> None:
    result = emofuse("analyze", recordings, "-o", "https://example.org/out")
    assert result.code == 2 and "cannot write to https://example.org/out" in result.err


def test_a_full_disk_of_a_machine_is_one_line_that_names_it_and_the_others_are_done(
    emofuse, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = worker.StagedPath
    n_made = 0

    def on_a_disk_that_fills_up(target: Path, *, is_folder: bool) -> StagedPath:
        nonlocal n_made
        n_made += 1
        if n_made == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return made(target, is_folder=is_folder)

    monkeypatch.setattr(worker, "StagedPath", on_a_disk_that_fills_up)
    call = ("analyze", f"{store}/in", "-o", f"{store}/out", "--formats", "json")
    result = emofuse(*call)
    assert result.code == 1 and "skipped 1 of 3" in result.err
    assert f"memory://store/in/b.wav: cannot write on {socket.gethostname()}: No space left on device" in result.err
    result = emofuse(*call, "--resume")
    assert result.code == 0 and "2 of 3 kept" in result.err


def test_at_an_address_too_nothing_of_others_is_replaced(emofuse, store: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("[]")  # of the folder that the command is given in, and not in the way
    files = pytest.importorskip("fsspec").filesystem("memory")
    files.pipe_file(f"{store}/out/a.json", b"[]")
    call = ("analyze", f"{store}/in", "-o", f"{store}/out", "--formats", "json")
    result = emofuse(*call)
    assert result.code == 2 and "memory://store/out/a.json would be replaced" in result.err
    assert emofuse(*call, "--overwrite").code == 0
    again = emofuse(*call)
    assert again.code == 0 and "3 of 3 recordings have results there already" in again.err
    with open_input(f"{store}/out/a.json") as file:
        assert json.load(file)["schema"].startswith("emofuse/")
