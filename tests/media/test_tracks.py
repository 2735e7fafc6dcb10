"""The right streams of a recording: its film, and the sound tracks that are listened to."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from emofuse.errors import MediaError, UsageError
from emofuse.media import VideoWriter, _tracks, open_media
from emofuse.types import AudioBlock, Frame
from make_media import MILLISECOND, Sound, Video, _audio_stream, _encode_audio, _encode_video, _video_stream, picture
from make_tracks import NOTHING, Track, tone, write_films, write_tracks

DEFAULT = Disposition.default
SOUNDS = {300.0: "the first", 500.0: "the second", 700.0: "the third"}


def strongest_hz(path: Path, **options: object) -> tuple[float, tuple[int, ...], list[str]]:
    """Return the tone that is heard, the tracks that it is from, and the notes."""
    with open_media(path, **options) as reader:
        samples = np.concatenate([packet.samples for packet in reader if isinstance(packet, AudioBlock)])
        spectrum = np.abs(np.fft.rfft(samples))
        return spectrum.argmax() * 16_000 / len(samples), reader.source.audio_tracks, reader.warnings


def speaks_at(hz: float):
    """Return a measure of speech to which a tone is speech."""

    def measure(samples: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(samples))
        found = spectrum.argmax() * 16_000 / max(len(samples), 1)
        return len(samples) / 16_000 if abs(found - hz) < 5 else 0.0

    return measure


@pytest.mark.parametrize("name", ["a.mkv", "a.mov"])
def test_the_default_track_is_listened_to(tmp_path: Path, name: str) -> None:
    tracks = [Track(tone(300), "eng", NOTHING), Track(tone(500), "deu", DEFAULT), Track(tone(700), "fra", NOTHING)]
    hz, numbers, notes = strongest_hz(write_tracks(tmp_path / name, tracks), speech_s=speaks_at(300))
    assert (hz, numbers) == (pytest.approx(500, abs=3), (2,))
    language = " (deu)" if name.endswith("mkv") else ""  # QuickTime knows others
    assert notes == [f"sound track 2{language} of 3 was used: it is the default one (--audio-track chooses another)"]


@pytest.mark.parametrize("disposition", [NOTHING, DEFAULT])
def test_where_no_track_is_the_default_one_it_is_that_with_speech(tmp_path: Path, disposition: Disposition) -> None:
    tracks = [Track(tone(hz), disposition=disposition) for hz in SOUNDS]
    path = write_tracks(tmp_path / "a.mkv", tracks, default_mode="passthrough")
    assert strongest_hz(path, speech_s=speaks_at(700))[:2] == (pytest.approx(700, abs=3), (3,))
    assert strongest_hz(path, speech_s=lambda samples: 0.0)[1] == (1,)
    assert strongest_hz(path)[1] == (1,)
    # two languages: the first, though another speaks a little more
    seconds = iter([8.0, 0.0, 9.0])
    hz, numbers, notes = strongest_hz(path, speech_s=lambda samples: next(seconds))
    assert (hz, numbers) == (pytest.approx(300, abs=3), (1,))
    assert "speech" in notes[0]


def test_the_look_for_speech_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each track a second is decoded from each of four places, from its beginning to its end."""
    monkeypatch.setattr(_tracks, "_LOOK_S", 1.0)
    silence, speech = np.zeros((1, 8 * 16_000), np.float32), tone(500, 4.0, n_channels=1)
    late = np.concatenate([silence, speech], axis=1)
    path = write_tracks(
        tmp_path / "a.mkv", [Track(tone(300, 12.0), "eng"), Track(late, "deu")], default_mode="passthrough"
    )
    lengths_s: list[float] = []

    def measure(samples: np.ndarray) -> float:
        lengths_s.append(len(samples) / 16_000)
        return speaks_at(500)(samples)

    assert strongest_hz(path, speech_s=measure)[1] == (2,)
    assert lengths_s == pytest.approx([4, 4], abs=0.2)


def test_a_comment_is_not_the_sound_of_the_film(tmp_path: Path) -> None:
    tracks = [Track(tone(300), disposition=Disposition.comment), Track(tone(500))]
    path = write_tracks(tmp_path / "a.mkv", tracks, default_mode="passthrough")
    assert strongest_hz(path)[1] == (2,)
    assert strongest_hz(path, audio_track=1)[:2] == (pytest.approx(300, abs=3), (1,))


def test_all_microphones_of_a_dual_mono_file_are_listened_to(tmp_path: Path) -> None:
    """A recorder gives each microphone a track; who speaks into the second must be heard. One flags the first."""
    first, second = tone(300, n_channels=1), tone(500, n_channels=1)
    half = first.shape[1] // 2
    first[:, half:], second[:, :half] = 0, 0
    path = write_tracks(tmp_path / "a.mov", [Track(first, disposition=DEFAULT), Track(second)], Video())
    with open_media(path) as reader:
        samples = np.concatenate([packet.samples for packet in reader if isinstance(packet, AudioBlock)])
        assert reader.source.audio_tracks == (1, 2)
        assert any("sound tracks 1, 2 of 2 were used: each is of one microphone" in line for line in reader.warnings)
    assert len(samples) == 32_000
    for part, hz in ((samples[1000:15_000], 300), (samples[17_000:31_000], 500)):
        assert np.abs(np.fft.rfft(part)).argmax() * 16_000 / len(part) == pytest.approx(hz, abs=3)
        assert np.sqrt(2 * np.mean(part**2)) == pytest.approx(0.25, rel=0.05)
    annotated = tmp_path / "annotated.mp4"
    with open_media(path) as reader, VideoWriter(annotated, reader) as writer:
        for packet in reader:
            if isinstance(packet, Frame):
                writer.write(packet.image, packet.time_s)
    with open_media(annotated) as reader:
        heard = np.concatenate([packet.samples for packet in reader if isinstance(packet, AudioBlock)])
    for part, hz in ((heard[1000:15_000], 300), (heard[17_500:31_000], 500)):
        assert np.abs(np.fft.rfft(part)).argmax() * 16_000 / len(part) == pytest.approx(hz, abs=3)


def test_mono_tracks_of_several_languages_are_not_mixed(tmp_path: Path) -> None:
    tracks = [Track(tone(300, n_channels=1), "eng", DEFAULT), Track(tone(500, n_channels=1), "deu")]
    assert strongest_hz(write_tracks(tmp_path / "a.mkv", tracks))[:2] == (pytest.approx(300, abs=3), (1,))


def test_a_track_that_cannot_be_decoded_falls_to_the_next(tmp_path: Path) -> None:
    tracks = [Track(tone(300), disposition=DEFAULT, is_garbage=True), Track(tone(500))]
    path = write_tracks(tmp_path / "a.mkv", tracks)
    hz, numbers, notes = strongest_hz(path)
    assert (hz, numbers) == (pytest.approx(500, abs=3), (2,))
    assert "the tracks before it cannot be decoded" in notes[0]
    with pytest.raises(MediaError, match=r"sound track 1 of .* cannot be decoded"):
        open_media(path, audio_track=1)


def test_the_track_that_is_asked_for(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Track(tone(hz)) for hz in SOUNDS])
    for number, hz in enumerate(SOUNDS, start=1):
        assert strongest_hz(path, audio_track=number)[:2] == (pytest.approx(hz, abs=3), (number,))
    assert strongest_hz(path, audio_track=(1, 3))[1] == (1, 3)
    for number in (0, 4, -1):
        with pytest.raises(UsageError, match=f"sound track {number} is not in the recording: it has 3 sound tracks"):
            open_media(path, audio_track=number)


def test_the_annotated_video_has_the_track_that_was_listened_to(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [Track(tone(hz)) for hz in SOUNDS], Video(time_base=MILLISECOND))
    annotated = tmp_path / "annotated.mp4"
    with open_media(path, audio_track=3) as reader, VideoWriter(annotated, reader) as writer:
        for packet in reader:
            if isinstance(packet, Frame):
                writer.write(packet.image, packet.time_s)
    assert strongest_hz(annotated)[0] == pytest.approx(700, abs=3)


FILM, THUMBNAIL = Video((64, 48), time_base=MILLISECOND), Video((320, 240), (0.0,), "mjpeg", "yuvj420p", MILLISECOND)


@pytest.mark.parametrize(
    ("videos", "size"),
    [
        ([(THUMBNAIL, 250, NOTHING), (FILM, 90, NOTHING)], (64, 48)),  # a camera's thumbnail comes first
        ([(THUMBNAIL, 250, DEFAULT), (FILM, 90, NOTHING)], (64, 48)),
        ([(Video((32, 24), time_base=MILLISECOND), 250, NOTHING), (FILM, 90, NOTHING)], (64, 48)),  # a small preview
        ([(FILM, 90, DEFAULT), (Video((128, 96), time_base=MILLISECOND), 250, NOTHING)], (64, 48)),
    ],
)
def test_a_thumbnail_is_not_the_film(tmp_path: Path, videos: list, size: tuple[int, int]) -> None:
    path = write_films(tmp_path / "a.mkv", videos)
    with open_media(path) as reader:
        frames = [packet for packet in reader if isinstance(packet, Frame)]
        assert (reader.source.width, reader.source.height) == size
    assert len(frames) == 25
    assert frames[0].image.mean() == pytest.approx(90, abs=5)


def test_a_film_that_cannot_be_decoded_falls_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        broken = output.add_stream("mpeg4", rate=25)
        broken.width, broken.height, broken.pix_fmt = 128, 96, "yuv420p"
        whole = _video_stream(output, FILM)
        output.start_encoding()
        packets = _encode_video(whole, FILM, (picture(FILM.size, i) for i in range(25)))
        for i in range(25):
            packet = av.Packet(bytes(100))
            packet.stream, packet.time_base = broken, MILLISECOND
            packet.pts = packet.dts = i * 40
            packets.append(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux_one(packet)
    with open_media(path) as reader:
        assert sum(isinstance(packet, Frame) for packet in reader) == 25
        assert (reader.source.width, reader.source.height) == (64, 48)
        assert "the first picture track cannot be decoded: another one was used" in reader.warnings


def encrypted_mp4(path: Path) -> Path:
    """Write an MP4 under Common Encryption, as shops and streaming services do."""
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    with av.open(str(path), "w", options=options) as output:
        shown, heard = _video_stream(output, Video()), _audio_stream(output, Sound())
        output.start_encoding()
        packets = _encode_video(shown, Video(), (picture((64, 48), i) for i in range(25)))
        for packet in sorted(packets + _encode_audio(heard, Sound()), key=lambda p: p.dts * p.time_base):
            output.mux_one(packet)
    return path


def test_an_encrypted_recording_is_one_clear_line(tmp_path: Path, talk_mp4: Path) -> None:
    path = encrypted_mp4(tmp_path / "drm.mp4")
    with pytest.raises(MediaError, match="is encrypted") as caught:
        open_media(path)
    assert str(path) in caught.value.message and caught.value.hint
    for entry in (b"enca", b"drms"):  # the sound alone, and as Apple's shop marked it
        half = tmp_path / "half.mp4"
        half.write_bytes(talk_mp4.read_bytes().replace(b"mp4a", entry))
        with pytest.raises(MediaError, match="is encrypted"):
            open_media(half)


def test_a_scrambled_broadcast_is_one_clear_line(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.ts"), "w") as output:
        stream = _video_stream(output, Video())
        output.start_encoding()
        for packet in _encode_video(stream, Video(), (picture((64, 48), i) for i in range(25))):
            output.mux_one(packet)
    data = bytearray((tmp_path / "a.ts").read_bytes())
    for at in range(0, len(data), 188):
        if (data[at + 1] & 0x1F) << 8 | data[at + 2] == 0x100:
            data[at + 3] |= 0x80
    (tmp_path / "pay.ts").write_bytes(data)
    with pytest.raises(MediaError, match="is encrypted"):
        open_media(tmp_path / "pay.ts")


def test_a_mixed_track_with_a_hole_keeps_its_place(tmp_path: Path) -> None:
    """One microphone is switched on late: the mix begins with the other, and all of both is at its time."""
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as output:
        streams = []
        for _ in range(2):
            stream = output.add_stream("pcm_s16le", rate=16_000)
            stream.layout = "mono"
            streams.append(stream)
        output.start_encoding()
        for stream, start_s, hz in zip(streams, (0.0, 1.0), (300, 500), strict=True):
            frame = av.AudioFrame.from_ndarray(tone(hz, 2.0 - start_s, n_channels=1), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, round(start_s * 16_000), Fraction(1, 16_000)
            output.mux(stream.encode(frame))
    with open_media(path) as reader:
        samples = np.concatenate([packet.samples for packet in reader if isinstance(packet, AudioBlock)])
    assert len(samples) == pytest.approx(32_000, abs=20)
    early, late = (np.abs(np.fft.rfft(part)) for part in (samples[:16_000], samples[16_000:32_000]))
    assert early[500] < 0.01 * early[300]
    assert late[500] == pytest.approx(late[300], rel=0.05)
