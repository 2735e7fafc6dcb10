"""Makes a feature set of any manifest: each clip through an encoder for each modality. What was made once stays."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from pydantic import Field

from emofuse.errors import CorpusError, UsageError
from emofuse.files import make_folder
from emofuse.inference.detector import YuNetDetector
from emofuse.inference.own_model import HUB
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.feature_sets.encoders import (
    AudioSetEncoder,
    Encoder,
    FaceEncoder,
    Features,
    Modality,
    NoFeatures,
    OpensmileEncoder,
)
from emofuse.research.feature_sets.record import Record, finish, open_record, utterance_names
from emofuse.research.feature_sets.sound_encoder import HubSoundEncoder
from emofuse.research.feature_sets.store import place_of
from emofuse.research.feature_sets.table import TABLE
from emofuse.research.feature_sets.text_encoder import SentenceEncoder, with_words
from emofuse.research.parallel import run_at_once
from emofuse.research.tasks.utterances import Hook
from emofuse.settings import Settings

Visual: TypeAlias = Literal["face", "resnet50", "none"]
Device: TypeAlias = Literal["auto", "cpu", "cuda"]

NONE: Final = "none"
SAVE_EVERY_S: Final = 10.0  # of the record: what a crash loses


class ExtractSettings(Settings):
    """Which encoder each modality gets; "none": no features of it.

    acoustic: "audioset", "egemaps", or "hub:ID" for an encoder of the Hugging Face Hub. lexical: the name of a sentence
    encoder on the Hugging Face Hub, or its folder. n_frames: how many pictures of a clip are encoded, or all where it
    has fewer. step_s: about how long a step of sound is, but of "egemaps"; a shorter clip is one.
    Steps of 1 s tell less of RAVDESS, averaged, than the utterance does; those of 2 s as much.
    """

    visual: Visual = "face"
    acoustic: str = Field("audioset", pattern=r"^(audioset|egemaps|none|hub:.+)$")
    lexical: str = Field(NONE, min_length=1)
    n_frames: int = Field(16, ge=1, le=1024)
    step_s: float = Field(2.0, ge=0.5)
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was made, of the modalities asked for. n_made: arrays and reasons of this run; the others were there.

    encoders: modality → name. steps: modality → fewest and most steps T; dims: D. absent: modality → reason → clips
    that have no such features. unknown: of the words given, those that fit no clip.
    """

    table: Path
    manifest: Manifest
    n_made: int
    encoders: Mapping[Modality, str]
    steps: Mapping[Modality, tuple[int, int]]
    dims: Mapping[Modality, int]
    absent: Mapping[Modality, Mapping[str, tuple[str, ...]]]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Task:
    """A clip of which some modalities are to be encoded; their sources."""

    clip: Clip
    place: str
    sources: dict[Modality, str]


def make_encoders(settings: ExtractSettings) -> dict[Modality, Encoder]:
    """Load the encoders that the settings name.

    Weights are those of the name or none: AssetError where they cannot be had. Raises UsageError for a library that is
    not installed, a device that is not there, and where every modality is "none".
    """
    device = _device(settings.device)
    encoders: list[Encoder] = []
    if settings.visual != NONE:
        encoders.append(FaceEncoder(settings.visual, settings.n_frames, device, YuNetDetector))
    if settings.acoustic == "audioset":
        encoders.append(AudioSetEncoder(settings.step_s, device))
    elif settings.acoustic.startswith(HUB):
        encoders.append(HubSoundEncoder(settings.acoustic.removeprefix(HUB), settings.step_s, device))
    elif settings.acoustic != NONE:
        encoders.append(OpensmileEncoder(settings.acoustic))
    if settings.lexical != NONE:
        encoders.append(SentenceEncoder(settings.lexical, device))
    if not encoders:
        raise UsageError("there is no encoder: every modality is none", "name one of visual, acoustic and lexical")
    return {encoder.modality: encoder for encoder in encoders}


def extract(
    manifest: Manifest,
    folder: str | Path,
    settings: ExtractSettings | None = None,
    *,
    words: str | Path | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    hook: Hook | None = None,
) -> Extraction:
    """Make a feature set, as `corpora.feature_set` reads it, in `folder`: `features/` and, at last, `dataset.csv`.

    words: a CSV of what is said (`extract_text.with_words`). jobs: processes that work at once; the features do not
    depend on how many. overwrite: make all again. A run that was cut off goes on, and clips that are new, or whose
    file or words have changed, are made; those of a folder with features of another encoder are never mixed with it.
    A clip without face, sound or words, or whose file is damaged, has no such features, and the reason is kept.

    Raises as `make_encoders` and `extract_record.open_record` do, and CorpusError where no clip has any feature.
    """
    settings = settings or ExtractSettings()
    names = utterance_names(manifest.clips)
    unknown: list[str] = []
    if words is not None:
        clips, unknown = with_words(manifest.clips, names, Path(words))
        manifest = replace(manifest, clips=tuple(clips))
    named = [replace(clip, path=Path(name)) for clip, name in zip(manifest, names, strict=True)]
    where = [place_of(clip) for clip in named]
    encoders = make_encoders(settings)
    record = open_record(Path(folder), {m: encoder.identity for m, encoder in encoders.items()}, overwrite)
    make_folder(record.folder)
    tasks = _tasks(manifest, where, encoders, record, hook)
    _forget(record, tasks)
    _run(tasks, settings, encoders, record, jobs, hook)
    present = {m: [p for p in where if "shape" in record.entries[m][p]] for m in encoders}
    if not any(present.values()):
        reasons = Counter(str(record.entries[m][p]["absent"]) for m in encoders for p in where)
        why = ", ".join(f"{reason} ({n})" for reason, n in reasons.items())
        raise CorpusError(f"no clip of {manifest.name} has any of these features: {why}")
    table = finish(record, replace(manifest, clips=tuple(named)), where, list(encoders))
    shapes = {m: [record.entries[m][place]["shape"] for place in found] for m, found in present.items() if found}
    return Extraction(
        table=table,
        manifest=manifest,
        n_made=sum(len(task.sources) for task in tasks),
        encoders={m: encoder.name for m, encoder in encoders.items()},
        steps={m: (min(t for t, _ in each), max(t for t, _ in each)) for m, each in shapes.items()},
        dims={m: each[0][1] for m, each in shapes.items()},
        absent={m: _reasons(record, m, names, where) for m in encoders},
        unknown=tuple(unknown),
    )


def _tasks(
    manifest: Manifest, where: Sequence[str], encoders: Mapping[Modality, Encoder], record: Record, hook: Hook | None
) -> list[_Task]:
    """List what is not made yet, of this content, and note what cannot be read at all."""
    tasks: list[_Task] = []
    for done, (clip, place) in enumerate(zip(manifest, where, strict=True), start=1):
        sources: dict[Modality, str] = {}
        for modality, encoder in encoders.items():
            try:
                source = encoder.source(clip)
            except CorpusError as error:
                record.keep(modality, place, "", _reason(error, clip))
                continue
            if record.made(modality, place, source) is None:
                sources[modality] = source
        if sources:
            tasks.append(_Task(clip, place, sources))
        if hook is not None:
            hook("looking", done, len(manifest))
    return tasks


def _forget(record: Record, tasks: Sequence[_Task]) -> None:
    """Strike out what will be made again, before it is: were the run cut off, old and new could not be told apart."""
    for task in tasks:
        for modality in task.sources:
            record.entries[modality].pop(task.place, None)
            if record.file(modality, task.place).exists():
                (record.folder / TABLE).unlink(missing_ok=True)  # it names what is about to be replaced
    record.save()


def _run(
    tasks: Sequence[_Task],
    settings: ExtractSettings,
    encoders: Mapping[Modality, Encoder],
    record: Record,
    jobs: int,
    hook: Hook | None,
) -> None:
    saved_s = time.monotonic()
    try:
        with closing(_results(tasks, settings, encoders, jobs)) as results:
            for done, (task, made) in enumerate(zip(tasks, results, strict=True), start=1):
                for modality, features in made.items():
                    record.keep(modality, task.place, task.sources[modality], features)
                if hook is not None:
                    hook("extracting", done, len(tasks))
                if time.monotonic() - saved_s > SAVE_EVERY_S:
                    record.save()
                    saved_s = time.monotonic()
    finally:
        record.save()


_Made: TypeAlias = dict[Modality, Features | str]


def _results(
    tasks: Sequence[_Task], settings: ExtractSettings, encoders: Mapping[Modality, Encoder], jobs: int
) -> Generator[_Made]:
    if jobs > 1 and len(tasks) > 1:
        yield from run_at_once(_work, tasks, jobs, _start, (settings,))
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a process of its own: sums are of another order with more
    try:
        for task in tasks:
            yield _encode(task, encoders)
    finally:
        torch.set_num_threads(threads)


_encoders: dict[Modality, Encoder] = {}  # of a worker process: loaded once, not for every clip


def _start(settings: ExtractSettings) -> None:
    _encoders.update(make_encoders(settings))


def _work(task: _Task) -> _Made:
    return _encode(task, _encoders)


def _encode(task: _Task, encoders: Mapping[Modality, Encoder]) -> _Made:
    made: _Made = {}
    for modality in task.sources:
        try:
            features = encoders[modality].encode(task.clip)
            made[modality] = features if np.isfinite(features).all() else "the encoder's answer is not finite"
        except NoFeatures as reason:
            made[modality] = str(reason)
        except CorpusError as error:
            made[modality] = _reason(error, task.clip)
    return made


def _reason(error: CorpusError, clip: Clip) -> str:
    """Return what is wrong without the name of the file, so that clips of one kind are counted together."""
    text = error.message
    for path in (clip.path, clip.sound_file):
        text = text.replace(str(path), "")
    return " ".join(text.replace(" :", ":").split()).strip(" :")


def _reasons(record: Record, modality: Modality, names: Sequence[str], where: Sequence[str]) -> dict[str, Any]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, place in zip(names, where, strict=True):
        if "absent" in record.entries[modality][place]:
            found[record.entries[modality][place]["absent"]].append(name)
    return {reason: tuple(clips) for reason, clips in found.items()}


def _device(name: Device) -> torch.device:
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise UsageError("there is no CUDA device here that torch can use", "choose --device cpu")
    return torch.device("cuda" if name != "cpu" and has_cuda else "cpu")
