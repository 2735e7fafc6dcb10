"""A picture with its answer, and under it the last seconds of all labels: what a live window shows and records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import rgb
from emofuse.outputs.lettering import Image
from emofuse.outputs.overlay import Overlay, OverlaySettings
from emofuse.types import Moment

SPAN_S: Final = 30.0
_N_CELLS: Final = 600
_HEIGHT: Final = 0.18  # of the picture's
_BACK: Final = (24, 24, 24)


class RollingChart:
    """The fused probabilities of the last `span_s` seconds as coloured bands, the newest at the right; dark where
    nothing spoke. Costs the same however long the stream is."""

    def __init__(self, labels: Sequence[str], span_s: float = SPAN_S) -> None:
        self.span_s = span_s
        self._cells = np.zeros((_N_CELLS, len(labels)), np.float32)
        self._newest = -1  # number of the newest cell, counted from time 0
        self._colours = np.array([rgb(label) for label in labels] + [_BACK], np.uint8)

    def push(self, moment: Moment) -> None:
        """Add a moment; it colours the time since the one before it."""
        cell = max(math.floor(moment.time_s / self.span_s * _N_CELLS), self._newest)
        n_new = min(cell - self._newest, _N_CELLS)
        values = 0.0 if moment.fused is None else moment.fused.probabilities
        if n_new:
            self._cells = np.roll(self._cells, -n_new, axis=0)
            # after a long silence only the end of it is this moment's
            self._cells[-n_new:] = 0.0 if n_new > _N_CELLS // 10 else values
        self._cells[-1] = values
        self._newest = cell

    def draw(self, canvas: Image) -> None:
        """Fill the canvas, (H, W, 3) uint8 RGB, in place."""
        height, width = canvas.shape[:2]
        columns = self._cells[(np.arange(width) + 1) * _N_CELLS // width - 1]
        tops = np.cumsum(columns, axis=1)  # (W, C): where each band ends, from below
        level = ((np.arange(height)[::-1] + 0.5) / height)[:, None]
        band = np.zeros((height, width), np.uint8)
        for top in tops.T:
            band += level >= top
        canvas[:] = self._colours[band]


class LivePainter:
    """Draws updates one after the other: the picture with boxes and bars, and the chart under it."""

    def __init__(self, labels: Sequence[str], film: OverlaySettings | None = None) -> None:
        self._overlay = Overlay(film, has_bar=False)
        self.chart = RollingChart(labels)

    def paint(self, image: NDArray[np.uint8], view: Moment) -> Image:
        """Return (H', W, 3) uint8 RGB: the picture with what `view` says drawn over it, and the chart below."""
        height, width = image.shape[:2]
        n_chart = max(24, round(height * _HEIGHT))
        canvas = np.empty((height + n_chart, width, 3), np.uint8)
        canvas[:height] = self._overlay.draw(image, view)
        self.chart.draw(canvas[height:])
        return canvas
