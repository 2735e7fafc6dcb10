import ast
import subprocess
import sys
from pathlib import Path

import pytest

import emofuse


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


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_analysing_loads_no_training_library() -> None:
    loaded = loaded_after("from emofuse.cli import main; import emofuse; emofuse.analyze")
    assert "emofuse.inference.analyzer" in loaded
    assert not loaded & {"torch", "torchvision", "lightning", "pandas", "sklearn", "librosa", "matplotlib", "scipy"}


def test_importing_the_package_alone_loads_nothing_heavy() -> None:
    assert not loaded_after("import emofuse") & {"cv2", "onnxruntime", "av", "numpy"}


def test_python_runs_the_package_as_the_command() -> None:
    def told(*arguments: str) -> str:
        command = [sys.executable, "-m", "emofuse", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert told("--version") == f"emofuse {emofuse.__version__}\n"
    assert "Usage: emofuse [OPTIONS] COMMAND" in told("--help")
