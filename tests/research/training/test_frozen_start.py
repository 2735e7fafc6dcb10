"""A frozen start: the pretrained part, norms' statistics too, stays as it is for the first epochs, then it moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from tiny_problem import Identity
from torch import Generator, Tensor, nn

from emofuse.research.models.registry import build
from emofuse.research.models.settings import AudioVideoSettings, Cnn3dSettings, FaceSequenceSettings, MfccCnnSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Job
from emofuse.research.training import fit as fit_module
from emofuse.research.training.callbacks import FrozenStart
from emofuse.research.training.fit import fit
from emofuse.research.training.module import is_pretrained

MakeRecipe = Callable[..., Recipe]
MakeJob = Callable[..., Job]
State = dict[str, Tensor]
EPOCHS, FROZEN = 3, 2


class Nested(nn.Module):
    """Has its pretrained part one level down, as an encoder among several has."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU())
        self.backbone_never = nn.Linear(4, 4).requires_grad_(False)  # as a part that a recipe freezes for good
        self.norm = nn.BatchNorm2d(4)


class Backboned(nn.Module):
    """Three textures by the means of a few filters."""

    inputs: ClassVar[tuple[str, ...]] = ("faces",)
    feature_kind = "face"

    def __init__(self) -> None:
        super().__init__()
        self.frontend = nn.Identity()
        self.encoder = Nested()
        self.head = nn.Linear(4, 3)

    def forward(self, faces: Tensor) -> Tensor:
        return self.classify(self.frontend(faces))

    def classify(self, faces: Tensor) -> Tensor:
        pooled = self.encoder.norm(self.encoder.backbone(faces / 255)).mean(dim=(2, 3))
        return self.head(self.encoder.backbone_never(pooled))


class Watch(Identity):
    """Keeps a copy of the network at the first batch of every epoch."""

    def __init__(self, network: nn.Module, per_epoch: int) -> None:
        super().__init__()
        self.network, self.per_epoch = network, per_epoch
        self.states: list[State] = []
        self.training: list[tuple[bool, bool]] = []

    def __call__(self, faces: Tensor, generator: Generator) -> Tensor:
        if self.n_batches % self.per_epoch == 0:
            self.states.append({name: value.clone() for name, value in self.network.state_dict().items()})
            self.training.append((self.network.encoder.backbone.training, self.network.encoder.norm.training))
        return super().__call__(faces, generator)


def moved(before: State, after: State) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def backbone(network: nn.Module) -> set[str]:
    return {name for name in network.state_dict() if ".backbone." in name}


@pytest.fixture
def watched(make_job: MakeJob) -> tuple[Job, Watch]:
    torch.manual_seed(0)
    network = Backboned()
    watch = Watch(network, per_epoch=10)
    return make_job(watch, network=network), watch


def test_the_pretrained_part_is_still_in_the_frozen_epochs_and_moves_after_them(
    make_recipe: MakeRecipe, watched: tuple[Job, Watch], tmp_path: Path
) -> None:
    job, watch = watched
    fit(make_recipe(epochs=EPOCHS, frozen_epochs=FROZEN, weight_decay=0.1), job, tmp_path, progress=False)
    start, second, third = watch.states
    own = backbone(job.network)
    assert "encoder.backbone.1.running_mean" in own
    for earlier, later in ((start, second), (second, third)):
        assert not moved(earlier, later) & own
        assert {"head.weight", "encoder.norm.running_mean"} <= moved(earlier, later)
    assert moved(third, job.network.state_dict()) >= own  # also after a validation in between
    assert watch.training == [(False, True), (False, True), (True, True)]


def test_what_a_network_never_trains_stays_so(
    make_recipe: MakeRecipe, watched: tuple[Job, Watch], tmp_path: Path
) -> None:
    job, watch = watched
    fit(make_recipe(epochs=2, frozen_epochs=1), job, tmp_path, progress=False)
    never = {name for name in watch.states[0] if "backbone_never" in name}
    assert len(never) == 2 and not moved(watch.states[0], job.network.state_dict()) & never
    assert not job.network.encoder.backbone_never.weight.requires_grad
    assert job.network.encoder.backbone[0].weight.requires_grad


def test_without_frozen_epochs_it_moves_from_the_first_on(
    make_recipe: MakeRecipe, watched: tuple[Job, Watch], tmp_path: Path
) -> None:
    job, watch = watched
    fit(make_recipe(epochs=2), job, tmp_path, progress=False)
    assert moved(watch.states[0], watch.states[1]) >= backbone(job.network)


def test_a_training_that_was_cut_off_is_frozen_for_as_long_in_all(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path
) -> None:
    recipe = make_recipe(epochs=EPOCHS, frozen_epochs=FROZEN, keep="last")

    def job(cut_at: int | None) -> Job:
        torch.manual_seed(0)
        return make_job(Identity(cut_at), network=Backboned())

    whole, cut, rest = job(None), job(15), job(None)
    fit(recipe, whole, tmp_path / "whole", progress=False)
    with pytest.raises(InterruptedError):
        fit(recipe, cut, tmp_path / "cut", progress=False)
    fit(recipe, rest, tmp_path / "cut", progress=False)
    assert not moved(whole.network.state_dict(), rest.network.state_dict())


def frozen_at(network: nn.Module, epochs: int, n_frozen: int) -> list[tuple[set[str], set[str]]]:
    """Return the names of parameters that are trained, and of modules that are in training, in each epoch."""
    callback = FrozenStart(n_frozen)
    module = SimpleNamespace(network=network)
    callback.on_fit_start(SimpleNamespace(), module)  # type: ignore[arg-type]
    seen = []
    for epoch in range(epochs):
        callback.on_train_epoch_start(SimpleNamespace(current_epoch=epoch), module)  # type: ignore[arg-type]
        seen.append(
            (
                {name for name, p in network.named_parameters() if p.requires_grad},
                {name for name, m in network.named_modules() if m.training},
            )
        )
    return seen


@pytest.mark.parametrize("freeze", [True, False])
def test_an_encoder_that_a_recipe_freezes_is_not_let_go(freeze: bool) -> None:
    settings = AudioVideoSettings(
        video=FaceSequenceSettings(freeze=freeze, hidden=8), audio=MfccCnnSettings(widths=(4,)), width=8, hidden=8
    )
    network = build(settings, 3).train()
    during, after = frozen_at(network, 2, 1)
    faces = "encoders.video.backbone."
    assert not any(name.startswith(faces) for name in during[0] | during[1])
    assert any(name.startswith(faces) for name in after[0]) is not freeze
    assert any(name.startswith(faces) for name in after[1]) is not freeze
    assert "encoders.video.gru.weight_ih_l0" in during[0] and "encoders.video.gru" in during[1]
    assert during[0] <= after[0] and during[1] <= after[1]


def test_a_network_without_a_pretrained_part_has_nothing_to_freeze() -> None:
    network = build(Cnn3dSettings(widths=(4,)), 3)
    everything = {name for name, _ in network.named_parameters()}
    assert [trained for trained, _ in frozen_at(network, 2, 1)] == [everything, everything]


def test_frozen_epochs_of_a_recipe_are_what_makes_it(make_recipe: MakeRecipe, make_job: MakeJob) -> None:
    kinds = [
        [
            type(one)
            for one in fit_module._callbacks(make_recipe(frozen_epochs=n), make_job(), progress=False, hook=None)
        ]
        for n in (0, 1)
    ]
    assert [FrozenStart in kind for kind in kinds] == [False, True]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("backbone", True),
        ("backbone.0.weight", True),
        ("encoders.video.backbone.blocks.3.0.conv1.weight", True),
        ("backbone_of_faces.weight", True),
        ("head.0.weight", False),
        ("encoders.video.gru.weight", False),
        ("no_backbone.weight", False),
        ("my.backs.weight", False),
        ("", False),
    ],
)
def test_a_part_is_pretrained_by_its_name_at_any_depth(name: str, expected: bool) -> None:
    assert is_pretrained(name) is expected
