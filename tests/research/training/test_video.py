"""Films as a training sees and hears them: faces and sound of every clip, what is said of them, what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emofuse.emotions import RAVDESS
from emofuse.errors import CorpusError, RecipeError, UsageError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.relabel import Relabelled
from emofuse.research.models.settings import SvmSettings
from emofuse.research.tasks import clips as video
from emofuse.research.tasks.clips import VideoData, decode_video
from emofuse.research.tasks.utterances import Corpora
from emofuse.research.training.jobs import load_utterances
from emofuse.research.training.svm import utterance_features
from make_films import (
    EMOTIONS,
    GONE,
    N_PICTURES,
    STILL,
    RedSquares,
    film_recipe,
    write_film,
    write_films,
)
from make_media import RED


@pytest.fixture(autouse=True)
def red_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find faces that need no weights."""
    monkeypatch.setattr(video, "YuNetDetector", RedSquares)


def decode(*clips: Clip, uses_audio: bool = False, **data: object) -> VideoData:
    manifest = Manifest("made", RAVDESS, clips, "")
    settings = film_recipe(**{**STILL, **data}).data
    return decode_video(settings, Corpora(Relabelled(manifest, {}, Counter()), manifest), uses_audio)


def test_a_clip_becomes_its_face(seen: VideoData) -> None:
    assert [clip.emotion for clip in seen.manifest] == ["happy", "angry"] * 3
    assert seen.sounds is None
    assert all(len(clip) == N_PICTURES for clip in seen.clips)
    frames, targets = seen.batches((0, 5)).__getitems__([0, 1])
    assert frames.shape == (2, 4, 112, 112, 3) and frames.dtype == torch.uint8
    assert [RAVDESS[i] for i in targets.argmax(dim=1)] == ["happy", "angry"]
    middle = frames[:, :, 30:82, 30:82].float()
    assert (middle - torch.tensor(RED)).abs().mean() < 25
    assert (frames[:, :, :8].float() - 90).abs().mean() < 25  # the margin


def test_sound_goes_with_the_frames_where_the_network_hears(both: VideoData) -> None:
    assert both.sounds is not None
    assert {len(sound) for sound in both.sounds} == {len(both.sounds[0])} and abs(len(both.sounds[0]) - 9_600) < 2_100
    (frames, samples, present), _ = both.batches((0, 1)).__getitems__([0, 1])
    assert frames.shape == (2, 4, 112, 112, 3)
    assert samples.shape == (2, 9_600) and present.tolist() == [[1, 1], [1, 1]]
    loudest = torch.fft.rfft(samples[:, :8_000]).abs().argmax(dim=1) * 2  # Hz
    assert (loudest - torch.tensor([601, 1001])).abs().max() <= 4


def test_a_recording_of_its_own_goes_before_the_sound_of_the_film(tmp_path: Path) -> None:
    films = write_films(tmp_path, (1,))
    t = np.arange(9_600) / 16_000
    (films / "ravdess/audios/Actor_01").mkdir(parents=True)
    soundfile.write(
        films / "ravdess/audios/Actor_01/03-01-05-01-01-01-01.wav", 0.3 * np.sin(2 * np.pi * 50 * t), 16_000
    )
    heard = load_utterances(film_recipe("audio-video"), films).sounds
    hertz = [int(np.abs(np.fft.rfft(sound[:8_000].astype(float))).argmax() * 2) for sound in heard]
    assert hertz[1] == 50 and abs(hertz[0] - 601) <= 4


def test_digests_are_of_what_is_seen_and_heard(tmp_path: Path) -> None:
    films = {
        "one": write_film(tmp_path / "one.mp4", [20] * 4, 300),
        "same": write_film(tmp_path / "same.mp4", [20] * 4, 300),
        "lower": write_film(tmp_path / "lower.mp4", [20] * 4, 200),
        "closer": write_film(tmp_path / "closer.mp4", [20] * 5, 300),
    }
    clips = [Clip(path, "sad", "s") for path in films.values()]
    one, same, lower, closer = decode(*clips).digests
    assert one == same == lower != closer
    one, same, lower, closer = decode(*clips, uses_audio=True).digests
    assert one == same and len({one, lower, closer}) == 3
    assert decode(clips[0], margin=0.4).digests[0] != decode(clips[0]).digests[0]
    changed = decode(clips[0], flip=1).fingerprint((0,))
    assert changed == decode(clips[0]).fingerprint((0,))  # augmentation is the recipe's, not the data's


def test_what_was_not_found_is_said(tmp_path: Path) -> None:
    films = [
        write_film(tmp_path / "always.mp4", [20] * 6),
        write_film(tmp_path / "halfway.mp4", [20] * 3 + [GONE] * 3),
        write_film(tmp_path / "never.mp4", [GONE] * 6),
        write_film(tmp_path / "two.mp4", [(4, 60)] * 6),
    ]
    data = decode(*(Clip(path, "sad", "s") for path in films))
    assert [clip.fell_back for clip in data.clips] == [False, False, True, False]
    assert data.note() == (
        "4 clips: 1 without a face, where the whole picture is used; "
        "1 with several people, where who is most in view counts; the face was lost in 3 pictures"
    )
    assert decode(Clip(films[0], "sad", "s")).note().startswith("1 clip: 0 without a face")
    whole = data.batches((2,))[0][0]
    assert (whole.float() - 90).abs().mean() < 10  # the grey background


def test_clips_shorter_than_what_is_seen_and_heard_are_filled_up(tmp_path: Path) -> None:
    clip = Clip(write_film(tmp_path / "short.mp4", [20] * 2), "sad", "s")
    first = decode(clip, uses_audio=True, sampling="first", sound={"window_s": 2.0}).batches((0,))
    frames, samples, _ = first[0][0]
    assert frames[:2].float().mean() > 60 and (frames[2:] == 0).all()
    assert len(samples) == 32_000 and samples[:9_000].abs().max() > 0.1 and (samples[12_000:] == 0).all()
    assert (decode(clip).batches((0,))[0][0].float().mean(dim=(1, 2, 3)) > 60).all()  # repeated


def test_films_are_looked_through_once(films: Path, seen: VideoData, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, int, int]] = []
    before = RedSquares.n_pictures
    again = load_utterances(film_recipe(**STILL), films, lambda *step: heard.append(step))
    assert RedSquares.n_pictures == before > 0
    assert heard == [("finding faces", i, 6) for i in range(1, 7)]
    assert again.digests == seen.digests
    assert torch.equal(again.batches((3,))[0][0], seen.batches((3,))[0][0])


def no_film(path: Path) -> Clip:
    soundfile.write(path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 8_000), 16_000)
    return Clip(path / "a.wav", "sad", "s")


def no_sound(path: Path) -> Clip:
    return Clip(write_film(path / "a.mp4", [20] * 4, None), "sad", "s")


def lost_film(path: Path) -> Clip:
    return Clip(path / "a.mp4", "sad", "s")


def lost_sound(path: Path) -> Clip:
    return Clip(write_film(path / "a.mp4", [20] * 4), "sad", "s", sound_path=path / "gone.wav")


def pointer(path: Path) -> Clip:
    (path / "a.mp4").write_text("version https://git-lfs.github.com/spec/v1\n")
    return Clip(path / "a.mp4", "sad", "s")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (no_film, r"a\.wav has no picture"),
        (no_sound, r"a\.mp4 has no sound"),
        (lost_film, r"a\.mp4"),
        (lost_sound, r"gone\.wav is missing"),
        (pointer, r"a\.mp4"),
    ],
)
def test_a_clip_that_cannot_be_seen_or_heard_is_one_line(
    tmp_path: Path, make: Callable[[Path], Clip], says: str
) -> None:
    fine = Clip(write_film(tmp_path / "fine.mp4", [20] * 4), "sad", "s")
    with pytest.raises(CorpusError, match=says) as caught:
        decode(fine, make(tmp_path), uses_audio=True)
    assert "\n" not in str(caught.value)
    if make in (no_sound, lost_sound):  # of no matter to a network that only sees
        assert len(decode(fine, make(tmp_path)).clips) == 2


def test_a_corpus_of_sound_alone_is_refused_where_films_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "ravdess").mkdir()
    soundfile.write(tmp_path / "ravdess/03-01-03-01-01-01-01.wav", np.sin(np.arange(9_000)), 16_000)
    with pytest.raises(CorpusError, match="has the sound of RAVDESS speech and no film"):
        load_utterances(film_recipe(), tmp_path)
    with pytest.raises(CorpusError, match=r"03-01-03-01-01-01-01\.wav has no picture"):
        load_utterances(film_recipe(train_on=["ravdess"]), tmp_path)


def test_features_of_sound_are_not_asked_of_films(
    films: Path, seen: VideoData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="'egemaps' are of sound") as caught:
        utterance_features(seen, "egemaps")
    assert 'data.corpus to "speech"' in caught.value.hint
    machine = film_recipe().model_copy(update={"model": SvmSettings(features="audioset")})
    monkeypatch.setattr("emofuse.research.tasks.clips.decode_video", lambda *arguments: pytest.fail("decoded"))
    with pytest.raises(RecipeError, match="pairs 'video' with 'audioset', which are features of sound"):
        load_utterances(machine, films)


def test_a_table_of_action_units_goes_with_films_and_with_sound(films: Path, seen: VideoData, tmp_path: Path) -> None:
    rows = [f"01-01-{e:02}-01-01-01-{a:02};{10 * a + e}" for a in range(1, 4) for e in EMOTIONS]
    table = films / "ravdess" / "action_units.csv"
    table.write_text("\n".join(["name;AU12_r", *reversed(rows)]))
    try:
        machine = film_recipe().model_copy(update={"model": SvmSettings(features="action-units")})
        data = load_utterances(machine, films)
        assert isinstance(data, VideoData)
        assert utterance_features(data, "action-units").ravel().tolist() == [13, 15, 23, 25, 33, 35]
    finally:
        table.unlink()
