"""Recordings of known emotions, and what a bundle answers for them, as they are or under a condition."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Generator

from emofuse.emotions import FERPLUS
from emofuse.errors import UsageError
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.bundle import Bundle, labels_matrix
from emofuse.inference.detector import YuNetDetector
from emofuse.inference.session import run
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.research.corpora.decode import clip_packets, open_recording
from emofuse.research.corpora.manifest import COLUMNS, Clip, Manifest, read_manifest
from emofuse.research.corpora.registry import PORTRAITS, corpus_of
from emofuse.research.corpora.table import read_table
from emofuse.research.evaluation.protocols.conditions import CLEAN, Condition, Kind, Stream
from emofuse.research.evaluation.protocols.corrupt_sound import N_BABBLING, Samples, Surroundings
from emofuse.research.evaluation.protocols.cross_validation import clip_names
from emofuse.research.tasks.faces import read_portraits
from emofuse.research.tasks.utterances import find_corpus
from emofuse.timeline import SourceInfo, Summary
from emofuse.transcripts.transcript import spread
from emofuse.types import UNCERTAIN, AudioBlock, Frame, Packet

FUSED: Final = "fused"
_BLOCK: Final = RATE_HZ // 10  # samples that are pushed at once
_STILL_S: Final = 0.2  # from one look at a picture that stands to the next
_SLACK_S: Final = 1e-3  # by which times of pictures are rounded

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recording whose emotion is known.

    Attributes:
        clip: What it is, and where; its emotion is one of the bundle's labels.
        name: What predictions call it.
        corpus: What people call its corpus.
        still: A picture (H, W, 3) uint8 RGB that stands for as long as the sound lasts, in place of a film.
        facts: What its manifest's other columns tell, such as "age".
    """

    clip: Clip
    name: str
    corpus: str = ""
    still: NDArray[np.uint8] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    def group(self, attribute: str) -> str:
        """Return what the data tell of the person or the recording: "" where they do not."""
        if attribute == "corpus":
            return self.corpus
        told = getattr(self.clip, attribute, None) if attribute in COLUMNS else self.facts.get(attribute)
        return str(told or "").strip()

    def sound(self) -> Samples | None:
        """Decode its sound: (T,) float32 at 16 kHz from the clip's start, None where it has none."""
        file = self.clip.sound_file
        if file == Path():
            return None
        with open_recording(file) as media:
            if not media.source.has_audio:
                return None
            blocks = [packet for packet in clip_packets(self.clip, media) if isinstance(packet, AudioBlock)]
        if not blocks:
            return None
        ends = [round((block.end_s - self.clip.start_s) * RATE_HZ) for block in blocks]
        samples = np.zeros(max(ends), np.float32)
        for block, end in zip(blocks, ends, strict=True):
            part = block.samples[max(0, len(block.samples) - end) :]
            samples[end - len(part) : end] = part
        return samples

    def frames(self) -> Iterator[Frame]:
        """Decode its pictures, one after the other, timed from the clip's start."""
        if self.still is not None:
            samples = self.sound()
            for time_s in np.arange(0, 0.1 if samples is None else len(samples) / RATE_HZ, _STILL_S).tolist():
                yield Frame(self.still, time_s)
            return
        with open_recording(self.clip.path) as media:
            if not media.source.has_video:
                return
            for packet in clip_packets(self.clip, media):
                if isinstance(packet, Frame):
                    yield Frame(packet.image, packet.time_s - self.clip.start_s)

    def streams(self) -> frozenset[Stream]:
        """Return what it has: a picture that changes is a film."""
        found: set[Stream] = {"words"} if self.clip.text else set()
        if self.sound() is not None:
            found.add("sound")
        if next(self.frames(), None) is not None:
            found.add("picture")
            if self.still is None:
                found.add("film")
        return frozenset(found)


def recordings_of(
    manifest: Manifest, labels: Sequence[str], facts: Sequence[Mapping[str, str]] | None = None
) -> list[Recording]:
    """Return the clips of a manifest whose emotion is one of a bundle's labels, under that label.

    facts: of each clip, what other columns tell. Raises CorpusError, or BundleError, where none of them is.
    """
    carried = labels_matrix(manifest.labels, labels)
    rows = {label: carried[i] for i, label in enumerate(manifest.labels)}
    found = []
    corpus = corpus_of(manifest).title
    for clip, name, told in zip(manifest, clip_names(manifest), facts or [{}] * len(manifest), strict=True):
        if rows[clip.emotion].any():
            emotion = labels[int(rows[clip.emotion].argmax())]
            found.append(Recording(replace(clip, emotion=emotion), name, corpus, facts=told))
    return found


def find_recordings(names: Sequence[str], data: str | Path | None, labels: Sequence[str]) -> list[Recording]:
    """Return the recordings of corpora: manifests (.csv), names of corpora of recordings, or of sets of portraits.

    Raises CorpusError where one is not there, UsageError for a name that no corpus has.
    """
    found: list[Recording] = []
    for name in names:
        if name in PORTRAITS:
            found += portrait_recordings(name, data or ".", labels)
        elif name.lower().endswith(".csv"):
            manifest = find_corpus(name, data)
            found += recordings_of(manifest, labels, [row for _, row in read_table(Path(name), "manifest")[1]])
        else:
            found += recordings_of(find_corpus(name, data), labels)
    return found


def read_facts(path: Path) -> dict[str, dict[str, str]]:
    """Return all columns of a manifest by the name that predictions call a clip.

    Raises CorpusError where it cannot be read.
    """
    names = clip_names(read_manifest(path))
    return dict(zip(names, (row for _, row in read_table(path, "manifest")[1]), strict=True))


def portrait_recordings(name: str, data: str | Path, labels: Sequence[str]) -> list[Recording]:
    """Return the faces of a laboratory set that have one emotion, as films of one picture that a detector looks at.

    Raises CorpusError where the set is not in the data folder.
    """
    faces = read_portraits(name, data).scored()
    carried = labels_matrix(FERPLUS, labels)
    found = []
    for image, truth, subject, file in zip(faces.images, faces.truth, faces.subjects, faces.files, strict=True):
        if carried[truth].any():
            emotion = labels[int(carried[truth].argmax())]
            clip = Clip(Path(), emotion, f"{name}-{subject}", style="posed", licence=PORTRAITS[name].licence)
            found.append(Recording(clip, file, PORTRAITS[name].title, stand_back(image)))
    return found


def stand_back(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a face that fills its picture (S, S, 3) as one in the middle of (3 S, 3 S, 3), twice as large."""
    size = face.shape[0]
    large = cv2.resize(face, (2 * size, 2 * size), interpolation=cv2.INTER_CUBIC)
    return cv2.copyMakeBorder(large, *(size // 2,) * 4, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)


def draw_alike(recordings: Sequence[Recording], n: int, seed: int) -> list[Recording]:
    """Draw at most n recordings, as many of every emotion as can be, of as many people as can be, in their order."""
    random = np.random.default_rng(seed)
    queues: dict[str, list[int]] = {}
    for emotion in dict.fromkeys(one.clip.emotion for one in recordings):
        of_emotion = [i for i, one in enumerate(recordings) if one.clip.emotion == emotion]
        by_speaker: dict[str, list[int]] = {}
        for i in random.permutation(of_emotion).tolist():
            by_speaker.setdefault(recordings[i].clip.speaker, []).append(i)
        # the first of every speaker, then the second of each, and so on
        queues[emotion] = [i for turn in zip_longest(*by_speaker.values()) for i in turn if i is not None]
    taken = [i for turn in zip_longest(*queues.values()) for i in turn if i is not None][:n]
    return [recordings[i] for i in sorted(taken)]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a bundle answered for N recordings.

    Attributes:
        recordings: In their order.
        labels: L of the bundle.
        truth: (N,) int64, an index into labels.
        probabilities: By modality, and FUSED: (N, L) float32; NaN where there was no answer.
        uncertain: (N,) bool: fused answers that people are told to be uncertain.
    """

    recordings: tuple[Recording, ...]
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    uncertain: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def answered(self, modality: str = FUSED) -> NDArray[np.bool_]:
        """Return which recordings have an answer, (N,)."""
        return ~np.isnan(self.probabilities[modality][:, 0])

    def guesses(self, modality: str = FUSED) -> NDArray[np.int64]:
        """Return (N,) the answers as indices into the labels; where there was none, L."""
        p = self.probabilities[modality]
        return np.where(self.answered(modality), np.nan_to_num(p).argmax(axis=1), len(self.labels))

    def confidence(self, modality: str = FUSED) -> NDArray[np.float64]:
        """Return (N,) the probability of each answer; NaN where there was none."""
        return np.asarray(self.probabilities[modality].max(axis=1), dtype=np.float64)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Whose each recording is; a speaker's name is unique across corpora."""
        return tuple(one.clip.speaker for one in self.recordings)


def answer(
    bundle: Bundle,
    recordings: Sequence[Recording],
    condition: Condition = CLEAN,
    seed: int = 1,
    on_progress: Progress = lambda step, done, total: None,
) -> Answers:
    """Analyse recordings under a condition, each as `emofuse analyze` does, and gather the answers for the whole of
    each.

    Args:
        bundle: What answers.
        recordings: At least one.
        condition: What is done to them before.
        seed: Of what is drawn, which depends on it and on the place of a recording in the list alone.
        on_progress: Gets the condition's name, how many are done, and of how many.
    """
    if not recordings:
        raise UsageError("there is no recording of an emotion of the bundle")
    truth = np.array([bundle.labels.index(one.clip.emotion) for one in recordings], dtype=np.int64)
    names = [FUSED, *bundle.weights]
    probabilities = {name: np.full((len(recordings), len(bundle.labels)), np.nan, np.float32) for name in names}
    uncertain = np.zeros(len(recordings), np.bool_)
    for row, recording in enumerate(recordings):
        generator = Generator().manual_seed(seed * 100_003 + row)
        around = Surroundings(generator, _babblers(recordings, row) if condition.name.startswith("babble") else ())
        summary = _analyse(bundle, recording, condition, around)
        for name, scores in {FUSED: summary.fused, **summary.by_modality}.items():
            if scores is not None and name in probabilities:
                probabilities[name][row] = scores.probabilities
        uncertain[row] = summary.fused is not None and summary.fused.answer == UNCERTAIN
        on_progress(condition.name, row + 1, len(recordings))
    return Answers(tuple(recordings), bundle.labels, truth, probabilities, uncertain)


def streams_of(recordings: Sequence[Recording]) -> frozenset[Stream]:
    """Return what the recordings of every corpus have, by the first of each."""
    first: dict[str, Recording] = {}
    for one in recordings:
        first.setdefault(one.corpus, one)
    return frozenset[Stream].intersection(*(one.streams() for one in first.values()))


def applicable(conditions: Sequence[Condition], streams: frozenset[Stream]) -> list[Condition]:
    """Return the conditions that can be measured where recordings have these streams."""
    needs: dict[Kind, frozenset[Stream]] = {
        "as it is": frozenset(),
        "sound": frozenset({"sound"}),
        "picture": frozenset({"picture"}),
        "time": frozenset({"film"}),
        "removed": frozenset(),
    }
    return [
        condition
        for condition in conditions
        if needs[condition.kind] <= streams
        and (not condition.sound_later_s or {"sound", "picture"} <= streams)
        and (condition.without is None or (condition.without in streams and len(streams - {"film"}) > 1))
    ]


def _analyse(bundle: Bundle, recording: Recording, condition: Condition, around: Surroundings) -> Summary:
    samples = None if condition.without == "sound" else recording.sound()
    if samples is not None and condition.sound is not None:
        samples = condition.sound(samples, around)
    frames = iter(()) if condition.without == "picture" else recording.frames()
    duration_s = 0.0 if samples is None else len(samples) / RATE_HZ
    words = recording.clip.text if condition.without != "words" else ""
    source = SourceInfo(recording.name, None, None, None, None, samples is not None, condition.without != "picture")
    packets = heapq.merge(
        _blocks(samples, max(0.0, condition.sound_later_s)),
        _changed(frames, condition, max(0.0, -condition.sound_later_s)),
        key=lambda packet: packet.time_s,
    )
    transcript = spread(words, duration_s or 1.0) if words else None
    return run(packets, source, bundle, AnalyzerSettings(), transcript=transcript).summary


def _blocks(samples: Samples | None, later_s: float) -> Iterator[Packet]:
    for start in range(0, 0 if samples is None else len(samples), _BLOCK):
        assert samples is not None
        yield AudioBlock(samples[start : start + _BLOCK], RATE_HZ, later_s + start / RATE_HZ)


def _changed(frames: Iterator[Frame], condition: Condition, later_s: float) -> Iterator[Packet]:
    detector = YuNetDetector()
    next_s = -np.inf
    for frame in frames:
        if frame.time_s < next_s - _SLACK_S:
            continue
        next_s = frame.time_s + condition.step_s
        image = frame.image
        if condition.picture is not None:
            image = condition.picture(image, detector.detect(image) if condition.needs_faces else ())
        yield Frame(image, frame.time_s + later_s)


def _babblers(recordings: Sequence[Recording], row: int) -> list[Samples]:
    """Return the sound of the next recordings of other people, in their order."""
    own = recordings[row].clip.speaker
    found: list[Samples] = []
    for step in range(1, len(recordings)):
        other = recordings[(row + 7 * step) % len(recordings)]
        samples = other.sound() if other.clip.speaker != own else None
        if samples is not None and len(samples):
            found.append(samples)
        if len(found) == N_BABBLING:
            return found
    if not found:
        raise UsageError("babble needs voices of other people", "give a manifest of several speakers")
    return found
