"""A made RAVDESS of films: a red square is a face, further to the left where the emotion is happy, and a tone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.preprocessing.face import BOX, LANDMARKS, SIZE
from emofuse.research.recipes.recipe import Recipe
from emofuse.types import Face
from make_media import RED, Sound, Video, crowd, record

FILM: Final = (96, 72)
N_PICTURES: Final = 6
EMOTIONS: Final = {3: "happy", 5: "angry"}  # by the number in a file's name
GONE: Final = None  # a picture without a face
STILL: Final[dict[str, Any]] = {"flip": 0, "crop": 0, "colour": 0, "time_jitter": 0, "drop": 0}
CNN3D: Final = {"name": "cnn3d", "widths": [4], "hidden": 8}
MFCC_CNN: Final = {"name": "mfcc-cnn", "widths": [4], "hidden": 8, "n_frames": 16}
MODELS: Final[dict[str, dict[str, Any]]] = {
    "cnn3d": CNN3D,
    "audio-video": {"name": "audio-video", "video": CNN3D, "audio": MFCC_CNN, "width": 8, "hidden": 8},
    "frame-lstm-mel": {"name": "frame-lstm-mel", "pretrained": False, "hidden": 8},
}


def film_recipe(model: str = "cnn3d", **data: object) -> Recipe:
    """Return a recipe of one epoch of a network of films; changes of its data."""
    plain = {"corpus": "video", "n_frames": 4, "valid_speakers": 1, "sound": {"window_s": 0.6}}
    train = {"epochs": 1, "batch_size": 2, "optimizer": "adam", "lr": 1e-3, "mixup": 0.2, "ema_decay": "none"}
    return Recipe.model_validate(
        {"name": model, "seed": 5, "data": {**plain, **data}, "model": MODELS[model], "train": train}
    )


class RedSquares:
    """Stands in for YuNetDetector: finds red squares, as if the framing of a face were all of one; side by side they
    are several people."""

    n_pictures = 0

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        RedSquares.n_pictures += 1
        is_red = (np.abs(image.astype(int) - RED).max(axis=2) < 70).sum(axis=0) > 8
        edges = np.flatnonzero(np.diff(np.concatenate([[0], is_red.astype(int), [0]])))
        rows = np.flatnonzero((np.abs(image.astype(int) - RED).max(axis=2) < 70).any(axis=1))
        return [_framed(int(a), int(rows.min()), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _framed(left: int, top: int, side: int) -> Face:
    scale, corner = side / SIZE, np.array([left, top]) + side / SIZE / 2 - 0.5  # edges of pixels, not centres
    box = (BOX.reshape(2, 2) * scale + corner).astype(np.float32)
    return Face(box.reshape(4), 0.9, (LANDMARKS * scale + corner).astype(np.float32))


def write_film(
    path: Path, lefts: Iterable[int | tuple[int, ...] | None], tone_hz: float | None = 300.0, top: int = 20
) -> Path:
    """Write a film of where faces, 24 pixels wide, are in each picture (none where GONE), and 0.6 s of a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = []
    for left in lefts:
        picture = np.full((FILM[1], FILM[0], 3), 90, np.uint8)
        for one in () if left is None else (left,) if isinstance(left, int) else left:
            face = crowd(FILM, {RED: (one, top, 24)})
            picture[:, one : one + 24] = face[:, one : one + 24]
        pictures.append(picture)
    video = Video(FILM, tuple(i / 25 for i in range(len(pictures))), options={"crf": "8"})
    sound = None if tone_hz is None else Sound(rate_hz=16_000, layout="mono", duration_s=0.6, tone_hz=tone_hz)
    return record(path, video, sound, pictures=pictures)


def write_films(root: Path, actors: Iterable[int] = range(1, 4)) -> Path:
    """Write two films of each actor into `root`/ravdess/videos, each with its own sound; return `root`."""
    for actor in actors:
        for emotion in EMOTIONS:
            name = f"01-01-{emotion:02}-01-01-01-{actor:02}.mp4"
            left = (8 if emotion == 3 else 60) + actor
            write_film(
                root / "ravdess/videos" / f"Actor_{actor:02}" / name, [left] * N_PICTURES, 200.0 * emotion + actor
            )
    return root
