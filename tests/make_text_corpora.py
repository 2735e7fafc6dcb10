"""Text corpora in their published layouts, small and made up."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

XED: Final = (
    ("I hate it here .", "1"),
    ("You scared me , but what joy !", "4, 5"),
    ("- I trust [PERSON] .", "8"),
    ("She isn 't sad , I think .", "2, 6"),
    ("Yuck !", "3"),
    ("Who is that ?", "7, 2"),
)
EDOS_TURNS: Final = ("You 're late .", "I 'm so sorry !")
EDOS: Final = (
    ("11", "\n".join(EDOS_TURNS), ("Ashamed", "Guilty", "Afraid")),
    ("12", "Nice to see you .\n- Nice to see you too !", ("Joyful", "Content", "Nostalgic")),
    ("13", "Wait for me !", ("Nostalgic", "Jealous", "Sad")),
    ("14", "I see .", ("Acknowledging", "Neutral (Other)", "Agreeing")),
)


def write_xed(folder: Path) -> Path:
    """Write the English lines, and two neutral ones."""
    folder.mkdir(parents=True)
    (folder / "en-annotated.tsv").write_text("".join(f"{text}\t{n}\n" for text, n in XED), encoding="utf-8")
    (folder / "neu_en.txt").write_text("9\tIt is on the table .\n9\tWe live there .\n", encoding="utf-8")
    return folder


def write_projections(folder: Path) -> Path:
    """Write XED's English lines, German ones onto which labels were projected, and what these translate."""
    write_xed(folder)
    lines = (("Ich hasse es hier.", "1"), ("Was?", "2"), ("Ich traue Maria nicht.", "4, 6"), ("Guten Tag", "5"))
    (folder / "de-projections.tsv").write_text("".join(f"{text}\t{n}\n" for text, n in lines), encoding="utf-8")
    pairs = (
        ("en/1/a.xml.gz", "1", "I hate it here.", "Ich hasse es hier."),
        ("da/1/b.xml.gz", "7", "Hvad?", "Was?"),
        ("en/1/a.xml.gz", "3", "I trust Maria.", "Ich traue Maria nicht."),
    )
    for name, rows in (("de", pairs), ("en", (("da/1/b.xml.gz", "7", "Hvad?", "Who is that?"),))):
        text = "".join(f"{doc}\tx\t{number}\t1\t{source}\t{line}\n" for doc, number, source, line in rows)
        (folder / f"pairs-{name}.txt").write_text(text, encoding="utf-8")
    return folder


FURTHER_EDOS: Final = (("90", "- Who 's there ?\n- It 's me , open up !"), ("11", "I 'm so sorry !"))


def write_edos(folder: Path) -> Path:
    """Write the hand-labelled dialogues."""
    folder.mkdir(parents=True)
    path = folder / "1. MTurk_groundtruth_labels_9K.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        workers = [f"Worker {i} answer" for i in (1, 2, 3)]
        writer.writerow(["Count", "Index", "DialogID", "Dialog", "Agreed emotion (2/3 vote)", *workers])
        for i, (dialogue, turns, answers) in enumerate(EDOS):
            writer.writerow([i, f"0.9-{i}", dialogue, turns, "-", *answers])
    return folder


def write_further_edos(folder: Path) -> None:
    """Write dialogues that a network labelled beside those of `write_edos`; the second is one of theirs."""
    with (folder / "3. Self-labeled_dialogs_4K.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "os_dialog_id", "emotion", "confidence", "os_dialog"])
        for i, (dialogue, turns) in enumerate(FURTHER_EDOS):
            writer.writerow([i, dialogue, "afraid", "0.9", turns])


def write_goemotions(folder: Path) -> Path:
    """Write the three parts of the seven classes."""
    folder.mkdir(parents=True)
    parts = {
        "train": "I love [NAME]!\t3\ta\nWell, well.\t4\tb\nHow dare you\t0,1\tc\n",
        "dev": "So sad...\t5\td\nI LOVE ANNA\t3\te\n",
        "test": "well well\t4\tf\n",
    }
    for part, text in parts.items():
        (folder / f"ekman_{part}.tsv").write_text(text, encoding="utf-8")
    return folder


def write_brighter(folder: Path) -> Path:
    """Write the English parts that have labels."""
    for part, rows in (("train", 'a,"Hm, odd.",0,0,0,0,1\nb,Two of them.,0,0,0,0,0\n'), ("dev", "c,No!,1,1,0,0,0\n")):
        (folder / "track_a" / part).mkdir(parents=True)
        text = f"id,text,anger,fear,joy,sadness,surprise\n{rows}"
        (folder / "track_a" / part / "eng.csv").write_text(text, encoding="utf-8")
    return folder


def write_brighter_german(folder: Path) -> Path:
    """Write the three parts of German."""
    rows = {"train": "a,Ich bin froh,0,0,0,1,0,0\n", "dev": "b,Na gut,0,0,0,0,0,0\n", "test": "c,Nein!,1,1,0,0,0,0\n"}
    for part, text in rows.items():
        (folder / "track_a" / part).mkdir(parents=True, exist_ok=True)
        header = "id,text,anger,disgust,fear,joy,sadness,surprise\n"
        (folder / "track_a" / part / "deu.csv").write_text(header + text, encoding="utf-8")
    return folder
