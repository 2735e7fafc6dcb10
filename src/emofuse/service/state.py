"""What the endpoints of a service share: settings, queue, runner, counters, and the networks of live sessions."""

from __future__ import annotations

import threading
from typing import cast

from starlette.requests import HTTPConnection

from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.service.prometheus import Metrics
from emofuse.service.runner import Runner
from emofuse.service.settings import ServiceSettings
from emofuse.service.store import JobStore


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


class AppState:
    """What the endpoints work with: one of each for a service, as `app.state.service`."""

    def __init__(self, settings: ServiceSettings, store: JobStore, runner: Runner, metrics: Metrics) -> None:
        self.settings = settings
        self.store = store
        self.runner = runner
        self.metrics = metrics
        self.models = LiveModels(settings.bundle)
        self.n_sockets = 0  # WebSockets, with those that have not begun
        self.n_live = 0


def get_state(connection: HTTPConnection) -> AppState:
    """Return the state of the service that got a request or a WebSocket."""
    return cast(AppState, connection.app.state.service)
