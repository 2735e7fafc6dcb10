"""Words in the Analyzer: a transcript's while they are said, pushed ones fading with their age, each piece once."""

from pathlib import Path

import numpy as np
import pytest

import emofuse
from emofuse.errors import TranscriptError
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.modalities.text import TextModality, TextPredictor, TranscriptScorer
from emofuse.inference.session import run
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.timeline import SourceInfo
from emofuse.transcripts import Transcript
from emofuse.types import AudioBlock, Face, Frame, Line, Moment, Packet, Word
from stand_in_text import StandInText

LINES = (Line("I'm angry", 0.5, 1.2), Line("so sad", 3.0, 3.6))


class Blind:
    def detect(self, image: np.ndarray) -> list[Face]:
        return []


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    base = load_bundle()
    networks = {modality: network for modality, network in base.networks.items() if modality != "text"}
    kept = {modality: settings for modality, settings in base.manifest.modalities.items() if modality != "text"}
    return Bundle(base.manifest.model_copy(update={"modalities": kept}), networks)


def silence(seconds: float) -> list[Packet]:
    return [AudioBlock(np.zeros(RATE_HZ // 10, np.float32), RATE_HZ, i / 10) for i in range(round(seconds * 10))]


def moments(bundle: Bundle, packets: list[Packet | Line], **known: object) -> list[Moment]:
    analyzer = Analyzer(bundle, Blind(), AnalyzerSettings(hop_s=0.5), **known)  # type: ignore[arg-type]
    return [m for packet in packets for m in analyzer.push(packet)] + analyzer.flush()


def labels(made: list[Moment]) -> dict[float, str]:
    return {m.time_s: m.by_modality["text"].label for m in made if "text" in m.by_modality}


def test_a_line_of_a_transcript_counts_from_its_start_to_its_end(bundle: Bundle) -> None:
    scorer = StandInText()
    made = moments(bundle, silence(10), lines=LINES, scorer=scorer)
    said = labels(made)
    assert said == {1.0: "angry", 1.5: "angry", 3.5: "sad", 4.0: "sad"}  # each moment stands for the time before it
    assert {m.by_modality["text"].quality for m in made if m.time_s in said} == {1.0}
    assert all(m.fused is not None and m.fused.label == said[m.time_s] for m in made if m.time_s in said)
    assert scorer.asked == ["I'm angry", "so sad"]  # each once
    assert {m.why["text"] for m in made if m.time_s not in said} == {"nothing said"}


def test_two_lines_in_one_moment_count_by_their_length(bundle: Bundle) -> None:
    lines = [Line("angry", 0.5, 0.6), Line("sad", 0.6, 1.0)]
    (made,) = [m for m in moments(bundle, silence(2), lines=lines, scorer=StandInText()) if "text" in m.by_modality]
    found = made.by_modality["text"].as_dict()
    assert found["sad"] - found["neutral"] == pytest.approx(4 * (found["angry"] - found["neutral"]), abs=1e-3)


def test_lines_are_kept_with_their_scores_also_those_that_no_moment_asked_for(bundle: Bundle) -> None:
    lines = (*LINES, Line("hm", 4.0, 4.5, speaker="Anna"), Line("happy. " * 30, 20.0, 60.0))
    analyzer = Analyzer(bundle, Blind(), AnalyzerSettings(hop_s=0.5), lines=lines, scorer=StandInText())
    for packet in silence(5):
        analyzer.push(packet)
    kept = analyzer.scored_lines()
    assert [(k.text, k.start_s, k.speaker) for k in kept] == [(k.text, k.start_s, k.speaker) for k in lines]
    assert [k.emotion and k.emotion.label for k in kept] == ["angry", "sad", None, "happy"]


def test_what_is_pushed_counts_from_its_end_on_and_fades(bundle: Bundle) -> None:
    live: list[Packet | Line] = []
    for packet in silence(10):
        live += [line for line in LINES if abs(line.end_s - packet.time_s) < 0.05]
        live.append(packet)
    made = moments(bundle, live, scorer=StandInText())
    said = labels(made)
    assert min(said) == pytest.approx(1.5) and max(said) == pytest.approx(8.5)  # 5 s after the end of the last
    assert said[3.5] == "angry" and said[4.0] == "sad"
    quality = {m.time_s: m.by_modality["text"].quality for m in made if m.time_s in said}
    assert quality[1.5] == pytest.approx(1 - 0.3 / 5) and quality[3.5] == pytest.approx(1 - 2.3 / 5)
    assert made[0].why["text"] == "no transcript"  # nobody knew yet that words would come
    assert made[-1].time_s == moments(bundle, silence(10), lines=LINES)[-1].time_s  # a line moves no clock


def test_a_moment_knows_nothing_of_a_line_that_begins_later(bundle: Bundle) -> None:
    whole = moments(bundle, silence(6), lines=LINES, scorer=StandInText())
    cut = moments(bundle, silence(6), lines=LINES[:1], scorer=StandInText())
    for a, b in zip(whole, cut, strict=True):
        if a.time_s <= 3.0 and "text" in a.by_modality:
            np.testing.assert_array_equal(a.by_modality["text"].probabilities, b.by_modality["text"].probabilities)


def test_a_late_line_has_its_age_and_an_old_one_is_not_scored(bundle: Bundle) -> None:
    scorer = StandInText()
    live: list[Packet | Line] = [*silence(8)]
    live.insert(60, Line("long ago: happy", 0.0, 0.4))
    live.insert(60, Line("disgust", 3.0, 4.0))
    made = moments(bundle, live, scorer=scorer)
    first = next(m for m in made if "text" in m.by_modality)
    assert first.time_s == pytest.approx(6.0) and first.by_modality["text"].quality == pytest.approx(1 - 2 / 5)
    assert scorer.asked == ["disgust"]


def test_words_put_sentences_on_the_timeline(bundle: Bundle) -> None:
    words = (Word("Happy!", 0.2, 0.8), Word("Then", 4.0, 4.2), Word("sad.", 4.2, 4.6))
    line = Line("happy! Then sad.", 0.0, 5.0, (Word("happy!", 0.2, 0.8), *words[1:]))
    said = labels(moments(bundle, silence(6), lines=[line], scorer=StandInText()))
    assert said[1.0] == "happy" and said[4.5] == said[5.0] == "sad" and 2.0 not in said


def test_lines_of_two_people_at_once_are_pooled() -> None:
    words = TranscriptScorer(StandInText(), 5.0, [Line("angry", 1.0, 2.0), Line("happy", 1.0, 2.0)])
    scores = words.score(2.0)
    assert scores is not None
    both = scores.as_dict()
    assert both["angry"] == both["happy"] == pytest.approx(0.475)
    assert (scores.start_s, scores.end_s) == (1.0, 2.0)


def test_reasons(bundle: Bundle) -> None:
    def reason(**known: object) -> str:
        return moments(bundle, silence(1), **known)[-1].why["text"]

    assert reason() == reason(scorer=StandInText()) == "no transcript"
    assert reason(lines=LINES[:1]) == "the bundle has no network for it"
    assert reason(lines=[], scorer=StandInText()) == "nothing said"
    assert reason(lines=[Line("hm", 0.1, 0.5)], scorer=StandInText()).startswith("the words are not English")


def test_every_frame_has_the_words_that_are_said(bundle: Bundle) -> None:
    frames: list[Packet] = [Frame(np.zeros((40, 40, 3), np.uint8), i / 10) for i in range(20)]
    analyzer = Analyzer(bundle, Blind(), AnalyzerSettings(mode="frame"), lines=LINES, scorer=StandInText())
    made = [m for frame in frames for m in analyzer.push(frame)]
    assert min(labels(made)) == pytest.approx(0.6) and max(labels(made)) == pytest.approx(1.2)


def test_what_was_said_is_not_kept(bundle: Bundle) -> None:
    analyzer = Analyzer(bundle, Blind(), AnalyzerSettings(hop_s=0.5), scorer=StandInText())
    for i, packet in enumerate(silence(60)):
        analyzer.push(Line("happy", i / 10, i / 10 + 0.1))
        analyzer.push(packet)
    (text,) = [one for one in analyzer._modalities if isinstance(one, TextModality)]
    assert len(text._transcript._said) + len(text._transcript._pending) <= 5 * 10 + 10


def test_the_summary_uses_the_text(bundle: Bundle) -> None:
    source = SourceInfo("made.wav", 4.0, None, None, None, True, False)
    known = {"transcript": Transcript(LINES), "scorer": StandInText()}
    timeline = run(silence(4), source, bundle, AnalyzerSettings(), **known)  # type: ignore[arg-type]
    assert timeline.summary.used == ["text"]
    assert timeline.summary.fused is not None and timeline.summary.fused.label in ("angry", "sad")
    assert set(timeline.summary.why) == {"face", "voice"}
    unscored = run(silence(4), source, bundle, AnalyzerSettings(), transcript=Transcript(LINES))
    assert unscored.summary.why["text"] == "the bundle has no network for it"
    silent = run(silence(4), source, bundle, AnalyzerSettings())
    assert silent.summary.why["text"] == "no transcript"


def test_analyze_takes_a_file(tmp_path: Path, voice_wav: Path) -> None:
    said = tmp_path / "said.srt"
    said.write_text("1\n00:00:00,200 --> 00:00:00,800\nI'm angry\n\n2\n00:00:07,000 --> 00:00:08,000\nlater\n")
    scorer = StandInText()
    timeline = emofuse.analyze(voice_wav, transcript=said, text_model=scorer)
    assert "text" in timeline.summary.used and scorer.asked == ["I'm angry"]
    with pytest.raises(TranscriptError, match="all of the transcript is after the end"):
        emofuse.analyze(voice_wav, transcript=Transcript((Line("late", 7.0, 8.0),)), text_model=scorer)


def test_what_is_no_english_is_said_to_be_none_and_sounds_are_nothing() -> None:
    texts = (("[music]", 0.5), ("Das ist nicht wahr, oder?", 2.0), ("(laughs) I hate you!", 9.0))
    lines = [Line(text, end_s - 0.5, end_s) for text, end_s in texts]
    words = TranscriptScorer(TextPredictor(load_bundle()), 5.0, lines)
    assert words.score(0.6) is None and words.absence_reason(0.6) == "nothing said"
    assert words.score(2.5) is None and words.absence_reason(2.5).startswith("the words are not English")
    assert words.score(7.5) is None and words.absence_reason(7.5) == "nothing said"
    found = words.score(9.0)
    assert found is not None and found.label == "angry"
