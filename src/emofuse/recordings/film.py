"""The annotated film of a recording, drawn once all of it is analysed: only then it is known who is who."""

from __future__ import annotations

import errno
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

import numpy as np

from emofuse.errors import EmofuseError
from emofuse.inference.session import QUEUE_BYTES, packet_bytes
from emofuse.inference.smoothing import Smoother
from emofuse.media import VideoWriter
from emofuse.media.yuv import YuvCanvas, YuvFrame
from emofuse.outputs.overlay import Overlay
from emofuse.overlap import WriteBehind
from emofuse.segments import interval_start, usual_hop
from emofuse.timeline import Timeline
from emofuse.types import AudioBlock, Face, Frame, Moment, Packet, Scores

_DISK_ERRORS: Final = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}
_N_NUMBERS: Final = 6  # that are kept of a face
_NO_TRACK: Final = -1.0


class FacePlaces:
    """Where the faces of every picture are, in 24 bytes a face: of hours, that is some megabytes."""

    def __init__(self) -> None:
        self._times = array("d")
        self._ends = array("q")  # of the faces of each picture, among all
        self._numbers = array("f")

    def add(self, time_s: float, faces: Iterable[Face]) -> None:
        """Keep those of the next picture."""
        for face in faces:
            track = _NO_TRACK if face.track_id is None else float(face.track_id)
            self._numbers.extend((track, face.score, *map(float, face.box_xyxy)))
        self._times.append(time_s)
        self._ends.append(len(self._numbers) // _N_NUMBERS)

    def at(self, time_s: float) -> list[Face]:
        """Return the faces of the picture of this time; none where there was no such picture."""
        at = bisect_left(self._times, time_s)
        if at == len(self._times) or self._times[at] != time_s:
            return []
        found = []
        for i in range(self._ends[at - 1] if at else 0, self._ends[at]):
            track, score, *box = self._numbers[i * _N_NUMBERS : (i + 1) * _N_NUMBERS]
            found.append(Face(np.array(box, np.float32), score, None, None if track == _NO_TRACK else int(track)))
        return found


class FilmMoments:
    """What each picture of a film shows: the answers of the moment that stands for it, as the player does.

    Args:
        timeline: Of the whole recording.
        places: Of the faces in every picture.
        smoother: Steadies the answers; None where they are steady.
    """

    def __init__(self, timeline: Timeline, places: FacePlaces, smoother: Smoother | None) -> None:
        self._places = places
        self._moments: Sequence[Moment] = timeline.moments
        if smoother is not None:
            self._moments = [smoother.push(moment) for moment in timeline.moments]
        self._times = [moment.time_s for moment in self._moments]
        self._hop_s = usual_hop(self._times)
        faces = [face for moment in self._moments for face in moment.faces if face.track_id is not None]
        self._people = {face.track_id: face.person_id for face in faces}
        self._said: dict[int | None, Scores] = {}  # what was said of each track last

    def at(self, time_s: float) -> tuple[Moment, bool]:
        """Return what to draw over the picture of this time, and whether there is anything to say yet."""
        faces = self._places.at(time_s)
        moment = self._standing(time_s)
        if moment is not None:
            self._said |= {face.track_id: face.emotion for face in moment.faces if face.emotion is not None}
        shown = tuple(
            replace(face, emotion=self._said.get(face.track_id), person_id=self._people.get(face.track_id))
            for face in faces
        )
        if moment is None:
            return Moment(time_s, None, {}, shown), bool(self._times) and time_s >= self._times[0]
        return Moment(time_s, moment.fused, moment.by_modality, shown), True

    def _standing(self, time_s: float) -> Moment | None:
        """Return the moment that stands for a time: the next one, unless it comes after a gap."""
        at = bisect_left(self._times, time_s - 1e-6)
        if at == len(self._times):
            return self._moments[-1] if self._times and time_s - self._times[-1] <= 1.5 * self._hop_s else None
        before_s = self._times[at - 1] if at else float("-inf")
        return self._moments[at] if time_s >= interval_start(self._times[at], before_s, self._hop_s) - 1e-6 else None


_Shown = AudioBlock | tuple[Frame, Moment, bool]


class Film:
    """Writes the annotated MP4 of a recording. What hinders it costs the film and not the analysis; but where a film is
    all that was asked for, or the disk takes no more, it is raised. failure: what hindered it, "" for nothing.

    Args:
        writer: Of the file.
        start_s: Where the film begins, in seconds of the recording.
        is_all: Whether nothing else was asked for.
    """

    def __init__(self, writer: VideoWriter, *, start_s: float = 0.0, is_all: bool = False) -> None:
        self.failure = ""
        self._writer, self._start_s, self._is_all = writer, start_s, is_all
        self._waiting: list[AudioBlock] = []  # sound before the first picture
        self._has_begun = False

    def __enter__(self) -> Self:
        try:
            self._writer.__enter__()
        except EmofuseError as error:
            self._give_up(error)
        return self

    def draw(
        self,
        packets: Iterable[Packet],
        overlay: Overlay,
        moments: FilmMoments,
        on_progress: Callable[[float], None] | None = None,
        *,
        has_sound: bool = False,
    ) -> None:
        """Draw every picture, and encode it in a thread of its own.

        Args:
            packets: Of the recording, once more.
            overlay: What draws.
            moments: What to draw over each.
            on_progress: Takes the time reached.
            has_sound: Whether the sound is that of the packets; else the writer takes it from the recording.
        """

        def put(shown: _Shown) -> None:
            self._put(shown, overlay)

        def size_of(shown: _Shown) -> int:
            return packet_bytes(shown if isinstance(shown, AudioBlock) else shown[0])

        with WriteBehind(put, QUEUE_BYTES, size_of) as out:
            for packet in packets:
                if self.failure:
                    return
                if isinstance(packet, Frame):
                    out.put((packet, *moments.at(packet.time_s)))
                elif has_sound:
                    out.put(packet)
                if on_progress is not None:
                    on_progress(packet.time_s)

    def _put(self, shown: _Shown, overlay: Overlay) -> None:
        if self.failure:
            return
        try:
            if isinstance(shown, AudioBlock):
                self._waiting.append(replace(shown, time_s=max(shown.time_s - self._start_s, 0.0)))
            else:
                frame, moment, has_card = shown
                drawn = _drawn(overlay, frame, moment, has_card)
                self._writer.write_frame(drawn.at(frame.time_s - self._start_s))
                self._has_begun = True
            while self._has_begun and self._waiting:
                self._writer.write_sound(self._waiting.pop(0))
        except EmofuseError as error:
            self._writer.__exit__(type(error), error, error.__traceback__)
            self._give_up(error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.failure:
            return
        try:
            self._writer.__exit__(kind, error, trace)
        except EmofuseError as failure:
            self._give_up(failure)

    def _give_up(self, error: EmofuseError) -> None:
        if self._is_all or getattr(error.__cause__, "errno", None) in _DISK_ERRORS:
            raise error
        self.failure = str(error)


def _drawn(overlay: Overlay, frame: Frame, moment: Moment, has_card: bool) -> Frame:
    """Return a picture with what is drawn over it, encoded as it was where it is encoded."""
    if not isinstance(frame, YuvFrame):
        return Frame(overlay.draw(frame.image, moment, has_card=has_card), frame.time_s)
    canvas = YuvCanvas(frame)
    overlay.draw_on(canvas, moment, has_card=has_card)
    return canvas.frame()
