"""What is not a person before a camera, or no voice, never gets a sure answer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.cli.demo import CLIP
from emofuse.inference.pipeline import Pipeline
from emofuse.media import open_media
from emofuse.types import UNCERTAIN, AudioBlock, Frame, Moment, Packet

RATE_HZ = 16_000
T = np.arange(4 * RATE_HZ) / RATE_HZ


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load("base")


def answered(pipeline: Pipeline, packets: list[Packet]) -> list[Moment]:
    stream = pipeline.stream()
    moments = [moment for packet in packets for moment in stream.push(packet)] + stream.finish()
    return [moment for moment in moments if moment.fused is not None]


def noise() -> NDArray[np.float64]:
    return 0.1 * np.random.default_rng(0).normal(size=len(T))


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(0 * T, id="silence"),
        pytest.param(noise(), id="noise"),
        pytest.param(sum(0.2 * np.sin(2 * np.pi * 50 * k * T) / k for k in range(1, 8)), id="hum of the mains"),
        pytest.param(sum(0.1 * np.sin(2 * np.pi * hz * T) for hz in (220, 277, 330)), id="chord"),
    ],
)
def test_what_is_no_speech_has_no_answer(pipeline: Pipeline, sound: NDArray[np.float64]) -> None:
    blocks: list[Packet] = [
        AudioBlock(sound[i : i + 8_000].astype(np.float32), RATE_HZ, i / RATE_HZ) for i in range(0, len(sound), 8_000)
    ]
    assert answered(pipeline, blocks) == []


def frames(turned: bool) -> list[Packet]:
    with open_media(CLIP) as media:
        pictures = [packet for packet in media if isinstance(packet, Frame)][:40:4]
    return [Frame(np.ascontiguousarray(p.image[::-1, ::-1]) if turned else p.image, p.time_s) for p in pictures]


def test_a_film_upside_down_is_uncertain_and_told_why(pipeline: Pipeline) -> None:
    upright, turned = (answered(pipeline, frames(turned)) for turned in (False, True))
    assert upright and all(m.fused and m.fused.answer == "happy" and m.fused.confidence > 0.6 for m in upright)
    assert turned and all(m.fused and m.fused.answer == UNCERTAIN and m.fused.confidence < 0.4 for m in turned)
    reasons = {reason for m in turned if m.fused and m.fused.certainty for reason in m.fused.certainty.lowered_by}
    assert "unlike the training data" in reasons


def test_a_drawn_face_is_never_more_than_unsure(pipeline: Pipeline) -> None:
    picture = np.full((360, 480, 3), 200, np.uint8)
    cv2.ellipse(picture, (240, 190), (90, 115), 0, 0, 360, (230, 190, 160), -1)
    for x in (205, 275):
        cv2.ellipse(picture, (x, 165), (18, 11), 0, 0, 360, (255, 255, 255), -1)
        cv2.circle(picture, (x, 165), 9, (60, 40, 20), -1)
        cv2.line(picture, (x - 20, 143), (x + 20, 143), (60, 40, 20), 6)
    cv2.line(picture, (243, 175), (234, 212), (190, 145, 120), 4)
    cv2.ellipse(picture, (240, 214), (13, 6), 0, 0, 180, (180, 130, 110), 3)
    cv2.ellipse(picture, (240, 243), (36, 20), 0, 0, 180, (190, 60, 60), -1)
    cv2.ellipse(picture, (240, 243), (30, 9), 0, 0, 180, (255, 255, 255), -1)
    found = answered(pipeline, [Frame(picture, i / 10) for i in range(12)])
    assert found
    assert {m.fused.certainty.word for m in found if m.fused and m.fused.certainty} == {"unsure"}
