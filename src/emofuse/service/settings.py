"""What a service allows, and where it listens."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import Field

from emofuse.config import Settings
from emofuse.errors import UsageError

MEGABYTE = 1_000_000


class ServiceSettings(Settings):
    """Limits of a service. folder: of the recordings that wait and of the results; it may be a disk's own.

    workers: recordings that are analysed at once, each in a process that gets job_memory_mb and job_timeout_s.
    stall_s: how long an upload may send nothing; least_bytes_s: and how slow it may be on the whole. keep_s: how
    long results are there; a recording is deleted as soon as it has been analysed. origins: pages of other sites
    that may use the service.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    token: str | None = Field(None, min_length=16)
    origins: tuple[str, ...] = ()
    folder: Path
    bundle: str = "base"
    max_upload_mb: float = Field(500.0, gt=0)
    max_duration_s: float = Field(3600.0, gt=0)
    max_queue: int = Field(64, ge=1)
    workers: int = Field(1, ge=1)
    job_timeout_s: float = Field(3600.0, gt=0)
    job_memory_mb: float = Field(3000.0, ge=100)
    keep_s: float = Field(3600.0, gt=0)
    stall_s: float = Field(15.0, gt=0)
    least_bytes_s: float = Field(10_000.0, ge=0)
    max_live: int = Field(2, ge=0)
    max_live_s: float = Field(3600.0, gt=0)

    @property
    def is_loopback(self) -> bool:
        """Whether nobody on another machine can reach the service."""
        return is_loopback(self.host)

    def check(self) -> None:
        """Raise UsageError where strangers could use the service: an address that is not this machine's, no token."""
        if not self.is_loopback and self.token is None:
            raise UsageError(
                f"{self.host} can be reached from other machines, and there is no token",
                "set EMOFUSE_TOKEN to a long random text, or listen on 127.0.0.1",
            )


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
