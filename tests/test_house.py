"""How the code is built, counted, so that it does not slip back. A bound is lowered when there is less to hold.

Where a test fails because something new needs more, say why in the commit that raises the bound.
"""

from __future__ import annotations

import ast
import inspect
import re
import statistics
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import emofuse
from emofuse.inference.modalities.registry import MODALITIES as REGISTERED
from emofuse.outputs.formats import FORMATS
from emofuse.types import MODALITIES

SRC = Path(emofuse.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
TEXTS = {path.relative_to(SRC).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
OPTIMISED = inspect.CO_OPTIMIZED  # of functions; bodies of modules and classes have not this flag


EVALUATED = """
name = "tiny"
[data]
corpus = "speech"
window_s = 0.6
[model]
name = "mel-cnn"
widths = [4, 8]
[train]
epochs = 1
batch_size = 6
"""


def naming(pattern: str, *without: str) -> list[str]:
    """Return the files in which a pattern occurs."""
    return [name for name, text in TEXTS.items() if name not in without and re.search(pattern, text)]


def asks_its_kind(text: str) -> Iterator[str]:
    """Yield calls `isinstance(..., SomeSettings)`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            kinds = [getattr(each, "id", getattr(each, "attr", "")) for each in ast.walk(node.args[1])]
            if any(kind.endswith("Settings") for kind in kinds):
                yield ast.unparse(node)


def test_no_recipe_is_asked_its_kind_outside_the_tasks() -> None:
    rooms = [name for name in TEXTS if name.startswith(("research/", "cli/")) and "/tasks/" not in name]
    found = {name: list(asks_its_kind(TEXTS[name])) for name in rooms}
    assert {name: calls for name, calls in found.items() if calls} == {}
    assert list(asks_its_kind("isinstance(a.model, x.VoiceNetSettings | int)"))  # the count itself works


def test_a_corpus_is_one_file_and_one_line() -> None:
    readers = [Path(name).stem for name in TEXTS if name.startswith("research/corpora/readers/")]
    helpers = {"__init__", "walk", "portraits"}  # of several readers
    more = {"ferplus": 3, "emogator": 2}  # its pictures are trained on; its bursts are no speech
    registry = TEXTS["research/corpora/registry.py"]
    assert len(readers) > 15
    for reader in set(readers) - helpers:
        users = naming(rf"corpora\.readers\.{reader}\b", f"research/corpora/readers/{reader}.py")
        users += ["registry"] if re.search(rf"^    {reader},$", registry, re.MULTILINE) else []
        assert 1 <= len(users) <= more.get(reader, 1), (reader, users)


def test_a_network_is_one_file_its_settings_and_one_line() -> None:
    pytest.importorskip("torch")
    from emofuse.research.models.registry import NETWORKS

    # those that another task or network is built on
    more = {"FaceNetSettings": 6, "VoiceNetSettings": 5, "TextNetSettings": 5, "MvitSettings": 4, "MiniLmSettings": 6}
    more |= {"AudioVideoSettings": 5, "FrameLstmMelSettings": 4, "UnimodalSettings": 4, "AttentionFusionSettings": 4}
    for entry in NETWORKS:
        name = entry.settings.__name__
        users = naming(rf"\b{name}\b")
        assert len(users) <= more.get(name, 3) or name == "ImportedNetSettings", (name, users)
    assert len({entry.settings for entry in NETWORKS}) == len(NETWORKS) > 20


def test_an_output_format_is_one_file_and_one_line() -> None:
    assert len(FORMATS) > 8
    elsewhere = naming(r"outputs\.(elan|textgrid)\b", "outputs/formats.py")
    assert not elsewhere


def names_of_modalities(text: str) -> list[str]:
    """Return the strings in a file that are the name of a modality."""
    constants = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    return [value for value in constants if value in MODALITIES]


def test_a_modality_is_one_file_and_one_line() -> None:
    registry = "inference/modalities/registry.py"
    for kind in REGISTERED:
        own = f"{kind.__module__.removeprefix('emofuse.').replace('.', '/')}.py"
        assert set(naming(rf"\b{kind.__name__}\b")) == {own, registry}, kind.name
    assert tuple(kind.name for kind in REGISTERED) == MODALITIES
    core = [f"inference/{name}.py" for name in ("analyzer", "answers", "face_tracks", "fusion", "fusion_head")]
    outputs = [name for name in TEXTS if name.startswith("outputs/")]
    tables = {"outputs/translations.py": 4, "outputs/records.py": 3}  # words; a table and a column
    for name in [*core, *outputs]:
        assert len(names_of_modalities(TEXTS[name])) <= tables.get(name, 0), name
    assert names_of_modalities('x == "voice"') == ["voice"]  # the count itself works


def test_torch_is_imported_behind_the_wall_alone() -> None:
    wall = r"^\s*(import|from) (torch|torchvision|lightning|torchmetrics|safetensors|sklearn|librosa)\b"
    found = [name for name, text in TEXTS.items() if re.search(wall, text, re.MULTILINE)]
    assert found and [name for name in found if not name.startswith("research/")] == []


def test_functions_are_short() -> None:
    lengths = [
        node.end_lineno - node.lineno + 1
        for text in TEXTS.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.end_lineno
    ]
    assert statistics.median(lengths) <= 9 and sum(length > 80 for length in lengths) <= 15


def test_the_package_does_not_grow_without_a_reason() -> None:
    assert sum(text.count("\n") for text in TEXTS.values()) <= 63_025


def files_entered(call: object) -> set[str]:
    """Return the files of the package whose functions run while a call does."""
    entered: set[str] = set()

    def heard(frame: object, event: str, argument: object) -> None:
        code = frame.f_code  # type: ignore[attr-defined]
        is_import = code.co_qualname in ("<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")  # in a module's body
        if event == "call" and code.co_flags & OPTIMISED and not is_import and code.co_filename.startswith(str(SRC)):
            entered.add(Path(code.co_filename).relative_to(SRC).as_posix())

    threading.setprofile(heard)
    sys.setprofile(heard)
    try:
        call()  # type: ignore[operator]
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return entered


def test_a_prediction_crosses_few_files(clip_mp4: Path) -> None:
    entered = files_entered(lambda: emofuse.analyze(clip_mp4))
    assert "inference/analyzer.py" in entered and len(entered) <= 62
    assert not [name for name in entered if name.startswith(("research/", "cli/", "service/"))]


def test_an_evaluation_crosses_few_files(tmp_path: Path, blank_figures: object) -> None:
    """From the command to its report: a network on a made RAVDESS, its training, its scores and its pages."""
    pytest.importorskip("torch")
    from emofuse.cli.main import run
    from make_ravdess import write_ravdess

    (tmp_path / "tiny.toml").write_text(EVALUATED, encoding="utf-8")
    data = write_ravdess(tmp_path / "data", range(1, 9))
    command = ["evaluate", tmp_path / "tiny.toml", "--protocol", "actor-2fold", "--jobs", "1"]

    def evaluate() -> None:
        with pytest.raises(SystemExit) as end:
            run([str(word) for word in (*command, "--data", data, "-o", tmp_path / "out")])
        assert not end.value.code

    entered = files_entered(evaluate)
    assert (tmp_path / "out" / "report.html").exists()
    assert "research/evaluation/reports/write.py" in entered and len(entered) <= 76
    assert not [name for name in entered if name.startswith(("service/", "recordings/", "outputs/"))]
