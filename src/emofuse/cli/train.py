"""`emofuse train`, `export` and `evaluate`: from a corpus to a network with its card. They need the extra [train]."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from emofuse.cli.console import ERR, OUT
from emofuse.config import FaceDataSettings, load_recipe
from emofuse.errors import UsageError

if TYPE_CHECKING:
    from emofuse.evaluation.protocol import Report

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
    _need_torch()
    from emofuse.training.fit import fit, quiet
    from emofuse.training.jobs import SpeechData, face_job, voice_job

    settings = load_recipe(recipe, overrides or ())
    folder = out or Path("runs") / settings.name
    root = _data(data)
    quiet()
    if isinstance(settings.data, FaceDataSettings):
        job = face_job(settings, root)
    else:
        job = voice_job(settings, SpeechData(settings.data, root), None)
    result = fit(settings, job, folder, device=device, progress=ERR.is_terminal)
    chosen = f"{job.monitor} {result.score:.2%} on the validation part" if result.score else "nothing selected"
    OUT.print(f"{escape(str(result.weights))}: epoch {result.epoch + 1}, {chosen}")


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="model.safetensors of a run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The ONNX file to write.")],
    report: Annotated[Path | None, typer.Option(help="A report of `evaluate`, whose scores go onto the card.")] = None,
) -> None:
    """Write a checkpoint as ONNX with its card inside; fails where its outputs differ from torch's."""
    _need_torch()
    from emofuse.evaluation.protocol import read_scores
    from emofuse.training.export import export as write

    card = write(checkpoint, out, read_scores(report) if report else ())
    size = out.stat().st_size / 1e6
    OUT.print(f"{escape(str(out))}: {card.n_parameters:,} parameters, {size:.2f} MB, same outputs as torch")


def evaluate(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    model: Annotated[Path | None, typer.Option(help="The face network to test, as ONNX.")] = None,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the runs and report.json.")] = None,
    device: DeviceOption = "cpu",
    jobs: Annotated[int, typer.Option(min=1, help="Folds to train at once; they share the cores.")] = 1,
) -> None:
    """Measure a recipe: a face network on the FER+ test part, a voice recipe in 6 folds over the RAVDESS actors."""
    _need_torch()
    from emofuse.evaluation.protocol import cross_validate_voice, evaluate_faces, write_report
    from emofuse.training.fit import quiet
    from emofuse.training.jobs import SpeechData

    settings = load_recipe(recipe, overrides or ())
    root = _data(data)
    folder = out or Path("runs") / f"{settings.name}-evaluation"
    command = " ".join(["emofuse evaluate", str(recipe), *(shlex.quote(o) for o in overrides or ())])
    quiet()
    if isinstance(settings.data, FaceDataSettings):
        if model is None:
            raise UsageError("a face recipe is tested through its network", "give it with --model face.onnx")
        report = evaluate_faces(model, root, f"{command} --model {model}")
    else:
        if model is not None:
            raise UsageError("--model goes with a face recipe", "a voice recipe is trained anew in every fold")
        speech = SpeechData(settings.data, root)
        report = cross_validate_voice(settings, speech, folder, command, device, ERR.print, jobs)
    write_report(report, folder / "report.json")
    _print_report(report)
    OUT.print(f"\n{escape(str(folder / 'report.json'))}")


def _print_report(report: Report) -> None:
    OUT.print(f"[bold]{escape(report.title)}[/bold]")
    for score in report.headline:
        low, high = score.interval_95 or (float("nan"), float("nan"))
        OUT.print(f"  {score.metric}: [bold]{score.value:.2%}[/bold] (95 % {low:.1%} to {high:.1%}), {score.on}")
    OUT.print(f"  macro F1: {report.scored.macro_f1:.2%}")
    if report.folds:
        OUT.print("  UAR by fold: " + ", ".join(f"{value:.1%}" for value in report.folds))
    before, after = report.calibration_error
    OUT.print(f"  calibration error: {before:.3f}, with temperature {report.temperature:.2f}: {after:.3f}")
    table = Table("true \\ said", *report.labels, "recall", title="confusion")
    for label, row, recall in zip(report.labels, report.scored.confusion, report.scored.recalls, strict=True):
        table.add_row(label, *(str(n) for n in row), f"{recall:.1%}")
    OUT.print(table)
    for key, value in report.stamp.items():
        OUT.print(f"  {key}: {escape(value)}")


def _data(folder: Path | None) -> Path:
    if folder is None:
        raise UsageError("no data folder", "give one with --data or the environment variable EMOFUSE_DATA")
    if not folder.is_dir():
        raise UsageError(f"no data folder at {folder}")
    return folder


def _need_torch() -> None:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("lightning") is None:
        raise UsageError("training needs torch, which is not installed", "pip install 'emofuse[train]'")
