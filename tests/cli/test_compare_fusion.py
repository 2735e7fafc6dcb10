"""`emofuse compare --fusion` as people run it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from make_feature_corpus import TINY, write_feature_corpus

Emofuse = Callable[..., Any]
QUICK = ("train.epochs=1", "seeds=[1]", 'leave_out=["gated","attention","unified","late-learned"]', "--jobs", "1")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a comparison's file in the folder that is worked in, whose corpus is in the data folder."""
    monkeypatch.chdir(tmp_path)
    write_feature_corpus(tmp_path / "data" / "small")
    Path("tiny.toml").write_text(TINY.format(corpus="small"), encoding="utf-8")
    return "tiny.toml"


def test_it_writes_a_folder_and_says_what_it_found(emofuse: Emofuse, tiny: str) -> None:
    result = emofuse("compare", "--fusion", tiny, *QUICK, "--data", "data", "-o", "out")
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == "out/fusion.html"
    report = json.loads(Path("out/fusion.json").read_text(encoding="utf-8"))
    assert [m["name"] for m in report["methods"]] == ["audio", "text", "early", "late-vote"]
    assert report["command"].startswith("emofuse compare --fusion tiny.toml train.epochs=1 ")
    for heading in ("Does fusion help?", "What each modality adds", "When modalities are missing or spoilt"):
        assert heading in result.out
    assert "no utterance has visual features" in " ".join(result.err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fusion", "none.toml"), "no recipe at none.toml"),
        (("--fusion", "tiny.toml", "--seeds", "2"), "--protocol and --seeds do not go with --fusion"),
        (("--fusion", "tiny.toml", "--protocol", "session"), "--protocol and --seeds do not go with --fusion"),
        (("--fusion", "tiny.toml", "nonsense"), "override 'nonsense' is not of the form key=value"),
        (("--fusion", "tiny.toml", "train.epoch=1"), "unknown key 'train.epoch'"),
        (("--fusion", "tiny.toml", 'data.train_on=["elsewhere"]'), "no feature set 'elsewhere'"),
        (("tiny.toml",), "nothing to compare a single recipe with"),
        ((), "nothing to compare a single recipe with"),
    ],
)
def test_bad_input_is_one_clear_line(emofuse: Emofuse, tiny: str, arguments: tuple[str, ...], message: str) -> None:
    result = emofuse("compare", *arguments, "--data", "data", "-o", "out")
    assert result.code != 0
    assert message in " ".join(result.err.split())
    assert not Path("out").exists()
