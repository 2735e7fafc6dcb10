"""EDOS (Welivita, Xie and Pu, 2021, https://aclanthology.org/2021.emnlp-main.96): 10,245 short dialogues of films.

Three people named one of 32 emotions and 9 intents for each. The last turn carries them; the turns before it are kept
without a label. Those that are a shade of one of our emotions count for it, plain intents (to agree, to suggest, to
ask) as neutral, and all others (nostalgia, jealousy, to console, ...) for none. A dialogue's number decides its part.

Beside them are 9,400 dialogues that a network labelled: they train, where they are there, as sentences without a label.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from emofuse.emotions import BASE
from emofuse.research.corpora.corpus import SENTENCE_CAUTION, Corpus
from emofuse.research.corpora.table import check_header, read_table
from emofuse.research.corpora.texts import LabelledText, Texts, find_file, hashed_part, share_votes, tidy_subtitle

LICENCE: Final = "CC BY 4.0 (EPFL; lines of OpenSubtitles)"
COLUMNS: Final = ("DialogID", "Dialog", "Worker 1 answer", "Worker 2 answer", "Worker 3 answer")
LEAST_RATERS: Final = 2  # of three, who name one of our emotions
SHADES: Final[Mapping[str, tuple[str, ...]]] = {
    "neutral": ("neutral", "acknowledging", "agreeing", "suggesting", "questioning", "prepared"),
    "happy": ("joyful", "excited", "content", "grateful", "proud", "impressed", "hopeful"),
    "sad": ("sad", "devastated", "lonely", "disappointed", "ashamed", "guilty", "embarrassed"),
    "angry": ("angry", "furious", "annoyed"),
    "fearful": ("afraid", "terrified", "anxious", "apprehensive"),
    "disgust": ("disgusted",),
    "surprised": ("surprised",),
}
_MEANT: Final = {shade: emotion for emotion, shades in SHADES.items() for shade in shades}
_NO_VOTES: Final = (0.0,) * len(BASE)
FURTHER: Final = (
    "2. Similar_dialogs_3K.csv",
    "3. Self-labeled_dialogs_4K.csv",
    "4. Similar_self-labeled_dialogs_2K.csv",
)
_FURTHER_COLUMNS: Final = ("os_dialog_id", "os_dialog")


def read_edos(folder: str | Path) -> Texts:
    """Read the dialogues below `folder`.

    Args:
        folder: Where `1. MTurk_groundtruth_labels_9K.csv` is.

    Returns:
        The last turn of each dialogue with the votes of its raters, after its other turns without any; at the end the
        turns of further dialogues, without any too.

    Raises:
        CorpusError: The table is missing or is not what it was.
    """
    path = find_file(Path(folder), r"MTurk_groundtruth_labels[^/]*\.csv$", "1. MTurk_groundtruth_labels_9K.csv")
    header, rows = read_table(path, "table")
    check_header(path, header, COLUMNS, COLUMNS)
    texts: list[LabelledText] = []
    labelled: set[str] = set()
    for _, row in rows:
        labelled.add(row["DialogID"])
        turns = _turns(row["Dialog"])
        if not turns:
            continue
        answers = [row[column].replace("(Other)", "").strip().lower() for column in COLUMNS[2:]]
        meant = [_MEANT[answer] for answer in answers if answer in _MEANT]
        votes = share_votes(meant) if len(meant) >= LEAST_RATERS else _NO_VOTES
        part = hashed_part(row["DialogID"])
        texts += [LabelledText(turn, _NO_VOTES, part, row["DialogID"]) for turn in turns[:-1]]
        texts.append(LabelledText(turns[-1], votes, part, row["DialogID"]))
    return Texts((*texts, *_further(Path(folder), labelled)))


def _turns(dialogue: str) -> list[str]:
    return [turn for turn in map(tidy_subtitle, dialogue.splitlines()) if turn]


def _further(root: Path, labelled: Collection[str]) -> list[LabelledText]:
    """Read the dialogues that a network labelled, but none that people labelled too: what it says is left out."""
    texts: list[LabelledText] = []
    for path in sorted(path for path in root.rglob("*.csv") if path.name in FURTHER):
        header, rows = read_table(path, "table")
        check_header(path, header, _FURTHER_COLUMNS, _FURTHER_COLUMNS)
        for _, row in rows:
            name = row["os_dialog_id"]
            if name not in labelled:
                texts += [LabelledText(turn, _NO_VOTES, "train", name) for turn in _turns(row["os_dialog"])]
    return texts


CORPUS: Final[Corpus[Texts]] = Corpus(
    "edos",
    "EDOS",
    LICENCE,
    BASE,
    read_edos,
    part="seven tenths of its hand-labelled dialogues",
    further="others without their labels",
    further_files=FURTHER,
    home="https://github.com/anuradha1992/EDOS",
    language="en",
    cautions=(SENTENCE_CAUTION,),
)
