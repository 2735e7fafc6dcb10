"""The card of a model: what it must say, and that it survives being written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from emofuse.card import CARD_KEY, DataSource, InputSpec, ModelCard, Score

SCORE = Score(
    metric="UAR",
    value=0.7,
    on="RAVDESS speech, n = 1440",
    protocol="6 folds",
    command="emofuse evaluate recipes/voice.toml",
    interval_95=(0.6, 0.8),
    weights="same recipe",
)
CARD = ModelCard(
    name="voice",
    version="1.2.3",
    modality="voice",
    description="A network.",
    labels=("calm", "happy"),
    input=InputSpec(kind="samples", rate_hz=16_000, window_s=3.0),
    n_parameters=12,
    data=(DataSource(name="RAVDESS speech", licence="CC BY-NC-SA 4.0"),),
    recipe="{}",
    seed=1,
    scores=(SCORE,),
    cautions=("The voices are acted.",),
)


def test_a_card_that_is_written_and_read_is_the_same() -> None:
    again = ModelCard.model_validate_json(CARD.model_dump_json())
    assert again == CARD
    assert again.labels == ("calm", "happy")
    assert again.scores[0].interval_95 == (0.6, 0.8)
    assert again.data[0].part == ""


def test_what_is_there_twice_was_learnt_from_once() -> None:
    parts = ("", "teacher", "pretraining")
    data = (*CARD.data, *(DataSource(name="FER+", licence="MIT", part=part) for part in parts))
    assert CARD.model_copy(update={"data": data}).learnt_from == ("RAVDESS speech", "FER+")


def test_the_key_in_the_file_does_not_change() -> None:
    """Bundles that are out there are read by it."""
    assert CARD_KEY == "emofuse.card"


def test_a_score_needs_its_protocol_and_command() -> None:
    for field in ("on", "protocol", "command"):
        with pytest.raises(ValidationError, match=field):
            Score.model_validate({k: v for k, v in SCORE.model_dump().items() if k != field})
    bare = Score(metric="UAR", value=0.5, on="x", protocol="y", command="z")
    assert (bare.interval_95, bare.weights) == (None, "these")


@pytest.mark.parametrize(
    "change", [{"modality": "smell"}, {"colour": "red"}, {"labels": None}, {"input": {"kind": "words"}}]
)
def test_a_card_with_a_wrong_or_unknown_part_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        ModelCard.model_validate(CARD.model_dump() | change)


def test_a_card_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        CARD.name = "other"


CLIP = {"kind": "clip", "size_px": 112, "n_frames": 20, "sampling": "uniform", "margin": 0.2, "window_s": 3.0}


def test_the_input_of_a_clip_network() -> None:
    silent, hearing = InputSpec.model_validate(CLIP), InputSpec.model_validate({**CLIP, "rate_hz": 16_000})
    assert silent.names == ("frames",) and hearing.names == ("frames", "samples", "present")
    assert silent.step_s == pytest.approx(0.15) and silent.span_s == pytest.approx(3.0)
    strided = InputSpec.model_validate({**CLIP, "sampling": "strided", "stride": 6})
    assert strided.step_s == pytest.approx(0.2) and strided.span_s == pytest.approx(4.0)
    first = InputSpec.model_validate({**CLIP, "sampling": "first", "stride": 6})
    assert first.step_s == pytest.approx(1 / 30)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sampling": None}, "must give its sampling"),
        ({"margin": None, "n_frames": None}, "must give its n_frames, margin"),
        ({"sampling": "strided"}, "must give its stride"),
        ({"rate_hz": 8000}, "16000"),
        ({"window_s": 0.0}, "window_s"),
        ({"window_s": 100.0}, "at most 60 s"),
        ({"sampling": "strided", "stride": 30, "n_frames": 200}, "at most 60 s"),
        ({"n_frames": 0}, "n_frames"),
    ],
)
def test_the_input_of_a_clip_network_that_is_not_whole(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        InputSpec.model_validate(CLIP | change)


def test_a_modality_has_its_kind_of_input() -> None:
    with pytest.raises(ValidationError, match="a clip network is given clip, not samples"):
        ModelCard.model_validate(CARD.model_dump() | {"modality": "clip"})
    made = ModelCard.model_validate(CARD.model_dump() | {"modality": "clip", "input": CLIP})
    assert ModelCard.model_validate_json(made.model_dump_json()) == made
