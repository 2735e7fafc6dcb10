"""The report in a real browser, opened from disk."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import pytest

from chromium import open_chromium, set_view
from emofuse.outputs.page import write_html
from emofuse.outputs.tables import write_json
from emofuse.timeline import SourceInfo, Timeline
from make_media import Sound, Video, record
from make_timelines import TIMELINES, conversation, face, moment, timeline

pytestmark = pytest.mark.browser

DURATION_S = 8.0
NAME = "Zoë <b>& #1? 100%.mp4"


def told(source: SourceInfo) -> Timeline:
    """Happy for four seconds, then sad; one face that goes from left to right, and a voice in the second half."""
    moments = [
        moment(
            i / 10,
            "happy" if i <= 40 else "sad",
            ("face",) if i <= 40 else ("face", "voice"),
            (face((i / 4, 10, i / 4 + 20, 34), "happy" if i <= 40 else "sad", 1),),
        )
        for i in range(1, 81)
    ]
    whole = timeline(*moments, duration_s=DURATION_S)
    return Timeline(whole.labels, whole.moments, source, whole.summary)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("report")
    times = tuple(i / 25 for i in range(int(DURATION_S * 25)))
    film = record(made / NAME, Video(times=times, options={"g": "25"}), Sound(duration_s=DURATION_S))
    write_html(told(SourceInfo(str(film), DURATION_S, 64, 48, 25.0, True, True)), made / "film.html")
    lost = SourceInfo(str(made / "moved away.mp4"), DURATION_S, 64, 48, 25.0, True, True)
    write_html(told(lost), made / "lost.html")
    write_html(told(SourceInfo("call", DURATION_S, None, None, None, False, False)), made / "none.html")
    return made


@pytest.fixture(scope="module")
def browser():
    with open_chromium() as driver:
        yield driver


def opened(browser, page: Path, condition: str = "return document.querySelector('.ef-slider') !== null"):
    set_view(browser, 1280)
    browser.get(page.as_uri())
    wait(browser, condition)
    return browser


LOADED = "return document.querySelector('video')?.readyState >= 2"


def wait(browser, condition: str) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, 10, 0.05).until(lambda driver: driver.execute_script(condition), condition)


def text(browser, selector: str) -> str:
    return browser.execute_script("return document.querySelector(arguments[0]).textContent", selector)


def texts(browser, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
    return browser.execute_script(script, selector)


def media_time(browser) -> float:
    return browser.execute_script("return document.querySelector('video').currentTime")


def click_timeline(browser, share: float) -> None:
    from selenium.webdriver import ActionChains

    slider = browser.find_element("css selector", ".ef-slider")
    ActionChains(browser).move_to_element_with_offset(
        slider, round((share - 0.5) * slider.size["width"]), 0
    ).click().perform()


def press(browser, *keys: str) -> None:
    browser.find_element("css selector", ".ef-slider").send_keys(*keys)


def test_the_page_has_every_row_and_nothing_went_wrong(browser, folder):
    browser.get_log("browser")
    opened(browser, folder / "film.html", LOADED)
    assert texts(browser, "h1") == [NAME]
    assert texts(browser, ".ef-lane .ef-name") == ["fused", "face", "voice", "person 1", "text"]
    assert "not used: no text was found" in texts(browser, ".ef-lane .ef-why")
    assert texts(browser, ".ef-segments strong") == ["happy", "sad"]
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def test_a_click_seeks_and_the_label_follows(browser, folder):
    opened(browser, folder / "film.html", LOADED)
    click_timeline(browser, 0.75)
    wait(browser, "return !document.querySelector('video').seeking")
    assert media_time(browser) == pytest.approx(6.0, abs=0.1)
    assert text(browser, ".ef-now-label") == "sad 70 %"
    assert texts(browser, ".ef-segments [aria-current] strong") == ["sad"]
    browser.find_element("css selector", ".ef-segments li:first-child button").click()
    wait(browser, "return document.querySelector('video').currentTime === 0")
    assert text(browser, ".ef-now-label") == "happy 70 %"


def test_the_keyboard_goes_everywhere(browser, folder):
    from selenium.webdriver.common.keys import Keys

    opened(browser, folder / "film.html", LOADED)
    steps = [(Keys.ARROW_RIGHT, 1.0), (Keys.ARROW_RIGHT, 2.0), (Keys.ARROW_LEFT, 1.0), (Keys.PAGE_UP, 1.8)]
    for key, time_s in [*steps, (Keys.END, DURATION_S), (Keys.HOME, 0.0)]:
        press(browser, key)
        wait(browser, "return !document.querySelector('video').seeking")
        assert media_time(browser) == pytest.approx(time_s, abs=0.1)
    slider = browser.find_element("css selector", ".ef-slider")
    assert slider.get_attribute("aria-valuetext") == "0:00.0 of 0:08.0, happy 70 %"
    outline = "const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]"
    assert browser.execute_script(outline) == ["solid", "3px"]


def ticks(browser) -> list[str]:
    return [tick for tick in texts(browser, ".ef-scale span") if tick]


def test_the_lanes_are_zoomed_and_moved(browser, folder):
    from selenium.webdriver.common.keys import Keys

    opened(browser, folder / "film.html", LOADED)
    assert ticks(browser)[:3] == ["0:00", "0:01", "0:02"]
    press(browser, "+", "+")  # two of eight seconds, those around 0:00
    assert (ticks(browser)[0], ticks(browser)[-1]) == ("0:00.0", "0:02.0")
    press(browser, Keys.SHIFT + Keys.ARROW_RIGHT + Keys.NULL)
    assert ticks(browser)[-1] == "0:02.4"
    click_timeline(browser, 0.5)
    assert media_time(browser) == pytest.approx(1.5, abs=0.1)
    press(browser, Keys.END)  # what plays stays in view
    assert ticks(browser)[-1] == "0:08.0"
    browser.find_element("css selector", "[aria-label='Show the whole recording']").click()
    assert ticks(browser)[:3] == ["0:00", "0:01", "0:02"]
    wheel = """
      const slider = document.querySelector('.ef-slider'), box = slider.getBoundingClientRect();
      const at = { clientX: box.left + box.width / 2, cancelable: true, bubbles: true };
      slider.dispatchEvent(new WheelEvent('wheel', { ...at, deltaY: -347, ctrlKey: true }));
    """
    browser.execute_script(wheel)  # half as much, around the middle
    assert (ticks(browser)[0], ticks(browser)[-2]) == ("0:02.0", "0:05.0")


def test_a_drag_over_the_overview_chooses_a_stretch(browser, folder):
    opened(browser, folder / "film.html", LOADED)
    from selenium.webdriver import ActionChains

    brush = browser.find_element("css selector", ".ef-brush")
    width = brush.size["width"]
    ActionChains(browser).move_to_element_with_offset(brush, -width // 4, 0).click_and_hold().move_by_offset(
        width // 2, 0
    ).release().perform()
    assert (ticks(browser)[0], ticks(browser)[-2]) == ("0:02.0", "0:05.0")
    frame = browser.find_element("css selector", ".ef-window")
    assert frame.is_displayed() and frame.size["width"] == pytest.approx(width / 2, abs=4)


def test_a_label_that_is_filtered_leaves_the_list(browser, folder):
    opened(browser, folder / "film.html", LOADED)
    happy = browser.find_element("xpath", "//ul[@class='ef-legend']//button[contains(., 'happy')]")
    happy.click()
    assert happy.get_attribute("aria-pressed") == "false"
    first = browser.find_element("css selector", ".ef-segments li")
    assert not first.is_displayed()
    happy.click()
    assert first.is_displayed()


def test_moments_of_interest_are_links(browser, folder):
    opened(browser, folder / "film.html", LOADED)
    section = "section[aria-label='Moments of interest']"
    assert texts(browser, f"{section} strong") == ["most happy", "most sad", "from happy to sad"]
    browser.find_element("css selector", f"{section} li:nth-child(3) button").click()
    wait(browser, "return !document.querySelector('video').seeking")
    assert media_time(browser) == pytest.approx(4.1, abs=0.1)


def test_what_was_said_runs_along_and_a_click_seeks(browser, tmp_path):
    whole = conversation()
    silent = SourceInfo("call", 4.0, None, None, None, False, False)
    write_html(replace(whole, source=silent), tmp_path / "words.html")
    opened(browser, tmp_path / "words.html")
    assert texts(browser, ".ef-lines button")[0].endswith("Anna: I am so glad <3 (happy)")
    assert [one.split(" ")[0] for one in texts(browser, ".ef-lines button")] == ["0:00.2", "0:02.0", "0:02.8"]
    browser.execute_script("document.querySelectorAll('.ef-lines button')[1].click()")
    assert [one.strip() for one in texts(browser, ".ef-lines [aria-current] strong")] == ["person 1:"]
    assert "0:02.0" in text(browser, ".ef-now-head")
    assert "Anna" in text(browser, "[aria-label=People]")


def test_two_hours_stay_fluid(browser, tmp_path):
    labels = ("happy", "sad", "angry", "neutral")
    moments = [moment(i / 2, labels[i // 7 % 4], ("face", "voice"), p=0.5 + i % 40 / 100) for i in range(1, 14_401)]
    write_html(timeline(*moments, duration_s=7200.0), tmp_path / "long.html")
    opened(browser, tmp_path / "long.html")
    spent_ms = browser.execute_script("""
      const slider = document.querySelector('.ef-slider'), box = slider.getBoundingClientRect();
      const wheel = (deltaY, keys) => slider.dispatchEvent(
        new WheelEvent('wheel', { clientX: box.left + 300, cancelable: true, deltaY, ...keys }));
      const spent = [];
      for (let i = 0; i < 30; i++) {
        const begin = performance.now();
        if (i % 3 === 2) wheel(80, { shiftKey: true });
        else wheel(i < 15 ? -250 : 250, { ctrlKey: true });
        slider.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + 10 * i, pointerType: 'mouse' }));
        spent.push(performance.now() - begin);
      }
      return spent.sort((a, b) => a - b);
    """)
    assert spent_ms[15] < 150  # about 10 on an idle core; wide, for a busy machine


def test_space_plays_and_the_timeline_moves(browser, folder):
    opened(browser, folder / "film.html", LOADED)
    click_timeline(browser, 0.45)  # 3.6 s: the label changes soon after
    press(browser, " ")
    wait(browser, "return document.querySelector('.ef-now-label').textContent === 'sad 70 %'")
    at = float(browser.find_element("css selector", ".ef-slider").get_attribute("aria-valuenow"))
    assert 4.0 <= at < DURATION_S
    assert media_time(browser) > 4.0
    press(browser, " ")
    wait(browser, "return document.querySelector('video').paused")


def test_boxes_are_drawn_where_the_face_is(browser, folder):
    opened(browser, folder / "film.html", LOADED)
    click_timeline(browser, 0.5)
    wait(browser, "return document.querySelector('.ef-boxes').dataset.faces === '1'")
    # the left edge of the box, 10 pixels of 64 from the left at 4 s, has the colour of happy
    probe = """
      const canvas = document.querySelector('.ef-boxes'), video = document.querySelector('video');
      const zoom = Math.min(video.clientWidth / 64, video.clientHeight / 48);
      const left = (video.clientWidth - 64 * zoom) / 2, top = (video.clientHeight - 48 * zoom) / 2;
      return [...canvas.getContext('2d').getImageData(left + 10 * zoom, top + 22 * zoom, 1, 1).data];
    """
    assert browser.execute_script(probe) == [0xE6, 0x9F, 0x00, 255]
    browser.find_element("css selector", ".ef-choice input").click()
    assert browser.execute_script("return document.querySelector('.ef-boxes').hidden")


def test_a_film_that_is_lost_can_be_chosen_again(browser, folder):
    opened(browser, folder / "lost.html", "return document.querySelector('.ef-failed') !== null")
    assert "cannot play the recording" in text(browser, ".ef-failure")
    click_timeline(browser, 0.75)  # the timeline works without it
    assert text(browser, ".ef-now-label") == "sad 70 %"
    browser.find_element("css selector", ".ef-failure input").send_keys(str(folder / NAME))
    wait(
        browser,
        "return document.querySelector('.ef-failed') === null && document.querySelector('video').readyState >= 2",
    )
    assert media_time(browser) == pytest.approx(6.0, abs=0.1)


def test_without_media_the_timeline_is_looked_at(browser, folder):
    opened(browser, folder / "none.html")
    click_timeline(browser, 0.25)
    assert text(browser, ".ef-now-label") == "happy 70 %"
    assert browser.find_elements("css selector", "video, audio") == []


POLICY = "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'"
BOOT = """
import { createPlayer } from "./player.js";
const doc = await (await fetch("./timeline.json")).json();
createPlayer(document.querySelector("main"), doc);
"""


class Strict(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def served(tmp_path) -> Iterator[str]:
    """The player as a service has it: its own files beside a page, without a line of script or style in the page."""
    shutil.copytree(str(files("emofuse.outputs").joinpath("player")), tmp_path / "site")
    whole = told(SourceInfo("film.mp4", DURATION_S, 64, 48, 25.0, True, True))
    write_json(whole, tmp_path / "site" / "timeline.json")
    (tmp_path / "site" / "boot.js").write_text(BOOT)
    (tmp_path / "site" / "index.html").write_text(
        '<!doctype html><link rel="icon" href="player.css"><link rel="stylesheet" href="player.css">'
        '<main></main><script type="module" src="boot.js"></script>'
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Strict, directory=str(tmp_path / "site")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_served_player_needs_no_exception_from_a_strict_policy(browser, served):
    set_view(browser, 1280)
    browser.get_log("browser")  # what was said before is left behind
    browser.get(served)
    wait(browser, "return document.querySelector('.ef-slider') !== null")
    click_timeline(browser, 0.75)
    assert text(browser, ".ef-now-label") == "sad 70 %"
    left = browser.execute_script("return document.querySelector('.ef-line').style.left")
    assert float(left.removesuffix("%")) == pytest.approx(75, abs=0.2)
    assert [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_needs_no_sideways_scrolling(browser, folder, dark):
    opened(browser, folder / "film.html", LOADED)
    set_view(browser, 360, dark=dark, height=640)
    sizes = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1] == 360
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")


def test_measured_faces_are_curves_below_the_answers(browser, folder: Path) -> None:
    page = folder / "measured.html"
    write_html(TIMELINES["measured"], page)
    opened(browser, page)
    names = browser.execute_script(
        "return [...document.querySelectorAll('.ef-measured .ef-name')].map(e => e.textContent)"
    )
    assert names == ["smile", "brows", "eyes closed"]
    words = browser.execute_script("return document.querySelector('.ef-measured canvas').getAttribute('aria-label')")
    assert words == "smile: highest 50 % at 0:01.0"
