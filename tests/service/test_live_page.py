"""The live view of the page of `emofuse serve` in a real browser, on a camera that shows a real clip; and its token."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from make_media import Video, record
from run_service import service, until
from served_browser import (
    analysed,
    ask,
    assert_fits_a_phone,
    click,
    complaints,
    downloaded,
    opened,
    page_browser,
    shown,
    text,
    wait,
)

pytestmark = pytest.mark.browser

TOKEN = "a-token-of-more-than-16-characters"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("fastapi", reason="the service needs emofuse[serve]")
    with service(tmp_path_factory.mktemp("served") / "service", "--max-live", "1") as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with page_browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


def test_the_live_view(browser: Any, served: str) -> None:
    opened(browser, served)
    click(browser, "#camera")
    wait(browser, "Number($('#boxes').dataset.faces) > 0 && spy.moments.length > 20", 30)
    answers_so_far = "[$('.ef-now-label').innerText, spy.moments.slice(-60)]"  # of one time
    label, moments = ask(browser, answers_so_far)
    assert label in {shown(moment) for moment in moments}
    assert label != "nothing read"
    assert re.fullmatch(r"\d+ ms \(95 %: \d+ ms\)", text(browser, "#live-delay"))
    assert int(text(browser, "#live-rate")) > 0
    assert re.fullmatch(r"\d+ of \d+", text(browser, "#live-dropped"))
    assert re.fullmatch(r"\d+", text(browser, "#live-changes"))
    band = "$('.ef-fused canvas').getContext('2d').getImageData(0, 0, $('.ef-fused canvas').width, 20).data.buffer"
    assert ask(browser, f"new Set(new Uint32Array({band})).size") > 2  # labels with their patterns, and what is before
    assert_fits_a_phone(browser)

    click(browser, "#pause")
    assert text(browser, "#live-state") == "paused: nothing is sent"
    time.sleep(0.3)  # a picture may be on its way
    sent = ask(browser, "spy.sent")
    time.sleep(0.5)
    assert ask(browser, "spy.sent") == sent
    click(browser, "#pause")
    wait(browser, f"spy.sent > {sent} && $('#live-state').innerText === ''")

    browser.execute_script("window.tracks = document.querySelector('#eye').srcObject.getTracks()")
    assert ask(browser, "tracks.map((t) => t.kind + ' ' + t.readyState).sort()") == ["audio live", "video live"]
    click(browser, "#stop")
    wait(browser, "!$('#start').hidden")
    assert ask(browser, "tracks.every((t) => t.readyState === 'ended') && $('#eye').srcObject === null")
    assert text(browser, "#said") == "The camera and the microphone are off."
    assert complaints(browser) == []


def test_stopping_before_it_has_begun_lets_the_camera_go(browser: Any, served: str) -> None:
    opened(browser, served)
    browser.execute_script("document.querySelector('#camera').click(); document.querySelector('#stop').click()")
    wait(browser, "!$('#start').hidden && $('#said').innerText !== ''")
    assert ask(browser, "$('#eye').srcObject === null && spy.sockets.length === 0")
    click(browser, "#camera")  # and it can be used again
    wait(browser, "spy.moments.length > 0")
    click(browser, "#stop")


# Lets what a class can do wait until `goOn()`, and keeps what hears.
SLOW = """
const [kind, name] = arguments[0].split(".");
const real = window[kind].prototype[name];
const allowed = new Promise((resolve) => { window.goOn = resolve; });
window[kind].prototype[name] = async function (...given) {
  window.isAsked = true;
  await allowed;
  return real.apply(this, given);
};
const Context = AudioContext;
window.ears = [];
window.AudioContext = function () { return ears[ears.push(new Context()) - 1]; };
"""


@pytest.mark.parametrize(
    ("slow", "leave"),
    [
        ("AudioWorklet.addModule", "document.querySelector('#stop').click()"),
        ("HTMLMediaElement.play", "location.hash = 'analysis=none'"),
    ],
)
def test_leaving_while_it_begins_lets_the_camera_go(browser: Any, served: str, slow: str, leave: str) -> None:
    opened(browser, served).execute_script(SLOW, slow)
    click(browser, "#camera")
    wait(browser, "window.isAsked && $('#eye').srcObject !== null")
    browser.execute_script("window.tracks = document.querySelector('#eye').srcObject.getTracks()")
    browser.execute_script(leave)
    is_off = "tracks.every((t) => t.readyState === 'ended') && ears.every((e) => e.state === 'closed')"
    wait(browser, f"!$('#start').hidden && $('#said').innerText !== '' && {is_off}")
    assert ask(browser, "tracks.length === 2 && ears.length === 1 && $('#eye').srcObject === null")
    browser.execute_script("goOn()")
    time.sleep(0.3)
    assert ask(browser, f"spy.sockets.length === 0 && !$('#start').hidden && {is_off}")
    assert text(browser, "#problem") == ""
    assert [words for words in complaints(browser) if "404" not in words] == []


def test_a_busy_service_and_a_lost_camera_are_told_in_words(browser: Any, served: str) -> None:
    from websockets.sync.client import connect

    def is_free() -> bool:
        with urllib.request.urlopen(f"{served}v1/health") as response:
            return json.load(response)["live_sessions"] == 0

    opened(browser, served)
    until(is_free, 10, "an earlier session is still there")
    with connect(f"{served.replace('http', 'ws')}v1/live") as other:
        other.send(json.dumps({"type": "start"}))
        assert json.loads(other.recv(30))["type"] == "ready"
        click(browser, "#camera")
        wait(browser, "$('#problem').innerText !== ''")
        assert text(browser, "#problem").startswith("1 other is live")
        assert ask(browser, "$('#eye').srcObject") is None
    until(is_free, 10, "the session is still there")
    click(browser, "#camera")
    wait(browser, "spy.moments.length > 0")
    browser.execute_script(
        "document.querySelector('#eye').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))"
    )
    wait(browser, "$('#problem').innerText.startsWith('The camera is gone')")


def test_a_token_is_asked_for_and_goes_with_everything(browser: Any, tmp_path: Path) -> None:
    with service(tmp_path / "service", token=TOKEN) as (address, process):
        opened(browser, address)
        wait(browser, "document.activeElement.id === 'token'")
        assert ask(browser, "$('#start').hidden")
        browser.find_element("id", "token").send_keys("not this one at all\n")
        wait(browser, "$('#problem').innerText === 'That is not the token of this service'")
        browser.find_element("id", "token").send_keys(f"{TOKEN}\n")
        wait(browser, "!$('#start').hidden")
        assert text(browser, "#problem") == ""
        analysed(browser, record(tmp_path / "short.mp4", Video()))
        assert json.loads(downloaded(browser, "json", "short.json").read_text())["source"]["path"] == "short.mp4"
        browser.execute_script("sessionStorage.clear(); location.reload()")  # as in a tab that does not know the token
        wait(browser, "document.activeElement.id === 'token'")
        browser.find_element("id", "token").send_keys(f"{TOKEN}\n")
        wait(browser, "$('#name').innerText === 'short.mp4'")
        assert "#analysis=" in browser.current_url and TOKEN not in browser.current_url
        click(browser, "#again")
        click(browser, "#camera")
        wait(browser, "spy.moments.length > 0")
        process.kill()
        wait(browser, "$('#problem').innerText === 'The connection to the service has ended'")
