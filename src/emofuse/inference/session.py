"""From a recording to its timeline: `emofuse.analyze` and what the commands share with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from emofuse.inference.analyzer import (
    NO_AUDIO,
    NO_FACE,
    NO_PICTURE,
    NO_SPEECH,
    NO_TRANSCRIPT,
    Analyzer,
    AnalyzerSettings,
    Mode,
)
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.detector import FaceDetector, detector_maker
from emofuse.inference.fusion import fuse
from emofuse.media import open_media
from emofuse.timeline import SourceInfo, Summary, Timeline, mean_scores
from emofuse.types import MODALITIES, Frame, Moment, Packet, Scores

OnFrame = Callable[[Frame, Moment], None]
OnProgress = Callable[[float], None]  # takes the time reached, in seconds


def analyze(
    path: str | Path,
    *,
    bundle: str | Path = "base",
    device: str = "cpu",
    mode: Mode = "queue",
    hop_s: float | None = None,
) -> Timeline:
    """Analyse a recording with sound, picture or both, and return its timeline.

    mode "queue" gives a moment every `hop_s` over a sliding buffer, "frame" one for every frame. Raises
    MediaError for a file that cannot be read, BundleError for a bundle that cannot be loaded.
    """
    overrides = {} if hop_s is None else {"hop_s": hop_s}
    settings = AnalyzerSettings(mode=mode, **overrides)
    loaded = load_bundle(bundle, device)
    with open_media(path) as media:
        return run(media, media.source, loaded, detector_maker(_ignore)(), settings)


def run(
    packets: Iterable[Packet],
    source: SourceInfo,
    bundle: Bundle,
    detector: FaceDetector,
    settings: AnalyzerSettings,
    on_frame: OnFrame | None = None,
    on_progress: OnProgress | None = None,
) -> Timeline:
    """Push every packet through an Analyzer and gather the timeline.

    on_frame gets each frame with what to draw over it; on_progress the time reached. Neither may keep the frame.
    """
    analyzer = Analyzer(bundle, detector, settings)
    moments: list[Moment] = []
    for packet in packets:
        moments += analyzer.push(packet)
        if on_frame is not None and isinstance(packet, Frame):
            on_frame(packet, analyzer.view(packet.time_s))
        if on_progress is not None:
            on_progress(packet.time_s)
    moments += analyzer.flush()
    identity = {"name": bundle.manifest.name, "version": bundle.manifest.version}
    return Timeline(bundle.labels, tuple(moments), source, summarise(moments, source, bundle.weights), identity)


def summarise(moments: Sequence[Moment], source: SourceInfo, weights: Mapping[str, float]) -> Summary:
    """Average each modality over the moments, by quality, and fuse the averages."""
    means: dict[str, Scores | None] = {
        modality: mean_scores((m.by_modality[modality] for m in moments if modality in m.by_modality), modality)
        for modality in MODALITIES
    }
    absent = {
        "face": NO_FACE if source.has_video else NO_PICTURE,
        "voice": NO_SPEECH if source.has_audio else NO_AUDIO,
        "text": NO_TRANSCRIPT,
    }
    why: dict[str, str] = {modality: absent[modality] for modality in MODALITIES if means[modality] is None}
    return Summary(fuse({m: s for m, s in means.items() if s is not None}, weights), means, why)


def _ignore(notice: str) -> None:
    """Drop the detector's notice: a library call prints nothing."""
