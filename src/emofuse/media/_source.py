"""What the live sources have in common: each is read by one reader, and lets its device go once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from emofuse.types import Packet


class LiveSource(ABC):
    """A PacketSource whose device is let go by its reader, when that ends, or by `close` where nobody reads it: a
    device that is let go while it is read crashes."""

    def __init__(self) -> None:
        self._is_closed = self._is_read = False

    def packets(self) -> Iterator[Packet]:
        """See PacketSource. After `close` there are none."""
        if self._is_closed:
            return
        self._is_read = True
        try:
            yield from self._read()
        finally:
            self._release()

    def close(self) -> None:
        """See PacketSource."""
        self._is_closed = True
        if not self._is_read:
            self._release()

    @abstractmethod
    def _read(self) -> Iterator[Packet]:
        """Yield packets until `_is_closed`."""

    @abstractmethod
    def _release(self) -> None:
        """Let the device go; it may be asked for twice."""
