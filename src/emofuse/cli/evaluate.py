"""`emofuse evaluate` and `compare`: numbers that say how they were made. They need the extra [train]."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from emofuse.cli.console import ERR, OUT, note, progress_hook
from emofuse.cli.train import (
    DataOption,
    DeviceOption,
    OverridesArgument,
    RecipeArgument,
    data_folder,
    need_torch,
)
from emofuse.config import FaceDataSettings, Recipe, load_recipe
from emofuse.errors import UsageError

if TYPE_CHECKING:
    from emofuse.evaluation.predictions import Predictions
    from emofuse.evaluation.result import EvaluationReport

JobsOption = Annotated[
    int, typer.Option(min=1, help="Folds to train at once, one thread each; default: one for each core.")
]
ProtocolOption = Annotated[
    str,
    typer.Option(metavar="NAME|FILE", help="actor-6fold, actor-5fold, loso, session, random-6fold, or a split file."),
]
SeedsOption = Annotated[int, typer.Option(min=1, help="How often to train every fold, from the recipe's seed on.")]
ALL_CORES = os.cpu_count() or 1


def evaluate(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    protocol: ProtocolOption = "actor-6fold",
    seeds: SeedsOption = 1,
    train_on: Annotated[
        str | None, typer.Option("--train", metavar="CORPUS[,CORPUS]", help="Instead of the recipe's: names or CSVs.")
    ] = None,
    test_on: Annotated[
        str | None,
        typer.Option("--test", metavar="CORPUS[,CORPUS]", help="Test on these corpora, by the shared labels."),
    ] = None,
    show_leak: Annotated[
        bool, typer.Option("--show-leak", help="Also run a random split, to show what knowing the speaker adds.")
    ] = False,
    model: Annotated[Path | None, typer.Option(help="The face network to test, as ONNX.")] = None,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the trainings and the report.")] = None,
    device: DeviceOption = "cpu",
    jobs: JobsOption = ALL_CORES,
) -> None:
    """Cross-validate a recipe, speakers apart, and write a report with figures. What was trained is not trained again."""
    need_torch()
    from emofuse.evaluation.predictions import PREDICTIONS_NAME, write_predictions
    from emofuse.evaluation.report import write_report
    from emofuse.evaluation.terminal import print_report

    chosen = list(overrides or ())
    if train_on is not None:
        chosen.append(f"data.train_on={_toml_list(train_on)}")
    settings = load_recipe(recipe, chosen)
    command = _command("evaluate", [recipe], overrides, protocol, seeds, train_on, test_on, show_leak, model)
    if isinstance(settings.data, FaceDataSettings):
        if model is None:
            raise UsageError("a face recipe is tested through its network", "give it with --model face.onnx")
        folder = out or Path("runs") / f"{settings.name}-evaluation"
        report, predictions = _faces(model, data_folder(data), command, folder)
    else:
        if model is not None:
            raise UsageError("--model goes with a face recipe", "a speech recipe is trained anew in every fold")
        folder = out or Path("runs") / _run_name(settings, protocol, test_on)
        request = (settings, protocol, seeds, test_on, show_leak)
        report, predictions = _speech(*request, data, folder, command, device, jobs)
    write_report(report, folder)
    write_predictions(predictions, folder / PREDICTIONS_NAME)
    print_report(report, OUT)
    OUT.print(f"\n{escape(str(folder / 'report.html'))}")


def compare(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE.toml...", help="Two or more recipes.")],
    protocol: ProtocolOption = "actor-6fold",
    seeds: SeedsOption = 1,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the runs and the comparison.")] = None,
    device: DeviceOption = "cpu",
    jobs: JobsOption = ALL_CORES,
) -> None:
    """Cross-validate recipes on the same folds, side by side, with paired tests (McNemar, bootstrap over speakers)."""
    need_torch()
    from emofuse.evaluation.compare import compare as paired
    from emofuse.evaluation.compare import comparison_document, write_comparison
    from emofuse.evaluation.predictions import PREDICTIONS_NAME, write_predictions
    from emofuse.evaluation.report import write_report
    from emofuse.evaluation.terminal import print_document

    if len(recipes) < 2:
        raise UsageError("there is nothing to compare a single recipe with", "give two or more")
    loaded = [load_recipe(recipe) for recipe in recipes]
    faces = next((recipe.name for recipe in loaded if isinstance(recipe.data, FaceDataSettings)), None)
    if faces is not None:
        raise UsageError(f"recipe {faces!r} is of faces; compare takes recipes of speech")
    names = [recipe.name for recipe in loaded]
    if len(set(names)) < len(names):
        raise UsageError(f"two recipes have the same name: {', '.join(names)}")
    root = out or Path("runs")
    reports, predictions = [], []
    for file, recipe in zip(recipes, loaded, strict=True):
        folder = root / _run_name(recipe, protocol, None)
        command = _command("evaluate", [file], None, protocol, seeds, None, None, False, None)
        report, predicted = _speech(recipe, protocol, seeds, None, False, data, folder, command, device, jobs)
        write_report(report, folder)
        write_predictions(predicted, folder / PREDICTIONS_NAME)
        reports.append(report)
        predictions.append(predicted)
    command = _command("compare", recipes, None, protocol, seeds, None, None, False, None)
    comparison = paired(reports, predictions, command)
    target = root / "comparison"
    write_comparison(comparison, target)
    print_document(comparison_document(comparison), OUT)
    OUT.print(f"\n{escape(str(target / 'comparison.html'))}")


def _faces(model: Path, root: Path, command: str, folder: Path) -> tuple[EvaluationReport, Predictions]:
    from emofuse.evaluation.faces import evaluate_faces
    from emofuse.evaluation.report import write_report

    write_report(evaluate_faces(model, root, command, plurality=True)[0], folder / "plurality")
    return evaluate_faces(model, root, command)


def _speech(
    recipe: Recipe,
    protocol: str,
    n_seeds: int,
    test_on: str | None,
    show_leak: bool,
    data: Path | None,
    folder: Path,
    command: str,
    device: str,
    jobs: int,
) -> tuple[EvaluationReport, Predictions]:
    from emofuse.corpora.splits import make_split
    from emofuse.evaluation.protocol import Setting, across_corpora, cross_validate, speech_recipe, with_leak
    from emofuse.training.fit import quiet
    from emofuse.training.jobs import load_speech

    quiet()
    settings = speech_recipe(recipe)
    setting = Setting(folder, tuple(recipe.seed + i for i in range(n_seeds)), command, device, jobs)
    with progress_hook() as hook:
        if test_on is not None:
            if show_leak:
                raise UsageError("--show-leak and --test do not go together")
            speech, split = across_corpora(settings, settings.train_on, _names(test_on), data, hook)
        else:
            speech = load_speech(settings, data, hook)
            split = make_split(protocol, speech.folded, settings.valid_speakers, recipe.seed)
        report, predictions = cross_validate(recipe, speech, split, setting, note, hook)
        if show_leak:
            random = make_split(
                f"random-{max(2, len(split.folds))}fold", speech.folded, settings.valid_speakers, recipe.seed
            )
            leaky_setting = Setting(folder / "leaky", setting.seeds, command, device, jobs)
            leaky, _ = cross_validate(recipe, speech, random, leaky_setting, note, hook)
            report = with_leak(report, leaky)
    return report, predictions


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _toml_list(listed: str) -> str:
    quoted = ", ".join("'" + name + "'" for name in _names(listed))
    return f"[{quoted}]"


def _run_name(recipe: Recipe, protocol: str, test_on: str | None) -> str:
    """Name the folder of an evaluation, so that those of different protocols do not meet in one."""
    kind = f"to-{'-'.join(Path(name).stem for name in _names(test_on))}" if test_on else Path(protocol).stem
    return f"{recipe.name}-{kind}"


def _command(
    verb: str,
    recipes: Sequence[Path],
    overrides: Sequence[str] | None,
    protocol: str,
    seeds: int,
    train_on: str | None,
    test_on: str | None,
    show_leak: bool,
    model: Path | None,
) -> str:
    """Write the command that makes the numbers again: what decides them, and not where they are put."""
    parts = ["emofuse", verb, *map(str, recipes), *(overrides or ())]
    if model is not None:
        parts += ["--model", str(model)]
    elif test_on is None:
        parts += ["--protocol", protocol]
    if seeds > 1:
        parts += ["--seeds", str(seeds)]
    for option, value in (("--train", train_on), ("--test", test_on)):
        parts += [option, value] if value is not None else []
    return shlex.join([*parts, *(["--show-leak"] if show_leak else [])])
