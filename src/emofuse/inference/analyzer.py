"""The one stateful core: packets in, moments out. A file, a queue and a live stream are the same code."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from emofuse.errors import PacketError
from emofuse.inference.analyzer_settings import AnalyzerSettings, Mode
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.bundle import MANIFEST, Bundle
from emofuse.inference.detector import FaceDetector, YuNetDetector
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.face_tracks import FaceTrack, FaceTracks
from emofuse.inference.fusion import Pool
from emofuse.inference.modalities.base import StreamContext, TextScorer
from emofuse.inference.modalities.registry import modalities_of
from emofuse.inference.mouths import SPEECH_SHARE, MouthWatcher
from emofuse.inference.people import TrackRecord, Vector
from emofuse.inference.sound_input import SoundInput
from emofuse.inference.vad import SileroDetector, SpeechDetector
from emofuse.preprocessing.audio_buffer import SoundBuffer
from emofuse.provenance import ModelFile, model_file
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
    in_order,
)

__all__ = ["LONGEST_GAP_S", "Analyzer", "AnalyzerSettings", "Mode"]

_SPOKEN_S: Final = 0.5  # of sound in which it is heard whether somebody speaks
_MOST_SPEAKERS: Final = 1024
_SOUND_AHEAD_S: Final = 2.0  # that sound may have come beyond the moment that is made of it
_SHORTEST_SOUND_S: Final = 1.0  # that is kept where no modality uses any
LONGEST_GAP_S: Final = 60.0  # a longer jump of the stream's clock is skipped, not filled with moments


class Analyzer:
    """Hands a stream of packets, in presentation order, to its modalities, and fuses what they give at each moment.

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
        >>> analyzer.with_words(Moment(0.5, None)).why["text"]
        'no transcript'
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
        known_faces: Sequence[Vector] = (),
    ) -> None:
        """Start a stream.

        Args:
            bundle: The networks and their fusion.
            detector: Finds faces, in this stream only; by default a new one of those that ship.
            settings: How the stream becomes moments.
            lines: Of a transcript; None if there is none.
            scorer: Of text, in place of the bundle's network.
            speech: Finds speech, in this stream only; by default a new one of those that ship.
            known_faces: (D,) of people known beforehand, as `people_clustering.main_face` returns it: they have the
                ids 1, 2 and so on.
        """
        self.bundle = bundle
        self.settings = settings or AnalyzerSettings()
        self._lines = None if lines is None else tuple(lines)
        self._speech = speech or SileroDetector()
        self._sound = SoundBuffer(_SOUND_AHEAD_S)
        self._faces = FaceTracks(
            detector or YuNetDetector(min_face_px=self.settings.min_face_px), self.settings, known_faces
        )
        self._log = EmbeddingLog() if self.settings.embeddings else None
        self._context = StreamContext(
            bundle, self.settings, self._faces, self._sound, self._speech, self._log, self._lines, scorer
        )
        self._modalities = modalities_of(self._context)
        self._uses_audio = any(one.uses_audio for one in self._modalities)
        self._uses_pictures = self._faces.are_measured or any(one.uses_pictures for one in self._modalities)
        windows_s = [one.window_s for one in self._modalities if one.uses_audio]
        self._sound.lengthen(max(windows_s, default=_SHORTEST_SOUND_S) + _SOUND_AHEAD_S)
        self.answers = self._answer_maker()
        self._mouths = MouthWatcher()
        self._speakers: deque[tuple[float, int]] = deque(maxlen=_MOST_SPEAKERS)  # of moments: time, track
        self._sound_input = SoundInput()
        self._last: Moment | None = None
        self._now_s = -math.inf
        self._next_hop_s: float | None = None
        self._n_frames = 0

    def _answer_maker(self) -> AnswerMaker:
        """Return what fuses the modalities of this stream."""
        foreign = frozenset(one.name for one in self._modalities if not one.is_of_bundle)
        pool: Pool = "linear" if foreign else self.bundle.pool  # the prior of what is foreign is not known
        return AnswerMaker.of_bundle(
            self.bundle,
            {**{one.name: 1.0 for one in self._modalities if one.has_model}, **self.bundle.weights},
            pool,
            self.settings.prior,
            self.settings.risk,
            self.settings.coverage,
            foreign,
        )

    def models(self) -> tuple[ModelFile, ...]:
        """Return every model that may contribute to the answers.

        Returns:
            The fusion, the networks and the detectors, with their hashes.
        """
        order: dict[str, int] = {name: i for i, name in enumerate([*self.bundle.networks, *self.bundle.own])}
        ordered = sorted(self._modalities, key=lambda one: order.get(one.name, len(order)))
        networks = [file for modality in ordered for file in modality.models()]
        detectors = [*(self._faces.models() if self._uses_pictures else ())]
        if self._uses_audio:
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
            self._hand_on(packet)
            return []
        if isinstance(packet, AudioBlock):
            return self._listen(self._sound_input.push(packet))
        if not isinstance(packet, Frame):
            raise PacketError(f"a stream is made of Frame, AudioBlock and Line, not of {type(packet).__name__}")
        moments = self._advance(packet.time_s)
        self._context.has_picture = True
        self._n_frames += 1
        if (self._n_frames - 1) % self.settings.every:
            return moments
        self._watch(packet)
        if self.settings.mode == "frame":
            moments.append(self._moment(packet.time_s))
        return moments

    def flush(self) -> list[Moment]:
        """End the stream.

        Returns:
            The moments up to its end; the last one is at the end itself.
        """
        self._faces.flush()
        held_back = self._listen(self._sound_input.flush())
        if self._next_hop_s is None:
            return held_back
        moments = [*held_back, *self._advance(self._now_s, is_over=True)]
        ended_s = self._last.time_s if self._last else -math.inf
        if self._hops_are_moments and self._now_s > ended_s + 1e-6:
            self._score(self._now_s, is_end=True)
            moments.append(self._moment(self._now_s))
        return moments

    def _listen(self, blocks: Iterable[AudioBlock]) -> list[Moment]:
        """Take sound as the networks take it, and return the moments that it completed."""
        moments: list[Moment] = []
        for block in blocks:
            moments += self._advance(block.time_s)
            self._sound.push(block)
            if self._uses_audio:
                self._speech.push(block)
            self._hand_on(block)
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
        faces = self._shown(self._faces.in_view())
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
        lines = self._lines or ()
        for modality in self._modalities:
            lines = modality.score_lines(lines)
        return lines

    def with_words(self, moment: Moment) -> Moment:
        """Return a moment of another run over the same stream, with the words of this Analyzer's lines.

        Args:
            moment: A moment, each later than the one before.

        Returns:
            The moment, fused anew: what rests on neither pictures nor sound is asked of this Analyzer.
        """
        found = dict(moment.by_modality)
        why = dict(moment.why)
        for modality in self._modalities:
            if modality.uses_pictures or modality.uses_audio:
                continue
            scores = modality.scores(moment.time_s)
            found.pop(modality.name, None)
            why.pop(modality.name, None)
            if scores is None:
                why[modality.name] = modality.absence_reason(moment.time_s)
            else:
                found[modality.name] = scores
        by_modality, fused = self.answers.fuse({name: found[name] for name in in_order(found)})
        return replace(moment, fused=fused, by_modality=by_modality, why={name: why[name] for name in in_order(why)})

    def take_tracks(self) -> list[TrackRecord]:
        """Return the tracks that have ended since the last call.

        Returns:
            The tracks; of many, the latest.
        """
        return self._faces.take_ended()

    def take_embeddings(self) -> list[Embedding]:
        """Return the embeddings since the last call.

        Returns:
            The embeddings; none unless the settings request them.
        """
        return [] if self._log is None else self._log.take()

    @property
    def face_measurements(self) -> tuple[FaceMeasurement, ...]:
        """What was measured of each face of the latest picture; nothing unless the settings ask for it."""
        return self._faces.measurements

    @property
    def _hops_are_moments(self) -> bool:
        return self.settings.mode == "queue" or not self._context.has_picture

    def _advance(self, time_s: float, *, is_over: bool = False) -> list[Moment]:
        """Make the moments of every hop that ends at or before `time_s`. is_over: the stream ends there."""
        if self._next_hop_s is None:
            self._next_hop_s = time_s + self.settings.hop_s
        elif time_s - self._next_hop_s > LONGEST_GAP_S:
            self._next_hop_s = time_s
        moments = []
        while self._next_hop_s <= time_s + 1e-9:
            self._score(self._next_hop_s, is_end=is_over and self._next_hop_s >= time_s - 1e-6)
            if self._hops_are_moments:
                moments.append(self._moment(self._next_hop_s))
            self._next_hop_s += self.settings.hop_s
        self._now_s = max(self._now_s, time_s)
        return moments

    def _watch(self, frame: Frame) -> None:
        """Follow the faces of a picture, and hand it on."""
        if not self._uses_pictures:
            return
        self._faces.push(frame)
        if self.settings.people and self._uses_audio:
            self._mouths.push(self._faces.crops, self._faces.detected, frame.time_s)
        self._hand_on(frame)
        self._faces.forget(frame.time_s)

    def _hand_on(self, packet: Packet | Line) -> None:
        for modality in self._modalities:
            modality.push(packet)

    def _score(self, time_s: float, *, is_end: bool = False) -> None:
        for modality in self._modalities:
            modality.advance(time_s, is_end=is_end)

    def _moment(self, time_s: float) -> Moment:
        tracks = self._faces.of_moment(time_s)
        found = {modality: modality.scores(time_s) for modality in self._modalities}
        why = {one.name: one.absence_reason(time_s) for one, scores in found.items() if scores is None}
        given = {one.name: scores for one, scores in found.items() if scores is not None}
        by_modality, fused = self.answers.fuse(given)
        self._last = Moment(time_s, fused, by_modality, self._shown(tracks), why, self._speaker(time_s))
        return self._last

    def _speaker(self, time_s: float) -> int | None:
        """Return the person who speaks just before a time, as `Moment.speaker_id` has it."""
        if not self.settings.people or not self._uses_audio or self._sound.is_empty:
            return None
        samples = self._sound.window(time_s - _SPOKEN_S, time_s)
        if self._speech.spoken_s(samples, min(time_s, self._sound.end_s)) < SPEECH_SHARE * _SPOKEN_S:
            return None
        in_view = [track.track_id for track in self._faces.in_view()]
        track_id = self._mouths.speaker(in_view, time_s) if self._context.has_picture else OUT_OF_VIEW
        if track_id is None:
            return None
        self._speakers.append((time_s, track_id))
        return OUT_OF_VIEW if track_id == OUT_OF_VIEW else self._faces[track_id].face.person_id

    def _shown(self, tracks: Iterable[FaceTrack]) -> tuple[Face, ...]:
        """Return faces as they were last, with their scores and certainty, by the first modality that has any."""
        scorer = next((one for one in self._modalities if one.has_faces), None)
        return tuple(
            replace(track.face, emotion=None if scorer is None else self._judge(track, scorer.of_face(track)))
            for track in tracks
        )

    def _judge(self, track: FaceTrack, scores: Scores | None) -> Scores | None:
        """Return the scores of a face with its certainty: the same for the moment and for what is shown of it."""
        if scores is None:
            return None
        if track.judged is None or track.judged[0] is not scores:
            track.judged = scores, self.answers.judge(scores)
        return track.judged[1]
