"""Made-up input for any network, by its card."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.card import InputSpec
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.preprocessing.tokens import encode

WORDS: Final = "I can't believe that you would do this to me, after all that we have been through!"


def dummy_inputs(spec: InputSpec) -> list[NDArray[Any]]:
    """Make a batch of one of every input: pictures and sound of noise, all present."""
    random = np.random.default_rng(0)
    samples = random.normal(0, 0.1, (1, round((spec.window_s or 1.0) * RATE_HZ))).astype(np.float32)
    square = (spec.size_px or 48, spec.size_px or 48)
    made: dict[str, NDArray[Any]] = {
        "faces": (random.random((1, 1, *square)) * 255).astype(np.float32),
        "samples": samples,
        "frames": random.integers(0, 256, (1, spec.n_frames or 1, *square, 3), dtype=np.uint8),
        "present": np.ones((1, 2), np.float32),
        "tokens": encode(WORDS)[None],
        "pieces": np.arange(20, dtype=np.int64)[None] % 10 + 1,
    }
    for modality, size in (spec.dims or {}).items():
        made[modality] = random.normal(0, 1, (1, 1, size)).astype(np.float32)
        made[f"{modality}_mask"] = np.ones((1, 1), np.float32)
    return [made[name] for name in spec.names]
