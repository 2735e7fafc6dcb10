"""Analyse one photo and write its outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.bundle import Bundle
from emofuse.inference.inputs import InputOptions, open_input
from emofuse.inference.session import run
from emofuse.media import MOST_PIXELS
from emofuse.outputs.formats import get_format
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.marks import mark_file, recording_id
from emofuse.outputs.overlay import Overlay, OverlaySettings
from emofuse.outputs.timeline_image import write_picture
from emofuse.recordings.plan import Task
from emofuse.timeline import Timeline
from emofuse.types import Frame, Moment


def analyze_photo(
    task: Task,
    kinds: tuple[str, ...],
    bundle: Bundle,
    settings: AnalyzerSettings,
    overlay: OverlaySettings,
    max_pixels: int = MOST_PIXELS,
    call: str = "",
) -> tuple[Timeline, tuple[Path, ...]]:
    """Analyse `task.source`, and write these formats of it; the PNG is the photo with its boxes.

    Args:
        task: The photo.
        kinds: What to write, of `Task.kinds`.
        bundle: The networks.
        settings: Of the analysis; its mode is of no matter.
        overlay: What is drawn.
        max_pixels: A larger photo is refused.
        call: The command that asks for it.

    Returns:
        Its timeline, of one moment, and the files that were written.

    Raises:
        MediaError: It cannot be read.
        OutputError: A file cannot be written.
    """
    frames: list[Frame] = []

    def keep(frame: Frame, moment: Moment) -> None:
        frames.append(frame)

    still = settings.model_copy(update={"mode": "frame"})
    with open_input(task.source, InputOptions(max_pixels=max_pixels)) as media:
        timeline = run(media, media.source, bundle, still, keep, call=call)
    if task.shown_as is not None:
        timeline = replace(timeline, source=replace(timeline.source, path=task.shown_as))
    recording = recording_id(task.source)
    for kind in kinds:
        path, write = task.target(kind), get_format(kind).write
        if kind == "png":
            drawn = Overlay(overlay, has_bar=False).draw(frames[0].image, timeline.moments[0])
            write_picture(drawn, timeline, path)
        elif write is not None:
            write(timeline, path, MediaLinks.between(task.source, path))
        mark_file(kind, path, recording)
    return timeline, tuple(task.target(kind) for kind in kinds)
