"""Agreement of two accounts: against scikit-learn, against the formula, and through the files that people have."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from emofuse.affect import derive_affect
from emofuse.agreement import Account, account_of, compare_accounts, read_account
from emofuse.emotions import BASE
from emofuse.errors import UsageError
from make_timelines import TIMELINES, course, scores, timeline

SPOKEN = timeline(*course([("happy", 20), ("sad", 20)]), duration_s=4.0)


def account(labels: str, step_s: float = 0.1) -> Account:
    """Return an account with a letter for each step; a dot is nothing."""
    runs = [(label, len(list(run))) for label, run in itertools.groupby(labels)]
    ends = np.cumsum([n for _, n in runs]) * step_s
    stretches = [(float(e - n * step_s), float(e), label) for (label, n), e in zip(runs, ends, strict=True)]
    return Account("a", tuple(s for s in stretches if s[2] != "."))


def test_kappa_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    a, b = ("".join(random.choice(list("xyz"), 300)) for _ in range(2))
    b = "".join(p if random.random() < 0.6 else q for p, q in zip(a, b, strict=True))
    found = compare_accounts(account(a), account(b))
    assert found.agreement == pytest.approx(np.mean([p == q for p, q in zip(a, b, strict=True)]), abs=1e-4)
    assert found.kappa == pytest.approx(cohen_kappa_score(list(a), list(b)), abs=1e-4)
    assert found.compared_s == pytest.approx(30) and np.sum(found.confusion) == pytest.approx(30)


def test_what_only_one_has_is_told_and_not_compared() -> None:
    found = compare_accounts(account("xx..yy"), account(".xxxy."))
    assert found.compared_s == pytest.approx(0.2) and found.only_s == (pytest.approx(0.2), pytest.approx(0.2))
    assert found.agreement == 1.0 and found.kappa == 1.0
    assert compare_accounts(account("xx"), account("xx")).kappa is None  # chance alone would agree as well
    nothing = compare_accounts(account("x."), account(".x"))
    assert nothing.agreement is None and nothing.kappa is None and nothing.compared_s == 0


def test_labels_are_compared_by_their_meaning() -> None:
    a, b = Account("a", ((0, 1, "Happiness "),)), Account("b", ((0, 1, "joy"),))
    found = compare_accounts(a, b)
    assert found.labels == ("happy",) and found.agreement == 1.0


def test_concordance_is_lins() -> None:
    times = np.arange(1, 50) / 10
    x, y = np.sin(times), np.sin(times) * 0.5 + 0.2
    a, b = (Account("v", ((0, 4.9, "x"),), tuple(zip(times.tolist(), v.tolist(), strict=True))) for v in (x, y))
    expected = 2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert compare_accounts(a, b).concordance == pytest.approx(expected, abs=2e-3)
    assert compare_accounts(a, a).concordance == pytest.approx(1.0)
    assert compare_accounts(a, Account("n", ())).concordance is None


def test_valence_and_arousal_follow_the_rule_and_say_that_they_are_derived() -> None:
    affect = SPOKEN.affect
    assert len(affect) == 40 and affect[0].valence > 0.4 > -0.2 > affect[-1].valence
    happy = scores("happy", 1.0).probabilities
    assert derive_affect(happy, BASE) == (0.81, 0.51)
    assert TIMELINES["nothing spoke"].affect == ()
    assert timeline(*course([("happy", 3)]), labels=BASE).records("affect")[0]["valence_derived"] == affect[0].valence
    odd = ("contempt", "happy")
    moments = [replace(m, fused=scores("happy", 0.7, labels=odd), by_modality={}) for m in course([("happy", 3)])]
    assert timeline(*moments, labels=odd).affect == ()


def test_a_timeline_agrees_with_itself_through_every_file(tmp_path: Path) -> None:
    whole = account_of(SPOKEN)
    for suffix in ("json", "eaf"):
        SPOKEN.save(tmp_path / f"x.{suffix}")
        read = read_account(tmp_path / f"x.{suffix}", "fused" if suffix == "eaf" else None)
        assert compare_accounts(whole, read).agreement == 1.0
    (tmp_path / "x.csv").write_text("start,end,emotion,valence\n0,2,joy,0.5\n2,4,sadness,-0.5\n")
    found = compare_accounts(whole, read_account(tmp_path / "x.csv"))
    assert found.agreement is not None and found.agreement > 0.95 and found.concordance is not None
    SPOKEN.save(tmp_path / "moments.csv")
    moments = compare_accounts(whole, read_account(tmp_path / "moments.csv"))
    assert moments.agreement is not None and moments.agreement > 0.95


EAF = """<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="1900"/>
<TIME_SLOT TIME_SLOT_ID="c"/></TIME_ORDER>{}</ANNOTATION_DOCUMENT>"""
TIER = """<TIER TIER_ID="{}"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">
<ANNOTATION_VALUE>{}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"""


def test_the_only_tier_of_emotions_is_found(tmp_path: Path) -> None:
    file = tmp_path / "x.eaf"
    file.write_text(EAF.format(TIER.format("gaze", "left") + TIER.format("face", "Joy")))
    assert read_account(file).stretches == ((0.0, 1.9, "Joy"),)
    assert read_account(file, "gaze").stretches == ((0.0, 1.9, "left"),)
    file.write_text(EAF.format(TIER.format("me", "joy") + TIER.format("you", "sad")))
    with pytest.raises(UsageError, match=r"has 2 tiers of emotions \(choose a tier: me, you\)"):
        read_account(file)
    with pytest.raises(UsageError, match=r"has no tier 'they' \(choose a tier: me, you\)"):
        read_account(file, "they")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.eaf", "<a>", "cannot read"),
        ("x.eaf", '<!DOCTYPE a [<!ENTITY b "c">]><a/>', "defines entities"),
        ("x.csv", "a,b\n1,2\n", "has no such columns: a, b (columns start_s, end_s and label"),
        ("x.csv", "", "it is empty"),
        ("x.csv", "start,end,label\n2,1,happy\n", "the interval from 2.0 to 1.0 s is not valid"),
        ("x.csv", "start,end,label\nnan,1,happy\n", "the interval from nan"),
        ("x.csv", "start,end,label\nsoon,1,happy\n", "cannot read"),
        ("x.txt", "happy", "is not an annotation that is read"),
        ("x.json", "{}", "not an emofuse/2 document"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        read_account(tmp_path / name)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UsageError):
        read_account(tmp_path / f"absent{Path(name).suffix}")


@pytest.mark.parametrize("step_s", [0, -1, float("nan"), 1e-9])
def test_a_step_that_is_none_is_refused(step_s: float) -> None:
    with pytest.raises(UsageError, match="step_s"):
        compare_accounts(account("xy"), account("xy"), step_s)
