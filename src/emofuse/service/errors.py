"""What a client did that cannot be: a status code, a word for programs, and a line for people."""

from __future__ import annotations


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
