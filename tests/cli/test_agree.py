"""`emofuse agree`: a timeline beside a person's annotation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from make_timelines import course, timeline


def test_agree_prints_agreement_kappa_and_concordance(emofuse: Callable[..., Any], tmp_path: Path) -> None:
    timeline(*course([("happy", 20), ("sad", 20)]), duration_s=4.0).save(tmp_path / "a.json")
    (tmp_path / "b.csv").write_text("start_s,end_s,label,valence\n0,1,happy,0.5\n1,4,sad,-0.4\n")
    result = emofuse("agree", tmp_path / "a.json", tmp_path / "b.csv")
    assert result.code == 0, result.err
    assert "agreement:   0.77" in result.out and "kappa:       0.5" in result.out
    assert "concordance: 0." in result.out and "seconds" in result.out
    refused = emofuse("agree", tmp_path / "a.json", tmp_path / "absent.csv")
    assert refused.code == 2 and "absent.csv" in refused.err
