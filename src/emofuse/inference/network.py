"""An ONNX network with its card, run by ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from emofuse.card import CARD_KEY, InputSpec, ModelCard
from emofuse.errors import BundleError, UsageError
from emofuse.inference.onnx_file import read_metadata
from emofuse.inference.onnx_graph import embedding_name, with_output
from emofuse.inference.onnx_runtime import PROVIDERS, available_devices, open_session
from emofuse.preprocessing.pieces import SPECIAL, WordPieces
from emofuse.preprocessing.tokens import WIDTH, encode
from emofuse.reading import file_hash, first_line, is_file

OUTPUT = "logits"
KNOWN = "known"  # of a text network: the share of a text's words that it knows
VOCABULARY = "emofuse.vocabulary"  # in the metadata of a network of pieces: one a line
_TYPES = {"frames": "uint8", "tokens": "int64", "pieces": "int64"}  # of the inputs that are no floats
_UNNAMED = "x"  # the only input of networks that were exported before inputs had names


class _Opened(NamedTuple):
    """A session that fits its card. inputs: their names, in the order of the card."""

    session: Any
    inputs: tuple[str, ...]
    tells_known: bool


class OnnxNetwork:
    """A classifier with the card that was written into it. What it takes is what its card says, by name."""

    def __init__(self, path: str | Path, device: str = "cpu", n_threads: int = 1, checked: str | None = None) -> None:
        """Load the file.

        Args:
            path: The ONNX file.
            device: Where it is run.
            n_threads: Threads that one operator may use.
            checked: The SHA-256 of a file that was found to be whole before. Where this is the file, it is not opened
                before it is run for the first time.

        Raises:
            BundleError: The file is no such network.
            UsageError: There is no such device.
        """
        self.path = Path(path)
        if device not in PROVIDERS:
            raise UsageError(f"no device {device!r}", f"choose one of auto, {', '.join(PROVIDERS)}")
        if device not in available_devices():
            raise UsageError(
                f"the device {device!r} is not available here",
                "install onnxruntime-gpu in place of onnxruntime, or use --device cpu",
            )
        _find(self.path)
        self.sha256 = file_hash(self.path)
        self._device, self._n_threads = device, n_threads
        self._embedder: tuple[Any, str] | None = None
        self._lock = threading.Lock()
        session = None if self.sha256 == checked else open_session(self.path, device, n_threads)
        metadata = _metadata(self.path)
        self.card = _card(self.path, metadata)
        self._pieces = _pieces(self.path, self.card, metadata)
        self._ready = None if session is None else self._fitted(session)

    def logits(self, *batches: NDArray[Any]) -> NDArray[np.float32]:
        """Run a batch of N of each input that the card names, in that order: faces, samples, frames, present or tokens.

        Returns (N, C) logits, or (N, T, C) where the card says per_frame. Raises BundleError when the network
        refuses the batches, or gives something else.
        """
        return self._run((OUTPUT,), batches)[0]

    def read(self, text: str) -> NDArray[np.int64]:
        """Return the numbers of a text as this network takes them: (T, WIDTH) of words, or (T,) of their pieces.

        `features.text.stack` makes batches of them.
        """
        return encode(text) if self._pieces is None else self._pieces.encode(text)

    def logits_and_known(self, tokens: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run a batch of texts.

        Returns:
            (N, C) logits, and (N,) the share of their words that the network knows: 1 where it does not tell.

        Raises:
            BundleError: As `logits` does.
        """
        if not self._opened().tells_known:
            return self.logits(tokens), np.ones(len(tokens), np.float32)
        logits, known = self._run((OUTPUT, KNOWN), (tokens,))
        return logits, known

    def embeddings(self, *batches: NDArray[Any]) -> NDArray[np.float32]:
        """Run a batch as `logits` does, and return what goes into the last layer.

        The file is loaded a second time at the first call, with that tensor as an output.

        Returns:
            (N, D).

        Raises:
            BundleError: The network has no linear layer before its logits, or refuses the batches.
        """
        with self._lock:
            if self._embedder is None:
                self._embedder = self._open_embedder()
        session, name = self._embedder
        found = self._outputs(session, (name,), batches)[0]
        return found.reshape(len(batches[0]), -1)

    def logits_and_embeddings(self, *batches: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run a batch once, for what `logits` and `embeddings` return. Raises BundleError as they do."""
        with self._lock:
            if self._embedder is None:
                self._embedder = self._open_embedder()
        session, name = self._embedder
        logits, found = self._outputs(session, (OUTPUT, name), batches)
        return logits, found.reshape(len(batches[0]), -1)

    def _opened(self) -> _Opened:
        with self._lock:
            if self._ready is None:
                if not is_file(self.path) or file_hash(self.path) != self.sha256:
                    raise BundleError(f"{self.path} was changed after it was loaded", "load it again")
                self._ready = self._fitted(open_session(self.path, self._device, self._n_threads))
            return self._ready

    def _fitted(self, session: Any) -> _Opened:
        inputs = _inputs(self.path, self.card.input, session)
        _check_output(self.path, self.card, session)
        return _Opened(session, inputs, any(one.name == KNOWN for one in session.get_outputs()))

    def _open_embedder(self) -> tuple[Any, str]:
        data = self.path.read_bytes()
        name = embedding_name(data, OUTPUT)
        if name is None:
            raise BundleError(f"{self.path.name} has no embedding: no linear layer comes before its logits")
        return open_session(self.path, self._device, self._n_threads, with_output(data, name)), name

    def _run(self, names: tuple[str, ...], batches: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Run the network, and check the first of the named outputs, the logits."""
        found = self._outputs(self._opened().session, names, batches)
        wanted = (len(batches[0]), *_answers(self.card))
        if found[0].shape != wanted:
            raise BundleError(
                f"{self.path.name} gives {_written(found[0].shape)}; by its card it would be {_written(wanted)}"
            )
        return found

    def _outputs(
        self, session: Any, names: tuple[str, ...], batches: Sequence[NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        inputs = self._opened().inputs
        try:
            outputs: list[Any] = session.run(list(names), dict(zip(inputs, batches, strict=True)))
        except Exception as error:  # noqa: BLE001
            shapes = ", ".join(str(batch.shape) for batch in batches)
            raise BundleError(f"{self.path.name} could not score {shapes}: {first_line(error)[:200]}") from None
        return [np.asarray(output, dtype=np.float32) for output in outputs]


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Turn (N, C) logits into probabilities; a temperature over 1 makes them less sure (arXiv:1706.04599)."""
    scaled = logits / np.float32(temperature)
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    exponent = np.exp(scaled)
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True), dtype=np.float32)


def log_probabilities(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Turn (N, C) logits into log-probabilities, none below that of one in 10^12: so sure is nobody."""
    return np.asarray(np.log(np.maximum(softmax(logits, temperature), 1e-12)), dtype=np.float32)


def read_card(path: str | Path) -> ModelCard:
    """Read the card of an ONNX network alone: the network is not opened.

    Args:
        path: The ONNX file.

    Returns:
        The card.

    Raises:
        BundleError: There is no such file, or it has no card.

    Example:
        >>> from pathlib import Path
        >>> import emofuse
        >>> read_card(Path(emofuse.__file__).parent / "bundles" / "base" / "text.onnx").modality
        'text'
    """
    file = Path(path)
    _find(file)
    return _card(file, _metadata(file))


def _find(path: Path) -> None:
    if not is_file(path):
        raise BundleError(f"no model at {path}")


def _metadata(path: Path) -> dict[str, str]:
    try:
        return read_metadata(path)
    except UnicodeDecodeError:
        raise BundleError(f"the text in {path} is not UTF-8", "make it with `emofuse export`") from None


def _card(path: Path, metadata: dict[str, str]) -> ModelCard:
    if CARD_KEY not in metadata:
        raise BundleError(f"{path} carries no card", "make it with `emofuse export`")
    try:
        return ModelCard.model_validate_json(metadata[CARD_KEY])
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise BundleError(f"the card in {path} is not whole: {where}{first['msg']}") from None


def _pieces(path: Path, card: ModelCard, metadata: Mapping[str, str]) -> WordPieces | None:
    if card.input.kind != "text" or card.input.units == "words":
        return None
    vocabulary = metadata.get(VOCABULARY, "").split("\n")
    if tuple(vocabulary[: len(SPECIAL)]) != SPECIAL:
        raise BundleError(f"{path} carries no vocabulary", "make it with `emofuse export`")
    return WordPieces(vocabulary)


def _inputs(path: Path, spec: InputSpec, session: Any) -> tuple[str, ...]:
    """Return what the file calls the inputs of its card, in their order. Raises BundleError where they do not fit."""
    given = {one.name: one for one in session.get_inputs()}
    names = spec.names
    if list(given) == [_UNNAMED] and len(names) == 1:
        return (_UNNAMED,)
    if set(given) != set(names):
        raise BundleError(f"{path} takes {', '.join(given)}; by its card it would take {', '.join(names)}")
    square = (spec.size_px, spec.size_px)
    wanted: dict[str, tuple[int | None, ...]] = {
        "faces": (None, 1, *square),
        "samples": (None, None),
        "frames": (None, spec.n_frames, *square, 3),
        "present": (None, 2),
        "tokens": (None, None, WIDTH),
        "pieces": (None, None),
    }
    for modality, size in (spec.dims or {}).items():
        wanted |= {modality: (None, 1, size), f"{modality}_mask": (None, 1)}
    for name in names:
        kind = f"tensor({_TYPES.get(name, 'float')})"
        found, needed = given[name], wanted[name]
        if found.type != kind or not _fits(found.shape, needed):
            what = f"{found.type} {_written(found.shape)}"
            raise BundleError(f"the {name} of {path} are {what}; by its card they would be {kind} {_written(needed)}")
    return names


def _check_output(path: Path, card: ModelCard, session: Any) -> None:
    given = {one.name: one.shape for one in session.get_outputs()}
    if OUTPUT not in given:
        raise BundleError(f"{path} has no output called {OUTPUT!r}, only {', '.join(given)}")
    wanted = (None, *_answers(card))
    if not _fits(given[OUTPUT], wanted):
        raise BundleError(f"{path} gives {_written(given[OUTPUT])}; by its card it would be {_written(wanted)}")


def _answers(card: ModelCard) -> tuple[int | None, ...]:
    """Return the shape of the logits of one input: (C,), or (T, C) for a network that answers for every frame."""
    per_frame = (card.input.n_frames,) if card.input.per_frame else ()
    return (*per_frame, len(card.labels))


def _fits(found: Sequence[int | str | None] | None, wanted: tuple[int | None, ...]) -> bool:
    """Compare shapes where both are known: a file may leave all or part of a shape open."""
    if not found:
        return True
    pairs = zip(found, wanted, strict=False)
    return len(found) == len(wanted) and all(not (isinstance(f, int) and w) or f == w for f, w in pairs)


def _written(shape: Sequence[int | str | None]) -> str:
    return f"({', '.join(str(size) if isinstance(size, int) else '?' for size in shape)})"
