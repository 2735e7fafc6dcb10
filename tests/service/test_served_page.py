"""The page of `emofuse serve` in a real browser: recordings from upload to deletion."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from make_media import Video, record
from run_service import answers, free_port, service, until
from running import children
from served_browser import (
    DEMO,
    analysed,
    ask,
    assert_fits_a_phone,
    click,
    complaints,
    corpus_clip,
    downloaded,
    opened,
    page_browser,
    ravdess,
    shown,
    text,
    wait,
)

pytestmark = pytest.mark.browser
START = "!$('#start').hidden && location.hash === ''"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    pytest.importorskip("fastapi", reason="the service needs emofuse[serve]")
    with service(tmp_path_factory.mktemp("served") / "service") as address_and_process:
        yield address_and_process


@pytest.fixture(scope="module")
def served(serving: tuple[str, subprocess.Popen[bytes]]) -> str:
    return serving[0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with page_browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.mark.parametrize(
    "clip", [lambda: DEMO, pytest.param(ravdess, marks=pytest.mark.corpus)], ids=["demo", "ravdess"]
)
def test_a_recording_from_upload_to_deletion(browser: Any, served: str, clip: Callable[[], Path]) -> None:
    from selenium.webdriver import ActionChains

    path = clip()
    analysed(opened(browser, served), path)
    assert text(browser, "#name") == path.name == ask(browser, "document.activeElement.innerText")
    address = ask(browser, "$('[data-kind=json]').href")
    document = json.loads(downloaded(browser, "json", f"{path.stem}.json").read_text(encoding="utf-8"))
    assert document == json.load(urllib.request.urlopen(address))
    assert document["source"]["path"] == path.name
    assert downloaded(browser, "textgrid", f"{path.stem}.TextGrid").read_text().startswith('File type = "ooTextFile"')

    rows = ask(browser, "[...document.querySelectorAll('.ef-lane .ef-name')].map((e) => e.textContent)")
    assert rows == ["fused", "face", "voice", "person 1", "text"]
    assert text(browser, ".ef-absent .ef-why") == "not used: no transcript"
    listed = ask(browser, "[...document.querySelectorAll('.ef-segments strong')].map((e) => e.innerText)")
    assert listed == [segment["label"] for segment in document["segments"]]

    wait(browser, "$('#player video').readyState >= 2")
    slider = browser.find_element("css selector", ".ef-slider")
    # the film stays on top of what scrolls
    browser.execute_script("document.querySelector('.ef-slider').scrollIntoView({ block: 'end' })")
    ActionChains(browser).move_to_element_with_offset(slider, slider.size["width"] // 4, 0).click().perform()
    wait(browser, "!$('#player video').seeking && Number($('#player .ef-boxes').dataset.faces) > 0")
    time_s = ask(browser, "$('#player video').currentTime")
    assert time_s == pytest.approx(0.75 * float(slider.get_attribute("aria-valuemax")), abs=0.1)
    moment = next(moment for moment in document["moments"] if moment["time_s"] >= time_s - 1e-6)
    assert text(browser, ".ef-now-label") == shown(moment)
    assert_fits_a_phone(browser)

    click(browser, "#forget")
    wait(browser, "!$('#start').hidden")
    assert text(browser, "#said") == f"The results of {path.name} are deleted from the service."
    assert answers(address) == 404
    assert complaints(browser) == []
    hosts = ask(browser, "[...new Set(performance.getEntriesByType('resource').map((e) => new URL(e.name).origin))]")
    assert hosts == [served.rstrip("/")]


def old_film(folder: Path) -> Path:
    return record(folder / "<img src=x onerror=alert(1)> & so on.avi", Video(codec="mpeg4", time_base=Fraction(1, 25)))


def cremad(folder: Path) -> Path:
    return corpus_clip("cremad", "videos", "1001_DFA_ANG_XX.flv")


@pytest.mark.parametrize("make_film", [old_film, pytest.param(cremad, marks=pytest.mark.corpus)])
def test_what_no_browser_plays_is_shown_with_the_boxes_in_it(
    browser: Any, served: str, tmp_path: Path, make_film: Callable[[Path], Path]
) -> None:
    film = make_film(tmp_path)
    analysed(opened(browser, served), film)
    assert text(browser, "#name") == film.name
    wait(browser, "$('#player video').videoWidth > 0")
    assert browser.find_elements("css selector", ".ef-choice, .ef-failed, #player img:not([src^='data:image/'])") == []
    assert complaints(browser) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the upload is empty"),
        (b"no recording at all " * 9, "this is neither video nor sound"),
        (b"\0\0\0\x18ftypmp42" + bytes(999), "cannot"),  # found out by the analysis, which fails
    ],
)
def test_what_is_no_recording_is_said_in_words(
    browser: Any, served: str, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "it.mp4").write_bytes(content)
    opened(browser, served).find_element("id", "file").send_keys(str(tmp_path / "it.mp4"))
    wait(browser, "$('#problem').innerText !== ''")
    assert text(browser, "#problem").startswith(f"it.mp4: {words}")
    assert ask(browser, f"{START} && document.activeElement.id === 'file'")


DROP = """
const given = new DataTransfer();
given.items.add(new File(["no recording at all ".repeat(9)], "dropped.mp4"));
for (const kind of ["dragover", "drop"]) {
  const target = document.querySelector("#drop p");
  target.dispatchEvent(new DragEvent(kind, { dataTransfer: given, bubbles: true, cancelable: true }));
}
"""


def test_a_file_can_be_dropped(browser: Any, served: str) -> None:
    opened(browser, served).execute_script(DROP)
    wait(browser, "$('#problem').innerText.startsWith('dropped.mp4: this is neither video nor sound')")
    assert ask(browser, "$('#drop').className") == "drop"  # not that of a file above it any more


def test_cancelling_leaves_nothing(browser: Any, served: str) -> None:
    opened(browser, served).find_element("id", "file").send_keys(str(DEMO))
    wait(browser, "!['', 'Sending'].includes($('#doing').innerText)")
    assert_fits_a_phone(browser)
    click(browser, "#cancel")
    wait(browser, "$('#said').innerText.startsWith('Cancelled')")

    def is_empty() -> bool:
        with urllib.request.urlopen(f"{served}v1/health") as response:
            jobs = json.load(response)["jobs"]
        return jobs["queued"] == jobs["running"] == jobs["receiving"] == 0

    until(is_empty, 10, "the service still works on it")
    assert complaints(browser) == []


# A request to delete waits until `answer()`, and is refused with the words that are given there, if any.
SLOW_DELETE = """
const real = fetch;
window.fetch = async (path, options = {}) => {
  if (options.method !== "DELETE") return real(path, options);
  window.answered = false;
  const words = await new Promise((resolve) => { window.answer = resolve; });
  setTimeout(() => { answered = true; }, words ? 50 : 300);
  return words ? Response.json({ error: { message: words } }, { status: 500 }) : real(path, options);
};
"""


def test_a_late_answer_to_delete_leaves_alone_what_is_shown_since(browser: Any, served: str, talk_mp4: Path) -> None:
    def answer(words: str) -> None:
        browser.execute_script("answer(arguments[0])", words)
        wait(browser, "answered")

    def is_shown(address: str) -> bool:
        return ask(browser, "!$('#result').hidden && $('#player video') !== null") and browser.current_url == address

    def job(address: str) -> str:
        return address.replace("#analysis=", "v1/analyses/")

    analysed(opened(browser, served), talk_mp4)
    first = browser.current_url
    browser.execute_script(SLOW_DELETE)
    click(browser, "#forget")
    click(browser, "#again")
    analysed(browser, talk_mp4)
    second = browser.current_url
    answer("not today")
    assert text(browser, "#said") == "The results of talk.mp4 could not be deleted: not today"
    assert is_shown(second) and second != first

    click(browser, "#forget")
    browser.execute_script("history.go(-2)")
    until(lambda: is_shown(first), 10, "the first does not come back")
    answer("")
    assert answers(job(second)) == 404
    assert text(browser, "#said") == ""
    assert is_shown(first)

    browser.find_element("id", "file").send_keys(str(DEMO))
    wait(browser, f"location.hash !== '' && location.href !== '{first}'")
    third = browser.current_url
    click(browser, "#cancel")
    browser.execute_script("location = arguments[0]", first)
    until(lambda: is_shown(first), 10, "the first does not come back")
    answer("not today")
    assert text(browser, "#said") == f"{DEMO.name} could not be deleted: not today"
    assert is_shown(first)
    urllib.request.urlopen(urllib.request.Request(job(third), method="DELETE")).close()


def test_the_address_brings_a_result_back(browser: Any, served: str, talk_mp4: Path) -> None:
    analysed(opened(browser, served), talk_mp4)
    address = browser.current_url
    job = ask(browser, "$('[data-kind=json]').href").split("/")[-3]
    assert address == f"{served}#analysis={job}"
    again = "!$('#result').hidden && $('#name').innerText === 'talk.mp4'"
    browser.refresh()
    wait(browser, f"{again} && $('#player video').videoWidth > 0")  # the service's, with the boxes in it
    fetched = "performance.getEntriesByType('resource').map((e) => e.name.split('/').at(-1))"
    assert "mp4" in ask(browser, fetched)
    click(browser, "#again")
    wait(browser, START)
    browser.back()
    wait(browser, again)
    assert browser.current_url == address
    click(browser, "#forget")
    wait(browser, START)
    for gone in (address, f"{served}#analysis=../health", f"{served}#analysis="):
        browser.get("about:blank")
        browser.get(gone)
        wait(browser, f"{START} && $('#said').innerText.startsWith('That analysis is no longer here')")
    assert [words for words in complaints(browser) if "404" not in words] == []


def test_a_sound_can_be_chosen_again_after_a_reload(browser: Any, served: str, voice_wav: Path) -> None:
    analysed(opened(browser, served), voice_wav)
    browser.refresh()
    wait(browser, "$('.ef-failed') !== null && !$('#result').hidden")
    assert "The service deletes recordings" in text(browser, ".ef-failure")
    browser.find_element("css selector", ".ef-failure input").send_keys(str(voice_wav))
    wait(browser, "$('.ef-failed') === null && $('#player audio').readyState >= 1")


@contextmanager
def halted_worker(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Halt the worker that a service begins now, so that it does not come to its end."""
    until(lambda: children(process.pid), 20, "there is no worker")
    pid = max(children(process.pid))  # the one before may still be ending
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_a_reload_goes_on_following(browser: Any, serving: tuple[str, subprocess.Popen[bytes]]) -> None:
    served, process = serving
    opened(browser, served).find_element("id", "file").send_keys(str(DEMO))
    is_followed = f"location.hash !== '' && $('#work-name').innerText === '{DEMO.name}' && !$('#work').hidden"
    with halted_worker(process):
        wait(browser, is_followed)
        address = browser.current_url
        browser.refresh()
        wait(browser, is_followed)
        assert "goes on when you leave" in text(browser, "#work")
        browser.back()  # to the start, before it was sent; the service works on
        wait(browser, START)
        browser.forward()
        wait(browser, is_followed)
        click(browser, "#cancel")
    wait(browser, f"{START} && $('#said').innerText.startsWith('Cancelled')")
    until(lambda: answers(address.replace("#analysis=", "v1/analyses/")) == 404, 10, "it is still there")
    assert complaints(browser) == []


def test_the_keyboard_reaches_everything(browser: Any, served: str) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    opened(browser, served)
    browser.execute_script(
        "window.pressed = []; document.addEventListener('click', (e) => {"
        " pressed.push(e.target.id); e.preventDefault(); e.stopImmediatePropagation(); }, true)"
    )
    for target, ringed in (("file", "label[for=file]"), ("camera", "#camera")):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        assert ask(browser, "document.activeElement.id") == target
        assert ask(browser, "getComputedStyle($(arguments[0])).outlineWidth", ringed) == "3px"
        ActionChains(browser).send_keys(Keys.ENTER, " ").perform()
        assert ask(browser, "pressed.splice(0)") == [target, target]


def test_a_service_that_is_started_again_goes_on(browser: Any, tmp_path: Path) -> None:
    port = free_port()
    with service(tmp_path / "service", port=port) as (address, process):
        opened(browser, address).find_element("id", "file").send_keys(str(DEMO))
        wait(browser, "['Starting', 'Analysing'].includes($('#doing').innerText)")
        process.kill()
        wait(browser, "$('#doing').innerText === 'The service does not answer; waiting for it'")
    with service(tmp_path / "service", port=port):
        wait(browser, "!$('#result').hidden", 120)
        assert text(browser, "#name") == DEMO.name
