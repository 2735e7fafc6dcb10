"""The table of a feature set: which utterances it has, and what it tells of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emofuse.errors import CorpusError
from emofuse.research.corpora.manifest import SEXES, Clip
from emofuse.research.corpora.table import check_header, read_table
from emofuse.research.corpora.utterance_names import UtteranceName, read_name, turn_order

TABLE: Final = "dataset.csv"
NAME: Final = "file_name_list"
SPEAKER: Final = "speakers"
CORPUS: Final = "corpus"
EMOTIONS: Final = ("emotion_labels", "emotion")  # the first of them that the table has
FEATURES: Final = "_features"  # what the column of a modality ends in
FIRST: Final = ("visual", "acoustic", "lexical")  # modalities in this order, then all others by the alphabet
OF_CLIP: Final = ("session", "dialogue", "style", "sex", "statement", "language", "intensity", "licence", "text")
_KNOWN: Final = (NAME, SPEAKER, CORPUS, *EMOTIONS, *OF_CLIP, "scripted")
_STYLES: Final = {"1": "scripted", "true": "scripted", "0": "improvised", "false": "improvised", "": ""}


@dataclass(frozen=True, slots=True)
class Utterance:
    """A row of the table: the clip, the file of each modality ("" where none is named), and all further columns."""

    clip: Clip
    files: dict[str, str]
    further: dict[str, str]


def read_utterances(
    table: Path, name: str
) -> tuple[list[Utterance], tuple[str, ...], tuple[str, ...], list[tuple[Path, str]]]:
    """Return the utterances, the modalities, the further columns, and who was left out and why.

    name: of the set, by which speakers are called. The turns of a dialogue are in the order that their names tell.
    Raises CorpusError where it is no such table.
    """
    header, rows = read_table(table, "feature set", f"it needs a table {TABLE}")
    emotion = next((column for column in EMOTIONS if column in header), EMOTIONS[0])
    check_header(table, header, (NAME, emotion), [column for column in header if column])
    modalities = in_order([column.removesuffix(FEATURES) for column in header if _is_modality(column)])
    if not modalities:
        wanted = ", ".join(modality + FEATURES for modality in FIRST)
        raise CorpusError(f"{table}, line 1: no column of features", f"expected some of {wanted}")
    further = tuple(c for c in header if c not in _KNOWN and not _is_modality(c) and not _is_row_number(c))
    found: list[tuple[Utterance, UtteranceName]] = []
    skipped: list[tuple[Path, str]] = []
    lines: dict[str, tuple[int, str]] = {}
    for line, row in rows:
        utterance = _utterance_name(row[NAME])
        path = table.parent / utterance
        if not utterance:
            skipped.append((table, f"line {line}: {NAME} is empty"))
        elif not row[emotion].strip():
            skipped.append((path, f"line {line}: {emotion} is empty"))
        elif utterance in lines:
            skipped.append((path, _twice(table, line, row[emotion].strip(), *lines[utterance])))
        else:
            lines[utterance] = line, row[emotion].strip()
            known = read_name(utterance)
            clip = _clip(path, row, row[emotion].strip(), known, name, f"{table}, line {line}")
            files = {modality: row[modality + FEATURES].strip() for modality in modalities}
            found.append((Utterance(clip, files, {column: row[column] for column in further}), known))
    return _in_turn(found), modalities, further, skipped


def in_order(modalities: Sequence[str]) -> tuple[str, ...]:
    """Sort modalities: visual, acoustic and lexical first, then all others by the alphabet."""
    return tuple(sorted(modalities, key=lambda m: (FIRST.index(m) if m in FIRST else len(FIRST), m)))


def _is_modality(column: str) -> bool:
    return column.endswith(FEATURES) and column != FEATURES


def _is_row_number(column: str) -> bool:
    """Say whether it is the column without a name that pandas writes first, or as it calls that when it reads it."""
    return not column or column.startswith("Unnamed:")


def _utterance_name(cell: str) -> str:
    """Return the name as that of a file could be: the folders before it belong to it, not to a path."""
    return cell.strip().replace("\\", "/").strip("./").replace("/", "_")


def _twice(table: Path, line: int, emotion: str, first: int, first_emotion: str) -> str:
    if emotion != first_emotion:
        raise CorpusError(
            f"{table}, line {line}: {emotion!r}, but the same utterance is {first_emotion!r} in line {first}",
            "remove one of the two",
        )
    return f"line {line}: the same utterance as in line {first}"


def _clip(path: Path, row: dict[str, str], emotion: str, known: UtteranceName, name: str, where: str) -> Clip:
    cells = {column: row.get(column, "").strip() for column in (*OF_CLIP, SPEAKER, CORPUS, "split", "scripted")}
    if cells["scripted"].lower() not in _STYLES:
        raise CorpusError(f"{where}: scripted {cells['scripted']!r} is not 0 or 1")
    sex = next((sex for sex in SEXES if sex == cells["sex"].lower()), None)
    if cells["sex"] and sex is None:
        raise CorpusError(f"{where}: sex {cells['sex']!r} is not one of {', '.join(SEXES)}")
    speaker = cells[SPEAKER] or known.speaker
    return Clip(
        path,
        emotion,
        f"{cells[CORPUS] or name}-{speaker}" if speaker else "",
        sex or known.sex,
        cells["statement"],
        cells["language"] or known.language,
        cells["intensity"],
        # the parts of MELD are the nearest that it has to recording sessions: no dialogue is in two of them
        cells["session"] or cells["split"] or known.session,
        licence=cells["licence"] or known.licence,
        dialogue=cells["dialogue"] or known.dialogue,
        style=cells["style"] or _STYLES[cells["scripted"].lower()] or known.style,
        text=cells["text"],
    )


def _in_turn(found: Sequence[tuple[Utterance, UtteranceName]]) -> list[Utterance]:
    """Put the turns of each dialogue in order, at the places that the dialogue has."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, (utterance, _) in enumerate(found):
        places[utterance.clip.dialogue].append(place)
    ordered = [utterance for utterance, _ in found]
    for dialogue, there in places.items():
        if dialogue:
            order = turn_order([found[place][1] for place in there])
            for place, turn in zip(there, order, strict=True):
                ordered[place] = found[there[turn]][0]
    return ordered
