"""The JSON form of what a timeline holds: scores, faces and moments. The document around them is in timeline.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from emofuse.types import UNCERTAIN, Certainty, Face, Json, Line, Moment, Scores, Word

TIME_DECIMALS: Final = 4  # of a moment's time: a tenth of a millisecond


def label_json(scores: Scores | None) -> str | None:
    """Return the label that the rounded probabilities give, which is what a reader of the document would find."""
    if scores is None:
        return None
    rounded = scores.as_dict()
    return max(rounded, key=lambda label: rounded[label])


def scores_json(scores: Scores | None) -> dict[str, float] | None:
    """Return {label: probability}, or None where nothing spoke."""
    return scores.as_dict() if scores else None


def moment_json(moment: Moment, modalities: Sequence[str]) -> Json:
    """Return a moment with its faces and these modalities; its `why`, landmarks are left out."""
    return {
        "time_s": round(moment.time_s, TIME_DECIMALS),
        "label": label_json(moment.fused),
        "probabilities": scores_json(moment.fused),
        "by_modality": {m: scores_json(moment.by_modality.get(m)) for m in modalities},
        **reasons_json(moment.fused, moment.by_modality),
        "faces": [_face_json(face) for face in moment.faces],
        "speaker_id": moment.speaker_id,
    }


def reasons_json(fused: Scores | None, by_modality: Mapping[str, Scores | None], *, has_measures: bool = False) -> Json:
    """Return how far an answer can be relied on, and why: nothing where the bundle does not tell.

    `certainty` is of the fused answer, `evidence` of each modality, with its scores before, its quality and its share
    of the fused answer. has_measures: what was measured of the input, too.
    """
    evidence = {
        m: _evidence_json(s, has_measures) for m, s in by_modality.items() if s is not None and s.certainty is not None
    }
    told = {} if fused is None or fused.certainty is None else {"certainty": _certainty_json(fused) | _raw_json(fused)}
    return told | ({"evidence": evidence} if evidence else {})


def _certainty_json(scores: Scores) -> Json:
    """Return how far scores can be relied on. The answer is what a reader of the rounded probabilities would find."""
    certainty = scores.certainty
    assert certainty is not None
    return {
        "answer": UNCERTAIN if certainty.abstains else label_json(scores),
        "p_right": round(certainty.p_right, 4),
        "word": certainty.word,
        **({"labels": list(certainty.labels)} if certainty.labels else {}),
        **({"lowered_by": list(certainty.lowered_by)} if certainty.lowered_by else {}),
    }


def _evidence_json(scores: Scores, has_measures: bool) -> Json:
    assert scores.certainty is not None
    measures = {name: round(value, 3) for name, value in scores.measures.items()}
    return {
        **_certainty_json(scores),
        "weight": round(scores.certainty.weight, 3),
        "quality": round(scores.quality, 3),
        **({"measures": measures} if has_measures else {}),
        **_raw_json(scores),
    }


def _raw_json(scores: Scores) -> Json:
    return {"scores": {k: round(float(p), 4) for k, p in zip(scores.labels, scores.evidence, strict=True)}}


def read_reasons(scores: Scores | None, document: Mapping[str, Any] | None) -> Scores | None:
    """Return scores with what `reasons_json` told of them, where it told anything."""
    if scores is None or document is None:
        return scores
    raw = document.get("scores")
    certainty = Certainty(
        float(document["p_right"]),
        document["word"],
        document["answer"] == UNCERTAIN,
        float(document.get("weight", 1.0)),
        tuple(document.get("labels", ())),
        tuple(document.get("lowered_by", ())),
    )
    return replace(
        scores,
        quality=float(document.get("quality", scores.quality)),
        measures={name: float(value) for name, value in document.get("measures", {}).items()},
        certainty=certainty,
        raw=None if raw is None else np.array([raw[label] for label in scores.labels], dtype=np.float32),
    )


def spoken_json(line: Line) -> Json:
    """Return what was spoken and when, with the times of its words where they are known."""
    words = [{"text": word.text, **_times_json(word)} for word in line.words]
    return {"text": line.text, **_times_json(line), **({"words": words} if words else {})}


def line_json(line: Line) -> Json:
    """Return what somebody said, with the times of its words and the speaker's name where they are known."""
    return {
        **spoken_json(line),
        **({"speaker": line.speaker} if line.speaker else {}),
        "person_id": line.person_id,
        "label": label_json(line.emotion),
        "probabilities": scores_json(line.emotion),
    }


def read_line(document: Mapping[str, Any], labels: tuple[str, ...]) -> Line:
    """Rebuild a line from `line_json`; one of `emofuse/1` has neither scores nor a person."""
    words = tuple(Word(str(w["text"]), float(w["start_s"]), float(w["end_s"])) for w in document.get("words", ()))
    speaker = str(document.get("speaker", ""))
    start_s, end_s = float(document["start_s"]), float(document["end_s"])
    emotion = read_scores("text", labels, document.get("probabilities"), start_s, end_s)
    return Line(str(document["text"]), start_s, end_s, words, speaker, emotion, _read_id(document.get("person_id")))


def _read_id(value: object) -> int | None:
    if value is not None and type(value) is not int:
        raise ValueError(f"a number is expected, not {value!r}")
    return value


def _times_json(spoken: Line | Word) -> Json:
    return {"start_s": round(spoken.start_s, 3), "end_s": round(spoken.end_s, 3)}


def _face_json(face: Face) -> Json:
    return {
        "track_id": face.track_id,
        "person_id": face.person_id,
        "box_xyxy": [round(float(v), 1) for v in face.box_xyxy],
        "score": round(face.score, 4),
        "label": label_json(face.emotion),
        "probabilities": scores_json(face.emotion),
        **(
            {"certainty": _certainty_json(face.emotion)}
            if face.emotion is not None and face.emotion.certainty is not None
            else {}
        ),
    }


def read_scores(
    modality: str,
    labels: tuple[str, ...],
    value: Mapping[str, float] | None,
    time_s: float = 0.0,
    end_s: float | None = None,
) -> Scores | None:
    """Rebuild scores at a time, or from there to end_s, from `scores_json`.

    Raises KeyError, TypeError or ValueError, as the other readers here do, when the value is not what was written.
    """
    if value is None:
        return None
    # As they were written: to divide by the sum, 1 within rounding, would make a second round trip differ.
    p = np.array([value[label] for label in labels], dtype=np.float32)
    rounding = 1e-4 * len(labels)  # with very many labels this can be more than Scores allows
    return Scores(modality, labels, p / p.sum() if 1e-3 <= abs(p.sum() - 1) < rounding else p, time_s, end_s or time_s)


def read_moment(document: Mapping[str, Any], labels: tuple[str, ...]) -> Moment:
    """Rebuild a moment from `moment_json`."""
    time_s = float(document["time_s"])
    evidence = document.get("evidence", {})
    spoken = {
        m: read_reasons(read_scores(m, labels, p, time_s), evidence.get(m)) for m, p in document["by_modality"].items()
    }
    return Moment(
        time_s,
        read_reasons(read_scores("fused", labels, document["probabilities"], time_s), document.get("certainty")),
        {m: s for m, s in spoken.items() if s is not None},
        tuple(_read_face(face, labels, time_s) for face in document["faces"]),
        speaker_id=_read_id(document.get("speaker_id")),
    )


def _read_face(document: Mapping[str, Any], labels: tuple[str, ...], time_s: float) -> Face:
    return Face(
        np.array(document["box_xyxy"], dtype=np.float32),
        float(document["score"]),
        None,
        None if document["track_id"] is None else int(document["track_id"]),
        read_reasons(read_scores("face", labels, document["probabilities"], time_s), document.get("certainty")),
        _read_id(document.get("person_id")),
    )
