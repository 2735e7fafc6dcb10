"""Write docs/models.md: a row for every network, from the recipes themselves and from what was measured.

    python scripts/make_models_page.py --steps runs/steps.json --learning runs/learning/*.json \\
        --reports runs/*-actor-6fold/report.json > docs/models.md

steps: of benchmarks/steps.py. learning: of benchmarks/learning.py. reports: of emofuse evaluate. What was not measured
is left empty.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any, Final

from emofuse.card import InputSpec
from emofuse.emotions import LABEL_SETS
from emofuse.research.evaluation.scores.report import read_report
from emofuse.research.models.fusion.settings import FeatureNetSettings
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.models.settings import SvmSettings
from emofuse.research.recipes.data import TextDataSettings
from emofuse.research.recipes.recipe import LateFusionSettings, Recipe, load_recipe, single_recipes
from emofuse.research.training.cards import model_card
from emofuse.research.training.jobs import make_network

ROOT: Final = Path(__file__).parent.parent
REFERENCES: Final = {
    "mfcc-cnn": "1: its audio branch",
    "cnn3d": "1: its picture branch",
    "mfcc-cnn3d": "1, whole",
    "resnet-lstm": "3",
    "resnet-transformer": "3",
    "r3d": "3",
    "mvit": "3",
    "wave-cnn-16": "3: its audio network",
    "wave-cnn-64": "3: its audio network",
    "mel-cnn": "3: its spectrogram network",
    "frame-lstm-mel": "3: its best",
    "mvit-wave": "3: its audio-video network",
}
"""Which reference system a network is from: 1 RAVDESS audio-video fusion, 3 RAVDESS multi-modal. Others are ours."""
KINDS: Final = {
    "face": "Faces",
    "voice": "Voices",
    "text": "Words",
    "clip": "Clips: pictures over time, alone or with their sound",
}
INTRODUCTION: Final = """# Models

Every network that a recipe in `recipes/` trains, with the commands that go with all of them:

```
emofuse train recipes/NAME.toml --bundle        # trains, exports, and makes a bundle of it: runs/NAME/bundle
emofuse evaluate recipes/NAME.toml              # cross-validates, speakers apart
emofuse export runs/NAME/model.safetensors -o NAME.onnx
emofuse bundle make clip=NAME.onnx --from base -o my-bundle && emofuse bundle check my-bundle
emofuse analyze clip.mp4 --bundle my-bundle     # --mode queue or frame
```

Parameters are counted; training and scoring are seconds of one thread for one clip, memory the process's peak in a
training step of two clips (`python benchmarks/steps.py`), on two cores of a 2.7 GHz server processor.
"""
LEARNING: Final = """
## Do they learn?

Films of only one RAVDESS actor were at hand (60 face-crop clips, 13 to 15 pictures each), so **nothing is claimed about
other people**: these numbers show that a network and its training work. *Memorised*: the accuracy on all 60 clips after
training on them. *Other repetition*: trained on one of the two repetitions of every sentence, tested on the other, both
ways round; the same actor says the same sentence in the same studio, so this is LEAKY by the speaker and no result.
Wilson 95 % interval over the 60 clips; always naming the largest class gives {chance:.1%}, and an interval that
reaches down to it shows nothing. From random weights, but for `face-sequence`, whose face network is the base
bundle's as it was then, `face-ferplus`; at the sizes that `benchmarks/learning.py` states.
"""


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=Path, required=True)
    parser.add_argument("--learning", type=Path, nargs="+", default=[])
    parser.add_argument("--reports", type=Path, nargs="+", default=[])
    arguments = parser.parse_args()
    steps: dict[str, dict[str, Any]] = json.loads(arguments.steps.read_text(encoding="utf-8"))
    learnt = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in arguments.learning}
    scores = {report.model: report.metric("UAR").value for report in map(read_report, arguments.reports)}
    rows: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for path in single_recipes(ROOT / "recipes"):
        recipe = load_recipe(path)
        if not isinstance(recipe.model, SvmSettings | LateFusionSettings | FeatureNetSettings):
            kind, row = describe(recipe, path.stem, steps.get(path.stem, {}), scores)
            rows[kind].append(row)
    print(INTRODUCTION)
    for kind, title in KINDS.items():
        print(f"## {title}\n")
        print("| recipe | input | parameters | training, s | memory, MB | scoring, s | tested on | reference |")
        print("|---|---|---|---|---|---|---|---|")
        print("\n".join(rows[kind]), end="\n\n")
    chance = next((found["chance"] for found in learnt.values()), math.nan)
    print(LEARNING.strip().format(chance=chance), end="\n\n")
    print("| recipe | memorised | other repetition | changed for it |\n|---|---|---|---|")
    for name, found in learnt.items():
        low, high = found["interval_95"]
        part = f"{found['repetitions']:.0%} ({low:.0%} to {high:.0%})"
        changed = dict(one.split("=", 1) for one in found["overrides"])  # of one key the last counts
        said = " ".join(f"{key}={value}" for key, value in sorted(changed.items()))
        print(f"| `{name}` | {found['memorised']:.0%} | {part} | `{said}` |")


def describe(recipe: Recipe, name: str, cost: dict[str, float], scores: dict[str, float]) -> tuple[str, str]:
    """Return what kind of network a recipe makes, and its row."""
    own = "basic-7" if isinstance(recipe.data, TextDataSettings) else "ferplus-8"
    labels = LABEL_SETS[getattr(recipe.data, "labels", own)]
    network = make_network(recipe, len(labels))
    card = model_card(network, recipe, labels)
    measured = [f"{cost[key]:{form}}" if key in cost else "" for key, form in FORMS.items()]
    tested = {"face": "FER+ test part: README", "text": "test parts of text corpora: [text.md](text.md)"}.get(
        card.modality, ""
    )
    if recipe.name in scores:
        tested = f"RAVDESS speech, 6 folds: UAR {scores[recipe.name]:.1%} ([speech.md](speech.md))"
    elif card.modality == "clip":
        tested = "one actor's 60 clips: below"
    n_parameters = f"{sum(p.numel() for p in network.parameters()):,}"
    cells = [f"`{name}`", written(card.input, network), n_parameters, *measured, tested, REFERENCES.get(name, "")]
    return card.modality, f"| {' | '.join(cells)} |"


FORMS: Final = {"train_s": ".2f", "peak_mb": ",.0f", "score_s": ".3f"}


def written(spec: InputSpec, network: BuiltNetwork) -> str:
    """Say what goes into a network."""
    if spec.kind == "face":
        return f"{spec.size_px} x {spec.size_px} grey"
    if spec.kind == "text":
        return f"words in {len(spec.languages)} languages" if spec.languages else "English words"
    sound = f"{spec.window_s:g} s of sound"
    if spec.kind == "samples":
        return sound
    frames = f"{spec.n_frames} x {spec.size_px} x {spec.size_px}, {spec.sampling}"
    return f"{frames}; {sound}" if "samples" in network.inputs else frames


if __name__ == "__main__":
    main()
