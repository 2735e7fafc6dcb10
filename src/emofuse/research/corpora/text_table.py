"""Sentences of one's own: a table with their emotions."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast, get_args

from emofuse.emotions import map_label
from emofuse.errors import CorpusError
from emofuse.research.corpora.table import check_header, read_table
from emofuse.research.corpora.texts import LabelledText, Part, Texts, hashed_part, share_votes, text_key

COLUMNS: Final = ("text", "emotion", "dialogue", "part")
LABELS: Final = "basic-7"  # what the emotions of a table are mapped to


def read_text_table(path: str | Path) -> Texts:
    """Read a table of sentences.

    Args:
        path: A CSV in UTF-8 with the columns text and emotion, and, where there are such, dialogue (the conversation a
            sentence is of) and part (train, dev or test; without it two tenths test and one is dev, by their names).

    Returns:
        The sentences; those whose emotion has no counterpart among the labels of a bundle are of none.

    Raises:
        CorpusError: The file is not there, has other columns, or names an emotion or a part that is not known.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mine.csv"
        ...     _ = path.write_text("text,emotion,part\\nWonderful!,happiness,train\\n", encoding="utf-8")
        ...     read_text_table(path).texts[0].label
        1
    """
    source = Path(path)
    header, rows = read_table(source, "table of sentences")
    check_header(source, header, COLUMNS[:2], COLUMNS)
    texts = []
    for line, row in rows:
        where = f"{source}, line {line}"
        try:
            emotion = map_label(row["emotion"].strip().lower(), LABELS)
        except CorpusError as error:
            raise CorpusError(f"{where}: {error.message}", error.hint) from None
        text, dialogue = row["text"].strip(), row.get("dialogue", "").strip()
        part = row.get("part", "").strip() or hashed_part(dialogue or text_key(text))
        if part not in get_args(Part):
            raise CorpusError(f"{where}: part {part!r} is not one of {', '.join(get_args(Part))}")
        texts.append(LabelledText(text, share_votes([emotion]), cast(Part, part), dialogue))
    return Texts(tuple(texts))
