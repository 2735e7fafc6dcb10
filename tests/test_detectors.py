"""The detectors that ship are those that are described, byte for byte, with the licences that let them."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from emofuse.inference.bundle import BUNDLES
from emofuse.inference.detector import YUNET
from emofuse.inference.face_identity import FACE_IDENTITY
from emofuse.inference.vad import SILERO

SHIPPED = files("emofuse") / "detectors"


@pytest.mark.parametrize(
    ("file", "sha256", "licence", "holder"),
    [
        (
            "face_detection_yunet_2023mar.onnx",
            "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            "LICENSE-yunet.txt",
            "Copyright (c) 2020 Shiqi Yu",
        ),
        (
            "silero_vad_16k.onnx",
            "eb8ce8b8437158b86833daccc1048a05446a35623c6eec0c46556dfa500b7f1c",
            "LICENSE-silero.txt",
            "Copyright (c) 2020-present Silero Team",
        ),
    ],
)
def test_each_of_others_is_the_one_that_is_described_under_mit(
    file: str, sha256: str, licence: str, holder: str
) -> None:
    assert hashlib.sha256((SHIPPED / file).read_bytes()).hexdigest() == sha256
    text = (SHIPPED / licence).read_text(encoding="utf-8")
    assert text.startswith("MIT License") and holder in text and "WITHOUT WARRANTY OF ANY KIND" in text
    notice = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert file in notice and sha256 in notice and licence in notice


def test_those_that_run_by_default_are_those_that_ship() -> None:
    assert {YUNET.name, SILERO.name, FACE_IDENTITY.name} == {
        one.name for one in SHIPPED.iterdir() if one.name.endswith(".onnx")
    }
    assert YUNET.is_file() and SILERO.is_file()


def test_the_network_of_ours_is_the_one_that_is_described() -> None:
    notice = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(FACE_IDENTITY.read_bytes()).hexdigest() in notice


@pytest.mark.parametrize("path", [*sorted(BUNDLES.rglob("*.onnx")), FACE_IDENTITY], ids=str)
def test_no_shipped_network_tells_of_the_machine_that_exported_it(path: Path) -> None:
    content = path.read_bytes()
    assert len(content) > 100_000
    assert not [trace for trace in (b"stack_trace", b"site-packages", b"/home/") if trace in content]
