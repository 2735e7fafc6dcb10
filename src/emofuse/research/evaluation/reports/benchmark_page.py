"""The standing page of how good a bundle is, from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from emofuse.inference.licences import Licence, allows_commerce
from emofuse.research.evaluation.protocols.benchmark import BenchmarkRow
from emofuse.research.evaluation.protocols.made_films import MadeFilmsReport, PairScore, Share
from emofuse.research.evaluation.reports.condition_report import ConditionReport, condition_table
from emofuse.research.evaluation.reports.document import Block, Code, Document, Heading, Picture, Table, Text
from emofuse.research.evaluation.reports.sections import percent, span_or, with_interval
from emofuse.research.evaluation.scores.metrics import UNKNOWN

FORMAT: Final = "emofuse-benchmark/1"
_RELATIONS: Final = {
    "left out": "a network of the same recipe, trained without it",
    "not trained on": "what ships; the corpus was not trained on",
    "test part": "what ships; other parts of the corpus were trained on",
    "trained on": "what ships; TRAINED ON THESE VERY CLIPS, no result",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Speed(_Part):
    """What a network costs. call_ms: the median of a call with one face, sentence or window of sound, on one thread."""

    modality: str
    name: str
    n_parameters: int
    megabytes: float
    call_ms: float


class DataLicence(_Part):
    """What a network was trained on, and its licence."""

    modality: str
    name: str
    licence: str


class BenchmarkReport(_Part):
    """All that the page tells.

    Attributes:
        bundle: Its name and version.
        sha256: Of its fusion.json.
        labels: What it answers with.
        left_out: Networks of its recipes, each without the corpus.
        shipped: Its own networks.
        peers: Others on the same faces.
        films: Made ones, by what they are made of.
        conditions: Reports of `emofuse robustness`.
        speed: Of its networks.
        real_time: How many seconds of film are analysed in one, of the demo clip.
        licences: Of its data.
        missing: Corpora that were not there.
        command: What makes the page again.
        versions: Of the software.
    """

    format: str = FORMAT
    bundle: str
    sha256: str
    labels: tuple[str, ...]
    left_out: tuple[BenchmarkRow, ...] = ()
    shipped: tuple[BenchmarkRow, ...] = ()
    peers: tuple[BenchmarkRow, ...] = ()
    films: tuple[MadeFilmsReport, ...] = ()
    conditions: tuple[ConditionReport, ...] = ()
    speed: tuple[Speed, ...] = ()
    real_time: float
    licences: tuple[DataLicence, ...] = ()
    missing: tuple[str, ...] = ()
    command: str
    versions: str


def benchmark_document(report: BenchmarkReport, pictures: Sequence[str] = ()) -> Document:
    """Return the page. pictures: the figures of the reports of conditions, one for each, beside it."""
    blocks: list[Block] = [
        Text(
            f"Made by emofuse benchmark from real corpora; the command stands at the end. The bundle is "
            f"{report.bundle} ({report.sha256[:16]}). UAR is the mean recall over the emotions that a corpus has; only "
            "these may be answered. Intervals are 95 %, resampled over speakers, or over texts and faces where nobody "
            "knows whose they are. ECE: the expected calibration error of the probabilities that the fusion goes by. "
            "All voices and most faces are acted: on people who act nothing, expect less."
        ),
        *left_out_blocks(report),
        *_shipped(report),
        *recall_blocks(report),
        *_peers(report),
        *_films(report.films),
    ]
    for number, one in enumerate(report.conditions):
        blocks += [Heading(f"Under conditions: {one.stamp.corpus}"), Text(_trained_note(one)), condition_table(one)]
        blocks += [Picture(pictures[number], f"{one.title}: recall and confidence")] if number < len(pictures) else []
        blocks.append(Code(one.stamp.command))
    blocks += [*_speed(report), *_licences(report), Heading("Make this page again"), Code(report.command)]
    blocks.append(Text(report.versions))
    return Document(f"How good the bundle {report.bundle.split()[0]} is", "", tuple(blocks))


def left_out_blocks(report: BenchmarkReport) -> list[Block]:
    """Return what networks score on corpora that they were trained without, and with which commands."""
    if not report.left_out:
        return []
    return [
        Heading("On corpora that were left out"),
        Text(
            "What to expect of recordings of other people, other rooms and other cameras: each network was trained by "
            "the recipe of the one that ships, without the corpus. The calibration is fitted on the other left-out "
            "corpora of the modality alone, where there is one."
        ),
        _table(report.left_out),
        *_commands(report.left_out),
    ]


def _shipped(report: BenchmarkReport) -> list[Block]:
    if not report.shipped:
        return []
    absent = f" Not found, so not measured: {', '.join(report.missing)}." if report.missing else ""
    return [
        Heading("What ships, corpus by corpus"),
        Text(
            "The very files of the bundle. Where a network was trained on the clips that it is tested on, the number "
            f"is no evidence about other people, and is given here so that nobody quotes it as such.{absent}"
        ),
        _table(report.shipped),
    ]


def _table(rows: Sequence[BenchmarkRow]) -> Table:
    header = (
        "corpus",
        "n",
        "people or units",
        "emotions",
        "chance",
        "UAR",
        "95 %",
        "accuracy",
        "95 %",
        "ECE",
        "modality",
        "is",
    )
    cells = tuple(
        (
            row.corpus,
            f"{row.n:,}",
            f"{row.n_units:,}",
            str(len(row.recalls)),
            percent(1 / len(row.recalls)),
            percent(row.uar),
            span_or("unknown", row.uar_95),
            percent(row.accuracy),
            span_or("unknown", row.accuracy_95),
            f"{row.calibration_error:.3f}",
            row.modality,
            _RELATIONS[row.relation],
        )
        for row in sorted(rows, key=lambda row: (row.modality, list(_RELATIONS).index(row.relation)))
    )
    return Table(header, cells, 9)


def _commands(rows: Sequence[BenchmarkRow]) -> list[Code]:
    return [Code(command) for command in dict.fromkeys(row.command for row in rows)]


def recall_blocks(report: BenchmarkReport) -> list[Block]:
    """Return the recall of each emotion, but on what was trained on."""
    rows = [*report.left_out, *(row for row in report.shipped if row.relation != "trained on")]
    if not rows:
        return []
    cells = tuple(
        (f"{row.modality}: {row.corpus}", *(_recall(row, label) for label in report.labels), row.relation)
        for row in rows
    )
    return [
        Heading("Recall of each emotion, in %"),
        Table(("", *report.labels, "corpus is"), cells, len(report.labels)),
    ]


def _recall(row: BenchmarkRow, label: str) -> str:
    return f"{100 * row.recalls[label]:.0f}" if label in row.recalls else ""


def _peers(report: BenchmarkReport) -> list[Block]:
    if not report.peers:
        return []
    faces = [row for row in (*report.left_out, *report.peers) if row.modality == "face"]
    rows = tuple(
        (
            row.network + (", corpus left out" if row.relation == "left out" else ""),
            row.corpus,
            percent(row.uar),
            span_or("unknown", row.uar_95),
            percent(row.accuracy),
            f"{row.calibration_error:.3f}",
            *(_recall(row, label) for label in report.labels),
        )
        for row in sorted(faces, key=lambda row: (row.corpus, -row.uar))
    )
    header = ("network", "corpus", "UAR", "95 %", "accuracy", "ECE", *report.labels)
    return [
        Heading("Other networks on the same faces"),
        Text(
            "The same crops, as the product cuts them; recalls in %. Nothing was trained. Whether the others were "
            "trained on these sets is not known."
        ),
        Table(header, rows, len(header) - 1),
        *_commands(report.peers),
    ]


def _films(films: Sequence[MadeFilmsReport]) -> list[Block]:
    if not films:
        return []
    rows = []
    for one in films:
        for what, score in (("the same", one.agree), ("different ones", one.conflict)):
            by = f"{one.bundle}, TRAINED ON THEM" if one.is_known else f"{one.bundle}, which knows neither"
            rows.append((f"{one.voices} over {one.faces}, by {by}", what, *_pair(score)))
    header = ("voice over face", "emotions", "films", "fused is both's", "the voice's", "the face's", "neither's")
    more = ("confidence", "voice's own", "face's own", "voice right", "face right", "both answer alike", "invented")
    return [
        Heading("When face and voice agree, and when they do not"),
        Text(
            "Films made of one person's voice and a picture of another's face. The fused answer should be surer where "
            "both show the same than where they do not. Invented: the fused answer is that of neither network."
        ),
        Table((*header, *more), tuple(rows), len(header) + len(more) - 1),
    ]


def _pair(score: PairScore) -> tuple[str, ...]:
    shares = (score.as_both, score.as_voice, score.as_face, score.as_neither)
    alone, confidence = score.alone, score.confidence_alone
    return (
        str(score.n),
        *(_share(one) for one in shares),
        percent(score.confidence),
        *(percent(confidence[m]) for m in ("voice", "face")),
        *(percent(alone[m]) for m in ("voice", "face")),
        percent(score.same_answer),
        percent(score.invented),
    )


def _share(one: Share) -> str:
    value, interval = one
    return percent(value) if interval == UNKNOWN else with_interval(value, interval)


def _trained_note(report: ConditionReport) -> str:
    known = " Its networks were trained on these recordings: read what is kept, not the scores." * bool(
        report.stamp.leaky
    )
    return f"{report.n_recordings} recordings of {report.n_speakers} speakers, whole, all labels may win.{known}"


def _speed(report: BenchmarkReport) -> list[Block]:
    rows = tuple(
        (one.modality, f"{one.n_parameters:,}", f"{one.megabytes:.1f}", f"{one.call_ms:.1f}", one.name)
        for one in report.speed
    )
    return [
        Heading("Speed"),
        Text(
            f"One thread for a network. The demo clip (face, voice and words) is analysed "
            f"{report.real_time:.1f} times as fast as it plays, on the machine that made this page."
        ),
        Table(("network", "parameters", "MB", "ms a call", "of the recipe"), rows, 3),
    ]


def _licences(report: BenchmarkReport) -> list[Block]:
    words = {Licence.YES: "yes", Licence.NO: "no", Licence.UNCLEAR: "unclear"}
    rows = tuple((one.modality, one.name, one.licence, words[allows_commerce(one.licence)]) for one in report.licences)
    return [Heading("Data and licences"), Table(("network", "trained on", "licence", "commercial use"), rows, 0)]
