"""A scorer of text whose answer can be read off the words."""

from __future__ import annotations

import numpy as np

from emofuse.emotions import BASE
from emofuse.types import Scores


class StandInText:
    """Is sure of the first label of BASE that occurs in the text, else of neutral; "hm" says nothing to it."""

    def __init__(self, quality: float = 1.0) -> None:
        self.asked: list[str] = []
        self.quality = quality

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        self.asked.append(text)
        if text == "hm":
            return None
        label = next((label for label in BASE if label in text), "neutral")
        p = np.full(len(BASE), 0.01, np.float32)
        p[BASE.index(label)] = 1 - 0.01 * (len(BASE) - 1)
        return Scores("text", BASE, p, start_s, end_s, self.quality)
