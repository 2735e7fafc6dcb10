"""The text messages of a live client, and what may be in them."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from emofuse.inference.analyzer import AnalyzerSettings, Mode
from emofuse.service.errors import RefusedError
from emofuse.service.packets import malformed

_T = TypeVar("_T")
_DEFAULTS: Final = AnalyzerSettings()


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Start(_Message):
    """The first message. rate_hz: of the sound that comes; sound: whether any does. raw: moments as they are, not
    steadied."""

    type: Literal["start"]
    token: str = Field("", max_length=1000)
    mode: Mode = "frame"
    hop_s: float = Field(_DEFAULTS.hop_s, ge=0.05, le=60)
    rate_hz: int = Field(16_000, ge=8_000, le=192_000)
    sound: bool = True
    raw: bool = False


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


def first_message(text: str | None) -> Start:
    """Read the first message. Raises RefusedError where it is none; None: it was not text."""
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
