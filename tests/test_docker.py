"""The image is as docs/scale.md promises, as far as that can be seen without building it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from emofuse.cli import serve

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


def instructions(text: str = DOCKERFILE) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with their arguments, continued lines joined."""
    lines = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#"))).splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def test_the_image_is_of_the_wheel_and_runs_as_nobody_special() -> None:
    steps = instructions()
    last = steps[max(i for i, (what, _) in enumerate(steps) if what == "FROM") :]
    names = [what for what, _ in last]
    assert {what for what, _ in steps} <= {"FROM", "ARG", "COPY", "RUN", "ENV", "USER", "WORKDIR", "EXPOSE"} | {
        "ENTRYPOINT",
        "CMD",
    }
    assert dict(last)["USER"].isdecimal() and dict(last)["USER"] != "0"  # a number, which Kubernetes can check
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])
    assert ("COPY", "dist/emofuse-*.whl /tmp/") in steps  # nothing else of this folder comes in
    assert dict(last)["ENTRYPOINT"] == '["emofuse"]'
    extras = re.search(r"EXTRAS=(\S+)", DOCKERFILE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extras is not None and set(extras[1].split(",")) <= set(project["optional-dependencies"])
    assert "torch" not in DOCKERFILE and "--no-cache-dir" in DOCKERFILE


def test_the_service_is_composed_with_options_that_there_are() -> None:
    yaml = pytest.importorskip("yaml")
    service = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["emofuse"]
    command, *options = service["command"]
    assert command == "serve"
    named = {option.removeprefix("--").replace("-", "_") for option in options if option.startswith("--")}
    assert named <= set(serve.serve.__annotations__)
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])  # nobody else is let in unasked
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert "EMOFUSE_TOKEN:?" in service["environment"]["EMOFUSE_TOKEN"]  # it does not begin without one
    written = [options[options.index("--folder") + 1]]
    assert all(any(place.startswith(volume.split(":")[1]) for volume in service["volumes"]) for place in written)
