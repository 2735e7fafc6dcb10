"""An exporter that is as quick as it can be: most of its time goes into its table of operators and its many objects."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.onnx._internal.exporter._registration import ONNXRegistry


@contextmanager
def quick_exporter() -> Iterator[None]:
    """Let the exporter keep its table of operators, and its many small objects until the file is made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.onnx, "export", uncollected(torch.onnx.export))
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
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
