"""Services with a worker that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from emofuse.service import process
from emofuse.service.settings import ServiceSettings
from service_harness import STAND_IN, Client, in_process

Story = Callable[[Client], Awaitable[None]]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-in in place of the worker."""
    monkeypatch.setattr(process, "COMMAND", STAND_IN)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., ServiceSettings]:
    """Return what makes settings, in a folder of the test's own."""
    return lambda **changes: ServiceSettings(**{"folder": tmp_path / "service", **changes})


@pytest.fixture
def serve(stand_in: None, settings: Callable[..., ServiceSettings]) -> Callable[..., None]:
    """Return what runs a story (an async function of a client) against a service with the stand-in worker."""

    def run(story: Story, headers: dict[str, str] | None = None, **changes: Any) -> None:
        async def whole() -> None:
            async with in_process(settings(**changes), headers=headers) as client:
                await asyncio.wait_for(story(client), 100)

        asyncio.run(whole())

    return run
