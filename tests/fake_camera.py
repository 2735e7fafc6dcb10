"""Makes what Chromium's fake camera and microphone show and play of a real clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av


def camera_of(clip: Path, folder: Path) -> tuple[Path, Path]:
    """Write the middle of a clip's pictures, 640 x 480 at 30 a second, and its sound, as Chromium's devices want."""
    picture, sound = folder / "camera.mjpeg", folder / "microphone.wav"
    with av.open(str(clip)) as film, av.open(str(picture), "w", format="mjpeg") as out:
        track = out.add_stream("mjpeg", rate=30, width=640, height=480, pix_fmt="yuvj420p", options={"q:v": "4"})
        for index, frame in enumerate(film.decode(video=0)):
            image = frame.to_ndarray(format="rgb24")
            width = min(image.shape[1], image.shape[0] * 4 // 3)
            left = (image.shape[1] - width) // 2
            middle = av.VideoFrame.from_ndarray(image[:, left : left + width].copy(), format="rgb24")
            shown = middle.reformat(640, 480, "yuvj420p")
            shown.pts, shown.time_base = index, Fraction(1, 30)
            out.mux(track.encode(shown))
        out.mux(track.encode())
    with av.open(str(clip)) as film, av.open(str(sound), "w") as out:
        track = out.add_stream("pcm_s16le", rate=48_000, layout="mono")
        resampler = av.AudioResampler("s16", "mono", 48_000)
        for block in film.decode(audio=0):
            for piece in resampler.resample(block):
                piece.pts = None
                out.mux(track.encode(piece))
        out.mux(track.encode())
    return picture, sound
