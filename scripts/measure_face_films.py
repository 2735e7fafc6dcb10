r"""Measure what a film's face answer should be made of, on films made of left-out portraits.

    python scripts/measure_face_films.py runs/face-to-taiwan/face.onnx taiwan --data DATA
    python scripts/measure_face_films.py runs/face-ferplus/face.onnx cfee --data DATA --prior-off

Each film has 12 pictures of one person: neutral, blended into one of their other expressions and back, and moved,
turned, lit and made noisy a little. Others are neutral all along but for the mouth, which is blended with those of
happy and surprised faces and stands for speech. Printed is what the answers are worth that are means over the share
of pictures in which neutral is least probable (`emofuse.timeline.strongest` takes a fifth), with 95 % intervals over
people. These are made films, and no more than that.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import FERPLUS
from emofuse.inference.network import OnnxNetwork, softmax
from emofuse.preprocessing.face import SIZE
from emofuse.research.corpora.readers.ferplus import read_ferplus
from emofuse.research.corpora.readers.portraits import Portraits
from emofuse.research.evaluation.scores.metrics import (
    confusions_by_group,
    expected_calibration_error,
    recalls_of,
    resampled,
    uar_of,
)
from emofuse.research.tasks.faces import edge_px, logits_of, read_portraits

SHARES: Final = (1 / 12, 0.2, 0.3, 0.5, 1.0)
COURSE: Final = (0, 0, 0, 0, 0.35, 0.7, 1, 1, 0.6, 0.3, 0, 0)  # how much of the expression each picture has
N_CLASSES: Final = 7  # without contempt, which neither set has
MOST_FILMS: Final = 14  # of one person
MOUTH_FROM: Final = 0.6  # of the height of a picture with its edges, below which a face speaks
SPOKEN: Final = 0.6  # of another mouth, at most


@dataclass(frozen=True, slots=True, eq=False)
class Films:
    """pictures: (N, T, S, S) uint8 grey; truth: (N,); people: who each is of."""

    pictures: NDArray[np.uint8]
    truth: NDArray[np.int64]
    people: tuple[str, ...]


def main() -> None:
    """Print a line for each share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("set", choices=("cfee", "taiwan"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prior-off", action="store_true", help="take FER+'s frequencies off the logits")
    arguments = parser.parse_args()
    network = OnnxNetwork(arguments.network)
    prior = np.ones(N_CLASSES)
    if arguments.prior_off:
        _, targets = read_ferplus(arguments.data / "ferplus.zip", "Train").distributions()
        prior = targets.mean(axis=0, dtype=np.float64)[:N_CLASSES]
    faces = read_portraits(arguments.set, arguments.data).scored()
    size_px = network.card.input.size_px
    assert size_px is not None  # of a network of faces
    made = {"expressions": expressive(faces, size_px), "neutral, speaking": speaking(faces, size_px)}
    for name, films in made.items():
        flat = films.pictures.reshape(-1, size_px, size_px)
        logits = logits_of(network, flat)[:, :N_CLASSES] - np.log(prior).astype(np.float32)
        pictures = softmax(logits).reshape(len(films.truth), len(COURSE), N_CLASSES)
        for share in SHARES:
            print(f"{arguments.set}, {name}, {share:.2f} of the pictures: {_line(answers(pictures, share), films)}")


def expressive(faces: Portraits, size_px: int) -> Films:
    """Make films of every person: of each of their pictures, between two views of them neutral."""
    random = np.random.default_rng(0)
    grey = faces.grey(size_px, edge_px(size_px)).astype(np.float32)
    pictures, truth, people = [], [], []
    for person, own, neutral in by_person(faces):
        for one in random.permutation(own)[:MOST_FILMS]:
            calm, strength = grey[random.choice(neutral)], random.uniform(0.7, 1)
            blended = [(1 - strength * w) * calm + strength * w * grey[one] for w in COURSE]
            pictures.append(_filmed(blended, size_px, random))
            truth.append(int(faces.truth[one]))
            people.append(person)
    return Films(np.stack(pictures), np.array(truth, dtype=np.int64), tuple(people))


def speaking(faces: Portraits, size_px: int) -> Films:
    """Make a film of every person, neutral but for the mouth."""
    random = np.random.default_rng(0)
    grey = faces.grey(size_px, edge_px(size_px)).astype(np.float32)
    rows = np.arange(grey.shape[1]) / grey.shape[1]
    low = np.clip(10 * (rows - MOUTH_FROM), 0, 1)[:, None]
    pictures, people = [], []
    for person, own, neutral in by_person(faces):
        shown = [FERPLUS[label] for label in faces.truth[own]]
        open_mouths = own[np.isin(shown, ("happiness", "surprise"))]
        if not len(open_mouths):
            continue
        calm = grey[random.choice(neutral)]
        weights = random.uniform(0, SPOKEN, len(COURSE))
        others = grey[random.choice(open_mouths, len(COURSE))]
        course = [calm + w * low * (other - calm) for w, other in zip(weights, others, strict=True)]
        pictures.append(_filmed(course, size_px, random))
        people.append(person)
    return Films(np.stack(pictures), np.zeros(len(people), dtype=np.int64), tuple(people))


def answers(pictures: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Return (N, C): the mean over the share of the pictures, (N, T, C), in which neutral is least probable."""
    n_kept = math.ceil(share * pictures.shape[1])
    kept = np.argsort(pictures[:, :, FERPLUS.index("neutral")], axis=1)[:, :n_kept]
    return np.asarray(np.take_along_axis(pictures, kept[:, :, None], axis=1).mean(axis=1), np.float32)


def by_person(faces: Portraits) -> list[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """Return each person with the rows of their pictures, and of those that are neutral, of which there must be one."""
    subjects = np.array(faces.subjects)
    rows = [(person, np.flatnonzero(subjects == person)) for person in sorted(set(faces.subjects))]
    found = [(person, own, own[faces.truth[own] == FERPLUS.index("neutral")]) for person, own in rows]
    return [one for one in found if len(one[2])]


def _filmed(course: list[NDArray[np.float32]], size_px: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Cut pictures with edges as a camera and a tracker do that are not quite steady. Returns (T, S, S) uint8."""
    per_px = size_px / SIZE  # what follows is of faces of SIZE
    drift, made = random.uniform(-2, 2, 2), []
    middle = (course[0].shape[0] - 1) / 2
    for step, picture in enumerate(course):
        turned = cv2.getRotationMatrix2D((middle, middle), random.uniform(-4, 4), random.uniform(0.95, 1.05))
        matrix = np.array(turned, dtype=np.float64)
        matrix[:, 2] += per_px * (drift * step / len(course) + random.uniform(-0.7, 0.7, 2)) - edge_px(size_px)
        cut = cv2.warpAffine(picture, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR)
        lit = cut * random.uniform(0.95, 1.05) + random.normal(0, 3, (size_px, size_px))
        made.append(np.clip(lit, 0, 255).astype(np.uint8))
    return np.stack(made)


def _line(given: NDArray[np.float32], films: Films) -> str:
    by_person = confusions_by_group(films.truth, given.argmax(axis=1)[None], films.people, N_CLASSES)
    total = by_person.sum(axis=(0, 1))
    low, high = np.percentile(resampled(uar_of, by_person, 2000, 0), (2.5, 97.5))
    recalls = " ".join(f"{recall:.0%}" for recall, n in zip(recalls_of(total), total.sum(axis=1), strict=True) if n)
    error = expected_calibration_error(given, films.truth)
    n = f"{len(films.truth)} films of {len(set(films.people))} people"
    return f"UAR {uar_of(total):.1%} ({low:.1%} to {high:.1%}), recalls {recalls}, calibration error {error:.3f}, {n}"


if __name__ == "__main__":
    main()
