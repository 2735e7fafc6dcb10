"""Movements of the face under the names of the Facial Action Coding System (Ekman and Friesen 1978).

Each unit is the mean of the blendshapes that move the same part of the face the same way. It is a change of names, not
a coder: the network was not trained on coded faces, and docs/measurements.md says how far it agrees with OpenFace.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from emofuse.types import FaceMeasurement


def _both(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{side}" for name in names for side in ("Left", "Right"))


UNITS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "AU01": ("browInnerUp",),
        "AU02": _both("browOuterUp"),
        "AU04": _both("browDown"),
        "AU05": _both("eyeWide"),
        "AU06": _both("cheekSquint"),
        "AU07": _both("eyeSquint"),
        "AU09": _both("noseSneer"),
        "AU10": _both("mouthUpperUp"),
        "AU12": _both("mouthSmile"),
        "AU14": _both("mouthDimple"),
        "AU15": _both("mouthFrown"),
        "AU17": ("mouthShrugLower",),
        "AU20": _both("mouthStretch"),
        "AU23": _both("mouthPress"),
        "AU25": _both("mouthLowerDown", "mouthUpperUp"),
        "AU26": ("jawOpen",),
        "AU45": _both("eyeBlink"),
    }
)


def action_units(measurement: FaceMeasurement) -> dict[str, float]:
    """Return how far each unit of UNITS is made, in [0, 1].

    Args:
        measurement: Of one face.

    Returns:
        The units by their names, as AU12 for the corners of the mouth drawn up.

    Example:
        >>> import numpy as np
        >>> from emofuse.types import BLENDSHAPES, FaceAngles
        >>> shapes = np.zeros(52, np.float32)
        >>> shapes[BLENDSHAPES.index("mouthSmileLeft")] = 1.0
        >>> ahead = FaceAngles(0.0, 0.0)
        >>> action_units(FaceMeasurement(0.0, 1, 1.0, ahead, ahead, shapes))["AU12"]
        0.5
    """
    return {unit: measurement.blendshape(*names) for unit, names in UNITS.items()}
