"""A live source on the network."""

from __future__ import annotations

import base64
import http.client
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from emofuse.errors import MediaError, UsageError
from emofuse.media import _container, _picture, _sound, _tracks
from emofuse.media._clock import Clock, RisingClock, Seams
from emofuse.media._container import LIBRARY_ERRORS
from emofuse.media._levels import Mixer
from emofuse.media._live import LiveSource, RealtimePacer, stream_clock
from emofuse.media.reader import AUDIO_RATE_HZ
from emofuse.reading import one_line
from emofuse.types import Frame, Packet

_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 10.0, 5.0
# What a stream may be fetched by. Not "file": a playlist from elsewhere must not make us read files.
_PROTOCOLS: Final = "rtsp,rtsps,rtp,udp,tcp,tls,http,https,httpproxy,crypto,hls,rtmp,rtmps,srt"
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}
_SCHEMES: Final = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "udp", "rtp", "tcp")
_LISTENING: Final = ("udp", "rtp", "srt", "tcp")


class NetworkStream(LiveSource):
    """A stream by its address (rtsp, http, rtmp, srt, udp), through FFmpeg; a recording is handed out at its pace.

    Raises UsageError for an address of another kind, MediaError where nothing can be had from it.
    """

    def __init__(
        self, url: str, *, has_audio: bool = True, open_s: float = _OPEN_TIMEOUT_S, read_s: float = _READ_TIMEOUT_S
    ) -> None:
        super().__init__()
        parts = address_of(url)
        # Without the password that may be in it: the name is shown and written into results.
        self.name = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
        self.stall_s = None  # FFmpeg gives up by itself
        # What the streams are is found out from two seconds of them, not FFmpeg's five: somebody is waiting.
        # A redirect is not followed by FFmpeg, which would go to any host of the network that it names.
        options = {"protocol_whitelist": _PROTOCOLS, "analyzeduration": "2000000", "max_redirects": "0"}
        if parts.scheme.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"  # over UDP lost packets smear the picture
        self._container = self._open(url, options, (open_s, read_s))
        self._video = self._first_film()
        self._audio = self._first_sound() if has_audio else None
        self.has_audio = self._audio is not None
        if self._video is None and self._audio is None:
            self._container.close()
            raise MediaError(f"{self.name} holds neither a picture nor a sound", "check the address")

    def _first_film(self) -> VideoStream | None:
        streams = [self._container.streams[index] for index in _tracks.films(self._container)]
        return next((stream for stream in streams if isinstance(stream, VideoStream)), None)

    def _first_sound(self) -> AudioStream | None:
        """Return the default track: there is no time to listen to several."""
        tracks = sorted(_tracks.sound_tracks(self._container), key=lambda track: (track.is_aside, not track.is_default))
        streams = [self._container.streams[track.index] for track in tracks]
        return next((stream for stream in streams if isinstance(stream, AudioStream)), None)

    def _open(self, url: str, options: dict[str, str], timeout: tuple[float, float]) -> InputContainer:
        """Open an address, or where it leads on the same host. Raises MediaError where nothing can be had from it."""
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                return av.open(url, "r", metadata_errors="replace", container_options=options, timeout=timeout)
            except LIBRARY_ERRORS as error:
                problem = f"cannot read {self.name}: {_reason(error)}"
            target = redirect_of(url, timeout[0])
            if target is None:
                break
            if not _is_same_host(url, target):
                host = urlsplit(target).netloc.rpartition("@")[2]
                raise MediaError(
                    f"cannot read {self.name}: it leads to another host, {host!r}",
                    "name the address there, if you trust it",
                )
            url = target
        raise MediaError(problem, "check the address and the connection")

    def _read(self) -> Iterator[Packet]:
        """Time 0 is the first picture or sound that came."""
        streams = [stream for stream in (self._video, self._audio) if stream is not None]
        decoded = _Decoded(self._video)
        pacer = RealtimePacer(stream_clock(), time.sleep) if self._container.duration else None
        for packet in self._demux(streams):
            try:
                frames = packet.decode()
            except LIBRARY_ERRORS:
                continue  # damaged on its way: the next one may be whole
            for ready in decoded.packets(frames):
                if pacer is not None:
                    pacer.wait(ready.time_s, lambda: self._is_closed)
                if self._is_closed:
                    return
                yield ready

    def _release(self) -> None:
        self._container.close()

    def _demux(self, streams: list[VideoStream | AudioStream]) -> Iterator[Any]:
        if self._video is not None:
            self._video.thread_type = "SLICE"  # threads that take whole pictures hold that many back
        packets = self._container.demux(*streams)
        while not self._is_closed:
            try:
                packet = next(packets, None)
            except LIBRARY_ERRORS as error:
                raise MediaError(f"{self.name} stopped: {_reason(error)}", "check the connection") from None
            if packet is None:
                return
            yield packet


def address_of(url: str) -> SplitResult:
    """Take an address apart. Raises UsageError for one of another kind, or half of one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{one_line(url)!r} is not an address: {one_line(error)}") from None
    if parts.scheme.lower() not in _SCHEMES:
        raise UsageError(
            f"cannot read a stream from {one_line(url)!r}", f"its address begins with one of {', '.join(_SCHEMES)}"
        )
    # udp://:1234 and the like listen at every address of this machine
    if port == 0 or not (parts.hostname or (port and parts.scheme.lower() in _LISTENING)):
        raise UsageError(f"{one_line(url)!r} is half an address", f"like {parts.scheme}://HOST:PORT/PATH")
    return parts


class _Decoded:
    """Turns what a container's streams decode to into packets of one clock."""

    def __init__(self, video: VideoStream | None) -> None:
        self._convert = None if video is None else _picture.FrameConverter(video)
        self._sound, self._mixer = _sound.MonoSound(AUDIO_RATE_HZ), Mixer()
        self._clocks: tuple[Clock, Clock] | None = None  # of pictures and of sound

    def packets(self, frames: list[Any]) -> Iterator[Packet]:
        for frame in frames:
            if not isinstance(frame, VideoFrame | AudioFrame):
                continue
            stated_s = _container.seconds(frame)
            if self._clocks is None:
                start_s, seams = stated_s or 0.0, Seams()
                self._clocks = RisingClock(start_s, seams), Clock(start_s, seams)
            shown, heard = self._clocks
            if isinstance(frame, AudioFrame):
                time_s = heard.time_s(stated_s, frame.samples / frame.sample_rate)
                yield from self._sound.push(_sound.to_mono(frame, self._mixer), frame.sample_rate, time_s)
            elif self._convert is not None:
                yield Frame(self._convert(frame), shown.time_s(stated_s, 0.04))


def redirect_of(url: str, timeout_s: float) -> str | None:
    """Ask an address of the web where it leads; None where it leads nowhere, or is none of the web."""
    parts = urlsplit(url)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    kind = kinds.get(parts.scheme.lower())
    if kind is None:
        return None
    headers = {"User-Agent": "emofuse", "Connection": "close"}
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        with closing(connection):
            connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", headers=headers)
            answer = connection.getresponse()
            place = answer.getheader("Location")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    if answer.status not in _REDIRECTS or not place:
        return None
    target = urlsplit(urljoin(url, place))
    if "@" in parts.netloc and "@" not in target.netloc:
        target = target._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{target.netloc}")
    return str(target.geturl())


def _is_same_host(url: str, target: str) -> bool:
    """Whether a redirect stays with the host and the port, or goes from its port of HTTP to that of HTTPS."""
    try:
        a, b = urlsplit(url), urlsplit(target)
        ports = (a.port or _PORTS.get(a.scheme.lower()), b.port or _PORTS.get(b.scheme.lower()))
    except ValueError:
        return False
    stays = ports[0] == ports[1] and a.scheme.lower() == b.scheme.lower()
    return a.hostname == b.hostname and (stays or ports == (_PORTS["http"], _PORTS["https"]))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
