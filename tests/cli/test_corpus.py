"""`emofuse corpus prepare` as people run it: the counts, what was left out, what cannot be used, the exit codes."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emofuse.emotions import TESS
from emofuse.research.corpora.manifest import COLUMNS, read_manifest
from make_media import Video, record


@pytest.fixture
def tess(tmp_path: Path) -> Path:
    """Return a corpus of two clips of the older actress and one of the younger, 0.5 s each, and a file to leave out."""
    folder = tmp_path / "tess"
    folder.mkdir()
    wave = 0.5 * np.sin(np.arange(8_000) / 10)
    for name in ("OAF_back_angry", "OAF_bar_angry", "YAF_back_sad", "YAF_back [bold]mad"):
        soundfile.write(folder / f"{name}.wav", wave, 16_000, subtype="PCM_16")
    return folder


def table(out: str, title: str) -> list[list[str]]:
    """Return the rows of cells under the header that begins with `title`."""
    lines = out.splitlines()
    first = next(i for i, line in enumerate(lines) if line.split()[:1] == [title])
    rows = lines[first + 1 :]
    return [row.split() for row in rows[: rows.index("")]]


def test_prepare_writes_counts_and_says_what_it_left_out(emofuse, tmp_path: Path, tess: Path) -> None:
    result = emofuse("corpus", "prepare", "tess", tess, "-o", tmp_path / "m.csv")
    assert result.code == 0, result.err
    assert {" ".join(row[:-1]): row[-1] for row in table(result.out, "emotion")} == {
        **dict.fromkeys(TESS, "0"),
        "angry": "2",
        "sad": "1",
    }
    assert table(result.out, "sex") == [["female", "3", "2"]]
    assert table(result.out, "speaker") == [["tess-OAF", "female", "2"], ["tess-YAF", "female", "1"]]
    assert "left out 1:" in result.out
    assert f"  {tess / 'YAF_back [bold]mad.wav'}: the name is not actress, word, emotion" in result.out.splitlines()
    assert result.out.splitlines()[-1] == f"{tmp_path / 'm.csv'}: 3 clips, 2 speakers, licence: CC BY-NC-ND 4.0"
    manifest = read_manifest(tmp_path / "m.csv")
    assert manifest.counts() == {"angry": 2, "sad": 1}
    assert len((tmp_path / "m.csv").read_text().splitlines()) == 4


def test_a_table_of_ones_own_is_prepared_too(emofuse, tmp_path: Path, tess: Path) -> None:
    (tess / "mine.csv").write_text("path,emotion,speaker\nOAF_back_angry.wav,cross,me\n")
    result = emofuse("corpus", "prepare", "csv", tess / "mine.csv", "-o", tmp_path / "m.csv")
    assert result.code == 0, result.err
    assert table(result.out, "emotion") == [["cross", "1"]]
    assert table(result.out, "speaker") == [["me", "unknown", "1"]]
    assert result.out.splitlines()[-1].endswith("1 clip, 1 speaker, licence: unknown")


def test_a_check_of_sound_files_says_how_long_they_are(emofuse, tmp_path: Path, tess: Path) -> None:
    for number in range(12):
        (tess / f"YAF_{'abcdefghijkl'[number]}_sad.wav").write_bytes((tess / "YAF_back_sad.wav").read_bytes())
    result = emofuse("corpus", "prepare", "tess", tess, "-o", tmp_path / "m.csv", "--check")
    assert result.code == 0, result.err
    assert "15 clips, 2 speakers, 0.1 minutes" in result.out


def test_a_check_lists_what_cannot_be_used_and_writes_nothing(emofuse, tmp_path: Path, tess: Path) -> None:
    bad = {name: tess / f"YAF_{name}_sad.wav" for name in ("empty", "silent", "short", "text")}
    bad["empty"].touch()
    bad["text"].write_text("version https://git-lfs.github.com/spec/v1\n")
    soundfile.write(bad["silent"], np.zeros(8_000), 16_000, subtype="PCM_16")
    soundfile.write(bad["short"], np.zeros(0), 16_000, subtype="PCM_16")
    out = tmp_path / "m.csv"
    before = ",".join(COLUMNS) + "\n"
    out.write_text(before)
    result = emofuse("corpus", "prepare", "tess", tess, "-o", out, "--check")
    assert result.code == 1
    for path in bad.values():
        assert len([line for line in result.err.splitlines() if str(path) in line]) == 1
    assert "4 of 7 clips cannot be used" in result.err
    assert out.read_text() == before
    assert emofuse("corpus", "prepare", "tess", tess, "-o", out).code == 0
    assert len(read_manifest(out)) == 7


@pytest.mark.parametrize(
    ("name", "folder", "code", "says"),
    [
        ("tes", "tess", 2, "did you mean tess?"),
        ("emodb", "tess", 1, "no recording of EMO-DB under"),
        ("tess", "nowhere", 1, "no recording of TESS under"),
        ("csv", "tess/mine.csv", 1, "mine.csv, line 2: emotion is empty"),
        ("csv", "tess", 1, "is a folder (name the CSV file itself)"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    emofuse, tmp_path: Path, tess: Path, name: str, folder: str, code: int, says: str
) -> None:
    (tess / "mine.csv").write_text("path,emotion,speaker\nOAF_back_angry.wav,,me\n")
    result = emofuse("corpus", "prepare", name, tmp_path / folder, "-o", tmp_path / "m.csv")
    assert result.code == code
    assert says in result.err
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "m.csv").exists()


def test_films_are_paired_with_the_sound_of_another_folder(emofuse, tmp_path: Path) -> None:
    films, sounds = tmp_path / "crops" / "Actor_05", tmp_path / "audios" / "Actor_05"
    for folder in (films, sounds):
        folder.mkdir(parents=True)
    record(films / "01-01-03-01-01-01-05_facecroppad.avi", Video(codec="mpeg4", time_base=Fraction(1, 25)))
    record(films / "01-01-04-01-01-01-05_facecroppad.avi", Video(codec="mpeg4", time_base=Fraction(1, 25)))
    soundfile.write(sounds / "03-01-03-01-01-01-05.flac", 0.5 * np.sin(np.arange(48_000) / 10), 16_000)
    prepare = ("corpus", "prepare", "ravdess-av", films.parent, "-o", tmp_path / "m.csv", "--check")
    result = emofuse(*prepare, "--sound", tmp_path)
    assert result.code == 0, result.err
    assert "01-01-04-01-01-01-05_facecroppad.avi: unpaired: no sound, and there is no recording of it" in result.out
    assert "1 clip, 1 speaker, 0.1 minutes" in result.out  # 3 s: of the sound
    (clip,) = read_manifest(tmp_path / "m.csv")
    assert clip.sound_path == sounds / "03-01-03-01-01-01-05.flac"
    alone = emofuse(*prepare)
    assert alone.code == 1
    assert "has films of RAVDESS speech and the sound of none" in alone.err
    assert "--sound" in alone.err
    assert len(alone.err.splitlines()) == 1
    other = emofuse("corpus", "prepare", "tess", films, "-o", tmp_path / "m.csv", "--sound", tmp_path)
    assert other.code == 2
    assert "tess takes no sound from another folder" in other.err


def test_a_manifest_that_cannot_be_written_is_said(emofuse, tmp_path: Path, tess: Path) -> None:
    (tmp_path / "file").touch()
    result = emofuse("corpus", "prepare", "tess", tess, "-o", tmp_path / "file" / "m.csv", "--check")
    assert result.code == 1
    assert "cannot make the folder" in result.err
    assert emofuse("corpus", "prepare", "tess", tess, "-o", tmp_path / "new" / "m.csv").code == 0
    assert len(read_manifest(tmp_path / "new" / "m.csv")) == 3


def test_no_training_library_is_needed(tmp_path: Path, tess: Path) -> None:
    program = f"""
import sys
for name in ("torch", "lightning", "pandas", "sklearn", "scipy", "librosa", "matplotlib", "torchmetrics"):
    sys.modules[name] = None
from emofuse.cli.main import run
run(["corpus", "prepare", "tess", {str(tess)!r}, "-o", {str(tmp_path / "m.csv")!r}, "--check"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.csv").exists()


@pytest.mark.corpus
def test_the_real_emodb(emofuse, tmp_path: Path) -> None:
    folder = os.environ.get("EMOFUSE_DATA")
    if not folder:
        pytest.skip("EMOFUSE_DATA names no folder with the corpora")
    result = emofuse("corpus", "prepare", "emodb", Path(folder) / "emodb", "-o", tmp_path / "m.csv")
    assert result.code == 0
    assert "535 clips, 10 speakers" in result.out
    assert table(result.out, "sex") == [["female", "302", "5"], ["male", "233", "5"]]


def test_only_a_manifest_is_replaced(emofuse, tmp_path: Path, tess: Path) -> None:
    out = tmp_path / "m.csv"
    prepare = ("corpus", "prepare", "tess", tess, "-o", out)
    assert emofuse(*prepare).code == 0 and emofuse(*prepare).code == 0
    out.write_text("path,emotion,speaker\nmine.wav,happy,1\n")
    result = emofuse(*prepare)
    assert result.code == 2 and f"{out} would be replaced, and emofuse did not write it" in result.err
    assert out.read_text() == "path,emotion,speaker\nmine.wav,happy,1\n"
    assert emofuse(*prepare, "--overwrite").code == 0
    assert "mine.wav" not in out.read_text()
