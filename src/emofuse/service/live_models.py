"""The networks of the live sessions: loaded at the first one, and shared by all."""

from __future__ import annotations

import logging
import threading

from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.detector import DetectorMaker, detector_maker
from emofuse.inference.vad import SpeechMaker, speech_maker

_log = logging.getLogger(__name__)


class LiveModels:
    """Makes an Analyzer for each session. A detector of faces or of speech belongs to one stream, a network to none."""

    def __init__(self, bundle: str) -> None:
        self._name = bundle
        self._lock = threading.Lock()
        self._loaded: tuple[Bundle, DetectorMaker, SpeechMaker] | None = None

    def analyzer(self, settings: AnalyzerSettings) -> Analyzer:
        """Return an Analyzer for a new stream. Takes a while the first time; of any thread. Raises BundleError."""
        with self._lock:
            if self._loaded is None:
                bundle = load_bundle(self._name)
                self._loaded = bundle, detector_maker(_log.warning), speech_maker(_log.warning, bundle)
        bundle, make_detector, make_speech = self._loaded
        return Analyzer(bundle, make_detector(), settings, speech=make_speech())
