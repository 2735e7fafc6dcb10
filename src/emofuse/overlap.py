"""Work side by side: a thread that makes things ahead of who takes them, or takes them behind who gives them.

Decoders, networks and encoders of the libraries release Python's lock while they work, so that threads are enough to
keep every core busy. Each thread has one bounded queue, so that memory stays constant however far apart the two sides
are in speed; order is kept; and when a `with` block is left, however that came about, its thread has ended.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

_WAKE_S: Final = 0.1  # how often who waits looks up, so that Ctrl-C is heard on every platform

T = TypeVar("T")


class _Queue(Generic[T]):
    """Things on their way from one thread to another; a thing that alone is larger than the room still passes."""

    def __init__(self, room: int, size_of: Callable[[T], int]) -> None:
        self._room, self._size_of = room, size_of
        self._waiting: deque[tuple[T, int]] = deque()
        self._taken_up = 0
        self._changed = threading.Condition()
        self._is_over = False  # nothing more is put
        self._is_left = False  # nothing more is taken
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Wait for room and put an item in; False where nobody takes it any more."""
        size = max(self._size_of(item), 1)
        with self._changed:
            while self._waiting and self._taken_up + size > self._room and not self._is_left:
                self._changed.wait(_WAKE_S)
            if self._is_left:
                return False
            self._waiting.append((item, size))
            self._taken_up += size
            self._changed.notify_all()
        return True

    def take(self) -> T:
        """Return what was put first. Raises StopIteration at the end, or, once, what ended it where something did."""
        with self._changed:
            while not self._waiting and not self._is_over and not self._is_left:
                self._changed.wait(_WAKE_S)
            if self._waiting:
                item, size = self._waiting.popleft()
                self._taken_up -= size
                self._changed.notify_all()
                return item
        error, self._error = self._error, None
        raise StopIteration if error is None else error

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing more is put, and why, where that is an error."""
        with self._changed:
            self._is_over, self._error = True, error or self._error
            self._changed.notify_all()

    def leave(self, error: BaseException | None = None) -> None:
        """Say that nothing more is taken, and why, where that is an error; what waits is dropped."""
        with self._changed:
            self._is_left, self._error = True, error or self._error
            self._waiting.clear()
            self._taken_up = 0
            self._changed.notify_all()

    def raise_error(self) -> None:
        """Raise the error that either side ended with, if there is one."""
        if self._error is not None:
            raise self._error


class ReadAhead(Generic[T]):
    """Iterates over `items` in a thread of its own, which is ahead of whoever iterates over this.

    What `items` raises is raised where it would have been without the thread: after the items before it.

    Args:
        items: What to iterate over; only the thread touches it, until the block is left.
        room: How much may wait, in units of `size_of`: items, or bytes.
        size_of: The size of an item; by default each counts as one.

    Example:
        >>> with ReadAhead(range(5), room=2) as numbers:
        ...     list(numbers)
        [0, 1, 2, 3, 4]
    """

    def __init__(self, items: Iterable[T], room: int = 4, size_of: Callable[[T], int] = lambda _: 1) -> None:
        self._items = items
        self._queue: _Queue[T] = _Queue(room, size_of)
        self._thread = threading.Thread(target=self._read, name="emofuse read ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.leave()
        self._thread.join()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return self._queue.take()

    def _read(self) -> None:
        try:
            for item in self._items:
                if not self._queue.put(item):
                    return
                del item  # a picture must not live on while the next one is made
        except BaseException as error:  # noqa: BLE001 (it is raised to whoever iterates, whatever it is)
            self._queue.end(error)
        else:
            self._queue.end()


class WriteBehind(Generic[T]):
    """Calls `work` for each item that `put` is given, in order, in a thread of its own.

    What `work` raises is raised by the next `put`, or on leaving the block; no item after it is worked on. The block
    ends when all items are done; when it is left by an exception, those that wait are dropped.

    Args:
        work: What to do with an item; only the thread calls it.
        room: How much may wait, in units of `size_of`: items, or bytes.
        size_of: The size of an item; by default each counts as one.

    Example:
        >>> done = []
        >>> with WriteBehind(done.append, room=2) as behind:
        ...     for number in range(5):
        ...         behind.put(number)
        >>> done
        [0, 1, 2, 3, 4]
    """

    def __init__(self, work: Callable[[T], object], room: int = 4, size_of: Callable[[T], int] = lambda _: 1) -> None:
        self._work = work
        self._queue: _Queue[T] = _Queue(room, size_of)
        self._thread = threading.Thread(target=self._write, name="emofuse write behind", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._queue.leave()
            self._thread.join()
            return
        self._queue.end()
        try:
            self._thread.join()
        except BaseException:  # Ctrl-C while the last items are worked on
            self._queue.leave()
            raise
        self._queue.raise_error()

    def put(self, item: T) -> None:
        """Hand an item over; waits while too many wait already. Raises what `work` raised for one before it."""
        if not self._queue.put(item):
            self._queue.raise_error()

    def _write(self) -> None:
        try:
            while True:
                try:
                    item = self._queue.take()
                except StopIteration:
                    return
                self._work(item)
                del item  # a picture must not live on while the next one is waited for
        except BaseException as error:  # noqa: BLE001 (it is raised to whoever puts, whatever it is)
            self._queue.leave(error)
