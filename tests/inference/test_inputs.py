"""Whatever a pipeline is given: the same answer as for the file, or one clear error."""

from __future__ import annotations

import io
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from emofuse.errors import MediaError, PacketError, UsageError
from emofuse.inference.inputs import describe, is_sound
from emofuse.inference.pipeline import Pipeline
from emofuse.media import open_media
from emofuse.remote import _files_of
from emofuse.timeline import Timeline
from emofuse.timelines import Timelines
from emofuse.types import AudioBlock, Frame, Packet


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load()


@pytest.fixture(scope="module")
def packets(request: pytest.FixtureRequest) -> list[Packet]:
    with open_media(request.getfixturevalue("clip_mp4")) as media:
        return list(media)


@pytest.fixture(scope="module")
def face(packets: list[Packet]) -> NDArray[np.uint8]:
    """Return a picture with a face that smiles, (H, W, 3) RGB."""
    return [p.image for p in packets if isinstance(p, Frame)][20]


def answer(timeline: Timeline) -> dict[str, Any]:
    found = replace(timeline, provenance=None).to_json()
    return {key: found[key] for key in ("summary", "moments", "people")}


def png(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def test_a_recording_as_bytes_as_a_file_and_as_packets_is_the_recording(pipeline: Pipeline, talk_mp4: Path) -> None:
    whole = pipeline(talk_mp4)
    data = talk_mp4.read_bytes()
    with talk_mp4.open("rb") as file:
        for given, name in ((data, "bytes"), (file, str(talk_mp4)), (io.BytesIO(data), "file")):
            found = pipeline(given)
            assert answer(found) == answer(whole) and found.source == replace(whole.source, path=name)
    with open_media(talk_mp4) as media:
        made = pipeline(packet for packet in media)
    assert [m.time_s for m in made] == [m.time_s for m in whole]
    assert made.source.has_audio and made.source.width == whole.source.width


def test_a_photo_is_one_moment_with_its_faces(pipeline: Pipeline, face: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(png(face))
    photo = pipeline(path)
    assert photo.source.is_photo and len(photo) == 1 and photo.segments() == []
    assert photo.summary.used == ["face"] and photo.summary.why["voice"] == "no audio track"
    assert photo.summary.fused is not None and photo.summary.fused.label == "happy"
    (row,) = photo.records("faces")
    assert row["label"] == "happy" and row["score"] > 0.5
    for given in (path.read_bytes(), face, Image.fromarray(face), face / 255, face.astype(np.uint16) * 257):
        assert answer(pipeline(given)) == answer(photo)
    assert Timeline.from_json(photo.to_json()).source.is_photo
    assert repr(photo).endswith("face.png: happy 0.88 from face, 1 face>") or "1 face>" in repr(photo)


def test_frames_are_a_film(pipeline: Pipeline, packets: list[Packet]) -> None:
    film = np.stack([p.image for p in packets if isinstance(p, Frame)][:20])
    found = pipeline(film, fps=25)
    assert found.source.duration_s == 0.8 and [m.time_s for m in found] == pytest.approx([0.5, 0.76])
    assert found.summary.fused is not None and found.summary.fused.label == "happy"
    grey = pipeline(film[..., 0], fps=25)
    assert grey.summary.fused is not None and grey.summary.fused.label == "happy"


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 192_000])
def test_sound_is_heard_at_its_own_rate(pipeline: Pipeline, packets: list[Packet], rate_hz: int) -> None:
    voice = np.concatenate([p.samples for p in packets if isinstance(p, AudioBlock)])
    times = np.arange(round(len(voice) / 16_000 * rate_hz)) / rate_hz
    samples = np.interp(times, np.arange(len(voice)) / 16_000, voice)
    found = pipeline((samples, rate_hz))
    assert found.source.duration_s == pytest.approx(1.5, abs=0.05)
    assert found.summary.used == ["voice"]
    stereo = np.stack([samples, samples], axis=1)
    pcm = np.round(stereo * 32_767).astype(np.int16)
    for given in ((rate_hz, samples), (stereo, rate_hz), (stereo.T, rate_hz), (pcm, np.int64(rate_hz))):
        other = pipeline(given)
        assert found.summary.fused is not None and other.summary.fused is not None
        np.testing.assert_allclose(other.summary.fused.probabilities, found.summary.fused.probabilities, atol=0.02)


def test_what_lies_in_a_folder_is_a_list(pipeline: Pipeline, face: NDArray[np.uint8], tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "notes.txt"):
        (tmp_path / name).write_bytes(png(face) if name.endswith("png") else b"hello")
    found = pipeline(tmp_path)
    assert isinstance(found, Timelines) and [Path(t.source.path).name for t in found] == ["a.png", "b.png"]
    table = found.to_dataframe()
    assert list(table.label) == ["happy", "happy"] and list(table.n_people) == [1, 1]
    faces = found.to_dataframe("faces")
    assert list(faces.columns[:2]) == ["recording", "time_s"] and len(faces) == 2
    assert found[:1].records("faces") == found.records("faces")[:1]


def test_a_list_with_one_bad_file_names_it_or_goes_on(pipeline: Pipeline, face: NDArray[np.uint8]) -> None:
    given = [face, "absent.mp4", face]
    with pytest.raises(MediaError, match=r"^input 2 of 3 \(absent.mp4\): no such file: absent.mp4 .*on_error='skip'"):
        pipeline(given)
    found = pipeline(given, on_error="skip")
    assert len(found) == 2 and list(found.failures) == ["input 2 of 3 (absent.mp4)"]
    assert repr(found) == "<Timelines of 2 recordings, and 1 failure>"
    assert repr(pipeline([])) == "<Timelines of 0 recordings>" and pipeline([]).records() == []


def test_what_a_generator_raises_is_its_owners(pipeline: Pipeline, packets: list[Packet]) -> None:
    def broken() -> Iterator[Packet]:
        yield from packets[:3]
        raise ZeroDivisionError("the camera is gone")

    with pytest.raises(ZeroDivisionError, match="the camera is gone"):
        pipeline(broken())
    with pytest.raises(PacketError, match="not of str"):
        pipeline(name for name in ("a.mp4",))
    assert len(pipeline(iter(()))) == 0


@pytest.mark.parametrize(
    ("given", "options", "error", "says"),
    [
        (None, {}, UsageError, "None is not a recording (give a path"),
        (5, {}, UsageError, "5 is not a recording"),
        ({"a": 1}, {}, UsageError, "is not a recording"),
        ([["a.mp4"]], {}, UsageError, "input 1 of 1 is a list in a list"),
        (b"", {}, MediaError, "bytes is empty"),
        (b"hello", {}, MediaError, "cannot read bytes: it is not a recording"),
        (io.StringIO("hello"), {}, UsageError, "file is open as text (open it with 'rb')"),
        (np.zeros(100), {}, UsageError, "array (100,) may be sound, of which the rate is not known"),
        (np.zeros((2, 8, 8, 3)), {}, UsageError, "has several pictures (give fps="),
        (np.zeros((2, 8, 8, 3)), {"fps": 0}, UsageError, "fps: 0"),
        (np.zeros((2, 8, 8, 3)), {"fps": "25"}, UsageError, "fps: '25'"),
        (np.zeros((2, 3, 8, 8)), {"fps": 25}, UsageError, "colours come last: array.transpose(0, 2, 3, 1)"),
        (np.zeros((8, 8)), {"fps": 25}, UsageError, "fps: 25 is for frames"),
        (np.zeros((0, 0, 3)), {}, UsageError, "is empty"),
        ("a.mp4", {"fps": 25}, UsageError, "fps: 25 is for frames"),
        (np.zeros((8, 8, 3)), {"channels": "gbr"}, UsageError, "channels: 'gbr'"),
        (np.zeros((8, 8, 3)), {"on_error": "pass"}, UsageError, "on_error: 'pass'"),
        (np.zeros((8, 8, 3)), {"progress": 3}, UsageError, "progress: 3"),
        (np.zeros((8, 8, 3)), {"max_pixels": 0}, UsageError, "max_pixels: 0"),
        ((np.zeros(100), 16_000.5), {}, UsageError, "16000.5 Hz"),
        ((np.full(100, np.nan), 16_000), {}, UsageError, "100% of the samples are NaN"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    pipeline: Pipeline, given: Any, options: dict[str, Any], error: Any, says: str
) -> None:
    with pytest.raises(error) as caught:
        pipeline(given, **options)
    assert says in str(caught.value) and "\n" not in str(caught.value) and "/tmp" not in str(caught.value)


def test_pictures_of_a_pixel_and_of_no_face_are_answers(pipeline: Pipeline) -> None:
    for size in (1, 2, 50):
        found = pipeline(np.zeros((size, size, 3), np.uint8))
        assert found.summary.fused is None and found.summary.why["face"] == "no face found"


def test_a_blue_face_is_warned_of(pipeline: Pipeline, face: NDArray[np.uint8]) -> None:
    with pytest.warns(UserWarning, match="bluer than it is red.*channels='bgr'"):
        pipeline(np.ascontiguousarray(face[..., ::-1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        turned = pipeline(face[..., ::-1], channels="bgr")
        assert answer(turned) == answer(pipeline(face))


def test_progress_is_told_and_is_no_part_of_the_call(pipeline: Pipeline, talk_mp4: Path, capsys: Any) -> None:
    told: list[tuple[float, float | None]] = []
    found = pipeline(talk_mp4, progress=lambda done, whole: told.append((done, whole)))
    assert len(told) > 10 and told[-1][0] <= found.source.duration_s and {whole for _, whole in told} == {told[0][1]}
    pipeline(talk_mp4, progress=True)
    assert "talk.mp4" in capsys.readouterr().err
    assert found.provenance is not None and "progress" not in found.provenance.call


def test_names_of_what_is_in_memory() -> None:
    assert describe("https://me:secret@example.org/a.mp4?key=1") == "https://example.org/a.mp4"
    assert describe(np.zeros((2, 2))) == "array (2, 2)" and describe(b"ab") == "2 bytes"
    assert is_sound((np.zeros(3), 8_000)) and not is_sound(("a.mp4", 3)) and not is_sound(("a", "b"))


def test_text_alone(pipeline: Pipeline) -> None:
    found = pipeline.text("I am so happy that you came! What a wonderful day.")
    assert found is not None and found.label == "happy" and found.labels == pipeline.labels
    assert pipeline.text("") is None and pipeline.text("... 12") is None
    with pytest.raises(UsageError, match="text: 3"):
        pipeline.text(3)  # type: ignore[arg-type]


# At an address.


class _Photos(BaseHTTPRequestHandler):
    """Serves a photo; /away leads to it, /liar tells more bytes than it has, /stall never answers to its end."""

    data = b""

    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/face.png")
            self.end_headers()
            return
        told = len(self.data) * (2 if self.path == "/liar" else 1)
        self.send_response(200)
        self.send_header("Content-Length", str(told))
        self.send_header("Accept-Ranges", "none")
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.path == "/stall":
            self.wfile.write(self.data[:10])
            time.sleep(3)
            return
        self.wfile.write(self.data)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address(face: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("emofuse.remote._SILENCE_S", 0.3)
    monkeypatch.setattr("emofuse.remote._WAITS_S", (0.01,))
    _files_of.cache_clear()
    monkeypatch.setattr(_Photos, "data", png(face[::4, ::4]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Photos)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    _files_of.cache_clear()


def test_a_photo_at_an_address_and_where_that_leads(pipeline: Pipeline, address: str) -> None:
    pytest.importorskip("fsspec")
    for name in ("face.png", "away"):
        found = pipeline(f"{address}/{name}")
        assert found.source.is_photo and found.source.path == f"{address}/{name}"


@pytest.mark.parametrize("name", ["liar", "stall"])
def test_an_address_that_lies_or_stalls_is_one_line(pipeline: Pipeline, address: str, name: str) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(MediaError, match=f"cannot read {address}/{name}"):
        pipeline(f"{address}/{name}")


def test_an_address_of_nobody_is_one_line(pipeline: Pipeline) -> None:
    pytest.importorskip("fsspec")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(MediaError, match="does not answer"):
        pipeline(f"http://127.0.0.1:{port}/x.mp4")


# Lists and stretches.


def film_of(packets: list[Packet], n: int) -> NDArray[np.uint8]:
    return np.stack([p.image for p in packets if isinstance(p, Frame)][:n])


def test_films_frames_and_photos_are_one_list(
    pipeline: Pipeline, packets: list[Packet], face: NDArray[np.uint8], clip_mp4: Path
) -> None:
    film = film_of(packets, 20)
    found = pipeline([clip_mp4, film, face, list(film), film[..., 0]], fps=25)
    assert [t.source.fps for t in found][1:] == [25.0, None, 25.0, 25.0] and found[2].source.is_photo
    assert answer(found[0]) == answer(pipeline(clip_mp4)) and answer(found[1]) == answer(pipeline(film, fps=25))
    assert answer(found[3]) == answer(found[1])
    with pytest.raises(UsageError, match=r"fps: 25 is for frames, \(T, H, W, 3\), and there are none"):
        pipeline([clip_mp4, face], fps=25)
    with pytest.raises(UsageError, match="input 2 of 2 is a list in a list, and no frames of one size"):
        pipeline([clip_mp4, [face, face[:10]]], fps=25)


def test_a_stretch_of_what_is_in_memory(pipeline: Pipeline, packets: list[Packet], face: NDArray[np.uint8]) -> None:
    film = film_of(packets, 30)
    found = pipeline(film, fps=25, start_s=0.4, end_s=1.0)
    assert [m.time_s for m in found] == pytest.approx([0.9, 0.96]) and found.source.duration_s == 1.2
    voice = np.concatenate([p.samples for p in packets if isinstance(p, AudioBlock)])
    heard = pipeline((voice, 16_000), start_s=0.25)
    assert heard.moments[0].time_s == 0.75 and heard.moments[-1].time_s == pytest.approx(len(voice) / 16_000, abs=0.01)
    with pytest.raises(UsageError, match="is a photo, which has no start and no end"):
        pipeline(face, start_s=1.0)
    with pytest.raises(MediaError, match="has nothing from 9 s to its end: it ends at"):
        pipeline(film, fps=25, start_s=9.0)
    with pytest.raises(UsageError, match="start_s: 'x' is not a time"):
        pipeline(film, fps=25, start_s="x")  # type: ignore[arg-type]


def test_a_list_that_was_cut_off_goes_on(
    pipeline: Pipeline, packets: list[Packet], clip_mp4: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    film = film_of(packets, 20)
    with pytest.raises(MediaError, match=r"input 2 of 3 \(absent.mp4\)"):
        pipeline([clip_mp4, "absent.mp4", film], fps=25, resume=kept)
    assert len(list(kept.iterdir())) == 1
    first = pipeline([clip_mp4, film], fps=25, resume=kept)
    monkeypatch.setattr(Pipeline, "_one", lambda *_: pytest.fail("it was analysed again"))
    again = pipeline([clip_mp4, film], fps=25, resume=kept)
    assert [t.to_json() for t in again] == [t.to_json() for t in first] and len(list(kept.iterdir())) == 2
    monkeypatch.undo()
    fused, now = again[0].summary.fused, pipeline(clip_mp4).summary.fused
    assert fused is not None and now is not None
    np.testing.assert_allclose(fused.probabilities, now.probabilities, atol=1e-4)


def test_what_is_kept_is_of_the_same_content_and_options(
    pipeline: Pipeline, packets: list[Packet], tmp_path: Path
) -> None:
    film = film_of(packets, 10)
    for options in ({}, {"mode": "frame"}, {"risk": 0.5}, {"end_s": 0.3}):
        pipeline(film, fps=25, resume=tmp_path, **options)
    pipeline(film[:9], fps=25, resume=tmp_path)
    assert len(list(tmp_path.iterdir())) == 5
    for option in ("same_person", "embeddings", "measure_faces"):
        with pytest.raises(UsageError, match=f"{option} and resume do not go together"):
            pipeline(film, fps=25, resume=tmp_path, **{option: True})
    with pytest.raises(UsageError, match="resume: 3"):
        pipeline(film, fps=25, resume=3)  # type: ignore[arg-type]
