"""Modules that the documentation named and that have moved: for one version they still import, with a warning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    Loader = object  # importing the real one costs a ninth of what a command takes to start

MOVED: Final = {
    "emofuse.corpora.corpus": "emofuse.research.corpora.corpus",
    "emofuse.corpora.feature_set": "emofuse.research.feature_sets.store",
    "emofuse.corpora.manifest": "emofuse.research.corpora.manifest",
    "emofuse.training.extract": "emofuse.research.feature_sets.extract",
    "emofuse.training.module": "emofuse.research.training.module",
}
_PACKAGES: Final = {name.rpartition(".")[0] for name in MOVED}


class _Finder(Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in MOVED:
            warnings.warn(f"{fullname} is {MOVED[fullname]} now", DeprecationWarning, stacklevel=2)
        elif fullname not in _PACKAGES:
            return None
        return ModuleSpec(fullname, self, is_package=fullname in _PACKAGES)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        if spec.name in _PACKAGES:
            return None  # an empty one, whose modules are found here, too
        module = import_module(MOVED[spec.name])
        spec.loader_state = module.__spec__  # which the import system is about to replace
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None and spec.name in MOVED:
            module.__spec__ = spec.loader_state


def keep_old_paths() -> None:
    """Let the import system find moved modules by their old names, after every other way has failed."""
    sys.meta_path.append(_Finder())
