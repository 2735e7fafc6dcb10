"""How far the face measurements agree with OpenFace's action units, clip by clip, over the RAVDESS pictures at hand.

    python benchmarks/action_units.py --data FOLDER      # default: EMOFUSE_DATA

FOLDER has `ravdess/action_units.csv` (OpenFace's mean over each of 1,440 clips) and the clips of one actor in
`ravdess_facecrops`. What is measured is averaged over each clip's pictures, and correlated with the intensities over
clips: Pearson's r, with the number of clips. The mapping is `emofuse.action_units.UNITS`, set down before it was
measured; nothing is fitted.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

import numpy as np

from emofuse.action_units import UNITS, action_units
from emofuse.inference.detector import YuNetDetector
from emofuse.inference.landmarker import FaceLandmarker
from emofuse.media import open_media
from emofuse.types import Frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOFUSE_DATA"))
    folder = parser.parse_args().data
    if folder is None:
        parser.error("name the folder of the corpora with --data, or in EMOFUSE_DATA")
    reference = {}
    with (folder / "ravdess" / "action_units.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter=";"):
            reference[row["name"][3:]] = row
    landmarker = FaceLandmarker()
    ours, theirs, n_missing = [], [], 0
    for path in sorted((folder / "ravdess_facecrops").glob("Actor_*/*.avi")):
        mean = mean_units(path, landmarker)
        row = reference.get(path.stem.removesuffix("_facecroppad")[3:])
        if mean is None or row is None:
            n_missing += 1
            continue
        ours.append(mean)
        theirs.append({unit: float(row[f"{unit}_r"]) for unit in UNITS})
    print(f"{len(ours)} clips; {n_missing} without a face or a row\n\n| unit | from | r |\n|---|---|---|")
    for unit, shapes in UNITS.items():
        x, y = np.array([one[unit] for one in ours]), np.array([one[unit] for one in theirs])
        r = float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else float("nan")
        print(f"| {unit} | {' + '.join(shapes)} | {r:.2f} |")


def mean_units(path: Path, landmarker: FaceLandmarker) -> dict[str, float] | None:
    """Return the mean of each unit over the pictures of a clip in which the best face was measured, None without."""
    detector = YuNetDetector()
    found = []
    with open_media(path) as media:
        for packet in media:
            if not isinstance(packet, Frame):
                continue
            faces = detector.detect(packet.image)
            one = landmarker.measure(packet.image, faces[0], packet.time_s, keeps_points=False) if faces else None
            if one is not None:
                found.append(action_units(one))
    return {unit: float(np.mean([one[unit] for one in found])) for unit in UNITS} if found else None


if __name__ == "__main__":
    main()
