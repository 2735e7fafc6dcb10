"""Films that are made of one person's voice and another's face, to see how a fused answer follows them when they agree
and when they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle
from emofuse.research.evaluation.protocols.recorded_scores import share
from emofuse.research.evaluation.protocols.recordings import FUSED, Answers, Recording, answer
from emofuse.research.evaluation.scores.metrics import Interval

FACE: Final = "face"
VOICE: Final = "voice"
Share = tuple[float, Interval]


@dataclass(frozen=True, slots=True, eq=False)
class MadeFilm:
    """A voice over a face. voice, face: the emotions that they were asked to show."""

    recording: Recording
    voice: str
    face: str


class PairScore(BaseModel):
    """What was answered where voice and face show the same emotion, or where they do not.

    Attributes:
        n: Films.
        as_both: The share of fused answers that are the emotion of both, with its 95 % interval over speakers.
        as_voice: Of the voice alone.
        as_face: Of the face alone.
        as_neither: Of neither.
        confidence: The mean of the fused answers.
        confidence_alone: The mean of each network's own answers.
        alone: How often each network by itself is right about what it was given.
        same_answer: How often both networks answer the same.
        invented: How often the fused answer is that of neither network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    n: int
    as_both: Share
    as_voice: Share
    as_face: Share
    as_neither: Share
    confidence: float
    confidence_alone: dict[str, float]
    alone: dict[str, float]
    same_answer: float
    invented: float


class MadeFilmsReport(BaseModel):
    """How fused answers follow agreement and conflict.

    Attributes:
        bundle: Which one answered.
        is_known: Whether its networks were trained on the voices' or the faces' corpus.
        voices: The voices' corpus.
        faces: The faces' corpus.
        agree: Of films whose voice and face show the same emotion.
        conflict: And of those that do not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    bundle: str
    is_known: bool
    voices: str
    faces: str
    agree: PairScore
    conflict: PairScore


def make_films(voices: Sequence[Recording], faces: Sequence[Recording], n: int, seed: int) -> list[MadeFilm]:
    """Lay n voices over faces: each once over one of its own emotion, and once over one of another.

    Args:
        voices: Recordings with sound.
        faces: Pictures that stand.
        n: How many voices, at most; every emotion alike.
        seed: Of the draws.

    Raises:
        UsageError: There are not two emotions that both have.
    """
    random = np.random.default_rng(seed)
    both = [e for e in dict.fromkeys(v.clip.emotion for v in voices) if any(f.clip.emotion == e for f in faces)]
    if len(both) < 2:
        raise UsageError("voices and faces have not two emotions in common", "choose other corpora")
    made = []
    for number in range(n):
        emotion = both[number % len(both)]
        others = [each for each in both if each != emotion]
        voice = _one_of(voices, emotion, random)
        for shown in (emotion, others[(number // len(both)) % len(others)]):
            face = _one_of(faces, shown, random)
            clip = replace(voice.clip, path=face.clip.path, sound_path=voice.clip.sound_file)
            name = f"{number}: {voice.name} over {face.name}"
            film = Recording(clip, name, f"{voice.corpus} over {face.corpus}", face.still)
            made.append(MadeFilm(film, emotion, shown))
    return made


def measure_films(
    bundle: Bundle,
    films: Sequence[MadeFilm],
    on_progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> MadeFilmsReport:
    """Analyse made films whole, and count whom the fused answers follow."""
    found = answer(bundle, [film.recording for film in films], on_progress=on_progress)
    agree = np.array([film.voice == film.face for film in films])
    voices, faces = films[0].recording.corpus.split(" over ")
    trained = {name for m in (VOICE, FACE) for name in bundle.networks[m].card.learnt_from}
    return MadeFilmsReport(
        bundle=bundle.manifest.name,
        is_known=bool({voices, faces} & trained),
        voices=voices,
        faces=faces,
        agree=_scored(films, found, agree),
        conflict=_scored(films, found, ~agree),
    )


def _one_of(recordings: Sequence[Recording], emotion: str, random: np.random.Generator) -> Recording:
    chosen = [one for one in recordings if one.clip.emotion == emotion]
    return chosen[int(random.integers(len(chosen)))]


def _scored(films: Sequence[MadeFilm], found: Answers, chosen: NDArray[np.bool_]) -> PairScore:
    rows = np.flatnonzero(chosen).tolist()
    voice = np.array([found.labels.index(films[i].voice) for i in rows])
    face = np.array([found.labels.index(films[i].face) for i in rows])
    speakers = [films[i].recording.clip.speaker for i in rows]
    fused, by_voice, by_face = (found.guesses(m)[rows] for m in (FUSED, VOICE, FACE))
    as_voice, as_face = fused == voice, fused == face
    neither = (fused != by_voice) & (fused != by_face)
    return PairScore(
        n=len(rows),
        as_both=share(as_voice & as_face, speakers),
        as_voice=share(as_voice & ~as_face, speakers),
        as_face=share(as_face & ~as_voice, speakers),
        as_neither=share(~as_voice & ~as_face, speakers),
        confidence=float(np.nanmean(found.confidence()[rows])),
        confidence_alone={m: float(np.nanmean(found.confidence(m)[rows])) for m in (VOICE, FACE)},
        alone={VOICE: float((by_voice == voice).mean()), FACE: float((by_face == face).mean())},
        same_answer=float((by_voice == by_face).mean()),
        invented=float(neither.mean()),
    )
