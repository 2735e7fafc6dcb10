"""`emofuse compare`: models side by side on the same folds, and fusions of modalities. It needs the extra [train]."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from emofuse.cli.console import OUT, note, progress_hook
from emofuse.cli.evaluate import (
    ALL_CORES,
    JobsOption,
    Machine,
    Request,
    evaluate_utterances,
    write_evaluation,
)
from emofuse.cli.train import DataOption, DeviceOption, need_torch
from emofuse.errors import UsageError

_PROTOCOL = "actor-6fold"
_ProtocolOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help=f"As `emofuse evaluate` takes it; default: {_PROTOCOL}."),
]
_SeedsOption = Annotated[int | None, typer.Option(min=1, help="How often to train every fold; default: once.")]


def compare(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(metavar="RECIPE.toml...", help="Two or more recipes; with --fusion KEY=VALUE, to change its."),
    ] = None,
    fusion: Annotated[
        Path | None,
        typer.Option(metavar="RECIPE.toml", help="A comparison of fusions, such as recipes/iemocap-fusion.toml."),
    ] = None,
    protocol: _ProtocolOption = None,
    seeds: _SeedsOption = None,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the runs and the comparison.")] = None,
    device: DeviceOption = "auto",
    jobs: JobsOption = ALL_CORES,
) -> None:
    """Cross-validate recipes on the same folds, side by side, with paired tests (McNemar, bootstrap over speakers).

    With --fusion: single modalities and their fusions, what each modality adds, and what is left where one is lost.
    """
    need_torch()
    machine = Machine(data, device, jobs)
    if fusion is None:
        files = [Path(name) for name in recipes or ()]
        _side_by_side(files, protocol or _PROTOCOL, seeds or 1, out or Path("runs"), machine)
        return
    if protocol is not None or seeds is not None:
        raise UsageError("--protocol and --seeds do not go with --fusion", "its recipe has `protocol` and `seeds`")
    _fusions(fusion, recipes or (), out, machine)


def _fusions(recipe: Path, overrides: Sequence[str], out: Path | None, machine: Machine) -> None:
    from emofuse.research.evaluation.fusion.run import run_methods
    from emofuse.research.evaluation.fusion.scores import fusion_report
    from emofuse.research.evaluation.fusion.sections import fusion_document
    from emofuse.research.evaluation.fusion.settings import load_fusion_comparison
    from emofuse.research.evaluation.fusion.write import write_fusion
    from emofuse.research.evaluation.protocols.learners import RunContext
    from emofuse.research.evaluation.reports.terminal import print_document
    from emofuse.research.training.fit import silence_lightning

    silence_lightning()
    settings = load_fusion_comparison(recipe, overrides)
    folder = out or Path("runs") / settings.name
    command = shlex.join(["emofuse", "compare", "--fusion", str(recipe), *overrides])
    context = RunContext(folder, settings.seeds, command, machine.device, machine.jobs)
    with progress_hook() as hook:
        runs = run_methods(settings, machine.data, context, hook)
    for text in runs.notes:
        note(text)
    report = fusion_report(settings, runs, command)
    write_fusion(report, runs, folder)
    print_document(fusion_document(report), OUT)
    OUT.print(f"\n{escape(str(folder / 'fusion.html'))}")


def _side_by_side(recipes: Sequence[Path], protocol: str, seeds: int, root: Path, machine: Machine) -> None:
    from emofuse.research.evaluation.protocols.by_corpus import PROTOCOLS as CORPUS_PROTOCOLS
    from emofuse.research.evaluation.reports.compare import compare as paired
    from emofuse.research.evaluation.reports.compare import comparison_document, write_comparison
    from emofuse.research.evaluation.reports.terminal import print_document
    from emofuse.research.tasks.registry import utterance_task

    if len(recipes) < 2:
        raise UsageError("there is nothing to compare a single recipe with", "give two or more")
    requests = [Request(recipe, protocol=protocol, n_seeds=seeds) for recipe in recipes]
    loaded = [request.load() for request in requests]
    names = [recipe.name for recipe in loaded]
    if len(set(names)) < len(names):
        raise UsageError(f"two recipes have the same name: {', '.join(names)}")
    requests = [request.of_task(recipe) for request, recipe in zip(requests, loaded, strict=True)]
    by_corpus = protocol in CORPUS_PROTOCOLS or not loaded[0].data.of_utterances
    tested = {
        (r.data.corpus if by_corpus else "", r.data.train_on if by_corpus else r.data.train_on[:1], task.label_set(r))
        for r, task in ((r, utterance_task(r)) for r in loaded)
    }
    if len(tested) > 1:
        raise UsageError(f"{', '.join(names)} are not tested on the same corpus under the same labels")
    results = []
    for request, recipe in zip(requests, loaded, strict=True):
        folder = root / request.folder(recipe.name).name
        results.append(evaluate_utterances(request, recipe, folder, machine))
        write_evaluation(*results[-1], folder)
    options = ["--protocol", requests[0].protocol, *(["--seeds", str(seeds)] if seeds > 1 else [])]
    command = shlex.join(["emofuse", "compare", *map(str, recipes), *options])
    comparison = paired([report for report, _ in results], [predicted for _, predicted in results], command)
    target = root / "comparison"
    write_comparison(comparison, target)
    print_document(comparison_document(comparison), OUT)
    OUT.print(f"\n{escape(str(target / 'comparison.html'))}")
