"""Where the next stretch of sound belongs: samples are placed by their stamps, not one after the other."""

from __future__ import annotations

from typing import Final

NEAR_S: Final = 0.02  # containers round times to the millisecond, and jitter: so much is not a fault
FAR_S: Final = 0.03  # what is off by more than this is put right at once: a voice is seen to be off from 40 ms on
_PATIENCE_S: Final = 0.5  # what is off by less, where it stays so


class Placer:
    """Follows the stamps of a track, so that the voice does not come off the picture.

    Where parts were joined without encoding them anew, their sound overlaps by the run-in of the codec, 20 to 70 ms a
    seam; others leave a hole. After many seams that would be seconds. end_s: the time after the last sample placed.
    """

    def __init__(self) -> None:
        self.end_s: float | None = None
        self._off_since_s: float | None = None

    def place(self, time_s: float, n_samples: int, rate_hz: int) -> int:
        """Take the next stretch, which is stated to begin at time_s; return how many samples from the end it goes.

        So many are to be filled with silence; a negative number is to be dropped from the beginning of the stretch, at
        most all of it; 0 means that it follows on.
        """
        if self.end_s is None:
            self.end_s = time_s
        off_s = time_s - self.end_s
        is_near = abs(off_s) <= NEAR_S
        if is_near:
            self._off_since_s = None
        elif self._off_since_s is None:
            self._off_since_s = time_s
        has_patience = self._off_since_s is None or time_s - self._off_since_s < _PATIENCE_S
        if is_near or (abs(off_s) <= FAR_S and has_patience):
            n_off = 0
        else:
            self._off_since_s = None
            n_off = max(round(off_s * rate_hz), -n_samples)
        self.end_s += (n_off + n_samples) / rate_hz
        return n_off
