"""Two sides of a queue: order, bounds, errors at once, and no thread that stays behind."""

import signal
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from emofuse.overlap import ReadAhead, WriteBehind


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def wait_until(condition: object) -> None:
    assert callable(condition)
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about within 5 s")


def test_what_is_read_ahead_comes_in_its_order() -> None:
    with ReadAhead(range(1000), room=3) as numbers:
        assert list(numbers) == list(range(1000))
        assert next(numbers, None) is None  # over is over


def test_it_reads_while_nobody_takes_and_no_further_than_there_is_room() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    with ReadAhead(items(), room=3) as numbers:
        wait_until(lambda: len(read) == 4)  # three wait, and the next one is in hand
        time.sleep(0.05)
        assert len(read) == 4
        assert next(numbers) == 0
        wait_until(lambda: len(read) == 5)
        time.sleep(0.05)
        assert len(read) == 5


def test_room_is_counted_in_sizes_and_a_giant_passes_alone() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for size in (30, 30, 30, 500, 500, 30):
            read.append(size)
            yield size

    with ReadAhead(items(), room=100, size_of=lambda size: size) as sizes:
        wait_until(lambda: len(read) == 4)
        time.sleep(0.05)
        assert len(read) == 4  # a giant has no room beside three others
        assert list(sizes) == [30, 30, 30, 500, 500, 30]


def test_an_error_comes_after_the_items_before_it_and_only_once() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise LookupError("broken")

    with ReadAhead(items()) as numbers:
        assert [next(numbers), next(numbers)] == [1, 2]
        with pytest.raises(LookupError, match="broken"):
            next(numbers)
        assert next(numbers, None) is None


def test_leaving_early_ends_the_reader_whatever_it_waits_for() -> None:
    n_read = 0

    def endless() -> Iterator[int]:
        nonlocal n_read
        while True:
            n_read += 1
            yield n_read

    with ReadAhead(endless(), room=2) as numbers:
        assert next(numbers) == 1
    assert n_read <= 5
    assert next(numbers, None) is None
    with pytest.raises(KeyError), ReadAhead(endless(), room=2):
        raise KeyError("the consumer fails")


def test_a_generator_that_is_closed_early_leaves_no_thread() -> None:
    def doubled() -> Iterator[int]:
        with ReadAhead(iter(range(10**9)), room=2) as numbers:
            for number in numbers:
                yield 2 * number

    results = doubled()
    assert [next(results), next(results)] == [0, 2]
    results.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("emofuse read")]


def test_ctrl_c_is_heard_while_the_reader_is_slow() -> None:
    over = threading.Event()

    def slow() -> Iterator[int]:
        over.wait(5)
        yield 1

    def press() -> None:
        time.sleep(0.1)
        over_soon = threading.Timer(0.2, over.set)
        over_soon.start()
        signal.raise_signal(signal.SIGINT)
        over_soon.join()

    presser = threading.Thread(target=press)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), ReadAhead(slow()) as numbers:
        presser.start()
        next(numbers)
    presser.join()
    assert time.monotonic() - started < 3


def test_no_item_is_kept_once_it_was_taken() -> None:
    class Thing:
        pass

    with ReadAhead((Thing() for _ in range(3)), room=1) as things:
        held = weakref.ref(next(things))
        wait_until(lambda: held() is None)


def test_what_is_written_behind_is_done_in_order_by_the_end_of_the_block() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.001)
        done.append(number)

    with WriteBehind(work, room=5) as behind:
        for number in range(50):
            behind.put(number)
    assert done == list(range(50))


def test_who_puts_waits_for_room() -> None:
    may_work = threading.Semaphore(0)
    put: list[int] = []

    def give(behind: WriteBehind[int]) -> None:
        for number in range(6):
            behind.put(number)
            put.append(number)

    with WriteBehind(lambda _: may_work.acquire(), room=2) as behind:
        giver = threading.Thread(target=give, args=(behind,))
        giver.start()
        wait_until(lambda: len(put) == 3)  # one is worked on, two wait
        time.sleep(0.05)
        assert len(put) == 3
        may_work.release(6)
        giver.join()
        assert len(put) == 6


def test_an_error_of_the_work_is_raised_by_the_next_put_and_nothing_more_is_done() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 3:
            raise OSError("the disk is full")
        done.append(number)

    n_put = 0
    with pytest.raises(OSError, match="disk is full"), WriteBehind(work, room=2) as behind:
        for number in range(10_000):
            behind.put(number)
            n_put += 1
    assert done == [0, 1, 2] and n_put <= 6


def test_an_error_of_the_last_item_is_raised_at_the_end_of_the_block() -> None:
    def work(number: int) -> None:
        raise OSError("too late")

    with pytest.raises(OSError, match="too late"), WriteBehind(work) as behind:
        behind.put(1)


def test_what_waits_is_dropped_when_the_giver_fails() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        begun.set()
        go_on.wait(5)
        done.append(number)

    with pytest.raises(KeyError), WriteBehind(work, room=4) as behind:
        for number in range(4):
            behind.put(number)
        begun.wait(5)
        threading.Timer(0.05, go_on.set).start()
        raise KeyError("the giver fails")
    assert done == [0]
