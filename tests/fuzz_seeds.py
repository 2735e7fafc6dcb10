"""Small whole files of every kind that emofuse reads, which the fuzzing damages."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np

from emofuse.research.corpora.manifest import COLUMNS
from emofuse.service.wire_format import HEAD, PICTURE, SOUND
from make_features import HEADER, row, vectors
from make_media import Sound, Video, record
from make_networks import clip_spec, write_clip_network
from make_timelines import TIMELINES

_TIMES: Final = tuple(i / 25 for i in range(8))
_MILLI: Final = Fraction(1, 1000)
_FILM: Final = Video((48, 32), _TIMES)
_TONE: Final = Sound(duration_s=0.3)


def _film(codec: str, pix_fmt: str = "yuv420p", time_base: Fraction = Fraction(1, 25), **options: str) -> Video:
    return Video((48, 32), _TIMES, codec, pix_fmt, time_base, options=options)


def _tone(codec: str, rate_hz: int = 44_100, layout: str = "stereo", **changes: Any) -> Sound:
    return Sound(codec, rate_hz, layout, duration_s=0.3, **changes)


RECIPES: Final = Path(__file__).parent.parent / "recipes"

# name: pictures, sound, and the container where the suffix does not say it
MEDIA: Final[Mapping[str, tuple[Video | None, Sound | None, str | None]]] = {
    "h264-aac.mp4": (_FILM, _TONE, None),
    "mpeg4-mp3.mp4": (_film("mpeg4"), _tone("libmp3lame"), None),
    "mjpeg-pcm.mov": (_film("mjpeg", "yuvj420p"), _tone("pcm_s16le"), None),
    "alac.m4a": (None, _tone("alac"), "ipod"),
    "h264-aac.mkv": (_film("libx264", time_base=_MILLI), _tone("aac", 48_000), None),
    "ffv1-flac.mkv": (_film("ffv1", time_base=_MILLI), _tone("flac"), None),
    "vp8-opus.webm": (_film("libvpx", time_base=_MILLI, **{"cpu-used": "8"}), _tone("libopus", 48_000), None),
    "vp9-opus.webm": (_film("libvpx-vp9", time_base=_MILLI, **{"cpu-used": "8"}), _tone("libopus", 48_000), None),
    "mpeg4-mp3.avi": (_film("mpeg4"), _tone("libmp3lame"), None),
    "mjpeg-pcm.avi": (_film("mjpeg", "yuvj420p"), _tone("pcm_s16le"), None),
    "flv1-mp3.flv": (_film("flv", time_base=_MILLI), _tone("libmp3lame"), None),
    "h264-aac-late.flv": (_film("libx264", time_base=_MILLI), _tone("aac", start_s=0.2), None),
    "pcm16.wav": (None, _tone("pcm_s16le", 16_000, "mono"), None),
    "float.wav": (None, _tone("pcm_f32le", 16_000), None),
    "adpcm.wav": (None, _tone("adpcm_ms", 22_050, "mono"), None),
    "pcm.w64": (None, _tone("pcm_s16le", 16_000, "mono"), None),
    "a.flac": (None, _tone("flac"), None),
    "a.mp3": (None, _tone("libmp3lame"), None),
    "opus.ogg": (None, _tone("libopus", 48_000), None),
    "h264-aac.ts": (_film("libx264", time_base=Fraction(1, 90_000)), _tone("aac"), None),
    "mpeg2-mp2.ts": (_film("mpeg2video"), _tone("mp2"), None),
    "a.aac": (None, _tone("aac"), "adts"),
    "a.ac3": (None, _tone("ac3", 48_000), None),
    "mpeg1-mp2.mpg": (_film("mpeg1video"), _tone("mp2"), None),
    "wmv2-wmav2.wmv": (_film("wmv2"), _tone("wmav2"), "asf"),
    "a.aiff": (None, _tone("pcm_s16be"), None),
    "a.au": (None, _tone("pcm_s16be"), None),
    "a.caf": (None, _tone("pcm_s16le"), None),
    "a.gif": (_film("gif", "rgb8"), None, None),
    "mpeg4-pcm.nut": (_film("mpeg4"), _tone("pcm_s16le"), None),
    "a.tta": (None, _tone("tta"), None),
    "a.wv": (None, _tone("wavpack", 44_100), None),
    "a.h264": (_film("libx264"), None, "h264"),
    "vp8.ivf": (_film("libvpx", **{"cpu-used": "8"}), None, None),
    "a.mxf": (_film("mpeg2video"), _tone("pcm_s16le", 48_000, "mono"), None),
}


def media_seeds(folder: Path) -> dict[str, bytes]:
    """Return a recording of a third of a second for every container and codec that PyAV here can write."""
    made = {}
    for name, (video, sound, container) in MEDIA.items():
        try:
            made[name] = record(folder / name, video, sound, format=container).read_bytes()
        except (av.FFmpegError, ValueError):  # an FFmpeg without that encoder
            continue
    made["gap.flv"] = record(
        folder / "gap.flv",
        _film("flv", time_base=_MILLI),
        Sound("libmp3lame", duration_s=0.6, gap_s=(0.1, 0.4)),
    ).read_bytes()
    return made


def transcript_seeds(folder: Path) -> dict[str, bytes]:
    """Return a transcript in every form."""
    words = [{"word": " I'm", "start": 1.0, "end": 1.2}, {"word": " late.", "start": 1.2, "end": 1.8}]
    segment = {"id": 0, "start": 1.0, "end": 2.0, "text": " I'm late.", "words": words}
    return {
        "a.srt": b"1\n00:00:01,500 --> 00:00:03,000\nIt's <i>eleven</i> o'clock. [door]\n\n"
        b"2\n00:00:04,000 --> 00:00:05,250\n- Dr. No?\n- Yes!\n",
        "a.vtt": b"WEBVTT\n\nNOTE nobody\n\nintro\n00:01.000 --> 00:02.500 line:0%\n"
        b"<v.loud Anna &amp; Ben>I <b>hate</b> it</v>\n\n"
        b"00:02.000 --> 00:04.000\nso<00:02.500><c> late</c><00:03.000><c> now</c>\n\n"
        b"00:04.000 --> 00:05.000\nso late now\n",
        "whisper.json": json.dumps({"segments": [segment, {**segment, "words": None}], "language": "en"}).encode(),
        "openai.json": json.dumps({"segments": [{"text": "I'm late.", "start": 1, "end": 2}], "words": words}).encode(),
        "own.json": json.dumps([{"text": "I'm late.", "start_s": 1, "end_s": 2.0, "speaker": "Anna"}]).encode(),
        "a.txt": b"I said no. Dr. Who said\n\nyes!!\n",
    }


def manifest_seeds(folder: Path) -> dict[str, bytes]:
    """Return a manifest whose files are there."""
    cells = {"path": "a.wav", "emotion": "happy", "speaker": "s1", "sex": "female", "start_s": "0.1", "end_s": "0.9"}
    lines = [",".join(COLUMNS)]
    for i in range(3):
        lines.append(",".join({**cells, "path": f"{'abc'[i]}.wav", "speaker": f"s{i}"}.get(c, "") for c in COLUMNS))
    return {"a.csv": "\n".join(lines).encode(), "short.csv": b"path,emotion,speaker\na.wav,sad,x\n'-b.wav,happy,y\n"}


def split_seeds(folder: Path) -> dict[str, bytes]:
    """Return split files over the manifest of three clips."""
    return {
        "folds.csv": b"speaker;fold\ns0;1\ns1;2\ns2;10\n",
        "parts.csv": b"path,fold,part\na.wav,1,train\nb.wav,1,valid\nc.wav,1,test\n",
    }


def recipe_seeds(folder: Path) -> dict[str, bytes]:
    """Return recipes of every kind of data."""
    names = ("face", "voice", "mvit-wave", "iemocap-attention", "text", "voice-action-units", "iemocap-fusion")
    return {f"{name}.toml": (RECIPES / f"{name}.toml").read_bytes() for name in names}


def feature_table_seeds(folder: Path) -> dict[str, bytes]:
    """Return the table of a feature set."""
    names = ("Ses01F_impro01_M000", "Ses01F_impro01_F001", "train_dia0_utt1")
    return {"dataset.csv": "\n".join([HEADER, *(row(name) for name in names)]).encode()}


def _zip(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def feature_archive_seeds(folder: Path) -> dict[str, bytes]:
    """Return archives of the features of two utterances, in every method of compression."""
    files = vectors("a", "b")
    methods = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED, "lzma": zipfile.ZIP_LZMA}
    return {f"{name}.zip": _zip(files, method) for name, method in methods.items()}


def npy_seeds(folder: Path) -> dict[str, bytes]:
    """Return single arrays."""
    arrays = {"float32": np.ones((2, 3), np.float32), "column": np.asfortranarray(np.ones((4, 3))), "int": np.arange(3)}
    made = {}
    for name, array in arrays.items():
        file = BytesIO()
        np.save(file, array)
        made[f"{name}.npy"] = file.getvalue()
    return made


def face_archive_seeds(folder: Path) -> dict[str, bytes]:
    """Return an archive as FER+ has it, with two faces."""
    png = cv2.imencode(".png", np.full((48, 48), 90, np.uint8))[1].tobytes()
    table = 'a.png,"(0, 0, 48, 48)",8,2,0,0,0,0,0,0,0,0\nb.png,"(0, 0, 48, 48)",0,0,9,0,0,0,0,1,0,0\n'
    files = {"FER2013Test/label.csv": table.encode(), "FER2013Test/a.png": png, "FER2013Test/b.png": png}
    return {"ferplus.zip": _zip(files)}


def bundle_seeds(folder: Path) -> dict[str, bytes]:
    """Return the manifest of a bundle."""
    return {"fusion.json": (_BASE / "fusion.json").read_bytes()}


def network_seeds(folder: Path) -> dict[str, bytes]:
    """Return small networks."""
    tiny = write_clip_network(folder / "clip.onnx", clip_spec())
    with_sound = write_clip_network(folder / "sound.onnx", clip_spec(rate_hz=16_000))
    return {"clip.onnx": tiny.read_bytes(), "sound.onnx": with_sound.read_bytes()}


def timeline_seeds(folder: Path) -> dict[str, bytes]:
    """Return results of an analysis."""
    names = ("a gap", "silent film", "with clips", "empty")
    return {f"{name}.json": json.dumps(TIMELINES[name].to_json()).encode() for name in names}


def message_seeds(folder: Path) -> dict[str, bytes]:
    """Return text messages of a live client."""
    return {
        "start": b'{"type": "start", "mode": "queue", "hop_s": 0.5, "rate_hz": 16000, "sound": true, "raw": false}',
        "line": b'{"type": "line", "text": "I am late", "start_s": 0.5, "end_s": 1.5}',
        "alive": b'{"type": "alive"}',
        "stop": b'{"type": "stop"}',
    }


def packet_seeds(folder: Path) -> dict[str, bytes]:
    """Return binary messages of a live client."""
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    jpeg, webp = (cv2.imencode(suffix, picture)[1].tobytes() for suffix in (".jpg", ".webp"))
    samples = (np.sin(np.arange(800) / 5) * 9000).astype("<i2").tobytes()
    return {
        "jpeg": HEAD.pack(PICTURE, 0.5) + jpeg,
        "webp": HEAD.pack(PICTURE, 0.5) + webp,
        "sound": HEAD.pack(SOUND, 0.5) + samples,
    }


def form_seeds(folder: Path) -> dict[str, bytes]:
    """Return the body of an upload by a form, with the boundary "b"."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mkv"\r\nContent-Type: video/mp4\r\n\r\n'
    option = b'--b\r\nContent-Disposition: form-data; name="mode"\r\n\r\nframe\r\n'
    return {"form": option + head + b"\x1aE\xdf\xa3" + bytes(600) + b"\r\n--b--\r\n"}


def request_seeds(folder: Path) -> dict[str, bytes]:
    """Return requests: method and path, headers, and after an empty line the body."""
    return {
        "get": b"GET /v1/analyses/q3cAxLr0vJ6rMZcGzBzq8w?x=1\naccept: */*\n\n",
        "result": b"GET /v1/analyses/q3cAxLr0vJ6rMZcGzBzq8w/results/json\nrange: bytes=0-10\n\n",
        "post": b"POST /v1/analyses?name=a.mp4&mode=queue&hop_s=0.5&annotate=true\n"
        b"content-type: application/octet-stream\norigin: http://127.0.0.1:8000\n\n\x1aE\xdf\xa3" + bytes(20),
        "page": b"GET /static/app.js\nif-none-match: x\nhost: 127.0.0.1:8000\n\n",
        "health": b"GET /v1/health\nauthorization: Bearer x\ncookie: a=b\n\n",
    }


def prediction_seeds(folder: Path) -> dict[str, bytes]:
    """Return predictions as `emofuse evaluate` writes them."""
    lines = ["clip,speaker,sex,fold,seed,truth,guess,p_sad,p_happy"]
    lines += [f"{c}.wav,s{c},female,1,{seed},sad,happy,0.25,0.75" for seed in (0, 1) for c in "ab"]
    return {"predictions.csv": "\n".join(lines).encode()}


def meld_seeds(folder: Path) -> dict[str, bytes]:
    """Return a table of MELD."""
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    rows = [f'{i},"Oh, it\x92s you",Ann,joy,positive,{i},0,8,21,"00:16:16,059","00:16:21,731"' for i in range(2)]
    return {"train_sent_emo.csv": "\n".join([header, *rows]).encode("latin-1")}


def address_seeds(folder: Path) -> dict[str, bytes]:
    """Return addresses of streams."""
    return {
        "rtsp": b"rtsp://user:pass@camera.local:554/stream?x=1",
        "http": b"http://[::1]:8000/a.m3u8",
        "udp": b"udp://:1234",
    }


_BASE: Final = Path(__file__).parent.parent / "src" / "emofuse" / "bundles" / "base"
Seeds = Callable[[Path], dict[str, bytes]]
