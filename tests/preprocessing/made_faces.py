"""Faces whose points are where those of the 48 x 48 crop would be in a picture."""

from __future__ import annotations

import numpy as np

from emofuse.preprocessing.face import BOX, LANDMARKS
from emofuse.types import Face


def place(points: np.ndarray, scale: float, angle_deg: float, shift: tuple[float, float]) -> np.ndarray:
    """Carry points of the 48 x 48 crop to a picture."""
    angle = np.deg2rad(angle_deg)
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points @ rotation.T + shift).astype(np.float32)


def make_face(scale: float, angle_deg: float = 0.0, shift: tuple[float, float] = (200.0, 100.0)) -> Face:
    corners = place(BOX.reshape(2, 2).astype(np.float64), scale, 0.0, shift)
    points = place(LANDMARKS.astype(np.float64), scale, angle_deg, shift)
    return Face(corners.reshape(4), 0.9, points)
