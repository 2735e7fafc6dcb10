"""The face of a clip: found, followed, cropped upright, and kept as small pictures that are decoded when needed.

A clip is decoded twice, to find the face and to cut it out, so that its pictures need not all be in memory.
"""

from __future__ import annotations

import itertools
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.errors import CorpusError
from emofuse.inference.detector import DetectorMaker, FaceDetector
from emofuse.inference.tracker import FaceTracker, face_appearance
from emofuse.preprocessing.face_clip import BLACK, LandmarkSmoother, crop_clip_face, whole_frame
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.decode import ROUNDING_S, clip_packets, open_recording, stretch_of
from emofuse.research.corpora.manifest import Clip
from emofuse.types import Face, Frame

VERSION: Final = 1  # of what follows; another one finds nothing that this one cached
SHORTEST_STEP_S: Final = 1 / 30 - 0.002  # between two pictures that are kept: times are rounded to the millisecond
JPEG_QUALITY: Final = 95
ROOM: Final = 8 / 7  # the pictures that are kept are so much wider than those asked for: they can be moved
BLACKEST: Final = 16  # of 255: nothing can be seen where no pixel is lighter
LONGEST_LOSS_S: Final = 3.0  # a face that comes back within it is the same person
PERSON_SHARE: Final = 0.2  # who is seen in so much of the main person's pictures is one, too

_HEAD: Final = struct.Struct("<4sHHIII?")
_MAGIC: Final = b"emoF"


@dataclass(frozen=True, slots=True, eq=False)
class FaceClip:
    """The main person's face in each picture of a clip, as JPEGs.

    jpegs: (B,) uint8, one after another, ends: (T,) int64, where each ends; they are stored_px wide and high. times_s:
    (T,) float64 from the start of the clip. n_found: in how many the face was found; in the others it is where it was
    last. n_people: how many were there for long. fell_back: no face at all, so these are the whole pictures.
    """

    jpegs: NDArray[np.uint8]
    ends: NDArray[np.int64]
    times_s: NDArray[np.float64]
    stored_px: int
    n_found: int
    n_people: int
    fell_back: bool

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def n_lost(self) -> int:
        """In how many pictures the face was not found."""
        return len(self) - self.n_found

    def frames(self, indices: NDArray[np.int64], size_px: int, offset: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
        """Decode the chosen pictures alone: (T, size_px, size_px, 3) RGB, black where the index is BLACK.

        Each is the middle of what is kept, moved down and right by `offset`; what lies beyond repeats the edge.
        """
        first = (self.stored_px - size_px) // 2
        rows, columns = (np.clip(first + by + np.arange(size_px), 0, self.stored_px - 1) for by in offset)
        frames = np.zeros((len(indices), size_px, size_px, 3), np.uint8)
        for index in set(indices.tolist()) - {BLACK}:
            start = self.ends[index - 1] if index else 0
            picture = cv2.imdecode(self.jpegs[start : self.ends[index]], cv2.IMREAD_COLOR)
            assert picture is not None, "what `_encoded` made is a JPEG"
            frames[indices == index] = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)[rows[:, None], columns]
        return frames

    def packed(self) -> NDArray[np.uint8]:
        """Return all of it as bytes, (B,) uint8."""
        head = _HEAD.pack(_MAGIC, VERSION, self.stored_px, len(self), self.n_found, self.n_people, self.fell_back)
        parts = (head, self.times_s.astype("<f8").tobytes(), self.ends.astype("<i8").tobytes(), self.jpegs.tobytes())
        return np.frombuffer(b"".join(parts), np.uint8)

    @classmethod
    def unpacked(cls, packed: NDArray[np.uint8]) -> Self:
        """Return what `packed` returned the bytes of. Raises ValueError for any others."""
        data = packed.tobytes()
        magic, version, stored_px, n, n_found, n_people, fell_back = _HEAD.unpack(data[: _HEAD.size].ljust(_HEAD.size))
        body = _HEAD.size + 16 * n
        if (magic, version) != (_MAGIC, VERSION) or len(data) < body:
            raise ValueError("these bytes are no face clip of this version")
        times_s = np.frombuffer(data, "<f8", n, _HEAD.size).astype(np.float64)
        ends = np.frombuffer(data, "<i8", n, _HEAD.size + 8 * n).astype(np.int64)
        jpegs = np.frombuffer(data, np.uint8, offset=body)
        if n and ends[-1] != len(jpegs):
            raise ValueError(f"the face clip is {len(jpegs)} bytes of pictures long, not {ends[-1]}")
        return cls(jpegs, ends, times_s, stored_px, n_found, n_people, fell_back)


def read_face_clip(
    clip: Clip, size_px: int, margin: float, make_detector: DetectorMaker, cache: FeatureCache
) -> FaceClip:
    """Find, follow and crop the main person's face in a clip; done once, it comes from the cache.

    The main person is there most and largest. size_px and margin: of the pictures that `frames` returns when nothing
    is moved, which are those of `crop_clip_face`, or of `whole_frame` where there is no face. There are at most 30
    pictures a second; black ones at the end, as of clips that were padded, are left out.
    Raises CorpusError when there is no picture, when the file cannot be read or a part of it is damaged or missing,
    and when it ends before the clip does.
    """
    detector = make_detector()
    key: dict[str, Any] = {"what": "face clip", "version": VERSION, "size_px": size_px, "margin": margin}
    key |= {"start_s": clip.start_s, "end_s": clip.end_s, "detector": type(detector).__name__}
    key |= {"decoder": av.__version__, "vision": cv2.__version__}
    packed = cache.get(clip.path, key, lambda: _made(clip, size_px, margin, detector).packed())
    return FaceClip.unpacked(packed)


def _made(clip: Clip, size_px: int, margin: float, detector: FaceDetector) -> FaceClip:
    times_s, sightings = _follow(_pictures(clip), detector)
    places, n_found, n_people = _main_person(sightings, times_s)
    stored_px = round(size_px * ROOM)
    wider = ((1 + 2 * margin) * stored_px / size_px - 1) / 2  # so that the middle has the margin
    jpegs: list[NDArray[np.uint8]] = []
    if places:
        for frame, face in zip(_pictures(clip), places, strict=False):  # but for the black ones at the end
            jpegs.append(_encoded(crop_clip_face(frame.image, face, stored_px, wider)))
    else:
        edges = ((stored_px - size_px) // 2, stored_px - size_px - (stored_px - size_px) // 2)
        for frame in itertools.islice(_pictures(clip), len(times_s)):
            square = whole_frame(frame.image, size_px)
            jpegs.append(_encoded(np.pad(square, (edges, edges, (0, 0)), mode="edge")))
    return FaceClip(
        jpegs=np.concatenate(jpegs),
        ends=np.cumsum([len(jpeg) for jpeg in jpegs], dtype=np.int64),
        times_s=np.array(times_s) - clip.start_s,
        stored_px=stored_px,
        n_found=n_found,
        n_people=n_people,
        fell_back=not places,
    )


def _pictures(clip: Clip) -> Iterator[Frame]:
    """Yield at most 30 pictures a second of a clip; raise CorpusError, at its end at the latest, if it is not whole."""
    kept_s = end_s = None
    with open_recording(clip.path) as media:
        for packet in clip_packets(clip, media):
            if not isinstance(packet, Frame):
                continue
            end_s = packet.time_s
            if kept_s is None or packet.time_s - kept_s >= SHORTEST_STEP_S:
                kept_s = packet.time_s
                yield packet
        damage = [line for line in media.warnings if "the sound" not in line]
        step_s = 1 / (media.source.fps or 25)
    if damage:
        raise CorpusError(f"{clip.path}: {'; '.join(damage)}")
    if end_s is None:
        raise CorpusError(f"{clip.path} has no picture{stretch_of(clip)}")
    if clip.end_s is not None and clip.end_s - (end_s + step_s) > ROUNDING_S:
        raise CorpusError(f"{clip.path}: its picture ends at {end_s + step_s:.2f} s, but the clip at {clip.end_s:g} s")


def _follow(pictures: Iterator[Frame], detector: FaceDetector) -> tuple[list[float], list[dict[int, Face]]]:
    """Return the time of each picture, and the faces in it by the number of the person."""
    tracker = FaceTracker(max_gap_s=LONGEST_LOSS_S)
    times_s: list[float] = []
    sightings: list[dict[int, Face]] = []
    n_lit = 0
    for frame in pictures:
        found = detector.detect(frame.image)
        tracked = tracker.update(found, frame.time_s, [face_appearance(frame.image, face) for face in found])
        times_s.append(frame.time_s)
        sightings.append({face.track_id: face for face in tracked if face.track_id is not None})
        if frame.image.max() > BLACKEST:
            n_lit = len(times_s)
    n_kept = n_lit or len(times_s)
    return times_s[:n_kept], sightings[:n_kept]


def _main_person(sightings: Sequence[dict[int, Face]], times_s: Sequence[float]) -> tuple[list[Face], int, int]:
    """Return where the main person's face is in each picture, in how many it was found, and how many people there are.

    Before the face was first found it is taken to be where it was then, later where it was last.
    """
    seen = Counter(person for faces in sightings for person in faces)
    if not seen:
        return [], 0, 0
    presence = {person: sum(faces[person].size_px for faces in sightings if person in faces) for person in seen}
    main = max(presence, key=lambda person: (presence[person], -person))
    steady = LandmarkSmoother()
    found = [
        steady.update(faces[main], time_s) if main in faces else None
        for faces, time_s in zip(sightings, times_s, strict=True)
    ]
    last = next(face for face in found if face is not None)
    places = [last := face or last for face in found]
    return places, seen[main], sum(n >= PERSON_SHARE * seen[main] for n in seen.values())


def _encoded(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    is_made, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    assert is_made, "a small picture can be made a JPEG"
    return np.asarray(jpeg, dtype=np.uint8).reshape(-1)
