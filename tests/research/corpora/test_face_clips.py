"""Faces of clips: whose, where, how many pictures, what is kept of them, and clips that are not whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from emofuse.errors import CorpusError
from emofuse.inference.detector import YuNetDetector
from emofuse.preprocessing.face import BOX, LANDMARKS, SIZE
from emofuse.preprocessing.face_clip import BLACK, choose_frames, crop_clip_face, whole_frame
from emofuse.research.corpora import face_clips
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.face_clips import FaceClip, read_face_clip
from emofuse.research.corpora.manifest import Clip
from emofuse.research.corpora.registry import read_corpus
from emofuse.types import Face
from make_media import Colour, Sound, Video, crowd, cut, record, spoil

RED, BLUE = (220, 30, 30), (30, 30, 220)
FILM = (160, 120)
Place = tuple[int, int, int]  # left, top, side
Read = Callable[..., FaceClip]


class SquareDetector:
    """Finds squares of a colour, as if the framing of a face were all of one."""

    n_pictures = 0

    def detect(self, image: np.ndarray) -> list[Face]:
        SquareDetector.n_pictures += 1
        faces = []
        for colour in (RED, BLUE):
            rows, columns = np.nonzero(np.abs(image.astype(int) - colour).max(axis=2) < 60)
            if len(rows) > 50:
                faces.append(framed((int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1)))
        return faces


def framed(place: Place) -> Face:
    left, top, side = place
    scale, corner = side / SIZE, np.array([left, top]) + side / SIZE / 2 - 0.5  # edges of pixels, not centres
    box = (BOX.reshape(2, 2) * scale + corner).astype(np.float32)
    return Face(box.reshape(4), 0.9, (LANDMARKS * scale + corner).astype(np.float32))


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a film of where people are in each picture, and their sound if asked for."""

    def write(
        people: Sequence[Mapping[Colour, Place]], rate_hz: float = 25.0, name: str = "film.mkv", sound: bool = False
    ) -> Path:
        video = Video(FILM, tuple(i / rate_hz for i in range(len(people))), options={"crf": "8"})
        pictures = [crowd(FILM, here) if here is not None else np.zeros((*FILM[::-1], 3), np.uint8) for here in people]
        return record(tmp_path / name, video, Sound() if sound else None, pictures=pictures)

    return write


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that reads the face clip of a file, into a cache of the test's own."""
    cache = FeatureCache(tmp_path / "cache")

    def clip(path: Path, size_px: int = 56, margin: float = 0.2, **cuts: float) -> FaceClip:
        return read_face_clip(Clip(path, "sad", "s1", **cuts), size_px, margin, SquareDetector, cache)

    return clip


def moving(n: int = 10) -> list[dict[Colour, Place]]:
    return [{RED: (20 + 2 * i, 30, 48)} for i in range(n)]


def all_frames(clip: FaceClip, size_px: int = 56, offset: tuple[int, int] = (0, 0)) -> np.ndarray:
    return clip.frames(np.arange(len(clip)), size_px, offset)


def middle(frames: np.ndarray) -> np.ndarray:
    """Return the mean colour of the middle of each frame, where the face is: (T, 3)."""
    size = frames.shape[1]
    inner = slice(size // 2 - 4, size // 2 + 4)
    return frames[:, inner, inner].mean(axis=(1, 2))


def test_every_picture_becomes_a_crop_of_the_face(film: Callable[..., Path], read: Read) -> None:
    clip = read(film(moving()))
    assert (len(clip), clip.n_found, clip.n_lost, clip.n_people, clip.fell_back) == (10, 10, 0, 1, False)
    assert clip.stored_px == 64
    np.testing.assert_allclose(clip.times_s, np.arange(10) / 25)
    frames = all_frames(clip)
    assert frames.shape == (10, 56, 56, 3)
    assert frames.dtype == np.uint8
    # the face fills 1 / 1.4 of the crop: 40 of 56 pixels
    assert np.abs(frames[:, 12:44, 12:44].astype(int) - RED).max(axis=3).mean() < 20
    assert np.abs(frames[:, :6, :].astype(int) - 90).max(axis=3).mean() < 20


@pytest.mark.parametrize(("size_px", "margin"), [(112, 0.0), (112, 0.2), (56, 0.5)])
def test_unmoved_frames_are_what_the_analyzer_would_crop(
    film: Callable[..., Path], read: Read, size_px: int, margin: float
) -> None:
    place = (50, 40, 48)
    clip = read(film([{RED: place}] * 3), size_px, margin)
    expected = crop_clip_face(crowd(FILM, {RED: place}), framed(place), size_px, margin)
    assert np.abs(all_frames(clip, size_px)[1].astype(int) - expected).mean() < 4  # of the film's and the JPEG's loss


def test_an_offset_moves_the_crop_over_what_is_kept_and_repeats_its_edge(film: Callable[..., Path], read: Read) -> None:
    clip = read(film(moving(1)))
    whole = clip.frames(np.array([0]), 64)[0]
    assert np.array_equal(all_frames(clip)[0], whole[4:60, 4:60])
    assert np.array_equal(all_frames(clip, offset=(3, -4))[0], whole[7:63, 0:56])
    beyond = all_frames(clip, offset=(0, 10))[0]
    assert np.array_equal(beyond[:, :50], whole[4:60, 14:64])
    assert (beyond[:, 50:] == whole[4:60, 63:64]).all()


def test_only_the_chosen_pictures_are_decoded(
    film: Callable[..., Path], read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = read(film([{RED: (50, 40, 48)}, {BLUE: (50, 40, 48)}, {RED: (50, 40, 48)}]))
    calls = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *given: (calls.append(1), decode(*given))[1])
    frames = clip.frames(np.array([2, 0, 2, BLACK, BLACK]), 56)
    assert len(calls) == 2
    assert np.abs(middle(frames[:3]) - RED).max() < 25
    assert (frames[3:] == 0).all()


def test_there_are_at_most_30_pictures_a_second(film: Callable[..., Path], read: Read) -> None:
    fast = read(film(moving(30), rate_hz=60))
    np.testing.assert_allclose(fast.times_s, np.arange(15) / 30, atol=1e-3)
    usual = read(film(moving(20), rate_hz=30_000 / 1001, name="ntsc.mp4"))
    assert len(usual) == 20


def test_a_face_that_is_lost_is_where_it_was_last(film: Callable[..., Path], read: Read) -> None:
    there, gone = {RED: (20, 30, 48)}, {}
    clip = read(film([gone] * 2 + [there] * 3 + [gone] * 3 + [{RED: (24, 30, 48)}] * 2))
    assert (len(clip), clip.n_found, clip.n_lost, clip.fell_back) == (10, 5, 5, False)
    frames = all_frames(clip)
    assert np.abs(middle(frames[[2, 3, 4, 8, 9]]) - RED).max() < 25
    assert np.abs(middle(frames[[0, 1, 5, 6, 7]]) - 90).max() < 15  # the wall there, at the size of the face
    wall = read(film([there] * 3 + [{BLUE: (20, 30, 10)}], name="later.mkv"))
    assert np.abs(all_frames(wall)[3, 9:14, 9:14].astype(int) - BLUE).mean() < 60  # the same place, not the whole frame


def test_of_several_people_the_one_who_is_there_most_and_largest_is_seen(film: Callable[..., Path], read: Read) -> None:
    near, far = (20, 30, 48), (120, 10, 24)
    both = read(film([{RED: far, BLUE: near}] * 6))
    assert (both.n_people, both.n_found) == (2, 6)
    assert np.abs(middle(all_frames(both)) - BLUE).max() < 25
    later = read(film([{BLUE: near}] * 2 + [{RED: far}] * 10, name="later.mkv"))
    assert (later.n_people, later.n_found) == (2, 10)
    assert np.abs(middle(all_frames(later))[2:] - RED).max() < 40
    passing = read(film([{BLUE: near}] * 11 + [{BLUE: near, RED: far}], name="passing.mkv"))
    assert passing.n_people == 1


def test_without_a_face_the_whole_picture_is_kept(film: Callable[..., Path], read: Read) -> None:
    picture = {(30, 200, 30): (40, 20, 70)}
    clip = read(film([picture] * 4))
    assert (clip.fell_back, clip.n_found, clip.n_lost, clip.n_people) == (True, 0, 4, 0)
    expected = whole_frame(crowd(FILM, picture), 56)
    assert np.abs(all_frames(clip)[2].astype(int) - expected).mean() < 4
    assert clip.stored_px == 64  # here too the crop can be moved


def test_black_pictures_at_the_end_are_no_part_of_the_clip(film: Callable[..., Path], read: Read) -> None:
    clip = read(film([*moving(3), None, *moving(3), None, None]))
    assert (len(clip), clip.n_found) == (7, 6)
    black = read(film([None] * 4, name="black.mkv"))
    assert (len(black), black.fell_back) == (4, True)


def test_a_clip_is_cut_out_and_its_times_count_from_its_start(film: Callable[..., Path], read: Read) -> None:
    path = film([{RED: (50, 40, 48)}] * 10 + [{BLUE: (50, 40, 48)}] * 15)
    clip = read(path, start_s=0.4, end_s=0.8)
    np.testing.assert_allclose(clip.times_s, np.arange(10) / 25, atol=1e-6)
    assert np.abs(middle(all_frames(clip)) - BLUE).max() < 25
    assert len(read(path, start_s=0.8)) == 5


def test_what_was_made_comes_from_the_cache(film: Callable[..., Path], read: Read) -> None:
    path = film(moving(4), sound=True)
    first = read(path)
    n_pictures = SquareDetector.n_pictures
    again = read(path)
    assert SquareDetector.n_pictures == n_pictures
    assert np.array_equal(all_frames(first), all_frames(again))
    assert (again.n_found, again.n_people, again.fell_back, again.stored_px) == (4, 1, False, 64)
    for other in ({"margin": 0.3}, {"size_px": 112}, {"start_s": 0.04}):
        read(path, **other)
        assert SquareDetector.n_pictures > n_pictures
        n_pictures = SquareDetector.n_pictures


def test_a_packed_clip_is_the_same_again_and_other_bytes_are_none(film: Callable[..., Path], read: Read) -> None:
    clip = read(film(moving(3)))
    packed = clip.packed()
    assert packed.dtype == np.uint8
    assert len(packed) < 3 * 3_000
    again = FaceClip.unpacked(packed)
    assert np.array_equal(again.times_s, clip.times_s)
    assert np.array_equal(all_frames(again), all_frames(clip))
    for wrong in (packed[:-1], packed[:30], packed[:0], np.roll(packed, 1), np.zeros(500, np.uint8)):
        with pytest.raises(ValueError, match="face clip"):
            FaceClip.unpacked(wrong)


def test_another_version_makes_everything_anew(
    film: Callable[..., Path], read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(moving(2))
    old = read(path).packed()
    n_pictures = SquareDetector.n_pictures
    monkeypatch.setattr(face_clips, "VERSION", face_clips.VERSION + 1)
    with pytest.raises(ValueError, match="face clip of this version"):
        FaceClip.unpacked(old)
    assert len(read(path)) == 2
    assert SquareDetector.n_pictures == n_pictures + 2


def test_files_without_a_picture_are_named(read: Read, voice_wav: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"voice\.wav has no picture$"):
        read(voice_wav)
    (tmp_path / "text.mp4").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CorpusError, match=r"cannot read .*text\.mp4: it is not a recording"):
        read(tmp_path / "text.mp4")
    with pytest.raises(CorpusError, match=r"cannot read .*gone\.mp4"):
        read(tmp_path / "gone.mp4")


def test_a_clip_that_goes_on_after_its_film_is_refused(film: Callable[..., Path], read: Read) -> None:
    path = film(moving(25), sound=True)
    with pytest.raises(CorpusError, match=r"film\.mkv: its picture ends at 1\.00 s, but the clip at 1\.5 s"):
        read(path, start_s=0.5, end_s=1.5)
    with pytest.raises(CorpusError, match=r"film\.mkv has no picture from 1\.2 s on"):
        read(path, start_s=1.2)
    assert len(read(path, end_s=1.05)) == 25  # an end may be rounded up


def test_a_damaged_film_is_refused_and_nothing_is_kept(film: Callable[..., Path], read: Read, tmp_path: Path) -> None:
    path = film(moving(50), name="whole.mkv")
    noisy = spoil(path, tmp_path / "noisy.mkv", 0.3, 0.6)
    with pytest.raises(CorpusError, match=re.escape(f"{noisy}: ") + ".*(picture|damaged)"):
        read(noisy)
    half = cut(path, tmp_path / "half.mkv", 0.6)
    with pytest.raises(CorpusError, match=r"half\.mkv: .*missing"):
        read(half)
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_damage_of_the_sound_alone_does_not_matter(
    film: Callable[..., Path], read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(moving(3), sound=True)
    lines = ["2 damaged packets of the sound, the first near 0.1 s, were left out"]
    monkeypatch.setattr("emofuse.media.reader.MediaReader.warnings", lines)
    assert len(read(path)) == 3
    lines.append("1 frames of the picture are damaged and were kept")
    with pytest.raises(CorpusError, match=r"film\.mkv: 1 frames of the picture are damaged and were kept$"):
        read(path, margin=0.1)


def upright_tilt_deg(frames: np.ndarray) -> float:
    """Return how far the line through the eyes is from level in these crops, root mean square."""
    detector = YuNetDetector()
    tilts = []
    for frame in frames:
        for face in detector.detect(frame)[:1]:
            assert face.landmarks is not None
            across, down = face.landmarks[1] - face.landmarks[0]
            tilts.append(np.degrees(np.arctan2(down, across)))
    assert len(tilts) > 0.9 * len(frames)
    return float(np.sqrt(np.mean(np.square(tilts))))


@pytest.mark.corpus
def test_the_face_is_found_in_every_real_crop(corpora: Path, tmp_path: Path) -> None:
    clips = read_corpus("ravdess-video", corpora / "ravdess_facecrops").clips[::6]
    maker, cache = YuNetDetector, FeatureCache(tmp_path)
    made = [read_face_clip(clip, 112, 0.2, maker, cache) for clip in clips]
    assert all(clip.n_lost == 0 and clip.n_people == 1 and not clip.fell_back for clip in made)
    assert {len(clip) for clip in made} <= set(range(12, 16))  # 15, less the black ones
    assert sum(len(clip.packed()) for clip in made) / sum(map(len, made)) < 8_000  # bytes a picture
    frames = np.concatenate([clip.frames(choose_frames(len(clip), 3, "uniform"), 112) for clip in made])
    assert frames.reshape(len(frames), -1).max(axis=1).min() > 100  # none is black
    assert upright_tilt_deg(frames) < 4


@pytest.mark.corpus
def test_the_face_is_found_in_a_real_film(corpora: Path, tmp_path: Path) -> None:
    clip = read_corpus("ravdess-video", corpora / "ravdess_original").clips[0]
    made = read_face_clip(clip, 112, 0.2, YuNetDetector, FeatureCache(tmp_path))
    assert (len(made), made.n_lost, made.n_people, made.fell_back) == (93, 0, 1, False)
    assert made.times_s[-1] == pytest.approx(3.07, abs=0.01)
    frames = made.frames(choose_frames(len(made), 12, "uniform"), 112)
    assert upright_tilt_deg(frames) < 4
    detector = YuNetDetector()
    found = [face.landmarks.mean(axis=0) for frame in frames for face in detector.detect(frame)]  # type: ignore[union-attr]
    assert len(found) == 12
    places = (np.mean(found, axis=0) + 0.5) * SIZE * 1.4 / 112 - 0.5 - 0.2 * SIZE
    assert np.abs(places - LANDMARKS.mean(axis=0)).max() < 1.5  # pixels of 48: where the face network has them
