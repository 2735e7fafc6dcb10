"""An exporter that is quicker: much of its time goes into looking through its many small objects."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch


@contextmanager
def quick_exporter() -> Iterator[None]:
    """Let the exporter keep its many small objects until the file is made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.onnx, "export", uncollected(torch.onnx.export))
        yield


def uncollected(export: Callable[..., Any]) -> Callable[..., Any]:
    """Have no garbage collected during a function."""

    def run(*arguments: Any, **options: Any) -> Any:
        gc.disable()
        try:
            return export(*arguments, **options)
        finally:
            gc.enable()

    return run
