"""`emofuse train` and `export`: from a corpus to a network with its card. They need the extra [train]."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from emofuse.cli.console import ERR, OUT, progress_hook
from emofuse.config import FaceDataSettings, SvmSettings, load_recipe
from emofuse.errors import UsageError

DataOption = Annotated[
    Path | None,
    typer.Option("--data", envvar="EMOFUSE_DATA", help="Folder with ferplus.zip, ravdess/ and so on."),
]
DeviceOption = Annotated[str, typer.Option(help="cpu or cuda.")]
RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="For example recipes/face.toml.")]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="For example train.epochs=3.")
]


def train(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the run; default runs/NAME.")] = None,
    device: DeviceOption = "cpu",
) -> None:
    """Train the network of a recipe on all of its training data. A run that was cut off goes on where it was."""
    need_torch()
    from emofuse.training.fit import fit, quiet
    from emofuse.training.jobs import face_job, load_speech, voice_job

    settings = load_recipe(recipe, overrides or ())
    folder = out or Path("runs") / settings.name
    quiet()
    if isinstance(settings.data, FaceDataSettings):
        job = face_job(settings, data_folder(data))
    else:
        if isinstance(settings.model, SvmSettings):
            raise UsageError("an SVM is trained where it is tested", "`emofuse evaluate` does both")
        with progress_hook() as hook:
            speech = load_speech(settings.data, data, hook)
        job = voice_job(settings, speech, None)
    result = fit(settings, job, folder, device=device, progress=ERR.is_terminal)
    chosen = (
        f"{job.monitor} {result.score:.2%} on the validation part" if result.score is not None else "nothing selected"
    )
    OUT.print(f"{escape(str(result.weights))}: epoch {result.epoch + 1}, {chosen}")


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="model.safetensors of a run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The ONNX file to write.")],
    report: Annotated[Path | None, typer.Option(help="A report of `evaluate`, whose scores go onto the card.")] = None,
) -> None:
    """Write a checkpoint as ONNX with its card inside; fails where its outputs differ from torch's."""
    need_torch()
    from emofuse.evaluation.result import card_scores, read_report
    from emofuse.training.export import export as write
    from emofuse.training.fit import load_weights

    # a face network is measured itself, a voice network by others of its recipe, each without its test speakers
    is_face = isinstance(load_weights(checkpoint)[1].data, FaceDataSettings)
    scores = card_scores(read_report(report), "these" if is_face else "same recipe") if report else ()
    card = write(checkpoint, out, scores)
    size = out.stat().st_size / 1e6
    OUT.print(f"{escape(str(out))}: {card.n_parameters:,} parameters, {size:.2f} MB, same outputs as torch")


def data_folder(folder: Path | None) -> Path:
    """Return the folder of the corpora. Raises UsageError when none was given or it does not exist."""
    if folder is None:
        raise UsageError("no data folder", "give one with --data or the environment variable EMOFUSE_DATA")
    if not folder.is_dir():
        raise UsageError(f"no data folder at {folder}")
    return folder


def need_torch() -> None:
    """Raise UsageError, with what to install, when torch is not there."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("lightning") is None:
        raise UsageError("training needs torch, which is not installed", "pip install 'emofuse[train]'")
