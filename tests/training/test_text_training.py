"""From MELD's tables to a trained text network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emofuse.config import FaceNetSettings, Recipe, TextDataSettings, TextNetSettings, TrainSettings
from emofuse.emotions import MELD
from emofuse.errors import CorpusError, RecipeError
from emofuse.features.text import PADDING, encode, word_number
from emofuse.models.text import TextNet
from emofuse.training.fit import fit
from emofuse.training.networks import check_pairing
from emofuse.training.text import TextBatches, read_part, text_job
from make_meld import N_DIALOGUES, SAID, write_meld

NETWORK = TextNetSettings(n_words=40, readers=2, width=8, channels=8, word_dropout=0, dropout=0)
TRAIN = TrainSettings(
    epochs=12, batch_size=7, optimizer="adam", lr=0.02, mixup=0, warmup_epochs=0, ema_decay=0.5, class_weights="root"
)


def recipe(**changes: object) -> Recipe:
    values = {"name": "text", "seed": 1, "data": TextDataSettings(), "model": NETWORK, "train": TRAIN}
    return Recipe(**{**values, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_meld(tmp_path_factory.mktemp("data"))


def test_a_part_is_read_with_its_words_encoded(data: Path) -> None:
    manifest, texts, truth = read_part(data, "dev")
    assert len(manifest) == len(texts) == 7 * N_DIALOGUES["dev"]
    assert truth.tolist() == [*range(7)] * 2
    assert all(np.array_equal(text, encode(SAID[MELD[i]])) for text, i in zip(texts, truth, strict=True))


def test_the_job_trains_on_train_watches_dev_and_knows_the_words_of_train(data: Path) -> None:
    job = text_job(recipe(), data)
    assert job.labels == MELD
    assert len(job.train) == 42 and job.valid is not None and len(job.valid) == 14
    assert isinstance(job.network, TextNet)
    rows = job.network.frontend(torch.tensor([[word_number(word) for word in ("great", "help", "'m", "wonderful")]]))
    assert (rows[0, :3] > 1).all() and rows[0, 3] == 1
    assert job.class_weights is not None
    torch.testing.assert_close(job.class_weights, torch.ones(7))  # there are as many of each
    assert text_job(recipe(), data).fingerprint == job.fingerprint


def test_other_words_are_other_data(data: Path, tmp_path: Path) -> None:
    other = write_meld(tmp_path)
    table = other / "meld" / "text" / "dev_sent_emo.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("Yuck", "Eww"), encoding="utf-8")
    assert text_job(recipe(), other).fingerprint != text_job(recipe(), data).fingerprint


def test_a_training_learns_what_words_mean(data: Path, tmp_path: Path) -> None:
    result = fit(recipe(), text_job(recipe(), data), tmp_path, progress=False)
    assert result.score is not None and result.score > 0.9


def test_a_batch_is_padded_to_its_longest_text() -> None:
    texts = [encode("oh"), encode("oh no no"), encode("")]
    batches = TextBatches(texts, np.eye(3, dtype=np.float32))
    tokens, targets = batches.__getitems__([2, 0])
    assert tokens.shape == (2, 3) and tokens[0, 2] == PADDING
    assert targets.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert batches[1][0].tolist() == texts[1].tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": TRAIN.model_copy(update={"mixup": 0.2})}, "mixup"),
        ({"model": FaceNetSettings()}, "pairs 'text' with 'face-resnet'"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_pairing(recipe(**changes))


def test_a_job_needs_the_tables(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no table of MELD"):
        text_job(recipe(), tmp_path)
    with pytest.raises(RecipeError, match="'text' with 'face-resnet'"):
        text_job(recipe(model=FaceNetSettings()), tmp_path)
