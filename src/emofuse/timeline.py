"""The result of an analysis: moments in order, and what they add up to. Also its JSON form, `emofuse/1`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import UsageError
from emofuse.types import MODALITIES, Face, Json, Moment, Scores

SCHEMA: Final = "emofuse/1"
SMOOTHING_S: Final = 1.0  # segments come from probabilities averaged over this long, so labels do not flicker
MIN_SEGMENT_S: Final = 0.4  # a shorter segment is folded into its neighbour


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a recording is. width, height in pixels after rotation; fps is the container's average rate, for
    display only; a property that the recording does not have is None."""

    path: str
    duration_s: float | None
    width: int | None
    height: int | None
    fps: float | None
    has_audio: bool
    has_video: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time with one label. confidence: mean probability of the label over the stretch."""

    start_s: float
    end_s: float
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The answer for the whole recording. by_modality has a key per modality: its mean scores, or None;
    `why` says for each None why."""

    fused: Scores | None
    by_modality: Mapping[str, Scores | None]
    why: Mapping[str, str]

    @property
    def used(self) -> list[str]:
        """The modalities that spoke, in their fixed order."""
        return [m for m in MODALITIES if self.by_modality.get(m) is not None]


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Moments in the order of time, over `labels`. bundle: {"name", "version"} of the models that spoke."""

    labels: tuple[str, ...]
    moments: tuple[Moment, ...]
    source: SourceInfo
    summary: Summary
    bundle: Mapping[str, str] = field(default_factory=dict)

    def segments(self) -> list[Segment]:
        """Return stretches of one label, from the smoothed fused probabilities, in order, without overlaps."""
        spoken = [m for m in self.moments if m.fused is not None]
        if not spoken:
            return []
        times = np.array([m.time_s for m in spoken])
        raw = np.stack([m.fused.probabilities for m in spoken if m.fused is not None])
        smooth = smooth_probabilities(times, raw, SMOOTHING_S)
        hop_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        end_s = _end(self.source.duration_s, spoken[-1], hop_s)
        runs = _runs(times, smooth, hop_s, end_s)
        runs = _fold_short(runs, MIN_SEGMENT_S)
        return [_segment(run, times, raw, self.labels) for run in runs]

    def to_json(self) -> Json:
        """Return the `emofuse/1` document (docs/json.md, schema in outputs/timeline.schema.json)."""
        fused = self.summary.fused
        return {
            "schema": SCHEMA,
            "source": asdict(self.source),
            "bundle": dict(self.bundle),
            "labels": list(self.labels),
            "summary": {
                "label": fused.label if fused else None,
                "probabilities": fused.as_dict() if fused else None,
                "by_modality": {m: _scores_json(self.summary.by_modality.get(m)) for m in MODALITIES},
                "used": self.summary.used,
                "why": dict(self.summary.why),
            },
            "moments": [_moment_json(m) for m in self.moments],
            "segments": [
                {
                    "start_s": round(s.start_s, 3),
                    "end_s": round(s.end_s, 3),
                    "label": s.label,
                    "confidence": round(s.confidence, 4),
                }
                for s in self.segments()
            ],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Timeline:
        """Rebuild a timeline from `to_json`. Raises UsageError when the document is of another schema."""
        if document.get("schema") != SCHEMA:
            raise UsageError(f"not an {SCHEMA} document: schema is {document.get('schema')!r}")
        labels = tuple(document["labels"])
        summary = document["summary"]
        by_modality = {m: _scores(m, labels, p, 0.0, 0.0) for m, p in summary["by_modality"].items()}
        return cls(
            labels=labels,
            moments=tuple(_moment(m, labels) for m in document["moments"]),
            source=SourceInfo(**document["source"]),
            summary=Summary(
                _scores("fused", labels, summary["probabilities"], 0.0, 0.0), by_modality, dict(summary["why"])
            ),
            bundle=dict(document["bundle"]),
        )


def smooth_probabilities(
    times: NDArray[np.float64], probabilities: NDArray[np.float32], width_s: float
) -> NDArray[np.float32]:
    """Average each row over the rows within width_s / 2 of it, in time.

    times: (T,) seconds, rising; probabilities: (T, C). Returns (T, C); each row still sums to 1.
    """
    left = np.searchsorted(times, times - width_s / 2, side="left")
    right = np.searchsorted(times, times + width_s / 2, side="right")
    total = np.vstack([np.zeros((1, probabilities.shape[1])), np.cumsum(probabilities, axis=0, dtype=np.float64)])
    return ((total[right] - total[left]) / (right - left)[:, None]).astype(np.float32)


@dataclass(slots=True)
class _Run:
    first: int
    last: int
    start_s: float
    end_s: float
    label: int


def _end(duration_s: float | None, last: Moment, hop_s: float) -> float:
    end_s = last.time_s + max(hop_s, 1e-3)
    return min(end_s, duration_s) if duration_s is not None and duration_s > last.time_s else end_s


def _runs(times: NDArray[np.float64], smooth: NDArray[np.float32], hop_s: float, end_s: float) -> list[_Run]:
    winners = smooth.argmax(axis=1)
    gap_s = max(3 * hop_s, 1.0)  # a longer silence between moments ends a segment
    runs: list[_Run] = []
    for i, (time_s, label) in enumerate(zip(times.tolist(), winners.tolist(), strict=True)):
        previous = runs[-1] if runs else None
        if previous and previous.label == label and time_s - times[i - 1] <= gap_s:
            previous.last = i
        else:
            if previous:
                previous.end_s = min(time_s, float(times[i - 1]) + max(hop_s, 1e-3)) if time_s - times[i - 1] > gap_s else time_s
            runs.append(_Run(i, i, time_s, end_s, label))
    return runs


def _fold_short(runs: list[_Run], shortest_s: float) -> list[_Run]:
    kept: list[_Run] = []
    for run in runs:
        touches = bool(kept) and math.isclose(kept[-1].end_s, run.start_s, abs_tol=1e-6)
        if touches and (run.end_s - run.start_s < shortest_s or kept[-1].label == run.label):
            kept[-1].last, kept[-1].end_s = run.last, run.end_s
        else:
            kept.append(run)
    return kept


def _segment(run: _Run, times: NDArray[np.float64], raw: NDArray[np.float32], labels: Sequence[str]) -> Segment:
    confidence = float(raw[run.first : run.last + 1, run.label].mean())
    return Segment(run.start_s, run.end_s, labels[run.label], confidence)


def _scores_json(scores: Scores | None) -> dict[str, float] | None:
    return scores.as_dict() if scores else None


def _face_json(face: Face) -> Json:
    return {
        "track_id": face.track_id,
        "box_xyxy": [round(float(v), 1) for v in face.box_xyxy],
        "score": round(face.score, 4),
        "label": face.emotion.label if face.emotion else None,
        "probabilities": _scores_json(face.emotion),
    }


def _moment_json(moment: Moment) -> Json:
    return {
        "time_s": round(moment.time_s, 4),
        "label": moment.fused.label if moment.fused else None,
        "probabilities": _scores_json(moment.fused),
        "by_modality": {m: _scores_json(moment.by_modality.get(m)) for m in MODALITIES},
        "faces": [_face_json(face) for face in moment.faces],
    }


def _scores(
    modality: str, labels: tuple[str, ...], value: Mapping[str, float] | None, start_s: float, end_s: float
) -> Scores | None:
    if value is None:
        return None
    p = np.array([value[label] for label in labels], dtype=np.float32)
    return Scores(modality, labels, p / p.sum(), start_s, end_s)


def _moment(document: Mapping[str, Any], labels: tuple[str, ...]) -> Moment:
    time_s = float(document["time_s"])
    spoken = {m: _scores(m, labels, p, time_s, time_s) for m, p in document["by_modality"].items()}
    return Moment(
        time_s,
        _scores("fused", labels, document["probabilities"], time_s, time_s),
        {m: s for m, s in spoken.items() if s is not None},
        tuple(_face(face, labels, time_s) for face in document["faces"]),
    )


def _face(document: Mapping[str, Any], labels: tuple[str, ...], time_s: float) -> Face:
    return Face(
        np.array(document["box_xyxy"], dtype=np.float32),
        float(document["score"]),
        None,
        document["track_id"],
        _scores("face", labels, document["probabilities"], time_s, time_s),
    )


def mean_scores(scores: Iterable[Scores], modality: str) -> Scores | None:
    """Average scores weighted by their quality; None when there are none."""
    items = list(scores)
    if not items:
        return None
    weights = np.array([max(s.quality, 1e-3) for s in items], dtype=np.float64)
    mean = np.average(np.stack([s.probabilities for s in items]).astype(np.float64), axis=0, weights=weights)
    return Scores(
        modality,
        items[0].labels,
        (mean / mean.sum()).astype(np.float32),
        min(s.start_s for s in items),
        max(s.end_s for s in items),
        float(np.mean([s.quality for s in items])),
    )
