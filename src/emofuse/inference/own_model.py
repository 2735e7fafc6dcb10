"""Models of one's own in the place of a bundle's networks: of the Hub, as ONNX with a card beside it, or in Python."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from emofuse.card import DataSource, InputSpec, ModelCard
from emofuse.emotions import LABEL_MAPS, LABEL_SETS, SPELLINGS, TO_BASE
from emofuse.errors import BundleError, EmofuseError, UsageError
from emofuse.importing import source_hash
from emofuse.reading import one_line
from emofuse.settings import shown

OwnModality: TypeAlias = Literal["face", "voice", "text"]
OWN_MODALITIES: Final[tuple[OwnModality, ...]] = get_args(OwnModality)

FACE_PX: Final = 224  # of the faces that a model is given, both ways
FACE_MARGIN: Final = 0.2  # of the face, that is shown around it on each side
RATE_HZ: Final = 16_000  # of the sound that a model is given
WINDOW_S: Final = 3.0  # of it at most, unless the model says otherwise

HUB: Final = "hub:"
_UNSTATED: Final = "not stated"
_FLOOR: Final = 1e-6  # no label is impossible
_GIVEN: Final[Mapping[str, str]] = {
    "face": f"a face, ({FACE_PX}, {FACE_PX}, 3) uint8 RGB",
    "voice": f"sound, (T,) float32 in [-1, 1] at {RATE_HZ} Hz",
    "text": "a text",
}


class OwnModel(ABC):
    """A classifier of faces, sounds or texts that emofuse did not export.

    Attributes:
        modality: "face", "voice" or "text".
        name: What outputs call it.
        names: Its own labels, in the order of what it gives.
        label_map: What its labels mean, where their names do not say it; "" leaves one out.
        sha256: Of its weights, or of the source of a function; None where they are in several files, or unknown.
        window_s: How much sound it is given at most.
        source: As a bundle names it: "hub:ID" or "module:NAME"; "" where it cannot be named.

    Example:
        >>> import emofuse
        >>> loud = emofuse.load_model(lambda sound: {"angry": abs(sound).mean(), "sad": 0.5}, "voice")
        >>> loud.names
        ('angry', 'sad')
        >>> loud.matrix(("neutral", "sad", "angry")).tolist()
        [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
        >>> loud.notes(("neutral", "sad", "angry"))
        ()
        >>> loud.logits([np.zeros(16_000, np.float32)]).shape
        (1, 2)
    """

    modality: OwnModality
    name: str
    names: tuple[str, ...]
    label_map: Mapping[str, str]
    sha256: str | None = None
    window_s: float = WINDOW_S
    source: str = ""
    n_parameters: int = 0
    licence: str = _UNSTATED
    trained_on: str = _UNSTATED

    @abstractmethod
    def logits(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """Score some inputs.

        Args:
            inputs: N faces, (FACE_PX, FACE_PX, 3) uint8 RGB each; or N stretches of sound, (T,) float32 in [-1, 1] at
                RATE_HZ; or N texts.

        Returns:
            (N, C), the softmax of which are the probabilities of `names`.

        Raises:
            BundleError: It cannot score them, or gives something else.
        """

    def embeddings(self, *inputs: Any) -> NDArray[np.float32]:
        """Raise BundleError, because the embedding of such a model is unknown.

        Args:
            *inputs: Ignored.

        Returns:
            Nothing; it always raises.

        Raises:
            BundleError: Always.

        Example:
            >>> import emofuse
            >>> try:
            ...     emofuse.load_model(lambda text: {"sad": 1}, "text").embeddings("well")
            ... except BundleError as error:
            ...     print(error.hint)
            embeddings are those of networks that ship or were exported
        """
        raise BundleError(
            f"{self.name} has no embedding", "embeddings are those of networks that ship or were exported"
        )

    def matrix(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """Return the matrix that maps the model's labels to those of a bundle.

        Args:
            labels: The labels of the bundle.

        Returns:
            (C, len(labels)) of zeros and ones.

        Raises:
            BundleError: None of the labels can be mapped, or the label map is wrong.
        """
        return label_matrix(self.names, labels, self.name, self.label_map)[0]

    def notes(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return notices for the user: labels of the model that are left out, and how to map them.

        Args:
            labels: The labels of the bundle.

        Returns:
            The notices, one line each; empty if all labels are mapped.
        """
        left_out = label_matrix(self.names, labels, self.name, self.label_map)[1]
        unsaid = [name for name in left_out if self.label_map.get(name) != ""]
        if not unsaid:
            return ()
        hint = f"map them with a label map, such as {unsaid[0]}={labels[0]}"
        return (f"labels of {self.name} that are left out: {', '.join(unsaid)} ({hint})",)

    @property
    def card(self) -> ModelCard:
        """What is known of it, in the form of the networks that emofuse exports."""
        kinds: Mapping[str, InputSpec] = {
            "face": InputSpec(kind="face", size_px=FACE_PX, margin=FACE_MARGIN),
            "voice": InputSpec(kind="samples", rate_hz=RATE_HZ, window_s=self.window_s),
            "text": InputSpec(kind="text"),
        }
        return ModelCard(
            name=self.name,
            version="",
            modality=self.modality,
            description=f"A model of {self.modality} that emofuse did not train.",
            labels=self.names,
            input=kinds[self.modality],
            n_parameters=self.n_parameters,
            data=(DataSource(name=self.trained_on, licence=self.licence),),
            recipe="",
            seed=0,
            cautions=("what it was trained on, and on whom it was tested, is not known to emofuse",),
        )


class CallableModel(OwnModel):
    """A function, or any object that can be called with one face, sound or text.

    It returns a number, 0 or more, for each label: a dictionary, or an array in the order of its `labels`; they are
    made to add up to 1. Of a sound or a text it may return None, where it has nothing to go by. It is called once when
    it is taken, with a made input, so that what is wrong shows at once.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        modality: OwnModality,
        label_map: Mapping[str, str] | None = None,
        name: str = "",
    ) -> None:
        """name: "module:NAME" where it can be imported so.

        Raises:
            UsageError: It cannot be called, raises an error, or returns something else.
        """
        self._function, self.modality = function, modality
        self.name = name or str(getattr(function, "__qualname__", type(function).__qualname__))
        self.source, self.label_map = name, dict(label_map or {})
        self.sha256 = source_hash(function if hasattr(function, "__qualname__") else type(function)) or None
        self.window_s = float(getattr(function, "window_s", WINDOW_S))
        self._given = _GIVEN[modality]
        self.names = tuple(map(str, getattr(function, "labels", ())))
        answer = self._call(made_input(modality))
        if not self.names:
            if not isinstance(answer, Mapping):
                hint = "return a dictionary of labels and numbers, or give it an attribute `labels`"
                raise UsageError(f"{self._who}: which labels it scores is not known from {_kind(answer)}", hint)
            self.names = tuple(map(str, answer))
        if answer is not None:
            self._row(answer)

    def logits(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """See OwnModel."""
        rows = [self._row(self._call(one)) for one in inputs]
        return np.log(np.stack(rows)).astype(np.float32)

    def _call(self, given: Any) -> Any:
        try:
            return self._function(given)
        except EmofuseError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {one_line(error)}"
            raise UsageError(f"{self._who} raised {reason}", f"it is given {self._given}") from error

    def _row(self, answer: Any) -> NDArray[np.float64]:
        """Return probabilities of all labels, none of them 0. Raises UsageError for an answer that is none."""
        n = len(self.names)
        if answer is None:
            return np.full(n, 1 / n)
        hint = f"return a number, 0 or more, for each of {', '.join(self.names)}"
        if isinstance(answer, Mapping):
            unknown = [str(name) for name in answer if str(name) not in self.names]
            if unknown:
                raise UsageError(f"{self._who} returned another label than at first: {unknown[0]}", hint)
            answer = [answer.get(name, 0.0) for name in self.names]
        try:
            found = np.asarray(answer, np.float64)
        except (TypeError, ValueError):
            raise UsageError(f"{self._who} returned {_kind(answer)}", hint) from None
        if found.shape != (n,):
            raise UsageError(f"{self._who} returned {_kind(answer)} of shape {found.shape}, not ({n},)", hint)
        if not np.isfinite(found).all() or (found < 0).any() or found.sum() <= 0:
            raise UsageError(f"{self._who} returned {np.round(found, 4).tolist()}, which are no probabilities", hint)
        found = found / found.sum() + _FLOOR
        return np.asarray(found / found.sum())

    @property
    def _who(self) -> str:
        return f"the {self.modality} model {self.name}"


def label_matrix(
    names: Sequence[str], labels: Sequence[str], model: str, label_map: Mapping[str, str] | None = None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return how the labels of a model become those of a bundle.

    Args:
        names: Of the model. Capitals and synonyms (`emotions.SPELLINGS`) do not matter.
        labels: Of the bundle.
        model: What to call the model in an error.
        label_map: What labels of the model mean, where their names do not say it; "" leaves one out.

    Returns:
        The 0/1 matrix (len(names), len(labels)), and the names that are left out.

    Raises:
        BundleError: No label can be carried, or the map has a label that the model has not, or means none of ours.
    """
    tables = (LABEL_MAPS[name] for name, known in LABEL_SETS.items() if set(known) == set(labels))
    table = {**next(tables, TO_BASE), **{label: label for label in labels}}
    given = dict(label_map or {})
    strange = [name for name in given if name not in names]
    if strange:
        raise BundleError(f"{model} has no label {strange[0]!r}", f"it has {', '.join(names)}")
    for name, meaning in given.items():
        if meaning and table.get(meaning.strip().lower()) not in labels:
            raise BundleError(f"{name}={meaning}: that is not one of the labels", f"one of {', '.join(labels)}")
    meant = [table.get(given.get(name, name).strip().lower()) for name in names]
    matrix = np.array([[label == one for label in labels] for one in meant], np.float32)
    left_out = tuple(name for name, row in zip(names, matrix, strict=True) if not row.any())
    if not matrix.any():
        known = ", ".join(sorted(spelling for spellings in SPELLINGS.values() for spelling in spellings))
        how = f"map them with a label map, such as {names[0]}={labels[0]}; known by name are {known}"
        raise BundleError(f"none of the labels of {model} is an emotion that we know: {', '.join(names)}", how)
    return matrix, left_out


def made_input(modality: OwnModality) -> Any:
    """Return an input that a model of a modality can be tried with."""
    random = np.random.default_rng(0)
    if modality == "face":
        return random.integers(0, 256, (FACE_PX, FACE_PX, 3), dtype=np.uint8)
    return random.normal(0, 0.05, RATE_HZ).astype(np.float32) if modality == "voice" else "I am here."


def _kind(value: Any) -> str:
    return shown(value) if value is None or isinstance(value, str | bool | int | float) else type(value).__name__
