"""`emofuse benchmark`: the standing page of how good a bundle is, made from real corpora by one command."""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from emofuse import __version__
from emofuse.cli.command_line import command_line
from emofuse.cli.console import OUT, note, progress_hook
from emofuse.cli.demo import CLIP
from emofuse.cli.measured import SeedOption
from emofuse.cli.train import DataOption, data_folder, need_torch
from emofuse.errors import UsageError
from emofuse.files import atomic_write, make_folder
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.bundle_check import check_bundle
from emofuse.inference.licences import sources_of
from emofuse.inference.pipeline import Pipeline
from emofuse.types import MODALITIES

if TYPE_CHECKING:
    from emofuse.research.evaluation.protocols.made_films import MadeFilmsReport
    from emofuse.research.evaluation.reports.benchmark_page import BenchmarkReport, Speed
    from emofuse.research.evaluation.reports.condition_report import ConditionReport


def benchmark(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A bundle's name, or the folder of one.")] = "base",
    data: DataOption = None,
    left_out: Annotated[
        list[str] | None,
        typer.Option(
            "--left-out",
            metavar="MODALITY=FOLDER|FILE.csv",
            help="Of `emofuse evaluate`, or of scripts/predict_left_out.py, where a corpus was not trained on.",
        ),
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option("--peer", metavar="NAME=FOLDER", help="Of predictions of another network of faces, CORPUS.csv."),
    ] = None,
    conditions: Annotated[
        list[Path] | None, typer.Option("--conditions", metavar="FOLDER", help="Of `emofuse robustness`.")
    ] = None,
    films: Annotated[
        list[str] | None,
        typer.Option(
            "--films",
            metavar="VOICES+FACES[=BUNDLE]",
            help="Films to make from corpora, such as emodb+cfee; optionally with another bundle.",
        ),
    ] = None,
    n_films: Annotated[
        int, typer.Option(min=2, help="Corpora whose voices are combined with faces, twice each.")
    ] = 140,
    seed: SeedOption = 1,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The page to write; a JSON file with its numbers is written beside it.")
    ] = Path("docs/benchmark.md"),
) -> None:
    """Measure a bundle on real corpora and write the page: as it ships, left out, beside others, under conditions.

    What ships is evaluated anew. Networks without a corpus are trained by `emofuse evaluate`; their folders are read.
    """
    need_torch()
    from emofuse.research.evaluation.protocols.benchmark import rows_as_shipped, rows_left_out, rows_of_peer
    from emofuse.research.evaluation.reports.benchmark_page import BenchmarkReport, DataLicence

    folders = _by_modality(left_out or ())
    others = [_pair(text, "--peer", "NAME=FOLDER") for text in peers or ()]
    reports = tuple(map(_read_conditions, conditions or ()))
    if out.suffix != ".md":
        raise UsageError(f"--out {out} is not a page", "name it in .md")
    loaded, root = load_bundle(bundle), data_folder(data)
    manifest = loaded.manifest
    with progress_hook() as hook:
        left = rows_left_out(loaded, folders)
        peer_rows = [row for name, folder in others for row in rows_of_peer(name, Path(folder), loaded)]
        made = tuple(_films(loaded, pair, root, n_films, seed, hook) for pair in films or ())
        shipped, missing = rows_as_shipped(loaded, root, hook)
    report = BenchmarkReport(
        bundle=f"{manifest.name} {manifest.version}",
        sha256=loaded.sha256 or "",
        labels=loaded.labels,
        left_out=tuple(left),
        shipped=tuple(shipped),
        peers=tuple(peer_rows),
        films=made,
        conditions=reports,
        speed=_speed(loaded),
        real_time=_real_time(loaded),
        licences=tuple(DataLicence(**source._asdict()) for source in sources_of(loaded)),
        missing=tuple(missing),
        command=command_line(),
        versions=f"emofuse {__version__}, Python {platform.python_version()}",
    )
    written = _write(report, out, [Path(folder) for folder in conditions or ()])
    for name in missing:
        note(f"{name} is not in {root}, so it was not measured")
    OUT.print("\n".join(escape(str(file)) for file in written))


def _write(report: BenchmarkReport, out: Path, folders: Sequence[Path]) -> list[Path]:
    from emofuse.research.evaluation.reports.benchmark_page import benchmark_document
    from emofuse.research.evaluation.reports.document import to_markdown

    make_folder(out.parent)
    pictures = []
    for number, folder in enumerate(folders, start=1):
        picture = out.with_name(f"{out.stem}-conditions-{number}.png")
        with atomic_write(picture) as name:
            shutil.copyfile(folder / "robustness.png", name)
        pictures.append(picture)
    numbers = out.with_suffix(".json")
    with atomic_write(numbers) as name:
        name.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    with atomic_write(out) as name:
        page = to_markdown(benchmark_document(report, [picture.name for picture in pictures]))
        name.write_text(page, encoding="utf-8", newline="\n")
    return [out, numbers, *pictures]


def _by_modality(texts: Sequence[str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for text in texts:
        name, folder = _pair(text, "--left-out", "MODALITY=FOLDER")
        modality = next((m for m in MODALITIES if m == name), None)
        if modality is None:
            raise UsageError(
                f"--left-out {text!r}: there is no modality {name!r}", f"it is one of {', '.join(MODALITIES)}"
            )
        found.setdefault(modality, []).append(Path(folder))
    return found


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise UsageError(f"{option} {text!r} is not of the form {form}")
    return name, value


def _read_conditions(folder: Path) -> ConditionReport:
    from pydantic import ValidationError

    from emofuse.reading import first_line, parse_json, read_bytes
    from emofuse.research.evaluation.reports.condition_report import NAME, ConditionReport

    file = folder / f"{NAME}.json"
    try:
        return ConditionReport.model_validate(parse_json(read_bytes(file, 64)))
    except (OSError, ValueError, ValidationError, json.JSONDecodeError) as error:
        raise UsageError(f"{file} is not a report of `emofuse robustness`: {first_line(error)}") from None


def _films(bundle: Bundle, pair: str, data: Path, n: int, seed: int, hook: object) -> MadeFilmsReport:
    from emofuse.research.evaluation.protocols.made_films import make_films, measure_films
    from emofuse.research.evaluation.protocols.recordings import find_recordings

    corpora, _, other = pair.partition("=")
    voices, _, faces = corpora.partition("+")
    bundle = load_bundle(other) if other else bundle
    if not voices or not faces:
        raise UsageError(f"--films {pair!r} is not of the form VOICES+FACES", "for example emodb+cfee")
    made = make_films(
        find_recordings([voices], data, bundle.labels), find_recordings([faces], data, bundle.labels), n, seed
    )
    return measure_films(bundle, made, lambda _, done, total: hook(f"films of {pair}", done, total))  # type: ignore[operator]


def _speed(bundle: Bundle) -> tuple[Speed, ...]:
    from emofuse.research.evaluation.reports.benchmark_page import Speed

    cards = {modality: network.card for modality, network in bundle.networks.items()}
    return tuple(
        Speed(
            modality=trial.modality,
            name=cards[trial.modality].name,
            n_parameters=cards[trial.modality].n_parameters,
            megabytes=trial.size_bytes / 1e6,
            call_ms=trial.call_ms,
        )
        for trial in check_bundle(bundle)
    )


def _real_time(bundle: Bundle) -> float:
    pipeline = Pipeline(bundle)
    start_s = time.perf_counter()
    timeline = pipeline(CLIP)
    return (timeline.source.duration_s or 0.0) / (time.perf_counter() - start_s)
