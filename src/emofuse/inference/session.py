"""From a recording to its timeline: what `Pipeline` and the commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from emofuse import __version__
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.bundle import Bundle
from emofuse.inference.modalities.base import Modality, TextScorer
from emofuse.inference.modalities.registry import MODALITIES
from emofuse.inference.people import TrackRecord
from emofuse.inference.people_clustering import assign_people
from emofuse.inference.people_summary import assign_lines, name_faces, people_of
from emofuse.inference.smoothing import Smoother, SmoothingSettings
from emofuse.media import Span
from emofuse.overlap import ReadAhead
from emofuse.provenance import Provenance, TranscriptOrigin
from emofuse.timeline import SourceInfo, Summary, Timeline, mean_scores, strongest
from emofuse.transcripts import Transcript, read_transcript
from emofuse.types import Embedding, FaceMeasurement, Frame, Line, Moment, Packet, Scores, in_order

OnFrame = Callable[[Frame, Moment], None]
OnProgress = Callable[[float], object]  # takes the time reached, in seconds

QUEUE_BYTES: Final = 16_000_000  # of packets that wait between two threads: five pictures of 1280 x 720


def packet_bytes(packet: Packet) -> int:
    """Return how much memory a packet takes."""
    return packet.n_bytes if isinstance(packet, Frame) else packet.samples.nbytes


def read_ahead(packets: Iterable[Packet]) -> ReadAhead[Packet]:
    """Decode in a thread of its own, ahead of the analysis. Use the result in a `with` block, inside that of the media.

    The packets, their order and what they raise are the same as without it.
    """
    return ReadAhead(packets, QUEUE_BYTES, packet_bytes)


def fitted(
    transcript: Transcript | str | Path | None, source: SourceInfo, span: Span | None = None
) -> Transcript | None:
    """Read a transcript where it is a file, and leave out what is after the end of the recording, or not in the stretch
    of it that is analysed.

    Raises TranscriptError where it cannot be read, or none of it is of the recording.
    """
    if isinstance(transcript, str | Path):
        transcript = read_transcript(transcript, source.duration_s)
    elif transcript is not None:
        transcript = transcript.within(source.duration_s)
    return transcript if transcript is None or span is None else transcript.between(span.start_s, span.end_s)


def run(
    packets: Iterable[Packet],
    source: SourceInfo | Callable[[], SourceInfo],
    bundle: Bundle,
    settings: AnalyzerSettings,
    on_frame: OnFrame | None = None,
    on_progress: OnProgress | None = None,
    *,
    transcript: Transcript | None = None,
    scorer: TextScorer | None = None,
    smoothing: SmoothingSettings | None = None,
    span: Span | None = None,
    call: str = "",
) -> Timeline:
    """Push every packet through an Analyzer and gather the timeline.

    source: what they are of, or what tells it when they have all come.
    on_frame gets each frame with what to draw over it; on_progress the time reached.
    transcript: what is said in the recording; scorer: of text, in place of the bundle's network; smoothing: steadies
    the labels from moment to moment; span: of the recording that the packets are, for the provenance; call: the
    command, or the call in Python, that asked for it.
    """
    lines = None if transcript is None else transcript.lines
    analyzer = Analyzer(bundle, settings=settings, lines=lines, scorer=scorer)
    smoother = None if smoothing is None else Smoother(smoothing)
    course = Course(analyzer)
    for packet in packets:
        made = analyzer.push(packet)
        course.add(made if smoother is None else map(smoother.push, made))
        if isinstance(packet, Frame):
            course.measurements += analyzer.face_measurements
        if on_frame is not None and isinstance(packet, Frame):
            view = analyzer.view(packet.time_s)
            on_frame(packet, view if smoother is None else smoother.apply_to_view(view))
        if on_progress is not None:
            on_progress(packet.time_s)
    made = analyzer.flush()
    course.add(made if smoother is None else map(smoother.push, made))
    how = provenance_of(analyzer, call, transcript, smoothing, span)
    return course.timeline(source if isinstance(source, SourceInfo) else source(), how)


class Course:
    """Gathers what an Analyzer gives of a stream, moment by moment, into its timeline.

    Attributes:
        measurements: Of faces, where they are measured.
        tracks: Of faces, which have ended.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        """Begin with nothing. analyzer: whose moments will be added."""
        self.measurements: list[FaceMeasurement] = []
        self._analyzer = analyzer
        self._moments: list[Moment] = []
        self.tracks: list[TrackRecord] = []
        self._embedded: list[Embedding] = []
        self._speakers: list[tuple[float, int]] = []

    def add(self, moments: Iterable[Moment]) -> None:
        """Add the moments that the latest packet completed, and what the Analyzer knows beside them."""
        self._moments += moments
        self.tracks += self._analyzer.take_tracks()
        self._embedded += self._analyzer.take_embeddings()
        self._speakers += self._analyzer.take_speakers()

    def timeline(self, source: SourceInfo, provenance: Provenance, lines: Sequence[Line] | None = None) -> Timeline:
        """Return the timeline of the stream, which has ended.

        Args:
            source: What was analysed.
            provenance: How that came about.
            lines: That were recognised while it went on, in the order of time: they count when they are said, as those
                of a transcript do; None for those of the Analyzer's own transcript.
        """
        analyzer, moments = self._analyzer, self._moments
        if lines is not None:
            analyzer = Analyzer(analyzer.bundle, settings=analyzer.settings, lines=lines)
            moments = [analyzer.with_words(moment) for moment in moments]
        told = assign_people(self.tracks)
        moments = name_faces(moments, told, self._speakers)
        said = assign_lines(analyzer.scored_lines(), moments)
        people = people_of(moments, self.tracks, told, analyzer.answers, analyzer.bundle.labels, source, said)
        return replace(
            timeline_of(moments, source, analyzer, provenance),
            lines=said,
            face_measurements=tuple(self.measurements),
            embedded=tuple(self._embedded),
            people=people,
        )


def provenance_of(
    analyzer: Analyzer,
    call: str,
    transcript: Transcript | None = None,
    smoothing: SmoothingSettings | None = None,
    span: Span | None = None,
    words: TranscriptOrigin | None = None,
) -> Provenance:
    """Return how what an Analyzer gave came about; models of the Hub are known once it has used them.

    words: where they came from, without a transcript.
    """
    manifest = analyzer.bundle.manifest
    settings = analyzer.settings.model_dump(mode="json")
    settings["smoothing"] = None if smoothing is None else smoothing.model_dump(mode="json")
    if span is not None and not span.is_whole:
        settings |= {"start_s": span.start_s, "end_s": span.end_s}
    if transcript is not None:
        words = transcript.origin or TranscriptOrigin("given", "a transcript made in Python")
    return Provenance.now(
        __version__,
        call,
        settings=settings,
        bundle={"name": manifest.name, "version": manifest.version},
        device=analyzer.bundle.device,
        models=analyzer.models(),
        transcript=words,
    )


def timeline_of(
    moments: Sequence[Moment], source: SourceInfo, analyzer: Analyzer, provenance: Provenance | None = None
) -> Timeline:
    """Gather what an Analyzer gave of a source, which has ended, into its timeline."""
    manifest = analyzer.bundle.manifest
    identity = {"name": manifest.name, "version": manifest.version}
    summary = summarise(moments, source, analyzer.answers)
    return Timeline(analyzer.bundle.labels, tuple(moments), source, summary, identity, provenance=provenance)


def summarise(moments: Sequence[Moment], source: SourceInfo, answers: AnswerMaker) -> Summary:
    """Average each modality over the moments, by quality, and fuse the averages; the face over its strongest ones."""
    kinds: dict[str, type[Modality]] = {kind.name: kind for kind in MODALITIES}
    listed = in_order((*(name for name, kind in kinds.items() if kind.is_always_listed), *answers.weights))
    found = {name: [m.by_modality[name] for m in moments if name in m.by_modality] for name in listed}
    means: dict[str, Scores | None] = {
        modality: mean_scores(strongest(scores) if modality == "face" else scores, modality)
        for modality, scores in found.items()
    }
    why: dict[str, str] = {}
    for name in listed:
        if means[name] is None:
            reasons = [m.why[name] for m in moments if name in m.why]
            why[name] = kinds.get(name, Modality).summary_reason(reasons, source, has_model=name in answers.weights)
    told, fused = answers.fuse({m: s for m, s in means.items() if s is not None})
    return Summary(fused, {m: told.get(m) for m in means}, why)
