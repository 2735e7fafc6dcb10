"""The networks of the live sessions: loaded at the first one, and shared by all."""

from __future__ import annotations

import threading

from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle, load_bundle


class LiveModels:
    """Makes an Analyzer for each session. A detector of faces or of speech belongs to one stream, a network to none."""

    def __init__(self, bundle: str) -> None:
        self._name = bundle
        self._lock = threading.Lock()
        self._loaded: Bundle | None = None

    def analyzer(self, settings: AnalyzerSettings) -> Analyzer:
        """Return an Analyzer for a new stream. Takes a while the first time; of any thread. Raises BundleError."""
        with self._lock:
            if self._loaded is None:
                self._loaded = load_bundle(self._name)
        return Analyzer(self._loaded, settings=settings)
