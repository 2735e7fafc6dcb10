"""Make short colour films of posed portraits, so that networks of clips can be compared on people they do not know.

    python scripts/make_portrait_films.py DATA FOLDER
    emofuse evaluate recipes/cnn3d.toml --train FOLDER/cfee.csv,FOLDER/taiwan.csv --protocol leave-one-corpus-out

Each film is two seconds of one person of CFEE or of the Taiwanese actors: neutral, morphed into one of their
expressions and back, before a camera that is not quite steady, in light that changes. Between two pictures every place
moves along the optical flow from the one to the other, and the two are blended. Only people of whom there is a neutral
picture are filmed. Writes FOLDER/cfee.csv and FOLDER/taiwan.csv, two manifests.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from make_still_films import write_film
from measure_face_films import COURSE, MOST_FILMS, by_person
from numpy.typing import NDArray

from emofuse.emotions import FERPLUS
from emofuse.files import make_folder
from emofuse.research.corpora.manifest import Clip, Manifest, write_manifest
from emofuse.research.corpora.readers.portraits import Portraits
from emofuse.research.corpora.registry import PORTRAITS
from emofuse.research.tasks.faces import read_portraits

BORDER: Final = 26  # pixels around the portrait, of which there is nothing to see: its edge goes on
Picture = NDArray[np.uint8]


def main() -> None:
    """Write the films of both sets and their manifests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    folder = make_folder(arguments.folder)
    for name, corpus in PORTRAITS.items():
        clips = write_films(read_portraits(name, arguments.data).scored(), make_folder(folder / name), name)
        manifest = Manifest(f"Films made of {corpus.title}", FERPLUS, clips, corpus.licence)
        write_manifest(manifest, folder / f"{name}.csv")
        print(f"{folder / name}.csv: {len(clips)} films of {len({clip.speaker for clip in clips})} people")


def write_films(faces: Portraits, folder: Path, name: str) -> tuple[Clip, ...]:
    """Write films of every person of whom there is a neutral picture. Returns them, to be put into a manifest."""
    random = np.random.default_rng(0)
    clips = []
    for person, own, neutral in by_person(faces):
        for number, one in enumerate(random.permutation(own)[:MOST_FILMS]):
            calm, emotion = faces.images[random.choice(neutral)], FERPLUS[faces.truth[one]]
            path = folder / f"{person}-{number:02}-{emotion}.avi"
            write_film(film(calm, faces.images[one], random.uniform(0.7, 1), random), path)
            clips.append(Clip(path, emotion, f"{name}-{person}", licence=PORTRAITS[name].licence))
    return tuple(clips)


def film(calm: Picture, expressive: Picture, strength: float, random: np.random.Generator) -> list[Picture]:
    """Film a face that goes from one picture towards another, and back.

    Args:
        calm: (S, S, 3) uint8 RGB, where it begins and ends.
        expressive: The same size.
        strength: How far it goes, in [0, 1].
        random: Of the camera and the light.

    Returns:
        As many pictures as COURSE has, (S + 2 BORDER, S + 2 BORDER, 3) uint8 RGB.
    """
    flow = flow_between(calm, expressive)
    back = flow_between(expressive, calm)
    ends = random.normal(0, (2.5, 2.5, 3.0, 0.03), (2, 4))  # pixels right and down, degrees, log of the size
    light = random.uniform(0.9, 1.1, 2)
    pictures = []
    for at, weight in zip(np.linspace(0, 1, len(COURSE)), COURSE, strict=True):
        w = strength * weight
        morphed = (1 - w) * moved(calm, back, w) + w * moved(expressive, flow, 1 - w)
        right, down, angle, size = (1 - at) * ends[0] + at * ends[1] + random.normal(0, (0.4, 0.4, 0.5, 0.005))
        wide = cv2.copyMakeBorder(morphed, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)
        middle = (len(wide) - 1) / 2
        matrix = cv2.getRotationMatrix2D((middle, middle), float(angle), float(np.exp(size)))
        matrix[:, 2] += right, down
        turned = cv2.warpAffine(wide, matrix, wide.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        lit = turned * ((1 - at) * light[0] + at * light[1]) + random.normal(0, 2, turned.shape)
        pictures.append(np.clip(lit, 0, 255).astype(np.uint8))
    return pictures


def flow_between(first: Picture, second: Picture) -> NDArray[np.float32]:
    """Return (S, S, 2), by how many pixels each place of the first picture has moved in the second."""
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second)]
    found = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)
    return np.asarray(cv2.GaussianBlur(found, (0, 0), 3), np.float32)


def moved(picture: Picture, towards: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Move each place of a picture by a share of the way to where the other picture has it.

    towards: (S, S, 2), the flow from the other picture to this one. Returns (S, S, 3) float32.
    """
    ys, xs = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    places = xs + np.float32(share) * towards[..., 0], ys + np.float32(share) * towards[..., 1]
    found = cv2.remap(picture.astype(np.float32), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


if __name__ == "__main__":
    main()
