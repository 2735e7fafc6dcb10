"""What a training cannot do, in one line each: memory, devices, and checkpoints that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_problem import MODEL
from torch import Generator, Tensor

from emofuse.errors import UsageError
from emofuse.research.models.face import FaceNet
from emofuse.research.models.settings import FaceNetSettings
from emofuse.research.recipes.data import FaceDataSettings, VideoDataSettings, VoiceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Job
from emofuse.research.tasks.registry import task_of
from emofuse.research.training import fit as fitting
from emofuse.research.training.fit import FitResult, fit

MakeRecipe = Callable[..., Recipe]
MakeJob = Callable[..., Job]


def quiet_fit(recipe: Recipe, job: Job, folder: Path) -> FitResult:
    return fit(recipe, job, folder, progress=False)


def test_a_batch_larger_than_the_share_of_a_process_is_refused(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"train\.batch_size: 12 is more than there is .* in each of 2 processes"):
        fit(make_recipe(), make_job(n_train=23), tmp_path / "run", n_devices=2, progress=False)
    with pytest.raises(UsageError, match=r"train\.batch_size: 12 is more than there is .* in each of 4 processes"):
        fit(make_recipe(), make_job(n_train=47), tmp_path / "run", n_devices=2, n_nodes=2, progress=False)
    with pytest.raises(UsageError, match=r"there is no strategy 'fsdp' \(allowed: auto, ddp\)"):
        fit(make_recipe(), make_job(), tmp_path / "run", strategy="fsdp", progress=False)
    assert not (tmp_path / "run").exists()


def test_more_devices_than_there_are_are_refused(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="there are 1 CUDA devices here, not 2") as caught:
        fit(make_recipe(), make_job(), tmp_path / "run", device="cuda", n_devices=2, progress=False)
    assert caught.value.hint == "lower --devices"
    assert not (tmp_path / "run").exists()


def test_bfloat16_on_a_processor_without_it_is_refused(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "computes_bfloat16", lambda: False)
    with pytest.raises(UsageError, match="does not compute in bfloat16") as caught:
        quiet_fit(make_recipe(precision="bf16-mixed"), make_job(), tmp_path / "run")
    assert caught.value.hint == "train.precision=32-true"
    assert not (tmp_path / "run").exists()


OF_CPU = (
    "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
)
OF_GPU = "CUDA out of memory. Tried to allocate 20.00 MiB."


@pytest.mark.parametrize("error", [RuntimeError(OF_CPU), torch.OutOfMemoryError(OF_GPU), MemoryError("Unable to")])
@pytest.mark.parametrize("kind", ["faces", "speech", "video"])
def test_too_little_memory_is_one_line_that_says_what_to_lower(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, error: Exception, kind: str
) -> None:
    def need_too_much(faces: Tensor, generator: Generator) -> Tensor:
        raise error

    data = {"faces": FaceDataSettings(), "speech": VoiceDataSettings(), "video": VideoDataSettings()}[kind]
    recipe = make_recipe().model_copy(update={"data": data})
    job = replace(make_job(need_too_much), smaller=("train.batch_size", *task_of(recipe).smaller))
    with pytest.raises(UsageError, match="the memory does not hold a batch of 12") as caught:
        quiet_fit(recipe, job, tmp_path)
    assert (
        caught.value.hint
        == {
            "faces": "lower train.batch_size",
            "speech": "lower train.batch_size or data.window_s",
            "video": "lower train.batch_size, data.n_frames or data.size_px",
        }[kind]
    )
    assert caught.value.__suppress_context__
    assert not (tmp_path / "model.safetensors").exists()


def test_another_error_of_torch_is_not_taken_for_too_little_memory(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path
) -> None:
    def fail(faces: Tensor, generator: Generator) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        quiet_fit(make_recipe(), make_job(fail), tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_a_checkpoint_that_is_not_whole_is_one_line(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, share: float
) -> None:
    quiet_fit(make_recipe(), make_job(), tmp_path)
    whole = (tmp_path / "last.ckpt").read_bytes()
    (tmp_path / "last.ckpt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UsageError, match=r"last\.ckpt is not whole, so that the training cannot go on") as caught:
        quiet_fit(make_recipe(), make_job(), tmp_path)
    assert caught.value.hint == "remove it to begin anew"
    (tmp_path / "last.ckpt").unlink()
    assert quiet_fit(make_recipe(), make_job(), tmp_path).epoch in (0, 1)


@pytest.mark.parametrize(
    ("other", "n_classes", "says"),
    [
        (FaceNetSettings(widths=(4, 8, 8), blocks=(1, 1), dropout=0), 3, "Missing key"),
        (MODEL, 5, r"size mismatch for head\.3"),
    ],
)
def test_a_checkpoint_of_another_network_or_for_other_labels_is_one_line(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, other: FaceNetSettings, n_classes: int, says: str
) -> None:
    quiet_fit(make_recipe(), make_job(), tmp_path)
    with pytest.raises(
        UsageError, match=rf"last\.ckpt holds the weights of another network, or for other labels: .*{says}"
    ) as caught:
        quiet_fit(make_recipe(), make_job(network=FaceNet(other, n_classes)), tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "content", [b"\x80\x04N.", b"\x80\x02]q\x00.", b"\x80\x02cos\nsystem\n.", b"PK\x03\x04" + bytes(99)]
)
def test_a_checkpoint_that_is_something_else_is_one_line(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(UsageError, match=r"last\.ckpt is not whole"):
        quiet_fit(make_recipe(), make_job(), tmp_path)


def test_weights_are_as_readable_as_other_files(make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path) -> None:
    weights = quiet_fit(make_recipe(), make_job(), tmp_path).weights
    (tmp_path / "other").touch()
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir() if file.is_file()}
    assert weights.name in modes and set(modes.values()) == {modes["other"]}, modes


@pytest.mark.parametrize("name", ["best.ckpt", "model.safetensors"])
def test_the_files_of_another_program_are_not_replaced(
    make_recipe: MakeRecipe, make_job: MakeJob, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"theirs")
    with pytest.raises(UsageError, match=f"{name} is of another program, and would be replaced"):
        quiet_fit(make_recipe(), make_job(), tmp_path)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(name, b"theirs")]
