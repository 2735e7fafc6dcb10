"""What came of a folder of recordings: one page to look through, and one table for a spreadsheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from emofuse.emotions import rgb
from emofuse.files import atomic_write, write_csv_file
from emofuse.formatting import clock, documentary_line, pluralise
from emofuse.outputs.locations import relative_url
from emofuse.outputs.page import entries_of
from emofuse.outputs.records import Table, probability_names
from emofuse.outputs.tiers import faces
from emofuse.ownership import refuse_foreign
from emofuse.pages import GENERATOR, read, render
from emofuse.provenance import Provenance
from emofuse.remote import Place
from emofuse.segments import Segment, share_of_time
from emofuse.timeline import Timeline
from emofuse.types import MODALITIES, Json, in_order

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
    read = [row.digest for row in rows if row.digest is not None]
    modalities = in_order((*MODALITIES, *(m for digest in read for m in (*digest.by_modality, *digest.why))))
    kinds = (str, str, float, float, str, int, int)
    columns: dict[str, type] = dict(zip(_COLUMNS, kinds, strict=True))
    columns |= dict.fromkeys(probability_names(labels), float) | dict.fromkeys(
        (*modalities, _GROUP, *_LAST_COLUMNS), str
    )
    cells = (map(_in_one_line, _cells(row, labels, modalities)) for row in rows)
    return Table(columns, tuple(map(tuple, cells)))


def _cells(row: Row, labels: tuple[str, ...], modalities: tuple[str, ...]) -> list[str | float | int | None]:
    """The row of the table; what is not known is an empty cell. A modality's cell is its label."""
    digest = row.digest
    if digest is None:
        return [row.source, *[None] * (len(_COLUMNS) - 1 + len(labels) + len(modalities)), row.group, None, row.failure]
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
        *(digest.by_modality.get(modality) for modality in modalities),
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
    digests = [digest for _, digest in done]
    has_groups = any(row.group for row, _ in done)
    names = ("Recording", *(("Group",) if has_groups else ()), "Emotion", "Course", "From", "Length", "Files")
    sorted_by = ("Recording", "Group", "Emotion", "From", "Length")
    return render(
        "outputs/index.html.jinja",
        script=read("outputs/batch.js"),
        title=pluralise(len(done), "recording"),
        table=INDEX_FILES[1],
        totals=_totals(done),
        labels=sorted({digest.label for digest in digests if digest.label}),
        columns=[(name, name in sorted_by) for name in names],
        has_groups=has_groups,
        rows=[_shown(row, digest, folder) for row, digest in done],
        failed=[row for row in rows if row.digest is None],
        provenance=entries_of(_shared_provenance(digests)),
    )


def _totals(done: Sequence[tuple[Row, Digest]]) -> list[dict[str, Any]]:
    """Return how the time of all recordings, and of those of each group, is shared among the labels."""
    groups: dict[str, list[Digest]] = {}
    for row, digest in done:
        groups.setdefault(row.group, []).append(digest)
    parts = {"all": [digest for _, digest in done]}
    if set(groups) != {""}:
        parts |= {name or "(no group)": digests for name, digests in sorted(groups.items())}
    labels = list(dict.fromkeys(label for digest in parts["all"] for label in digest.labels))
    return [_total(name, digests, labels) for name, digests in parts.items()]


def _total(name: str, digests: Sequence[Digest], labels: Sequence[str]) -> dict[str, Any]:
    """Return a row of the totals: each recording counts by how long it was answered for."""
    seconds = Counter[str]()
    for digest in digests:
        seconds.update(share_of_time(digest.segments))
    all_s = sum(seconds.values())
    length_s = sum(digest.duration_s or 0.0 for digest in digests)
    bars, left, shares = [], 0.0, []
    for label in sorted(labels, key=lambda label: -seconds[label]):
        share = seconds[label] / all_s if all_s else 0.0
        if share:
            bars.append({"left": f"{100 * left:.2f}", "width": f"{100 * share:.2f}", "colour": _colour(label)})
            shares.append((label, f"{100 * share:.0f}"))
        left += share
    size = f"{pluralise(len(digests), 'recording')}, {clock(length_s)}"
    return {"name": name, "size": size, "bars": bars, "shares": shares}


def _colour(label: str) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb(label))


def _shared_provenance(digests: Sequence[Digest]) -> Provenance | None:
    """Return what is common to how recordings of one run were analysed: all but where their words came from."""
    first = next((digest.provenance for digest in digests if digest.provenance is not None), None)
    return None if first is None else replace(first, transcript=None)


def _shown(row: Row, digest: Digest, folder: Path) -> dict[str, Any]:
    """Return what the page's row of a recording shows."""
    word, number = digest.headline
    urls = [(relative_url(file, folder), file.suffix[1:]) for file in row.files]
    duration_s = digest.duration_s
    labels = list(dict.fromkeys(s.label for s in digest.segments))
    return {
        "name": row.source,
        "group": row.group,
        "report": next((url for url, kind in urls if kind == "html"), None),
        "files": urls,
        "label": digest.label or "",
        "word": word,
        "number": number,
        "bars": _course(digest),
        "labels": ", ".join((*labels[:_N_WORDS], *(("...",) if len(labels) > _N_WORDS else ()))) or "nothing read",
        "used": " + ".join(digest.used) or "nothing",
        "why": "; ".join(f"no {m}: {why}" for m, why in digest.why.items()),
        "seconds": "" if duration_s is None else duration_s,
        "length": "" if duration_s is None else f"{duration_s:.1f} s",
    }


def _course(digest: Digest) -> list[dict[str, str]]:
    """Return the segments as bars, each as high as it is sure."""
    segments = digest.segments
    span_s = max(digest.duration_s or 0.0, segments[-1].end_s if segments else 0.0, 1e-3)
    bars = []
    for segment in segments[:_N_SHOWN]:
        left, width = 200 * segment.start_s / span_s, 200 * (segment.end_s - segment.start_s) / span_s
        height = 4 + 20 * segment.confidence
        tip = f"{segment.start_s:.1f} to {segment.end_s:.1f} s: {segment.label} {100 * segment.confidence:.0f} %"
        place = {"left": left, "top": 24 - height, "width": width, "height": height}
        bars.append(
            {name: f"{value:.2f}" for name, value in place.items()} | {"colour": _colour(segment.label), "tip": tip}
        )
    return bars
