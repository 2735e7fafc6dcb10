"""`emofuse evaluate`: numbers that say how they were made. It needs the extra [train]."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer
from rich.markup import escape

from emofuse.cli.console import OUT, note, progress_hook
from emofuse.cli.train import (
    DataOption,
    DeviceOption,
    OverridesArgument,
    data_folder,
    need_torch,
)
from emofuse.emotions import BASE
from emofuse.errors import UsageError
from emofuse.inference.load_model import is_own, load_model
from emofuse.inference.own_model import HUB, OwnModality, OwnModel
from emofuse.inference.own_onnx import card_beside
from emofuse.research.recipes.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from emofuse.research.evaluation.scores.predictions import Predictions
    from emofuse.research.evaluation.scores.report import EvaluationReport

_Evaluated: TypeAlias = "tuple[Path, EvaluationReport, Predictions]"  # the folder, and what is written there

JobsOption = Annotated[
    int, typer.Option(min=1, help="Folds to train at once, one thread each; default: one for each core.")
]
ProtocolOption = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE",
        help="actor-6fold, leave-one-corpus-out, all-corpora, session, loso, dialogue-5fold, random-6fold or a file; "
        "faces and text: all-corpora; faces with --test: subject-5fold.",
    ),
]
SeedsOption = Annotated[int, typer.Option(min=1, help="How often to train every fold, from the recipe's seed on.")]
ALL_CORES = os.cpu_count() or 1
DEFAULT_PROTOCOL: Final = "actor-6fold"


@dataclass(frozen=True, slots=True)
class Request:
    """What decides the numbers of an evaluation, and so what its command has to say."""

    recipe: Path
    overrides: tuple[str, ...] = ()
    protocol: str = DEFAULT_PROTOCOL
    n_seeds: int = 1
    train_on: str | None = None
    test_on: str | None = None
    show_leak: bool = False
    transductive: bool = False
    model: Path | None = None
    prior: str | None = None

    @property
    def is_repeated(self) -> bool:
        """Whether something is asked for that only what is trained anew in every fold has."""
        return self.n_seeds > 1 or self.show_leak or self.transductive

    def of_task(self, recipe: Recipe) -> Request:
        """Return the request with the protocol that its kind of data has where none was named."""
        from emofuse.research.tasks.registry import utterance_task

        protocol = utterance_task(recipe).protocol
        return replace(self, protocol=protocol) if self.protocol == DEFAULT_PROTOCOL else self

    def load(self) -> Recipe:
        """Read the recipe, with what the command line changes in it."""
        # a list of JSON is one of TOML, where letters are left as they are
        corpora = None if self.train_on is None else json.dumps(_names(self.train_on), ensure_ascii=False)
        changed = [] if corpora is None else [f"data.train_on={corpora}"]
        return load_recipe(self.recipe, [*self.overrides, *changed])

    def command(self) -> str:
        """Write the command that makes the numbers again; where they are put does not matter."""
        parts = ["emofuse", "evaluate", str(self.recipe), *self.overrides]
        if self.model is not None:
            tested = ["--test", self.test_on] if self.test_on is not None else []
            shifted = ["--prior", self.prior] if self.prior is not None else []
            return shlex.join([*parts, "--model", str(self.model), *tested, *shifted])
        is_default = self.protocol == DEFAULT_PROTOCOL
        parts += ["--protocol", self.protocol] if self.test_on is None or not is_default else []
        parts += ["--seeds", str(self.n_seeds)] if self.n_seeds > 1 else []
        parts += ["--train", self.train_on] if self.train_on is not None else []
        parts += ["--test", self.test_on] if self.test_on is not None else []
        parts += ["--show-leak"] if self.show_leak else []
        parts += ["--transductive"] if self.transductive else []
        return shlex.join(parts)

    def folder(self, name: str) -> Path:
        """Name the folder of the trainings, so that those of different protocols do not meet in one."""
        if self.test_on is not None:
            how = "" if self.protocol == DEFAULT_PROTOCOL else f"-{Path(self.protocol).stem}"
            return Path("runs") / f"{name}-to-{'-'.join(Path(corpus).stem for corpus in _names(self.test_on))}{how}"
        return Path("runs") / f"{name}-{Path(self.protocol).stem}"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the corpora are, and what computes."""

    data: Path | None
    device: str
    jobs: int


def evaluate(
    recipe: Annotated[
        Path | None,
        typer.Argument(metavar="RECIPE.toml", help="For example recipes/voice.toml; omitted for your own model."),
    ] = None,
    overrides: OverridesArgument = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    seeds: SeedsOption = 1,
    train_on: Annotated[
        str | None,
        typer.Option(
            "--train", metavar="CORPUS[,CORPUS]", help="Training corpora in place of the recipe's: names or CSVs."
        ),
    ] = None,
    test_on: Annotated[
        str | None,
        typer.Option("--test", metavar="CORPUS[,CORPUS]", help="Test on these corpora, by the shared labels."),
    ] = None,
    show_leak: Annotated[
        bool, typer.Option("--show-leak", help="Also run a random split, to show how much knowing the speaker adds.")
    ] = False,
    transductive: Annotated[
        bool, typer.Option("--transductive", help="Adapt the networks to each test speaker's clips, without labels.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.onnx|hub:ID|module:NAME",
            help="A model to test without training: an exported network, or your own: of the Hugging Face Hub, an ONNX "
            "file with a card beside it, or a function in Python.",
        ),
    ] = None,
    modality: Annotated[
        OwnModality | None, typer.Option(help="The input of your own model, if it does not declare it.")
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="LABEL_0=angry", help="The meaning of a label of your own model."),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(metavar="CORPUS", help="For texts: use the frequencies of this corpus's dev part as the prior."),
    ] = None,
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the trainings and the report.")] = None,
    device: DeviceOption = "auto",
    jobs: JobsOption = ALL_CORES,
) -> None:
    """Cross-validate a recipe by speakers, and write a report. Finished trainings are reused.

    Your own model is tested without a recipe: --model hub:ID --test my.csv.
    """
    need_torch()
    from emofuse.research.evaluation.reports.terminal import print_report
    from emofuse.research.evaluation.reports.write import refuse_foreign_pages

    if out is not None:  # before hours of work
        refuse_foreign_pages(out, "report")
    machine = Machine(data, device, jobs)
    if recipe is None:
        if model is None or test_on is None:
            raise UsageError("there is no recipe", "name one, or a model of your own with --model and --test")
        if seeds > 1 or show_leak or transductive or train_on is not None or prior is not None:
            raise UsageError("--seeds, --train, --show-leak, --transductive and --prior are for a recipe")
        folder, report, predictions = _evaluate_own(
            OwnRequest(model, test_on, modality, tuple(maps or ())), out, machine
        )
        write_evaluation(report, predictions, folder)
        print_report(report, OUT)
        OUT.print(f"\n{escape(str(folder / 'report.html'))}")
        return
    if modality is not None or maps:
        raise UsageError("--modality and --map are for a model of your own", "leave out the recipe")
    request = Request(
        recipe,
        tuple(overrides or ()),
        protocol,
        seeds,
        train_on,
        test_on,
        show_leak,
        transductive,
        None if model is None else Path(model),
        prior,
    )
    settings = request.load()
    if prior is not None and settings.data.corpus != "text":
        raise UsageError("--prior goes with a text recipe")
    by_kind = {"text": _evaluate_text, "ferplus": _evaluate_faces}
    folder, report, predictions = by_kind.get(settings.data.corpus, _evaluate_clips)(request, settings, out, machine)
    place = folder / "transductive" if transductive else folder
    write_evaluation(report, predictions, place)
    print_report(report, OUT)
    OUT.print(f"\n{escape(str(place / 'report.html'))}")


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """What decides the numbers of a model of one's own. maps: what its labels mean, as LABEL=meaning."""

    model: str
    test_on: str
    modality: OwnModality | None
    maps: tuple[str, ...]

    def command(self) -> str:
        """Write the command that makes the numbers again."""
        parts = ["emofuse", "evaluate", "--model", self.model, "--test", self.test_on]
        parts += ["--modality", self.modality] if self.modality is not None else []
        return shlex.join([*parts, *(part for one in self.maps for part in ("--map", one))])

    def folder(self) -> Path:
        """Name the folder of the report."""
        name = re.sub(r"[^\w.-]+", "-", self.model.removeprefix(HUB).removesuffix(".onnx")).strip("-.")[-80:]
        return Path("runs") / f"{name or 'model'}-as-is"


def _evaluate_own(request: OwnRequest, out: Path | None, machine: Machine) -> _Evaluated:
    """Test a model of one's own, or an exported network, on corpora as it is."""
    from emofuse.research.evaluation.protocols.pretrained import evaluate_pretrained

    model: Path | OwnModel = Path(request.model)
    if is_own(request.model) or card_beside(Path(request.model)) is not None:
        device = "cpu" if machine.device == "auto" else machine.device
        model = load_model(request.model, request.modality, label_map=_label_map(request.maps), device=device)
        for line in model.notes(BASE):
            note(line)
    elif request.maps or request.modality is not None:
        raise UsageError(f"{request.model} is an exported network, which has its labels", "leave out --map, --modality")
    with progress_hook() as hook:
        found = evaluate_pretrained(model, _names(request.test_on), machine.data, request.command(), hook)
    return out or request.folder(), *found


def _label_map(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.rpartition("=") for text in texts]
    wrong = next((text for text, (label, _, _) in zip(texts, pairs, strict=True) if not label), None)
    if wrong is not None:
        raise UsageError(f"--map {wrong!r} is not of the form LABEL=meaning", "such as LABEL_0=angry")
    return {label: meaning for label, _, meaning in pairs}


def write_evaluation(report: EvaluationReport, predictions: Predictions, folder: Path) -> None:
    from emofuse.research.evaluation.reports.write import write_report
    from emofuse.research.evaluation.scores.predictions import PREDICTIONS_NAME, write_predictions

    write_report(report, folder)
    write_predictions(predictions, folder / PREDICTIONS_NAME)


def _evaluate_text(request: Request, recipe: Recipe, out: Path | None, machine: Machine) -> _Evaluated:
    from emofuse.research.evaluation.protocols.pretrained_texts import evaluate_texts

    if request.model is None:
        return _cross_validated(request, recipe, out, machine)
    if request.is_repeated or request.train_on is not None:
        raise UsageError("--seeds, --train, --show-leak and --transductive go with a speech recipe")
    corpus = request.test_on or recipe.data.train_on[0]
    folder = out or Path("runs") / f"{recipe.name}-on-{corpus}"
    return folder, *evaluate_texts(request.model, data_folder(machine.data), request.command(), corpus, request.prior)


def _evaluate_faces(request: Request, recipe: Recipe, out: Path | None, machine: Machine) -> _Evaluated:
    if request.test_on is not None and _is_face_set(request.test_on):
        if request.is_repeated:
            raise UsageError("--seeds, --show-leak and --transductive go with a speech recipe")
        folder = out or request.folder(recipe.name)
        return folder, *_evaluate_face_set(request, recipe, folder, machine)
    if request.model is not None and request.test_on is not None:
        return _evaluate_pretrained(request, recipe, out, machine)
    if request.model is None:
        return _cross_validated(request, recipe, out, machine)
    if request.is_repeated:
        raise UsageError("--seeds, --test, --show-leak and --transductive go with a speech recipe")
    folder = out or Path("runs") / f"{recipe.name}-evaluation"
    return folder, *_faces(request.model, data_folder(machine.data), request.command(), folder)


def _evaluate_clips(request: Request, recipe: Recipe, out: Path | None, machine: Machine) -> _Evaluated:
    if request.model is not None and request.test_on is not None:
        return _evaluate_pretrained(request, recipe, out, machine)
    if request.model is not None:
        raise UsageError(
            "--model goes with a face recipe, a text recipe, or --test", "others are trained anew in every fold"
        )
    return _cross_validated(request, recipe, out, machine)


def _cross_validated(request: Request, recipe: Recipe, out: Path | None, machine: Machine) -> _Evaluated:
    request = request.of_task(recipe)
    folder = out or request.folder(recipe.name)
    return folder, *evaluate_utterances(request, recipe, folder, machine)


def _evaluate_pretrained(request: Request, recipe: Recipe, out: Path | None, machine: Machine) -> _Evaluated:
    from emofuse.research.evaluation.protocols.pretrained import evaluate_pretrained

    if request.is_repeated or request.train_on is not None:
        raise UsageError("--seeds, --train, --show-leak and --transductive do not go with --model and --test")
    assert request.model is not None and request.test_on is not None
    folder = out or Path("runs") / f"{request.folder(recipe.name).name}-as-is"
    with progress_hook() as hook:
        found = evaluate_pretrained(request.model, _names(request.test_on), machine.data, request.command(), hook)
    return folder, *found


def _faces(model: Path, root: Path, command: str, folder: Path) -> tuple[EvaluationReport, Predictions]:
    from emofuse.research.evaluation.protocols.pretrained_faces import evaluate_faces

    write_evaluation(*evaluate_faces(model, root, command, plurality=True, weigh=True), folder / "plurality")
    write_evaluation(*evaluate_faces(model, root, command), folder / "evidence-alone")
    return evaluate_faces(model, root, command, weigh=True)


def _is_face_set(name: str) -> bool:
    from emofuse.research.corpora.registry import FACES, PORTRAITS

    return name in FACES or name in PORTRAITS


def _evaluate_face_set(
    request: Request, recipe: Recipe, folder: Path, machine: Machine
) -> tuple[EvaluationReport, Predictions]:
    """Test on one set of faces: a network as it is, or one that is trained without the set, or without its people."""
    from emofuse.research.corpora.registry import PORTRAITS
    from emofuse.research.evaluation.protocols.face_sets import (
        SUBJECTS,
        cross_validate_subjects,
        evaluate_left_out,
        evaluate_portraits,
    )
    from emofuse.research.training.fit import silence_lightning

    assert request.test_on is not None
    root = data_folder(machine.data)
    if request.model is not None:
        if request.test_on not in PORTRAITS:
            return _faces(request.model, root, request.command(), folder)
        return evaluate_portraits(request.model, request.test_on, root, request.command())
    silence_lightning()
    if request.protocol == SUBJECTS:
        shared = folder.with_name(f"{recipe.name}-{SUBJECTS}")  # all sets share the trainings
        return cross_validate_subjects(recipe, request.test_on, root, shared, request.command(), machine.device)
    return evaluate_left_out(recipe, request.test_on, root, folder, request.command(), machine.device)


def evaluate_utterances(
    request: Request, recipe: Recipe, folder: Path, machine: Machine
) -> tuple[EvaluationReport, Predictions]:
    from emofuse.research.corpora.splits.protocols import make_split
    from emofuse.research.evaluation.protocols.by_corpus import PROTOCOLS as CORPUS_PROTOCOLS
    from emofuse.research.evaluation.protocols.by_corpus import read_by_corpus
    from emofuse.research.evaluation.protocols.cross_corpus import across_corpora
    from emofuse.research.evaluation.protocols.cross_validation import cross_validate, with_leak
    from emofuse.research.evaluation.protocols.face_sets import SUBJECTS
    from emofuse.research.evaluation.protocols.learners import RunContext
    from emofuse.research.tasks.base import fall_back_to_random_init
    from emofuse.research.tasks.registry import utterance_task
    from emofuse.research.training.fit import silence_lightning
    from emofuse.research.training.jobs import load_utterances

    if request.test_on is not None and not _names(request.test_on):
        raise UsageError("--test names no corpus")
    if request.test_on is not None and request.show_leak:
        raise UsageError("--show-leak and --test do not go together")
    if request.protocol == SUBJECTS:
        hint = "a recipe of faces takes it with --test cfee or --test taiwan"
        raise UsageError(f"--protocol {SUBJECTS} goes with --test and a set of faces", hint)
    if request.protocol in CORPUS_PROTOCOLS and request.show_leak:
        raise UsageError(f"--show-leak and --protocol {request.protocol} do not go together")
    silence_lightning()
    recipe = fall_back_to_random_init(recipe, note)
    valid_speakers = utterance_task(recipe).n_validating(recipe)
    seeds = tuple(recipe.seed + i for i in range(request.n_seeds))
    context = RunContext(folder, seeds, request.command(), machine.device, machine.jobs, request.transductive)
    with progress_hook() as hook:
        if request.test_on is not None:
            utterances, split = across_corpora(recipe, _names(request.test_on), machine.data, hook)
        elif request.protocol in CORPUS_PROTOCOLS:
            utterances, split = read_by_corpus(recipe, request.protocol, machine.data, hook)
        else:
            utterances = load_utterances(recipe, machine.data, hook)
            split = make_split(request.protocol, utterances.folded, valid_speakers, recipe.seed)
        if utterances.note():
            note(utterances.note())
        report, predictions = cross_validate(recipe, utterances, split, context, note, hook)
        if request.show_leak:
            name = f"random-{max(2, len(split.folds))}fold"
            leaky = make_split(name, utterances.folded, valid_speakers, recipe.seed)
            report = with_leak(
                report, cross_validate(recipe, utterances, leaky, context.within("leaky"), note, hook)[0]
            )
    return report, predictions


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())
