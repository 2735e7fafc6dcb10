"""The protocol for words: a corpus's test part, each text alone, without what was said before it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from emofuse import __version__
from emofuse.emotions import BASE
from emofuse.errors import UsageError
from emofuse.inference.network import OnnxNetwork
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.registry import read_texts, text_corpus
from emofuse.research.corpora.texts import LabelledText, Part, Texts, text_key
from emofuse.research.evaluation.protocols.pretrained_parts import report_on_part
from emofuse.research.evaluation.scores.metrics import fit_temperature
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, FoldRecord, ReportProvenance
from emofuse.research.tasks.text import load_text_network, score_texts

FOLD: Final = "test"
_PENALTY: Final = 1e-3  # of a shift's squares, for classes of which there are few examples
HEADLINE: Final = ("weighted F1", "macro F1", "accuracy", "UAR")


class NoTestPartError(UsageError):
    """A corpus is published without labels for a part to test on."""


def evaluate_texts(
    model: str | Path, data: str | Path, command: str, corpus: str, prior: str | None = None
) -> tuple[EvaluationReport, Predictions]:
    """Score a text network on those texts of a corpus's test part whose votes are all for one emotion.

    Args:
        model: The exported network (ONNX).
        data: The folder below which the corpus is.
        command: The command that is run, for the report.
        corpus: Which corpus; its dev part fits the temperature.
        prior: A corpus whose dev part tells how often each emotion is to be expected (`fit_shift`); None: as the
            network was trained.

    Returns:
        The report, whose intervals resample whole dialogues where the corpus tells them, and the predictions.

    Raises:
        BundleError: The network is one of something else.
        CorpusError: The corpus is not in `data`.
        UsageError: No text corpus is called so.
        NoTestPartError: It has none.
    """
    texts = read_texts(corpus, data)
    network, source = load_text_network(model), text_corpus(corpus)
    tested, watched = _agreed(texts, "test"), _agreed(texts, "dev")
    if not tested:
        raise NoTestPartError(f"{source.title} has no test part with labels", "test on another corpus")
    keys = {text_key(one.text) for one in tested}
    watched = [one for one in watched if text_key(one.text) not in keys]
    shift = np.zeros(len(BASE), np.float32) if prior is None else _shift(network, prior, data)
    temperature = fit_temperature(_logits(network, watched) + shift, _truth(watched))
    return report_on_part(
        f"{network.card.name} on {source.title}",
        network,
        _provenance(network, source, (len(texts.of_part("train")), len(watched), len(tested)), command, prior),
        _logits(network, tested) + shift,
        _truth(tested),
        temperature,
        units=[one.dialogue or str(i) for i, one in enumerate(tested)],
        headline=HEADLINE,
    )


def fit_shift(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float32]:
    """Find what to add to logits, so that they expect the emotions as often as examples have them.

    Args:
        logits: (N, C) of the examples.
        truth: (N,) their classes.

    Returns:
        (C,) to be added; their mean is 0. The temperature that goes best with them is not applied.
    """
    n_classes = logits.shape[1]

    def loss(found: NDArray[np.float64]) -> float:
        shifted = log_softmax((logits + found[1:]) * np.exp(found[0]), axis=1)
        return float(-shifted[np.arange(len(truth)), truth].mean() + _PENALTY * np.square(found[1:]).sum())

    shift = minimize(loss, np.zeros(1 + n_classes)).x[1:]
    return np.asarray(shift - shift.mean(), dtype=np.float32)


def _shift(network: OnnxNetwork, prior: str, data: str | Path) -> NDArray[np.float32]:
    texts = _agreed(read_texts(prior, data), "dev")
    return fit_shift(_logits(network, texts), _truth(texts))


def _agreed(texts: Texts, part: Part) -> list[LabelledText]:
    return [one for one in texts.of_part(part) if one.label is not None]


def _truth(texts: list[LabelledText]) -> NDArray[np.int64]:
    return np.array([one.votes.index(1.0) for one in texts], dtype=np.int64)


def _logits(network: OnnxNetwork, texts: list[LabelledText]) -> NDArray[np.float32]:
    return score_texts(network, [network.read(one.text) for one in texts])


def _provenance(
    network: OnnxNetwork, source: Corpus[Texts], counts: tuple[int, int, int], command: str, prior: str | None
) -> ReportProvenance:
    n_train, n_valid, n_test = counts
    fold = FoldRecord(name=FOLD, train=(), valid=(), test=(), n_train=n_train, n_valid=n_valid, n_test=n_test)
    shifted = "" if prior is None else f"; emotions expected as often as in {text_corpus(prior).title}'s dev part"
    return ReportProvenance(
        corpus=source.title,
        licence=source.licence,
        labels=BASE,
        label_map={},
        protocol=f"{source.title}'s test part, 7 classes, texts with all votes for one emotion, each alone{shifted}",
        folds=(fold,),
        selection="settings chosen on dev parts; the temperature is fitted on this corpus's dev part",
        seeds=(network.card.seed,),
        command=command,
        versions=f"emofuse {__version__}",
        transductive=False,
        leaky=None,  # whose words they are is not told to the network
        unit="dialogues, or texts where there is no dialogue",
    )
