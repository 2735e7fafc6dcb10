"""What all settings share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from emofuse.errors import UsageError

UNKNOWN_NAME: Final = "unknown_name"  # the type of an error whose context has a hint
_LONGEST_VALUE: Final = 80  # characters of a value that an error shows


class Settings(BaseModel):
    """Base of all settings: frozen, no number is NaN or infinite, and an unknown name is an error.

    Raises:
        UsageError: A value is not allowed. It names the setting, the value and what is allowed. (Within a document,
            as `model_validate` reads it, the error is pydantic's, for whoever knows where the document stands.)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    if not TYPE_CHECKING:  # whoever checks types sees the fields as arguments

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _usage_error(type(self), error) from None

        # pydantic's mark of a plain initialiser: without it this one would be called for settings within settings too,
        # whose errors could no longer say where in the whole they stand
        __init__.__pydantic_base_init__ = True


def unknown_option(name: str, value: object, allowed: list[str]) -> UsageError:
    """Return the error of an option that does not exist: the closest that does, or else all that do."""
    import difflib  # here: it takes longer to import than this module, and only an error needs it

    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(allowed)}"
    return UsageError(f"there is no option {name!r} (given {shown(value)})", hint)


def shown(value: object) -> str:
    """Return a value as an error shows it: on one line, and not much of it."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001  any object may be given, and say anything of itself
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _usage_error(settings: type[BaseModel], error: ValidationError) -> UsageError:
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    name = ".".join(place)
    if first["type"] == "extra_forbidden" and len(place) == 1:
        return unknown_option(name, first["input"], list(settings.model_fields))
    if first["type"] == "missing":
        return UsageError(f"{name} is missing")
    said = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if not place:  # several that do not go together
        return UsageError(said)
    field = settings.model_fields.get(place[0])
    is_secret = field is not None and not field.repr
    given = "what was given" if is_secret else shown(first.get("input"))
    return UsageError(f"{name}: {said[:1].lower()}{said[1:]}, not {given}")


# TOML has no null, so the word stands for it
NoneIsAWord = BeforeValidator(lambda value: None if value == "none" else value)
