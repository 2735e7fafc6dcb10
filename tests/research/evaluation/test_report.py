"""The report's folder: every file whole, every score with its stamp, and LEAKY in red on each."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from emofuse.errors import OutputError, UsageError
from emofuse.research.evaluation.reports import write as report_module
from emofuse.research.evaluation.reports.sections import LEAKY
from emofuse.research.evaluation.reports.write import write_report
from emofuse.research.evaluation.scores.report import EvaluationReport, ReportProvenance, read_report
from make_reports import COMMAND, leak, leaky_stamp, predictions, report, stamp

FIGURES = ["anchors.png", "per_class.png", "confusion.png", "by_speaker.png", "curves.png"]
PAGES = ["report.json", "report.md", "report.html"]


@pytest.fixture(scope="module")
def honest() -> EvaluationReport:
    """Return a report with everything, the leak of a random split too."""
    made = report()
    return made.model_copy(update={"leak": leak(made)})


@pytest.fixture(scope="module")
def folder(honest: EvaluationReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder it was written to."""
    place = tmp_path_factory.mktemp("runs") / "voice"
    assert [path.name for path in write_report(honest, place)] == [*PAGES, *FIGURES]
    return place


@pytest.fixture(scope="module")
def leaky_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the report of a random split, which looks at the test clips too."""
    place = tmp_path_factory.mktemp("leaky")
    write_report(report(predictions(skill=1.6), stamp=leaky_stamp(transductive=True)), place)
    return place


def visible(page: str) -> str:
    """Return the text of an HTML page, as it is read."""

    class Reader(HTMLParser):
        text = ""

        def handle_data(self, data: str) -> None:
            self.text += data + "\n"

    reader = Reader()
    reader.feed(page[page.index("<body>") :])
    return reader.text


def unescaped(markdown: str) -> str:
    return re.sub(r"\\([\\`*_\[\]<>|~$&#])", r"\1", markdown)


def test_the_folder_holds_these_files_and_no_others(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted([*PAGES, *FIGURES])


def test_the_json_is_the_report(folder: Path, honest: EvaluationReport) -> None:
    assert read_report(folder / "report.json") == honest
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert document["format"] == "emofuse-evaluation/1"
    assert document["stamp"]["leaky"] is False
    assert document["curves"][0]["valid_loss"][0] is None


def test_the_figures_can_be_opened_and_are_not_blank(folder: Path) -> None:
    for name in FIGURES:
        picture = cv2.imread(str(folder / name))
        assert picture.shape[1] == 1200
        assert picture.shape[0] > 500
        assert picture.std() > 10


@pytest.mark.parametrize("kind", ["honest", "leaky"])
def test_the_whole_stamp_is_in_every_file(folder: Path, leaky_folder: Path, kind: str) -> None:
    place = folder if kind == "honest" else leaky_folder
    made_under = read_report(place).stamp
    assert (
        ReportProvenance.model_validate(json.loads((place / "report.json").read_text(encoding="utf-8"))["stamp"])
        == made_under
    )
    read = {
        "report.md": unescaped((place / "report.md").read_text(encoding="utf-8")),
        "report.html": visible((place / "report.html").read_text(encoding="utf-8")),
    }
    for name, text in read.items():
        for key, value in made_under.lines():
            assert key in text, name
            assert value in text, name
        assert text.index(made_under.protocol) < text.index("By emotion")  # right below the scores


def test_every_metric_has_its_interval_and_spread(folder: Path, honest: EvaluationReport) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    for m in honest.metrics:
        low, high = m.interval_95
        spread = f"± {100 * m.deviation_folds:.1f} (6 folds) | ± {100 * m.deviation_seeds:.1f} (3 seeds)"
        assert f"| {m.name} | {m.value:.1%} | {low:.1%} to {high:.1%} | {spread} |" in text


def test_every_part_of_the_report_is_there(folder: Path, honest: EvaluationReport) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    for c in honest.per_class:
        assert f"| {c.label} | {c.n} | {c.recall:.1%} | {c.precision:.1%} | {c.f1:.1%} |" in text
        assert (
            f"| {c.label} | {' | '.join(f'{n:.1f}' for n in honest.confusion[honest.stamp.labels.index(c.label)])} |"
            in text
        )
    for g in (*honest.by_sex, *honest.by_speaker):
        assert f"| {g.group} | {g.n} | {g.uar:.1%} | {g.accuracy:.1%} |" in text
    assert f"| 3 | 240 | 4 | {honest.metrics[0].by_fold[2]:.1%} | {honest.metrics[1].by_fold[2]:.1%} |" in text
    for a in honest.anchors:
        assert f"| {a.name} | {a.value:.1%} | {a.metric} | {a.source} | {a.note} |" in unescaped(text)
    assert "| → voice | " in text
    assert "Expected calibration error 0.092; 0.031 with the temperature 1.31" in text
    assert f"```sh\n{COMMAND}\n```" in text
    assert [name for name in FIGURES if f"]({name})" in text] == FIGURES


def test_the_leak_is_shown_on_purpose_and_in_red(folder: Path, honest: EvaluationReport) -> None:
    assert honest.leak is not None
    gap = honest.leak.gap["UAR"]
    warning = f"LEAKY: knowing the speaker is worth +{100 * gap:.1f} points of UAR."
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert f"> [!CAUTION]\n> 🟥 **{warning}" in text
    assert "never a result" in text
    assert "random-6fold" in text
    page = ElementTree.fromstring(
        (folder / "report.html").read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>\n")
    )
    red = ["".join(e.itertext()) for e in page.iter() if e.get("class") == "caution"]
    assert any(part.startswith(warning) for part in red)
    assert any("random-6fold" in part for part in red)
    leaky = next(m for m in honest.leak.metrics if m.name == "UAR")
    assert any(f"{leaky.value:.1%}" in part for part in red)
    assert not any(e.get("class") == "banner" for e in page.iter())  # the report itself is honest


def test_a_random_split_is_leaky_in_red_in_every_file(leaky_folder: Path) -> None:
    text = (leaky_folder / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# 🟥 voice on RAVDESS speech\n\n> [!CAUTION]\n> 🟥 **LEAKY: ")
    assert "| UAR (LEAKY) | " in text
    assert "- 🟥 **speakers**: LEAKY" in text
    page = (leaky_folder / "report.html").read_text(encoding="utf-8")
    root = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert ["".join(e.itertext()) for e in root.iter() if e.get("class") == "banner"] == [LEAKY]
    assert next(root.iter("h1")).get("class") == "caution"
    assert next(root.iter("table")).get("class") == "caution"
    assert "LEAKY: " in (next(root.iter("title")).text or "")
    assert re.search(r"\.banner \{[^}]*background: #b3001b", page, re.DOTALL)
    assert ".caution, .caution td { color: var(--red)" in page
    assert json.loads((leaky_folder / "report.json").read_text(encoding="utf-8"))["stamp"]["leaky"] is True
    for name in FIGURES:
        top = cv2.imread(str(leaky_folder / name))[5].astype(int)
        assert (np.abs(top - (0x1B, 0x00, 0xB3)) <= 2).all()  # BGR, from side to side


def test_the_html_needs_nothing_but_itself(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    root = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))  # well-formed
    pictures = [image.get("src", "") for image in root.iter("img")]
    assert [base64.b64decode(p.removeprefix("data:image/png;base64,")) for p in pictures] == [
        (folder / name).read_bytes() for name in FIGURES
    ]
    assert all(image.get("alt") for image in root.iter("img"))
    assert not list(root.iter("script"))
    assert not list(root.iter("link"))
    assert not re.search(r"""(src|srcset|data|poster)\s*=\s*["']?\s*(https?:)?//|url\(|@import""", page)
    policy = next(e.get("content", "") for e in root.iter("meta") if e.get("http-equiv"))
    allowed = (
        r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; img-src data: blob:; media-src 'self' file: blob: data:"
    )
    assert re.fullmatch(allowed, policy)
    assert "prefers-color-scheme: dark" in page


@pytest.mark.usefixtures("blank_figures")
def test_what_has_no_data_is_not_spoken_of(honest: EvaluationReport, tmp_path: Path) -> None:
    bare = {"curves": (), "anchors": (), "by_speaker": (), "by_sex": (), "leak": None}
    write_report(honest.model_copy(update=bare), tmp_path)
    for name in ("report.md", "report.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        for word in ("Training", "curves.png", "anchors.png", "Beside chance", "By sex", "By speaker", "knowing"):
            assert word not in text


@pytest.mark.parametrize(
    "field", ["protocol", "command", "seeds", "folds", "corpus", "licence", "versions", "selection"]
)
def test_a_stamp_with_nothing_in_a_field_cannot_be_made(field: str) -> None:
    with pytest.raises(ValueError, match=f"a score needs its stamp; empty: {field}"):
        stamp(**{field: () if field in ("seeds", "folds") else ""})


def test_a_score_without_its_stamp_is_not_written(honest: EvaluationReport, tmp_path: Path) -> None:
    fields = {name: getattr(honest, name) for name in EvaluationReport.model_fields}
    empty = honest.stamp.model_copy(update={"command": ""})  # which no check has seen
    for bad in (
        EvaluationReport.model_construct(**{**fields, "stamp": None}),
        EvaluationReport.model_construct(**{name: value for name, value in fields.items() if name != "stamp"}),
        EvaluationReport.model_construct(**{**fields, "stamp": empty}),
        honest.metrics[0],
        {"UAR": 0.9},
    ):
        with pytest.raises(UsageError, match="its stamp") as caught:
            write_report(bad, tmp_path / "out")
        assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").iterdir())


def test_names_cannot_break_the_pages(tmp_path: Path) -> None:
    nasty = 'm|o<d>e"l & `x` *y* $z$'
    write_report(report(model=nasty, by_speaker=(), curves=()), tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| → ")]
    assert len(rows) == 2
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows)
    assert nasty in unescaped(text)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert nasty in visible(page)


@pytest.mark.usefixtures("blank_figures")
def test_a_second_report_replaces_the_first(honest: EvaluationReport, tmp_path: Path) -> None:
    write_report(honest, tmp_path)
    second = write_report(report(model="other", curves=(), leak=None), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in second)
    assert "curves.png" not in {path.name for path in second}
    assert "other" in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("blank_figures")
def test_a_stop_in_the_middle_leaves_no_half_file(
    folder: Path, honest: EvaluationReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "run")

    def stopped(*args: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(report_module, "to_html", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_report(honest, tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted([*PAGES, *FIGURES])
    assert (tmp_path / "run" / "report.html").read_bytes() == (folder / "report.html").read_bytes()


def test_a_folder_that_cannot_be_written_to_is_named(honest: EvaluationReport, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OutputError, match="taken"):
        write_report(honest, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.browser
def test_a_browser_shows_it(leaky_folder: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium is installed")
    shot = tmp_path / "shot.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
    where = [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={shot}", "--window-size=1000,4000"]
    url = (leaky_folder / "report.html").as_uri()
    subprocess.run([chromium, *options, *where, url], check=True, capture_output=True, timeout=120)
    picture = cv2.imread(str(shot))
    assert picture.shape == (4000, 1000, 3)
    red = (np.abs(picture.astype(int) - (0x1B, 0x00, 0xB3)) <= 3).all(axis=2)
    assert red[:120].sum() > 20_000  # the banner of the page
    assert red[800:].sum() > 20_000  # and those of its figures, which are shown


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("name", ["report.json", "report.md", "report.html"])
def test_a_report_replaces_a_report_and_nothing_else(tmp_path: Path, name: str) -> None:
    made = report()
    write_report(made, tmp_path / "again")
    write_report(made, tmp_path / "again")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / name).write_text("my own notes")
    with pytest.raises(UsageError, match=f"{name} would be replaced, and emofuse did not write it"):
        write_report(made, tmp_path / "theirs")
    assert [p.name for p in (tmp_path / "theirs").iterdir()] == [name]
