"""`emofuse serve`: what it refuses, in a line each, and what it makes of its options."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emofuse.cli import serve
from emofuse.service import server
from emofuse.service.settings import ServiceSettings
from emofuse.service.store import JobStore

Emofuse = Callable[..., Any]
TOKEN = "a-token-of-some-length"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    monkeypatch.setenv("EMOFUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EMOFUSE_TOKEN", raising=False)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServiceSettings]:
    """Return the settings of the services that are run, which only say that they are."""
    found: list[ServiceSettings] = []

    def run(settings: ServiceSettings, on_start: Callable[[str], None]) -> None:
        found.append(settings)
        on_start("http://127.0.0.1:1")

    monkeypatch.setattr(server, "run", run)
    return found


def test_by_default_it_is_for_this_machine_alone(
    emofuse: Emofuse, served: list[ServiceSettings], tmp_path: Path
) -> None:
    result = emofuse("serve")
    assert result.code == 0
    assert "emofuse listens on http://127.0.0.1:1; Ctrl-C ends it" in result.out
    assert "what was waiting or running goes on when it is started again" in result.err
    [settings] = served
    assert settings == ServiceSettings(folder=tmp_path / "cache" / "service")
    assert settings.is_loopback and settings.token is None and settings.origins == ()
    assert (tmp_path / "cache" / "service").stat().st_mode & 0o077 == 0


def test_its_options_are_its_settings(
    emofuse: Emofuse, served: list[ServiceSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOFUSE_TOKEN", TOKEN)
    sizes = ["--max-upload-mb", 7, "--max-duration-s", 8, "--max-queue", 9, "--max-live", 3, "--workers", 2]
    limits = ["--job-timeout-s", 11, "--job-memory-mb", 900, "--keep-s", 13]
    origins = ["--origin", "https://a.example", "--origin", "http://b.example:81"]
    assert emofuse("serve", "--host", "0.0.0.0", "--port", 81, "--folder", tmp_path / "f", *sizes, *limits, *origins)
    [settings] = served
    assert settings == ServiceSettings(
        host="0.0.0.0",
        port=81,
        token=TOKEN,
        folder=tmp_path / "f",
        max_upload_mb=7,
        max_duration_s=8,
        max_queue=9,
        max_live=3,
        workers=2,
        job_timeout_s=11,
        job_memory_mb=900,
        keep_s=13,
        origins=("https://a.example", "http://b.example:81"),
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])
def test_no_public_address_without_a_token(emofuse: Emofuse, served: list[ServiceSettings], host: str) -> None:
    result = emofuse("serve", "--host", host)
    assert result.code == 2 and not served
    assert f"{host} can be reached from other machines, and there is no token" in result.err
    assert "EMOFUSE_TOKEN" in result.err


@pytest.mark.parametrize("token", ["short", "with spaces in it, and long", "größer-als-sechzehn-zeichen"])
def test_a_bad_token_is_refused_and_not_printed(
    emofuse: Emofuse, served: list[ServiceSettings], monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("EMOFUSE_TOKEN", token)
    result = emofuse("serve")
    assert result.code == 2 and not served
    assert "EMOFUSE_TOKEN is not a token" in result.err and token not in result.err + result.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bundle", "nothing"], "no bundle 'nothing'"),
        (["--origin", "a.example/b"], "an origin is"),
        (["--max-queue", 0], "--max-queue"),
        (["--job-memory-mb", 100], "--job-memory-mb"),
        (["--port", 70000], "--port"),
    ],
)
def test_options_that_are_not_allowed(
    emofuse: Emofuse, served: list[ServiceSettings], arguments: list[object], words: str
) -> None:
    result = emofuse("serve", *arguments)
    assert result.code in (1, 2) and words in " ".join(result.err.split()) and not served


def test_a_folder_that_cannot_be(emofuse: Emofuse, served: list[ServiceSettings], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        result = emofuse("serve", "--folder", folder)
        assert result.code != 0 and "cannot make the folder" in result.err and not served


def test_a_folder_that_another_service_has(emofuse: Emofuse, served: list[ServiceSettings], tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.sqlite", lambda: 0.0)
    result = emofuse("serve", "--folder", tmp_path)
    store.close()
    assert result.code == 2 and "another service may be using its folder" in result.err and not served


def test_a_port_that_is_taken(emofuse: Emofuse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = emofuse("serve", "--port", port)
    assert result.code == 2 and f"cannot listen on port {port} of 127.0.0.1" in result.err
    assert "--port" in result.err


def test_without_the_extra_it_says_what_to_install(emofuse: Emofuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "uvicorn" else object())
    result = emofuse("serve")
    assert result.code == 2 and "uvicorn is not installed" in result.err
    assert "pip install 'emofuse[serve]'" in result.err
