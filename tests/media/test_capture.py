"""Sources that wait for nobody. A camera here is OpenCV reading a recording, a microphone a made-up PortAudio."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from emofuse.errors import MediaError, UsageError
from emofuse.media import open_media
from emofuse.media.capture import Camera, Microphone, PacedFile
from emofuse.types import AudioBlock, Frame, Packet
from made_streams import SetClock


def test_a_camera_gives_rgb_pictures_at_the_time_they_came_and_an_error_when_it_is_gone(silent_film_mp4: Path) -> None:
    clock = SetClock()
    camera = Camera(str(silent_film_mp4), clock)
    taken: list[Packet] = []
    with pytest.raises(MediaError, match="stopped giving pictures"):
        for i, packet in enumerate(camera.packets()):
            taken.append(packet)
            clock.now_s = float(i + 1)
    assert [p.time_s for p in taken] == list(range(25))
    first = taken[0]
    assert isinstance(first, Frame) and first.image.shape == (48, 64, 3)
    red, green, blue = first.image[5, 5].tolist()
    assert red > 150 and green < 90 and blue < 90  # the upper left quarter is red
    assert not camera._camera.isOpened()


def test_a_camera_can_be_closed_while_it_is_read_and_before(silent_film_mp4: Path) -> None:
    camera = Camera(str(silent_film_mp4))
    packets = camera.packets()
    next(packets)
    camera.close()
    assert list(packets) == [] and not camera._camera.isOpened()
    unread = Camera(str(silent_film_mp4))
    unread.close()
    assert not unread._camera.isOpened()


def test_no_camera_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MediaError, match="camera 99 cannot be opened"):
        Camera(99)
    assert capfd.readouterr() == ("", "")


class PortAudio(ModuleType):
    """Stands for sounddevice: a device of 48 kHz that says 1, 2, 3, ... / 1e6, until it is unplugged after n blocks."""

    class PortAudioError(Exception):
        pass

    def __init__(self, n_blocks: int, clock: SetClock, late_s: dict[int, float] | None = None) -> None:
        super().__init__("sounddevice")
        module, late = self, late_s or {}
        self.open_streams = 0

        class InputStream:
            def __init__(self, rate: int, *, device: Any, channels: int, dtype: str) -> None:
                assert (rate, channels, dtype) == (48_000, 1, "float32")
                self.n = 0

            def start(self) -> None:
                module.open_streams += 1

            def read(self, n: int) -> tuple[np.ndarray, bool]:
                if self.n == n_blocks:
                    raise module.PortAudioError("Device unavailable")
                clock.now_s += n / 48_000 + late.get(self.n, 0.0)
                self.n += 1
                return np.full((n, 1), self.n / 1e3, np.float32), False

            def close(self) -> None:
                module.open_streams -= 1

        self.InputStream = InputStream

    def query_devices(self, device: Any, kind: str) -> dict[str, float]:
        if device == "none":
            raise ValueError("No input device matching 'none'")
        return {"default_samplerate": 48_000.0}


def listen(monkeypatch: pytest.MonkeyPatch, n: int, late_s: dict[int, float] | None = None) -> list[AudioBlock]:
    clock = SetClock()
    portaudio = PortAudio(n, clock, late_s)
    monkeypatch.setitem(sys.modules, "sounddevice", portaudio)
    blocks: list[AudioBlock] = []
    with pytest.raises(MediaError, match="microphone stopped: Device unavailable"):
        for packet in Microphone(now=clock).packets():
            assert isinstance(packet, AudioBlock)
            blocks.append(packet)
    assert portaudio.open_streams == 0
    return blocks


def test_a_microphone_gives_blocks_at_16_khz_without_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = listen(monkeypatch, 100)
    assert {block.rate_hz for block in blocks} == {16_000}
    assert blocks[0].time_s == pytest.approx(0.0, abs=1e-6)
    for a, b in pairwise(blocks):
        assert b.time_s == pytest.approx(a.end_s, abs=1e-6)
    assert blocks[-1].end_s == pytest.approx(3.2, abs=0.01)


def test_where_the_microphone_parts_from_the_clock_its_time_is_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = listen(monkeypatch, 100, {50: 0.1})
    assert blocks[-1].end_s == pytest.approx(3.2, abs=0.02)  # jitter is not drift
    blocks = listen(monkeypatch, 100, {50: 0.5})
    assert blocks[-1].end_s == pytest.approx(3.7, abs=0.02)


def test_no_microphone_and_no_sounddevice_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", PortAudio(1, SetClock()))
    with pytest.raises(MediaError, match="microphone none cannot be opened"):
        Microphone("none")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UsageError, match=r"emofuse\[live\]"):
        Microphone()


def test_a_file_is_handed_out_at_its_pace(talk_mp4: Path) -> None:
    clock = SetClock()
    clock.now_s = 100.0
    lag = []
    for packet in PacedFile(talk_mp4, now=clock, sleep=clock.sleep).packets():
        lag.append(clock.now_s - 100.0 - packet.time_s)
        clock.now_s += 0.001  # what its reader takes
    assert min(lag) > -1e-9 and max(lag) < 0.01


def test_unpaced_it_is_what_the_reader_gives_and_without_audio_only_pictures(talk_mp4: Path) -> None:
    with open_media(talk_mp4) as media:
        wanted = [(type(p), p.time_s) for p in media]
    assert [(type(p), p.time_s) for p in PacedFile(talk_mp4, is_paced=False).packets()] == wanted
    seen = PacedFile(talk_mp4, is_paced=False, has_audio=False)
    assert {type(p) for p in seen.packets()} == {Frame} and not seen.has_audio


def test_a_file_that_is_closed_stops_waiting(talk_mp4: Path) -> None:
    clock = SetClock()

    def close_soon(seconds: float) -> None:
        clock.now_s += seconds
        if clock.now_s > 0.5:
            source.close()

    source = PacedFile(talk_mp4, now=clock, sleep=close_soon)
    assert max(p.time_s for p in source.packets()) < 0.6


def test_a_file_that_was_closed_before_is_not_read(talk_mp4: Path) -> None:
    source = PacedFile(talk_mp4, is_paced=False)
    source.close()
    assert list(source.packets()) == []
