"""`emofuse features`: `extract` makes a feature set of recordings. It needs the extra [train]."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from rich.markup import escape

from emofuse.cli.console import OUT, note, progress_hook
from emofuse.cli.train import DataOption, need_torch
from emofuse.formatting import pluralise

if TYPE_CHECKING:
    from emofuse.research.feature_sets.extract import Extraction

N_NAMED: Final = 5  # clips that are named for a reason; the others are in extract.json

app = typer.Typer(
    name="features", help="Features of recordings, computed once.", no_args_is_help=True, add_completion=False
)


@app.callback()
def _group() -> None:
    """Features of recordings, computed once."""


@app.command("extract")
def extract(
    manifest: Annotated[
        str, typer.Argument(metavar="MANIFEST", help="A CSV of clips, or a corpus by its name, from the data folder.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the feature set.")],
    visual: Annotated[
        Literal["face", "resnet50", "none"],
        typer.Option(help="face: the face network that ships; resnet50: ImageNet's; over face crops."),
    ] = "face",
    acoustic: Annotated[
        str,
        typer.Option(
            metavar="audioset|egemaps|hub:ID|none",
            help="audioset: mn04, a step of --step-s each; egemaps: openSMILE over the utterance; hub:ID: an encoder "
            "of the Hugging Face Hub, or its folder (wav2vec 2.0, HuBERT, WavLM, data2vec, Whisper), a step each.",
        ),
    ] = "audioset",
    lexical: Annotated[
        str, typer.Option(metavar="MODEL", help="A sentence encoder of the Hugging Face Hub, or its folder.")
    ] = "none",
    transcripts: Annotated[
        Path | None, typer.Option(help="A CSV of id (or path) and text, beside the manifest's own column text.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, max=1024, help="Pictures to encode from each clip.")] = 16,
    step_s: Annotated[
        float, typer.Option(min=0.5, help="The approximate length of a step of sound, except for egemaps.")
    ] = 2.0,
    data: DataOption = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU if available.")] = "auto",
    jobs: Annotated[int, typer.Option(min=1, help="Clips to process at once.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Compute existing features again.")] = False,
) -> None:
    """Make a feature set (dataset.csv and features/) of recordings. A run that was cut off goes on where it was.

    Exit code: 0 the set was made, 1 it was not, 2 wrong usage.
    """
    need_torch()
    from emofuse.research.feature_sets.extract import ExtractSettings
    from emofuse.research.feature_sets.extract import extract as make
    from emofuse.research.tasks.utterances import find_corpus

    settings = ExtractSettings(
        visual=visual, acoustic=acoustic, lexical=lexical, n_frames=frames, step_s=step_s, device=device
    )
    clips = find_corpus(manifest, data)
    with progress_hook() as hook:
        made = make(clips, out, settings, words=transcripts, jobs=jobs, overwrite=overwrite, hook=hook)
    _print_extraction(made)


def _print_extraction(made: Extraction) -> None:
    n_clips = len(made.manifest)
    for path, reason in made.manifest.skipped:
        note(f"left out: {path}: {reason}")
    if made.unknown:
        note(f"{pluralise(len(made.unknown), 'text')} for no clip here: {_some(made.unknown)}")
    for modality, encoder in made.encoders.items():
        n_absent = sum(len(clips) for clips in made.absent[modality].values())
        shape = "nothing"
        if modality in made.dims:
            low, high = made.steps[modality]
            shape = f"{low if low == high else f'{low} to {high}'} x {made.dims[modality]}"
        OUT.print(escape(f"{modality:9} {encoder}: {shape}, {n_clips - n_absent} of {pluralise(n_clips, 'clip')}"))
        for reason, clips in made.absent[modality].items():
            OUT.print(escape(f"{'':9} absent, {reason}: {len(clips)} ({_some(clips)})"))
    OUT.print(
        escape(
            f"{made.table}: {pluralise(n_clips, 'clip')}, {pluralise(len(made.manifest.speakers), 'speaker')}, "
            f"{made.n_made} arrays or reasons made now, licence: {made.manifest.licence or 'unknown'}"
        )
    )


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - N_NAMED
    return ", ".join(names[:N_NAMED]) + (f" and {rest} more" if rest > 0 else "")
