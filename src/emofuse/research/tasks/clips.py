"""Utterances that are seen, or seen and heard: corpora decoded to face crops and samples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.card import InputSpec
from emofuse.errors import RecipeError
from emofuse.formatting import pluralise
from emofuse.inference.detector import YuNetDetector
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.face_clips import FaceClip, read_face_clip
from emofuse.research.models.audio_video import AudioVideoNet
from emofuse.research.models.frame_lstm_mel import FrameLstmMel
from emofuse.research.models.frontends import RATE_HZ
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.models.settings import AudioVideoSettings, FrameLstmMelSettings, MvitSettings, SvmSettings
from emofuse.research.models.torchvision_clips import MVIT_FRAMES, MVIT_PX
from emofuse.research.recipes.data import VideoDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Example, UtteranceTask, voiced_example
from emofuse.research.tasks.batches import Augment
from emofuse.research.tasks.clip_augment import augment_frames, clip_augmentation
from emofuse.research.tasks.clip_dataset import VideoBatches
from emofuse.research.tasks.speech import decoded_samples
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances, corpora_of


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VideoData(Utterances):
    """Face clips of utterances, and (T,) int16 of sound at RATE_HZ each where the network uses it, else None."""

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
            f"{pluralise(len(self.clips), 'clip')}: {fell_back} without a face, where the whole picture is used; "
            f"{several} with several people, where who is most in view counts; "
            f"the face was lost in {pluralise(lost, 'picture')}"
        )
        return "; ".join(filter(None, (seen, Utterances.note(self))))

    def _set(self, indices: Sequence[int], is_training: bool) -> VideoBatches:
        sounds = None if self.sounds is None else [self.sounds[i] for i in indices]
        clips = [self.clips[i] for i in indices]
        return VideoBatches(clips, self.targets(indices), self.settings, is_training, sounds)


def decode_video(
    settings: VideoDataSettings, corpora: Corpora, uses_audio: bool, hook: Hook | None = None
) -> VideoData:
    """Find the face of every clip, and decode its sound where `uses_audio`; done once, both come from the cache.

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
        if uses_audio:
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
        sounds=tuple(sounds) if uses_audio else None,
    )


class ClipTask(UtteranceTask):
    """Utterances as pictures of the face, with their sound where the network is given it."""

    name: ClassVar[str] = "video"
    noun: ClassVar[str] = "utterances"
    modality: ClassVar[str] = "clip"
    kind: ClassVar[str] = "clip"
    settings: ClassVar[type[VideoDataSettings]] = VideoDataSettings
    takes: ClassVar[str] = "frames"
    smaller: ClassVar[tuple[str, ...]] = ("data.n_frames", "data.size_px")

    def check(self, recipe: Recipe) -> None:
        """See Task."""
        model, data = recipe.model, cast(VideoDataSettings, recipe.data)
        if isinstance(model, SvmSettings):
            if model.features != "action-units":
                raise RecipeError(
                    f"recipe {recipe.name!r} pairs {self.name!r} with {model.features!r}, which are features of sound",
                    'set data.corpus to "speech"',
                )
            return
        super().check(recipe)
        part = model.video if isinstance(model, AudioVideoSettings) else model
        is_full = isinstance(part, MvitSettings) and part.size == "small"
        if is_full and (data.n_frames, data.size_px) != (MVIT_FRAMES, MVIT_PX):
            raise RecipeError(
                f"mvit sees {MVIT_FRAMES} frames of {MVIT_PX} pixels, not {data.n_frames} of {data.size_px}",
                f"set data.n_frames={MVIT_FRAMES} and data.size_px={MVIT_PX}",
            )
        if isinstance(part, FrameLstmMelSettings) and data.sampling != "uniform":
            raise RecipeError(
                "frame-lstm-mel takes its frames to be spread over its sound", "set data.sampling=uniform"
            )

    def made_with(self, recipe: Recipe, dims: Mapping[str, int] | None) -> dict[str, Any]:
        """See Task."""
        return {"margin": cast(VideoDataSettings, recipe.data).margin}

    def decode(self, recipe: Recipe, corpora: Corpora, hook: Hook | None = None) -> VideoData:
        """See UtteranceTask."""
        return decode_video(cast(VideoDataSettings, recipe.data), corpora, recipe.model.uses_audio, hook)

    def augmentation(self, recipe: Recipe, network: BuiltNetwork) -> tuple[Augment, Augment | None]:
        """See UtteranceTask."""
        data = cast(VideoDataSettings, recipe.data)
        if not isinstance(network, AudioVideoNet | FrameLstmMel):
            return lambda frames, generator: augment_frames(frames, data, generator), None
        return clip_augmentation(data, network.sound_kind)

    def input_spec(self, recipe: Recipe, network: BuiltNetwork) -> InputSpec:
        """See Task."""
        settings = cast(VideoDataSettings, recipe.data)
        return InputSpec(
            kind="clip",
            size_px=settings.size_px,
            n_frames=settings.n_frames,
            sampling=settings.sampling,
            stride=settings.stride if settings.sampling == "strided" else None,
            frame_rate_hz=settings.rate_hz,
            margin=settings.margin,
            window_s=settings.sound.window_s,
            rate_hz=RATE_HZ if recipe.model.uses_audio else None,
            per_frame=recipe.model.per_frame,
        )

    def corpora(self, recipe: Recipe) -> tuple[Corpus[Any], ...]:
        """See Task."""
        return corpora_of(recipe)

    def examples(self, network: BuiltNetwork, spec: InputSpec, random: torch.Generator) -> list[Example]:
        """See Task."""
        return [_example(network, spec, n, random) for n in (2, 1)]


def _example(network: BuiltNetwork, spec: InputSpec, n: int, random: torch.Generator) -> Example:
    assert spec.n_frames is not None and spec.size_px is not None and spec.window_s is not None
    shape = (n, spec.n_frames, spec.size_px, spec.size_px, 3)
    frames = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)
    if network.inputs == ("frames",):
        return (frames,)
    return frames, voiced_example(n, spec.window_s), torch.tensor([[1.0, 1.0], [1.0, 0.0]])[:n]
