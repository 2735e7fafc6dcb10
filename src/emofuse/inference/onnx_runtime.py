"""ONNX Runtime, as emofuse uses it: the one place where it is imported, and the one door that a network comes in by.

From 1.32 on it writes an id of the machine into the user's cache and looks up a host to report its use to, be there a
network or not. That is switched off before it is loaded, as what is set later is too late.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # inherited by the processes that we start

import onnxruntime

from emofuse.errors import BundleError, UsageError
from emofuse.inference.onnx_file import check_onnx_file
from emofuse.reading import first_line

PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

onnxruntime.disable_telemetry_events()  # where somebody had imported it before us


def available_devices() -> list[str]:
    """Return the devices that networks can be run on here: cpu, and cuda where ONNX Runtime has it."""
    available = onnxruntime.get_available_providers()
    return [device for device, provider in PROVIDERS.items() if provider in available]


def pick_device(device: str) -> str:
    """Return the device that is meant: of "auto", cuda where it can be had, else cpu.

    >>> pick_device("cpu")
    'cpu'
    """
    if device != "auto":
        return device
    return "cuda" if "cuda" in available_devices() else "cpu"


def open_session(path: Path, device: str = "cpu", n_threads: int = 1, content: bytes | None = None) -> Any:
    """Load a network whose file has been checked to need no other one.

    Args:
        path: The ONNX file.
        device: One of `available_devices()`.
        n_threads: Threads that one operator may use.
        content: What to load in place of what is in the file: the same with other sizes.

    Returns:
        An `onnxruntime.InferenceSession`.

    Raises:
        BundleError: The file is not a network that can be run, or one that a bundle may not have.
        UsageError: The device is there, but cannot be started.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # never its own format, which was not checked, whatever the file is called or begins with
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        check_onnx_file(path)
        model = str(path) if content is None else content
        session = onnxruntime.InferenceSession(model, options, providers=[PROVIDERS[device]])
    except BundleError:
        raise
    except Exception as error:  # noqa: BLE001 (ONNX Runtime's exceptions have no public base)
        raise BundleError(f"{path} is not a network that can be run: {first_line(error)}") from None
    if PROVIDERS[device] not in session.get_providers():  # it says so in its log alone, and goes on with the CPU
        raise UsageError(
            f"the device {device!r} cannot be used: ONNX Runtime has it, but it could not be started",
            "look whether the driver, CUDA and cuDNN are those that onnxruntime-gpu wants, or use --device cpu",
        )
    return session
