"""What the names of IEMOCAP's and of MELD's utterances say by themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emofuse.research.corpora.manifest import Sex

IEMOCAP_LICENCE: Final = "IEMOCAP: by agreement with USC SAIL, not to be passed on"
MELD_LICENCE: Final = "GPL-3.0"
# the speaker is in the last group: M says Ses01F_script02_1_M003, in a dialogue that has F's name
_IEMOCAP: Final = re.compile(
    r"(?P<dialogue>Ses(?P<session>\d\d)[FM]_(?P<style>impro|script)\w+)_(?P<sex>[FM])(?P<turn>\d{1,9})"
)
_MELD: Final = re.compile(r"(?:(?P<part>train|dev|test)_)?(?P<dialogue>dia\d+)_utt(?P<turn>\d{1,9})")
STYLES: Final = {"impro": "improvised", "script": "scripted"}
SEXES: Final[dict[str, Sex]] = {"F": "female", "M": "male"}


@dataclass(frozen=True, slots=True)
class UtteranceName:
    """The parts of a name; empty where it does not tell. turn: a number that rises within a dialogue.

    IEMOCAP counts the turns of each of the two speakers by themselves; `whose` is then the speaker's letter.
    """

    dialogue: str = ""
    session: str = ""
    speaker: str = ""
    sex: Sex = "unknown"
    style: str = ""
    licence: str = ""
    language: str = ""
    turn: int | None = None
    whose: str = ""


def read_name(name: str) -> UtteranceName:
    """Read the name of an IEMOCAP or MELD utterance, without a suffix; of any other nothing is known.

    A speaker of IEMOCAP is called "F01", the woman of session 1; MELD's names do not tell the speaker. The session
    of a MELD utterance is its part: train, dev or test.
    """
    iemocap = _IEMOCAP.fullmatch(name)
    if iemocap:
        letter = iemocap["sex"]
        return UtteranceName(
            iemocap["dialogue"],
            iemocap["session"].lstrip("0"),
            letter + iemocap["session"],
            SEXES[letter],
            STYLES[iemocap["style"]],
            IEMOCAP_LICENCE,
            "en",
            int(iemocap["turn"]),
            letter,
        )
    meld = _MELD.fullmatch(name)
    if meld:
        part = meld["part"] or ""
        dialogue = f"{part}_{meld['dialogue']}" if part else meld["dialogue"]
        return UtteranceName(dialogue, part, licence=MELD_LICENCE, language="en", turn=int(meld["turn"]))
    return UtteranceName()


def turn_order(names: Sequence[UtteranceName]) -> list[int]:
    """Return the indices of a dialogue's utterances in the order of their turns; as they stand where a name has none.

    Where each speaker's turns are counted apart, the order between the two is a guess: turn 5 of 20 comes about when
    turn 10 of 40 does.
    """
    if any(name.turn is None for name in names):
        return list(range(len(names)))
    last: dict[str, int] = {}
    for name in names:
        last[name.whose] = max(last.get(name.whose, 0), name.turn or 0)
    return sorted(range(len(names)), key=lambda i: ((names[i].turn or 0) / max(last[names[i].whose], 1), i))
