"""Utterances that are seen, or seen and heard: corpora decoded to face crops and samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.detector import YuNetDetector
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.face_clips import FaceClip, read_face_clip
from emofuse.research.recipes.data import VideoDataSettings
from emofuse.research.tasks.clip_dataset import VideoBatches
from emofuse.research.tasks.speech import decoded_samples
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances
from emofuse.wording import counted


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VideoData(Utterances):
    """Utterances as face clips, with their sound, (T,) int16 at RATE_HZ each, where the network hears (else None)."""

    settings: VideoDataSettings
    clips: tuple[FaceClip, ...]
    sounds: tuple[NDArray[np.int16], ...] | None

    def batches(self, indices: Sequence[int]) -> VideoBatches:
        """Make an evaluation set: of each clip the same frames every time."""
        return self._set(indices, is_training=False)

    def training(self, indices: Sequence[int]) -> VideoBatches:
        """Make a training set: frames and places are drawn, rare emotions repeated where the recipe balances."""
        return self._set(self.balanced(indices), is_training=True)

    def note(self) -> str:
        """Say in how many clips there was no face, so that the whole picture stands in, and where it was lost."""
        fell_back = sum(clip.fell_back for clip in self.clips)
        lost = sum(clip.n_lost for clip in self.clips if not clip.fell_back)
        several = sum(clip.n_people > 1 for clip in self.clips)
        seen = (
            f"{counted(len(self.clips), 'clip')}: {fell_back} without a face, where the whole picture is used; "
            f"{several} with several people, where who is most in view counts; "
            f"the face was lost in {counted(lost, 'picture')}"
        )
        return "; ".join(filter(None, (seen, Utterances.note(self))))

    def _set(self, indices: Sequence[int], is_training: bool) -> VideoBatches:
        sounds = None if self.sounds is None else [self.sounds[i] for i in indices]
        clips = [self.clips[i] for i in indices]
        return VideoBatches(clips, self.targets(indices), self.settings, is_training, sounds)


def decode_video(settings: VideoDataSettings, corpora: Corpora, hears: bool, hook: Hook | None = None) -> VideoData:
    """Find the face of every clip, and decode its sound where `hears`; done once, both come from the cache.

    Raises CorpusError for the first clip that has no picture, or no sound where it is wanted, or cannot be read.
    """
    cache = FeatureCache()
    manifest = corpora.joined.manifest
    clips: list[FaceClip] = []
    sounds: list[NDArray[np.int16]] = []
    digests: list[str] = []
    for done, clip in enumerate(manifest, start=1):
        clips.append(read_face_clip(clip, settings.size_px, settings.margin, YuNetDetector, cache))
        digest = hashlib.sha256(clips[-1].packed().tobytes())
        if hears:
            sounds.append(decoded_samples(clip, cache))
            digest.update(sounds[-1].tobytes())
        digests.append(digest.hexdigest())
        if hook is not None:
            hook("finding faces", done, len(manifest))
    return VideoData(
        settings=settings,
        corpora=corpora,
        digests=tuple(digests),
        clips=tuple(clips),
        sounds=tuple(sounds) if hears else None,
    )
