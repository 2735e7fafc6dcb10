"""Finds faces in a picture with YuNet, whose weights ship with the package.

It works on a reduced picture and answers in the pixels of the full one. How far it is reduced follows the
faces that were found before (`_MultiScale`), so a detector belongs to one video: make one for each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.errors import AssetError, BundleError
from emofuse.inference.onnx_runtime import open_session
from emofuse.provenance import ModelFile
from emofuse.types import Face

Image = NDArray[np.uint8]


class FaceDetector(Protocol):
    """Finds the faces of the pictures of one video, pushed in order."""

    def detect(self, image: Image) -> list[Face]:
        """Return the faces in image, best first. image: (H, W, 3) uint8 RGB of any size and memory layout.

        Boxes are in pixels of the picture and clipped to it; landmarks, where the detector gives them, may
        lie outside. The answer depends on the pictures so far and on nothing else.
        """
        ...


@runtime_checkable
class PictureSkipper(Protocol):
    """A detector that counts the pictures of its video."""

    def skip(self) -> None:
        """Count a picture of the video that is not looked at."""
        ...


DetectorMaker = Callable[[], FaceDetector]

YUNET: Final = Path(__file__).parents[1] / "detectors" / "face_detection_yunet_2023mar.onnx"


class YuNetNetwork:
    """YuNet (Wu, Peng and Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector"), loaded once for all streams.

    It does what OpenCV's `FaceDetectorYN` does with the same file, in ONNX Runtime, which takes under half the time
    of OpenCV's own networks. path: the ONNX file, by default the one that ships; AssetError if it is not one.
    """

    _NMS_IOU: Final = 0.3
    _TOP_K: Final = 200
    _STRIDES: Final = (8, 16, 32)
    _KINDS: Final = ("cls", "obj", "bbox", "kps")
    _MULTIPLE: Final = 32  # of which the sides of what it is given are
    # In the file the sides of the picture are 640; these two, of as many bytes, leave them open. In protobuf's wire
    # format: a dimension of 3 bytes, whose field 1 is the number 640, and whose field 2 is a name of one letter.
    _FIXED: Final = b"\x0a\x03\x08\x80\x05"
    _OPEN: Final = (b"\x0a\x03\x12\x01h", b"\x0a\x03\x12\x01w")

    def __init__(self, path: Path = YUNET) -> None:
        try:
            content = path.read_bytes()
            self.model_file = ModelFile("face detector", path.name, hashlib.sha256(content).hexdigest())
            for side in self._OPEN:
                content = content.replace(self._FIXED, side, 1)
            self._session = open_session(path, content=content)
        except (OSError, BundleError) as error:
            raise AssetError(f"{path} is not a YuNet model that can be run") from error
        self._outputs = [f"{kind}_{stride}" for stride in self._STRIDES for kind in self._KINDS]
        if {one.name for one in self._session.get_outputs()} != set(self._outputs):
            raise AssetError(f"{path} is not a YuNet model: it gives something else")

    def find(self, image: Image, least_score: float) -> NDArray[np.float32]:
        """Find faces.

        Args:
            image: (H, W, 3) uint8 RGB.
            least_score: Fainter ones are left out, in [0, 1].

        Returns:
            (N, 15): left, top, width, height, five points of x and y, and the score; the surest first.
        """
        height, width = image.shape[:2]
        below, right = (-side % self._MULTIPLE for side in (height, width))
        padded = image
        if below or right:
            padded = np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT), np.uint8)
        blob = _blob(padded)
        outputs: list[NDArray[np.float32]] = self._session.run(self._outputs, {"input": blob})
        n_each = len(self._KINDS)
        cls, obj, bbox, kps = (np.concatenate([one[0] for one in outputs[i::n_each]]) for i in range(n_each))
        rows = _decoded(cls, obj, bbox, kps, _cells(blob.shape[2], blob.shape[3], self._STRIDES), least_score)
        if len(rows) < 2:
            return rows
        whole = rows[:, :4].clip(-1e6, 1e6).astype(int)  # as OpenCV compares them
        kept = cv2.dnn.NMSBoxes(whole.tolist(), rows[:, 14].tolist(), least_score, self._NMS_IOU, top_k=self._TOP_K)
        return np.asarray(rows[np.asarray(kept, int).ravel()])


def _blob(image: Image) -> NDArray[np.float32]:
    """Turn (H, W, 3) RGB into (1, 3, H, W) float32, blue first: what `cv2.dnn.blobFromImage` gives for 20 times the
    time."""
    return np.stack(cv2.split(image)[::-1], dtype=np.float32)[None]


@lru_cache(maxsize=32)
def _cells(height: int, width: int, strides: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the column and row of every cell of all strides, (K, 2), and its stride, (K, 1)."""
    grids = [np.indices((height // stride, width // stride))[::-1].reshape(2, -1).T for stride in strides]
    steps = [np.full((len(grid), 1), stride) for grid, stride in zip(grids, strides, strict=True)]
    return np.concatenate(grids).astype(np.float32), np.concatenate(steps).astype(np.float32)


def _decoded(
    cls: NDArray[np.float32],
    obj: NDArray[np.float32],
    bbox: NDArray[np.float32],
    kps: NDArray[np.float32],
    places: tuple[NDArray[np.float32], NDArray[np.float32]],
    least_score: float,
) -> NDArray[np.float32]:
    """Turn what the network gives for K cells into rows of `YuNetNetwork.find`, from places relative to the cells."""
    scores = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
    (found,) = np.nonzero(scores >= least_score)
    corner, stride = (place[found] for place in places)
    middle = (corner + bbox[found, :2]) * stride
    with np.errstate(over="ignore"):  # on odd strips
        size = np.exp(bbox[found, 2:]) * stride
    points = (kps[found].reshape(-1, 5, 2) + corner[:, None]) * stride[:, None]
    return np.concatenate(
        [middle - size / 2, size, points.reshape(-1, 10), scores[found, None]], axis=1, dtype=np.float32
    )


@cache
def yunet_network() -> YuNetNetwork:
    """Return the network that ships, loaded at the first call."""
    return YuNetNetwork()


class YuNetDetector:
    """YuNet along one video: see `YuNetNetwork`.

    model_path: the ONNX file, by default the one that ships; AssetError if it is not one. long_side: longer side in
    pixels of a 16:9 picture at the smallest working size (other shapes get the same number of pixels).
    score_threshold in [0, 1]. min_face_px: the smallest face wanted, in pixels of the picture: none is searched at a
    larger size than shows it well, and smaller faces are left out.

    The landmarks of a tilted head are drawn towards an upright one where the face is small in the working
    picture: of a tilt of 20 degrees they show 4 at 60 px, 10 at 110 px and 17 at 180 px. Who aligns faces by them
    takes a larger long_side, or looks again at a crop.
    """

    # YuNet scores a face of 10 px under 0.3, of 12 px 0.6 to 0.8, of 14 px above 0.8, from 20 px on 0.9; the box
    # of a face under 16 px is up to a third too large.
    _FAINT_PX: Final = 20.0
    _CLEAR_PX: Final = 28.0

    def __init__(
        self,
        model_path: Path = YUNET,
        long_side: int = 256,
        score_threshold: float = 0.5,
        min_face_px: float | None = None,
    ) -> None:
        self._score_threshold = score_threshold
        self._network = yunet_network() if model_path == YUNET else YuNetNetwork(model_path)
        self.model_file = self._network.model_file
        self._scales = _MultiScale(self._find, long_side, self._FAINT_PX, self._CLEAR_PX, min_face_px)

    def detect(self, image: Image) -> list[Face]:
        """See FaceDetector. Landmarks are (5, 2) in YuNet's order, which is Face's."""
        return self._scales.detect(image)

    def skip(self) -> None:
        """See PictureSkipper: the next search for small newcomers is due after so many pictures, looked at or not."""
        self._scales.skip()

    def _find(self, small: Image) -> list[Face]:
        faces = []
        for row in self._network.find(small, self._score_threshold):
            if not np.isfinite(row).all():  # YuNet's box is an exponential, which overflows on odd strips
                continue
            x, y, width, height = row[:4]
            box = np.array([x, y, x + width, y + height], np.float32)
            landmarks = row[4:14].reshape(5, 2).copy()
            if _belong(landmarks, box):
                faces.append(Face(box, float(np.clip(row[14], 0.0, 1.0)), landmarks))
        return faces


def _belong(landmarks: NDArray[np.float32], box: NDArray[np.float32]) -> bool:
    """Say whether (5, 2) landmarks are in the box or within half its size of it, as those of every face are: in very
    long strips OpenCV's network now and then makes up sure faces, whose landmarks are anywhere."""
    margin = (box[2:] - box[:2]) / 2
    return bool(((landmarks >= box[:2] - margin) & (landmarks <= box[2:] + margin)).all())


class _MultiScale:
    """Runs a detector at the smallest working size that still shows the faces there are.

    A talking head is found in 256 x 144 pixels as well as in 640 x 360, in a sixth of the time; a face of 40
    pixels in 1280 x 720 only in the latter. So each picture is searched at one size, which grows at once when
    a face in it becomes faint and shrinks when all have been clear for a period. Now and then (on the first
    picture, every SEARCH_EVERY pictures, more often while there is no face, and at once when the last one
    goes) the widest size looks for small newcomers. It counts pictures, not seconds, so that a file and a
    live stream agree.
    """

    SEARCH_EVERY = 45  # the wide search of 1280 x 720 takes 12 ms: 0.3 ms a picture
    SEARCH_EVERY_EMPTY = 10
    # Longer side of 16:9; pictures above 1280 x 720 may go to the last, smaller ones stop before it.
    SIZES = (480, 640, 960)
    MIN_SIDE_PX = 16
    SAME_IOU = 0.3
    SAME_INSIDE = 0.6

    def __init__(
        self,
        find: Callable[[Image], list[Face]],
        long_side: int,
        faint_px: float,
        clear_px: float,
        min_face_px: float | None = None,
    ) -> None:
        self._find = find
        self._sizes = (long_side, *(size for size in self.SIZES if size > long_side))
        self._faint_px, self._clear_px, self._min_face_px = faint_px, clear_px, min_face_px
        self._start((0, 0))

    def _start(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._level = 0
        self._until_search = 0
        self._smallest_px = np.inf  # since the last search, in the full picture
        self._had_faces = False
        n_pixels = max(shape[0] * shape[1], 1)
        scales = [min(1.0, (size * size * 9 / 16 / n_pixels) ** 0.5) for size in self._sizes]
        if n_pixels <= 1280 * 720 and len(scales) > 1:
            scales.pop()
        if self._min_face_px is not None:
            enough = min(self._clear_px / self._min_face_px, max(scales))
            scales = [*(scale for scale in scales if scale < enough), enough]
        self._scales = sorted(set(scales))

    def detect(self, image: Image) -> list[Face]:
        height, width = image.shape[:2]
        if min(height, width) < self.MIN_SIDE_PX:
            return []
        if (height, width) != self._shape:
            self._start((height, width))
        widest = len(self._scales) - 1
        faces = self._at(image, self._level)
        search = self._until_search <= 0 or (self._had_faces and not faces)
        if search and self._level < widest:
            faces = self._joined(faces, self._at(image, widest))
        self._choose_level(faces, search)
        return sorted(faces, key=lambda face: -face.score)

    def skip(self) -> None:
        self._until_search -= 1

    def _choose_level(self, faces: list[Face], searched: bool) -> None:
        smallest_px = min((face.size_px for face in faces), default=np.inf)
        self._smallest_px = min(self._smallest_px, smallest_px)
        self._had_faces = bool(faces)
        self._until_search -= 1
        if searched:
            self._until_search = (self.SEARCH_EVERY if faces else self.SEARCH_EVERY_EMPTY) - 1
            self._level = min(self._level, self._level_for(self._smallest_px, self._clear_px))
            self._smallest_px = smallest_px
        if smallest_px * self._scales[self._level] < self._faint_px:
            self._level = self._level_for(smallest_px, self._clear_px)

    def _level_for(self, size_px: float, wanted_px: float) -> int:
        for level, scale in enumerate(self._scales):
            if size_px * scale >= wanted_px:
                return level
        return len(self._scales) - 1

    def _at(self, image: Image, level: int) -> list[Face]:
        """Return the faces found at one working size, in pixels of the full picture and clipped to it."""
        height, width = image.shape[:2]
        scale = self._scales[level]
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        # Bilinear even where it skips pixels: scores differ by 0.01 to 0.03 from area averaging, which takes
        # 4 ms of a 1920 x 1080 picture, where the detection takes 2 ms.
        small = image if size == (width, height) else cv2.resize(np.ascontiguousarray(image), size)
        ratio = np.array([width / size[0], height / size[1]], np.float32)
        faces = []
        for face in self._find(np.ascontiguousarray(small, np.uint8)):
            box = np.clip(face.box_xyxy * np.tile(ratio, 2), 0, np.array([width, height] * 2, np.float32))
            if (box[2:] - box[:2] >= 1).all():
                points = None if face.landmarks is None else face.landmarks * ratio
                found = Face(box.astype(np.float32), face.score, points)
                if self._min_face_px is None or found.size_px >= self._min_face_px:
                    faces.append(found)
        return faces

    def _joined(self, usual: list[Face], wide: list[Face]) -> list[Face]:
        """Join what the usual size and the widest saw. A face seen by both keeps its usual box, or it would
        twitch at every search; but not where it was too faint there to be boxed well."""
        scale = self._scales[self._level]
        clear = [face for face in usual if face.size_px * scale >= self._faint_px]
        faint = [face for face in usual if face.size_px * scale < self._faint_px]
        return self._added(self._added(clear, wide), faint)

    def _added(self, faces: list[Face], more: list[Face]) -> list[Face]:
        """Return faces, and those of more that are none of them."""
        boxes = [face.box_xyxy for face in faces]
        return faces + [f for f in more if not any(self._same(f.box_xyxy, box) for box in boxes)]

    def _same(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
        width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
        common = max(float(width), 0.0) * max(float(height), 0.0)
        area_a, area_b = float(np.prod(a[2:] - a[:2])), float(np.prod(b[2:] - b[:2]))
        inside = common / min(area_a, area_b)
        return inside > self.SAME_INSIDE or common / (area_a + area_b - common) > self.SAME_IOU
