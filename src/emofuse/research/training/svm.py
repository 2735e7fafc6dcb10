"""The classical baselines: one vector of features an utterance, and a support vector machine."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.assets import find
from emofuse.errors import UsageError
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.feature_sets.action_units import read_action_units
from emofuse.research.models.frontends import RATE_HZ
from emofuse.research.models.settings import SvmSettings, VoiceNetSettings
from emofuse.research.models.voice import VoiceNet
from emofuse.research.tasks.speech import SpeechData
from emofuse.research.tasks.utterances import Hook, Utterances

FEATURES_VERSION: Final = 1  # to be raised when a change here changes what comes out
OPENSMILE_SETS: Final = {"egemaps": "eGeMAPSv02", "compare": "ComParE_2016"}
Extract = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def utterance_features(data: Utterances, name: str, hook: Hook | None = None) -> NDArray[np.float32]:
    """Return the (N, D) features of every clip, each over the whole clip.

    Those of sound are computed once, then they come from the cache; "action-units" are read from the corpus's table.
    Raises UsageError when openSMILE is needed and not installed, or the sound was not decoded.
    """
    if name == "action-units":
        return read_action_units(data.manifest)
    if not isinstance(data, SpeechData):
        raise UsageError(f"model.features {name!r} are of sound", 'set data.corpus to "speech"')
    return _of_sound(data, name, hook)


def _of_sound(speech: SpeechData, name: str, hook: Hook | None) -> NDArray[np.float32]:
    """Compute a set of features. One that is undefined for a clip (pitch where nothing is voiced) is 0."""
    cache = FeatureCache()
    extract: Extract | None = None
    rows = []
    for done, (samples, digest) in enumerate(zip(speech.samples, speech.digests, strict=True), start=1):

        def make(samples: NDArray[np.int16] = samples) -> NDArray[np.float32]:
            nonlocal extract
            extract = extract or _extractor(name)
            return extract(samples.astype(np.float32) / np.float32(32768))

        rows.append(
            cache.get(digest, {"what": "utterance", "set": name, "rate_hz": RATE_HZ, "version": FEATURES_VERSION}, make)
        )
        if hook is not None:
            hook(name, done, len(speech.samples))
    return np.nan_to_num(np.stack(rows).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _extractor(name: str) -> Extract:
    return _audioset() if name == "audioset" else opensmile_functionals(name)


def opensmile_functionals(name: str) -> Extract:
    """Return what computes a feature set of OPENSMILE_SETS over samples (T,) at RATE_HZ: (D,), NaN where undefined.

    Raises UsageError where openSMILE is not installed.
    """
    try:
        opensmile: Any = importlib.import_module("opensmile")
    except ImportError:
        raise UsageError(
            f"{name} needs openSMILE, which is not installed", "pip install 'emofuse[opensmile]'"
        ) from None
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet[OPENSMILE_SETS[name]], feature_level=opensmile.FeatureLevel.Functionals
    )
    return lambda samples: np.asarray(smile.process_signal(samples, RATE_HZ).to_numpy()[0], dtype=np.float32)


def audioset_network() -> VoiceNet:
    """Return the network of AudioSet as it was trained, whose `embed` gives the features "audioset".

    Raises AssetError where its weights cannot be had.
    """
    settings = VoiceNetSettings()
    return VoiceNet(settings, 2, find(str(settings.pretrained))).eval()


def _audioset() -> Extract:
    network = audioset_network()

    def extract(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            pooled = network.embed(network.frontend(torch.from_numpy(samples)[None]))
        return np.asarray(pooled[0].numpy(), dtype=np.float32)

    return extract


@dataclass(frozen=True, slots=True, eq=False)
class SvmResult:
    """Decision values (N, C) of the test clips by a machine of training and validation speakers, and of the
    validation clips by one of the training speakers alone; and the C that those chose."""

    test: NDArray[np.float32]
    valid: NDArray[np.float32]
    c: float


def run_svm(settings: SvmSettings, speech: Utterances, features: NDArray[np.float32], fold: Fold) -> SvmResult:
    """Choose C by the validation speakers' unweighted average recall, then train on them too.

    features: (N, D) of every clip. Classes weigh alike. Deterministic.
    """
    from sklearn.metrics import recall_score  # here, for every process that trains a network loads this file too

    train = speech.trained_in(fold)
    if settings.normalise == "speaker":
        features = standardise_by_speaker(features, [clip.speaker for clip in speech.manifest])
    truth = speech.truth(fold.valid)
    best: tuple[float, float, NDArray[np.float32]] | None = None
    for c in settings.c:
        values = _decide(settings, c, speech, features, train, fold.valid)
        recall = float(recall_score(truth, values.argmax(axis=1), labels=np.unique(truth), average="macro"))
        if best is None or recall > best[0]:
            best = recall, c, values
    assert best is not None  # the settings hold one C at least
    test = _decide(settings, best[1], speech, features, train + fold.valid, fold.test)
    return SvmResult(test, best[2], best[1])


def _decide(
    settings: SvmSettings,
    c: float,
    speech: Utterances,
    features: NDArray[np.float32],
    train: Sequence[int],
    test: Sequence[int],
) -> NDArray[np.float32]:
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    scaler = StandardScaler().fit(features[list(train)])
    # gamma: 1 / D, since standardised features have a variance of 1; for a linear kernel C is of the same scale then
    machine = SVC(C=c, kernel=settings.kernel, gamma=1 / features.shape[1], class_weight="balanced")
    scale = 1.0 if settings.kernel == "rbf" else features.shape[1] ** -0.5
    machine.fit(scale * scaler.transform(features[list(train)]), speech.truth(train))
    values = machine.decision_function(scale * scaler.transform(features[list(test)]))
    if values.ndim == 1:  # two classes: one column, positive for the second
        values = np.stack([-values, values], axis=1)
    out = np.full((len(test), len(speech.labels)), values.min() - 1.0, dtype=np.float32)
    out[:, machine.classes_] = values
    return out


def standardise_by_speaker(features: NDArray[np.float32], speakers: Sequence[str]) -> NDArray[np.float32]:
    """Return (N, D) features with mean 0 and deviation 1 within every speaker (0 where a feature is constant)."""
    out = np.empty_like(features)
    names = np.asarray(speakers)
    for name in np.unique(names):
        own = features[names == name].astype(np.float64)  # in which the mean of a constant is that constant
        deviation = own.std(axis=0)
        out[names == name] = (own - own.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return out
