"""MELD's tables, small and made up: what a turn says decides its emotion."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from emofuse.emotions import MELD

SAID: Final = dict(zip(MELD, ("Okay.", "Great!", "I’m sorry…", "Get out!", "Help me!", "Yuck.", "What?!"), strict=True))
N_DIALOGUES: Final = {"train": 6, "dev": 2, "test": 3}  # of a turn of each emotion


def turn_text(text: str, part: str, dialogue: int) -> str:
    """Return what a turn says: no two parts share a sentence, for then it would not be trained on."""
    return f"{text} {part} {dialogue}"


def write_meld(root: Path) -> Path:
    """Write the three tables below `root`/meld, a data folder, and return it."""
    for part, n_dialogues in N_DIALOGUES.items():
        path = root / "meld" / "text" / f"{part}_sent_emo.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"])
            for dialogue in range(n_dialogues):
                for turn, (emotion, text) in enumerate(SAID.items()):
                    writer.writerow([turn_text(text, part, dialogue), f"P{turn % 2}", emotion, dialogue, turn])
    return root
