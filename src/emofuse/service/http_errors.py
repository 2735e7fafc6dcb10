"""What a client did that cannot be: a status code, a word for programs, and a line for people."""

from __future__ import annotations

import json


class RefusedError(Exception):
    """A request that is refused. retry_s: when it may be worth another try."""

    def __init__(self, status: int, code: str, message: str, retry_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_s = retry_s

    def body(self) -> dict[str, dict[str, str]]:
        """Return the JSON that says so."""
        return {"error": {"code": self.code, "message": self.message}}

    def body_bytes(self) -> bytes:
        """Return the JSON as it is sent."""
        return json.dumps(self.body()).encode()

    def headers(self) -> dict[str, str]:
        """Return the headers that go with it."""
        headers = {"content-type": "application/json"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.retry_s is not None:
            headers["retry-after"] = str(round(self.retry_s + 0.5))
        return headers
