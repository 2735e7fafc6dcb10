"""How a result came about: which emofuse, when, asked for how, and the files of every model that had a part in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol, Self, runtime_checkable

from emofuse.formatting import documentary_line

Origin = Literal["given", "found", "recognised"]

_ORIGINS: Final[Mapping[Origin, str]] = {
    "given": "{}, as it was given",
    "found": "{}, found by the recording's name",
    "recognised": "recognised by {}",
}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that had a part in a result.

    Attributes:
        role: "fusion" for its weights, "trained fusion" for its network, if any; "face", "voice", "text" or "clip" for
            the networks; "face detector" or "speech detector".
        name: Of its file, or of the model where it has no file of its own.
        sha256: Of the file, in hexadecimal; None where it is not known which file it was.

    Example:
        >>> ModelFile("face", "face.onnx", None).role
        'face'
    """

    role: str
    name: str
    sha256: str | None


@runtime_checkable
class HasModelFile(Protocol):
    """A detector or a scorer that knows the file of its model."""

    @property
    def model_file(self) -> ModelFile:
        """The file of the model."""
        ...


def model_file(role: str, model: object) -> ModelFile:
    """Return the file of a model, or at least its kind where it knows no file: one of the user's own, say."""
    return model.model_file if isinstance(model, HasModelFile) else ModelFile(role, type(model).__name__, None)


@dataclass(frozen=True, slots=True)
class TranscriptOrigin:
    """Where the words came from.

    Attributes:
        how: "given" by the user, "found" by the recording's name, or "recognised" in its sound.
        name: Of the file, or of what recognised them.
        sha256: Of that file, or of the file of the model that recognised them; None where there is none.

    Example:
        >>> TranscriptOrigin("found", "clip.srt").name
        'clip.srt'
    """

    how: Origin
    name: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a result came about. It is not part of the result: the same recording and bundle give the same one again.

    Attributes:
        version: Of emofuse.
        created: When, in UTC, as ISO 8601 to the second.
        call: The command, or the call in Python, that makes it again.
        settings: All that it was asked with, defaults included.
        bundle: {"name", "version"}.
        device: Where the networks were run.
        models: Every model that had a part in it.
        transcript: Where the words came from; None where there were none.

    Example:
        >>> Provenance("0.1.0", "2026-01-31T09:30:00Z", "emofuse analyze clip.mp4").device
        'cpu'
    """

    version: str
    created: str
    call: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    bundle: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    models: tuple[ModelFile, ...] = ()
    transcript: TranscriptOrigin | None = None

    @classmethod
    def now(cls, version: str, call: str, **known: Any) -> Self:
        """Return the provenance of what is made now.

        Where SOURCE_DATE_EPOCH is set (https://reproducible-builds.org/specs/source-date-epoch/), that is the time, so
        that documents can be made again byte for byte.

        Args:
            version: Of emofuse.
            call: The command, or the call in Python.
            **known: The other attributes.

        Returns:
            The provenance.

        Example:
            >>> Provenance.now("0.1.0", "emofuse analyze clip.mp4", device="cpu").call
            'emofuse analyze clip.mp4'
        """
        epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
        time = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)
        return cls(version, time.strftime("%Y-%m-%dT%H:%M:%SZ"), call, **known)

    def to_json(self) -> dict[str, Any]:
        """Return the attributes as JSON values.

        Returns:
            The attributes by name.

        Example:
            >>> Provenance("0.1.0", "2026-01-31T09:30:00Z", "emofuse analyze clip.mp4").to_json()["version"]
            '0.1.0'
        """
        return {**asdict(self), "models": [asdict(model) for model in self.models]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild a provenance from `to_json`.

        Args:
            document: What `to_json` returned.

        Returns:
            The provenance.

        Raises:
            KeyError: An attribute is missing.
            TypeError: An attribute has another type.
            ValueError: An attribute has a value that is not allowed.

        Example:
            >>> known = Provenance("0.1.0", "2026-01-31T09:30:00Z", "emofuse analyze clip.mp4")
            >>> Provenance.from_json(known.to_json()) == known
            True
        """
        for name in ("version", "created", "call", "device"):
            if not isinstance(document[name], str):
                raise TypeError(f"{name} of the provenance is not text")
        origin = document["transcript"]
        if origin is not None and origin["how"] not in _ORIGINS:
            raise KeyError(f"origin {origin['how']!r}")
        return cls(
            version=document["version"],
            created=document["created"],
            call=document["call"],
            settings=dict(document["settings"]),
            bundle=dict(document["bundle"]),
            device=document["device"],
            models=tuple(ModelFile(one["role"], one["name"], one["sha256"]) for one in document["models"]),
            transcript=None if origin is None else TranscriptOrigin(origin["how"], origin["name"], origin["sha256"]),
        )

    def entries(self) -> list[tuple[str, str]]:
        """Return the provenance as text for a document.

        Returns:
            Pairs of a name and its value, each on one line.

        Example:
            >>> Provenance("0.1.0", "2026-01-31T09:30:00Z", "emofuse analyze clip.mp4").entries()[0]
            ('emofuse', '0.1.0')
        """
        entries = [
            ("emofuse", self.version),
            ("made", self.created),
            ("by", self.call),
            ("settings", ", ".join(f"{name}={_written(value)}" for name, value in self.settings.items())),
            ("bundle", " ".join(self.bundle.values())),
            ("device", self.device),
            *((model.role, with_hash(model.name, model.sha256)) for model in self.models),
        ]
        if self.transcript is not None:
            words = _ORIGINS[self.transcript.how].format(self.transcript.name)
            entries.append(("transcript", with_hash(words, self.transcript.sha256)))
        return [(name, documentary_line(value)) for name, value in entries if value]


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        return f"({', '.join(f'{name}={_written(each)}' for name, each in value.items())})"
    return "none" if value is None else str(value)


def with_hash(name: str, sha256: str | None) -> str:
    """Write the name of a file with its hash, where that is known."""
    return name if sha256 is None else f"{name} (SHA-256 {sha256})"
