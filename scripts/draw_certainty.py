r"""Draw how far a bundle's answers can be relied on, from what its `fusion.json` tells: docs/trust.md's figure.

python scripts/draw_certainty.py base -o docs/trust.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from emofuse.errors import UsageError
from emofuse.inference.bundle import load_bundle
from emofuse.inference.certainty import Bin


def main() -> None:
    """Draw reliability, and what is right of the surest answers, for every modality and for what is fused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    certainty = load_bundle(arguments.bundle).manifest.certainty
    if certainty is None or not certainty.measured:
        raise UsageError(f"{arguments.bundle} does not tell how far it can be relied on")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    left.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, bins in certainty.measured.items():
        _draw(left, right, name, bins)
    for limit in (certainty.likely, certainty.clear):
        left.axvline(limit, color="0.7", linewidth=1, linestyle=":")
    left.set(xlabel="told: the probability of being right", ylabel="measured: the share that is right")
    right.set(xlabel="answers that are kept, the surest first", ylabel="of them right")
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False)
    figure.savefig(arguments.out, dpi=110)


def _draw(left: Axes, right: Axes, name: str, bins: Sequence[Bin]) -> None:
    (line,) = left.plot([one.p_right for one in bins], [one.right for one in bins], linewidth=1.5)
    left.scatter(
        [one.p_right for one in bins],
        [one.right for one in bins],
        [4 + 200 * one.n / sum(each.n for each in bins) for one in bins],
        color=line.get_color(),
    )
    kept, n_right, n_kept = [], 0.0, 0
    for one in reversed(bins):
        n_kept, n_right = n_kept + one.n, n_right + one.n * one.right
        kept.append((n_kept, n_right / n_kept))
    right.plot([n / n_kept for n, _ in kept], [share for _, share in kept], linewidth=1.5, label=name)


if __name__ == "__main__":
    main()
