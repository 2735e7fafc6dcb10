"""What waits: the oldest pictures are dropped, sound never is."""

import numpy as np
import pytest

from emofuse.errors import LiveError
from emofuse.inference.packet_queue import MOST_FRAMES, MOST_SOUND_S, PacketQueue
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.types import AudioBlock, Frame, Line, Packet

BLACK = np.zeros((4, 4, 3), np.uint8)


def frame(time_s: float) -> Frame:
    return Frame(BLACK, time_s)


def second(time_s: float) -> AudioBlock:
    return AudioBlock(np.zeros(RATE_HZ, np.float32), RATE_HZ, time_s)


def emptied(backlog: PacketQueue, now_s: float) -> list[Packet | Line]:
    taken = []
    while (arrived := backlog.take(now_s)) is not None:
        taken.append(arrived.packet)
    return taken


def test_packets_come_out_in_the_order_of_time_sound_before_a_picture_of_its_time() -> None:
    backlog = PacketQueue(0.25)
    packets = [frame(0.0), frame(1.0), second(0.5), second(1.5), frame(1.5)]
    for packet in packets:
        backlog.put(packet, 0.0)
    assert [(type(p), p.time_s) for p in emptied(backlog, 0.0) if not isinstance(p, Line)] == [
        (Frame, 0.0),
        (AudioBlock, 0.5),
        (Frame, 1.0),
        (AudioBlock, 1.5),
        (Frame, 1.5),
    ]
    assert backlog.n_dropped == 0


def test_the_oldest_pictures_go_when_they_waited_too_long_and_the_newest_stays() -> None:
    backlog = PacketQueue(0.25)
    for i in range(10):
        backlog.put(frame(i / 10), i / 10)
    assert backlog.n_dropped == 7  # all that waited for more than 0.25 s at 0.9 s
    taken = emptied(backlog, 5.0)
    assert [p.time_s for p in taken if isinstance(p, Frame)] == [0.9]
    assert backlog.n_dropped == 9


def test_sound_is_never_dropped() -> None:
    backlog = PacketQueue(0.25)
    for i in range(20):
        backlog.put(second(i), i)
        backlog.put(frame(i), i)
    taken = emptied(backlog, 100.0)
    assert sum(isinstance(p, AudioBlock) for p in taken) == 20
    assert sum(isinstance(p, Frame) for p in taken) == 1


def test_a_flood_of_pictures_is_bounded() -> None:
    backlog = PacketQueue(0.25)
    for i in range(1000):
        backlog.put(frame(i / 1e6), 0.0)
    assert backlog.n_dropped == 1000 - MOST_FRAMES
    assert len(emptied(backlog, 0.0)) == MOST_FRAMES


def test_a_flood_of_sound_is_an_error_not_a_loss() -> None:
    backlog = PacketQueue(0.25)
    with pytest.raises(LiveError, match="sound are waiting"):
        for i in range(round(MOST_SOUND_S) + 1):
            backlog.put(second(i), 0.0)


def test_without_dropping_it_is_full_instead() -> None:
    backlog = PacketQueue(None)
    n = 0
    while not backlog.is_full:
        backlog.put(frame(n), 0.0)
        n += 1
    assert n == MOST_FRAMES
    assert len(emptied(backlog, 1e6)) == n and backlog.n_dropped == 0
    while not backlog.is_full:
        backlog.put(second(n), 0.0)
        n += 1
    emptied(backlog, 0.0)
    assert not backlog.is_full


def test_dropped_pictures_are_handed_out_where_they_are_kept() -> None:
    backlog = PacketQueue(0.25, keeps_dropped=True)
    backlog.put(frame(0.0), 0.9)
    assert [packet.time_s for packet in emptied(backlog, 0.9) if isinstance(packet, Frame)] == [0.0]
    for i in range(1, 4):
        backlog.put(frame(float(i)), 0.7)
    backlog.put(second(2.5), 0.9)
    backlog.put(frame(4.0), 1.0)
    taken = []
    while (arrived := backlog.take(1.0)) is not None:
        assert not isinstance(arrived.packet, Line)
        taken.append((type(arrived.packet), arrived.packet.time_s, arrived.is_dropped))
    assert taken == [
        (Frame, 1.0, True),
        (Frame, 2.0, True),
        (AudioBlock, 2.5, False),
        (Frame, 3.0, True),
        (Frame, 4.0, False),
    ]
    assert backlog.n_dropped == 3
    for i in range(10 * MOST_FRAMES):  # and no more of them than can be held
        backlog.put(frame(10.0 + i), 1.1)
    assert len(emptied(backlog, 1.2)) == 2 * MOST_FRAMES
    for i in range(9):
        backlog.put(frame(1000.0 + i), 5.0)
    taken_s = [packet.time_s for packet in emptied(backlog, 9.0) if isinstance(packet, Frame)]
    assert taken_s == [1008.0]  # nothing was analysed for too long
