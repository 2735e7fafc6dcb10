"""Subtitles inside a recording: the right track, its times on the clock of the pictures, and text without styles."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from emofuse.errors import MediaError
from emofuse.media.subtitle_track import read_subtitle_track
from emofuse.transcripts import subtitle_transcript

ENGLISH = "1\n00:00:00,100 --> 00:00:00,600\n<i>I am</i> so glad\nreally\n\n2\n00:00:00,700 --> 00:00:00,900\nNo!\n\n"
GERMAN = "1\n00:00:00,100 --> 00:00:00,600\nIch bin so froh\n\n"


def with_subtitles(clip: Path, path: Path, tracks: dict[str, str], default: str = "") -> Path:
    """Copy the streams of a clip, and add subtitles by language."""
    texts = []
    for language, text in tracks.items():
        (path.parent / f"{language}.srt").write_text(text, encoding="utf-8")
        texts.append(av.open(str(path.parent / f"{language}.srt")))
    with av.open(str(clip)) as source, av.open(str(path), "w") as output:
        copies = {s.index: output.add_stream_from_template(s) for s in source.streams if s.type in ("video", "audio")}
        added = []
        for language, text in zip(tracks, texts, strict=True):
            stream = output.add_stream_from_template(text.streams.subtitles[0])
            stream.metadata["language"] = language
            stream.disposition = av.stream.Disposition.default if language == default else av.stream.Disposition(0)
            added.append(stream)
        for packet in source.demux():
            if packet.dts is not None and packet.stream.index in copies:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
        for text, stream in zip(texts, added, strict=True):
            for packet in text.demux():
                if packet.size:
                    packet.stream = stream
                    output.mux(packet)
            text.close()
    return path


def test_cues_are_read_with_their_times_and_without_styles(clip_mp4: Path, tmp_path: Path) -> None:
    film = with_subtitles(clip_mp4, tmp_path / "film.mkv", {"eng": ENGLISH})
    text = read_subtitle_track(film)
    assert text is not None
    transcript = subtitle_transcript(text)
    assert [line.text for line in transcript.lines] == ["I am so glad really", "No!"]
    times = [time_s for line in transcript.lines for time_s in (line.start_s, line.end_s)]
    assert times == pytest.approx([0.1, 0.6, 0.7, 0.9], abs=0.03)  # Matroska moves all streams for the sound's priming
    assert transcript.origin is not None and transcript.origin.how == "found"


@pytest.mark.parametrize(("default", "first"), [("", "I am so glad really"), ("deu", "Ich bin so froh")])
def test_the_default_track_is_read_and_else_the_english_one(
    clip_mp4: Path, tmp_path: Path, default: str, first: str
) -> None:
    film = with_subtitles(clip_mp4, tmp_path / "film.mkv", {"deu": GERMAN, "eng": ENGLISH}, default)
    assert subtitle_transcript(read_subtitle_track(film) or "").lines[0].text == first


def test_times_are_those_of_the_pictures(clip_mp4: Path, tmp_path: Path) -> None:
    film = with_subtitles(clip_mp4, tmp_path / "film.mkv", {"eng": ENGLISH})
    late = subtitle_transcript(read_subtitle_track(film, start_s=0.4) or "").lines
    times = [time_s for line in late for time_s in (line.start_s, line.end_s)]
    assert times == pytest.approx([0.0, 0.2, 0.3, 0.5], abs=0.03)


def test_a_recording_without_any_has_none_and_what_is_none_is_an_error(clip_mp4: Path, tmp_path: Path) -> None:
    assert read_subtitle_track(clip_mp4) is None
    (tmp_path / "no.mkv").write_bytes(b"nothing of the kind")
    with pytest.raises(MediaError):
        read_subtitle_track(tmp_path / "no.mkv")
