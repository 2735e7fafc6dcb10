"""Compare the speed of emofuse and of other packages on the same clip, in one run.

    python benchmarks/peers.py [--folder peers] [--clip FILE] [--rounds 3] [--markdown FILE]

Each package is installed into an environment of its own below --folder, once; that needs a package index. What cannot
be installed, or wants weights that are not in it (looked for below --weights), is named with the reason. Everything
else needs no network. All are run in turn, on the same clip, in a process each; models are loaded, and a picture is
analysed, before the clock starts. The table has the median over the rounds, and how many times as long as emofuse each
takes, a ratio that is taken within each round. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
from pipeline import make_clip
from rich.console import Console
from rich.table import Table

FACES, SOUND = "faces", "sound"
PICTURES: Final = """
import time, sys, os, cv2
def pictures():
    film = cv2.VideoCapture(sys.argv[1])
    while True:
        is_there, picture = film.read()
        if not is_there:
            return
        yield picture  # BGR
def run(analyse):
    analyse(next(pictures()))
    t, cpu, n = time.perf_counter(), time.process_time(), 0
    for picture in pictures():
        analyse(picture)
        n += 1
    return {"seconds": time.perf_counter() - t, "cpu": time.process_time() - cpu, "n": n}
"""
SAMPLES: Final = """
import time, sys, numpy as np, wave
with wave.open(sys.argv[2]) as file:
    samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
def run(analyse):
    analyse(samples[:16000])
    t, cpu = time.perf_counter(), time.process_time()
    analyse(samples)
    return {"seconds": time.perf_counter() - t, "cpu": time.process_time() - cpu, "n": len(samples)}
"""
EMOFUSE: Final = """
import time, sys
import emofuse
pipeline = emofuse.Pipeline.load()
pipeline(sys.argv[1], **options)
t, cpu = time.perf_counter(), time.process_time()
timeline = pipeline(sys.argv[3] if with_all else sys.argv[2] if with_sound else sys.argv[1], **options)
result = {"seconds": time.perf_counter() - t, "cpu": time.process_time() - cpu, "n": len(timeline.moments)}
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A package, or a way to use it.

    Attributes:
        name: What the table calls it.
        kind: FACES or SOUND; what emofuse does with the same is what it is held against.
        environment: The name of its environment; "" is that which runs this.
        packages: What is installed there, in order; those that begin with "--no-deps " without what they ask for.
        code: Makes `result` of the clip, sys.argv[1], and of its sound, sys.argv[2].
        weights: A file that it needs below --weights; "" where the package has them.
    """

    name: str
    kind: str
    environment: str
    packages: tuple[str, ...]
    code: str
    weights: str = ""


# fer asks for moviepy and for all of PyTorch's CUDA, of which this needs nothing: torch is that which runs this.
FER: Final = (
    "tensorflow-cpu",
    "opencv-contrib-python-headless<5",
    "pandas",
    "requests",
    "tqdm",
    "Pillow",
    "matplotlib",
    "ffmpeg-python",
    "moviepy<2",
    "--no-deps fer==25.10.3",
    "--no-deps facenet-pytorch==2.6.0",
)
FER_CODE: Final = """
from fer.fer import FER
detector = FER(mtcnn={mtcnn})
result = run(detector.detect_emotions)
"""
LANDMARKER: Final = """
import mediapipe
from mediapipe.tasks.python import BaseOptions, vision
options = vision.FaceLandmarkerOptions(
    base_options=BaseOptions(model_asset_path=os.path.join(sys.argv[4], "face_landmarker.task")),
    running_mode=vision.RunningMode.VIDEO, output_face_blendshapes=True)
landmarker, times = vision.FaceLandmarker.create_from_options(options), iter(range(0, 10**9, 40))
def analyse(picture):
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    landmarker.detect_for_video(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb), next(times))
result = run(analyse)
"""
PEERS: Final = (
    Peer("fer, Haar", FACES, "fer", FER, PICTURES + FER_CODE.format(mtcnn=False)),
    Peer(
        "fer, MTCNN",
        FACES,
        "fer",
        FER,
        PICTURES + FER_CODE.format(mtcnn=True),
    ),
    Peer(
        "mediapipe, face landmarker (no emotions)",
        FACES,
        "mediapipe",
        ("mediapipe",),
        PICTURES + LANDMARKER,
        "face_landmarker.task",
    ),
    Peer(
        "opensmile, eGeMAPS (features alone)",
        SOUND,
        "sound",
        ("opensmile", "librosa"),
        SAMPLES
        + "import opensmile\n"
        + "smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02)\n"
        + "result = run(lambda samples: smile.process_signal(samples, 16000))\n",
    ),
    Peer(
        "librosa, 40 MFCC (features alone)",
        SOUND,
        "sound",
        ("opensmile", "librosa"),
        SAMPLES
        + "import librosa\n"
        + "result = run(lambda samples: librosa.feature.mfcc(y=samples, sr=16000, n_mfcc=40))\n",
    ),
    Peer("DeepFace, emotion", FACES, "deepface", (), "", "facial_expression_model_weights.h5"),
    Peer("py-feat", FACES, "feat", (), "", "resmasknet"),
    Peer("EmotiEffLib, enet_b0_8", FACES, "emotiefflib", (), "", "enet_b0_8_best_vgaf.onnx"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took: seconds, and seconds of CPU, which other load hardly changes."""

    time_s: float
    cpu_s: float


def _emofuse(name: str, kind: str, options: str, *, with_all: bool = False) -> Peer:
    head = f"import sys\noptions = {options}\nwith_all, with_sound = {with_all}, {kind == SOUND}\n"
    return Peer(name, kind, "", (), head + EMOFUSE)


OURS: Final = (
    _emofuse("emofuse, faces alone, every picture", FACES, "{'mode': 'frame'}"),
    _emofuse("emofuse, faces alone, queue mode", FACES, "{}"),
    _emofuse("emofuse, face, voice, words and fusion", FACES, "{'transcript': sys.argv[5]}", with_all=True),
    _emofuse("emofuse, voice alone", SOUND, "{}"),
)


def interpreter(peer: Peer, folder: Path) -> Path:
    """Return the Python of a peer's environment, which is made where it is not there. Raises RuntimeError."""
    if not peer.environment:
        return Path(sys.executable)
    home = folder / peer.environment
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = home / "installed"
    if done.exists():
        return python
    venv.create(home, with_pip=True, clear=True)
    for package in peer.packages:
        call = [str(python), "-m", "pip", "install", "--quiet", *package.split()]
        ran = subprocess.run(call, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"{package} cannot be installed: {ran.stderr.strip().splitlines()[-1]}")
    if "facenet-pytorch" in " ".join(peer.packages):  # after its own packages: the torch of the one that runs this
        site = next(home.glob("**/site-packages"))
        (site / "zz_torch.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    done.touch()
    return python


def measure(peer: Peer, python: Path, arguments: list[str]) -> Measured:
    """Run a peer once. Raises RuntimeError."""
    tail = "\nimport json\nprint('MEASURED', json.dumps(result))\n"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "2"}
    if peer.environment:
        environment.pop("PYTHONPATH", None)
    call = [str(python), "-c", peer.code + tail, *arguments]
    ran = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    found = [line for line in ran.stdout.splitlines() if line.startswith("MEASURED")]
    if ran.returncode or not found:
        lines = ran.stderr.splitlines()  # of errors, and of much else
        errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
        raise RuntimeError(errors[-1] if errors else f"it ended with {ran.returncode}, and without a result")
    result = json.loads(found[0].removeprefix("MEASURED"))
    return Measured(result["seconds"], result["cpu"])


def parts(clip: Path, folder: Path) -> tuple[Path, Path]:
    """Write the clip without its sound, the pictures as they are, and its sound as a WAV of 16 kHz."""
    silent, sound = folder / "silent.mp4", folder / "sound.wav"
    with av.open(str(clip)) as source, av.open(str(silent), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    with av.open(str(clip)) as source, av.open(str(sound), "w") as out:
        audio = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        for frame in source.decode(audio=0):
            for one in resampler.resample(frame):
                out.mux(audio.encode(one))
        out.mux(audio.encode(None))
    return silent, sound


def compare(clip: Path, words: Path, folder: Path, weights: Path, n_rounds: int) -> list[tuple[str, ...]]:
    """Run all in turn; return rows of name, seconds, and the ratio to emofuse, or why there is none."""
    runnable: list[tuple[Peer, Path]] = []
    reasons: dict[str, str] = {}
    for peer in (*OURS, *PEERS):
        if peer.weights and not (weights / peer.weights).exists():
            reasons[peer.name] = f"not run: its weights, {peer.weights}, were not found"
            continue
        try:
            runnable.append((peer, interpreter(peer, folder)))
        except RuntimeError as error:
            reasons[peer.name] = f"not run: {error}"
    runs: dict[str, list[Measured]] = {peer.name: [] for peer, _ in runnable}
    with tempfile.TemporaryDirectory() as place:
        silent, sound = parts(clip, Path(place))
        arguments = [str(silent), str(sound), str(clip), str(weights), str(words)]
        for _ in range(n_rounds):
            for peer, python in runnable:
                if peer.name in reasons:
                    continue
                try:
                    runs[peer.name].append(measure(peer, python, arguments))
                except RuntimeError as error:
                    reasons[peer.name] = f"not run: {error}"
    rows: list[tuple[str, ...]] = []
    for peer in (*OURS, *PEERS):
        if peer.name in reasons:
            rows.append((peer.name, reasons[peer.name], "", ""))
            continue
        found = runs[peer.name]
        took = f"{statistics.median(r.time_s for r in found):.2f} s, {statistics.median(r.cpu_s for r in found):.2f} s"
        same = runs[OURS[0].name if peer.kind == FACES else OURS[3].name]
        rows.append((peer.name, took, ratios(same, found), ratios(runs[OURS[2].name], found)))
    return rows


def ratios(ours: list[Measured], theirs: list[Measured]) -> str:
    """Return how many times as long theirs took, by the clock and of CPU: the median over the rounds."""
    pairs = list(zip(ours, theirs, strict=True))
    by_clock = statistics.median(b.time_s / a.time_s for a, b in pairs)
    return f"{by_clock:.1f}, {statistics.median(b.cpu_s / a.cpu_s for a, b in pairs):.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("peers"), help="where the environments are, or go")
    parser.add_argument("--weights", type=Path, default=Path(os.environ.get("EMOFUSE_WEIGHTS", "weights")))
    parser.add_argument("--clip", type=Path, help="a clip of your own, with sound")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of the made clip")
    parser.add_argument("--markdown", type=Path, help="write the table there, too")
    arguments = parser.parse_args()
    from emofuse.cli.demo import CLIP

    titles = ("what", "time, of CPU", "times emofuse on the same", "times emofuse with face, voice and words")
    with tempfile.TemporaryDirectory() as place:
        clip = arguments.clip or Path(place) / "clip.mp4"
        if not arguments.clip:
            make_clip(clip, arguments.seconds)
        weights = arguments.weights.absolute()
        rows = compare(clip, CLIP.with_suffix(".srt"), arguments.folder.absolute(), weights, arguments.rounds)
    table = Table(*titles, title=f"on {os.cpu_count()} cores")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if arguments.markdown:
        lines = [f"| {' | '.join(titles)} |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
        arguments.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
