"""What every reader of the registry keeps to, and what all that look through a folder do with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emofuse.emotions import IEMOCAP_ANNOTATION, LABEL_MAPS, LABEL_SETS
from emofuse.errors import CorpusError, UsageError
from emofuse.research.corpora.corpus import ACTED_CAUTION
from emofuse.research.corpora.manifest import read_manifest, write_manifest
from emofuse.research.corpora.registry import CORPORA, corpus_of, read_corpus

RECORDINGS = {
    "ravdess": ["Actor_01/03-01-01-01-01-01-01.wav", "Actor_02/03-01-08-02-02-02-02.flac"],
    "ravdess-song": ["Actor_01/03-02-01-01-01-01-01.wav", "Actor_02/03-02-06-02-02-02-02.wav"],
    "ravdess-video": ["Actor_01/01-01-01-01-01-01-01.mp4", "Actor_02/01-01-08-02-02-02-02.mp4"],
    "ravdess-av": ["Actor_01/01-01-01-01-01-01-01.mp4", "Actor_02/01-01-08-02-02-02-02.mp4"],
    "ravdess-7": ["Actor_01/03-01-02-01-01-01-01.wav", "Actor_02/03-01-08-02-02-02-02.flac"],
    "cremad": ["AudioWAV/1001_IEO_ANG_HI.wav", "AudioWAV/1002_DFA_NEU_XX.wav"],
    "emodb": ["wav/03a01Fa.wav", "wav/08a01Nb.wav"],
    "tess": ["OAF_Fear/OAF_back_fear.wav", "YAF_happy/YAF_back_happy.wav"],
    "savee": ["AudioData/DC/a01.wav", "AudioData/JE/su15.wav"],
    "iemocap": [f"Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{turn}.wav" for turn in ("F000", "M000")],
    "meld": ["train_splits/dia0_utt0.mp4", "train_splits/dia0_utt1.mp4"],
    "ased": ["a5-01-02-02-65.wav", "n1-03-01-01-03.wav"],
    "nemo": ["samples/EB0_anger_10.wav", "samples/SM0_surprised_1.wav"],
    "emotale": ["DK_001_A_2.wav", "EN_013_S_5.wav"],
    "emovo": ["f1/dis-f1-b1.wav", "m2/tri-m2-n5.wav"],
    "korean": ["ema00001.wav", "nea00305.wav"],
    "emogator": ["data/000001-02-1.mp3", "data/000300-28-3.mp3"],
    "csv": ["one/a.wav", "two/b.wav"],
}
TABLES = {
    "iemocap": {
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": "[6.29 - 8.23]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\n"
        "[7.57 - 10.47]\tSes01F_impro01_M000\tfru\t[2.5, 2.5, 2.5]\n",
    },
    "meld": {
        "train_sent_emo.csv": "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID\n"
        "What?,Joey,joy,0,0\nNo.,Ross,anger,0,1\n",
    },
}
FOLDER_CORPORA = [name for name in CORPORA if name != "csv"]


def make(name: str, folder: Path) -> Path:
    """Make a small corpus, of empty files, and return what its reader is given."""
    for table, text in TABLES.get(name, {}).items():
        (folder / table).parent.mkdir(parents=True, exist_ok=True)
        (folder / table).write_text(text, encoding="utf-8")
    for file in RECORDINGS[name]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    if name != "csv":
        return folder
    rows = [f"{file},joy,s{number},mine" for number, file in enumerate(RECORDINGS[name])]
    (folder / "mine.csv").write_text("\n".join(["path,emotion,speaker,licence", *rows]), encoding="utf-8")
    return folder / "mine.csv"


def place(folder: Path) -> Path:
    """Return the folder that holds the recordings, below the one that a reader is given."""
    return next(each for each in (folder / "audios", folder / "videos", folder / "wav", folder) if each.is_dir())


def test_every_reader_has_a_small_corpus_here() -> None:
    assert set(RECORDINGS) == set(CORPORA)


@pytest.mark.parametrize("name", CORPORA)
def test_a_small_corpus_is_read_in_the_order_of_its_paths(name: str, tmp_path: Path) -> None:
    manifest = read_corpus(name, make(name, tmp_path))
    assert [clip.path for clip in manifest] == [tmp_path / file for file in RECORDINGS[name]]
    assert len(manifest.speakers) == 2
    assert manifest.skipped == ()
    assert {clip.emotion for clip in manifest} <= set(manifest.labels)
    assert manifest.licence
    assert {clip.licence for clip in manifest} == {manifest.licence}


@pytest.mark.parametrize("name", CORPORA)
def test_the_manifest_is_the_same_after_csv(name: str, tmp_path: Path) -> None:
    manifest = read_corpus(name, make(name, tmp_path))
    path = write_manifest(manifest, tmp_path / "manifest.csv")
    assert read_manifest(path, manifest.labels, manifest.name) == manifest
    assert str(tmp_path) not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CORPORA)
def test_every_label_is_in_every_table(name: str, tmp_path: Path) -> None:
    manifest = read_corpus(name, make(name, tmp_path))
    for table in LABEL_MAPS.values():
        assert set(manifest.labels) <= set(table)


@pytest.mark.parametrize("name", FOLDER_CORPORA)
def test_labels_are_a_known_set(name: str, tmp_path: Path) -> None:
    labels = read_corpus(name, make(name, tmp_path)).labels
    sets = [*LABEL_SETS.values(), IEMOCAP_ANNOTATION]
    assert any(labels == tuple(label for label in known if label in labels) for known in sets)


@pytest.mark.parametrize("name", FOLDER_CORPORA)
def test_a_misnamed_file_and_one_of_another_kind_are_listed(name: str, tmp_path: Path) -> None:
    make(name, tmp_path)
    where = place(tmp_path)
    suffix = Path(RECORDINGS[name][0]).suffix
    odd = [where / "deep" / "down" / f"odd name{suffix}", where / "readme.txt", where / f".hidden{suffix}"]
    for path in (*odd, where / ".DS_Store", where / ".git" / f"object{suffix}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    manifest = read_corpus(name, tmp_path)
    assert len(manifest) == 2
    assert sorted(path for path, _ in manifest.skipped) == sorted(odd)
    assert all(reason for _, reason in manifest.skipped)


@pytest.mark.parametrize("name", CORPORA)
def test_an_empty_folder_and_none_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        read_corpus(name, tmp_path)
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint
    with pytest.raises(CorpusError, match="nowhere"):
        read_corpus(name, tmp_path / "nowhere")


def test_when_nothing_fits_the_first_reason_is_told(tmp_path: Path) -> None:
    for name in ("b.txt", "a.wav"):
        (tmp_path / name).touch()
    with pytest.raises(CorpusError) as caught:
        read_corpus("tess", tmp_path)
    assert caught.value.hint.endswith("left out 2, the first a.wav: the name is not actress, word, emotion")


@pytest.mark.parametrize("name", FOLDER_CORPORA)
def test_links_are_followed_and_dead_ones_listed(name: str, tmp_path: Path) -> None:
    make(name, tmp_path / "real")
    folder = tmp_path / "corpus"
    inside = folder / place(tmp_path / "real").relative_to(tmp_path / "real")
    inside.mkdir(parents=True)
    for each in place(tmp_path / "real").iterdir():
        (inside / each.name).symlink_to(each)
    dead = inside / f"dead{Path(RECORDINGS[name][0]).suffix}"
    dead.symlink_to(tmp_path / "gone")
    (inside / "round").symlink_to(inside)
    manifest = read_corpus(name, folder)
    assert len(manifest) == 2
    assert dict(manifest.skipped) == {dead: "a link to nothing", inside / "round": f"the same folder as {inside}"}


def test_a_folder_that_cannot_be_looked_into_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("tess", tmp_path)
    (tmp_path / "shut").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    manifest = read_corpus("tess", tmp_path)
    assert manifest.skipped == ((tmp_path / "shut", "the folder cannot be read: permission denied"),)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("ravdes", "ravdess"), ("CREMAD", "cremad"), ("emo-db", "emodb"), ("ravdess_song", "ravdess-song")],
)
def test_a_name_that_no_reader_has_gets_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"no corpus is called '{name}'") as caught:
        read_corpus(name, ".")
    assert f"did you mean {meant}?" in caught.value.hint
    assert all(each in caught.value.hint for each in CORPORA)


def test_only_some_readers_take_the_sound_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "films" / "Actor_01").mkdir(parents=True)
    (tmp_path / "sounds" / "Actor_01").mkdir(parents=True)
    film = tmp_path / "films" / "Actor_01" / "02-01-01-01-01-01-01.mp4"
    sound = tmp_path / "sounds" / "Actor_01" / "03-01-01-01-01-01-01.wav"
    film.touch(), sound.touch()
    (clip,) = read_corpus("ravdess-av", tmp_path / "films", tmp_path / "sounds")
    assert (clip.path, clip.sound_path) == (film, sound)
    with pytest.raises(UsageError, match="tess takes no sound from another folder") as caught:
        read_corpus("tess", tmp_path, tmp_path)
    assert caught.value.hint == "those that do: ravdess-av"


def test_a_name_like_no_other_gets_the_list_alone() -> None:
    with pytest.raises(UsageError) as caught:
        read_corpus("xyzzy", ".")
    assert caught.value.hint == f"there is {', '.join(CORPORA)}"


@pytest.mark.parametrize("name", FOLDER_CORPORA)
def test_a_corpus_is_known_again_from_its_table(name: str, tmp_path: Path) -> None:
    corpus = CORPORA[name]
    manifest = read_corpus(name, make(name, tmp_path))
    assert corpus_of(manifest).title == corpus.title
    again = read_corpus("csv", write_manifest(manifest, tmp_path / "mine.csv"))
    found = corpus_of(again)
    assert (found.title, found.licence, found.style) == (corpus.title, corpus.licence, corpus.style)
    assert not corpus.style or {clip.style.partition(",")[0] for clip in again} == {corpus.style}


def test_a_table_of_ones_own_is_not_taken_for_acted(tmp_path: Path) -> None:
    own = corpus_of(read_corpus("csv", make("csv", tmp_path)))
    assert (own.title, own.licence, own.style, own.all_cautions) == ("mine", "mine", "", ())
    table = (tmp_path / "mine.csv").read_text()
    rows = [f"{row},{'style' if i == 0 else 'acted'}" for i, row in enumerate(table.splitlines())]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    assert corpus_of(read_corpus("csv", tmp_path / "mine.csv")).all_cautions == (ACTED_CAUTION,)


def test_the_variant_of_a_corpus_is_told_by_its_emotions(tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    for emotion in range(1, 7):
        (tmp_path / "Actor_01" / f"03-02-{emotion:02}-01-01-01-01.wav").touch()
    assert corpus_of(read_corpus("ravdess-song", tmp_path)).name == "ravdess-song"


def test_a_corpus_of_ones_own_is_named_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_corpora.py").write_text(
        "from emofuse.research.corpora.manifest import Clip, Manifest\n"
        "from emofuse.research.corpora.corpus import Corpus\n"
        "def read(folder):\n"
        "    clips = tuple(Clip(folder / f'{n}.wav', 'happy', f's{n}', licence='mine') for n in range(2))\n"
        "    return Manifest('field recordings', ('happy', 'sad'), clips, 'mine')\n"
        "FIELD = Corpus('field', 'Field recordings', 'mine', ('happy', 'sad'), read, style='natural')\n"
        "NUMBER = 3\n"
        "def wrong(folder):\n"
        "    return []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert [clip.style for clip in read_corpus("my_corpora:FIELD", tmp_path)] == ["natural", "natural"]
    assert [clip.style for clip in read_corpus("my_corpora:read", tmp_path)] == ["", ""]
    for name in ("my_corpora:NUMBER", "my_corpora:absent", "no_such_module:read", "my_corpora:"):
        with pytest.raises(UsageError, match=name):
            read_corpus(name, tmp_path)
    with pytest.raises(CorpusError, match="returned list"):
        read_corpus("my_corpora:wrong", tmp_path)
