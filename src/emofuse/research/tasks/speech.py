"""Utterances that are heard: corpora decoded to samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from emofuse.errors import CorpusError
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.decode import read_samples
from emofuse.research.corpora.manifest import Clip
from emofuse.research.models.frontends import RATE_HZ
from emofuse.research.models.voice import VoiceNet
from emofuse.research.models.voice_whisper import WhisperVoice
from emofuse.research.recipes.data import VoiceDataSettings
from emofuse.research.tasks.activations import Activations, make_activations
from emofuse.research.tasks.batches import VoiceBatches, speech_part
from emofuse.research.tasks.speech_bounds import cut_to_speech
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances
from emofuse.research.training.module import Augment


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpeechData(Utterances):
    """Utterances as sound. samples: (T,) int16 at RATE_HZ for each clip of the manifest."""

    settings: VoiceDataSettings
    samples: tuple[NDArray[np.int16], ...]
    _made: dict[str, Activations] = field(default_factory=dict)

    def batches(self, indices: Sequence[int]) -> VoiceBatches:
        """Make an evaluation set: several windows a clip."""
        clips = [self.samples[i] for i in indices]
        return VoiceBatches(clips, self.targets(indices), self._window, self.settings.eval_windows)

    def training(self, indices: Sequence[int]) -> VoiceBatches:
        """Make a training set: one random window a clip, rare emotions repeated or corpora balanced as the recipe has
        it."""
        weights = self.draw_weights(indices)
        chosen = self.balanced(indices) if weights is None else indices
        return VoiceBatches([self.samples[i] for i in chosen], self.targets(chosen), self._window, weights=weights)

    def activations(self, network: VoiceNet | WhisperVoice, augment: tuple[Augment, Augment], seed: int) -> Activations:
        """Make augmented versions of every clip, as the frozen blocks of a network have them. All folds share them: the
        blocks are as they were pretrained, and know of no fold."""
        key = f"{network.frozen_part} {seed}"
        if key not in self._made:
            kinds = self.settings
            self._made[key] = make_activations(
                network, self.samples, self._window, augment, kinds.versions, seed, kinds.as_recorded
            )
        return self._made[key]

    @property
    def _window(self) -> int:
        return round(self.settings.window_s * RATE_HZ)


def decode_speech(settings: VoiceDataSettings, corpora: Corpora, hook: Hook | None = None) -> SpeechData:
    """Decode the sound of every clip; decoded once, it comes from the cache. hook(step, completed, total) hears of it.

    Raises CorpusError for the first clip that cannot be read.
    """
    cache = FeatureCache()
    manifest = corpora.joined.manifest
    samples = []
    for done, clip in enumerate(manifest, start=1):
        decoded = decoded_samples(clip, cache)
        if settings.cut_to_speech:
            decoded = cut_to_speech(clip, decoded, cache)
        samples.append(speech_part(decoded, settings.trim_db))
        if hook is not None:
            hook("reading", done, len(manifest))
    digests = tuple(hashlib.sha256(s.tobytes()).hexdigest() for s in samples)
    return SpeechData(settings=settings, corpora=corpora, digests=digests, samples=tuple(samples))


def decoded_samples(clip: Clip, cache: FeatureCache) -> NDArray[np.int16]:
    """Return the sound of a clip, (T,) int16 at RATE_HZ. Raises CorpusError where it cannot be read."""
    key: dict[str, Any] = {"what": "samples", "rate_hz": RATE_HZ, "start_s": clip.start_s, "end_s": clip.end_s}
    key["decoder"] = av.__version__
    if not clip.sound_file.is_file():
        raise CorpusError(
            f"{clip.sound_file} is missing", "the manifest names it; prepare it again, or bring the file back"
        )
    return cache.get(clip.sound_file, key, lambda: read_samples(clip, RATE_HZ)).astype(np.int16, copy=False)
