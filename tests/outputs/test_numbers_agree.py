"""One analysis says the same in every output: the word, the number and its name, and what the modalities gave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from emofuse.headline import MEAN, SHARE, make_headline
from emofuse.outputs import timeline_image
from emofuse.outputs.index import Digest, Row, write_index
from emofuse.outputs.overlay import Overlay, OverlaySettings
from emofuse.outputs.page import write_html
from emofuse.outputs.subtitles import write_srt
from emofuse.outputs.tables import read_json, write_json
from emofuse.outputs.terminal import summary_panel
from emofuse.timeline import Summary, Timeline
from emofuse.types import Certainty
from make_timelines import course, scores, timeline


def made(happy_s: int, sad_s: int, certainty: Certainty | None = None) -> Timeline:
    """So many seconds of a faint "happy", then of a strong "sad": by the mean sad, by the time happy."""
    moments = [
        replace(m, fused=scores(m.fused.label, 0.4 if m.fused.label == "happy" else 0.99))
        for m in course([("happy", 2 * happy_s), ("sad", 2 * sad_s)], hop_s=0.5)
        if m.fused is not None
    ]
    whole = timeline(*moments, duration_s=float(happy_s + sad_s))
    face, voice = scores("neutral", 0.6, "face"), scores("fearful", 0.5, "voice")
    fused = whole.summary.fused and replace(whole.summary.fused, certainty=certainty)
    summary = Summary(fused, {"face": face, "voice": voice, "text": None}, {"text": "no transcript"})
    return replace(whole, summary=summary)


LIKELY = Certainty(0.7, "likely")
CASES = {
    "under a minute": (made(12, 8, LIKELY), "sad, likely: "),
    "over a minute": (made(60, 40, LIKELY), "happy: 59 % share of time"),
    "without certainty": (made(4, 8), "sad: "),
    "too likely to be wrong": (made(4, 8, Certainty(0.2, "unsure", abstains=True)), "sad, uncertain: "),
}


@pytest.mark.parametrize("case", CASES)
def test_every_output_says_the_same(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, beginning = CASES[case]
    headline = whole.headline()
    assert headline is not None and headline.text.startswith(beginning)
    write_json(whole, tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert document["summary"]["headline"] == headline.to_json()
    assert read_json(tmp_path / "a.json").headline().text == headline.text  # type: ignore[union-attr]

    write_html(whole, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert f"clip.mp4: {headline.text}</title>" in page and json.dumps(headline.text) in page

    console = Console(width=100, record=True, color_system=None)
    console.print(summary_panel(whole))
    shown = console.export_text()
    assert headline.text in shown and headline.agreement in shown and f"{MEAN}:" in shown

    written: list[str] = []
    draw = timeline_image._Page.write
    monkeypatch.setattr(
        timeline_image._Page, "write", lambda self, text, *a: (written.append(text), draw(self, text, *a))
    )
    timeline_image.write_png(whole, tmp_path / "a.png")
    assert f"{headline.text}. {headline.agreement}" in written

    digest = Digest.from_json(json.loads(json.dumps(Digest.of(whole).to_json())))
    assert ": ".join(digest.headline) == headline.text

    film = Overlay(OverlaySettings())
    for moment, written_moment in zip(whole.moments, document["moments"], strict=True):
        percent = 100 * written_moment["probabilities"][written_moment["label"]]
        assert film._headline(moment) == f"{written_moment['label']}  {percent:.0f} %"

    write_srt(whole, tmp_path / "a.srt")
    cues = (tmp_path / "a.srt").read_text(encoding="utf-8")
    for segment in document["segments"]:
        assert f"\n{segment['label']} {100 * segment['confidence']:.0f} %\n" in cues


def test_a_batch_has_the_headline_of_each_recording(tmp_path: Path) -> None:
    whole = made(60, 40)
    write_index([Row("clip.mp4", Digest.of(whole), ())], tmp_path)
    assert "<b>happy</b>: 59 % share of time" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_minute_is_still_a_mean() -> None:
    assert made(36, 24).headline().basis == MEAN  # type: ignore[union-attr]
    assert made(37, 24).headline().basis == SHARE  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ({"face": "sad"}, "From the face alone."),
        ({"face": "sad", "voice": "sad"}, "Face and voice agree."),
        ({"face": "sad", "voice": "sad", "text": "sad"}, "Face, voice and text agree."),
        ({"face": "neutral", "voice": "fearful"}, "Face neutral, voice fearful: together sad."),
        ({"voice": "happy", "text": "happy"}, "Voice happy, text happy: together sad."),
        ({}, ""),
    ],
)
def test_the_sentence_says_whether_the_modalities_agree(labels: dict[str, str], sentence: str) -> None:
    found = make_headline(scores("sad"), {m: scores(one, 0.6, m) for m, one in labels.items()}, {"sad": 9.0}, 9.0)
    assert found is not None and found.agreement == sentence


def test_where_nothing_was_read_there_is_no_headline() -> None:
    assert timeline().headline() is None
    assert timeline().to_json()["summary"]["headline"] is None
