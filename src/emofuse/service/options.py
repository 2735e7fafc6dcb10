"""What may be asked of an analysis, in the address or in the fields of a form."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, Field

from emofuse.inference.analyzer import AnalyzerSettings, Mode
from emofuse.outputs.formats import FORMATS
from emofuse.outputs.overlay import Detail

OFFERED: Final = tuple(name for name, format in FORMATS.items() if not format.is_extra)
_DEFAULTS: Final = AnalyzerSettings()
_ONE: Final = f"({'|'.join(OFFERED)})"


class SubmitOptions(BaseModel):
    """How to analyse a recording, and what to call it."""

    name: str | None = Field(
        None,
        max_length=300,
        description="What to call it; by default the name of a form's file.",
        examples=["interview.mp4"],
    )
    mode: Mode = Field(_DEFAULTS.mode, description="queue: a moment every hop_s; frame: one for every frame.")
    hop_s: float = Field(_DEFAULTS.hop_s, ge=0.05, le=60, allow_inf_nan=False, description="Seconds between moments.")
    formats: str | None = Field(
        None,
        pattern=f"^{_ONE}(,{_ONE})*$",
        max_length=200,
        description="What to write, joined by commas; everything by default. JSON is always written.",
        examples=["html,csv"],
    )
    annotate: bool = Field(True, description="Also make the video with boxes and labels.")
    overlay: Detail = Field(
        "full",
        description="On that video: boxes and a card with every modality (full), with the fused answer alone "
        "(simple), boxes only (boxes), or nothing (none).",
    )
    blur_faces: bool = Field(False, description="Make the faces on that video unrecognisable.")
    smooth: bool = Field(False, description="Smooth the labels from moment to moment.")
    transcribe: bool = Field(
        False,
        description="Recognise speech if there is no transcript; `asr` in /v1/health shows whether this is possible.",
    )
    language: str | None = Field(
        None, pattern="^[a-z]{2,3}$", description="What is spoken, for the recogniser, as `en`; else it finds out."
    )
    measure_faces: bool = Field(
        False,
        description="Also measure every face: head, gaze, blinks, 52 movements; where the service allows it.",
    )
    audio_track: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="The sound track to listen to; by default the default one, or one with speech.",
    )
