"""Puts the picture of one recording and the sound of another together, without encoding either."""

from __future__ import annotations

import os
from pathlib import Path

import av

from emofuse.errors import MediaError
from emofuse.media import _container


def dub(film: str | os.PathLike[str], sound: str | os.PathLike[str], path: Path) -> Path:
    """Write a recording with the first picture track of one recording and the first sound track of another.

    Both begin at once, as they do where the sound was taken out of the film.

    Args:
        film: Whose pictures are taken.
        sound: Whose sound is taken.
        path: The file to write, in Matroska.

    Returns:
        The path.

    Raises:
        MediaError: One of them cannot be read, or has no such track.
    """
    with _container.open_container(film) as pictures, _container.open_container(sound) as voices:
        sources = []
        for container, tracks, what, name in (
            (pictures, pictures.streams.video, "picture", film),
            (voices, voices.streams.audio, "sound", sound),
        ):
            if not tracks:
                raise MediaError(f"{os.fspath(name)} has no {what}", "name another file")
            sources.append((container, tracks[0]))
        try:
            with av.open(str(path), "w", format="matroska") as output:
                copies = [output.add_stream_from_template(stream) for _, stream in sources]
                for (container, stream), copy in zip(sources, copies, strict=True):
                    first = None
                    for packet in _container.demux(container, stream):
                        if packet.dts is None or packet.pts is None:
                            continue
                        first = min(packet.dts, packet.pts) if first is None else first
                        packet.dts, packet.pts, packet.stream = packet.dts - first, packet.pts - first, copy
                        _container.mux(output, packet)
        except _container.LIBRARY_ERRORS as error:
            reason = f"{os.fspath(film)} and {os.fspath(sound)} cannot be put together: {error}"
            raise MediaError(reason, "convert them, or put them together with another program") from error
    return path
