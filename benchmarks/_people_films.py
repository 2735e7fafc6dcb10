"""Films of known people: who is in which picture is known, as the films are made here.

Faces are those of CFEE's people whom the face embedding has not learnt (`scripts/make_face_identity.py`), and, where
they are, two actors in motion: RAVDESS's fifth and CREMA-D's first. Every shot has its own place, zoom and light.
"""

from __future__ import annotations

import csv
import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 10
SIZE: Final = (270, 480)  # height, width
N_LEFT_OUT: Final = 80  # of CFEE's people, the last ones

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Shot:
    """A stretch of a film with one set of people in view. people: one who fills the picture, or six in tiles, row by
    row."""

    start_s: float
    end_s: float
    people: tuple[str, ...]


def write_film(path: Path, images: Iterator[Image]) -> None:
    """Encode pictures at RATE_HZ."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "20"}
        for image in images:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def cut_film(path: Path, footage: dict[str, Sequence[Image]], length_s: float, n_cuts: int, seed: int) -> list[Shot]:
    """Cut between people, one in each shot. footage: of each, pictures in the order of time."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.3, 1.7, n_cuts + 1)
    bounds = np.round(np.concatenate([[0], np.cumsum(weights)]) * length_s * RATE_HZ / weights.sum()).astype(int)
    names = list(footage)
    shots = [
        Shot(a / RATE_HZ, b / RATE_HZ, (names[k % len(names)],)) for k, (a, b) in enumerate(itertools.pairwise(bounds))
    ]

    def images() -> Iterator[Image]:
        for shot in shots:
            pictures = footage[shot.people[0]]
            n = round((shot.end_s - shot.start_s) * RATE_HZ)
            start = int(rng.integers(len(pictures)))
            yield from _shot(pictures, start, n, rng)

    write_film(path, images())
    return shots


def tiled_film(path: Path, footage: dict[str, Sequence[Image]], length_s: float, n_cuts: int, seed: int) -> list[Shot]:
    """Show six people at once, as a call does; at every cut they change places."""
    rng = np.random.default_rng(seed)
    n_each = round(length_s * RATE_HZ / (n_cuts + 1))
    orders = [tuple(str(name) for name in rng.permutation(list(footage))) for _ in range(n_cuts + 1)]

    def images() -> Iterator[Image]:
        for order in orders:
            starts = rng.integers(0, 1000, len(order))
            for i in range(n_each):
                tiles = [footage[o][(start + i) % len(footage[o])] for o, start in zip(order, starts, strict=True)]
                small = [cv2.resize(tile, (SIZE[1] // 3, SIZE[0] // 2), interpolation=cv2.INTER_AREA) for tile in tiles]
                yield np.vstack([np.hstack(small[:3]), np.hstack(small[3:])])

    write_film(path, images())
    return [Shot(k * n_each / RATE_HZ, (k + 1) * n_each / RATE_HZ, order) for k, order in enumerate(orders)]


def actors(data: Path) -> dict[str, Sequence[Image]]:
    """Return two actors in motion, at RATE_HZ."""
    return {
        "RAVDESS 05": [i for p in sorted(data.glob("ravdess_original/videos/Actor_05/*.mp4")) for i in _read_film(p)],
        "CREMA-D 1001": [i for p in sorted(data.glob("cremad/videos/1001*.flv")) for i in _read_film(p)],
    }


def strangers(data: Path, n_people: int, seed: int) -> dict[str, Sequence[Image]]:
    """Return people of CFEE in a room of their own each, whose faces move and change every 1.5 s."""
    rng = np.random.default_rng(seed)
    with zipfile.ZipFile(data / "faces" / "cfee.zip") as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"), "utf-8")))
        left_out = sorted({row["subject"] for row in rows})[-N_LEFT_OUT:]
        footage: dict[str, Sequence[Image]] = {}
        for person in rng.choice(left_out, n_people, replace=False):
            faces = [
                cv2.cvtColor(cv2.imdecode(np.frombuffer(archive.read(r["file"]), np.uint8), 1), cv2.COLOR_BGR2RGB)
                for r in rows
                if r["subject"] == person
            ]
            footage[f"CFEE {person}"] = _in_room(faces, rng)
    return footage


def _in_room(faces: Sequence[Image], rng: np.random.Generator) -> list[Image]:
    height, width = SIZE
    corners = rng.uniform(30, 220, (2, 2, 3)).astype(np.float32)
    room = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    side = 150
    path = cv2.GaussianBlur(rng.normal(0, 40, (30 * RATE_HZ, 2)).astype(np.float32), (1, 0), 0, sigmaY=RATE_HZ)
    images = []
    for i in range(30 * RATE_HZ):
        at, share = divmod(i / (1.5 * RATE_HZ), 1)
        first, second = (faces[int(at + k) % len(faces)] for k in range(2))
        face = cv2.addWeighted(first, 1 - share**8, second, share**8, 0)
        face = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
        x = int(np.clip(width / 2 - side / 2 + path[i, 0], 0, width - side))
        y = int(np.clip(height / 2 - side / 2 + path[i, 1], 0, height - side))
        image = room + rng.normal(0, 3, room.shape)
        image[y : y + side, x : x + side] = face
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    return images


def _shot(pictures: Sequence[Image], start: int, n: int, rng: np.random.Generator) -> Iterator[Image]:
    """Film on from a picture, back and forth, with a zoom, a place and a light of its own."""
    height, width = SIZE
    zoom, bright = rng.uniform(1.0, 1.35), rng.uniform(0.75, 1.2)
    x = rng.uniform(0.3, 0.7) * (1 - zoom) * width
    y = rng.uniform(0.2, 0.6) * (1 - zoom) * height
    move = np.array([[zoom, 0, x], [0, zoom, y]])
    round_trip = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
    for i in range(n):
        image = pictures[round_trip[(start + i) % len(round_trip)]]
        shown = cv2.warpAffine(image, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        yield np.clip(shown.astype(np.float32) * bright, 0, 255).astype(np.uint8)


def _read_film(path: Path) -> Iterator[Image]:
    """Yield the pictures of a film at RATE_HZ, filling SIZE."""
    due_s = 0.0
    height, width = SIZE
    with av.open(path) as container:
        for frame in container.decode(video=0):
            if frame.time is None or frame.time < due_s - 1e-3:
                continue
            due_s += 1 / RATE_HZ
            image = frame.to_ndarray(format="rgb24")
            scale = max(height / image.shape[0], width / image.shape[1])
            large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
            yield np.ascontiguousarray(large[top : top + height, left : left + width])
