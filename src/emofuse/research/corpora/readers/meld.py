"""MELD (Poria et al., 2019, https://aclanthology.org/P19-1050): 13,708 turns of 1,432 dialogues of a television series.

`train_sent_emo.csv`, `dev_sent_emo.csv`, `test_sent_emo.csv` tell words, speaker and emotion of each turn; its film is
`dia12_utt3.mp4` in the folder of its part. Films and words can be had apart, and the words serve without the films.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from emofuse.emotions import BASE, MELD, TO_BASE
from emofuse.errors import CorpusError, UsageError
from emofuse.research.corpora.corpus import ACTED, SENTENCE_CAUTION, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import files_below, read_files
from emofuse.research.corpora.table import check_header, read_table
from emofuse.research.corpora.texts import LabelledText, Part, Texts, share_votes
from emofuse.research.corpora.utterance_names import MELD_LICENCE

PARTS: Final[tuple[Part, ...]] = ("train", "dev", "test")
SUFFIXES: Final = (".mp4",)
FOLDERS: Final = {
    "train_splits": "train",
    "dev_splits_complete": "dev",
    "output_repeated_splits_test": "test",
    "train": "train",
    "dev": "dev",
    "test": "test",
}
COLUMNS: Final = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_NAME: Final = re.compile(r"dia(\d+)_utt(\d+)")
_EXAMPLE: Final = "train_sent_emo.csv, dev_sent_emo.csv or test_sent_emo.csv"
_WINDOWS: Final = {code: bytes([code]).decode("cp1252", "replace") for code in range(0x80, 0xA0)}
_MISREAD: Final = re.compile("â€|Ã|Â")  # how UTF-8 begins that was read as if it were of Windows
_Table = dict[tuple[str, int, int], Clip]  # part, dialogue, turn → the turn, its path the place of a film named so


def read_meld(folder: str | Path) -> Manifest:
    """Read the tables and the films below `folder`; where there is no film at all, the words alone.

    The films are in `train_splits`, `dev_splits_complete` and `output_repeated_splits_test`, as they are published, or
    in `train`, `dev` and `test`. A turn without its film, where others have theirs, is in `skipped`.
    Raises CorpusError when there is no table.
    """
    root = Path(folder)
    table, tables, skipped = _read_tables(root, PARTS)
    if not any(file.suffix.lower() in SUFFIXES for file in files_below(root, SUFFIXES)[0]):
        return _manifest(list(table.values()), skipped)
    found = read_files(
        root,
        name="MELD",
        labels=MELD,
        licence=MELD_LICENCE,
        suffixes=SUFFIXES,
        understand=lambda path: _clip(path, table),
        example="train_splits/dia0_utt0.mp4 and so on",
        identify=lambda clip: f"{clip.session} {clip.path.stem}",
    )
    place = {(clip.session, *_numbers(clip.path.stem)): clip for clip in found}
    skipped += [(clip.path, "no film of it") for key, clip in table.items() if key not in place]
    skipped += [(path, reason) for path, reason in found.skipped if path not in tables]
    return _manifest([place[key] for key in table if key in place], skipped)


def read_meld_text(folder: str | Path, part: str = "") -> Manifest:
    """Read the words of a part, train, dev or test, or of all: dialogue after dialogue, turn after turn.

    A clip's path is where a film of it, called `train_dia0_utt0`, would be beside the table: there is none.
    Raises UsageError for another part, CorpusError when its table is not there.
    """
    if part and part not in PARTS:
        raise UsageError(f"MELD has no part {part!r}", f"one of {', '.join(PARTS)}")
    table, _, skipped = _read_tables(Path(folder), (part,) if part else PARTS)
    return _manifest(list(table.values()), skipped)


def read_meld_texts(folder: str | Path) -> Texts:
    """Read the words of all three parts as sentences with one emotion each. Raises CorpusError as `read_meld` does."""
    clips = read_meld_text(folder)
    parts: dict[str, Part] = {part: part for part in PARTS}
    texts = tuple(
        LabelledText(clip.text, share_votes([TO_BASE[clip.emotion]]), parts[clip.session], clip.dialogue)
        for clip in clips
    )
    return Texts(texts)


def repair(text: str) -> str:
    """Give text back the quotes, dashes and accents that it lost when it was read in a wrong encoding.

    Two things happened to copies of these tables: bytes of Windows-1252 were taken as Latin-1, so that ’ became a
    control character; and UTF-8 was read as Windows-1252, so that ’ became â€™.
    """
    if _MISREAD.search(text):
        with suppress(UnicodeError):  # an Â that is meant
            text = text.encode("cp1252").decode("utf-8")
    return text.translate(_WINDOWS).replace("\xa0", " ").strip()


def _manifest(clips: list[Clip], skipped: list[tuple[Path, str]]) -> Manifest:
    return Manifest("MELD", MELD, tuple(clips), MELD_LICENCE, tuple(sorted(skipped)))


def _read_tables(root: Path, parts: tuple[str, ...]) -> tuple[_Table, set[Path], list[tuple[Path, str]]]:
    """Return the turns of these parts in order, the files that were read, and the rows that were left out."""
    files = files_below(root, SUFFIXES)[0]
    found: _Table = {}
    tables: set[Path] = set()
    skipped: list[tuple[Path, str]] = []
    for part in parts:
        named = [file for file in files if file.name == f"{part}_sent_emo.csv"]
        tables |= set(named)
        if named:  # of two copies the one that is nearest to the root
            file = min(named, key=lambda file: (len(file.parts), file))
            _read_part(file, part, found, skipped)
    if not found:
        raise CorpusError(f"no table of MELD under {root}", f"expected {_EXAMPLE}")
    return dict(sorted(found.items(), key=lambda item: (PARTS.index(item[0][0]), *item[0][1:]))), tables, skipped


def _read_part(file: Path, part: str, found: _Table, skipped: list[tuple[Path, str]]) -> None:
    header, rows = read_table(file, "table", fallback="cp1252")
    check_header(file, header, COLUMNS, COLUMNS)
    for line, row in rows:
        where = f"{file}, line {line}"
        try:
            key = part, int(row["Dialogue_ID"]), int(row["Utterance_ID"])
        except ValueError:
            raise CorpusError(f"{where}: Dialogue_ID and Utterance_ID are not numbers") from None
        name = f"{part}_dia{key[1]}_utt{key[2]}"
        emotion, text = row["Emotion"].strip().lower(), repair(row["Utterance"])
        if key in found or emotion not in MELD or not text:
            reason = "there twice" if key in found else "no words" if not text else f"unknown: emotion {emotion}"
            skipped.append((file.parent / name, f"line {line}: {reason}"))
            continue
        found[key] = Clip(
            path=file.parent / name,
            emotion=emotion,
            speaker=f"meld-{repair(row['Speaker'])}",
            language="en",
            session=part,
            licence=MELD_LICENCE,
            dialogue=f"{part}_dia{key[1]}",
            text=text,
        )


def _clip(path: Path, table: _Table) -> Clip | str:
    if _NAME.fullmatch(path.stem) is None:
        return "the name is not dialogue, turn"
    part = next((FOLDERS[folder.name] for folder in path.parents if folder.name in FOLDERS), "")
    if not part:
        return f"in no folder of a part, such as {', '.join(list(FOLDERS)[:3])}"
    turn = table.get((part, *_numbers(path.stem)))
    return f"not in the table of part {part}" if turn is None else replace(turn, path=path)


def _numbers(stem: str) -> tuple[int, int]:
    match = _NAME.fullmatch(stem)
    assert match is not None
    return int(match[1]), int(match[2])


CORPUS: Final[Corpus[Manifest]] = Corpus(
    "meld",
    "MELD",
    MELD_LICENCE,
    MELD,
    read_meld,
    language="en",
    style=ACTED,
    cautions=("Its films are of one American comedy series.",),
)
TEXT_CORPUS: Final[Corpus[Texts]] = Corpus(
    "meld",
    "MELD",
    MELD_LICENCE,
    BASE,
    read_meld_texts,
    part="the words of its train part",
    language="en",
    cautions=("Its lines are of one American comedy series.", SENTENCE_CAUTION),
)
