"""`emofuse live` without a camera: a recording at its pace and as fast as it goes, kept, interrupted, and refused."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from rich.console import Console

import emofuse as package
from cli.conftest import Result
from emofuse.cli import live, live_views
from emofuse.cli.demo import CLIP
from emofuse.cli.live_views import ppm
from emofuse.inference.asr import Recognition, load_recognizer
from emofuse.media import open_media
from emofuse.outputs.live_chart import LivePainter, RollingChart
from emofuse.outputs.live_terminal import LivePanel
from emofuse.provenance import TranscriptOrigin
from emofuse.timeline import Timeline
from emofuse.types import AudioBlock, Line, Moment, Scores, Word

Emofuse = Callable[..., Result]
OpenCvCamera = cv2.VideoCapture
SUMMARY = re.compile(
    r"(\d+) moments in [\d.]+ s .* (\d+) of (\d+) pictures dropped, label changes a minute: \d+, steadied \d+"
)


def test_a_recording_read_whole_is_kept_as_analyze_gives_it(emofuse: Emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    done = emofuse("live", "--file", clip_mp4, "--view", "none", "--record", tmp_path, "--mode", "queue")
    assert done.code == 0
    (found,) = SUMMARY.findall(" ".join(done.out.split()))
    assert found[1] == "0"
    (path,) = tmp_path.glob("live-*.json")
    kept = json.loads(path.read_text(encoding="utf-8"))
    wanted = package.analyze(clip_mp4, mode="queue").to_json()
    assert kept["moments"] == wanted["moments"]
    # how long the last picture stands is not known of what is live
    shares = [document["summary"].pop("share_of_time") for document in (kept, wanted)]
    assert shares[0] == pytest.approx(shares[1], abs=0.05) and kept["summary"] == wanted["summary"]
    assert Timeline.from_json(kept).source.path == str(clip_mp4)
    (video,) = tmp_path.glob("live-*.mp4")
    assert str(path) in done.out.replace("\n", "") and str(video) in done.out.replace("\n", "")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    with av.open(str(video)) as ours, av.open(str(clip_mp4)) as theirs:
        assert ours.streams.video[0].frames == theirs.streams.video[0].frames
        assert ours.streams.video[0].height > theirs.streams.video[0].height  # the chart is under the picture


def test_the_kept_sound_is_what_was_heard(emofuse: Emofuse, tmp_path: Path) -> None:
    assert emofuse("live", "--file", CLIP, "--view", "none", "--record", tmp_path, "--seconds", 2).code == 0
    (video,) = tmp_path.glob("live-*.mp4")

    def sound(path: Path) -> np.ndarray:
        with open_media(path) as media:
            return np.concatenate([p.samples for p in media if isinstance(p, AudioBlock)])[:30_000]

    ours, theirs = sound(video), sound(CLIP)
    assert len(ours) > 1.8 * 16_000
    n = min(len(ours), len(theirs))
    assert np.corrcoef(ours[:n], theirs[:n])[0, 1] > 0.95


def test_at_its_pace_it_takes_its_time_and_without_audio_it_is_not_heard(emofuse: Emofuse, tmp_path: Path) -> None:
    began_s = time.monotonic()
    done = emofuse(
        "live", "--file", CLIP, "--realtime", "--no-audio", "--view", "none", "--seconds", 1, "--record", tmp_path
    )
    assert done.code == 0 and time.monotonic() - began_s > 0.9
    (path,) = tmp_path.glob("live-*.json")
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["summary"]["why"]["voice"] == "no audio track"
    assert kept["moments"][-1]["time_s"] == pytest.approx(1.0, abs=0.3)  # the first analysed picture after 1 s


def test_what_cannot_be_is_one_line(emofuse: Emofuse, tmp_path: Path) -> None:
    for arguments, code, words in (
        (("--camera", "0", "--file", CLIP), 2, "--camera and --file at once"),
        (("--realtime",), 2, "--realtime is for a --file"),
        (("--file", CLIP, "--microphone", "1"), 2, "bring their own sound"),
        (("--source", "ftp://x/y"), 2, "begins with one of rtsp"),
        (("--file", tmp_path / "none.mp4"), 1, "no such file"),
        (("--camera", "97"), 1, "camera 97 cannot be opened"),
        (("--file", CLIP, "--max-delay-s", "-1"), 2, "max_delay_s"),
    ):
        done = emofuse("live", *arguments, "--view", "none")
        assert done.code == code and words in " ".join(done.err.split()), arguments


class Parrot:
    """Recognises the same line in every stretch of sound."""

    origin = TranscriptOrigin("recognised", "a parrot", "0" * 64)

    def recognize(self, samples: np.ndarray, start_s: float = 0.0, language: str | None = None) -> Recognition:
        text = "I am so happy & glad"
        line = Line(
            text, 0.3, 0.9, tuple(Word(word, 0.3 + i / 10, 0.4 + i / 10) for i, word in enumerate(text.split()))
        )
        return Recognition((line,), "en", 0.99)


def test_words_are_kept_with_their_times_their_emotion_and_their_origin(
    emofuse: Emofuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(live, "load_recognizer", lambda *given, **named: asked.append((given, named)) or Parrot())
    options = ("--asr", "--asr-model", "tiny", "--asr-language", "en", "--view", "terminal", "--record", tmp_path)
    done = emofuse("live", "--file", CLIP, "--end", 3, "--mode", "queue", *options)
    assert done.code == 0, done.err
    assert asked == [(("tiny", "en", "cpu"), {"is_live": False})]
    (path,) = tmp_path.glob("live-*.json")
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["lines"] and f"{len(kept['lines'])} line" in done.out
    for line in kept["lines"]:
        assert line["text"] == "I am so happy & glad" and line["words"][0]["start_s"] == line["start_s"]
        assert max(line["probabilities"], key=line["probabilities"].get) == "happy" and "person_id" in line
    assert "text" in kept["summary"]["used"] and [person["id"] for person in kept["people"]] == [1]
    assert kept["provenance"]["transcript"] == {"how": "recognised", "name": "a parrot", "sha256": "0" * 64}
    (page,) = tmp_path.glob("live-*.html")
    html = page.read_text(encoding="utf-8")
    assert "I am so happy \\u0026 glad" in html and f'src="./{path.stem}.mp4"' in html


def test_words_are_shown_as_they_come() -> None:
    panel = LivePanel("camera 0", ("happy", "sad"))
    for text in ("gone by now", "so far", "I am \x1b[31mhappy"):
        panel.push_line(Line(text, 0.0, 1.0))
    out = StringIO()
    Console(file=out, width=80).print(panel)
    assert '"so far"' in out.getvalue() and '"I am ?[31mhappy"' in out.getvalue() and "gone" not in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--asr",), "speech recognition needs faster-whisper (pip install 'emofuse[asr]')"),
        (("--asr", "--no-audio"), "--asr and --no-audio at once"),
    ],
)
def test_words_that_cannot_be_had_are_one_line(
    emofuse: Emofuse, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    load_recognizer.cache_clear()
    done = emofuse("live", "--file", CLIP, "--view", "none", *arguments)
    assert done.code == 2 and words in " ".join(done.err.split())
    assert len(done.err.strip().splitlines()) <= 2


class SlowCamera:
    """Gives the pictures of a film not at once, but as a camera does: 20 a second. OpenCV's class bears no heirs."""

    def __init__(self, device: int | str) -> None:
        self._camera = OpenCvCamera(device)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._camera, name)

    def read(self) -> tuple[bool, Any]:
        time.sleep(0.05)
        return self._camera.read()


def test_without_a_microphone_a_camera_is_seen_alone_and_its_end_is_an_error(
    emofuse: Emofuse, monkeypatch: pytest.MonkeyPatch, silent_film_mp4: Path, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    monkeypatch.setattr(cv2, "VideoCapture", SlowCamera)
    done = emofuse("live", "--camera", silent_film_mp4, "--view", "none", "--record", tmp_path)
    err = " ".join(done.err.split())
    assert done.code == 1
    assert "without sound" in err and "stopped giving pictures" in err
    assert SUMMARY.search(" ".join(done.out.split()))  # what there was is told, and kept
    assert len(list(tmp_path.glob("live-*.json"))) == len(list(tmp_path.glob("live-*.mp4"))) == 1


def test_a_recorder_that_fails_leaves_no_thread(emofuse: Emofuse, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = emofuse("live", "--file", CLIP, "--view", "none", "--record", tmp_path / "file")
    assert done.code == 1 and "cannot make the folder" in done.err


def test_no_screen_is_a_terminal_and_a_notice_where_a_window_was_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    notices: list[str] = []
    assert isinstance(live_views.make_view("auto", "x", ("a",), notices.append), live_views.TerminalView)
    assert notices == []
    assert isinstance(live_views.make_view("window", "x", ("a",), notices.append), live_views.TerminalView)
    assert len(notices) == 1 and notices[0].startswith("no window: ")


def on_a_terminal(arguments: list[str], keys: bytes, after: bytes, folder: Path) -> tuple[int, str]:
    """Run the command on a terminal of its own, press keys once it has printed `after`; return its code and output."""
    parent, child = pytest.importorskip("pty").openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "emofuse.cli.main", "live", *arguments]
    process = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=environment, cwd=folder, start_new_session=True
    )
    os.close(child)
    seen, is_pressed, until_s = b"", False, time.monotonic() + 60
    while time.monotonic() < until_s:
        if select.select([parent], [], [], 0.1)[0]:
            try:
                read = os.read(parent, 65536)
            except OSError:  # the other side is closed
                break
            seen += read
        if not is_pressed and after in seen:
            is_pressed = True
            if keys == b"^C":
                process.send_signal(signal.SIGINT)
            else:
                os.write(parent, keys)
        if process.poll() is not None and not select.select([parent], [], [], 0)[0]:
            break
    os.close(parent)
    return process.wait(5), seen.decode("utf-8", "replace")


@pytest.mark.parametrize("keys", [b"sq", pytest.param(b"^C", marks=pytest.mark.load)])
def test_on_a_terminal_bars_move_and_keys_and_ctrl_c_end_it_well(keys: bytes, tmp_path: Path) -> None:
    arguments = ["--file", str(CLIP), "--realtime", "--view", "terminal", "--record", str(tmp_path)]
    code, seen = on_a_terminal(arguments, keys, b"happy", tmp_path)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert code == 0, plain
    assert "happy" in plain and "█" in plain and "moments/s" in plain and "from face" in plain
    assert "space: pause" in plain
    (found,) = SUMMARY.findall(" ".join(plain.split()))
    assert 0 < int(found[0]) < 158  # it ended before the recording did
    assert len(list(tmp_path.glob("live-*.json"))) == len(list(tmp_path.glob("live-*.mp4"))) == 1
    assert len(list(tmp_path.glob("emofuse-*.png"))) == (1 if b"s" in keys else 0)


# What is drawn.


def moment(time_s: float, *p: float) -> Moment:
    labels = ("happy", "sad")
    return Moment(time_s, Scores("fused", labels, np.array(p, np.float32), 0.0, 0.0) if p else None)


def test_the_chart_rolls() -> None:
    chart = RollingChart(("happy", "sad"), span_s=10.0)
    canvas = np.zeros((100, 600, 3), np.uint8)
    orange, blue, dark = (230, 159, 0), (0, 114, 178), (24, 24, 24)

    def at(x: int, y: int) -> tuple[int, ...]:
        chart.draw(canvas)
        return tuple(canvas[y, x].tolist())

    assert at(599, 50) == dark
    for i in range(51):
        chart.push(moment(i / 10, 0.75, 0.25))
    assert at(599, 90) == at(310, 90) == orange and at(599, 10) == blue and at(200, 90) == dark
    for i in range(51, 101):
        chart.push(moment(i / 10))
    assert at(599, 50) == dark and at(290, 90) == orange
    chart.push(moment(1e5, 0.0, 1.0))  # an hour is missing: all before it is gone
    assert at(598, 50) == dark and at(599, 50) == blue


def test_a_painted_picture_has_the_chart_below_it_and_is_left_as_it_was() -> None:
    painter = LivePainter(("happy", "sad"))
    image = np.full((200, 300, 3), 90, np.uint8)
    painter.chart.push(moment(0.0, 1.0, 0.0))
    painted = painter.paint(image, moment(0.0, 1.0, 0.0))
    assert painted.shape == (236, 300, 3) and (image == 90).all()
    assert tuple(painted[230, 299].tolist()) == (230, 159, 0)


def test_ppm_is_what_tk_reads() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert ppm(image) == b"P6 3 2 255\n" + bytes(range(18))
    assert ppm(image[:, ::-1]).endswith(bytes([15, 16, 17, 12, 13, 14, 9, 10, 11]))


WINDOW = """
import numpy as np
from types import SimpleNamespace
from emofuse.cli.live_views import WindowView
from emofuse.inference.live_updates import LiveUpdate
from emofuse.inference.live_stats import LiveStats
from emofuse.types import Frame, Line

stats = LiveStats(3, 3, 1, 0.0, 1.0, 3.0, None, None, None, 0.02, 0.0, 0.0)
session = SimpleNamespace(is_paused=True, stats=lambda: stats)
picture = np.zeros((120, 160, 3), np.uint8)
picture[:, :, 0] = 200
with WindowView("camera 0") as view:
    root, update = view._root, LiveUpdate(frame=Frame(picture, 0.0))
    assert view.show(update, session, lambda: picture) == ""
    assert (view._photo.width(), view._photo.height()) == (160, 120)
    assert view._photo.get(5, 5) == (200, 0, 0)
    assert "paused" in view._below["text"] and "dropped 1" in view._below["text"] and "20 ms" in view._below["text"]
    view.show(LiveUpdate(lines=(Line("I am so happy", 0.0, 1.0),)), session, lambda: picture)
    assert view._words["text"] == "I am so happy" and view._words.winfo_manager() == "pack"
    root.focus_force()
    root.update()
    for key in ("<space>", "s", "<Escape>"):
        root.event_generate(key)
    assert view.show(update, session, lambda: picture) == " s\\x1b"
    root.event_generate("x")
    assert view.show(update, session, lambda: picture) == "x"
    root.tk.call(root.protocol("WM_DELETE_WINDOW"))
    assert view.show(update, session, lambda: picture) == "q"
print("shown")
"""


def test_a_window_shows_pictures_and_hands_out_keys() -> None:
    if shutil.which("xvfb-run") is None:
        pytest.skip("no xvfb-run here, so no screen to open a window on")
    pytest.importorskip("tkinter")
    done = subprocess.run(["xvfb-run", "-a", sys.executable, "-c", WINDOW], capture_output=True, text=True, check=False)
    assert done.stdout == "shown\n", done.stderr
