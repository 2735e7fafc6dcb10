"""`emofuse train` and `export`: from a corpus to a network with its card. They need the extra [train]."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from emofuse.cli.console import ERR, OUT, line_hook, note, progress_hook
from emofuse.errors import UsageError
from emofuse.research.recipes.recipe import load_recipe

DataOption = Annotated[
    Path | None,
    typer.Option("--data", envvar="EMOFUSE_DATA", help="Folder with ferplus.zip, ravdess/ and so on."),
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if available.")]
RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="For example recipes/face.toml.")]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="For example train.epochs=3.")
]


def train(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the run; default runs/NAME.")] = None,
    device: DeviceOption = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes or GPUs that train together (DDP), on each node.")] = 1,
    nodes: Annotated[
        int, typer.Option(min=1, help="Machines that train together; the command is run on each (docs/scale.md).")
    ] = 1,
    strategy: Annotated[
        str, typer.Option(help="auto, or ddp: faster if every weight has a gradient in every step.")
    ] = "auto",
    validate: Annotated[
        bool, typer.Option("--validate", help="Hold out speakers for early stopping and for choosing the epoch.")
    ] = False,
    bundle: Annotated[
        bool, typer.Option("--bundle", help="Also export the network, and make a bundle with it, in the run's folder.")
    ] = False,
    base: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="BUNDLE",
            help="With --bundle: the bundle whose networks a fusion is combined with, by name or folder.",
        ),
    ] = "base",
) -> None:
    """Train the network of a recipe on all of its training data. An interrupted run continues where it stopped."""
    need_torch()
    from emofuse.research.tasks.registry import task_of
    from emofuse.research.training.fit import fit, rank_zero_only, silence_lightning, with_fitting_batch

    if data is not None:
        data_folder(data)
    settings = load_recipe(recipe, overrides or ())
    folder = out or Path("runs") / settings.name
    silence_lightning()
    task = task_of(settings)
    with progress_hook() as hook:
        settings, job = task.prepare(
            settings,
            data_folder(data) if task.needs_folder else data,
            validate,
            rank_zero_only(note),  # DDP runs the whole command in each of its processes
            rank_zero_only(hook),
        )
    settings = with_fitting_batch(settings, job, devices * nodes, rank_zero_only(note))
    if bundle and (dims := task.exported_dims(settings, job.network.state_dict(), settings.name)):
        _check_fusion(settings.name, dims, base)  # before a training that would be in vain
    result = fit(
        settings,
        job,
        folder,
        device=device,
        n_devices=devices,
        n_nodes=nodes,
        strategy=strategy,
        progress=ERR.is_terminal,
        hook=None if ERR.is_terminal else rank_zero_only(line_hook()),
    )
    chosen = (
        f"{job.monitor} {result.score:.2%} on the validation part" if result.score is not None else "nothing selected"
    )
    OUT.print(f"{escape(str(result.weights))}: epoch {result.epoch + 1}, {chosen}")
    if bundle:
        _make_bundle(result.weights, folder / "bundle", base)


def _check_fusion(name: str, dims: Mapping[str, int], base: str) -> None:
    from emofuse.inference.bundle import load_bundle
    from emofuse.inference.fusion_head import check_dims

    check_dims(name, dims, load_bundle(base))


def _make_bundle(checkpoint: Path, folder: Path, base: str) -> None:
    from emofuse.emotions import BASE
    from emofuse.inference.bundle import FUSION, load_bundle
    from emofuse.inference.bundle_writer import BundleEntry, common_labels, compose, entries_of_bundle
    from emofuse.research.training.export import export as write

    network = checkpoint.with_name("network.onnx")
    card = write(checkpoint, network)
    if card.modality == FUSION:
        whole = load_bundle(base)
        compose(
            folder,
            card.name,
            whole.labels,
            entries_of_bundle(whole),
            whole.manifest.hub_text,
            head=BundleEntry(network),
        )
    else:
        compose(folder, card.name, common_labels([card], BASE), {card.modality: BundleEntry(network)})
    OUT.print(f"{escape(str(folder))}: `emofuse analyze --bundle` takes it")


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="model.safetensors of a run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The ONNX file to write.")],
    report: Annotated[
        list[Path] | None,
        typer.Option(help="A report of `evaluate`, whose scores are added to the card. Can be repeated."),
    ] = None,
) -> None:
    """Write a checkpoint as ONNX with its card inside; fails where its outputs differ from torch's."""
    need_torch()
    from emofuse.research.evaluation.scores.report import card_scores, read_report
    from emofuse.research.training.export import export as write
    from emofuse.research.training.fit import load_weights

    name = load_weights(checkpoint)[1].name
    scores = [score for path in report or () for score in card_scores(read_report(path), name)]
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
