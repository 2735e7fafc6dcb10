"""From a recording to its timeline: `emofuse.analyze` and what the commands share with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from emofuse.inference.analyzer import Analyzer, AnalyzerSettings, Mode
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.detector import FaceDetector, detector_maker
from emofuse.inference.fusion import fuse
from emofuse.inference.reasons import NO_NETWORK, NO_TRANSCRIPT, no_face, no_speech
from emofuse.media import open_media
from emofuse.timeline import SourceInfo, Summary, Timeline, mean_scores
from emofuse.types import ALWAYS_LISTED, MODALITIES, Frame, Moment, Packet, Scores

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
    listed = [modality for modality in MODALITIES if modality in ALWAYS_LISTED or modality in weights]
    means: dict[str, Scores | None] = {
        modality: mean_scores((m.by_modality[modality] for m in moments if modality in m.by_modality), modality)
        for modality in listed
    }
    silent: list[str] = [modality for modality in listed if means[modality] is None]
    why = {modality: _why_not(modality, moments, source, weights) for modality in silent}
    return Summary(fuse({m: s for m, s in means.items() if s is not None}, weights), means, why)


def _why_not(modality: str, moments: Sequence[Moment], source: SourceInfo, weights: Mapping[str, float]) -> str:
    """Say why a modality gave no answer in the whole recording."""
    if modality == "text":
        return NO_TRANSCRIPT
    if modality not in weights:
        return NO_NETWORK
    if modality == "voice":
        return no_speech(source.has_audio)
    reasons = Counter(m.why[modality] for m in moments if modality in m.why)
    is_clip = modality == "clip" and reasons  # whether it hears is in the reasons of its moments
    return reasons.most_common(1)[0][0] if is_clip else no_face(source.has_video)


def _ignore(notice: str) -> None:
    """Drop the detector's notice: a library call prints nothing."""
