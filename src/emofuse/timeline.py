"""The result of an analysis: moments in order, and what they add up to. Also its JSON form, `emofuse/2`."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from emofuse.affect import Affect, derive_affect
from emofuse.errors import UsageError
from emofuse.explanation import Explanation
from emofuse.face_measurements import measurements_json, read_measurements
from emofuse.formatting import documentary_line, pluralise
from emofuse.headline import Headline, make_headline
from emofuse.people import Person, people_between, person_json, read_person, shares_json, speakers_between
from emofuse.provenance import Provenance
from emofuse.reading import one_line
from emofuse.segments import Segment, cut_segments, share_of_time
from emofuse.timeline_json import (
    label_json,
    line_json,
    moment_json,
    read_line,
    read_moment,
    read_reasons,
    read_scores,
    reasons_json,
    scores_json,
)
from emofuse.types import (
    ALWAYS_LISTED,
    Embedding,
    FaceMeasurement,
    Json,
    Line,
    Moment,
    Scores,
    VoiceMeasurement,
    Word,
    in_order,
)

if TYPE_CHECKING:  # a timeline knows its outputs by name, and imports them where it is asked for one
    from emofuse.outputs.records import Cell, Library, TableName

SCHEMA: Final = "emofuse/2"
_KNOWN: Final = ("emofuse/1", SCHEMA)  # that can be read: the first had no people (docs/json.md)
NEUTRAL: Final = "neutral"
STRONGEST_SHARE: Final = 0.2  # of a face's scores over time, which the answer for all of them is made of
LEAST_WEIGHT: Final = 1e-3  # of a worthless input: it hardly counts beside others, and still answers alone


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A recording and its properties; those that it does not have are None.

    Attributes:
        path: The path, as it was given.
        duration_s: In seconds.
        width: Of the picture after rotation, in pixels.
        height: Of the picture after rotation, in pixels.
        fps: The container's average number of pictures a second, for display only.
        has_audio: Whether it has sound.
        has_video: Whether it has a picture.
        audio_tracks: The sound tracks that were used, counted from 1.

    Example:
        >>> SourceInfo("photo.jpg", 0.0, 640, 480, None, has_audio=False, has_video=True).is_photo
        True
    """

    path: str
    duration_s: float | None
    width: int | None
    height: int | None
    fps: float | None
    has_audio: bool
    has_video: bool
    audio_tracks: tuple[int, ...] = ()

    @property
    def is_photo(self) -> bool:
        """Whether it is one picture, which lasts no time."""
        return self.has_video and not self.has_audio and self.duration_s == 0


_SOURCE: Final = TypeAdapter(SourceInfo)


@dataclass(frozen=True, slots=True)
class Summary:
    """The answer for the whole recording.

    Attributes:
        fused: The fused prediction; None if no modality has one.
        by_modality: The mean prediction of each modality, or None. "face", "voice" and "text" are always there, others
            if the bundle has them.
        why: For each None, the reason in words.

    Example:
        >>> Summary(None, {"face": None, "voice": None, "text": None}, {"face": "no face found"}).used
        []
    """

    fused: Scores | None
    by_modality: Mapping[str, Scores | None]
    why: Mapping[str, str]

    @property
    def listed(self) -> tuple[str, ...]:
        """The modalities that the result lists, in their fixed order."""
        return in_order((*ALWAYS_LISTED, *self.by_modality))

    @property
    def used(self) -> list[str]:
        """The modalities with a prediction, in their fixed order."""
        return [m for m in in_order(self.by_modality) if self.by_modality[m] is not None]


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The answer for a recording, moment by moment and as a whole.

    Attributes:
        labels: The emotions, in the order of every probability.
        moments: In the order of time.
        source: What was analysed.
        summary: The answer for the whole.
        bundle: {"name", "version"} of the models that answered.
        lines: What was said, from a transcript or recognised.
        people: Who is seen, in the order of appearance.
        provenance: How it came about; None where nobody knows. `dataclasses.replace(timeline, provenance=None)` is the
            result alone, which depends on the recording and the bundle and on nothing else.
        embedded: What each network knows of its inputs, in the order in which they were scored, where that was asked;
            JSON does not keep it.
        voice_measurements: What `emofuse.measure_voice` measured; JSON does not keep it.
        face_measurements: What was measured of every face of every picture, in the order of time, where that was asked.
        explanations: What the surest answers come from, where that was asked; the report shows them, JSON has none.

    Raises:
        ValueError: Moments go back in time, or hold scores over other labels.

    Example:
        >>> import emofuse
        >>> from emofuse.cli.demo import CLIP
        >>> timeline = emofuse.analyze(CLIP)
        >>> timeline.summary.fused.label, len(timeline.moments)
        ('happy', 13)
    """

    labels: tuple[str, ...]
    moments: tuple[Moment, ...]
    source: SourceInfo
    summary: Summary
    bundle: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    provenance: Provenance | None = None
    people: tuple[Person, ...] = ()
    face_measurements: tuple[FaceMeasurement, ...] = ()
    embedded: tuple[Embedding, ...] = ()
    voice_measurements: tuple[VoiceMeasurement, ...] = ()
    explanations: tuple[Explanation, ...] = ()

    def __post_init__(self) -> None:
        latest_s = -math.inf
        for moment in self.moments:
            if not moment.time_s >= latest_s:
                raise ValueError(f"moments must be in the order of time: {moment.time_s} after {latest_s}")
            for scores in (moment.fused, *moment.by_modality.values()):
                if scores is not None and scores.labels != self.labels:
                    raise ValueError(f"scores over {scores.labels} in a timeline over {self.labels}")
            latest_s = moment.time_s
        ids = [person.id for person in self.people]
        if len(set(ids)) < len(ids):
            raise ValueError(f"two people have one id: {ids}")

    def segments(self) -> list[Segment]:
        """Cut the recording into stretches of one label, by the fused probabilities averaged over SMOOTHING_S.

        A moment stands for the time since the one before it (`interval_start`), as it is made of what came before;
        the last one also for what is left of the recording, when that is not much more than the usual distance.
        A stretch under MIN_SEGMENT_S is folded into a neighbour; where nothing spoke for long there is a gap.

        Returns:
            The stretches in order, without overlaps.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> first = emofuse.analyze(CLIP).segments()[0]
            >>> first.start_s, first.label
            (0.0, 'happy')
        """
        return cut_segments(self.moments, self.labels, self.source.duration_s)

    def share_of_time(self) -> dict[str, float]:
        """Return for how many seconds each label lasts, by the segments.

        Returns:
            Seconds by label, the longest first; a label without a segment is not in it.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> next(iter(emofuse.analyze(CLIP).share_of_time()))
            'happy'
        """
        return share_of_time(self.segments())

    def headline(self) -> Headline | None:
        """Sum the recording up in a line, as every output does.

        Returns:
            The emotion with a number that has a name, its certainty, and what the modalities gave: the mean over the
            recording, or for one of over a minute the share of time. None where nothing was read.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> headline = emofuse.analyze(CLIP).headline()
            >>> headline.label, headline.basis
            ('happy', 'mean over the recording')
        """
        return self._headline_of(self.segments())

    def _headline_of(self, segments: Sequence[Segment]) -> Headline | None:
        summary = self.summary
        return make_headline(summary.fused, summary.by_modality, share_of_time(segments), self.source.duration_s)

    def to_json(self) -> Json:
        """Write the timeline as a document that JSON can hold.

        Returns:
            The `emofuse/2` document (docs/json.md, schema in outputs/timeline.schema.json).

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> emofuse.analyze(CLIP).to_json()["schema"]
            'emofuse/2'
        """
        document = self.lazy_json()
        return document | {"moments": list(document["moments"])}

    def lazy_json(self) -> Json:
        """Write the document of `to_json` with its moments made one by one: all those of hours take much memory.

        Returns:
            The document, with an iterator in place of the list of moments.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> next(emofuse.analyze(CLIP).lazy_json()["moments"])["label"]
            'happy'
        """
        fused, segments = self.summary.fused, self.segments()
        headline = self._headline_of(segments)
        has_certainty = fused is not None and fused.certainty is not None
        return {
            "schema": SCHEMA,
            "source": _source_json(self.source),
            "bundle": dict(self.bundle),
            **({} if self.provenance is None else {"provenance": self.provenance.to_json()}),
            "labels": list(self.labels),
            "summary": _summary_json(self.summary)
            | {
                "share_of_time": shares_json(share_of_time(segments)),
                "headline": None if headline is None else headline.to_json(),
            },
            "people": [person_json(person) for person in self.people],
            "moments": (moment_json(m, self.summary.listed) for m in self.moments),
            "segments": [
                {
                    "start_s": round(s.start_s, 3),
                    "end_s": round(s.end_s, 3),
                    "label": s.label,
                    "confidence": round(s.confidence, 4),
                    "people": people_between(self.people, s.start_s, s.end_s),
                    "speakers": speakers_between(self.people, s.start_s, s.end_s),
                    **({"answer": s.answer} if has_certainty else {}),
                }
                for s in segments
            ],
        } | self._extras_json()

    def _extras_json(self) -> Json:
        """Return what a document has only where there is any of it."""
        extras: Json = {}
        if self.lines:
            extras["lines"] = [line_json(line) for line in self.lines]
        if self.face_measurements:
            extras["face_measurements"] = measurements_json(self.face_measurements)
        return extras

    def __len__(self) -> int:
        return len(self.moments)

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.moments)

    def __bool__(self) -> bool:
        return True  # one without moments is a result, too

    def __repr__(self) -> str:
        name = documentary_line(self.source.path.replace("\\", "/").rsplit("/", 1)[-1])
        fused, used = self.summary.fused, " + ".join(self.summary.used)
        answer = "no emotion could be read" if fused is None else f"{fused.label} {fused.confidence:.2f} from {used}"
        if self.source.is_photo:
            size = pluralise(sum(len(moment.faces) for moment in self), "face")
        else:
            length = "" if self.source.duration_s is None else f" in {self.source.duration_s:.1f} s"
            size = f"{pluralise(len(self), 'moment')}{length}"
        return f"<Timeline of {name}: {documentary_line(answer)}, {size}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the picture of the timeline."""
        from emofuse.outputs.timeline_image import timeline_html

        return timeline_html(self)

    @property
    def words(self) -> tuple[Word, ...]:
        """What was said, word by word with its times; a line without times of its words is there as one."""
        return tuple(
            word for line in self.lines for word in (line.words or (Word(line.text, line.start_s, line.end_s),))
        )

    @property
    def affect(self) -> tuple[Affect, ...]:
        """Valence and arousal of each moment that has an answer, derived from it by `affect.RULE`; none where a label
        has no rating."""
        fused = [(m.time_s, m.fused.probabilities) for m in self.moments if m.fused is not None]
        derived = [(time_s, derive_affect(p, self.labels)) for time_s, p in fused]
        return tuple(Affect(time_s, *found) for time_s, found in derived if found is not None)

    def embeddings(self, modality: str) -> NDArray[np.float32]:
        """Return what a network knows of its inputs before it names an emotion: features for a head of one's own.

        They are gathered where `embeddings=True` was asked for. `embedded` has the time and the track of each.

        Args:
            modality: "face", "voice", "text" or "clip".

        Returns:
            (N, D), a row for each face, window of sound or piece of text that was scored.

        Raises:
            UsageError: There are none of this modality.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> emofuse.analyze(CLIP, embeddings=True).embeddings("voice").shape[1]
            384
        """
        found = [one.vector for one in self.embedded if one.modality == modality]
        if not found:
            there = sorted({one.modality for one in self.embedded})
            hint = f"there are some of {', '.join(there)}" if there else "analyse it with embeddings=True"
            raise UsageError(f"no embeddings of {one_line(repr(modality))}", hint)
        return np.stack(found)

    def between(self, start_s: float, end_s: float) -> Timeline:
        """Return the part between two times, whose clock stays that of the recording.

        A moment stands for the time before it, so one at start_s belongs to what comes before; a moment at 0 belongs to
        a part from 0. The part is summed up by the mean of its moments, and where there are faces by the strongest of
        them; one that holds all of them keeps the summary.

        Args:
            start_s: In seconds.
            end_s: In seconds, not before start_s; `math.inf` for the end.

        Returns:
            The part, with the people who are in it and the lines that were said in it.

        Raises:
            UsageError: The times are none, or the wrong way round.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> part = emofuse.analyze(CLIP).between(1.0, 2.5)
            >>> [moment.time_s for moment in part]
            [1.5, 2.0, 2.5]
        """
        if not start_s <= end_s:
            raise UsageError(f"no time lies between {start_s} and {end_s} s", "give the earlier one first, in seconds")
        from emofuse.parts import part_of

        return part_of(self, start_s, end_s)

    def records(self, table: TableName = "moments") -> list[dict[str, Cell]]:
        """Return one of the tables that `to_dataframe` gives, without any library.

        Args:
            table: "moments", "faces", "people", "segments", "words", "affect", "voice" or "measurements".

        Returns:
            A dictionary for each row, by the names of its columns; what is not known is None.

        Raises:
            UsageError: There is no such table.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> emofuse.analyze(CLIP).records("segments")[0]["label"]
            'happy'
        """
        from emofuse.outputs.records import table_of

        return table_of(self, table).records()

    def to_dataframe(self, table: TableName = "moments", library: Library = "pandas") -> Any:
        """Return the timeline as a table.

        Args:
            table: "moments", a row for each, as the CSV has it; "faces", a row for each face of each moment;
                "people"; "segments"; "words", what was said; "affect", valence and arousal,
                derived; "voice", after
                `emofuse.measure_voice`; or "measurements" of faces, where they were asked for.
            library: "pandas" (`pip install 'emofuse[tables]'`), "polars" or "pyarrow".

        Returns:
            A pandas or Polars DataFrame, or a pyarrow Table. It has its columns even where it has no row.

        Raises:
            UsageError: There is no such table, or the library is not installed.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> table = emofuse.analyze(CLIP).to_dataframe("moments")
            >>> table[["time_s", "label", "n_faces"]].head(2)
               time_s  label  n_faces
            0     0.5  happy        1
            1     1.0  happy        1
        """
        from emofuse.outputs.records import table_of

        return table_of(self, table).to_frame(library)

    def plot(self, axes: Any = None) -> Any:
        """Draw the fused probabilities over time, with the segments behind them.

        Args:
            axes: Those of matplotlib to draw on; new ones by default.

        Returns:
            The axes.

        Raises:
            UsageError: matplotlib is not installed (`pip install 'emofuse[plots]'`).

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> axes = emofuse.analyze(CLIP).plot()
            >>> axes.get_xlabel()
            'time (s)'
        """
        from emofuse.outputs.plot import plot_timeline

        return plot_timeline(self, axes)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the timeline as its suffix says: .json, .csv, .html, .png, .svg, .srt, .vtt, .eaf or .TextGrid.

        Args:
            path: Of the file; one that is there is replaced.

        Returns:
            Nothing.

        Raises:
            UsageError: There is no format of that suffix.
            OutputError: It cannot be written.

        Example:
            >>> import emofuse, tempfile
            >>> from emofuse.cli.demo import CLIP
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     emofuse.analyze(CLIP).save(f"{folder}/clip.json")
            ...     print(Timeline.load(f"{folder}/clip.json").summary.fused.label)
            happy
        """
        from emofuse.outputs.formats import save_timeline

        save_timeline(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Timeline:
        """Read a timeline that was saved as JSON, by `save` or by a command.

        Args:
            path: The JSON file.

        Returns:
            The timeline, without what JSON does not keep: landmarks and qualities.

        Raises:
            UsageError: It cannot be read, or is not a timeline.

        Example:
            >>> Timeline.load("nowhere.json")
            Traceback (most recent call last):
            emofuse.errors.UsageError: no timeline at nowhere.json
        """
        from emofuse.outputs.tables import read_json

        return read_json(path)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Timeline:
        """Rebuild a timeline from a document; a moment's `why` and landmarks are not in it.

        Args:
            document: What `to_json` gave, or was read from its file; `emofuse/1`, which knew no people, is read too.

        Returns:
            The timeline, whose document is the same again, as `emofuse/2`.

        Raises:
            UsageError: The document is of another schema, or not whole.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> document = emofuse.analyze(CLIP).to_json()
            >>> Timeline.from_json(document).to_json() == document
            True
        """
        schema = document.get("schema") if isinstance(document, Mapping) else None
        if schema not in _KNOWN:
            raise UsageError(f"not an {SCHEMA} document: schema is {one_line(repr(schema), 60)}")
        try:
            labels = tuple(document["labels"])
            if not all(isinstance(label, str) for label in labels):
                raise ValueError("labels are not all text")
            return cls(
                labels=labels,
                moments=tuple(read_moment(m, labels) for m in document["moments"]),
                # A field that a later release has added is passed over.
                source=_read_source(document["source"]),
                summary=_summary(document["summary"], labels),
                bundle=dict(document["bundle"]),
                lines=tuple(read_line(line, labels) for line in document.get("lines", ())),
                people=tuple(read_person(person, labels) for person in document.get("people", ())),
                provenance=_provenance(document.get("provenance")),
                face_measurements=read_measurements(document.get("face_measurements")),
            )
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            reason = one_line(f"no {error}" if isinstance(error, KeyError) else error)
            raise UsageError(f"not a whole {schema} document: {reason}", "write it again from the clip") from error


def _source_json(source: SourceInfo) -> Json:
    """The source; a rate or duration that is NaN or infinite in the container is null: JSON has neither."""
    values = {**asdict(source), "audio_tracks": list(source.audio_tracks)}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def _read_source(document: Mapping[str, Any]) -> SourceInfo:
    """Rebuild a source; earlier releases wrote no `audio_tracks`. Raises ValueError for a value of another kind."""
    values = {"audio_tracks": (), **document}
    return _SOURCE.validate_python({f.name: values[f.name] for f in fields(SourceInfo)})


def _provenance(document: Mapping[str, Any] | None) -> Provenance | None:
    return None if document is None else Provenance.from_json(document)


def _summary_json(summary: Summary) -> Json:
    return {
        "label": label_json(summary.fused),
        "probabilities": scores_json(summary.fused),
        "by_modality": {m: scores_json(summary.by_modality.get(m)) for m in summary.listed},
        "used": summary.used,
        "why": dict(summary.why),
        **reasons_json(summary.fused, summary.by_modality, has_measures=True),
    }


def _summary(document: Mapping[str, Any], labels: tuple[str, ...]) -> Summary:
    said = document["by_modality"]
    listed = in_order((*ALWAYS_LISTED, *said))
    evidence = document.get("evidence", {})
    by_modality: dict[str, Scores | None] = {
        m: read_reasons(read_scores(m, labels, said[m]), evidence.get(m)) for m in listed
    }
    fused = read_reasons(read_scores("fused", labels, document["probabilities"]), document.get("certainty"))
    return Summary(fused, by_modality, dict(document["why"]))


def mean_scores(scores: Iterable[Scores], modality: str) -> Scores | None:
    """Average scores weighted by their quality, which is averaged plainly; None when there are none.

    Raises ValueError when they are not all over the same labels.
    """
    items = list(scores)
    if not items:
        return None
    return pool_scores(items, modality, [max(s.quality, LEAST_WEIGHT) for s in items], [1.0] * len(items))


def strongest(scores: Iterable[Scores]) -> list[Scores]:
    """Return the STRONGEST_SHARE of a face's scores over time in which neutral is least probable, in their order.

    A face shows what it shows for a part of a film, and is neutral before and after: the mean of all is neutral, where
    a person who watches says what was shown (docs/faces.md has what either is worth). Over labels without neutral,
    all scores are returned.

    Example:
        >>> seen = [(0.9, 0.1), (0.8, 0.2), (0.3, 0.7), (0.9, 0.1), (0.95, 0.05)]
        >>> scores = [Scores("face", ("neutral", "sad"), np.array(p), i, i) for i, p in enumerate(seen)]
        >>> [one.start_s for one in strongest(scores)]
        [2]
    """
    items = list(scores)
    if not items or NEUTRAL not in items[0].labels:
        return items
    neutral = [s.evidence[s.labels.index(NEUTRAL)] for s in items]
    kept = np.argsort(neutral, kind="stable")[: math.ceil(STRONGEST_SHARE * len(items))]
    return [items[i] for i in sorted(kept.tolist())]


def mean_answers(scores: Iterable[Scores], modality: str) -> Scores | None:
    """Average answers weighted by their quality, as `pool_answers` does; None when there are none."""
    items = list(scores)
    return pool_answers(items, modality, [max(s.quality, LEAST_WEIGHT) for s in items]) if items else None


def pool_answers(scores: Sequence[Scores], modality: str, weights: Sequence[float]) -> Scores:
    """Average answers that were given, where no bundle is at hand to ask how far the mean can be relied on.

    What was told of them is averaged, too: it is as certain as they are on average, and abstains where most of them do.

    Raises ValueError when they are not all over the same labels.
    """
    pooled = pool_scores(scores, modality, weights, [1.0] * len(scores))
    told = [s.certainty for s in scores if s.certainty is not None]
    if len(told) < len(scores):
        return pooled
    mean = np.average(np.stack([s.probabilities for s in scores]).astype(np.float64), axis=0, weights=weights)
    probabilities = (mean / mean.sum()).astype(np.float32)
    words = Counter(one.word for one in told)
    certainty = replace(
        told[0],
        word=words.most_common(1)[0][0],
        abstains=2 * sum(one.abstains for one in told) >= len(told),
        weight=float(np.average([one.weight for one in told], weights=weights)),
        labels=(),
        lowered_by=tuple(dict.fromkeys(reason for one in told for reason in one.lowered_by)),
    )
    return replace(
        pooled,
        probabilities=probabilities,
        raw=pooled.probabilities,
        certainty=certainty.at(float(probabilities.max())),
    )


def pool_scores(
    scores: Sequence[Scores], modality: str, weights: Sequence[float], quality_weights: Sequence[float]
) -> Scores:
    """Average the probabilities of scores (one at least) by positive `weights`, their qualities by `quality_weights`.

    Raises ValueError when they are not all over the same labels.
    """
    if any(s.labels != scores[0].labels for s in scores):
        raise ValueError(f"cannot average scores over different labels: {sorted({s.labels for s in scores})}")
    mean = np.average(np.stack([s.evidence for s in scores]).astype(np.float64), axis=0, weights=weights)
    return Scores(
        modality,
        scores[0].labels,
        (mean / mean.sum()).astype(np.float32),
        min(s.start_s for s in scores),
        max(s.end_s for s in scores),
        min(1.0, float(np.average([s.quality for s in scores], weights=quality_weights))),
        _mean_measures(scores, weights),
        embedding=_mean_embedding(scores, weights),
    )


def _mean_embedding(scores: Sequence[Scores], weights: Sequence[float]) -> NDArray[np.float32] | None:
    """Average the embeddings of one modality; None where any of the scores has none."""
    found = [s.embedding for s in scores if s.embedding is not None]
    if len(found) < len(scores) or any(s.modality != scores[0].modality for s in scores):
        return None
    return np.asarray(np.average(np.stack(found), axis=0, weights=weights), dtype=np.float32)


def _mean_measures(scores: Sequence[Scores], weights: Sequence[float]) -> dict[str, float]:
    """Average what was measured of the inputs; what was not measured of all of them is left out."""
    if any(s.modality != scores[0].modality for s in scores):
        return {}
    names = [name for name in scores[0].measures if all(name in s.measures for s in scores)]
    if not names:
        return {}
    mean = np.average([[s.measures[name] for name in names] for s in scores], axis=0, weights=weights)
    return dict(zip(names, mean.tolist(), strict=True))
