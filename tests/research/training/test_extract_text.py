"""The words of clips: which table's text goes to whom, and the sentence encoder of the Hub, made up."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from emofuse.errors import AssetError, CorpusError, UsageError
from emofuse.research.corpora.manifest import Clip
from emofuse.research.feature_sets.encoders import NoFeatures
from emofuse.research.feature_sets.text_encoder import SentenceEncoder, with_words

CPU = torch.device("cpu")
CLIPS = [
    Clip(Path("a/one.wav"), "happy", "me", text="before"),
    Clip(Path("a/two.wav"), "happy", "me", text="kept"),
    Clip(Path("b/talk.wav"), "happy", "me", end_s=1.0),
    Clip(Path("b/talk.wav"), "happy", "me", start_s=1.0),
]
NAMES = ["one", "two", "talk_0000000", "talk_0001000"]


class FakeSentences(nn.Sequential):
    """Answers with the number of letters; its weights are one number."""

    weight = 1.0
    made_with: tuple[Any, ...] = ()
    max_seq_length = 32

    def __init__(self, name: str, device: str, local_files_only: bool) -> None:
        super().__init__(nn.Linear(1, 1, bias=False))
        if name == "nobody/nothing":
            raise OSError("no such model\nand a long story")
        FakeSentences.made_with = (name, device, local_files_only)
        nn.init.constant_(self[0].weight, self.weight)

    def encode(self, texts: list[str], show_progress_bar: bool, convert_to_numpy: bool) -> np.ndarray:
        return np.array([[len(text), 0.5] for text in texts], np.float32)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    logging = SimpleNamespace(disable_progress_bar=lambda: None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=FakeSentences))
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(utils=SimpleNamespace(logging=logging)))


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_words_go_to_the_clip_of_that_name_or_file(tmp_path: Path) -> None:
    rows = 'path,more,text\none.mp4,x, after \nb/talk_0001000.wav,x,"yes, here"\ntalk.wav,x,whose?\ntwo,x,\nzero,x,no\n'
    clips, unknown = with_words(CLIPS, NAMES, table(tmp_path / "words.csv", rows))
    assert [clip.text for clip in clips] == ["after", "kept", "", "yes, here"]
    assert unknown == ["talk.wav", "zero"]  # two clips are of talk.wav: which of them, nothing tells
    assert [clip.path for clip in clips] == [clip.path for clip in CLIPS]
    by_name = table(tmp_path / "names.csv", "id,transcript\ntalk_0000000,first\n")
    assert with_words(CLIPS, NAMES, by_name)[0][2].text == "first"


def test_a_name_with_a_dot_in_it_is_no_suffix(tmp_path: Path) -> None:
    clips = [Clip(Path("a.b.wav"), "happy", "me"), Clip(Path("a.wav"), "happy", "me")]
    words = table(tmp_path / "words.csv", "id,text\na.b,first\na,second\n")
    assert [clip.text for clip in with_words(clips, ["a.b", "a"], words)[0]] == ["first", "second"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,words\none,hello\n", "line 1: no column text or transcript or utterance; the columns are id, words"),
        ("name,text\none,hello\n", "no column id or file_name_list or path or file"),
        ("id,text\none,hello\none.wav,bye\n", "line 3: another text for one.wav, which an earlier line has already"),
        ("id,text,text\none,hello,bye\n", "two columns are called 'text'"),
    ],
)
def test_a_table_that_is_amiss_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        with_words(CLIPS, NAMES, table(tmp_path / "words.csv", text))


def test_words_become_one_step(library: None) -> None:
    encoder = SentenceEncoder("some/model", CPU)
    found = encoder.encode(Clip(Path("x"), "happy", "me", text=" hello "))
    assert found.dtype == np.float32 and found.tolist() == [[5.0, 0.5]]
    assert encoder.identity["encoder"] == encoder.name == "some/model"
    with pytest.raises(NoFeatures, match="no words are given"):
        encoder.encode(Clip(Path("x"), "happy", "me", text=" \n"))


def test_other_weights_under_the_same_name_are_another_encoder(
    library: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, same = (SentenceEncoder("some/model", CPU).identity for _ in range(2))
    monkeypatch.setattr(FakeSentences, "weight", 2.0)
    other = SentenceEncoder("some/model", CPU).identity
    assert first == same
    assert {key for key in first if first[key] != other[key]} == {"weights"}
    assert SentenceEncoder(str(tmp_path), CPU).identity["encoder"] == tmp_path.name  # a folder may be moved


def test_offline_only_what_is_here_is_used(library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for offline in ("1", "0"):
        monkeypatch.setenv("EMOFUSE_OFFLINE", offline)
        SentenceEncoder("some/model", CPU)
        assert FakeSentences.made_with == ("some/model", "cpu", offline == "1")


def test_what_cannot_be_had_is_one_line(library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssetError) as caught:
        SentenceEncoder("nobody/nothing", CPU)
    assert caught.value.message == "no sentence encoder nobody/nothing: no such model"
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UsageError, match="some/model needs sentence-transformers, which is not installed") as missing:
        SentenceEncoder("some/model", CPU)
    assert "emofuse[text]" in missing.value.hint
