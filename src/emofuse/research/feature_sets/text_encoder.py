"""The words of clips: a table that brings them, and the sentence encoder that turns them into features."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from emofuse.assets import prepare_hub
from emofuse.errors import AssetError, CorpusError, UsageError
from emofuse.reading import first_line
from emofuse.research.corpora.manifest import Clip
from emofuse.research.corpora.table import check_header, read_table
from emofuse.research.feature_sets.encoders import Encoder, Features, NoFeatures
from emofuse.types import Json

VERSION: Final = 1  # to be raised when a change here changes what comes out
KEYS: Final = ("id", "file_name_list", "path", "file")  # of a table of words; the first that it has is used
WORDS: Final = ("text", "transcript", "utterance")


def with_words(clips: Sequence[Clip], names: Sequence[str], path: Path) -> tuple[list[Clip], list[str]]:
    """Give clips the words that a CSV has for them, and return what of it fits no clip.

    names: the clips' own, which the set will call them by. The table has one of KEYS, a clip's name or its file, and
    one of WORDS. Where it is silent a clip keeps the words of the manifest.
    Raises CorpusError where the table cannot be read, has no such columns, or has two texts for a clip.
    """
    header, rows = read_table(path, "table of words")
    key, words = (next((each for each in columns if each in header), None) for columns in (KEYS, WORDS))
    for column, columns in ((key, KEYS), (words, WORDS)):
        if column is None:
            raise CorpusError(f"{path}, line 1: no column {' or '.join(columns)}; the columns are {', '.join(header)}")
    assert key is not None and words is not None
    check_header(path, header, (), (key, words))
    by_name = {name: i for i, name in enumerate(names)}
    stems = Counter(clip.path.stem for clip in clips)
    by_stem = {clip.path.stem: i for i, clip in enumerate(clips) if stems[clip.path.stem] == 1}
    texts: dict[int, str] = {}
    unknown: list[str] = []
    for line, row in rows:
        name_in_row = row[key].strip()
        i = next(
            (
                by[name]
                for name in (name_in_row, PurePosixPath(name_in_row).stem)
                for by in (by_name, by_stem)
                if name in by
            ),
            None,
        )
        if i is None:
            unknown.append(name_in_row)
        elif texts.setdefault(i, row[words].strip()) != row[words].strip():
            raise CorpusError(f"{path}, line {line}: another text for {name_in_row}, which an earlier line has already")
    return [replace(clip, text=texts.get(i) or clip.text) for i, clip in enumerate(clips)], unknown


class SentenceEncoder(Encoder):
    """A network of the library sentence-transformers over the words of a clip: one step.

    name: on the Hugging Face Hub, or its folder. It is known by the hash of its weights, so that what the Hub has
    under that name tomorrow is not taken for it. Raises UsageError where the library is not installed, AssetError
    where there is no such network or it cannot be had.
    """

    modality = "lexical"

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = Path(name).name if Path(name).is_dir() else name  # which folder is of no matter
        self.network = _sentence_network(name, device)
        layers: Json = {type(layer).__name__: getattr(layer, "get_config_dict", dict)() for layer in self.network}
        self.identity = {
            "encoder": self.name,
            "weights": state_hash(self.network),
            "layers": json.loads(json.dumps(layers, default=str)),  # as the record gives them back
            "longest": self.network.max_seq_length,
            "version": [VERSION],
        }

    def source(self, clip: Clip) -> str:
        """Return a hash of the words."""
        return hashlib.sha256(clip.text.encode()).hexdigest()

    def encode(self, clip: Clip) -> Features:
        """Return (1, D) float32. Raises NoFeatures where there are no words."""
        if not clip.text.strip():
            raise NoFeatures("no words are given")
        values = self.network.encode([clip.text.strip()], show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(values, dtype=np.float32)


def _sentence_network(name: str, device: torch.device) -> Any:
    local_files_only = prepare_hub()
    try:
        library: Any = importlib.import_module("sentence_transformers")
        importlib.import_module("transformers").utils.logging.disable_progress_bar()  # it draws one for reading a file
    except ImportError:
        raise UsageError(
            f"the sentence encoder {name} needs sentence-transformers, which is not installed",
            "pip install 'emofuse[text]'",
        ) from None
    try:
        return library.SentenceTransformer(name, device=str(device), local_files_only=local_files_only).eval()
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise AssetError(
            f"no sentence encoder {name}: {first_line(error)}",
            "name a model of the Hub, or the folder that one was saved in",
        ) from None


def state_hash(network: nn.Module) -> str:
    """Return the SHA-256 of the weights of a network, by their names."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
