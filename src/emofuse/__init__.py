"""emofuse: emotion from face, voice and words on video.

`emofuse.analyze(path)` returns the timeline of a recording; `emofuse.Pipeline` loads the networks once for many
recordings, and for streams.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emofuse.inference.pipeline import Pipeline, analyze
    from emofuse.timeline import Timeline

__all__ = ["Pipeline", "Timeline", "__version__", "analyze"]

__version__ = "0.1.0"

_PLACES = {
    "Pipeline": "emofuse.inference.pipeline",
    "Timeline": "emofuse.timeline",
    "analyze": "emofuse.inference.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import what is public on first use: `emofuse --help` should not wait for OpenCV."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'emofuse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
