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
