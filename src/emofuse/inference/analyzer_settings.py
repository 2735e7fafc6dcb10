"""What may be asked of an analyzer: how a stream becomes moments."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from emofuse.inference.answers import RISK
from emofuse.settings import Settings

Mode = Literal["queue", "frame"]


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
