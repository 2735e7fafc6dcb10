"""emofuse: emotion from face, voice and words on video.

`emofuse.analyze(path)` returns the timeline of a recording.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emofuse.inference.session import analyze
    from emofuse.timeline import Timeline

__all__ = ["Timeline", "__version__", "analyze"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is public on first use: `emofuse --help` should not wait for OpenCV."""
    if name == "analyze":
        from emofuse.inference.session import analyze

        return analyze
    if name == "Timeline":
        from emofuse.timeline import Timeline

        return Timeline
    raise AttributeError(f"module 'emofuse' has no attribute {name!r}")
