"""From text corpora to a trained text network."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from emofuse.emotions import BASE
from emofuse.errors import BundleError, CorpusError, RecipeError
from emofuse.inference.bundle import BUNDLES, load_bundle
from emofuse.inference.bundle_check import check_bundle
from emofuse.inference.bundle_writer import BundleEntry, compose
from emofuse.inference.modalities.text import TextPredictor
from emofuse.inference.network import OnnxNetwork, softmax
from emofuse.preprocessing.tokens import PADDING, WIDTH, encode, word_number, word_numbers
from emofuse.research.corpora.corpus import LANGUAGES_CAUTION, SENTENCE_CAUTION
from emofuse.research.corpora.readers.edos import FURTHER
from emofuse.research.corpora.registry import read_texts
from emofuse.research.corpora.texts import LabelledText, text_key
from emofuse.research.models.minilm import MiniLm
from emofuse.research.models.settings import FaceNetSettings, MiniLmSettings, TextNetSettings
from emofuse.research.models.text import TextNet
from emofuse.research.recipes.data import TextDataSettings
from emofuse.research.recipes.recipe import Recipe, TrainSettings
from emofuse.research.tasks.text import (
    MOST_TIMES,
    TextBatches,
    TextTask,
    cut_fragments,
    even_out,
    read_union,
    score_texts,
    text_job,
    without_absent,
)
from emofuse.research.training.export import export
from emofuse.research.training.fit import fit
from emofuse.research.training.jobs import check_pairing
from make_meld import write_meld
from make_minilm import write_minilm
from make_text_corpora import write_edos, write_further_edos, write_projections, write_xed
from quick_export import quick_exporter

NETWORK = TextNetSettings(n_words=40, n_parts=30, width=8, channels=8, word_dropout=0, dropout=0)
TRAIN = TrainSettings(
    epochs=12, batch_size=7, optimizer="adam", lr=0.02, mixup=0, warmup_epochs=0, ema_decay=0.5, class_weights="root"
)


def recipe(**changes: object) -> Recipe:
    values = {"name": "text", "seed": 1, "data": TextDataSettings(), "model": NETWORK, "train": TRAIN}
    return Recipe(**{**values, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_meld(tmp_path_factory.mktemp("data"))
    write_xed(root / "xed")
    write_edos(root / "edos")
    return root


@pytest.fixture(scope="module")
def teacher(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    fit(recipe(), text_job(recipe(), data), folder, progress=False)
    with quick_exporter():
        export(folder / "model.safetensors", folder / "teacher.onnx")
    return folder / "teacher.onnx"


def test_the_job_trains_on_train_watches_dev_and_knows_the_words_of_train(data: Path) -> None:
    job = text_job(recipe(), data)
    assert job.labels == BASE
    assert len(job.train) == 42 and job.valid is not None and len(job.valid) == 14
    assert isinstance(job.network, TextNet)
    words = torch.full((1, 4, WIDTH), PADDING)
    words[0, :, 0] = torch.tensor([word_number(word) for word in ("great", "help", "train", "wonderful")])
    rows = job.network.frontend(words)[0, :, 0]
    assert (rows[:3] > 1).all() and rows[3] == 1
    assert job.class_weights is not None
    torch.testing.assert_close(job.class_weights, torch.ones(7))  # there are as many of each
    assert text_job(recipe(), data).fingerprint == job.fingerprint


def test_other_words_are_other_data(data: Path, tmp_path: Path) -> None:
    other = write_meld(tmp_path)
    table = other / "meld" / "text" / "dev_sent_emo.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("Yuck", "Eww"), encoding="utf-8")
    assert text_job(recipe(), other).fingerprint != text_job(recipe(), data).fingerprint


def test_votes_are_targets_and_made_sentences_come_after_them(data: Path) -> None:
    job = text_job(recipe(data=TextDataSettings(train_on=("xed",), made=30)), data)
    train = read_texts("xed", data).of_part("train")
    assert isinstance(job.train, TextBatches)
    assert len(job.train) == len(train) + 30
    np.testing.assert_allclose(job.train.targets[: len(train)], [one.votes for one in train])
    torch.testing.assert_close(job.train.targets.sum(dim=1), torch.ones(len(job.train)))
    assert np.array_equal(job.train.texts[0], encode(train[0].text))


def test_neutral_and_happy_sentences_are_thinned_and_marks_are_lost(data: Path) -> None:
    whole, thin = (text_job(recipe(data=TextDataSettings(thin=share)), data).train for share in (0.0, 0.7))
    assert isinstance(whole, TextBatches) and isinstance(thin, TextBatches)
    counts, thinned = whole.targets.sum(dim=0), thin.targets.sum(dim=0)
    assert (thinned[:2] < counts[:2]).all() and torch.equal(thinned[2:], counts[2:])
    bare = text_job(recipe(data=TextDataSettings(bare=1.0)), data).train
    assert isinstance(bare, TextBatches)
    marks = {word_number("."), word_number("!"), word_number("?!")}
    assert any(marks & set(text[:, 0].tolist()) for text in whole.texts)
    assert not any(marks & set(text[:, 0].tolist()) for text in bare.texts)


def test_teachers_share_in_the_targets_and_label_what_nobody_did(data: Path, teacher: Path) -> None:
    settings = TextDataSettings(train_on=("edos",), teachers=(str(teacher),), teacher_share=0.25)
    alone = text_job(recipe(data=TextDataSettings(train_on=("edos",))), data).train
    taught = text_job(recipe(data=settings), data).train
    assert isinstance(alone, TextBatches) and isinstance(taught, TextBatches)
    n = len(alone)
    assert len(taught) > n  # the turns before the last one
    predicted = torch.from_numpy(softmax(score_texts(OnnxNetwork(teacher), taught.texts)))
    torch.testing.assert_close(taught.targets[:n], 0.75 * alone.targets + 0.25 * predicted[:n])
    torch.testing.assert_close(taught.targets[n:], predicted[n:])


def test_teachers_are_asked_about_short_sentences_alone(data: Path, teacher: Path) -> None:
    alone = text_job(recipe(data=TextDataSettings(train_on=("edos",))), data).train
    settings = TextDataSettings(train_on=("edos",), teachers=(str(teacher),), teacher_share=1.0, teacher_words=5)
    taught = text_job(recipe(data=settings), data).train
    assert isinstance(alone, TextBatches) and isinstance(taught, TextBatches)
    n = len(alone)
    n_words = np.array([len(text) - 2 for text in taught.texts])  # without the marks of where a text begins and ends
    is_as_voted = (taught.targets[:n] == alone.targets).all(dim=1).numpy()
    assert np.array_equal(is_as_voted, n_words[:n] > 5) and 0 < is_as_voted.sum() < n
    assert (n_words[n:] <= 5).all()


def test_teachers_are_asked_about_the_english_line_that_another_translates(teacher: Path, tmp_path: Path) -> None:
    write_projections(tmp_path / "xed")
    settings = TextDataSettings(train_on=("xed@de",), teachers=(str(teacher),), teacher_share=1.0, held_out=())
    job = text_job(recipe(data=settings), tmp_path).train
    union = read_union(settings, tmp_path)
    kept = [*union.train, *union.unlabelled]
    assert isinstance(job, TextBatches)
    network = OnnxNetwork(teacher)
    for one, target in zip((one for one in kept if one.is_labelled or one.english), job.targets, strict=True):
        told = softmax(score_texts(network, [encode(one.english)]))[0] if one.english else one.votes
        torch.testing.assert_close(target, torch.tensor(told))


def test_what_a_teacher_answered_is_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(recipe(), text_job(recipe(), data), tmp_path, progress=False)
    with quick_exporter():
        export(tmp_path / "model.safetensors", tmp_path / "teacher.onnx")
    monkeypatch.setenv("EMOFUSE_CACHE", str(tmp_path / "cache"))  # other tests have asked this teacher
    taught = recipe(data=TextDataSettings(train_on=("edos",), teachers=(str(tmp_path / "teacher.onnx"),)))
    first = text_job(taught, data)
    asked: list[int] = []

    def ask(network: OnnxNetwork, texts: list[np.ndarray]) -> np.ndarray:
        asked.append(len(texts))
        return score_texts(network, texts)

    monkeypatch.setattr("emofuse.research.tasks.text.score_texts", ask)
    with monkeypatch.context() as without:
        without.delattr("emofuse.inference.network.open_session")  # not even opened
        assert text_job(taught, data).fingerprint == first.fingerprint and not asked
        with pytest.raises(BundleError, match="is not a text network of the labels"):
            text_job(
                recipe(data=taught.data.model_copy(update={"teachers": (str(BUNDLES / "base" / "face.onnx"),)})), data
            )
    text_job(recipe(data=taught.data.model_copy(update={"teacher_words": 5})), data)
    assert len(asked) == 1  # about other sentences


def test_fragments_are_labelled_by_teachers_alone(data: Path, tmp_path: Path) -> None:
    fit(recipe(), text_job(recipe(), data), tmp_path, progress=False)
    with quick_exporter():
        export(tmp_path / "model.safetensors", tmp_path / "teacher.onnx")
    settings = TextDataSettings(train_on=("meld",), teachers=(str(tmp_path / "teacher.onnx"),), teacher_share=0.0)
    whole = text_job(recipe(data=settings), data).train
    cut = text_job(recipe(data=settings.model_copy(update={"fragments": 2})), data).train
    assert isinstance(whole, TextBatches) and isinstance(cut, TextBatches)
    n = len(whole)
    assert len(cut) > n and torch.equal(cut.targets[:n], whole.targets)
    predicted = softmax(score_texts(OnnxNetwork(tmp_path / "teacher.onnx"), cut.texts[n:]))
    torch.testing.assert_close(cut.targets[n:], torch.from_numpy(predicted))


def test_fragments_are_cut_around_words_that_two_sentences_have() -> None:
    texts = ["Oh no, what a day!", "No way, what is it?", "Some quite different sentence."]
    cut = cut_fragments(texts, 400, frozenset(["what"]), Random(1))
    assert len(set(cut)) == len(cut) and all(any(run in text for text in texts) for run in cut)
    assert {text_key(run) for run in cut} & {"no", "what", "oh no", "no way what"} == {"no", "oh no", "no way what"}
    assert not any(run in texts[2] for run in cut)
    assert max(len(run.split()) for run in cut) == 5  # the whole of the first sentence


def test_words_begin_with_what_an_encoder_makes_of_them(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def embed(words: list[str], *_: Path) -> torch.Tensor:
        asked.extend(words)
        return torch.tensor([[float(len(word)), *[0.0] * 8] for word in words])

    files = dict(zip(("minilm_l6", "minilm_l6_words"), write_minilm(tmp_path), strict=True))
    monkeypatch.setattr("emofuse.research.tasks.text.find", files.__getitem__)
    monkeypatch.setattr("emofuse.research.tasks.text.embed_words", embed)
    network = text_job(recipe(model=NETWORK.model_copy(update={"pretrained": "minilm_l6"})), data).network
    assert isinstance(network, TextNet) and {"great", "help"} <= set(asked)
    vectors = network.vectors.eval()(network.frontend(torch.tensor([word_numbers(word) for word in asked])[None]))[0]
    lengths = torch.tensor([float(len(word)) for word in asked])
    is_known = torch.tensor([word_number(word) for word in asked])[:, None].eq(network.frontend.known).any(dim=1)
    assert torch.corrcoef(torch.stack([vectors[is_known, 0].detach(), lengths[is_known]]))[0, 1].abs() > 0.999


def test_languages_are_evened_out() -> None:
    def texts(language: str, n: int) -> list[LabelledText]:
        return [LabelledText(f"{language} {i}", (1.0,) * 7, "train", language=language) for i in range(n)]

    def counts(even: float) -> dict[str, int]:
        return dict(Counter(one.language for one in even_out(found, even, Random(1))))

    found = [*texts("en", 900), *texts("de", 100), *texts("is", 4)]
    assert counts(0.0) == {"en": 900, "de": 100, "is": 4}
    assert counts(0.5) == {"en": 717, "de": 239, "is": 4 * MOST_TIMES}
    assert counts(1.0) == {"en": 335, "de": 335, "is": 4 * MOST_TIMES}


def test_a_card_names_the_languages_that_are_learnt() -> None:
    many = recipe(data=TextDataSettings(train_on=("goemotions", "xed@de", "brighter@sv")))
    network = TextNet(NETWORK, 7)
    assert TextTask().input_spec(many, network).languages == ("de", "en", "sv")
    assert TextTask().cautions(many) == (LANGUAGES_CAUTION,)
    assert TextTask().input_spec(recipe(), network).languages == ()
    assert TextTask().cautions(recipe(data=TextDataSettings(train_on=("xed",)))) == (SENTENCE_CAUTION,)


def test_what_teachers_could_label_and_is_not_there_is_told_and_on_the_card(data: Path, teacher: Path) -> None:
    taught = recipe(data=TextDataSettings(train_on=("edos",), teachers=(str(teacher),)))
    notices: list[str] = []

    def parts(folder: Path) -> str:
        prepared, _ = TextTask().prepare(taught, folder, True, notices.append, None)
        return next(source.part for source in TextTask().sources(prepared) if source.name == "EDOS")

    assert parts(data) == "seven tenths of its hand-labelled dialogues"
    assert notices == [
        f"EDOS: fewer sentences are trained on, as {data / 'edos'} lacks {', '.join(FURTHER)} "
        "(from https://github.com/anuradha1992/EDOS)"
    ]


def test_the_card_names_the_tables_of_further_dialogues_that_were_used(
    data: Path, teacher: Path, tmp_path: Path
) -> None:
    write_further_edos(write_edos(tmp_path / "edos"))  # one table of three
    taught = recipe(data=TextDataSettings(train_on=("edos",), teachers=(str(teacher),)))
    notices: list[str] = []
    found = without_absent(taught, tmp_path, notices.append)
    assert len(notices) == 1 and FURTHER[1] not in notices[0]
    part = TextTask().sources(found)[0].part
    assert part.endswith(f"dialogues, others without their labels (but for {FURTHER[0]}, {FURTHER[2]})")
    for name in (FURTHER[0], FURTHER[2]):
        (tmp_path / "edos" / name).write_bytes((tmp_path / "edos" / FURTHER[1]).read_bytes())
    found = without_absent(taught, tmp_path, notices.append)
    assert len(notices) == 1 and TextTask().sources(found)[0].part.endswith("dialogues, others without their labels")
    alone = recipe(data=TextDataSettings(train_on=("edos",)))
    assert TextTask().sources(without_absent(alone, data, notices.append))[0].part.endswith("hand-labelled dialogues")
    assert len(notices) == 1  # without a teacher nobody labels them


def test_a_teacher_of_something_else_is_refused(data: Path) -> None:
    face = str(BUNDLES / "base" / "face.onnx")
    with pytest.raises(BundleError, match="not a text network"):
        text_job(recipe(data=TextDataSettings(teachers=(face,))), data)


def test_a_training_learns_what_words_mean(data: Path, tmp_path: Path) -> None:
    result = fit(recipe(), text_job(recipe(), data), tmp_path, progress=False)
    assert result.score is not None and result.score > 0.9


def test_a_batch_is_padded_to_its_longest_text() -> None:
    texts = [encode("oh"), encode("oh no no"), encode("")]
    batches = TextBatches(texts, np.eye(3, dtype=np.float32))
    tokens, targets = batches.__getitems__([2, 0])
    assert tokens.shape == (2, 3, WIDTH) and tokens[0, 2, 0] == PADDING
    assert targets.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert batches[1][0].tolist() == texts[1].tolist()
    assert batches.lengths.tolist() == [3, 5, 2]


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


@pytest.mark.load
def test_minilm_is_trained_exported_and_teaches(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = dict(zip(("minilm_l6", "minilm_l6_words"), write_minilm(tmp_path / "weights"), strict=True))
    monkeypatch.setattr("emofuse.research.tasks.text.find", files.__getitem__)
    settings = MiniLmSettings(n_pieces=256, layers=2, frozen=1, width=16, heads=2)
    train = TrainSettings(epochs=2, batch_size=7, optimizer="adamw", lr=1e-3, mixup=0, warmup_epochs=0, ema_decay=None)
    own = recipe(model=settings, train=train)
    job = text_job(own, data)
    assert isinstance(job.network, MiniLm) and "great" in job.network.frontend.vocabulary
    fit(own, job, tmp_path / "run", progress=False)
    with quick_exporter():
        card = export(tmp_path / "run" / "model.safetensors", tmp_path / "minilm.onnx")
    assert card.input.units == "pieces"
    assert "by all-MiniLM-L6-v2" in card.data[-1].name and card.data[-1].licence.startswith("Apache-2.0")
    network = OnnxNetwork(tmp_path / "minilm.onnx")
    assert network.embeddings(network.read("What? Help!")[None]).shape == (1, 16)
    assert network.logits_and_known(network.read("great help")[None])[1].tolist() == [1.0]
    taught = TextDataSettings(train_on=("edos",), teachers=(str(tmp_path / "minilm.onnx"),), teacher_share=1.0)
    sources = TextTask().sources(recipe(data=taught))
    assert [source.part for source in sources if "MiniLM" in source.name] == ["teacher"]
    batches = text_job(recipe(data=taught), data).train
    assert isinstance(batches, TextBatches) and np.isfinite(batches.targets.numpy()).all()
    base = load_bundle()
    compose(tmp_path / "bundle", "pieces", base.labels, {"text": BundleEntry(tmp_path / "minilm.onnx")})
    scores = TextPredictor(load_bundle(tmp_path / "bundle")).score("What? Help! I am so happy.", 0.0, 1.0)
    assert scores is not None and scores.measures["known"] > 0.5
    assert check_bundle(load_bundle(tmp_path / "bundle"))[0].modality == "text"
