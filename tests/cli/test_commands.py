"""The commands as people run them: right answers, one clear line for every bad input, and the exit codes."""

import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from emofuse.media import open_media, probe
from emofuse.outputs.formats import FORMATS
from emofuse.recordings.plan import RECORDS
from emofuse.types import Frame
from make_media import Sound, Video, cut, first_picture, record, spoil
from make_tracks import Track, tone, write_tracks

SCHEMA = json.loads(files("emofuse.outputs").joinpath("timeline.schema.json").read_text(encoding="utf-8"))


def left_over(folder: Path) -> list[str]:
    """Return the names of the files in a folder, but for the records of a batch."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return sorted(p.name for p in files if RECORDS not in p.relative_to(folder).parts)


def test_analyze_writes_every_format(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    result = emofuse("analyze", clip_mp4, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert left_over(tmp_path / "out") == ["clip.csv", "clip.html", "clip.json", "clip.mp4"]
    document = json.loads((tmp_path / "out" / "clip.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["summary"]["used"] == ["face", "voice"]
    assert document["summary"]["why"] == {"text": "no transcript"}
    rows = list(csv.DictReader((tmp_path / "out" / "clip.csv").open(newline="")))
    assert [float(r["time_s"]) for r in rows] == [m["time_s"] for m in document["moments"]]
    with open_media(clip_mp4) as media:
        times = [p.time_s for p in media if isinstance(p, Frame)]
    with open_media(tmp_path / "out" / "clip.mp4") as media:
        drawn = [p.time_s for p in media if isinstance(p, Frame)]
    assert drawn == pytest.approx(times, abs=1e-3)
    assert probe(tmp_path / "out" / "clip.mp4").has_audio
    assert "clip.json" in result.out and document["summary"]["label"] in result.out


def test_only_the_formats_asked_for(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    assert emofuse("analyze", clip_mp4, "-o", tmp_path, "--formats", "csv", "--mode", "frame").code == 0
    assert left_over(tmp_path) == ["clip.csv"]


def test_what_is_drawn_on_the_film_is_a_choice(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    made = {}
    for name, options in {"plain": ("--overlay", "none"), "blurred": ("--overlay", "none", "--blur-faces")}.items():
        result = emofuse("analyze", clip_mp4, "-o", tmp_path / name, "--formats", "mp4,json", *options)
        assert result.code == 0, result.err
        made[name] = first_picture(tmp_path / name / "clip.mp4").astype(int)
        document = json.loads((tmp_path / name / "clip.json").read_text())
    assert np.abs(made["plain"] - first_picture(clip_mp4)).mean() < 3  # as it was, but for being encoded again
    left, top, right, bottom = (round(v) for v in document["moments"][0]["faces"][0]["box_xyxy"])
    change = np.abs(made["blurred"] - made["plain"]).mean(axis=2)
    assert change[top:bottom, left:right].mean() > 5 * change.mean() > 0


def test_demo(emofuse, tmp_path: Path) -> None:
    result = emofuse("demo", "-o", tmp_path / "demo")
    assert result.code == 0
    assert left_over(tmp_path / "demo") == ["clip.csv", "clip.html", "clip.json", "clip.mp4"]
    assert "happy" in result.out and str(tmp_path / "demo") in result.out
    assert re.search(r"Face, voice and text agree|Face \w+, voice \w+, text \w+: together", result.out)


def test_info_and_version(emofuse) -> None:
    result = emofuse("info")
    assert result.code == 0
    for word in ("bundle base", "face", "voice", "RAVDESS", "FER+", "CC BY-NC-SA", "onnxruntime"):
        assert word in result.out
    assert emofuse("--version").out.startswith("emofuse 0.")


def test_sound_only_and_picture_only(emofuse, tmp_path: Path, silent_film_mp4: Path, voice_wav: Path) -> None:
    result = emofuse("analyze", silent_film_mp4, voice_wav, "-o", tmp_path)
    assert result.code == 0, result.err
    film = json.loads((tmp_path / "film.json").read_text())
    voice = json.loads((tmp_path / "voice.json").read_text())
    for document in (film, voice):
        jsonschema.validate(document, SCHEMA)
    assert film["summary"]["why"] == {"face": "no face found", "voice": "no audio track", "text": "no transcript"}
    assert film["summary"]["label"] is None and film["segments"] == []
    assert voice["summary"]["why"]["face"] == "no picture"
    assert not (tmp_path / "voice.mp4").exists() and "no mp4 was written" in result.err
    assert (tmp_path / "film.mp4").exists()


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, talk_mp4: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bad")
    made = {name: folder / f"{name}.mp4" for name in ("empty", "text", "zeros", "headless")}
    made["empty"].write_bytes(b"")
    made["text"].write_text("this is not a film\n" * 100)
    made["zeros"].write_bytes(bytes(10_000))
    made["headless"] = cut(talk_mp4, made["headless"], 0.3)  # the index of an MP4 is at its end
    return made


@pytest.mark.parametrize("name", ["empty", "text", "zeros", "headless"])
def test_what_cannot_be_read_is_one_line(emofuse, tmp_path: Path, bad: dict[str, Path], name: str) -> None:
    result = emofuse("analyze", bad[name], "-o", tmp_path / "out")
    assert result.code == 3
    lines = [line for line in result.err.splitlines() if bad[name].name in line]
    assert len(lines) == 1 and len(lines[0]) > len(str(bad[name])) + 15
    assert left_over(tmp_path) == []


def test_in_a_batch_the_others_finish(emofuse, tmp_path: Path, bad: dict[str, Path], talk_mp4: Path) -> None:
    result = emofuse("analyze", *bad.values(), tmp_path / "absent.mp4", talk_mp4, "-o", tmp_path / "out")
    assert result.code == 1
    made = ["index.html", "summary.csv", "talk.csv", "talk.html", "talk.json", "talk.mp4"]
    assert left_over(tmp_path / "out") == made
    assert "skipped 5 of 6" in result.err
    rows = {Path(r["recording"]).name: r for r in csv.DictReader((tmp_path / "out" / "summary.csv").open(newline=""))}
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    for name in (*bad, "absent"):
        assert f"{name}.mp4: " in result.err
        assert rows[f"{name}.mp4"]["failure"] and f"{name}.mp4" in page
    assert float(rows["talk.mp4"]["duration_s"]) == pytest.approx(2, abs=0.1) and not rows["talk.mp4"]["failure"]


def test_an_index_lists_the_recordings_in_their_order(emofuse, tmp_path: Path, voice_wav: Path) -> None:
    for name in ("b", "a", "index"):
        (tmp_path / "in" / name).mkdir(parents=True)
        shutil.copy(voice_wav, tmp_path / "in" / name / "voice.wav")
    shutil.copy(voice_wav, tmp_path / "in" / "index.wav")
    result = emofuse("analyze", tmp_path / "in", "-o", tmp_path / "out", "--formats", "html", "--jobs", 2)
    assert result.code == 0, result.err
    rows = list(csv.DictReader((tmp_path / "out" / "summary.csv").open(newline="")))
    places = [Path(row["recording"]).relative_to(tmp_path / "in").as_posix() for row in rows]
    assert places == ["a/voice.wav", "b/voice.wav", "index/voice.wav", "index.wav"]
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    for link in ("./a/voice.html", "./index-2.html"):  # the recording called index has another name
        assert f'href="{link}"' in page and (tmp_path / "out" / link).is_file()


def test_an_index_of_somebody_else_is_not_replaced(emofuse, tmp_path: Path, voice_wav: Path) -> None:
    (tmp_path / "index.html").write_text("<title>my site</title>")
    result = emofuse("analyze", voice_wav, tmp_path / "absent.mp4", "-o", tmp_path, "--formats", "json")
    assert result.code == 2 and "index.html would be replaced" in result.err
    assert left_over(tmp_path) == ["index.html"]


def test_every_format_at_once(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    result = emofuse("analyze", clip_mp4, "-o", tmp_path, "--formats", ",".join(FORMATS))
    assert result.code == 0, result.err
    assert left_over(tmp_path) == sorted(f"clip.{format.suffix}" for format in FORMATS.values())
    assert 'src="./clip.mp4"' in (tmp_path / "clip.html").read_text(encoding="utf-8")


def test_explain_writes_the_report_with_why(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    result = emofuse("analyze", clip_mp4, "-o", tmp_path, "--formats", "json", "--explain")
    assert result.code == 0, result.err
    page = (tmp_path / "clip.html").read_text(encoding="utf-8")
    assert '<section class="why">' in page and "data:image/png;base64," in page
    plain = emofuse("analyze", clip_mp4, "-o", tmp_path / "plain", "--formats", "html")
    assert plain.code == 0
    assert "data:image/png" not in (tmp_path / "plain" / "clip.html").read_text(encoding="utf-8")


def result_in(file: Path) -> list[str]:
    """Return the lines of a document without those of how and when it was made."""
    return [line for line in file.read_text().splitlines() if not line.startswith(('"provenance"', '"mark"'))]


def test_jobs_give_what_one_at_a_time_gives(
    emofuse, tmp_path: Path, bad: dict[str, Path], talk_mp4: Path, clip_mp4: Path
) -> None:
    shutil.copy(clip_mp4, tmp_path / "one.mp4")
    shutil.copy(talk_mp4, tmp_path / "two.mp4")
    inputs = (tmp_path / "one.mp4", tmp_path / "two.mp4", bad["text"])
    together = emofuse("analyze", *inputs, "-o", tmp_path / "b", "--jobs", 2, "--formats", "json")
    apart = emofuse("analyze", *inputs, "-o", tmp_path / "a", "--formats", "json")
    assert together.code == apart.code == 1
    for name in ("one.json", "two.json"):
        assert result_in(tmp_path / "a" / name) == result_in(tmp_path / "b" / name)


def test_damaged_files_give_what_is_left_of_them(emofuse, tmp_path: Path, media_dir: Path) -> None:
    times = tuple(i / 25 for i in range(75))
    whole = record(media_dir / "long.mkv", Video(times=times), Sound(duration_s=3.0))
    truncated, spoilt = cut(whole, tmp_path / "truncated.mkv", 0.6), spoil(whole, tmp_path / "spoilt.mkv", 0.5, 0.6)
    result = emofuse("analyze", truncated, spoilt, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    document = json.loads((tmp_path / "out" / "truncated.json").read_text())
    assert 0 < document["moments"][-1]["time_s"] < 3.0
    assert "truncated.mkv" in result.err  # what was damaged is said


def test_one_pixel_and_8k(emofuse, tmp_path: Path) -> None:
    tiny = record(tmp_path / "tiny.mkv", Video(size=(1, 1), codec="ffv1", pix_fmt="gray", times=(0.0, 0.04)))
    plainly = {"preset": "ultrafast"}
    huge = record(tmp_path / "huge.mp4", Video(size=(7680, 4320), times=(0.0, 0.04), options=plainly))
    result = emofuse("analyze", tiny, huge, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert probe(tmp_path / "out" / "huge.mp4").width == 3840
    assert json.loads((tmp_path / "out" / "tiny.json").read_text())["source"]["width"] == 1


def test_a_folder_without_recordings(emofuse, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    result = emofuse("analyze", tmp_path, "-o", tmp_path / "out")
    assert result.code == 3 and "no recording in this folder" in result.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--mode", "sideways"], "sideways"),
        (["--formats", "gif"], "gif"),
        (["--hop-s", "-1"], "hop_s"),
        (["--device", "abacus"], "abacus"),
        (["--jobs", "0"], "jobs"),
        ([""], "empty"),
        (["--transcript="], "--transcript has no value"),
        (["--overlay-lang", "xx"], "choose one of en, de"),
        (["--person", "2"], "add --blur-faces"),
    ],
)
def test_wrong_usage_exits_with_2(emofuse, tmp_path: Path, arguments: list[str], says: str, clip_mp4: Path) -> None:
    result = emofuse("analyze", clip_mp4, "-o", tmp_path / "out", *arguments)
    assert result.code == 2 and says in result.err
    assert left_over(tmp_path) == []


def test_an_output_folder_that_cannot_be_written(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = emofuse("analyze", clip_mp4, "-o", tmp_path / "file")
    assert result.code == 3 and "cannot make the folder" in result.err
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_recording_is_never_replaced(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    source = Path(shutil.copy(clip_mp4, tmp_path / "clip.mp4"))
    before = source.read_bytes()
    result = emofuse("analyze", source, "-o", tmp_path)
    assert result.code == 2 and "would replace" in result.err
    assert source.read_bytes() == before


def limited(size: int):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, clip_mp4: Path) -> None:
    """A limit on the size of files stands in for a full disk: the write fails half-way."""
    code = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from emofuse.cli.main import run; run()"
    call = [sys.executable, "-c", code, "analyze", str(clip_mp4), "-o", str(tmp_path / "out")]
    done = subprocess.run(call, capture_output=True, text=True, preexec_fn=limited(60_000), env=dict(os.environ))
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr and "clip.mp4" in done.stderr
    assert not (tmp_path / "out").exists() or left_over(tmp_path / "out") == []


def test_the_two_root_scripts(tmp_path: Path, clip_mp4: Path) -> None:
    root = Path(__file__).parents[2]
    call = [sys.executable, "run_inference.py", "--video_path", str(clip_mp4), "-o", str(tmp_path), "--formats", "json"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert left_over(tmp_path) == ["clip.json"]
    silent = record(tmp_path / "silent.mp4", Video())
    dubbed = [sys.executable, "run_inference.py", f"--video_path={silent}", "--audio_path", str(clip_mp4), *call[4:]]
    done = subprocess.run(dubbed, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    source = json.loads((tmp_path / "silent.json").read_text(encoding="utf-8"))["source"]
    assert (source["width"], source["has_audio"]) == (64, True)
    done = subprocess.run([*dubbed[:4], str(silent)], capture_output=True, text=True, cwd=root)
    assert done.returncode == 1 and done.stderr.strip() == f"error: {silent} has no sound (name another file)"
    done = subprocess.run([sys.executable, "train_model.py", "--help"], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0 and "RECIPE" in done.stdout


def test_training_without_data_is_one_line(emofuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOFUSE_DATA", raising=False)
    recipes = Path(__file__).parents[2] / "recipes"
    assert emofuse("train", recipes / "face.toml").code == 2
    result = emofuse("train", recipes / "face-ferplus.toml", "--data", tmp_path, "-o", tmp_path / "run")
    assert result.code == 1 and "no FER+ archive" in result.err
    result = emofuse("train", recipes / "face.toml", "train.epoch=1")
    assert result.code == 2 and "did you mean 'epochs'" in result.err
    assert emofuse("export", tmp_path / "absent.safetensors", "-o", tmp_path / "x.onnx").code == 2


def test_a_second_run_replaces_its_own_results_and_says_so(emofuse, tmp_path: Path, voice_wav: Path) -> None:
    kinds = ("--formats", ",".join(FORMATS))
    first = emofuse("analyze", voice_wav, "-o", tmp_path, *kinds)
    assert first.code == 0 and "already" not in first.err
    before = (tmp_path / "voice.srt").read_bytes()
    result = emofuse("analyze", voice_wav, "-o", tmp_path, *kinds)
    assert result.code == 0, result.err
    assert "the recording has results there already; they are made again and replaced" in result.err
    assert (tmp_path / "voice.srt").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("voice.eaf", '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="Ada"/>'),
        ("voice.TextGrid", 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0 \n'),
        ("voice.json", '{"text": " Hello", "segments": [], "language": "en"}'),
        ("voice.csv", "name,price\n"),
        ("voice.mp4", "somebody's film"),
    ],
)
def test_what_others_wrote_is_refused_before_any_work(
    emofuse, tmp_path: Path, voice_wav: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    result = emofuse("analyze", voice_wav, "-o", tmp_path, "--formats", "json,csv,eaf,textgrid,mp4")
    assert result.code == 2
    assert result.err.splitlines() == [
        f"error: {tmp_path / name} would be replaced, and emofuse did not write it, or it was changed since "
        "(give --overwrite to replace it, or choose another place with -o)"
    ]
    assert left_over(tmp_path) == [name] and (tmp_path / name).read_text() == text
    if name != "voice.mp4":  # sound alone makes none
        assert (
            emofuse("analyze", voice_wav, "-o", tmp_path, "--formats", "json,eaf,csv,textgrid", "--overwrite").code == 0
        )
        assert (tmp_path / name).read_text() != text


@pytest.mark.parametrize("kinds", ["json,csv", "csv", "eaf"])
def test_results_of_another_recording_of_the_same_name_are_kept(
    emofuse, tmp_path: Path, voice_wav: Path, kinds: str
) -> None:
    other = tmp_path / "other" / "voice.wav"
    other.parent.mkdir()
    other.write_bytes(voice_wav.read_bytes()[:-2000])
    out = tmp_path / "out"
    assert emofuse("analyze", voice_wav, "-o", out, "--formats", "json,csv,eaf").code == 0
    kept = {file: file.read_bytes() for file in out.iterdir()}
    result = emofuse("analyze", other, "-o", out, "--formats", kinds)
    assert result.code == 2 and "would be replaced, and it is of another recording of this name" in result.err
    assert {file: file.read_bytes() for file in out.iterdir()} == kept


def test_own_videos_are_not_taken_for_recordings_of_a_folder(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    shutil.copy(clip_mp4, tmp_path / "clip.mp4")
    assert emofuse("analyze", tmp_path, "-o", tmp_path / "out", "--formats", "json,mp4").code == 0
    result = emofuse("analyze", tmp_path, "-o", tmp_path / "out", "--formats", "json")
    assert result.code == 0, result.err
    assert f"passed over in {tmp_path}: 1 file that emofuse has annotated" in result.err
    assert left_over(tmp_path) == ["clip.json", "clip.mp4", "clip.mp4"]


def test_the_sound_track_that_is_asked_for(emofuse, tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Track(tone(hz, 1.0)) for hz in (300, 500)])
    result = emofuse("analyze", path, "-o", tmp_path / "out", "--formats", "json", "--audio-track", 2)
    assert result.code == 0, result.err
    assert "sound track 2 of 2 was used" in result.err
    document = json.loads((tmp_path / "out" / "a.json").read_text(encoding="utf-8"))
    assert document["source"]["audio_tracks"] == [2]
    result = emofuse("analyze", path, "-o", tmp_path / "none", "--formats", "json", "--audio-track", 3)
    assert result.code == 3 and "it has 2 sound tracks" in " ".join(result.err.split())
    assert emofuse("analyze", path, "--audio-track", 0).code == 2
