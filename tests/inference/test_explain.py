"""Explanations point at what an answer comes from, where that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.cli.demo import CLIP
from emofuse.inference.bundle import load_bundle
from emofuse.inference.explain import (
    STRETCH_S,
    Predict,
    choose_moments,
    explain,
    explain_face,
    explain_voice,
    explain_words,
)
from emofuse.inference.pipeline import Pipeline
from emofuse.media import open_media
from emofuse.preprocessing.tokens import encode, stack
from emofuse.timeline import SourceInfo, Summary, Timeline
from emofuse.transcripts.reading import read_transcript
from emofuse.types import Moment, Scores

RATE = 16_000


def knows(evidence: Callable[[NDArray[Any]], float]) -> Predict:
    """Stand for a network of two labels; `evidence` tells how sure it is of the first."""

    def predict(batch: NDArray[Any]) -> NDArray[np.float32]:
        p = 1 / (1 + np.exp(-np.array([evidence(one) for one in batch])))
        return np.stack([p, 1 - p], axis=1).astype(np.float32)

    return predict


def test_a_face_is_red_where_the_network_looks_and_blue_for_the_other_answer() -> None:
    crop = np.full((48, 48), 100, np.uint8)
    crop[34:42, 16:32] = 250  # a mouth that shines, and it alone counts
    network = knows(lambda face: (face[0, 34:42, 16:32].mean() - 100) / 30)
    found = explain_face(network, crop, 0).influence
    assert found.shape == (48, 48)
    assert found[36:40, 20:28].min() > 5 * np.abs(found[:16]).max()
    assert explain_face(network, crop, 1).influence[36:40, 20:28].max() < 0


def test_a_larger_face_is_covered_in_as_many_parts() -> None:
    crop = np.full((96, 96), 100, np.uint8)
    crop[68:84, 32:64] = 250
    n_asked = []

    def predict(batch: NDArray[Any]) -> NDArray[np.float32]:
        n_asked.append(len(batch))
        return knows(lambda face: (face[0, 68:84, 32:64].mean() - 100) / 30)(batch)

    found = explain_face(predict, crop, 0).influence
    explain_face(predict, crop[::2, ::2], 0)
    assert found.shape == (96, 96) and n_asked[0] == n_asked[1]
    assert found[72:80, 40:56].min() > 5 * np.abs(found[:32]).max()


def test_every_part_of_a_face_is_covered_as_often() -> None:
    crop = np.arange(48 * 48, dtype=np.uint16).reshape(48, 48).astype(np.uint8)
    found = explain_face(knows(lambda face: 0.0), crop, 0).influence
    np.testing.assert_array_equal(found, np.zeros((48, 48)))  # nothing counts, and nothing is divided by none


def test_the_moment_and_the_band_of_a_voice_are_found() -> None:
    times = np.arange(3 * RATE) / RATE
    tone = np.sin(2 * np.pi * 1000 * times)
    samples = (0.02 * np.sin(2 * np.pi * 200 * times) + 0.3 * tone * ((times > 1.5) & (times < 1.8))).astype(np.float32)
    hears = knows(lambda sound: float(np.abs(np.dot(sound[: len(tone)], tone)) / 200))
    found = explain_voice(hears, samples, 3.0, end_s=10.0, label=0)
    assert (found.start_s, found.end_s) == (7.0, 10.0)
    assert len(found.by_time) == round(3 / STRETCH_S)
    assert int(found.by_time.argmax()) == 5  # from 1.5 to 1.8 s
    best = int(found.by_band.argmax())
    assert found.band_edges_hz[best] <= 1000 < found.band_edges_hz[best + 1]
    assert found.by_time.max() > 10 * np.abs(np.delete(found.by_time, 5)).max()


def test_a_window_that_is_short_is_filled_up_as_an_analysis_does() -> None:
    lengths = []
    explain_voice(knows(lambda s: lengths.append(len(s)) or 0.0), np.ones(RATE, np.float32), 3.0, 1.0, 0)
    assert set(lengths) == {3 * RATE}


def test_the_word_that_tells_is_found() -> None:
    number = encode("dreadful")[1, 0]
    found = explain_words(knows(lambda tokens: 3.0 * float((tokens[:, 0] == number).any())), "What a dreadful day!", 0)
    assert found.words == ("What", "a", "dreadful", "day!")
    assert int(np.argmax(found.influence)) == 2
    assert found.influence[0] == pytest.approx(0)
    assert stack([encode("")]).shape[1] == 2  # the only word of a text can be left out


def moment(time_s: float, label: int, confidence: float) -> Moment:
    p = np.full(3, (1 - confidence) / 2, np.float32)
    p[label] = confidence
    return Moment(time_s, Scores("fused", ("a", "b", "c"), p, time_s, time_s))


def test_the_surest_moment_of_each_answer_is_explained() -> None:
    moments = (moment(1, 0, 0.6), moment(2, 0, 0.9), moment(3, 1, 0.5), Moment(4, None), moment(5, 2, 0.7))
    source = SourceInfo("x", 5.0, None, None, None, True, False)
    timeline = Timeline(("a", "b", "c"), moments, source, Summary(None, {}, {}))
    assert [one.time_s for one in choose_moments(timeline)] == [2, 3, 5]
    assert [one.time_s for one in choose_moments(timeline, 2)] == [2, 5]


def test_of_moments_that_are_equally_sure_the_one_with_more_modalities_is_explained() -> None:
    alone, whole, later = moment(1, 0, 0.9), moment(2, 0, 0.9), moment(3, 0, 0.9)
    assert whole.fused is not None
    whole = replace(whole, by_modality={"voice": whole.fused, "face": whole.fused})
    timeline = Timeline(
        ("a", "b", "c"),
        (alone, whole, later),
        SourceInfo("x", 3.0, None, None, None, True, True),
        Summary(None, {}, {}),
    )
    assert choose_moments(timeline) == [whole]


def test_all_three_modalities_of_a_film_are_explained() -> None:
    bundle = load_bundle("base")
    timeline = Pipeline(bundle)(CLIP, transcript=read_transcript(Path(CLIP).with_suffix(".srt")))
    with open_media(CLIP) as media:
        (first, *_) = explain(media, timeline, bundle)
    (chosen, *_) = choose_moments(timeline)
    assert chosen.fused is not None and first.label == chosen.fused.label
    assert first.time_s == chosen.time_s
    assert first.face is not None and first.voice is not None and first.words is not None
    assert first.face.crop.std() > 10  # a face, not a wall
    # it smiles, and that is what makes it happy: the mouth counts for it more than the brow
    assert first.face.influence[68:88, 28:68].mean() > first.face.influence[4:24, 28:68].mean()
    assert first.words.words[int(np.argmax(first.words.influence))] in ("wonderful!", "happy")
