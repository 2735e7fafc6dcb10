"""What a face network is trained on: sets beside each other, how they are drawn, and another network's weights."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from emofuse.emotions import FERPLUS
from emofuse.errors import BundleError, CorpusError, RecipeError
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.network import OnnxNetwork
from emofuse.research.corpora.readers.ferplus import UNLABELLED, FerPlus, read_original_labels
from emofuse.research.models.face_sequence import SHIPPED
from emofuse.research.models.registry import build
from emofuse.research.models.settings import FaceNetSettings
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import Recipe, TrainSettings
from emofuse.research.tasks.augment import augment_faces
from emofuse.research.tasks.batches import train_loader
from emofuse.research.tasks.faces import DrawnFaces, draw_weights, face_job, read_training_faces, set_shares
from emofuse.research.training.cards import model_card
from emofuse.research.training.export import export, write_network

SMALL = FaceNetSettings(widths=(4, 8), blocks=(1,))
HAPPY, SAD = FERPLUS.index("happiness"), FERPLUS.index("sadness")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two faces of FER+, FER2013's labels of one, and four of CFEE, of two people."""
    root = tmp_path_factory.mktemp("data")
    (root / "faces").mkdir()
    with zipfile.ZipFile(root / "ferplus.zip", "w") as archive:
        for part in ("Train", "Valid"):
            rows = [f"{name}.png,box,0,10,0,0,0,0,0,0,0,0" for name in "ab"]
            archive.writestr(f"FER2013{part}/label.csv", "\n".join(rows))
            for i, name in enumerate("ab"):
                picture = cv2.imencode(".png", np.full((48, 48), 50 + i, np.uint8))[1]
                archive.writestr(f"FER2013{part}/{name}.png", picture.tobytes())
    (root / "faces" / "fer2013_labels.csv").write_text("part,image,fer2013\nTrain,b.png,sad\nTest,a.png,fear\n")
    with zipfile.ZipFile(root / "faces" / "cfee.zip", "w") as archive:
        rows = [f"{i}.jpg,{who},4,Angry,simple" for i, who in enumerate(("07", "07", "09", "09"))]
        archive.writestr("labels.csv", "\n".join(["file,subject,emotion_idx,emotion,type", *rows]))
        for i in range(4):
            picture = cv2.imencode(".jpg", np.full((140, 140, 3), 200 + i, np.uint8))[1]
            archive.writestr(f"{i}.jpg", picture.tobytes())
    return root


def test_sets_stand_beside_each_other_with_an_edge_around_each_face(data: Path) -> None:
    faces = read_training_faces(FaceDataSettings(train_on=("ferplus", "cfee")), data)
    images, targets = faces.batches.images.numpy(), faces.batches.targets.numpy()
    assert images.shape == (6, 60, 60)
    assert images[:2, 0, 0].tolist() == [50, 51]  # what is beyond a web face repeats its edge
    assert targets.argmax(axis=1).tolist() == [HAPPY, HAPPY, *[FERPLUS.index("anger")] * 4]
    np.testing.assert_allclose(faces.prior[[HAPPY, FERPLUS.index("anger")]], [2 / 6, 4 / 6])


def test_larger_faces_have_larger_edges_and_web_faces_are_made_as_large(data: Path) -> None:
    settings = FaceDataSettings(train_on=("ferplus", "cfee"), size_px=96, n_drawn=4)
    faces = read_training_faces(settings, data)
    assert faces.batches.images.shape == (6, 120, 120)
    drawn, _ = faces.batches.__getitems__([0, 1, 2])
    assert augment_faces(drawn, settings, torch.Generator().manual_seed(0)).shape == (3, 1, 96, 96)


def test_fer2013_has_its_share_where_it_has_a_label(data: Path) -> None:
    faces = read_training_faces(FaceDataSettings(original_share=0.4), data)
    expected = np.zeros((2, 8))
    expected[0, HAPPY], expected[1, [HAPPY, SAD]] = 1, (0.6, 0.4)
    np.testing.assert_allclose(faces.batches.targets, expected, atol=1e-6)


def test_original_labels_are_told_by_part_and_picture(data: Path, tmp_path: Path) -> None:
    table = data / "faces" / "fer2013_labels.csv"
    assert read_original_labels(table, data / "ferplus.zip", "Train").tolist() == [UNLABELLED, SAD]
    with pytest.raises(CorpusError, match="no labels of FER2013"):
        read_original_labels(tmp_path / "absent.csv", data / "ferplus.zip", "Train")
    (tmp_path / "other.csv").write_text("part,image,fer2013\nTrain,a.png,bored\n")
    with pytest.raises(CorpusError, match="does not hold the labels"):
        read_original_labels(tmp_path / "other.csv", data / "ferplus.zip", "Train")


def test_without_an_original_label_the_votes_count_for_all() -> None:
    faces = FerPlus(np.zeros((2, 48, 48), np.uint8), np.array([[0, 10, *[0] * 8]] * 2, np.float32))
    _, targets = faces.distributions(np.array([UNLABELLED, SAD]), 0.5)
    np.testing.assert_allclose(targets[:, [HAPPY, SAD]], [[1, 0], [0.5, 0.5]])


def test_people_who_are_left_out_are_not_trained_on(data: Path) -> None:
    settings = FaceDataSettings(train_on=("cfee",))
    faces = read_training_faces(settings, data, {"cfee": frozenset({"07"})})
    assert faces.batches.images[:, 30, 30].tolist() == [202, 203]


def test_faces_of_two_emotions_are_left_out_where_the_recipe_says_so(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    with zipfile.ZipFile(tmp_path / "faces" / "cfee.zip", "w") as archive:
        rows = ["0.jpg,07,4,Angry,simple", "1.jpg,07,17,Fearfully surprised,compound"]
        archive.writestr("labels.csv", "\n".join(["file,subject,emotion_idx,emotion,type", *rows]))
        for i in range(2):
            picture = cv2.imencode(".jpg", np.full((140, 140, 3), 200 + i, np.uint8))[1]
            archive.writestr(f"{i}.jpg", picture.tobytes())
    settings = FaceDataSettings(train_on=("cfee",))
    both, simple = (
        read_training_faces(settings.model_copy(update={"compounds": compounds}), tmp_path).batches.targets
        for compounds in (True, False)
    )
    assert (both > 0).sum(1).tolist() == [1, 2]
    assert simple.tolist() == both[:1].tolist()


def test_an_epoch_draws_as_it_is_weighed_and_anew() -> None:
    images = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    drawn = DrawnFaces(images, np.eye(4, 8, dtype=np.float32), np.array([0.7, 0.2, 0.1, 0.0]), 4000)
    drawn.reseed(1, 0)
    faces, targets = drawn.__getitems__(range(4000))
    counts = np.bincount(faces[:, 0, 0, 0].numpy().astype(int), minlength=4) / 4000
    np.testing.assert_allclose(counts, [0.7, 0.2, 0.1, 0], atol=0.03)
    assert torch.equal(targets.argmax(1), faces[:, 0, 0, 0].long())
    first = drawn.drawn.tolist()
    drawn.reseed(1, 1)
    assert (len(drawn), drawn.drawn.tolist() == first) == (4000, False)
    drawn.reseed(1, 0)
    assert drawn.drawn.tolist() == first


def test_a_loader_gives_an_epoch_as_it_was_drawn() -> None:
    images = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    data = DrawnFaces(images, np.eye(4, 8, dtype=np.float32), np.array([0.7, 0.2, 0.1, 0.0]), 1000)
    batches = list(train_loader(data, 100, seed=1))
    found = torch.cat([faces[:, 0, 0, 0] for faces, _ in batches]).numpy().astype(int)
    assert np.bincount(found, minlength=4).tolist() == np.bincount(data.drawn, minlength=4).tolist()


def test_a_rare_emotion_is_drawn_more_often_but_not_as_often_as_a_frequent_one() -> None:
    targets = np.eye(8, dtype=np.float32)[[HAPPY] * 99 + [SAD] * 24]
    weights = draw_weights(targets, 0.5)
    assert weights.sum() == pytest.approx(1)
    assert weights[-1] / weights[0] == pytest.approx(2.0)  # the root of (99 + 1) / (24 + 1)
    assert draw_weights(targets, 0.0)[[0, -1]] == pytest.approx([1 / 123] * 2)
    assert draw_weights(targets, 1.0)[-1] / draw_weights(targets, 1.0)[0] == pytest.approx(4.0)


def test_sets_of_a_kind_share_what_is_theirs() -> None:
    assert set_shares({"cfee": 900, "taiwan": 400}, 0.35) == pytest.approx({"cfee": 0.6, "taiwan": 0.4})
    assert set_shares({"ferplus": 5}, 0.35) == {"ferplus": 1.0}


def test_the_prior_is_of_what_is_drawn(data: Path) -> None:
    settings = FaceDataSettings(train_on=("ferplus", "cfee"), n_drawn=10, portrait_share=0.25)
    job = face_job(Recipe(name="f", data=settings, model=SMALL), data)
    assert (len(job.train), job.class_prior is not None) == (10, True)
    np.testing.assert_allclose(job.class_prior[[HAPPY, FERPLUS.index("anger")]], [0.75, 0.25], atol=1e-6)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an exported network with random weights, which its card says learnt from CFEE."""
    torch.manual_seed(5)
    recipe = Recipe(name="teacher", data=FaceDataSettings(train_on=("cfee",)), model=SMALL)
    card = model_card(network := build(SMALL, 8), recipe, FERPLUS)
    path = tmp_path_factory.mktemp("teacher") / "teacher.onnx"
    write_network(network, card.model_copy(update={"cautions": (*card.cautions, "It is small.")}), path)
    return path


def test_teachers_share_in_the_targets_by_what_they_answer_to_faces_as_they_are_cut(data: Path, teacher: Path) -> None:
    settings = FaceDataSettings(train_on=("ferplus", "cfee"), n_drawn=10, portrait_share=0.25)
    told = {"teachers": (str(teacher),), "teacher_share": 0.25, "teacher_temperature": 2.0}
    jobs = [
        face_job(Recipe(name="f", data=one, model=SMALL, train=TrainSettings(logit_adjustment=0.5)), data)
        for one in (settings, settings.model_copy(update=told))
    ]
    alone, taught = (job.train for job in jobs)
    assert isinstance(alone, DrawnFaces) and isinstance(taught, DrawnFaces)
    cut = alone.images[:, None, 6:-6, 6:-6].float().numpy()
    prior = np.full(8, 1e-4)  # what is not drawn is taken out of the logits as if it were, now and then
    prior[[HAPPY, FERPLUS.index("anger")]] = 0.75, 0.25
    answers = torch.from_numpy(OnnxNetwork(teacher).logits(cut) / 2 + 0.5 * np.log(prior)).softmax(1).float()
    torch.testing.assert_close(taught.targets, 0.75 * alone.targets + 0.25 * answers, atol=1e-5, rtol=0)
    np.testing.assert_array_equal(taught.chances, alone.chances)  # they are drawn as they are labelled
    torch.testing.assert_close(jobs[0].class_prior, jobs[1].class_prior)
    assert jobs[0].fingerprint != jobs[1].fingerprint


def test_a_card_names_what_the_teachers_learnt_from_and_warns_as_theirs_do(teacher: Path) -> None:
    recipe = Recipe(name="f", data=FaceDataSettings(teachers=2 * (str(teacher),)), model=SMALL)
    card = model_card(build(SMALL, 8), recipe, FERPLUS)  # two teachers who learnt from the same
    assert [(source.name, source.part) for source in card.data][1:] == [("CFEE", "teacher")]
    assert card.cautions[-1] == "It is small."
    gone = recipe.model_copy(update={"data": FaceDataSettings(teachers=("gone.onnx",))})
    assert model_card(build(SMALL, 8), gone, FERPLUS).data[-1].name == "the network gone.onnx"


def test_a_teacher_of_something_else_is_refused(data: Path) -> None:
    settings = FaceDataSettings(teachers=(str(BUNDLES / "base" / "text.onnx"),))
    with pytest.raises(BundleError, match="not a network of faces"):
        face_job(Recipe(name="f", data=settings, model=SMALL), data)


def test_training_may_start_from_an_exported_network(data: Path, tmp_path: Path) -> None:
    first = Recipe(name="first", seed=8, data=FaceDataSettings(), model=SMALL)
    torch.manual_seed(3)
    network = build(SMALL, 8)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.add_(0.1 * torch.rand_like(value))
    header = {"recipe": first.model_dump_json(), "labels": '["' + '","'.join(FERPLUS) + '"]'}
    save_file(network.state_dict(), tmp_path / "first.safetensors", metadata=header)
    export(tmp_path / "first.safetensors", tmp_path / "first.onnx")
    model = SMALL.model_copy(update={"start": str(tmp_path / "first.onnx"), "dropout": 0.0})
    second = Recipe(name="second", data=FaceDataSettings(), model=model)
    job = face_job(second, data)
    faces = 255 * torch.rand(3, 1, 48, 48)
    assert job.network.training
    expected = OnnxNetwork(tmp_path / "first.onnx").logits(faces.numpy())
    np.testing.assert_allclose(job.network(faces).detach(), expected, atol=1e-3)
    # and what comes of it is exported with a card that tells it
    header["recipe"] = second.model_dump_json()
    save_file(job.network.state_dict(), tmp_path / "second.safetensors", metadata=header)
    card = export(tmp_path / "second.safetensors", tmp_path / "second.onnx")
    assert [source.name for source in card.data] == ["FER+", "FER+, by the network first"]
    (tmp_path / "first.onnx").unlink()
    gone = model_card(job.network, second, FERPLUS).data[-1]
    assert gone.name.endswith("first.onnx") and gone.licence == "as its card says"


def test_a_start_that_is_not_there_or_of_another_form_is_refused(data: Path, tmp_path: Path) -> None:
    def started(start: object) -> Recipe:
        model = SMALL.model_copy(update={"start": str(start)})
        return Recipe(name="f", data=FaceDataSettings(), model=model)

    with pytest.raises(BundleError, match="no model at"):
        face_job(started(tmp_path / "absent.onnx"), data)
    with pytest.raises(RecipeError, match=r"not an exported face network of this form"):
        face_job(started(SHIPPED), data)
