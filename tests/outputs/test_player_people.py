"""The people of the report in a real browser: named and joined by a click; and the report for everybody."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from accessibility import assert_accessible
from chromium import open_chromium, set_view
from emofuse.outputs.index import Digest, Row, write_index
from emofuse.outputs.page import write_html
from emofuse.outputs.tables import read_json, write_json
from emofuse.people import Person
from emofuse.recordings.people_edits import edit_people
from emofuse.timeline import Timeline
from emofuse.types import Certainty, Moment
from make_timelines import TIMELINES, conversation, face, measurement, moment, scores, timeline

pytestmark = pytest.mark.browser
NAME = "O'Neil <b>Анна</b> 安娜"
MANY = 14


def crowd() -> Timeline:
    """Return ten seconds of MANY people, the first of whom has a hostile name, and half of whom have a picture."""
    labels = ("happy", "sad", "angry")
    faces = tuple(
        replace(face((40 * k, 10, 40 * k + 30, 50), labels[k % 3], k + 1), person_id=k + 1) for k in range(MANY)
    )
    picture = cv2.imencode(".jpg", np.full((8, 8, 3), 128, np.uint8))[1].tobytes()
    people = tuple(
        Person(
            k + 1,
            "<img src=x onerror=alert(1)>" if k == 0 else "",
            ((0.0, 9.5),),
            None,
            {"happy": 6.0, "sad": 3.0, "angry": 1.0},
            thumbnail=picture if k % 2 else b"",
        )
        for k in range(MANY)
    )
    return replace(timeline(*(moment(i / 2, "happy", ("face",), faces) for i in range(1, 20))), people=people)


def told() -> Timeline:
    """Return a moment that is happy by the face (80 %) and sad by the voice (happy: a thirtieth), of equal weight."""
    given = {"face": (scores("happy", 0.8, "face"), 0.5), "voice": (scores("sad", 0.8, "voice"), 0.5)}
    heard = {m: replace(one, certainty=Certainty(0.8, "clear", weight=weight)) for m, (one, weight) in given.items()}
    fused = replace(scores("happy", 0.6, "fused"), certainty=Certainty(0.6, "likely"))
    return timeline(Moment(0.3, fused, heard))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_chromium() as driver:
        yield driver


def opened(browser: Any, document: Timeline, path: Path) -> Any:
    write_html(document, path)
    browser.get_log("browser")
    set_view(browser, 1280)
    browser.get(path.as_uri())
    return browser


def texts(browser: Any, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
    return list(browser.execute_script(script, selector))


def faults(browser: Any) -> list[str]:
    """Return what went wrong, but for the recording, which is not there."""
    severe = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    return [message for message in severe if "ERR_FILE_NOT_FOUND" not in message]


def change(browser: Any, person: int) -> Any:
    """Open what changes a person, counted from 0, and return it."""
    part = browser.find_elements("css selector", ".ef-change")[person]
    part.find_element("css selector", "summary").click()
    return part


def test_people_have_faces_shares_and_are_folded_to_ten(browser: Any, tmp_path: Path) -> None:
    opened(browser, crowd(), tmp_path / "crowd.html")
    names = texts(browser, ".ef-who")
    assert names == ["<img src=x onerror=alert(1)>", *(f"person {k}" for k in range(2, MANY + 1))]
    assert len(browser.find_elements("css selector", "section > .ef-people > li")) == 10
    assert texts(browser, "section[aria-label=People] > details > summary") == ["and 4 more, seen more briefly"]
    pictures = "return [...document.querySelectorAll('.ef-people img')].map((e) => e.complete && e.naturalWidth)"
    assert browser.execute_script(pictures) == [8] * (MANY // 2)
    widths = "return [...document.querySelector('.ef-people .ef-shares').children].map((e) => e.style.width)"
    assert browser.execute_script(widths) == ["60%", "30%", "10%"]
    bar = browser.find_elements("css selector", ".ef-people .ef-shares")[1]
    assert bar.get_attribute("aria-label") == "Share of time, person 2: happy 60 %, sad 30 %, angry 10 %"
    assert faults(browser) == []


def test_a_name_and_a_join_change_the_view_and_give_the_command(browser: Any, tmp_path: Path) -> None:
    document = conversation()
    opened(browser, document, tmp_path / "two of us.html")
    assert texts(browser, ".ef-who") == ["person 1", "Anna"]
    assert texts(browser, ".ef-command code") == []
    field = change(browser, 0).find_element("css selector", "input")
    field.send_keys(NAME + "\n")
    assert texts(browser, ".ef-who") == [NAME, "Anna"]
    assert NAME in texts(browser, ".ef-lane .ef-name")
    (command,) = texts(browser, ".ef-command code")
    assert shlex.split(command) == ["emofuse", "people", "two of us.json", "--name", f"1={NAME}", "--formats", "html"]
    change(browser, 1).find_element("css selector", "option[value='1']").click()
    assert texts(browser, ".ef-who") == [NAME]
    assert texts(browser, ".ef-lane .ef-name").count(NAME) == 1 and "Anna" not in texts(browser, ".ef-lane .ef-name")
    (command,) = texts(browser, ".ef-command code")
    assert shlex.split(command)[3:7] == ["--merge", "1,2", "--name", f"1={NAME}"]
    shares = browser.find_element("css selector", ".ef-people .ef-shares").get_attribute("aria-label")
    joined = edit_people(document, {1: NAME}, [[1, 2]])
    assert [(p.name, dict(p.share_of_time)) for p in joined.people] == [(NAME, {"sad": 4.0, "happy": 4.0})]
    assert shares == f"Share of time, {NAME}: sad 50 %, happy 50 %"
    assert faults(browser) == []


def three() -> Timeline:
    """Return a conversation of three, who are seen at once for a while; the second is seen longest and has a name."""
    picture = cv2.imencode(".jpg", np.full((8, 8, 3), 128, np.uint8))[1].tobytes()
    happy, sad, angry = (scores(label, 0.7, "fused") for label in ("happy", "sad", "angry"))
    people = (
        Person(1, "", ((0.0, 2.0), (4.0, 5.0)), None, {"happy": 3.0}, happy, {"face": scores("happy", 0.7, "face")}),
        Person(
            2, "Anna", ((1.0, 8.0),), ((1.0, 2.0),), {"sad": 7.0}, sad, {"face": scores("sad", 0.7, "face")}, picture
        ),
        Person(3, "", ((8.0, 9.0),), (), {"angry": 0.8}, angry, {"voice": scores("angry", 0.7, "voice")}),
    )
    labels = ("happy", "sad", "angry")
    faces = [tuple(replace(face((40 * k, 10, 40 * k + 30, 50), labels[k], k + 7), person_id=k + 1) for k in range(3))]
    return replace(timeline(*(moment(i / 2, "happy", ("face",), faces[0]) for i in range(1, 20))), people=people)


@pytest.mark.parametrize("ids", [(2, 3), (1, 2, 3)])
def test_the_changed_document_is_saved_as_the_command_writes_it(
    browser: Any, tmp_path: Path, ids: tuple[int, ...]
) -> None:
    opened(browser, three(), tmp_path / "three.html")
    write_json(three(), tmp_path / "three.json")
    downloads = tmp_path / "downloads"
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    field = change(browser, ids[0] - 1).find_element("css selector", "input")
    field.clear()
    field.send_keys(NAME + "\n")
    for other in ids[1:]:
        change(browser, texts(browser, ".ef-who").index(NAME))
        browser.find_element("css selector", f".ef-change[open] option[value='{other}']").click()
    (save,) = (b for b in browser.find_elements("css selector", ".ef-command button") if "JSON" in b.text)
    save.click()
    saved = downloads / "three.json"
    until = time.monotonic() + 10
    while not saved.exists() and time.monotonic() < until:
        time.sleep(0.05)
    expected = edit_people(read_json(tmp_path / "three.json"), {ids[0]: NAME}, [ids])
    assert_alike(json.loads(saved.read_text(encoding="utf-8")), expected.to_json())
    assert read_json(saved).people[-1].name == NAME
    assert faults(browser) == []


def assert_alike(found: Any, expected: Any, place: str = "") -> None:
    """Compare documents; numbers may differ by the last digit that is written."""
    if isinstance(expected, dict):
        assert set(found) == set(expected), place
        for name, value in expected.items():
            assert_alike(found[name], value, f"{place}.{name}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), place
        for k, value in enumerate(expected):
            assert_alike(found[k], value, f"{place}[{k}]")
    else:
        assert found == (pytest.approx(expected, abs=2e-4) if isinstance(expected, float) else expected), place


def test_a_report_without_all_of_the_document_does_not_save_it(browser: Any, tmp_path: Path) -> None:
    points = np.zeros((478, 3), np.float32)
    document = replace(three(), face_measurements=(replace(measurement(0.5), points=points),))
    opened(browser, document, tmp_path / "three.html")
    change(browser, 0).find_element("css selector", "input").send_keys(NAME + "\n")
    assert texts(browser, ".ef-command button") == ["Copy"]


def test_a_print_has_what_people_show_and_nothing_to_click(browser: Any, tmp_path: Path) -> None:
    opened(browser, conversation(), tmp_path / "two.html")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        hints = browser.find_elements("css selector", ".ef-people > li > div > .ef-hint")
        assert [hint.is_displayed() for hint in hints] == [True, True]
        assert "speaks for 0.8 s" in hints[1].text
        for selector in (".ef-overview", ".ef-zoom button", ".ef-change", ".ef-slider"):
            assert not any(e.is_displayed() for e in browser.find_elements("css selector", selector)), selector
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_what_each_modality_added_and_where_they_disagree(browser: Any, tmp_path: Path) -> None:
    opened(browser, told(), tmp_path / "told.html")
    label = browser.find_element("css selector", ".ef-added .ef-shares").get_attribute("aria-label")
    assert label == "Added to happy: face 96 %, voice 4 %"
    assert texts(browser, ".ef-doubt:not([hidden])") == ["The modalities disagree: face happy, voice sad."]


@pytest.mark.parametrize("name", ["conversation", "crowd", "told", "nothing spoke", "measured"])
def test_the_report_is_accessible(browser: Any, tmp_path: Path, name: str) -> None:
    made = {"conversation": conversation, "crowd": crowd, "told": told}
    document = made[name]() if name in made else TIMELINES[name]
    opened(browser, document, tmp_path / "report.html")
    if document.people:
        change(browser, 0)
    assert_accessible(browser)


def test_the_index_is_accessible(browser: Any, tmp_path: Path) -> None:
    rows = [Row(f"{name}.mp4", Digest.of(one), (), group=name[:1]) for name, one in TIMELINES.items()]
    write_index([*rows, Row("broken.mp4", failure="it is cut off")], tmp_path)
    browser.get((tmp_path / "index.html").as_uri())
    assert_accessible(browser)
