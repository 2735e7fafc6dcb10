"""Checks the networks of a bundle on dummy input: whether they can be run, and what a call costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.card import InputSpec
from emofuse.errors import BundleError
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import Bundle
from emofuse.inference.dummy_inputs import WORDS, dummy_inputs
from emofuse.inference.hub_text import load_hub_text
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.own_model import OwnModality, made_input
from emofuse.reading import file_hash

MOST_CALLS: Final = 20
LONGEST_S: Final = 2.0  # of calls, after one to warm up


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one network did. size_bytes: of its file, 0 where it is elsewhere; call_ms: median milliseconds of a call
    with     one clip, face, sentence or window of sound."""

    modality: str
    size_bytes: int
    call_ms: float


@dataclass(frozen=True, slots=True)
class HubCheckResult:
    """How the text model of the Hub did. names: its own labels; notes: those of them that are left out, in words."""

    names: tuple[str, ...]
    notes: tuple[str, ...]
    call_ms: float


def check_bundle(bundle: Bundle) -> list[CheckResult]:
    """Compare every file with its hash, where there is one, and run it. Raises BundleError for the first fault."""
    Analyzer(bundle)  # refuses a card that it cannot serve, and a fusion of other networks
    head = bundle.manifest.head
    if bundle.head is not None and head is not None:
        _check_hash(bundle.head, head.sha256)
    own = [_try_own(bundle, modality) for modality in bundle.own]
    return [*(_try(bundle, modality) for modality in bundle.networks), *own]


def check_hub_text(bundle: Bundle) -> HubCheckResult | None:
    """Load the text model of the Hub that a bundle names, and run it; None where it names none.

    Raises UsageError where transformers is not installed, AssetError or BundleError for a model that cannot be used.
    """
    hub = bundle.manifest.hub_text
    if hub is None:
        return None
    model = load_hub_text(hub.model, bundle.labels, hub.temperature, bundle.device)
    model.score(WORDS, 0.0, 1.0)  # to warm up
    return HubCheckResult(model.names, model.notes, _call_ms(lambda: model.score(WORDS, 0.0, 1.0)))


def _try(bundle: Bundle, modality: str) -> CheckResult:
    network, settings = bundle.networks[modality], bundle.manifest.modalities[modality]
    _check_hash(network, settings.sha256)
    spec = network.card.input
    whole = dummy_inputs(spec)
    for batches in (whole, *_without_one(spec, whole)):
        if not np.isfinite(network.logits(*batches)).all():
            raise BundleError(f"{network.path} gives numbers that are not finite")
    return CheckResult(modality, network.path.stat().st_size, _call_ms(lambda: network.logits(*whole)))


def _check_hash(network: OnnxNetwork, sha256: str | None) -> None:
    if sha256 is not None and file_hash(network.path) != sha256:
        raise BundleError(f"{network.path} is not the file that the bundle was made of: its hash differs")


def _try_own(bundle: Bundle, modality: OwnModality) -> CheckResult:
    model, settings = bundle.own[modality], bundle.manifest.modalities[modality]
    path = getattr(model, "path", None)
    if settings.sha256 is not None and model.sha256 != settings.sha256:
        raise BundleError(f"{path} is not the file that the bundle was made of: its hash differs")
    given = [made_input(modality)]
    if not np.isfinite(model.logits(given)).all():
        raise BundleError(f"{model.name} gives numbers that are not finite")
    return CheckResult(modality, 0 if path is None else path.stat().st_size, _call_ms(lambda: model.logits(given)))


def _without_one(spec: InputSpec, whole: list[NDArray[Any]]) -> list[list[NDArray[Any]]]:
    """The same with the picture or the sound absent, where a network takes both."""
    if "present" not in spec.names:
        return []
    frames, samples, _ = whole
    only = [np.array([[picture, 1 - picture]], np.float32) for picture in (0, 1)]
    return [[np.zeros_like(frames), samples, only[0]], [frames, np.zeros_like(samples), only[1]]]


def _call_ms(call: Callable[[], object]) -> float:
    spent_s: list[float] = []
    while len(spent_s) < MOST_CALLS and sum(spent_s) < LONGEST_S:
        start_s = time.perf_counter()
        call()
        spent_s.append(time.perf_counter() - start_s)
    return 1000 * median(spent_s)
