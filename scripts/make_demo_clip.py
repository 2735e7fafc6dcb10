"""Make the demo clip that the package ships: a smiling portrait and a cheerful synthesised voice.

    python scripts/make_demo_clip.py [-o PATH]

Needs scikit-image (the photo), espeak-ng (the voice), and PyAV and OpenCV, which emofuse has anyway.
The same versions of these make the same bytes. src/emofuse/demo/README.md states sources and licences.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

DEFAULT_OUTPUT = Path(__file__).parents[1] / "src" / "emofuse" / "demo" / "clip.mp4"
WIDTH, HEIGHT, FPS = 640, 480, 25
RATE_HZ = 44100
SILENCE_S = 0.5  # before and after the voice, so that the speech detector sees it begin and end
SENTENCE = "Oh, this is wonderful! I am so happy that it works! What a lovely day to fly!"
VOICE = ["-v", "en-us+f3", "-p", "75", "-s", "165", "-a", "90"]  # a high, quick voice sounds cheerful
FIRST_VIEW = (256.0, 192.0, 384.0)  # centre and height, in pixels of the photo: its full width
LAST_VIEW = (236.0, 152.0, 300.0)  # nearer to the face; nearer still would show the photo's pixels


class DemoError(Exception):
    """Something that the clip is made from is missing."""


def main(arguments: list[str] | None = None) -> int:
    """Write the clip; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the demo clip that emofuse ships.")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT, help="default: %(default)s")
    output: Path = parser.parse_args(arguments).output
    try:
        photo, voice = load_photo(), speak(SENTENCE)
        output.parent.mkdir(parents=True, exist_ok=True)
        write_clip(output, photo, voice)
    except (DemoError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{output}: {len(voice) / RATE_HZ:.1f} s, {output.stat().st_size / 1000:.0f} kB")
    return 0


def load_photo() -> NDArray[np.uint8]:
    """Return the portrait, (512, 512, 3) uint8 RGB. Raises DemoError without scikit-image."""
    try:
        from skimage import data
    except ImportError as error:
        raise DemoError("the photo comes with scikit-image: pip install scikit-image") from error
    astronaut: Any = data.astronaut  # has no annotations
    photo: NDArray[np.uint8] = astronaut()
    return photo


def speak(text: str) -> NDArray[np.float32]:
    """Synthesise the text, with silence around it: (T,) float32 in [-1, 1] at RATE_HZ.

    Raises DemoError when espeak-ng is missing or fails.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise DemoError("the voice is made by espeak-ng, which is not installed: apt install espeak-ng")
    done = subprocess.run([program, *VOICE, "--stdout", text], capture_output=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"espeak-ng failed: {done.stderr.decode(errors='replace').strip()}")
    with wave.open(io.BytesIO(done.stdout)) as spoken:
        rate_hz = spoken.getframerate()
        # A header written to a pipe has no true length: ask for more than there can be.
        samples = np.frombuffer(spoken.readframes(len(done.stdout)), dtype="<i2")
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 200)
    samples = samples[loud[0] : loud[-1] + 1]
    silence = np.zeros(round(SILENCE_S * rate_hz), dtype=np.int16)
    whole = np.concatenate([silence, samples, silence]).astype(np.float32)
    whole *= 0.7 / np.abs(whole).max()
    return _resample(whole, rate_hz)


def _resample(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE_HZ)
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = rate_hz
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts]).clip(-1, 1).astype(np.float32)


def camera_move(photo: NDArray[np.uint8], n_frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield n_frames views, (HEIGHT, WIDTH, 3) uint8 RGB, of a slow zoom and pan over the photo."""
    first, last = np.array(FIRST_VIEW), np.array(LAST_VIEW)
    for i in range(n_frames):
        share = i / max(n_frames - 1, 1)
        eased = share * share * (3 - 2 * share)  # starts and stops without a jerk
        x, y, view_height = first + (last - first) * eased
        x += 3 * np.sin(2 * np.pi * 1.5 * share) * eased  # a hand that holds the camera
        scale = view_height / HEIGHT
        matrix = np.array([[scale, 0, x - scale * (WIDTH - 1) / 2], [0, scale, y - scale * (HEIGHT - 1) / 2]])
        flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
        view: Any = cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REFLECT)
        yield view


def write_clip(path: Path, photo: NDArray[np.uint8], voice: NDArray[np.float32]) -> None:
    """Write picture and sound as H.264 and AAC in MP4, under a temporary name until it is whole."""
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    n_frames = int(np.ceil(len(voice) / RATE_HZ * FPS))
    try:
        # One thread and no time stamps or version strings in the file: the same input makes the same bytes.
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(temporary), "w", format="mp4", options=options) as container:
            video: Any = container.add_stream("libx264", rate=FPS)
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            video.options = {"crf": "21", "preset": "slow", "threads": "1", "flags": "+bitexact"}
            audio: Any = container.add_stream("aac", rate=RATE_HZ, layout="mono")
            audio.bit_rate, audio.options = 64_000, {"flags": "+bitexact"}
            for i, view in enumerate(camera_move(photo, n_frames)):
                picture = av.VideoFrame.from_ndarray(view, format="rgb24")
                picture.pts, picture.time_base = i, Fraction(1, FPS)
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
            _encode_sound(container, audio, voice)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _encode_sound(container: Any, stream: Any, voice: NDArray[np.float32]) -> None:
    block = 1024  # the frame of AAC
    for start in range(0, len(voice), block):
        sound = av.AudioFrame.from_ndarray(voice[None, start : start + block], format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        container.mux(stream.encode(sound))
    container.mux(stream.encode(None))


if __name__ == "__main__":
    sys.exit(main())
