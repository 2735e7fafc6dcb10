"""Who is who: the same through cuts and absences, never two in one picture, and unknown where it cannot be told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.errors import AssetError
from emofuse.inference.face_identity import FACE_IDENTITY, FaceEmbedder
from emofuse.inference.people import PeopleFollower, TrackRecord, likeness
from emofuse.inference.people_clustering import assign_people, main_face
from emofuse.people import join_stretches
from emofuse.preprocessing.face import FaceCrops
from emofuse.types import Face

D = 64
BLANK = FaceCrops(np.zeros((90, 160, 3), np.uint8))


def somebody(seed: int) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).normal(size=D)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def near(vector: NDArray[np.float32], seed: int, likeness: float = 0.9) -> NDArray[np.float32]:
    """Another picture of the same: at a likeness of it, in a direction of its own."""
    other = somebody(seed + 1000)
    other -= vector * (other @ vector)
    return likeness * vector + (1 - likeness**2) ** 0.5 * other / np.linalg.norm(other)


def track(
    track_id: int,
    start_s: float,
    end_s: float,
    face: NDArray[np.float32],
    weight: float = 6.0,
    looks: int | None = None,
) -> TrackRecord:
    seen = np.random.default_rng(track_id if looks is None else looks).normal(size=288).astype(np.float32)
    return TrackRecord(track_id, start_s, end_s, near(face, track_id) * np.float32(weight), seen, weight)


def test_the_face_of_a_recording_is_that_of_whoever_is_seen_most():
    anna, ben = somebody(1), somebody(2)
    found = main_face([track(1, 0, 9, anna), track(2, 10, 12, ben), track(3, 13, 20, anna)])
    assert found is not None and likeness(found, anna) > 0.85 > likeness(found, ben)
    assert main_face([]) is None and main_face([track(1, 0, 0.1, anna, weight=0.1)]) is None


def test_two_people_who_are_cut_between_are_two_people():
    anna, ben = somebody(1), somebody(2)
    records = [track(i, 4.0 * i, 4.0 * i + 4, (anna, ben)[i % 2]) for i in range(1, 41)]
    told = assign_people(records)
    assert told == {i: 1 if i % 2 else 2 for i in range(1, 41)}


def test_two_who_are_seen_at_once_are_two_people_however_alike():
    twin = somebody(1)
    told = assign_people([track(1, 0, 9, twin, looks=5), track(2, 3, 6, twin, looks=5), track(3, 10, 14, twin)])
    assert told[1] != told[2]
    assert told[3] in (told[1], told[2])


def test_what_was_hardly_seen_is_unknown_or_somebody_who_is_known_and_nobody_new():
    anna = somebody(1)
    glimpse_of_anna = track(2, 20, 20.3, anna, weight=0.5)
    somebody_in_the_crowd = track(3, 30, 30.3, somebody(9), weight=0.5)
    assert assign_people([track(1, 0, 9, anna), glimpse_of_anna, somebody_in_the_crowd]) == {1: 1, 2: 1, 3: None}


def test_the_same_shot_taken_again_helps_where_the_face_alone_does_not():
    anna = somebody(1)
    a, b = track(1, 0, 5, anna, looks=7), track(2, 9, 12, near(anna, 3, 0.65), looks=7)
    other_shot = TrackRecord(2, 9, 12, b.total, track(5, 0, 1, anna).looks, b.weight)
    assert assign_people([a, b])[2] == 1
    assert assign_people([a, other_shot])[2] == 2


def test_a_track_without_a_picture_that_tells_is_unknown():
    assert assign_people([TrackRecord(1, 0.0, 0.1)]) == {1: None}


def test_many_tracks_are_joined_as_few_are():
    people = [somebody(i) for i in range(3)]
    told = assign_people([track(i, i, i + 0.9, people[i % 3]) for i in range(1300)])
    assert set(told.values()) == {1, 2, 3}
    assert all(told[i] == i % 3 + 1 for i in range(1300))


class _Told(FaceEmbedder):
    """Embeds a face by its place: who sits where is known."""

    def __init__(self, who: dict[int, NDArray[np.float32]]) -> None:
        self._who = who
        self._n = 0

    def embed(self, crops, faces):
        self._n += 1
        return np.stack([near(self._who[int(face.box_xyxy[0])], self._n) for face in faces])


def a_face(x: int, track_id: int) -> Face:
    return Face(np.array([x, 10, x + 50, 70], np.float32), 0.95, None, track_id)


def test_as_pictures_come_people_keep_their_ids_through_cuts():
    anna, ben = somebody(1), somebody(2)
    follower = PeopleFollower(_Told({10: anna, 90: ben}))
    found = []
    for i in range(120):
        shot = i // 20
        faces = [a_face(10 if shot % 2 == 0 else 90, shot + 1)]
        found.append(follower.push(BLANK, faces, i / 10)[0].person_id)
    assert set(found[5:20]) == {1} and set(found[25:40]) == {2}  # a few pictures are looked at before that is told
    assert set(found[42:60]) | set(found[82:100]) == {1} and set(found[62:80]) | set(found[102:]) == {2}


def test_as_pictures_come_nobody_is_in_one_picture_twice_and_ids_are_never_taken_back():
    twin = somebody(1)
    follower = PeopleFollower(_Told({10: twin, 90: twin}))
    told: dict[int, set[int | None]] = {1: set(), 2: set()}
    for i in range(100):
        faces = [a_face(10, 1)] + ([a_face(90, 2)] if i >= 30 else [])
        ids = [face.person_id for face in follower.push(BLANK, faces, i / 10)]
        known = [one for one in ids if one is not None]
        assert len(set(known)) == len(known)
        for face_id, person_id in zip((1, 2), ids, strict=False):
            told[face_id].add(person_id)
    assert told[1] - {None} == {1}
    assert told[2] == {None} or len(told[2] - {None}) == 1


def test_what_ended_is_kept_up_to_a_number_only():
    follower = PeopleFollower(_Told({10: somebody(1)}))
    for i in range(1200):
        follower.push(BLANK, [a_face(10, i)], 2.0 * i)
    assert len(follower.ended) == 1024


def test_stretches_that_nearly_touch_are_one():
    assert join_stretches([(5, 6), (0, 2), (1, 3), (3.4, 4)], apart_s=0.5) == ((0, 4), (5, 6))


def test_the_network_that_ships_tells_a_face_from_its_like(tmp_path):
    patches = np.random.default_rng(0).integers(0, 255, (6, 10, 3), dtype=np.uint8)
    image = cv2.resize(patches, (160, 90), interpolation=cv2.INTER_CUBIC)
    face, moved = a_face(40, 1), Face(np.array([41, 11, 91, 71], np.float32), 0.95)
    a, b, c = FaceEmbedder().embed(FaceCrops(image), [face, moved, a_face(100, 2)])
    assert a @ a == pytest.approx(1, abs=1e-4)
    assert a @ b > 0.9 > a @ c
    with pytest.raises(AssetError):
        FaceEmbedder(tmp_path / "none.onnx")
    assert FACE_IDENTITY.stat().st_size < 1_000_000
