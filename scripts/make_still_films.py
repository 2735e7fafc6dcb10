"""Make short films of FER+ faces, so that a network of clips can learn from stills and be tested on real films.

    python scripts/make_still_films.py ferplus.zip FOLDER [--per-emotion 250]

Each film shows one face of the train part, drifting, turning and changing its size a little, as one before a camera
does. There is no expression that comes and goes in them: what a network learns of time here is to disregard it. Writes
FOLDER/stills.csv, a manifest, in which every face is a speaker of its own: FER+ names nobody.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import FERPLUS
from emofuse.files import make_folder
from emofuse.research.corpora.manifest import Clip, Manifest, write_manifest
from emofuse.research.corpora.readers.ferplus import read_ferplus

N_FRAMES, FPS, SIZE_PX = 12, 6, 96
LICENCE: Final = "MIT (labels), over web images"


def main() -> None:
    """Draw faces of every emotion, with a fixed seed, and write their films."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-emotion", type=int, default=250)
    arguments = parser.parse_args()
    folder = make_folder(arguments.folder)
    images, labels = read_ferplus(arguments.archive, "Train").majority()
    random = np.random.default_rng(0)
    clips = []
    for index, emotion in enumerate(FERPLUS):
        for i in random.permutation(np.flatnonzero(labels == index))[: arguments.per_emotion]:
            path = folder / f"{emotion}-{i:05d}.avi"
            write_film(list(drift(images[i], random)), path)
            clips.append(Clip(path, emotion, f"ferplus-{i:05d}", licence=LICENCE))
    write_manifest(Manifest("FER+ stills", FERPLUS, tuple(clips), LICENCE), folder / "stills.csv")
    print(f"{folder / 'stills.csv'}: {len(clips)} films")


def drift(face: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Turn a (48, 48) face into (T, S, S) pictures of it along a smooth path of places, angles and sizes."""
    ends = random.normal(0, (2.0, 2.0, 4.0, 0.03), (2, 4))  # pixels right and down, degrees, log of the size
    path = ends[0] + np.linspace(0, 1, N_FRAMES)[:, None] * (ends[1] - ends[0])
    large = cv2.resize(face, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC)
    centre = (SIZE_PX - 1) / 2
    pictures = []
    for right, down, angle, size in path:
        matrix = cv2.getRotationMatrix2D((centre, centre), angle, float(np.exp(size)))
        matrix[:, 2] += right, down
        pictures.append(cv2.warpAffine(large, matrix, (SIZE_PX, SIZE_PX), borderMode=cv2.BORDER_REPLICATE))
    return np.stack(pictures)


def write_film(pictures: Sequence[NDArray[np.uint8]], path: Path) -> None:
    """Write pictures, (S, S, 3) RGB or (S, S) grey, as Motion JPEG."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS, options={"qscale": "3"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p"
        for picture in pictures:
            colour = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(colour, format="rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
