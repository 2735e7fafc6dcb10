"""The text messages of a live client, and what may be in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from emofuse.inference.analyzer import AnalyzerSettings, Mode
from emofuse.service.http_errors import RefusedError
from emofuse.service.wire_format import malformed

FIRST_CHARACTERS: Final = 4000  # of the first message, whose sender has shown no token yet
WORDS_PER_S: Final = 100.0  # characters of lines; people speak 10 to 25 a second
WORDS_AHEAD: Final = 6000  # characters that may come at once: what is said in minutes
_LEAST_LINE: Final = 20  # what the shortest line counts as: each is a piece of work
_T = TypeVar("_T")
_DEFAULTS: Final = AnalyzerSettings()


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Start(_Message):
    """The first message. rate_hz: of the sound that comes; sound: whether any does. raw: moments as they are, not
    steadied. transcribe: whether speech is recognised; language: that is spoken, where that is known.
    same_person: whether the answers are adapted to whoever is in the stream, by what came before."""

    type: Literal["start"]
    token: str = Field("", max_length=1000)
    mode: Mode = "frame"
    hop_s: float = Field(_DEFAULTS.hop_s, ge=0.05, le=60)
    rate_hz: int = Field(16_000, ge=8_000, le=192_000)
    sound: bool = True
    raw: bool = False
    transcribe: bool = False
    language: str | None = Field(None, pattern="^[a-z]{2,3}$")
    same_person: bool = False


class Said(_Message):
    """What was said, by whatever recognised it."""

    type: Literal["line"]
    text: str = Field(min_length=1, max_length=2000)
    start_s: float = Field(ge=0, allow_inf_nan=False)
    end_s: float = Field(ge=0, allow_inf_nan=False)


class Alive(_Message):
    """Somebody is there, who has paused: a browser cannot send the pings that WebSockets have."""

    type: Literal["alive"]


class Stop(_Message):
    """Nothing more comes: the last moments are sent, then the connection ends."""

    type: Literal["stop"]


_FIRST: Final = TypeAdapter(Start)
_LATER: Final[TypeAdapter[Said | Alive | Stop]] = TypeAdapter(
    Annotated[Said | Alive | Stop, Field(discriminator="type")]
)


class WordBudget:
    """How much may be sent as lines: somewhat more than anybody says in the time. clock: seconds that grow.

    Example:
        >>> budget = WordBudget(clock=lambda: 0.0)
        >>> budget.take("I am fine")  # a line within it is nothing to speak of
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._as_of_s = float(WORDS_AHEAD), clock()

    def take(self, text: str) -> None:
        """Spend what a line costs. Raises RefusedError where more has come than can have been said."""
        now_s = self._clock()
        self._left = min(self._left + WORDS_PER_S * (now_s - self._as_of_s), WORDS_AHEAD)
        self._as_of_s = now_s
        self._left -= max(len(text), _LEAST_LINE)
        if self._left < 0:
            raise RefusedError(413, "too_large", f"too many words: over {WORDS_PER_S:g} letters a second")


def first_message(text: str | None) -> Start:
    """Read the first message. Raises RefusedError where it is none; None: it was not text."""
    if text is not None and len(text) > FIRST_CHARACTERS:
        raise malformed(f"the first message has at most {FIRST_CHARACTERS} characters")
    return _parsed(_FIRST, text)


def later_message(text: str | None) -> Said | Alive | Stop:
    """Read a later message. Raises RefusedError where it is none."""
    message = _parsed(_LATER, text)
    if isinstance(message, Said) and message.end_s < message.start_s:
        raise malformed("a line ends before it starts")
    return message


def _parsed(adapter: TypeAdapter[_T], text: str | None) -> _T:
    if text is None:
        raise malformed('the first message is text: {"type": "start"}')
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise RefusedError(400, "malformed", f"a message is not as it should be: {where}{first['msg']}"[:300]) from None
