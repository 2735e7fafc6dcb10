import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import emofuse
from emofuse._moved import MOVED

CHANGES = Path(__file__).parents[1] / "CHANGELOG.md"
TRAINING = {"torch", "torchvision", "lightning", "pandas", "sklearn", "librosa", "matplotlib", "scipy"}


def test_the_public_names() -> None:
    assert set(emofuse.__all__) == {*emofuse._PLACES, "__version__"} and emofuse.__all__ == sorted(emofuse.__all__)
    assert {"Pipeline", "Timeline", "Timelines", "agree", "analyze"} <= set(emofuse.__all__)
    for name in emofuse.__all__:
        assert getattr(emofuse, name) and name in dir(emofuse)
    tree = ast.parse(Path(emofuse.__file__).read_text(encoding="utf-8"))
    typed = [one for node in ast.walk(tree) if isinstance(node, ast.If) for one in node.body]
    imported = {(a.name, one.module) for one in typed if isinstance(one, ast.ImportFrom) for a in one.names}
    assert imported == set(emofuse._PLACES.items())  # what an editor sees is what there is
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = emofuse.analyse


def test_every_public_name_is_in_the_changelog() -> None:
    changes = CHANGES.read_text(encoding="utf-8")
    assert [name for name in emofuse.__all__ if name[0] != "_" and not re.search(rf"\b{name}\b", changes)] == []


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_analysing_loads_no_training_library() -> None:
    loaded = loaded_after("from emofuse.cli import main; import emofuse; emofuse.analyze")
    assert "emofuse.inference.analyzer" in loaded
    assert not loaded & {*TRAINING, "emofuse.research"}


def test_a_recipe_is_read_without_any_training_library() -> None:
    loaded = loaded_after("from emofuse.research.recipes.recipe import load_recipe")
    assert "emofuse.research.models.settings" in loaded and not loaded & TRAINING


def test_a_pipeline_loads_nothing_that_photos_words_and_bars_alone_need() -> None:
    loaded = loaded_after("import emofuse; emofuse.Pipeline.load()")
    assert "onnxruntime" in loaded
    assert not loaded & {"PIL", "tqdm", "emofuse.transcripts.documents", "emofuse.transcripts.subtitles"}


def test_importing_the_package_alone_loads_nothing_heavy() -> None:
    assert not loaded_after("import emofuse") & {"cv2", "onnxruntime", "av", "numpy"}


@pytest.mark.load
def test_moved_modules_are_found_by_their_old_names_with_a_warning() -> None:
    pytest.importorskip("torch")  # which some of them import, and this in one process for all
    checks = [
        f"""
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", DeprecationWarning)
    import {old} as module
ours = [one for one in caught if "emofuse" in str(one.message)]
assert [str(one.message) for one in ours] == ["{old} is {new} now"], ours
assert ours[0].filename == "<string>"
assert module is importlib.import_module("{new}") and module.__name__ == module.__spec__.name == "{new}"
"""
        for old, new in MOVED.items()
    ]
    subprocess.run([sys.executable, "-c", "\n".join(["import importlib, sys, warnings", *checks])], check=True)


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"emofuse\.corpora\.tables"):
        import_module("emofuse.corpora.tables")


def test_python_runs_the_package_as_the_command() -> None:
    def told(*arguments: str) -> str:
        command = [sys.executable, "-m", "emofuse", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert told("--version") == f"emofuse {emofuse.__version__}\n"
    assert "Usage: emofuse [OPTIONS] COMMAND" in told("--help")
