"""emofuse: emotion from face, voice and words on video.

`emofuse.analyze(path)` returns the timeline of a recording; `emofuse.Pipeline` loads the networks once for many
recordings, and for streams.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from emofuse._moved import keep_old_paths

if TYPE_CHECKING:
    from emofuse.agreement import Agreement, agree
    from emofuse.errors import EmofuseError
    from emofuse.inference.load_model import load_model
    from emofuse.inference.pipeline import Pipeline, Stream, analyze
    from emofuse.inference.smoothing import SmoothingSettings
    from emofuse.inference.voice_measurements import measure_voice
    from emofuse.timeline import Timeline
    from emofuse.timelines import Timelines
    from emofuse.types import AudioBlock, Frame, Line

__all__ = [
    "Agreement",
    "AudioBlock",
    "EmofuseError",
    "Frame",
    "Line",
    "Pipeline",
    "SmoothingSettings",
    "Stream",
    "Timeline",
    "Timelines",
    "__version__",
    "agree",
    "analyze",
    "load_model",
    "measure_voice",
]

__version__ = "0.1.0"

_PLACES: Final = {
    "Agreement": "emofuse.agreement",
    "AudioBlock": "emofuse.types",
    "EmofuseError": "emofuse.errors",
    "Frame": "emofuse.types",
    "Line": "emofuse.types",
    "Pipeline": "emofuse.inference.pipeline",
    "SmoothingSettings": "emofuse.inference.smoothing",
    "Stream": "emofuse.inference.pipeline",
    "Timeline": "emofuse.timeline",
    "Timelines": "emofuse.timelines",
    "agree": "emofuse.agreement",
    "analyze": "emofuse.inference.pipeline",
    "load_model": "emofuse.inference.load_model",
    "measure_voice": "emofuse.inference.voice_measurements",
}


def __getattr__(name: str) -> Any:
    """Import what is public on first use: `emofuse --help` should not wait for OpenCV."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'emofuse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


keep_old_paths()
