"""The documentation builds without a warning, and its pages ask no other host for anything."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}

pytestmark = pytest.mark.docs


class Loads(HTMLParser):
    """Gathers the addresses of what a page loads, its links left aside."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        is_loaded = tag != "link" or values.get("rel") not in ("canonical", "next", "prev")
        address = values.get(LOADING.get(tag, ""))
        if address and is_loaded:
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `mkdocs build --strict` does; it fails at the first link that leads nowhere."""
    pytest.importorskip("material")
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_pages_load_nothing_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.addresses
        for address in loads.addresses:
            assert not re.match(r"(https?:)?//", address), f"{page.name} loads {address}"
            if not address.startswith("data:"):
                place = address.partition("?")[0].partition("#")[0]
                file = site / place[1:] if place.startswith("/") else page.parent / place
                assert file.exists(), f"{page.name}: {address}"
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"url\(\s*[\"']?(https?:)?//", styles)


def test_the_search_knows_every_chapter(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    places = {entry["location"].partition("#")[0] for entry in index["docs"]}
    written = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert written <= places | {"index.html"}


def test_every_chapter_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    written = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert {page for page in written if not re.search(rf"[ ]{re.escape(page)}$", navigation, re.MULTILINE)} == set()


def test_the_reference_has_signatures_and_examples(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in ("emofuse.inference.pipeline.Pipeline", "emofuse.timeline.Timeline.segments"):
        assert f'id="{name}"' in page
    assert "Raises" in page and "gp" in page  # the prompt of an example that is shown as code
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for command in ("emofuse analyze", "emofuse bundle make", "emofuse corpus prepare"):
        assert f"<code>{command}</code>" in commands
    assert "--measure-faces" in commands
