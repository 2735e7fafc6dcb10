"""The one stateful core: packets in, moments out. A file, a queue and a live stream are the same code."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from pydantic import Field

from emofuse.errors import PacketError
from emofuse.inference.answers import RISK, AnswerMaker
from emofuse.inference.bundle import MANIFEST, Bundle
from emofuse.inference.cuts import CutDetector
from emofuse.inference.detector import FaceDetector, YuNetDetector
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.face_follower import FaceFollower
from emofuse.inference.face_identity import shared_embedder
from emofuse.inference.landmarker import FaceLandmarker
from emofuse.inference.modalities.base import LITTLE_SOUND, NO_NETWORK, no_face, no_speech
from emofuse.inference.modalities.face import FacePredictor
from emofuse.inference.modalities.text import (
    OwnTextPredictor,
    TextPredictor,
    TextScorer,
    TranscriptScorer,
    fusion_weights,
    text_scorer,
)
from emofuse.inference.modalities.video import ClipPredictor
from emofuse.inference.modalities.voice import VoicePredictor
from emofuse.inference.mouths import SPEECH_SHARE, MouthWatcher
from emofuse.inference.people import PeopleFollower, TrackRecord
from emofuse.inference.sound_input import SoundInput
from emofuse.inference.vad import SileroDetector, SpeechDetector
from emofuse.preprocessing.audio_buffer import SoundBuffer
from emofuse.provenance import ModelFile, model_file
from emofuse.settings import Settings
from emofuse.timeline import LEAST_WEIGHT, mean_scores, pool_scores
from emofuse.types import (
    OUT_OF_VIEW,
    AudioBlock,
    Embedding,
    Face,
    FaceMeasurement,
    Frame,
    Line,
    Moment,
    Packet,
    Scores,
)

Mode = Literal["queue", "frame"]

_SPOKEN_S: Final = 0.5  # of sound in which it is heard whether somebody speaks
_MOST_SPEAKERS: Final = 1024
_SOUND_AHEAD_S: Final = 2.0  # that sound may have come beyond the moment that is made of it
LONGEST_GAP_S: Final = 60.0  # a longer jump of the stream's clock is skipped, not filled with moments


class AnalyzerSettings(Settings):
    """How a stream becomes moments. queue: one every hop_s, over the last seconds; frame: one for every frame.

    text_window_s: how long a line that was pushed counts, less and less, after it was said; one of a transcript counts
    while it is said. measure_faces: whether every face of
    every picture is measured, too (extra `landmarks`); face_points: whether its 478 points are kept with that. risk:
    how likely an answer may be wrong, before it is "uncertain"; coverage: how often prediction sets hold the truth,
    None for none; prior: how often each label is expected: "flat", "corpus" (as in the networks' training), or a
    number for each label. detect_period_s: seconds between two detections of faces, at most; in between they are
    followed, and 0 looks for them in every picture. min_face_px: the smallest face wanted, in pixels of the picture;
    None: the smallest that the detector finds. every: of how many pictures one is looked at. embeddings: whether what
    each network knows of its input is gathered (`Timeline.embeddings`), which runs it twice. people:
    whether faces are compared, to tell who is who.
    """

    mode: Mode = "queue"
    hop_s: float = Field(0.5, gt=0.02, le=60)
    face_buffer_s: float = Field(1.0, gt=0)
    face_period_s: float = Field(0.1, ge=0)
    text_window_s: float = Field(5.0, gt=0)
    measure_faces: bool = False
    face_points: bool = False
    risk: float = Field(RISK, gt=0, le=1)
    coverage: float | None = Field(None, ge=0.5, le=0.99)
    prior: Literal["flat", "corpus"] | dict[str, float] = "flat"
    detect_period_s: float = Field(0.1, ge=0)
    min_face_px: float | None = Field(None, gt=0)
    every: int = Field(1, ge=1)
    people: bool = True
    embeddings: bool = False


@dataclass(slots=True)
class _Track:
    face: Face  # where it was last
    scores: deque[Scores]  # of the last seconds
    seen_s: float
    asked: Scores | None = None  # which scores' certainty was asked for last
    told: Scores | None = None  # the same with it
    mean: Scores | None = None  # of `mean_of`, the first and the last of the scores, as they were then
    mean_of: tuple[Scores, Scores] | None = None

    def over_buffer(self) -> Scores | None:
        """Return the mean of the scores; the same object until they change, which they do not in every picture."""
        ends = (self.scores[0], self.scores[-1]) if self.scores else None
        if ends is None or self.mean_of is None or ends[0] is not self.mean_of[0] or ends[1] is not self.mean_of[1]:
            self.mean, self.mean_of = mean_scores(self.scores, "face"), ends
        return self.mean


class Analyzer:
    """Follows faces, the person in front, the voice and the words through a stream of packets in presentation order.

    Lines of what was said are known beforehand, or pushed at any time. `push` returns the moments that a packet
    completed, `flush` the last ones. Nothing that grows with the stream is kept. A moment at time t depends on sound
    and pictures up to t, never on later ones, and on the lines spoken then: those of a transcript are known from their
    beginning, those that are pushed from then on.

    Attributes:
        bundle: The networks and their fusion.
        settings: How the stream becomes moments.

    Example:
        >>> import numpy as np
        >>> from emofuse.inference.bundle import load_bundle
        >>> analyzer = Analyzer(load_bundle("base"))
        >>> moments = analyzer.push(Frame(np.zeros((48, 64, 3), np.uint8), time_s=0.0))
        >>> analyzer.view(0.0).faces, analyzer.flush()[-1].why["face"]
        ((), 'no face found')
        >>> analyzer.take_tracks(), analyzer.take_embeddings(), analyzer.take_speakers(), analyzer.scored_lines()
        ([], [], [], ())
        >>> analyzer.models()[0].role
        'fusion'
    """

    def __init__(
        self,
        bundle: Bundle,
        detector: FaceDetector | None = None,
        settings: AnalyzerSettings | None = None,
        *,
        lines: Iterable[Line] | None = None,
        scorer: TextScorer | None = None,
        speech: SpeechDetector | None = None,
    ) -> None:
        """Start a stream.

        Args:
            bundle: The networks and their fusion.
            detector: Finds faces, in this stream only; by default a new one of those that ship.
            settings: How the stream becomes moments.
            lines: Of a transcript; None if there is none.
            scorer: Of text, in place of the bundle's network.
            speech: Finds speech, in this stream only; by default a new one of those that ship.
        """
        self.bundle = bundle
        self.settings = settings or AnalyzerSettings()
        self._detector = detector or YuNetDetector(min_face_px=self.settings.min_face_px)
        self._cuts = CutDetector()
        self._follower = FaceFollower(self._detector, self.settings.detect_period_s)
        self._people = PeopleFollower(shared_embedder()) if self.settings.people else None
        self._mouths = MouthWatcher()
        self._speakers: deque[tuple[float, int]] = deque(maxlen=_MOST_SPEAKERS)  # of moments: time, track
        self._faces = FacePredictor(bundle) if "face" in bundle.modalities else None
        is_measured = self.settings.measure_faces or self.settings.face_points
        self._landmarker = FaceLandmarker() if is_measured else None
        self._measurements: tuple[FaceMeasurement, ...] = ()
        self._speech = speech or SileroDetector()
        self._voice = VoicePredictor(bundle, self._speech) if "voice" in bundle.modalities else None
        frame_answers: Literal["mean", "newest"] = "mean" if self.settings.mode == "queue" else "newest"
        self._clip = ClipPredictor(bundle, self._speech, frame_answers) if "clip" in bundle.networks else None
        hearing = [self._voice, self._clip if self._clip is not None and self._clip.hears else None]
        self._scorer = scorer or text_scorer(bundle)
        self._log = EmbeddingLog() if self.settings.embeddings else None
        for predictor in (self._faces, self._voice, self._clip, self._scorer):
            if isinstance(predictor, FacePredictor | VoicePredictor | ClipPredictor | TextPredictor):
                predictor.log = self._log
        self._words = TranscriptScorer(self._scorer, self.settings.text_window_s, lines)
        self.answers = AnswerMaker.of_bundle(
            bundle,
            fusion_weights(bundle, self._scorer),
            bundle.pool if scorer is None else "linear",  # another text network's prior is not known
            self.settings.prior,
            self.settings.risk,
            self.settings.coverage,
            frozenset() if isinstance(self._scorer, TextPredictor | OwnTextPredictor) else frozenset({"text"}),
        )
        self._hears = any(one is not None for one in hearing)
        self._sound_input = SoundInput()
        longest_s = max([one.window_s for one in hearing if one is not None], default=1.0)
        self._sound = SoundBuffer(longest_s + _SOUND_AHEAD_S)
        self._tracks: dict[int, _Track] = {}
        self._visible: tuple[int, ...] = ()  # track ids in the latest frame
        self._heard: Scores | None = None
        self._waits_for_sound = True  # the voice has not heard enough at any hop
        self._watched: Scores | None = None  # what the clip network said last, and of whom
        self._watched_id: int | None = None
        self._last: Moment | None = None
        self._now_s = -math.inf
        self._next_hop_s: float | None = None
        self._saw_frame = False
        self._n_frames = 0

    def models(self) -> tuple[ModelFile, ...]:
        """Return every model that may contribute to the answers.

        Returns:
            The fusion, the networks and the detectors, with their hashes.
        """
        modalities = self.bundle.manifest.modalities
        networks = [
            ModelFile(modality, modalities[modality].file, network.sha256)
            for modality, network in self.bundle.networks.items()
            if modality != "text" or isinstance(self._scorer, TextPredictor)
        ]
        networks += [
            ModelFile(modality, model.source or model.name, model.sha256)
            for modality, model in self.bundle.own.items()
            if modality != "text"
        ]
        if self._scorer is not None and not isinstance(self._scorer, TextPredictor):
            networks.append(model_file("text", self._scorer))
        detectors = [model_file("face detector", self._detector)] if self._looks else []
        if self._people is not None and self._looks:
            detectors.append(shared_embedder().model_file)
        if self._landmarker is not None:
            detectors.append(self._landmarker.model_file)
        if self._hears:
            detectors.append(model_file("speech detector", self._speech))
        head, settings = self.bundle.head, self.bundle.manifest.head
        heads = [] if head is None or settings is None else [ModelFile("trained fusion", settings.file, head.sha256)]
        return (ModelFile("fusion", MANIFEST, self.bundle.sha256), *heads, *networks, *detectors)

    def push(self, packet: Packet | Line) -> list[Moment]:
        """Take one packet and return the moments it completed (often none; a line completes none).

        Args:
            packet: A picture, a block of sound of any rate (it is resampled), or a line of what was said.

        Returns:
            The moments that end at or before the packet, in the order of time.

        Raises:
            PacketError: It is something else.
        """
        if isinstance(packet, Line):
            self._words.push(packet)
            return []
        if isinstance(packet, AudioBlock):
            return self._listen(self._sound_input.push(packet))
        if not isinstance(packet, Frame):
            raise PacketError(f"a stream is made of Frame, AudioBlock and Line, not of {type(packet).__name__}")
        moments = self._advance(packet.time_s)
        self._saw_frame = True
        self._n_frames += 1
        if (self._n_frames - 1) % self.settings.every:
            return moments
        self._see(packet)
        if self.settings.mode == "frame":
            moments.append(self._moment(packet.time_s, self._in_view()))
        return moments

    def flush(self) -> list[Moment]:
        """End the stream.

        Returns:
            The moments up to its end; the last one is at the end itself.
        """
        if self._people is not None:
            self._people.flush()
        held_back = self._listen(self._sound_input.flush())
        if self._next_hop_s is None:
            return held_back
        moments = [*held_back, *self._advance(self._now_s, is_over=True)]
        ended_s = self._last.time_s if self._last else -math.inf
        if self._hops_are_moments and self._now_s > ended_s + 1e-6:
            self._read(self._now_s, is_end=True)
            moments.append(self._moment(self._now_s, self._buffered(self._now_s)))
        return moments

    def _listen(self, blocks: Iterable[AudioBlock]) -> list[Moment]:
        """Take sound as the networks take it, and return the moments that it completed."""
        moments: list[Moment] = []
        for block in blocks:
            moments += self._advance(block.time_s)
            self._sound.push(block)
            if self._hears:
                self._speech.hear(block)
            self._now_s = max(self._now_s, block.end_s)
        return moments

    def view(self, time_s: float) -> Moment:
        """Return what to show over the latest frame: its faces, and the latest fused answer.

        In mode "frame" that is the frame's own moment; in "queue" its moment comes up to a hop later.

        Args:
            time_s: The time of the frame, in seconds.

        Returns:
            A moment at that time.
        """
        faces = self._told(self._in_view())
        last = self._last
        return Moment(time_s, last.fused, last.by_modality, faces) if last else Moment(time_s, None, faces=faces)

    def take_speakers(self) -> list[tuple[float, int]]:
        """Return who has spoken since the last call.

        Returns:
            The times of the moments in which somebody speaks, in seconds, each with the track whose mouth moves, or
            OUT_OF_VIEW.
        """
        spoken = list(self._speakers)
        self._speakers.clear()
        return spoken

    def scored_lines(self) -> tuple[Line, ...]:
        """Return the lines of the transcript, scored.

        Returns:
            The lines, each with the prediction of the text network.
        """
        return self._words.scored_lines()

    def take_tracks(self) -> list[TrackRecord]:
        """Return the tracks that have ended since the last call.

        Returns:
            The tracks; of many, the latest.
        """
        if self._people is None:
            return []
        ended = list(self._people.ended)
        self._people.ended.clear()
        return ended

    def take_embeddings(self) -> list[Embedding]:
        """Return the embeddings since the last call.

        Returns:
            The embeddings; none unless the settings request them.
        """
        return [] if self._log is None else self._log.take()

    @property
    def face_measurements(self) -> tuple[FaceMeasurement, ...]:
        """What was measured of each face of the latest picture; nothing unless the settings ask for it."""
        return self._measurements

    @property
    def _looks(self) -> bool:
        """Whether anything is asked of pictures."""
        return self._faces is not None or self._clip is not None or self._landmarker is not None

    @property
    def _hops_are_moments(self) -> bool:
        return self.settings.mode == "queue" or not self._saw_frame

    def _advance(self, time_s: float, *, is_over: bool = False) -> list[Moment]:
        """Make the moments of every hop that ends at or before `time_s`. is_over: the stream ends there."""
        if self._next_hop_s is None:
            self._next_hop_s = time_s + self.settings.hop_s
        elif time_s - self._next_hop_s > LONGEST_GAP_S:
            self._next_hop_s = time_s
        moments = []
        while self._next_hop_s <= time_s + 1e-9:
            self._read(self._next_hop_s, is_end=is_over and self._next_hop_s >= time_s - 1e-6)
            if self._hops_are_moments:
                moments.append(self._moment(self._next_hop_s, self._buffered(self._next_hop_s)))
            self._next_hop_s += self.settings.hop_s
        self._now_s = max(self._now_s, time_s)
        return moments

    def _see(self, frame: Frame) -> None:
        """Follow the faces of a frame, and score those that are due."""
        if not self._looks:
            return
        time_s = frame.time_s
        tracked = self._follower.push(frame.image, time_s, is_cut=self._cuts.push(frame.image, time_s))
        if self._people is not None:
            tracked = self._people.push(frame.image, tracked, time_s)
            if self._hears:
                self._mouths.push(frame.image, tracked, time_s)
        for face in tracked:
            track = self._tracks.setdefault(_id(face), _Track(face, deque(), time_s))
            track.face, track.seen_s = face, time_s
        if self._faces is not None:
            due = [face for face in tracked if self._is_due(self._tracks[_id(face)], time_s)]
            for face, scores in zip(due, self._faces.score(frame.image, due, time_s), strict=True):
                self._tracks[_id(face)].scores.append(scores)
        if self._landmarker is not None:
            keeps = self.settings.face_points
            measured = [self._landmarker.measure(frame.image, f, time_s, keeps_points=keeps) for f in tracked]
            self._measurements = tuple(one for one in measured if one is not None)
        self._visible = tuple(_id(face) for face in tracked)
        self._forget(time_s)
        if self._clip is None:
            return
        is_new = self._clip.see(frame.image, tracked, time_s)
        # every frame has an answer: at once, and anew as often as the network has one
        if self.settings.mode == "frame" and (is_new or self._clip.is_due(time_s)):
            self._watch(time_s)

    def _forget(self, time_s: float) -> None:
        """Drop scores that left the buffer, and tracks of which nothing is left."""
        oldest_s = time_s - self.settings.face_buffer_s
        for track_id, track in list(self._tracks.items()):
            while track.scores and track.scores[0].end_s < oldest_s:
                track.scores.popleft()
            # who is only watched is never scored alone
            if not track.scores and (self._faces is not None or track.seen_s < oldest_s):
                del self._tracks[track_id]
        self._visible = tuple(i for i in self._visible if i in self._tracks)

    def _is_due(self, track: _Track, time_s: float) -> bool:
        if self.settings.mode == "frame" or not track.scores:
            return True
        return time_s - track.scores[-1].end_s >= self.settings.face_period_s - 1e-6

    def _read(self, time_s: float, *, is_end: bool = False) -> None:
        """Score what the voice and the clip network are given at a hop, or at the end of the stream.

        The voice waits until it has heard enough; a stream that is over before that is scored for what it is.
        """
        if self._voice is not None and not self._sound.is_empty:
            samples = self._sound.window(time_s - self._voice.window_s, time_s)
            is_enough = self._voice.is_enough(samples) or (is_end and self._waits_for_sound)
            self._waits_for_sound &= not is_enough
            self._heard = self._voice.score(samples, min(time_s, self._sound.end_s)) if is_enough else None
        self._watch(time_s)

    def _watch(self, time_s: float) -> None:
        if self._clip is not None:
            self._watched = self._clip.score(time_s, self._sound)
            self._watched_id = self._clip.front_id

    def _moment(self, time_s: float, faces: list[Face]) -> Moment:
        found = {
            "face": _pooled(faces) if self._faces is not None else None,
            "voice": self._heard,
            "text": self._words.score(time_s),
        }
        if self._clip is not None:
            found["clip"] = self._watched
        by_modality = {modality: scores for modality, scores in found.items() if scores is not None}
        why = {modality: self._why_not(modality, time_s) for modality, scores in found.items() if scores is None}
        by_modality, fused = self.answers.fuse(by_modality)
        self._last = Moment(time_s, fused, by_modality, self._told(faces), why, self._speaker(time_s))
        return self._last

    def _speaker(self, time_s: float) -> int | None:
        """Return the person who speaks just before a time, as `Moment.speaker_id` has it."""
        if self._people is None or not self._hears or self._sound.is_empty:
            return None
        samples = self._sound.window(time_s - _SPOKEN_S, time_s)
        if self._speech.spoken_s(samples, min(time_s, self._sound.end_s)) < SPEECH_SHARE * _SPOKEN_S:
            return None
        track_id = self._mouths.speaker(self._visible, time_s) if self._saw_frame else OUT_OF_VIEW
        if track_id is None:
            return None
        self._speakers.append((time_s, track_id))
        return OUT_OF_VIEW if track_id == OUT_OF_VIEW else self._tracks[track_id].face.person_id

    def _told(self, faces: Iterable[Face]) -> tuple[Face, ...]:
        return tuple(self._told_once(face) for face in faces)

    def _told_once(self, face: Face) -> Face:
        """Return a face with its certainty: the same for the moment and for what is shown of it."""
        track = self._tracks[_id(face)]
        if track.asked is not face.emotion or track.told is None:
            track.asked, track.told = face.emotion, self.answers.judge_face(face).emotion
        return replace(face, emotion=track.told)

    def _why_not(self, modality: str, time_s: float) -> str:
        """Say why a modality gave no answer."""
        if modality == "text":
            return self._words.why_not(time_s)
        if modality not in self.bundle.modalities:
            return NO_NETWORK
        seen, heard = no_face(self._saw_frame), no_speech(not self._sound.is_empty)
        if modality == "clip" and self._clip is not None and self._clip.hears:
            return f"{seen}, {heard}"
        if modality == "voice":
            return LITTLE_SOUND if self._waits_for_sound and not self._sound.is_empty else heard
        return seen

    def _in_view(self) -> list[Face]:
        """Return the faces of the latest frame, with their scores as moments of this mode have them."""
        scored = self._newest if self.settings.mode == "frame" else self._over_buffer
        return [scored(track_id) for track_id in self._visible]

    def _newest(self, track_id: int) -> Face:
        scores = self._tracks[track_id].scores
        return self._with_emotion(track_id, scores[-1] if scores else None)

    def _over_buffer(self, track_id: int) -> Face:
        return self._with_emotion(track_id, self._tracks[track_id].over_buffer())

    def _with_emotion(self, track_id: int, scores: Scores | None) -> Face:
        """Return a face as it was last, with its scores; without a face network the clip's, if it is who is watched."""
        if self._faces is None and track_id == self._watched_id:
            scores = self._watched
        return replace(self._tracks[track_id].face, emotion=scores)

    def _buffered(self, time_s: float) -> list[Face]:
        """Return every face of the buffer that ends at `time_s`, with its mean scores."""
        self._forget(time_s)
        return [self._over_buffer(track_id) for track_id in sorted(self._tracks)]


def _id(face: Face) -> int:
    assert face.track_id is not None, "the tracker gives every face an id"
    return face.track_id


def _pooled(faces: Sequence[Face]) -> Scores | None:
    """Pool the faces of a picture by area and quality, so that the nearest person counts most."""
    spoken = [face for face in faces if face.emotion is not None]
    if not spoken:
        return None
    scores = [face.emotion for face in spoken if face.emotion is not None]
    area = [max(face.size_px, 1.0) ** 2 for face in spoken]
    share = [a * max(s.quality, LEAST_WEIGHT) for a, s in zip(area, scores, strict=True)]
    return pool_scores(scores, "face", share, share)
