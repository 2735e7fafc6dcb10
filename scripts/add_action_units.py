r"""Add a corpus's action units to its feature set, as the visual modality.

    emofuse features extract ravdess -o runs/ravdess-voice --visual none --step-s 100
    python scripts/add_action_units.py runs/ravdess-voice ravdess DATA -o runs/ravdess-set

The action units are the means over each clip that OpenFace measured, from the corpus's own `action_units.csv`: there
are no pictures of most actors here, and these are what there is of their faces.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

from emofuse.research.feature_sets.action_units import read_action_units
from emofuse.research.feature_sets.store import read_feature_set, write_feature_set
from emofuse.research.tasks.utterances import find_corpus


def main() -> None:
    """Read both, put them together, write the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path, help="a feature set of the corpus")
    parser.add_argument("corpus", help="its name, as in emofuse corpus prepare, or a manifest")
    parser.add_argument("data", type=Path, help="the folder with the corpora")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    found = read_feature_set(arguments.set, arguments.corpus)
    manifest = find_corpus(arguments.corpus, arguments.data)
    units = dict(zip((clip.path.stem for clip in manifest), read_action_units(manifest), strict=True))
    visual = tuple(units[clip.path.name][None] for clip in found.manifest)
    features = {"visual": visual, **{name: arrays for name, arrays in found.features.items() if name != "visual"}}
    absent = {**found.absent, "visual": Counter[str]()}
    print(write_feature_set(replace(found, features=features, absent=absent), arguments.out))


if __name__ == "__main__":
    main()
