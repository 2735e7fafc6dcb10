"""The exceptions a user can meet, and the exit code of each.

EmofuseError
├── UsageError      a wrong option, path or setting                 exit code 2
│   ├── RecipeError a recipe or one of its keys
│   └── PacketError a picture, sound or line that is none; a ValueError, too
├── MediaError      a file that cannot be read as sound or picture  exit code 1
├── LiveError       a live stream that cannot go on
├── TranscriptError a file that cannot be read as what was said
├── OutputError     a result that cannot be written
├── AssetError      a third-party weight that cannot be had
├── BundleError     a bundle or model file that is not whole
└── CorpusError     a data set that is not as its reader expects

Every message names the value and what was allowed; `hint` is the next step.
"""

import re
from typing import Final

_LONGEST: Final = 1000  # characters of a message: values of thousands, as a damaged file has them, are cut
_ENDS: Final = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class EmofuseError(Exception):
    """Base of everything emofuse raises on purpose: one line for the user, and a hint of what to do.

    Attributes:
        message: What is wrong, with the value that is, on one line.
        hint: The next step; "" where there is none.
        exit_code: Of the command that it ends.

    Example:
        >>> import emofuse
        >>> try:
        ...     emofuse.analyze("nowhere.mp4")
        ... except emofuse.EmofuseError as error:
        ...     print(error.message, "/", error.hint)
        no such file: nowhere.mp4 / check the path
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = _in_a_line(message)
        self.hint = _in_a_line(hint)

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


def _in_a_line(text: str) -> str:
    """Return a text as one line that no value in it makes endless, or steers a terminal with."""
    line = _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", _ENDS.sub(" ", text.strip()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 300]} ... {line[-290:]}"


class UsageError(EmofuseError):
    """A wrong option, path or setting."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe that does not exist, or a key or value in it that is not allowed."""


class PacketError(UsageError, ValueError):
    """A picture, a block of sound or a line of text that cannot be one: its type, shape, rate or time."""


class MediaError(EmofuseError):
    """A file that cannot be read as sound or picture."""


class LiveError(EmofuseError):
    """A live stream that cannot go on, or a packet that cannot be of it."""


class TranscriptError(EmofuseError):
    """A file that cannot be read as what was said, or that does not belong to the recording."""


class OutputError(EmofuseError):
    """A result that cannot be written."""


class AssetError(EmofuseError):
    """A third-party weight that is neither here nor to be had, or whose hash differs."""


class BundleError(EmofuseError):
    """A bundle or a model file that is missing, incomplete or made for something else."""


class CorpusError(EmofuseError):
    """A data set whose files or labels are not what its reader expects."""
