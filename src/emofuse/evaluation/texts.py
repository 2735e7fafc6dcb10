"""The published protocol for MELD's words: its test part, each turn alone, without the dialogue around it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse import __version__
from emofuse.corpora.utterance_names import MELD_LICENCE
from emofuse.emotions import MELD
from emofuse.errors import BundleError
from emofuse.evaluation.metrics import fit_temperature
from emofuse.evaluation.parts import report_on_part
from emofuse.evaluation.predictions import Predictions
from emofuse.evaluation.result import EvaluationReport, FoldRecord, Stamp
from emofuse.features.text import stack
from emofuse.inference.network import OnnxNetwork
from emofuse.training.text import read_part

FOLD: Final = "test"
HEADLINE: Final = ("weighted F1", "macro F1", "accuracy", "UAR")
PROTOCOL: Final = "MELD's test part, 7 classes, the words of each turn alone"


def evaluate_texts(model: str | Path, data: str | Path, command: str) -> tuple[EvaluationReport, Predictions]:
    """Score a text network on MELD's test part; its temperature is fitted on the dev part.

    Intervals resample whole dialogues, whose turns are alike. Raises BundleError for a network of something else,
    CorpusError where MELD's tables are not in `data`.
    """
    network = OnnxNetwork(model)
    if network.card.modality != "text" or network.card.labels != MELD:
        raise BundleError(f"{model} is no text network of MELD's labels")
    n_train = len(read_part(data, "train")[2])
    _, valid_texts, valid_truth = read_part(data, "dev")
    temperature = fit_temperature(_logits(network, valid_texts), valid_truth)
    manifest, texts, truth = read_part(data, "test")
    stamp = _stamp(network, (n_train, len(valid_truth), len(truth)), command)
    return report_on_part(
        f"{network.card.name} on MELD",
        network,
        stamp,
        _logits(network, texts),
        truth,
        temperature,
        units=[clip.dialogue for clip in manifest],
        headline=HEADLINE,
    )


def _logits(network: OnnxNetwork, texts: list[NDArray[np.int64]]) -> NDArray[np.float32]:
    """Score texts in batches of about one length, in their own order."""
    out = np.zeros((len(texts), len(network.card.labels)), np.float32)
    order = np.argsort([len(text) for text in texts], kind="stable")
    for chosen in np.array_split(order, max(1, len(texts) // 64)):
        out[chosen] = network.logits(stack([texts[i] for i in chosen]))
    return out


def _stamp(network: OnnxNetwork, counts: tuple[int, int, int], command: str) -> Stamp:
    n_train, n_valid, n_test = counts
    return Stamp(
        corpus="MELD (one television series: the same characters in all of its parts)",
        licence=MELD_LICENCE,
        labels=MELD,
        label_map={},
        protocol=PROTOCOL,
        folds=(FoldRecord(name=FOLD, train=(), valid=(), test=(), n_train=n_train, n_valid=n_valid, n_test=n_test),),
        selection="settings chosen on the dev part, where the temperature is fitted too; the last epoch's weights",
        seeds=(network.card.seed,),
        command=command,
        versions=f"emofuse {__version__}",
        transductive=False,
        leaky=None,  # whose words they are is not told to the network
        unit="dialogues",
    )
