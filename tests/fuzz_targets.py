"""What the fuzzing gives damaged files to, and what may come of it: an answer that holds, or one of our errors."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

import emofuse
import fuzz_seeds
from emofuse.errors import EmofuseError
from emofuse.inference.asr import read_sound
from emofuse.inference.bundle import BUNDLES, load_bundle
from emofuse.inference.bundle_check import dummy_inputs
from emofuse.inference.network import OnnxNetwork
from emofuse.media import VideoWriter, open_media
from emofuse.media.network import address_of
from emofuse.outputs.tables import read_json
from emofuse.preprocessing.tokens import encode
from emofuse.research.corpora.manifest import Clip, Manifest, read_manifest
from emofuse.research.corpora.readers.ferplus import read_ferplus
from emofuse.research.corpora.readers.meld import read_meld_text
from emofuse.research.corpora.splits.file import read_split_file
from emofuse.research.evaluation.scores.predictions import read_predictions
from emofuse.research.feature_sets.store import read_feature_set
from emofuse.research.recipes.recipe import load_recipe
from emofuse.service.http_errors import RefusedError
from emofuse.service.live_messages import first_message, later_message
from emofuse.service.wire_format import PacketReader
from emofuse.transcripts import read_transcript
from emofuse.transcripts.sentences import cut_line
from emofuse.types import AudioBlock, Frame
from fuzz_mutations import mutate

OURS: Final = (EmofuseError, RefusedError)
_LONGEST_LINE: Final = 2000


@dataclass(frozen=True)
class Target:
    """A reader. make_seeds: whole files of its kind; read: what is done with a damaged one, in a folder of its own.

    share: of the inputs, beside those of the others; is_named: an error tells the file's name.
    """

    make_seeds: fuzz_seeds.Seeds
    read: Callable[[Path], object]
    is_text: bool = False
    share: int = 1
    is_named: bool = True


class WrongAnswerError(Exception):
    """What was read breaks a promise, or the error does not read as ours should."""


def damaged(target: str, number: int, seeds: dict[str, bytes]) -> tuple[str, bytes]:
    """Return the name and the bytes of one damaged file, the same for the same number."""
    chance = random.Random(f"{target} {number}")
    name = chance.choice(sorted(seeds))
    return name, mutate(seeds[name], chance, TARGETS[target].is_text)


def judge(target: str, name: str, data: bytes, folder: Path) -> str:
    """Read a damaged file. Return "answer", or "ours" for one of our errors; whatever else comes of it is raised."""
    file = folder / name
    file.write_bytes(data)
    try:
        TARGETS[target].read(file)
    except OURS as error:
        text = str(error)
        if "\n" in text or "\x1b" in text or not text.strip() or len(text) > _LONGEST_LINE:
            raise WrongAnswerError(f"the error is not a line: {text[:300]!r}") from error
        if TARGETS[target].is_named and file.stem not in text:
            raise WrongAnswerError(f"the error does not name the file: {text[:300]!r}") from error
        return "ours"
    return "answer"


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise WrongAnswerError(what)


def _media(file: Path) -> None:
    latest_s = -math.inf
    with open_media(file) as media:
        for packet in media:
            _require(math.isfinite(packet.time_s) and packet.time_s >= 0, f"a packet at {packet.time_s} s")
            if isinstance(packet, Frame):
                _require(packet.time_s >= latest_s, f"a picture at {packet.time_s} s after {latest_s} s")
                latest_s = packet.time_s
            elif isinstance(packet, AudioBlock):
                _require(bool(np.isfinite(packet.samples).all()), "sound that is not finite")
        _require(all("\n" not in line for line in media.warnings), "a warning of several lines")
        duration_s = media.source.duration_s
        _require(duration_s is None or (math.isfinite(duration_s) and duration_s >= 0), f"a duration of {duration_s} s")


@cache
def _schema() -> Any:
    import jsonschema

    text = (BUNDLES.parent / "outputs" / "timeline.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def _analysis(file: Path) -> None:
    document = emofuse.analyze(file).to_json()
    error = next(_schema().iter_errors(json.loads(json.dumps(document, allow_nan=False))), None)
    _require(error is None, f"the JSON breaks its schema: {error and error.message}")


def _annotated(file: Path) -> None:
    target = file.with_name("out.mp4")
    with open_media(file) as media:
        if not media.source.has_video:
            return
        with VideoWriter(target, file) as writer:
            for packet in media:
                if isinstance(packet, Frame):
                    writer.write(packet.image, packet.time_s)
    target.unlink()


def _recognised(file: Path) -> None:
    for start_s, samples in read_sound(file, longest_s=10.0):
        _require(start_s >= 0 and bool(np.isfinite(samples).all()), "sound that is none")


def _transcript(file: Path) -> None:
    for line in read_transcript(file, 5.0).lines:
        _require(0 <= line.start_s <= line.end_s <= 5.0, f"a line from {line.start_s} to {line.end_s} s of 5")
        for piece in cut_line(line):
            encode(piece.text)


def _manifest(file: Path) -> None:
    for name in "abc":
        (file.parent / f"{name}.wav").touch()
    (file.parent / "-b.wav").touch()
    _require(len(read_manifest(file)) > 0, "a manifest without clips")


def _split(file: Path) -> None:
    clips = tuple(Clip(file.parent / f"{name}.wav", "happy", f"s{i}") for i, name in enumerate("abc"))
    read_split_file(file, Manifest("made", ("happy",), clips, ""))


def _recipe(file: Path) -> None:
    for member in fuzz_seeds.RECIPES.glob("*.toml"):
        if member.name != file.name:
            file.with_name(member.name).symlink_to(member)
    load_recipe(file)


def _feature_table(file: Path) -> None:
    for path, content in fuzz_seeds.vectors("Ses01F_impro01_M000", "Ses01F_impro01_F001", "train_dia0_utt1").items():
        (file.parent / path).parent.mkdir(parents=True, exist_ok=True)
        (file.parent / path).write_bytes(content)
    _require(len(read_feature_set(file.parent).manifest) > 0, "a feature set without utterances")


def _feature_archive(file: Path) -> None:
    rows = [fuzz_seeds.HEADER, fuzz_seeds.row("a"), fuzz_seeds.row("b")]
    (file.parent / "dataset.csv").write_text("\n".join(rows), encoding="utf-8")
    file.replace(file.parent / "features.zip")
    read_feature_set(file.parent)


def _npy(file: Path) -> None:
    folder = file.parent / "features" / "acoustic_features"
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in fuzz_seeds.vectors("a", "b").items():
        (file.parent / path).parent.mkdir(parents=True, exist_ok=True)
        (file.parent / path).write_bytes(content)
    file.replace(folder / "a.npy")
    rows = [fuzz_seeds.HEADER, fuzz_seeds.row("a"), fuzz_seeds.row("b")]
    (file.parent / "dataset.csv").write_text("\n".join(rows), encoding="utf-8")
    _require(len(read_feature_set(file.parent).manifest) == 2, "a damaged member cost more than itself")


def _faces(file: Path) -> None:
    read_ferplus(file, "Test")


def _fusion(file: Path) -> None:
    for network in BUNDLES.joinpath("base").glob("*.onnx"):
        link = file.parent / network.name
        if not link.exists():
            link.symlink_to(network)
    load_bundle(file.parent)


def _network(file: Path) -> None:
    network = OnnxNetwork(file)
    spec = network.card.input
    if (spec.n_frames or 1) * (spec.size_px or 1) ** 2 < 1_000_000 and (spec.window_s or 0) < 60:
        network.logits(*dummy_inputs(spec))


def _timeline(file: Path) -> None:
    timeline = read_json(file)
    json.dumps(timeline.to_json(), allow_nan=False)


def _message(file: Path) -> None:
    text = file.read_bytes().decode("utf-8", "replace")
    read = first_message if file.stem == "start" else later_message
    read(text)


def _packet(file: Path) -> None:
    reader = PacketReader(16_000)
    for packet in reader.read(file.read_bytes()):
        _require(math.isfinite(packet.time_s), "a packet of no time")


def _predictions(file: Path) -> None:
    with np.errstate(invalid="ignore"):
        read_predictions(file)


def _meld(file: Path) -> None:
    read_meld_text(file.parent, "train")


def _address(file: Path) -> None:
    address_of(file.read_bytes().decode("utf-8", "surrogateescape"))


class _Service:
    """The service in this process, with an event loop that goes on from one message to the next."""

    def __init__(self, folder: Path) -> None:
        from emofuse.service.app import create_app
        from emofuse.service.settings import ServiceSettings

        self.loop = asyncio.new_event_loop()
        self.app = create_app(ServiceSettings(folder=folder, max_queue=1))
        self._lifespan = self.app.router.lifespan_context(self.app)
        self.loop.run_until_complete(self._lifespan.__aenter__())
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; what the application raises is raised here."""
        return self.loop.run_until_complete(asyncio.wait_for(self.client.request(method, path, **options), 30))

    def converse(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send a live client's messages, then leave; return what the service sent."""
        sent: list[dict[str, Any]] = []
        waiting: list[dict[str, Any]] = [{"type": "websocket.connect"}, *messages, {"type": "websocket.disconnect"}]

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "websocket.disconnect", "code": 1000}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"host", b"127.0.0.1:8000")]
        scope = {
            "type": "websocket",
            "path": "/v1/live",
            "raw_path": b"/v1/live",
            "query_string": b"",
            "headers": headers,
        }
        scope |= {"scheme": "ws", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1), "subprotocols": []}
        scope |= {"asgi": {"version": "3.0"}, "http_version": "1.1", "extensions": {}}
        self.loop.run_until_complete(asyncio.wait_for(self.app(scope, receive, send), 60))
        return sent


@cache
def _service() -> _Service:
    import tempfile

    return _Service(Path(tempfile.mkdtemp(prefix="emofuse-fuzz-")))


def _check_answer(answer: httpx.Response) -> None:
    _require(answer.status_code < 500 or answer.status_code in (503, 507), f"status {answer.status_code}")
    if answer.status_code >= 400:
        body = answer.json()
        _require(set(body) == {"error"} and "\n" not in body["error"]["message"], f"a refusal of another form: {body}")
        raise RefusedError(answer.status_code, body["error"]["code"], body["error"]["message"] or "nothing")


def _form(file: Path) -> None:
    answer = _service().request(
        "POST", "/v1/analyses", content=file.read_bytes(), headers={"content-type": "multipart/form-data; boundary=b"}
    )
    if answer.status_code == 202:
        _service().request("DELETE", f"/v1/analyses/{answer.json()['id']}")
    _check_answer(answer)


def _http(file: Path) -> None:
    """Take the lines of a file for method, path, headers, and the rest for a body."""
    first, _, rest = file.read_bytes().decode("latin-1").partition("\n")
    method, _, path = first.partition(" ")
    head, _, body = rest.partition("\n\n")
    pairs = [line.partition(": ") for line in head.splitlines()]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, _, value in pairs]
    try:
        url = httpx.URL(f"http://127.0.0.1:8000{path if path.startswith('/') else '/' + path}")
        request = _service().client.build_request(
            method or "GET", url, headers=[(b"host", b"127.0.0.1:8000"), *headers], content=body.encode("latin-1")
        )
    except (httpx.InvalidURL, ValueError, UnicodeError):  # what no client can send
        raise RefusedError(400, "no_request", "no request") from None
    loop = _service().loop
    answer = loop.run_until_complete(asyncio.wait_for(_service().client.send(request), 30))
    if answer.status_code == 202 and method == "POST":
        _service().request("DELETE", f"/v1/analyses/{answer.json()['id']}")
    _require(answer.status_code < 500 or answer.status_code in (503, 507), f"status {answer.status_code}")


def _live(file: Path) -> None:
    """Send a damaged message within a conversation that is else whole."""
    start = {"type": "websocket.receive", "text": '{"type": "start", "mode": "queue", "hop_s": 0.5}'}
    data = file.read_bytes()
    is_text = file.stem in ("start", "line", "alive", "stop")
    odd: dict[str, Any] = {"type": "websocket.receive"}
    odd |= {"text": data.decode("utf-8", "replace")} if is_text else {"bytes": data}
    stop = {"type": "websocket.receive", "text": '{"type": "stop"}'}
    sent = _service().converse([odd, stop] if file.stem == "start" else [start, odd, odd, stop])
    told = [json.loads(message["text"]) for message in sent if message["type"] == "websocket.send"]
    _require(all(one["type"] in ("ready", "moment", "error", "end") for one in told), f"it sent {told[-1:]}")
    errors = [one["error"] for one in told if one["type"] == "error"]
    _require(all(error["code"] != "internal" for error in errors), f"the service failed: {errors}")
    if errors:
        raise RefusedError(400, errors[0]["code"], errors[0]["message"])


def _live_seeds(folder: Path) -> dict[str, bytes]:
    return fuzz_seeds.message_seeds(folder) | fuzz_seeds.packet_seeds(folder)


TARGETS: Final[dict[str, Target]] = {
    "media": Target(fuzz_seeds.media_seeds, _media, share=16),
    "analysis": Target(fuzz_seeds.media_seeds, _analysis, share=4),
    "annotated": Target(fuzz_seeds.media_seeds, _annotated, share=2),
    "recognised": Target(fuzz_seeds.media_seeds, _recognised, share=2),
    "transcript": Target(fuzz_seeds.transcript_seeds, _transcript, is_text=True, share=16),
    "manifest": Target(fuzz_seeds.manifest_seeds, _manifest, is_text=True, share=6),
    "split": Target(fuzz_seeds.split_seeds, _split, is_text=True, share=3),
    "recipe": Target(fuzz_seeds.recipe_seeds, _recipe, is_text=True, share=8),
    "feature table": Target(fuzz_seeds.feature_table_seeds, _feature_table, is_text=True, share=3),
    "feature archive": Target(fuzz_seeds.feature_archive_seeds, _feature_archive, share=6, is_named=False),
    "npy": Target(fuzz_seeds.npy_seeds, _npy, share=3),
    "face archive": Target(fuzz_seeds.face_archive_seeds, _faces, share=3),
    "bundle": Target(fuzz_seeds.bundle_seeds, _fusion, is_text=True, share=2, is_named=False),
    "network": Target(fuzz_seeds.network_seeds, _network, share=4),
    "timeline": Target(fuzz_seeds.timeline_seeds, _timeline, is_text=True, share=4),
    "predictions": Target(fuzz_seeds.prediction_seeds, _predictions, is_text=True, share=3),
    "meld": Target(fuzz_seeds.meld_seeds, _meld, is_text=True, share=2, is_named=False),
    "address": Target(fuzz_seeds.address_seeds, _address, is_text=True, is_named=False),
    "message": Target(fuzz_seeds.message_seeds, _message, is_text=True, share=3, is_named=False),
    "packet": Target(fuzz_seeds.packet_seeds, _packet, share=4, is_named=False),
    "form": Target(fuzz_seeds.form_seeds, _form, share=2, is_named=False),
    "http": Target(fuzz_seeds.request_seeds, _http, is_text=True, share=2, is_named=False),
    "live": Target(_live_seeds, _live, is_text=False, share=1, is_named=False),
}
