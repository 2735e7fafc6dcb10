"""Measures faces: 478 points, the turn of the head, where the eyes look, and 52 movements of the face.

The networks are those of MediaPipe's face landmarker (Apache-2.0), fetched once and checked by their hash. ONNX Runtime
runs them, on the faces that our own detector found.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.assets import find
from emofuse.errors import AssetError
from emofuse.inference.onnx_runtime import open_session
from emofuse.inference.tflite_onnx import import_packages, to_onnx
from emofuse.preprocessing.face import cut_region, warp_region
from emofuse.preprocessing.face_mesh import (
    CROP_PX,
    N_POINTS,
    CanonicalFace,
    crop_from_mesh,
    crop_shift,
    gaze_angles,
    head_angles,
)
from emofuse.provenance import ModelFile
from emofuse.reading import file_hash
from emofuse.types import Face, FaceMeasurement

ASSET: Final = "face_landmarker"
_MESH: Final = "face_landmarks_detector.tflite"
_MOVEMENTS: Final = "face_blendshapes.tflite"
_GEOMETRY: Final = "geometry_pipeline_metadata_landmarks.binarypb"
LEAST_PRESENCE: Final = 0.5  # that MediaPipe takes for a face
_SAME_CROP: Final = 0.04  # of its side: a crop that lies closer to the one of its own mesh is not cut again

# The points that the network of movements takes, in its order (kLandmarksSubsetIdxs of MediaPipe's
# face_blendshapes_graph.cc): lids, brows, lips, nose, the outline, and both irises.
_NUMBERS: Final = """
    0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88 91 93 95 103 105
    107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 168 172 173 176 178 181
    185 191 195 197 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295 296 297 300 308 310 311 312 314
    317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379 380 381 382 384 385 386 387 388 389 390
    397 398 400 402 405 409 415 454 466 468 469 470 471 472 473 474 475 476 477
"""
_FOR_BLENDSHAPES: Final = np.array(_NUMBERS.split(), dtype=np.intp)


class FaceLandmarker:
    """Measures the faces of pictures, one at a time; the answer depends on the picture and the face alone.

    Attributes:
        model_file: What was fetched.

    Raises:
        AssetError: The networks cannot be had.
        UsageError: The packages of the extra `landmarks` are not installed.
    """

    def __init__(self, n_threads: int = 1) -> None:
        import_packages()  # before a download that would be in vain
        path = find(ASSET)
        self.model_file = ModelFile("face measurements", path.name, file_hash(path))
        converted = _converted(path, self.model_file.sha256 or "")
        self._mesh = _session(converted[_MESH], n_threads)
        self._movements = _session(converted[_MOVEMENTS], n_threads)
        self._canonical = CanonicalFace.read(converted[_GEOMETRY])

    def measure(
        self, image: NDArray[np.uint8], face: Face, time_s: float, *, keeps_points: bool = True
    ) -> FaceMeasurement | None:
        """Measure a face.

        It is cut out by its five points, and once more by its mesh where that lies elsewhere, as it does where a head
        is turned away.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            face: A face in it, with landmarks.
            time_s: Of the picture.
            keeps_points: Whether the answer has the 478 points.

        Returns:
            What was measured; None where the network finds no face there, or the face has no landmarks.
        """
        if face.landmarks is None:
            return None
        crop = self._canonical.crop_from_landmarks(face.landmarks)
        points, presence = self._run(image, crop)
        again = crop_from_mesh(points)
        if crop_shift(crop, again) > _SAME_CROP:
            points, presence = self._run(image, again)
        if presence < LEAST_PRESENCE or not np.isfinite(points).all():
            return None
        height, width = image.shape[:2]
        head = self._canonical.head_matrix(points, width, height)
        flat = np.ascontiguousarray(points[_FOR_BLENDSHAPES, :2][None])
        movements = self._movements.run(None, {self._movements.get_inputs()[0].name: flat})[0]
        return FaceMeasurement(
            time_s,
            face.track_id,
            presence,
            head_angles(head),
            gaze_angles(points, head),
            np.clip(np.asarray(movements, np.float32).reshape(-1), 0.0, 1.0),
            points if keeps_points else None,
        )

    def _run(self, image: NDArray[np.uint8], crop: NDArray[np.float64]) -> tuple[NDArray[np.float32], float]:
        """Find the (478, 3) points of the face in a crop, in pixels of the picture, and how sure it is one."""
        left, top, region = cut_region(image, crop, CROP_PX)
        pixels = warp_region(region, (left, top), crop, CROP_PX).astype(np.float32)[None] / np.float32(255)
        names = [output.name for output in self._mesh.get_outputs()]
        found = dict(zip(names, self._mesh.run(None, {self._mesh.get_inputs()[0].name: pixels}), strict=True))
        in_crop = np.asarray(found["Identity"], np.float64).reshape(N_POINTS, 3)
        back = np.linalg.inv(np.vstack([crop, [0, 0, 1]]))
        points = np.empty((N_POINTS, 3), np.float32)
        points[:, :2] = in_crop[:, :2] @ back[:2, :2].T + back[:2, 2]
        points[:, 2] = in_crop[:, 2] * float(np.hypot(back[0, 0], back[1, 0]))
        logit = float(np.asarray(found["Identity_1"]).reshape(-1)[0])
        return points, float(1.0 / (1.0 + np.exp(-np.clip(logit, -50.0, 50.0))))


@cache
def _converted(path: Path, sha256: str) -> dict[str, bytes]:
    """Return the parts of the landmarker by name, its networks as ONNX. sha256: tells one file from another."""
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            parts = {name: archive.read(name) for name in (_MESH, _MOVEMENTS, _GEOMETRY)}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise AssetError(f"{path} cannot be read: {error}") from error
    return {name: to_onnx(content) if name.endswith(".tflite") else content for name, content in parts.items()}


def _session(content: bytes, n_threads: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        path.write_bytes(content)
        return open_session(path, n_threads=n_threads)
