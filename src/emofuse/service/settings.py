"""What a service allows, and where it listens."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from emofuse.errors import UsageError
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.answers import RISK
from emofuse.inference.asr import MODEL
from emofuse.settings import Settings

MEGABYTE: Final = 1_000_000
_TOKEN: Final = r"^[!-~]{16,500}$"


def _is_origin(text: str) -> str:
    parts = urlsplit(text.lower())
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or text.lower() != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ValueError("an origin is http://name or https://name, with a port where it is unusual, and nothing more")
    return text.lower()


class ServiceSettings(Settings):
    """Limits of a service. folder: of the recordings that wait and of the results; it may be a disk's own.

    token: what clients show; printable ASCII, as it travels in a header. origins: other sites whose pages may use the
    service, and by whose names it may be called. asr_model: recognises speech, where that is asked for. workers:
    recordings that are analysed at once, each in a process that gets job_timeout_s and job_memory_mb of address space
    (networks and threads alone take 600), and writes no file larger than job_file_mb. stall_s: how long an upload may
    send nothing; least_bytes_s: and how slow it may be on the whole. keep_s: how long results are there; a recording
    is deleted as soon as it has been analysed. risk, coverage, prior: of all answers, as `AnalyzerSettings` has them.
    measure_faces: whether clients may ask for that; live_asr: whether live ones may have their speech recognised.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    token: str | None = Field(None, pattern=_TOKEN, repr=False)
    origins: tuple[Annotated[str, AfterValidator(_is_origin)], ...] = ()
    folder: Path
    bundle: str = "base"
    asr_model: str = MODEL
    max_upload_mb: float = Field(500.0, gt=0)
    max_duration_s: float = Field(3600.0, gt=0)
    max_megapixels: float = Field(36.0, gt=0)  # of a picture: 8K has 33
    max_queue: int = Field(64, ge=1)
    workers: int = Field(1, ge=1)
    job_timeout_s: float = Field(3600.0, gt=0)
    job_memory_mb: float = Field(3000.0, ge=700)
    job_file_mb: float = Field(4000.0, gt=0)
    keep_s: float = Field(3600.0, gt=0)
    stall_s: float = Field(15.0, gt=0)
    least_bytes_s: float = Field(10_000.0, ge=0)
    max_live: int = Field(2, ge=0)
    max_live_s: float = Field(3600.0, gt=0)
    risk: float = Field(RISK, gt=0, le=1)
    coverage: float | None = Field(None, ge=0.5, le=0.99)
    prior: Literal["flat", "corpus"] | dict[str, float] = "flat"
    measure_faces: bool = False
    live_asr: bool = False

    @property
    def answers(self) -> dict[str, Any]:
        """What is asked of every answer, as JSON can hold it."""
        return {"risk": self.risk, "coverage": self.coverage, "prior": self.prior}

    def analyzer(self, **asked: Any) -> AnalyzerSettings:
        """Return the settings of an analysis. asked: what its client asks for."""
        return AnalyzerSettings(**self.answers, **asked)

    @property
    def is_loopback(self) -> bool:
        """Whether nobody on another machine can reach the service."""
        return is_loopback(self.host)

    def is_named(self, host: str) -> bool:
        """Whether a Host header (a name or an address, and maybe a port) is one of this service's."""
        if not self.is_loopback:  # it has names that it does not know
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or host.lower() in {urlsplit(origin).netloc for origin in self.origins}

    def check(self) -> None:
        """Raise UsageError where strangers could use the service: an address that is not this machine's, no token."""
        if not self.is_loopback and self.token is None:
            raise UsageError(
                f"{self.host or 'every address'} can be reached from other machines, and there is no token",
                "set EMOFUSE_TOKEN to a long random text, or listen on 127.0.0.1",
            )


def is_fit_token(text: str) -> bool:
    """Whether a text can be a token."""
    return re.fullmatch(_TOKEN, text) is not None


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
