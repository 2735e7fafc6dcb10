"""Measurements of faces over a recording: the blinks in them, and their form in the JSON document and in tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from emofuse.types import BLENDSHAPES, FaceAngles, FaceMeasurement, Json

EYES_SHUT, EYES_OPEN = 0.5, 0.35  # of `FaceMeasurement.blink`: closed above the first, and until below the second
LONGEST_BLINK_S: Final = 0.5  # eyes that stay closed for longer do not blink
_LONGEST_GAP_S: Final = 0.5  # between pictures of a face; over it, what went before is over
_ANGLES: Final = ("head_yaw_deg", "head_pitch_deg", "head_roll_deg", "gaze_yaw_deg", "gaze_pitch_deg")
COLUMNS: Final = ("time_s", "track_id", "presence", *_ANGLES, "smile", "brow", "blink", *BLENDSHAPES)


@dataclass(frozen=True, slots=True)
class Blink:
    """Eyes that were closed and opened again. track_id: whose, as `Face.track_id`."""

    track_id: int | None
    start_s: float
    end_s: float


def find_blinks(measurements: Iterable[FaceMeasurement]) -> list[Blink]:
    """Find the blinks: both eyes closed for half a second at most, and opened again.

    A blink takes 0.1 to 0.4 s, so pictures must come at 15 a second or more to show each one.

    Args:
        measurements: Of any number of faces, in the order of time.

    Returns:
        The blinks, in the order of their beginnings.

    Example:
        >>> import numpy as np
        >>> ahead = FaceAngles(0.0, 0.0)
        >>> def face(time_s, closed):
        ...     shapes = np.zeros(52, np.float32)
        ...     shapes[[9, 10]] = closed
        ...     return FaceMeasurement(time_s, 1, 1.0, ahead, ahead, shapes)
        >>> find_blinks([face(0.0, 0.1), face(0.04, 0.7), face(0.12, 0.8), face(0.16, 0.2)])
        [Blink(track_id=1, start_s=0.04, end_s=0.16)]
    """
    of_track: defaultdict[int | None, list[FaceMeasurement]] = defaultdict(list)
    for one in measurements:
        of_track[one.track_id].append(one)
    found = [blink for track_id, ones in of_track.items() for blink in _blinks_of(track_id, ones)]
    return sorted(found, key=lambda blink: blink.start_s)


def _blinks_of(track_id: int | None, ones: Sequence[FaceMeasurement]) -> Iterator[Blink]:
    shut_s: float | None = None
    seen_s = -np.inf
    was_open = False
    for one in ones:
        if one.time_s - seen_s > _LONGEST_GAP_S:
            shut_s, was_open = None, False
        seen_s = one.time_s
        if one.blink > EYES_SHUT and shut_s is None and was_open:
            shut_s = one.time_s
        elif one.blink < EYES_OPEN:
            if shut_s is not None and one.time_s - shut_s <= LONGEST_BLINK_S:
                yield Blink(track_id, shut_s, one.time_s)
            shut_s, was_open = None, True


def measurements_json(measurements: Sequence[FaceMeasurement]) -> Json:
    """Return the `face_measurements` of a document: the names of the movements once, the numbers of every face."""
    blinks = [
        {"track_id": b.track_id, "start_s": round(b.start_s, 4), "end_s": round(b.end_s, 4)}
        for b in find_blinks(measurements)
    ]
    return {"blendshapes": list(BLENDSHAPES), "blinks": blinks, "faces": [_face_json(one) for one in measurements]}


def read_measurements(document: Mapping[str, Any] | None) -> tuple[FaceMeasurement, ...]:
    """Rebuild what `measurements_json` wrote; none where there is no document.

    Raises KeyError, TypeError or ValueError where it is not as it was written.
    """
    if document is None:
        return ()
    if tuple(document["blendshapes"]) != BLENDSHAPES:
        raise ValueError("other blendshapes than these are not known")
    return tuple(_read_face(one) for one in document["faces"])


def table_rows(measurements: Iterable[FaceMeasurement]) -> Iterator[list[float | int | None]]:
    """Return the cells of each face, in the order of COLUMNS."""
    for one in measurements:
        head, gaze = one.head, one.gaze
        angles = (head.yaw_deg, head.pitch_deg, head.roll_deg, gaze.yaw_deg, gaze.pitch_deg)
        yield [
            round(one.time_s, 4),
            one.track_id,
            round(one.presence, 4),
            *(round(angle, 2) for angle in angles),
            *(round(value, 4) for value in (one.smile, one.brow, one.blink)),
            *(round(float(value), 4) for value in one.blendshapes),
        ]


def _face_json(one: FaceMeasurement) -> Json:
    head, gaze = one.head, one.gaze
    face: Json = {
        "time_s": round(one.time_s, 4),
        "track_id": one.track_id,
        "presence": round(one.presence, 4),
        "head": {
            "yaw_deg": round(head.yaw_deg, 2),
            "pitch_deg": round(head.pitch_deg, 2),
            "roll_deg": round(head.roll_deg, 2),
        },
        "gaze": {"yaw_deg": round(gaze.yaw_deg, 2), "pitch_deg": round(gaze.pitch_deg, 2)},
        "blendshapes": [round(float(value), 4) for value in one.blendshapes],
    }
    if one.points is not None:
        face["points"] = [[round(float(value), 1) for value in point] for point in one.points]
    return face


def _read_face(document: Mapping[str, Any]) -> FaceMeasurement:
    points = document.get("points")
    track_id = document["track_id"]
    return FaceMeasurement(
        float(document["time_s"]),
        None if track_id is None else int(track_id),
        float(document["presence"]),
        FaceAngles(**{name: float(value) for name, value in document["head"].items()}),
        FaceAngles(**{name: float(value) for name, value in document["gaze"].items()}),
        np.array(document["blendshapes"], np.float32),
        None if points is None else np.array(points, np.float32),
    )
