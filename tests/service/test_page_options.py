"""What can be chosen on the page of `emofuse serve`, and every view of it for everybody."""

from __future__ import annotations

import json
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accessibility import assert_accessible
from make_media import Sound, Video, record
from run_service import service, until
from served_browser import DEMO, analysed, ask, click, complaints, downloaded, opened, page_browser, text, wait

pytestmark = pytest.mark.browser
RESULT = "!$('#result').hidden || $('#problem').innerText !== ''"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("fastapi", reason="the service needs emofuse[serve]")
    with service(tmp_path_factory.mktemp("served") / "service") as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with page_browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


def result(browser: Any, served: str) -> dict[str, Any]:
    """Return the JSON of the result on the page."""
    job_id = ask(browser, "location.hash").partition("=")[2]
    with urllib.request.urlopen(f"{served}v1/analyses/{job_id}/results/json") as answer:
        return dict(json.load(answer))


def kinds(browser: Any) -> list[str]:
    return ask(browser, "[...document.querySelectorAll('#downloads a')].map((a) => a.dataset.kind)")


def test_the_example_has_its_words_and_all_results_in_one_file(browser: Any, served: str) -> None:
    opened(browser, served)
    assert browser.title == "emofuse"
    click(browser, "#example")
    titles = set()

    def follows() -> bool:
        titles.add(browser.title)
        return bool(ask(browser, RESULT))

    until(follows, 60, "there is no result")
    assert text(browser, "#problem") == ""
    assert browser.title == "example.mp4 – emofuse"
    assert any("example.mp4 – emofuse" in title and title != browser.title for title in titles), titles
    assert {"face", "voice", "text"} <= set(result(browser, served)["summary"]["used"])
    assert len(ask(browser, "[...document.querySelectorAll('.ef-lines li')]")) == 3
    above = "$('#downloads').compareDocumentPosition($('#player')) & Node.DOCUMENT_POSITION_FOLLOWING"
    assert ask(browser, above)
    with zipfile.ZipFile(downloaded(browser, "zip", "example.zip")) as archive:
        assert archive.testzip() is None
        suffixes = {name.removeprefix("example.") for name in archive.namelist()}
    assert {"mp4", "json", "html", "csv", "srt"} <= suffixes and len(suffixes) == len(kinds(browser)) - 1
    assert complaints(browser) == []
    assert_accessible(browser)


def test_options_and_a_transcript_go_along(browser: Any, served: str, tmp_path: Path) -> None:
    words = tmp_path / "said.srt"
    words.write_text("1\n00:00:00,500 --> 00:00:01,500\nI am so happy\n")
    opened(browser, served)
    click(browser, "#options summary")
    assert_accessible(browser)
    browser.find_element("id", "transcript").send_keys(str(words))
    assert text(browser, "#no-transcript") == "Remove said.srt"
    click(browser, "#mode option[value=frame]")
    for kind in ask(browser, "[...document.querySelectorAll('[name=formats]')].map((e) => e.value)"):
        if kind not in ("json", "csv"):
            click(browser, f"[name=formats][value={kind}]")
    film = record(tmp_path / "short.mp4", Video(), Sound())
    analysed(browser, film)
    document = result(browser, served)
    assert [line["text"] for line in document["lines"]] == ["I am so happy"]
    assert document["provenance"]["settings"]["mode"] == "frame"
    assert kinds(browser) == ["zip", "json", "csv"]
    browser.refresh()  # what was chosen is remembered, and the transcript is of that recording alone
    wait(browser, RESULT)
    click(browser, "#again")
    assert ask(browser, "$('#mode').value") == "frame" and ask(browser, "$('#transcript').files.length") == 0
    browser.execute_script("localStorage.clear()")


def test_people_are_named_by_a_click(browser: Any, served: str) -> None:
    opened(browser, served)
    click(browser, "#example")
    wait(browser, RESULT, 60)
    click(browser, ".ef-change summary")
    browser.find_element("css selector", ".ef-edit input").send_keys("Eileen <3\n")
    wait(browser, "$('.ef-who').textContent === 'Eileen <3'")
    assert [person["name"] for person in result(browser, served)["people"]] == ["Eileen <3"]
    assert 'name="Eileen' not in downloaded(browser, "eaf", "example.eaf").read_text()
    assert "Eileen &lt;3" in (browser.downloads / "example.eaf").read_text()
    browser.refresh()
    wait(browser, RESULT)
    assert text(browser, ".ef-who") == "Eileen <3"
    assert complaints(browser) == []


DROP = """
const given = new DataTransfer();
for (const [name, content] of arguments[0]) given.items.add(new File([content], name));
const dropped = new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true });
document.querySelector("#drop").dispatchEvent(dropped);
"""


def test_a_transcript_can_be_dropped(browser: Any, served: str) -> None:
    opened(browser, served).execute_script(DROP, [["talk.vtt", "WEBVTT"]])
    assert text(browser, "#said") == "talk.vtt goes along with the next recording."
    assert text(browser, "#no-transcript") == "Remove talk.vtt"
    click(browser, "#no-transcript")
    assert ask(browser, "$('#no-transcript').hidden")
    browser.execute_script(DROP, [["talk.docx", "x"]])  # which is taken for a recording
    wait(browser, "$('#problem').innerText !== ''")
    assert text(browser, "#problem").startswith("talk.docx: this is neither video nor sound")


LEAVING = "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"


def test_leaving_while_it_is_sent_asks_first(browser: Any, served: str) -> None:
    opened(browser, served)
    assert ask(browser, LEAVING) is False
    browser.execute_script("XMLHttpRequest.prototype.send = () => {}")  # it is on its way for ever
    browser.find_element("id", "file").send_keys(str(DEMO))
    wait(browser, "$('#doing').innerText === 'Sending'")
    assert ask(browser, LEAVING) is True
    click(browser, "#cancel")
    wait(browser, "!$('#start').hidden")
    assert ask(browser, LEAVING) is False


def test_a_live_session_is_saved_and_analysed(browser: Any, served: str) -> None:
    opened(browser, served)
    click(browser, "#camera")
    wait(browser, "spy.moments.length > 5", 30)
    names = "[...$(arguments[0]).options].map((o) => o.value)"
    assert ask(browser, names, "#camera-choice")[-1] == "none" and len(ask(browser, names, "#camera-choice")) > 1
    assert ask(browser, "$('#microphone-choice').value") in ask(browser, names, "#microphone-choice")[:-1]
    assert ask(browser, "getComputedStyle($('#eye')).transform") == "matrix(-1, 0, 0, 1, 0, 0)"
    click(browser, "#mirror")
    assert ask(browser, "getComputedStyle($('#eye')).transform") == "none"
    click(browser, "#microphone-choice option[value=none]")  # begins anew
    wait(browser, "$('#eye').srcObject?.getTracks().length === 1 && spy.sockets.length === 2")
    before = ask(browser, "spy.moments.length")
    wait(browser, f"spy.moments.length > {before} + 5", 30)
    click(browser, "#keep")
    assert ask(browser, "$('#camera-choice').disabled")
    assert ask(browser, LEAVING) is True
    assert_accessible(browser)
    click(browser, "#stop")
    wait(browser, "!$('#saved').hidden")
    assert_accessible(browser)
    name = ask(browser, "$('#saved-download').download")
    click(browser, "#saved-download")
    until((browser.downloads / name).is_file, 10, "it was not downloaded")
    click(browser, "#saved-analyse")
    wait(browser, RESULT, 120)
    assert text(browser, "#problem") == "" and text(browser, "#name") == name
    assert len(result(browser, served)["moments"]) >= 2
    assert ask(browser, LEAVING) is False


def test_the_mirrored_boxes_lie_over_the_faces(browser: Any, served: str) -> None:
    script = """
    const done = arguments[0];
    import("/static/player/boxes.js").then(({ drawFaces }) => {
      const canvas = document.createElement("canvas");
      const video = { clientWidth: 200, clientHeight: 100, videoWidth: 200, videoHeight: 100 };
      const face = { box_xyxy: [10, 40, 50, 80], probabilities: null, track_id: null };
      const doc = { source: { width: 200, height: 100 }, moments: [{ time_s: 0, faces: [face] }] };
      const edges = [false, true].map((mirrored) => {
        drawFaces(canvas, video, doc, 0, mirrored);
        const row = canvas.getContext("2d").getImageData(0, 60, 200, 1).data;
        const drawn = [...Array(200).keys()].filter((x) => row[4 * x + 3] > 0);
        return [drawn[0], drawn.at(-1)];
      });
      done(edges);
    });
    """
    (left, right), (mirrored_left, mirrored_right) = opened(browser, served).execute_async_script(script)
    assert (left, right) == pytest.approx((10, 50), abs=4)
    assert (mirrored_left, mirrored_right) == pytest.approx((150, 190), abs=4)


def test_faces_over_the_film_are_called_as_people_are(browser: Any, served: str) -> None:
    script = """
    const done = arguments[0];
    import("/static/player/boxes.js").then(({ drawFaces }) => {
      const written = [];
      CanvasRenderingContext2D.prototype.fillText = (text) => written.push(text);
      const video = { clientWidth: 200, clientHeight: 100, videoWidth: 200, videoHeight: 100 };
      const at = (left) => ({ box_xyxy: [left, 40, left + 20, 80], probabilities: { happy: 0.9, sad: 0.1 } });
      const ids = [[7, 1], [9, 2], [11, null]];
      const faces = ids.map(([track_id, person_id], i) => ({ ...at(40 * i), track_id, person_id }));
      const doc = { source: { width: 200, height: 100 }, moments: [{ time_s: 0, faces }] };
      for (const people of [[{ id: 1, name: "Anna" }, { id: 2, name: null }], []]) {
        drawFaces(document.createElement("canvas"), video, { ...doc, people }, 0);
      }
      done(written);
    });
    """
    known, unknown = (["Anna", "#2", ""], ["#7", "#9", "#11"])
    expected = [f"{who}  happy 90 %".strip() for who in (*known, *unknown)]
    assert opened(browser, served).execute_async_script(script) == expected


def test_the_other_views_are_accessible(browser: Any, served: str) -> None:
    opened(browser, served)
    assert_accessible(browser)
    browser.execute_script("XMLHttpRequest.prototype.send = () => {}")
    browser.find_element("id", "file").send_keys(str(DEMO))
    wait(browser, "!$('#work').hidden")
    assert_accessible(browser)
    click(browser, "#cancel")
    browser.get(f"{served}docs")
    assert_accessible(browser)
    hosts = ask(browser, "[...new Set(performance.getEntriesByType('resource').map((e) => new URL(e.name).origin))]")
    assert hosts == [served.rstrip("/")]
    assert complaints(browser) == []
