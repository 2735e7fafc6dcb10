"""A transcript: the lines of a recording in the order of time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from emofuse.errors import TranscriptError
from emofuse.formatting import pluralise
from emofuse.provenance import TranscriptOrigin
from emofuse.transcripts.sentences import split_sentences
from emofuse.transcripts.speakers import name_speakers
from emofuse.types import Line, Word

END_ROOM_S: Final = 0.1  # the last moment of a recording can stand a picture or two before its stated end


@dataclass(frozen=True, slots=True)
class Transcript:
    """Lines by start_s; they may overlap. notes: what people should know of how they were read, a line each; origin:
    where they came from, None where that is not known; it is not part of what was said."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    origin: TranscriptOrigin | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if any(b.start_s < a.start_s for a, b in itertools.pairwise(self.lines)):
            raise ValueError("the lines of a transcript must be in the order of time")

    def within(self, duration_s: float | None) -> Transcript:
        """Return the lines that belong to a recording of this length: what goes on after its end, ends with it.

        Raises TranscriptError where all of it is after the end; None, a length that is not known, changes nothing.
        """
        if duration_s is None or not self.lines:
            return self
        last_s = max(duration_s - END_ROOM_S, 0.0)
        kept = tuple(_cut(line, last_s) for line in self.lines if line.start_s < duration_s)
        if not kept:
            raise TranscriptError(
                f"all of the transcript is after the end of the recording: it begins at {self.lines[0].start_s:.1f} s "
                f"of {duration_s:.1f} s",
                "is it that of another recording?",
            )
        n_after = len(self.lines) - len(kept)
        said = f"{pluralise(n_after, 'line')} of the transcript left out: after the end at {duration_s:.1f} s"
        return replace(self, lines=kept, notes=(*self.notes, said) if n_after else self.notes)

    def between(self, start_s: float, end_s: float | None = None) -> Transcript:
        """Return the lines of which some is said between two times; None: the end of the recording."""
        last_s = math.inf if end_s is None else end_s
        kept = tuple(line for line in self.lines if line.end_s > start_s and line.start_s < last_s)
        return self if len(kept) == len(self.lines) else replace(self, lines=kept)


def in_order(lines: Sequence[Line], notes: Sequence[str] = ()) -> Transcript:
    """Make a transcript of lines in any order, and note it where they had to be sorted."""
    ordered = sorted(lines, key=lambda line: (line.start_s, line.end_s))
    moved = any(b.start_s < a.start_s for a, b in itertools.pairwise(lines))
    said = ("the lines of the transcript were not in the order of time, and were sorted",) if moved else ()
    return Transcript(tuple(ordered), (*notes, *said))


def spread(text: str, duration_s: float) -> Transcript:
    """Give every sentence of a text without times a share of the recording, in proportion to its characters.

    A name that a line of the text begins with (`name_speakers`) is the speaker's, and no part of what is said.
    """
    said = [(who, sentence) for who, row in name_speakers(text.splitlines()) for sentence in split_sentences(row)]
    per_character_s = duration_s / max(sum(len(sentence) for _, sentence in said), 1)
    lines, start_s = [], 0.0
    for speaker, sentence in said:
        end_s = start_s + len(sentence) * per_character_s
        lines.append(Line(sentence, start_s, end_s, speaker=speaker))
        start_s = end_s
    note = "the transcript has no times: its sentences were spread over the recording by their length"
    return Transcript(tuple(lines), (note,))


def _cut(line: Line, last_s: float) -> Line:
    """End a line at last_s, its words too."""
    if line.end_s <= last_s:
        return line
    words = tuple(Word(word.text, min(word.start_s, last_s), min(word.end_s, last_s)) for word in line.words)
    return replace(line, start_s=min(line.start_s, last_s), end_s=last_s, words=words)
