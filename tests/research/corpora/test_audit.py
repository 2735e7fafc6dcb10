"""The audit finds what was planted, each kind in the right fold and parts, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.errors import CorpusError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.ravdess import read_ravdess
from emofuse.research.corpora.splits.audit import KINDS, Overlap, SameSounds, audit, contradictions, same_sounds
from emofuse.research.corpora.splits.protocols import Fold, Split, make_split

Write = Callable[..., Path]
SPLIT = Split("made", "", (Fold("1", (0, 1), (2, 3), (4, 5)), Fold("2", (2, 3), (), (0, 1, 4, 5))))


def noise(seed: int, n: int = 1_600) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-16_000, 16_000, n, dtype=np.int16)


@pytest.fixture
def clean(write_sound: Write) -> Manifest:
    """Return six clips of six speakers in three sessions, each with its own sound and sentence."""
    clips = tuple(
        Clip(
            write_sound(f"clip{i}.wav", noise(i)),
            "sad" if i % 2 else "calm",
            f"s{i}",
            statement=f"Sentence {i}.",
            session="abc"[i // 2],
        )
        for i in range(6)
    )
    return Manifest("made", ("calm", "sad"), clips, "none")


def changed(manifest: Manifest, index: int, **fields: object) -> Manifest:
    clips = list(manifest.clips)
    clips[index] = replace(clips[index], **fields)  # type: ignore[arg-type]
    return replace(manifest, clips=tuple(clips))


def test_a_clean_split_has_no_overlap_but_sessions_that_a_fold_cuts(clean: Manifest) -> None:
    assert audit(clean, SPLIT) == ()
    cut = Split("made", "", (Fold("x", (0, 2), (), (1, 3)),))
    assert [(o.kind, o.value) for o in audit(clean, cut)] == [("session", "a"), ("session", "b")]


def test_a_shared_speaker_is_found(clean: Manifest) -> None:
    planted = changed(clean, 4, speaker="s1")
    paths = [clip.path for clip in planted]
    assert audit(planted, SPLIT) == (Overlap("speaker", "1", ("train", "test"), "s1", (paths[1],), (paths[4],)),)


def test_clips_of_nobody_may_be_one_speakers(clean: Manifest) -> None:
    planted = changed(changed(clean, 4, speaker=""), 2, speaker="")
    found = audit(planted, SPLIT)
    assert [(o.kind, o.fold, o.parts, o.value) for o in found] == [
        ("speaker", "1", ("valid", "test"), "(not named)"),
        ("speaker", "2", ("train", "test"), "(not named)"),
    ]


def test_a_shared_session_is_found_in_every_pair_of_parts(clean: Manifest) -> None:
    planted = changed(changed(clean, 2, session="a"), 4, session="a")
    assert [(o.kind, o.fold, o.parts, o.value, len(o.clips_a), len(o.clips_b)) for o in audit(planted, SPLIT)] == [
        ("session", "1", ("train", "valid"), "a", 2, 1),
        ("session", "1", ("train", "test"), "a", 2, 1),
        ("session", "1", ("valid", "test"), "a", 1, 1),
        ("session", "2", ("train", "test"), "a", 1, 3),
    ]


def test_a_sentence_is_the_same_in_any_spelling(clean: Manifest) -> None:
    planted = changed(clean, 5, statement="  sentence 0 ")
    (found,) = audit(planted, SPLIT)
    assert (found.kind, found.fold, found.parts, found.value) == ("sentence", "1", ("train", "test"), "Sentence 0.")


@pytest.mark.parametrize("copy", ["copy.wav", "copy.flac"])
def test_the_same_sound_under_two_names_and_formats_is_found(clean: Manifest, write_sound: Write, copy: str) -> None:
    planted = changed(clean, 3, path=write_sound(f"elsewhere/{copy}", noise(0)))
    found = audit(planted, SPLIT)
    assert [(o.kind, o.fold, o.parts, o.value) for o in found] == [
        ("audio", "1", ("train", "valid"), "clip0.wav"),
        ("audio", "2", ("train", "test"), "clip0.wav"),
    ]
    assert (found[0].clips_a, found[0].clips_b) == ((clean.clips[0].path,), (planted.clips[3].path,))


def test_a_sound_that_differs_by_one_sample_is_another(clean: Manifest, write_sound: Write) -> None:
    nearly = noise(0)
    nearly[800] += 1
    assert audit(changed(clean, 3, path=write_sound("nearly.wav", nearly)), SPLIT) == ()
    assert audit(changed(clean, 3, path=write_sound("longer.wav", noise(0, 1_601))), SPLIT) == ()


def test_cuts_of_one_recording_are_compared_as_cut(clean: Manifest, write_sound: Write) -> None:
    long = write_sound("long.wav", np.concatenate([noise(7, 16_000), noise(0)]))
    first = changed(clean, 3, path=long, start_s=0.0, end_s=0.1)
    assert audit(first, SPLIT) == ()
    second = changed(clean, 3, path=long, start_s=1.0, end_s=1.1)
    assert [o.value for o in audit(second, SPLIT)] == ["clip0.wav", "clip0.wav"]


def test_the_same_sound_with_two_labels_is_a_contradiction_even_in_one_part(
    clean: Manifest, write_sound: Write
) -> None:
    planted = changed(clean, 1, path=write_sound("copy.flac", noise(0)))
    sounds = same_sounds(planted)
    assert sounds.groups == ((0, 1),)
    assert contradictions(planted, sounds) == ((0, 1),)
    assert audit(planted, Split("made", "", (Fold("1", (0, 1), (), (2,)),)), sounds) == ()
    agreeing = changed(planted, 1, speaker="s0", emotion="calm")
    assert contradictions(agreeing, same_sounds(agreeing)) == ()


def test_what_cannot_be_decoded_is_compared_by_its_bytes_and_listed(
    clean: Manifest, tmp_path: Path, silent_film_mp4: Path
) -> None:
    film, copy = tmp_path / "film.mp4", tmp_path / "again.mp4"
    shutil.copy(silent_film_mp4, film)
    shutil.copy(silent_film_mp4, copy)
    planted = changed(changed(clean, 0, path=film), 4, path=copy)
    sounds = same_sounds(planted)
    assert sounds.groups == ((0, 4),)
    assert [path for path, _ in sounds.undecoded] == [film]
    assert "sound" in sounds.undecoded[0][1]


def test_a_missing_file_is_named(clean: Manifest, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"cannot read .*gone\.wav"):
        audit(changed(clean, 2, path=tmp_path / "gone.wav"), SPLIT)


def test_progress_counts_the_clips_and_given_sounds_are_not_decoded_again(clean: Manifest) -> None:
    told: list[tuple[str, int, int]] = []
    audit(clean, SPLIT, hook=lambda *step: told.append(step))
    assert told == [("compare sounds", i, 6) for i in range(1, 7)]
    audit(clean, SPLIT, SameSounds(()), hook=lambda *step: told.append(step))
    assert len(told) == 6


@pytest.mark.load
@pytest.mark.corpus
def test_ravdess_shares_nothing_but_its_two_sentences(corpora: Path) -> None:
    manifest = read_ravdess(corpora / "ravdess")
    found = audit(manifest, make_split("actor-6fold", manifest, 2))
    assert {o.kind for o in found} == {KINDS[3]} == {"sentence"}
    assert len(found) == 6 * 3 * 2
