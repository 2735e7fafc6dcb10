"""What a service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from emofuse.service.store import State


class Metrics:
    """The numbers of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.uploads = Counter("emofuse_uploads", "Uploads, by what came of them", ["code"], registry=self.registry)
        self.jobs = Counter("emofuse_jobs_ended", "Analyses that ended, by state", ["state"], registry=self.registry)
        self.job_s = Histogram(
            "emofuse_job_seconds",
            "How long analyses took",
            buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
            registry=self.registry,
        )
        self.waiting = Gauge("emofuse_jobs", "Analyses that there are, by state", ["state"], registry=self.registry)
        self.live = Gauge("emofuse_live_sessions", "Live sessions", registry=self.registry)
        self.live_moments = Counter("emofuse_live_moments", "Moments sent live", registry=self.registry)
        self.live_dropped = Counter("emofuse_live_dropped_frames", "Live frames dropped", registry=self.registry)

    def ended(self, state: str, spent_s: float) -> None:
        """Count an analysis that ended."""
        self.jobs.labels(state).inc()
        self.job_s.observe(spent_s)

    def count_jobs(self, counts: Mapping[State, int]) -> None:
        """Note how many analyses there are in each state."""
        for state, n in counts.items():
            self.waiting.labels(state).set(n)
