"""What all settings share."""

from __future__ import annotations

from typing import Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from emofuse.errors import UsageError

UNKNOWN_NAME: Final = "unknown_name"  # the type of an error whose context has a hint


class Settings(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Make the settings from what a user gave. Raises UsageError, naming the first value that is not allowed."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"{name}: {first['msg'].lower()}, not {first.get('input')!r}") from None


# TOML has no null, so the word stands for it
NoneIsAWord = BeforeValidator(lambda value: None if value == "none" else value)
