"""The page of `emofuse serve` in Chromium, whose camera shows a real clip: what its tests do and look at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chromium import open_chromium, set_view
from fake_camera import camera_of
from run_service import until

DEMO = Path(__file__).parents[1] / "src" / "emofuse" / "demo" / "clip.mp4"
# Keeps what the page and the service say to one another, for the tests to look at.
SPY = """
window.spy = { moments: [], sent: 0, sockets: [] };
const Real = WebSocket;
window.WebSocket = class extends Real {
  constructor(...given) {
    super(...given);
    spy.sockets.push(this);
    this.addEventListener("message", (event) => {
      const told = JSON.parse(event.data);
      if (told.type === "moment") spy.moments.push(told.moment);
    });
  }
  send(data) {
    spy.sent += typeof data !== "string";
    super.send(data);
  }
};
"""


def corpus_clip(*names: str) -> Path:
    """Return a clip of the corpora, or skip the test."""
    root = os.environ.get("EMOFUSE_DATA")
    if not root or not (clip := Path(root, *names)).is_file():
        pytest.skip(f"EMOFUSE_DATA does not name a folder with {'/'.join(names)}")
    return clip


def ravdess() -> Path:
    return corpus_clip("ravdess_original", "videos", "Actor_05", "01-01-03-01-01-02-05.mp4")


@contextmanager
def page_browser(folder: Path) -> Iterator[Any]:
    """Yield a browser whose camera shows a clip of RAVDESS, or where there is none the demo's, and whose microphone
    hears it. What it downloads goes to `downloads` of it."""
    picture, sound = camera_of(ravdess() if os.environ.get("EMOFUSE_DATA") else DEMO, folder)
    arguments = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={picture}",
        f"--use-file-for-fake-audio-capture={sound}",
    )
    with open_chromium(arguments=arguments) as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SPY})
        driver.downloads = folder / "downloads"
        behaviour = {"behavior": "allow", "downloadPath": str(driver.downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        yield driver


def ask(browser: Any, script: str, *arguments: object) -> Any:
    return browser.execute_script(f"const $ = (s) => document.querySelector(s); return {script}", *arguments)


def text(browser: Any, selector: str) -> str:
    return ask(browser, "$(arguments[0]).innerText", selector)


def wait(browser: Any, condition: str, seconds: float = 20) -> None:
    """Wait until an expression holds."""
    until(lambda: ask(browser, condition), seconds, f"{condition}\n{ask(browser, 'document.body.innerText')}")


def click(browser: Any, selector: str) -> None:
    browser.find_element("css selector", selector).click()


def opened(browser: Any, address: str) -> Any:
    """Open the page afresh; what the browser said before is left behind."""
    browser.get_log("browser")
    set_view(browser, 1280)
    browser.get(address)
    browser.execute_script("sessionStorage.clear()")
    wait(browser, "$('#limits').innerText !== ''")
    return browser


def complaints(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def analysed(browser: Any, path: Path) -> Any:
    browser.find_element("id", "file").send_keys(str(path))
    wait(browser, "!$('#result').hidden || $('#problem').innerText !== ''", 120)
    assert text(browser, "#problem") == ""
    return browser


def downloaded(browser: Any, kind: str, name: str) -> Path:
    click(browser, f"[data-kind={kind}]")
    until((browser.downloads / name).is_file, 10, f"there is no {name} in {list(browser.downloads.glob('*'))}")
    return browser.downloads / name


def assert_fits_a_phone(browser: Any) -> None:
    """No sideways scrolling, dark and light, and every button is large enough to be touched."""
    for dark in (True, False):
        set_view(browser, 360, dark=dark, height=740)
        assert ask(browser, "document.documentElement.scrollWidth") <= 360
        background = "rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)"
        assert ask(browser, "getComputedStyle(document.body).backgroundColor") == background
    heights = "[...document.querySelectorAll('main button, nav a')].map((e) => e.offsetHeight)"
    assert [height for height in ask(browser, heights) if 0 < height < 36] == []
    set_view(browser, 1280)


def shown(moment: dict[str, Any]) -> str:
    """Return the answer of a moment as the page writes it."""
    if moment["label"] is None:
        return "nothing read"
    return f"{moment['label']} {int(100 * moment['probabilities'][moment['label']] + 0.5)} %"
