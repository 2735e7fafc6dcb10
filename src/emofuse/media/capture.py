"""Sources of packets that wait for nobody: a camera, a microphone, a file at its pace (`network` has streams).

Each is opened when it is made, so that what is wrong shows then, and is read by one reader to its end. None of them
makes a thread: `inference.live` reads each in one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np

from emofuse.errors import MediaError, UsageError
from emofuse.media import _sound
from emofuse.media._live import LiveSource, Now, RealtimePacer, stream_clock
from emofuse.media._tracks import SpeechMeasure
from emofuse.media.excerpt import Span
from emofuse.media.reader import AUDIO_RATE_HZ, STANDING_S, open_media
from emofuse.timeline import SourceInfo
from emofuse.types import AudioBlock, Frame, Packet

__all__ = ["Camera", "Microphone", "Now", "PacedFile", "PacketSource", "stream_clock"]

_DEVICE_STALL_S: Final = 5.0
_BLOCK_S: Final = 0.032  # of sound from a microphone: what Silero scores at a time
_DRIFT_S: Final = 0.2  # by which the clocks of a microphone and the machine may part before its times are taken anew


class PacketSource(Protocol):
    """What a live session reads: packets as they come, each kind in the order of time.

    name: what people call it; has_audio: whether sound may come; stall_s: without a packet for so long it is thought
    dead, None: never. `packets` is called once, may wait for the next packet, and raises MediaError where the source
    fails; `close` may be called at any time, more than once and from elsewhere, and makes `packets` end soon.
    """

    @property
    def name(self) -> str: ...

    @property
    def has_audio(self) -> bool: ...

    @property
    def stall_s(self) -> float | None: ...

    def packets(self) -> Iterator[Packet]: ...

    def close(self) -> None: ...


class Camera(LiveSource):
    """A camera, through OpenCV: V4L2, AVFoundation or Media Foundation. A picture's time is when it was handed out.

    device: its number, or its path. Raises MediaError where there is none.
    """

    def __init__(self, device: int | str = 0, now: Now | None = None, size: tuple[int, int] = (640, 480)) -> None:
        super().__init__()
        self.name, self.has_audio, self.stall_s = f"camera {device}", False, _DEVICE_STALL_S
        self._now = now or stream_clock()
        log = cv2.utils.logging
        level = log.setLogLevel(log.LOG_LEVEL_SILENT)  # OpenCV prints why it cannot open a camera; MediaError says it
        self._camera = cv2.VideoCapture(device)
        log.setLogLevel(level)
        if not self._camera.isOpened():
            raise MediaError(
                f"{self.name} cannot be opened",
                "is it plugged in, allowed, and free of other programs? --camera takes its number, --file a recording",
            )
        self._camera.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        self._camera.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        self._camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # what waits in the driver would only be older

    def _read(self) -> Iterator[Packet]:
        while not self._is_closed:
            is_read, image = self._camera.read()
            if self._is_closed:
                return
            if not is_read:
                raise MediaError(f"{self.name} stopped giving pictures", "was it unplugged?")
            yield Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False), self._now())

    def _release(self) -> None:
        self._camera.release()


class Microphone(LiveSource):
    """A microphone, through sounddevice (PortAudio), which the extra [live] brings. device: its number or name.

    Raises UsageError where sounddevice is not installed, MediaError where there is no such microphone.
    """

    def __init__(self, device: int | str | None = None, now: Now | None = None) -> None:
        super().__init__()
        self.name = "microphone" if device is None else f"microphone {device}"
        self.has_audio, self.stall_s = True, _DEVICE_STALL_S
        self._now = now or stream_clock()
        try:
            import sounddevice
        except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
            raise UsageError(
                f"no sound can be recorded here: {error}", "pip install 'emofuse[live]', or --no-audio"
            ) from None
        self._error: type[Exception] = sounddevice.PortAudioError
        try:
            # At its own rate: not every device can be opened at ours.
            self._rate_hz = round(sounddevice.query_devices(device, "input")["default_samplerate"])
            self._stream: Any = sounddevice.InputStream(self._rate_hz, device=device, channels=1, dtype="float32")
            self._stream.start()
        except (self._error, ValueError) as error:
            raise MediaError(f"{self.name} cannot be opened: {error}", "plug one in, or use --no-audio") from None

    def _read(self) -> Iterator[Packet]:
        """Times are counted in samples; where they part from the clock they are taken anew."""
        sound = _sound.MonoSound(AUDIO_RATE_HZ)
        n_block = round(_BLOCK_S * self._rate_hz)
        time_s: float | None = None
        try:
            while not self._is_closed:
                samples, _ = self._stream.read(n_block)
                heard_s = max(self._now() - n_block / self._rate_hz, 0.0)
                if time_s is None or abs(heard_s - time_s) > _DRIFT_S:
                    time_s = heard_s
                yield from sound.push(samples[:, 0], self._rate_hz, time_s)
                time_s += n_block / self._rate_hz
        except self._error as error:
            raise MediaError(f"{self.name} stopped: {error}", "was it unplugged?") from None

    def _release(self) -> None:
        self._stream.close()


class PacedFile(LiveSource):
    """A recording, handed out at the pace at which it was made; with `is_paced` false, as fast as it is taken. Without
    `has_audio` its sound is left out. A picture that stands for long, as slides do, comes again every half second.

    audio_track, speech_s, span: as of `open_media`. source: what it is. Raises MediaError as `open_media` does.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        has_audio: bool = True,
        is_paced: bool = True,
        now: Now | None = None,
        sleep: Callable[[float], None] = time.sleep,
        audio_track: int | None = None,
        speech_s: SpeechMeasure | None = None,
        span: Span | None = None,
    ) -> None:
        super().__init__()
        self.name, self.stall_s = str(path), None
        self._reader = open_media(path, audio_track=audio_track, speech_s=speech_s, repeat_s=STANDING_S, span=span)
        self.source: SourceInfo = self._reader.source
        self.has_audio = has_audio and self.source.has_audio
        self._pacer = RealtimePacer(now or stream_clock(), sleep) if is_paced else None

    def _read(self) -> Iterator[Packet]:
        for packet in self._reader:
            if isinstance(packet, AudioBlock) and not self.has_audio:
                continue
            if self._pacer is not None:
                self._pacer.wait(packet.time_s, lambda: self._is_closed)
            if self._is_closed:
                return
            yield packet

    def _release(self) -> None:
        self._reader.close()
