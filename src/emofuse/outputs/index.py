"""What came of a folder of recordings: one page to look through, and one table for a spreadsheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self

from emofuse.emotions import rgb
from emofuse.files import atomic_write, write_csv_file
from emofuse.formatting import clock, documentary_line, pluralise
from emofuse.outputs.locations import relative_url
from emofuse.outputs.page import GENERATOR, html_page, notice, provenance_html
from emofuse.outputs.records import Table, probability_names
from emofuse.outputs.tiers import faces
from emofuse.ownership import refuse_foreign
from emofuse.provenance import Provenance
from emofuse.remote import Place
from emofuse.segments import Segment, share_of_time
from emofuse.timeline import Timeline
from emofuse.types import MODALITIES, Json

INDEX_FILES: Final = ("index.html", "summary.csv")
_COLUMNS: Final = ("recording", "label", "confidence", "duration_s", "used", "n_segments", "n_people")
_LAST_COLUMNS: Final = ("why", "failure")
_GROUP: Final = "group"
_N_WORDS: Final = 4  # labels named beneath a course
_N_SHOWN: Final = 400  # segments of a course; more are thinner than a pixel


@dataclass(frozen=True, slots=True)
class Digest:
    """What the index shows of a timeline, without its moments: those of a long batch would not fit into memory.

    Attributes:
        labels: The emotions, in the order of `probabilities`.
        duration_s: Of the recording.
        label: The answer for the whole; None where there is none.
        confidence: Its probability.
        probabilities: Of all labels; empty where there is no answer.
        by_modality: The label that each modality gives.
        used: The modalities that the answer is made of.
        why: The reason, for each of the others.
        segments: The course of the answer.
        n_people: Whose faces were read.
        provenance: How it came about.
    """

    labels: tuple[str, ...]
    duration_s: float | None
    label: str | None
    confidence: float
    probabilities: tuple[float, ...]
    by_modality: Mapping[str, str]
    used: tuple[str, ...]
    why: Mapping[str, str]
    segments: tuple[Segment, ...]
    n_people: int
    headline: tuple[str, str] = ("", "")  # the word, and the number with its name
    provenance: Provenance | None = None

    @classmethod
    def of(cls, timeline: Timeline) -> Self:
        """Return what the index shows of this timeline."""
        fused, summary, headline = timeline.summary.fused, timeline.summary, timeline.headline()
        return cls(
            labels=timeline.labels,
            duration_s=timeline.source.duration_s,
            label=None if fused is None else fused.label,
            confidence=0.0 if fused is None else fused.confidence,
            probabilities=() if fused is None else tuple(fused.as_dict().values()),
            by_modality={m: scores.label for m, scores in summary.by_modality.items() if scores is not None},
            used=tuple(summary.used),
            why=dict(summary.why),
            segments=tuple(timeline.segments()),
            n_people=len(faces(timeline)),
            headline=("", "") if headline is None else (headline.title, headline.number),
            provenance=timeline.provenance,
        )

    def to_json(self) -> Json:
        """Return what JSON can hold."""
        provenance = None if self.provenance is None else self.provenance.to_json()
        return {**asdict(replace(self, provenance=None)), "provenance": provenance}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild it from `to_json`. Raises KeyError, TypeError or ValueError where it is another."""
        provenance = document["provenance"]
        return cls(
            labels=tuple(map(str, document["labels"])),
            duration_s=None if document["duration_s"] is None else float(document["duration_s"]),
            label=None if document["label"] is None else str(document["label"]),
            confidence=float(document["confidence"]),
            probabilities=tuple(map(float, document["probabilities"])),
            by_modality={str(m): str(label) for m, label in document["by_modality"].items()},
            used=tuple(map(str, document["used"])),
            why={str(m): str(why) for m, why in document["why"].items()},
            segments=tuple(
                Segment(float(s["start_s"]), float(s["end_s"]), str(s["label"]), float(s["confidence"]))
                for s in document["segments"]
            ),
            n_people=int(document["n_people"]),
            headline=(str(document["headline"][0]), str(document["headline"][1])),
            provenance=None if provenance is None else Provenance.from_json(provenance),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One input: what its timeline comes to and the files that were written of it, or why there are none.

    group: what it is compared as a part of; "" is none.
    """

    source: str
    digest: Digest | None = None
    files: tuple[Place, ...] = ()
    failure: str = ""
    group: str = ""


def write_index(rows: Sequence[Row], folder: Path) -> tuple[Path, ...]:
    """Write `index.html` and `summary.csv` over these recordings, and return their paths.

    Raises OutputError when they cannot be written.
    """
    page, table = (folder / name for name in INDEX_FILES)
    found = summary_table(rows)
    write_csv_file(table, found.columns, found.rows, errors="replace")
    with atomic_write(page) as name, name.open("w", encoding="utf-8", newline="\n", errors="replace") as out:
        out.write(index_page(rows, folder))
    return page, table


def refuse_foreign_index(folder: Path) -> None:
    """Raise UsageError where a file of one of our names is not of our making, and so not ours to replace."""
    refuse_foreign((folder / name for name in INDEX_FILES), _is_ours)


def _is_ours(file: Path, beginning: str) -> bool:
    if file.suffix == ".html":
        return GENERATOR in beginning
    header = beginning.partition("\n")[0]
    return header.startswith(",".join(_COLUMNS)) and header.endswith(",".join(_LAST_COLUMNS))


def summary_table(rows: Sequence[Row]) -> Table:
    """Return the table with a row for each recording; what is not known is None. A modality's cell is its label."""
    labels = next((row.digest.labels for row in rows if row.digest is not None), ())
    kinds = (str, str, float, float, str, int, int)
    columns: dict[str, type] = dict(zip(_COLUMNS, kinds, strict=True))
    columns |= dict.fromkeys(probability_names(labels), float) | dict.fromkeys(
        (*MODALITIES, _GROUP, *_LAST_COLUMNS), str
    )
    cells = (map(_in_one_line, _cells(row, labels)) for row in rows)
    return Table(columns, tuple(map(tuple, cells)))


def _cells(row: Row, labels: tuple[str, ...]) -> list[str | float | int | None]:
    """The row of the table; what is not known is an empty cell. A modality's cell is its label."""
    digest = row.digest
    if digest is None:
        return [row.source, *[None] * (len(_COLUMNS) - 1 + len(labels) + len(MODALITIES)), row.group, None, row.failure]
    probabilities = dict(zip(digest.labels, digest.probabilities, strict=False))
    return [
        row.source,
        digest.label,
        None if digest.label is None else round(digest.confidence, 4),
        digest.duration_s,
        "+".join(digest.used),
        len(digest.segments),
        digest.n_people,
        *(probabilities.get(label) for label in labels),
        *(digest.by_modality.get(modality) for modality in MODALITIES),
        row.group,
        "; ".join(f"{m}: {why}" for m, why in digest.why.items()),
        None,
    ]


def _in_one_line(cell: str | float | int | None) -> str | float | int | None:
    return documentary_line(cell) if isinstance(cell, str) else cell


def index_page(rows: Sequence[Row], folder: Path) -> str:
    """Return the page over these recordings: the answer and course of each with links to its files, then failures.

    Its table is sorted and filtered; above it stands what all come to, and each group where there are some.
    """
    done = [(row, row.digest) for row in rows if row.digest is not None]
    failed = [row for row in rows if row.digest is None]
    has_groups = any(row.group for row, _ in done)
    names = ("Recording", *(("Group",) if has_groups else ()), "Emotion", "Course", "From", "Length", "Files")
    sorted_by = ("Recording", "Group", "Emotion", "From", "Length")
    head = "".join(f'<th scope="col"{" data-sorts" if name in sorted_by else ""}>{name}</th>' for name in names)
    body = [
        f"<header><h1>{pluralise(len(done), 'recording')}</h1>",
        f'<p>The same as a table: <a href="./{INDEX_FILES[1]}">{INDEX_FILES[1]}</a></p></header>\n<main>\n',
        _totals(done),
        _filter([digest for _, digest in done]),
        '<table class="index">\n<thead><tr>',
        f"{head}</tr></thead>\n<tbody>\n",
        *(_table_row(row, digest, folder, has_groups) for row, digest in done),
        "</tbody></table>\n",
    ]
    if failed:
        items = "".join(f"<li><b>{escape(row.source)}</b>: {escape(row.failure)}</li>\n" for row in failed)
        body.append(f'<h2>{len(failed)} could not be analysed</h2>\n<ul class="failures">\n{items}</ul>\n')
    body += [
        "</main>\n<footer>",
        provenance_html(_shared_provenance([digest for _, digest in done])),
        notice(),
        "</footer>\n",
    ]
    script = files("emofuse.outputs").joinpath("batch.js").read_text(encoding="utf-8")
    return html_page(pluralise(len(done), "recording"), "".join(body), script=script)


def _totals(done: Sequence[tuple[Row, Digest]]) -> str:
    """Return how the time of all recordings, and of those of each group, is shared among the labels, as HTML."""
    groups: dict[str, list[Digest]] = {}
    for row, digest in done:
        groups.setdefault(row.group, []).append(digest)
    parts = {"all": [digest for _, digest in done]}
    if set(groups) != {""}:
        parts |= {name or "(no group)": digests for name, digests in sorted(groups.items())}
    labels = list(dict.fromkeys(label for digest in parts["all"] for label in digest.labels))
    rows = "".join(_total(name, digests, labels) for name, digests in parts.items())
    return f'<section class="totals" aria-label="Share of time">\n<h2>Share of time</h2>\n<dl>{rows}</dl>\n</section>\n'


def _total(name: str, digests: Sequence[Digest], labels: Sequence[str]) -> str:
    """Return a row of the totals: each recording counts by how long it was answered for."""
    seconds = Counter[str]()
    for digest in digests:
        seconds.update(share_of_time(digest.segments))
    all_s = sum(seconds.values())
    length_s = sum(digest.duration_s or 0.0 for digest in digests)
    bars, left, words = [], 0.0, []
    for label in sorted(labels, key=lambda label: -seconds[label]):
        share = seconds[label] / all_s if all_s else 0.0
        if share:
            colour = "#{:02x}{:02x}{:02x}".format(*rgb(label))
            bars.append(f'<rect x="{100 * left:.2f}" y="0" width="{100 * share:.2f}" height="8" fill="{colour}"/>')
            words.append(f"{escape(label)} {100 * share:.0f}&nbsp;%")
        left += share
    return (
        f"<dt>{escape(name)} <small>({pluralise(len(digests), 'recording')}, {clock(length_s)})</small></dt>"
        f'<dd><svg viewBox="0 0 100 8" height="16" preserveAspectRatio="none" aria-hidden="true">{"".join(bars)}</svg>'
        f"<small>{', '.join(words) or 'nothing read'}</small></dd>"
    )


def _filter(digests: Sequence[Digest]) -> str:
    """Return the fields that the script filters by, hidden where it does not run."""
    found = sorted({digest.label for digest in digests if digest.label})
    options = "".join(f"<option>{escape(label)}</option>" for label in found)
    return (
        '<form class="filter" hidden><label>Find <input id="words" type="search"></label> '
        f'<label>Emotion <select id="label"><option value="">all</option>{options}</select></label> '
        '<output id="count"></output></form>\n'
    )


def _shared_provenance(digests: Sequence[Digest]) -> Provenance | None:
    """Return what is common to how recordings of one run were analysed: all but where their words came from."""
    first = next((digest.provenance for digest in digests if digest.provenance is not None), None)
    return None if first is None else replace(first, transcript=None)


def _table_row(row: Row, digest: Digest, folder: Path, has_groups: bool) -> str:
    label = digest.label
    word, number = digest.headline
    answer = f"<b>{escape(word)}</b>: {escape(number)}" if label else "none could be read"
    used = " + ".join(digest.used) or "nothing"
    why = "; ".join(f"no {m}: {why}" for m, why in digest.why.items())
    report = next((file for file in row.files if file.suffix == ".html"), None)
    name = escape(row.source)
    if report is not None:
        name = f'<a href="{escape(relative_url(report, folder))}">{name}</a>'
    links = " ".join(
        f'<a href="{escape(relative_url(file, folder))}">{escape(file.suffix[1:])}</a>' for file in row.files
    )
    duration_s = digest.duration_s
    length = f"{duration_s:.1f} s" if duration_s is not None else ""
    group = f'<td data-name="Group">{escape(row.group)}</td>' if has_groups else ""
    return (
        f'<tr data-label="{escape(label or "")}"><th scope="row">{name}</th>{group}'
        f'<td data-name="Emotion">{answer}</td>'
        f'<td data-name="Course">{_course(digest)}</td>'
        f'<td data-name="From" title="{escape(why)}">{escape(used)}</td>'
        f'<td data-name="Length" data-key="{"" if duration_s is None else duration_s}">{length}</td>'
        f'<td data-name="Files"><span>{links}</span></td></tr>\n'
    )


def _course(digest: Digest) -> str:
    """Draw the segments as bars, each as high as it is sure, above the names of their labels."""
    segments = digest.segments
    span_s = max(digest.duration_s or 0.0, segments[-1].end_s if segments else 0.0, 1e-3)
    said = list(dict.fromkeys(s.label for s in segments))
    words = ", ".join(said[:_N_WORDS]) + (", ..." if len(said) > _N_WORDS else "") if said else "nothing read"
    bars = []
    for segment in segments[:_N_SHOWN]:
        left, width = 200 * segment.start_s / span_s, 200 * (segment.end_s - segment.start_s) / span_s
        height = 4 + 20 * segment.confidence
        colour = "#{:02x}{:02x}{:02x}".format(*rgb(segment.label))
        tip = f"{segment.start_s:.1f} to {segment.end_s:.1f} s: {segment.label} {100 * segment.confidence:.0f} %"
        bars.append(
            f'<rect x="{left:.2f}" y="{24 - height:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{colour}">'
            f"<title>{escape(tip)}</title></rect>"
        )
    return (
        '<span><svg viewBox="0 0 200 24" width="200" height="24" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(bars)}</svg><small>{escape(words)}</small></span>"
    )
