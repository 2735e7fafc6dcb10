"""A training from end to end: it learns, says what it kept, goes on where it was cut off, and refuses to mix runs."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_problem import LABELS, MODEL, Identity, textures
from torch import Generator, Tensor

from emofuse.errors import OutputError, UsageError
from emofuse.research.models.face import FaceNet
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Job
from emofuse.research.training.callbacks import WholeCheckpoints
from emofuse.research.training.fit import FitResult, fit, load_weights, with_fitting_batch

MakeRecipe = Callable[..., Recipe]
MakeJob = Callable[..., Job]
BATCHES_PER_EPOCH = 10


def share_right(weights: dict[str, Tensor], seed: int = 3) -> float:
    """Score weights on pictures that no training saw."""
    network = FaceNet(MODEL, 3)
    network.load_state_dict(weights)
    x, target = textures(60, seed).__getitems__(range(60))
    with torch.no_grad():
        return float((network.eval()(x).argmax(1) == target.argmax(1)).float().mean())


def quiet_fit(recipe: Recipe, job: Job, folder: Path) -> FitResult:
    return fit(recipe, job, folder, progress=False)


@pytest.fixture(scope="module")
def trained(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """Train for two epochs, once."""
    return quiet_fit(make_recipe(), make_job(), tmp_path_factory.mktemp("trained") / "run")


def test_a_network_learns_what_can_be_learnt(trained: FitResult, make_job: MakeJob) -> None:
    assert share_right(make_job().network.state_dict()) < 0.7
    assert share_right(load_weights(trained.weights)[0]) > 0.95
    assert trained.score is not None and trained.score > 0.95
    assert trained.epoch in (0, 1)


def test_the_file_holds_the_recipe_and_the_labels(trained: FitResult, make_recipe: MakeRecipe) -> None:
    assert trained.weights.name == "model.safetensors"
    weights, recipe, labels = load_weights(trained.weights)
    assert recipe == make_recipe()
    assert labels == LABELS
    assert all(not name.startswith("network.") for name in weights)


def test_the_course_of_the_training_is_written_down(trained: FitResult) -> None:
    with (trained.weights.parent / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["train_loss"]) for row in rows if row["train_loss"]]
    assert len(losses) == 2
    assert losses[1] < losses[0]
    assert sum(1 for row in rows if row["val_accuracy"]) == 2


def turned_from(n_batches: int) -> Callable[[Tensor, Generator], Tensor]:
    """Return an augmentation that after so many batches shows rows as columns, so that more training harms."""
    count = [0]

    def augment(faces: Tensor, generator: Generator) -> Tensor:
        count[0] += 1
        return faces.transpose(2, 3) if count[0] > n_batches else faces

    return augment


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_best_epoch_or_the_last_is_kept(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, keep: str
) -> None:
    job = make_job(turned_from(2 * BATCHES_PER_EPOCH))
    result = quiet_fit(make_recipe(epochs=4, keep=keep), job, tmp_path)
    right = share_right(load_weights(result.weights)[0])
    if keep == "best":
        assert result.epoch in (0, 1)
        assert result.score is not None and result.score > 0.9
        assert right > 0.9
    else:
        assert (result.epoch, result.score) == (3, None)
        assert right < 0.5


def test_a_hook_is_told_of_every_epoch(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    fit(make_recipe(), make_job(), tmp_path, progress=False, hook=lambda *told: heard.append(told))
    assert heard == [("training, epochs", 1, 2), ("training, epochs", 2, 2)]


def test_without_a_validation_part_the_last_is_kept(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    result = quiet_fit(make_recipe(keep="best"), make_job(has_valid=False), tmp_path)
    assert (result.epoch, result.score) == (1, None)
    assert share_right(load_weights(result.weights)[0]) > 0.9


@pytest.mark.parametrize("has_valid", [True, False])
def test_a_training_that_was_cut_off_goes_on(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, has_valid: bool
) -> None:
    recipe = make_recipe(epochs=3, keep="last")
    with pytest.raises(InterruptedError):  # in the second epoch
        quiet_fit(recipe, make_job(Identity(cut_at=BATCHES_PER_EPOCH + 3), has_valid), tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    rest = Identity()
    result = quiet_fit(recipe, make_job(rest, has_valid), tmp_path)
    assert rest.n_batches == 2 * BATCHES_PER_EPOCH
    assert result.epoch == 2
    checkpoint = torch.load(tmp_path / "last.ckpt", map_location="cpu", weights_only=True)
    assert checkpoint["global_step"] == 3 * BATCHES_PER_EPOCH
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:  # of both parts
        assert [row["epoch"] for row in csv.DictReader(file) if row["train_loss"]] == ["0", "1", "2"]


def test_being_killed_right_after_a_checkpoint_costs_no_row(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(epochs=3, keep="last")
    quiet_fit(recipe, make_job(), tmp_path / "whole")
    save = WholeCheckpoints.save_checkpoint

    def save_and_die(self: WholeCheckpoints, checkpoint: dict[str, Any], path: str, **options: Any) -> None:
        save(self, checkpoint, path, **options)
        if Path(path).name == "last.ckpt" and checkpoint["epoch"] == 1:
            os._exit(9)

    with monkeypatch.context() as patch:
        patch.setattr(WholeCheckpoints, "save_checkpoint", save_and_die)
        process = get_context("fork").Process(target=quiet_fit, args=(recipe, make_job(), tmp_path / "cut"))
        process.start()
        process.join(120)
    assert process.exitcode == 9
    quiet_fit(recipe, make_job(), tmp_path / "cut")
    whole, cut = ((tmp_path / name / "metrics.csv").read_text(encoding="utf-8") for name in ("whole", "cut"))
    assert cut == whole and cut.count("\n") == 7  # the head, and for each epoch a row of either part


def test_the_best_epoch_of_before_the_cut_is_not_forgotten(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path
) -> None:
    recipe = make_recipe(epochs=4, keep="best")
    with pytest.raises(InterruptedError):
        quiet_fit(recipe, make_job(Identity(cut_at=2 * BATCHES_PER_EPOCH)), tmp_path)
    result = quiet_fit(recipe, make_job(turned_from(0)), tmp_path)  # from here on it only gets worse
    assert result.epoch in (0, 1)
    assert result.score is not None and result.score > 0.9
    assert share_right(load_weights(result.weights)[0]) > 0.9


def test_a_training_that_is_done_is_not_done_again(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    first = quiet_fit(make_recipe(), make_job(), tmp_path)
    before = load_weights(first.weights)[0]
    again = Identity()
    assert quiet_fit(make_recipe(), make_job(again), tmp_path) == first
    assert again.n_batches == 0
    assert all(torch.equal(value, before[name]) for name, value in load_weights(first.weights)[0].items())


def test_a_run_may_be_moved(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    first = quiet_fit(make_recipe(), make_job(), tmp_path / "here")
    moved = (tmp_path / "here").rename(tmp_path / "there")
    assert quiet_fit(make_recipe(), make_job(), moved) == replace(first, weights=moved / "model.safetensors")


def test_a_run_that_was_cut_off_may_be_moved(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    recipe = make_recipe(epochs=4, keep="best")
    with pytest.raises(InterruptedError):
        quiet_fit(recipe, make_job(Identity(cut_at=2 * BATCHES_PER_EPOCH)), tmp_path / "here")
    moved = (tmp_path / "here").rename(tmp_path / "there")
    result = quiet_fit(recipe, make_job(turned_from(0)), moved)  # from here on it only gets worse
    assert result.epoch in (0, 1)
    assert share_right(load_weights(result.weights)[0]) > 0.9


@pytest.mark.parametrize("other", ["recipe", "data"])
def test_a_folder_of_another_recipe_or_of_other_data_is_refused(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, other: str
) -> None:
    with pytest.raises(InterruptedError):
        quiet_fit(make_recipe(), make_job(Identity(cut_at=0)), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    untouched = Identity()
    recipe = make_recipe(epochs=7) if other == "recipe" else make_recipe()
    job = make_job(untouched, fingerprint="other textures") if other == "data" else make_job(untouched)
    with pytest.raises(UsageError, match="holds a run of another recipe or of other data") as caught:
        quiet_fit(recipe, job, tmp_path)
    assert "-o" in caught.value.hint
    assert untouched.n_batches == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert json.loads(before["run.json"])["data"] == "120 textures"


def test_a_folder_that_cannot_be_made_is_said(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make the folder"):
        quiet_fit(make_recipe(), make_job(), tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("device", "says"), [("abacus", "'abacus' is not one of cpu, cuda"), ("cuda", "no CUDA device")]
)
def test_a_device_that_is_not_there_is_said(
    make_recipe: MakeRecipe,
    make_job: MakeJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    says: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=says):
        fit(make_recipe(), make_job(), tmp_path / "run", device=device, progress=False)
    assert not (tmp_path / "run").exists()


def test_class_weights_count_in_the_loss(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    without_checks = make_job(class_weights=torch.tensor([1.0, 1.0, 0.0]))
    weights = load_weights(quiet_fit(make_recipe(keep="last"), without_checks, tmp_path).weights)[0]
    assert share_right(weights) == pytest.approx(2 / 3, abs=0.1)  # two of three classes were learnt
    assert "class_weights" not in weights


def test_ctrl_c_is_passed_on_and_the_training_can_be_resumed(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path
) -> None:
    def stop(faces: Tensor, generator: Generator) -> Tensor:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        quiet_fit(make_recipe(), make_job(stop), tmp_path)
    assert signal.getsignal(signal.SIGINT) is handler  # so that the next Ctrl-C is heard too
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".safetensors"]
    assert quiet_fit(make_recipe(), make_job(), tmp_path).weights.exists()


def test_a_batch_larger_than_the_data_is_refused(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train\.batch_size: 12 is more than there is"):
        quiet_fit(make_recipe(), make_job(n_train=11), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_few_examples_lower_the_batch_and_it_is_said(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path
) -> None:
    recipe, job = make_recipe(), make_job(n_train=11)
    notes: list[str] = []
    lowered = with_fitting_batch(recipe, job, 1, notes.append)
    assert notes == ["train.batch_size is lowered from 12 to 5: there are only 11 examples to train on"]
    assert lowered.train.batch_size == 5 and lowered.train.epochs == recipe.train.epochs
    assert quiet_fit(lowered, job, tmp_path / "run").weights.exists()
    assert with_fitting_batch(recipe, job, 4, notes.append).train.batch_size == 2
    for enough, n in ((make_job(n_train=12), 1), (make_job(n_train=1), 1)):  # of one, nothing can be made
        assert with_fitting_batch(recipe, enough, n, notes.append) is recipe
    assert len(notes) == 2


def test_patience_ends_a_training_that_gains_nothing(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path
) -> None:
    counting = Identity()
    quiet_fit(make_recipe(epochs=20, lr=1e-9, patience=2), make_job(counting), tmp_path)
    assert counting.n_batches == 3 * BATCHES_PER_EPOCH


def test_a_training_that_gained_nothing_is_not_gone_on_with(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path
) -> None:
    recipe = make_recipe(epochs=20, lr=1e-9, patience=1, keep="last")
    first = quiet_fit(recipe, make_job(), tmp_path)
    before = load_weights(first.weights)[0]
    again = Identity()
    assert quiet_fit(recipe, make_job(again), tmp_path) == first
    assert again.n_batches == 0
    assert all(torch.equal(value, before[name]) for name, value in load_weights(first.weights)[0].items())


def test_averaged_weights_are_what_is_kept(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    start = {name: value.clone() for name, value in make_job().network.state_dict().items()}

    def moved(ema_decay: float | None) -> float:
        result = quiet_fit(make_recipe(epochs=1, ema_decay=ema_decay), make_job(), tmp_path / str(ema_decay))
        return float((load_weights(result.weights)[0]["head.3.weight"] - start["head.3.weight"]).abs().max())

    assert moved(0.999) < 0.3 * moved(None)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no checkpoint at .*gone\.safetensors"):
        load_weights(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"is not a safetensors file|is not a checkpoint"):
        load_weights(path)


@pytest.mark.parametrize(
    "header", [None, {"recipe": "{}", "labels": "[]"}, {"recipe": "not json", "labels": "[]"}, {"labels": "[]"}]
)
def test_weights_without_their_recipe_are_refused(tmp_path: Path, header: dict[str, str] | None) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata=header)
    with pytest.raises(UsageError, match="is not a checkpoint of emofuse"):
        load_weights(path)


def test_labels_that_are_no_json_are_refused(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"recipe": make_recipe().model_dump_json(), "labels": "a, b"})
    with pytest.raises(UsageError, match="is not a checkpoint of emofuse"):
        load_weights(path)
    save_file(
        {"a": torch.zeros(1)}, path, metadata={"recipe": make_recipe().model_dump_json(), "labels": json.dumps(["a"])}
    )
    assert load_weights(path)[2] == ("a",)


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=str(tmp_path)):
        load_weights(tmp_path)
