"""What turns a clip into features: one encoder for each modality, with frozen weights that are known by their hash."""

from __future__ import annotations

import hashlib
import importlib
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import ClassVar, Final, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emofuse.assets import ASSETS, find
from emofuse.errors import AssetError
from emofuse.inference.detector import DetectorMaker
from emofuse.preprocessing.face_clip import choose_frames
from emofuse.research.corpora import face_clips
from emofuse.research.corpora.cache import FeatureCache, content_hash
from emofuse.research.corpora.face_clips import read_face_clip
from emofuse.research.corpora.manifest import Clip
from emofuse.research.models.face import read_exported
from emofuse.research.models.face_sequence import MARGIN, SHIPPED, FaceCrops
from emofuse.research.models.frames import IMAGENET, FrameEmbedding, ScaledFrames
from emofuse.research.models.frontends import HOP, RATE_HZ, SHORTEST_S, loudness
from emofuse.research.models.settings import VoiceNetSettings
from emofuse.research.tasks.speech import decoded_samples
from emofuse.research.training.svm import FEATURES_VERSION, OPENSMILE_SETS, audioset_network, opensmile_functionals
from emofuse.types import Json

Modality: TypeAlias = Literal["visual", "acoustic", "lexical"]
Features: TypeAlias = NDArray[np.float32] | NDArray[np.float16]

VERSION: Final = 1  # to be raised when a change here changes what comes out
FACE_PX: Final = {"face": 112, "resnet50": 224}  # of the crops; 112 are those that video networks are trained on


class NoFeatures(Exception):  # noqa: N818 - it is an answer that is counted, no error that a user meets
    """Says in a few words, the same for all such clips, why there are no features."""


class Encoder(ABC):
    """Turns clips into arrays (T, D). identity: all that these depend on beside the clip itself."""

    modality: ClassVar[Modality]
    name: str
    identity: Json

    @abstractmethod
    def source(self, clip: Clip) -> str:
        """Return a hash of what is encoded of a clip. Raises CorpusError where its file cannot be read."""

    @abstractmethod
    def encode(self, clip: Clip) -> Features:
        """Return (T, D). Raises NoFeatures, or CorpusError where the file is not whole or has nothing of the kind."""


class FaceEncoder(Encoder):
    """A network over face crops: T pictures spread over the clip. A face lost for a while is where it was."""

    modality = "visual"

    def __init__(self, name: str, n_frames: int, device: torch.device, make_detector: DetectorMaker) -> None:
        self.name, self.n_frames, self.device, self.make_detector = name, n_frames, device, make_detector
        network, weights = _resnet() if name == "resnet50" else _ferplus()
        self.network = network.to(device).eval()
        self.cache = FeatureCache()
        self.identity = {
            "encoder": name,
            "weights": weights,
            "n_frames": n_frames,
            "size_px": FACE_PX[name],
            "margin": MARGIN,
            "detector": type(make_detector()).__name__,
            "version": [VERSION, face_clips.VERSION],
        }

    def source(self, clip: Clip) -> str:
        return stretch(content_hash(clip.path), clip)

    def encode(self, clip: Clip) -> Features:
        size_px = FACE_PX[self.name]
        faces = read_face_clip(clip, size_px, MARGIN, self.make_detector, self.cache)
        if faces.fell_back:
            raise NoFeatures("no face was found")
        chosen = choose_frames(len(faces), min(self.n_frames, len(faces)), "uniform")
        frames = torch.from_numpy(faces.frames(chosen, size_px))[None].to(self.device)
        with torch.inference_mode():
            return halved(self.network(frames)[0])


class AudioSetEncoder(Encoder):
    """EfficientAT's mn04: its middle blocks pooled over each step, as "audioset" pools them over the utterance.

    The steps of a clip are equally long, about step_s, so that the last is none too short. How much a frame weighs
    depends on how loud it is beside those of the whole clip: nothing of what is silent is blown up.
    """

    modality, name = "acoustic", "audioset"

    def __init__(self, step_s: float, device: torch.device) -> None:
        self.step = step_s * RATE_HZ / HOP  # frames
        self.network = audioset_network().to(device)
        self.device, self.cache = device, FeatureCache()
        settings = VoiceNetSettings()
        self.identity = {
            "encoder": self.name,
            "weights": ASSETS[str(settings.pretrained)].sha256,
            "taps": list(settings.taps),
            "level": settings.level,
            "step_s": step_s,
            "version": [VERSION, FEATURES_VERSION],
        }

    def source(self, clip: Clip) -> str:
        return stretch(content_hash(clip.sound_file), clip)

    def encode(self, clip: Clip) -> Features:
        samples = torch.from_numpy(heard(clip, self.cache))[None].to(self.device)
        with torch.inference_mode():
            log_mel = self.network.frontend(samples)
            weights, n_frames = loudness(log_mel), log_mel.shape[2]
            edges = np.linspace(0, n_frames, max(1, round(n_frames / self.step)) + 1).round().astype(int).tolist()
            steps = [self.network.embed(log_mel[..., a:b], weights[..., a:b]) for a, b in pairwise(edges)]
            return halved(torch.cat(steps))


class OpensmileEncoder(Encoder):
    """openSMILE's functionals over the utterance: one step. What is undefined, as pitch in a whisper, is 0."""

    modality = "acoustic"

    def __init__(self, name: str) -> None:
        self.name, self.cache = name, FeatureCache()
        self.functionals = opensmile_functionals(name)
        self.identity = {
            "encoder": name,
            "set": OPENSMILE_SETS[name],
            "opensmile": str(importlib.import_module("opensmile").__version__),
            "version": [VERSION, FEATURES_VERSION],
        }

    def source(self, clip: Clip) -> str:
        return stretch(content_hash(clip.sound_file), clip)

    def encode(self, clip: Clip) -> Features:
        values = self.functionals(heard(clip, self.cache))
        return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)[None]


class _FerplusFrames(nn.Module):
    """The face network that ships, over each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.frontend = FaceCrops(MARGIN)
        self.network = read_exported(SHIPPED)

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, H, W, 3) uint8 RGB to (N, T, D)."""
        faces = self.frontend(frames)
        return self.network.embed(faces.flatten(0, 1)).view(*faces.shape[:2], -1)


def _ferplus() -> tuple[nn.Module, str]:
    return _FerplusFrames(), content_hash(SHIPPED)


def _resnet() -> tuple[nn.Module, str]:
    try:
        weights = find("resnet50")
    except AssetError as error:
        raise AssetError(error.message, f"{error.hint}, or choose --visual face, which ships") from None
    network = nn.Sequential(ScaledFrames(IMAGENET), FrameEmbedding("resnet50", weights=weights))
    return network, content_hash(weights)


def heard(clip: Clip, cache: FeatureCache) -> NDArray[np.float32]:
    """Return the sound of a clip, (T,) in [-1, 1] at RATE_HZ."""
    samples = decoded_samples(clip, cache)
    if len(samples) < SHORTEST_S * RATE_HZ:
        raise NoFeatures(f"the sound is shorter than {SHORTEST_S:g} s")
    return samples.astype(np.float32) / np.float32(32768)


def halved(values: Tensor) -> Features:
    """Return values as float16, half the size; as float32 where that would overflow."""
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array.astype(np.float16) if np.abs(array).max(initial=0.0) < np.finfo(np.float16).max else array


def stretch(content: str, clip: Clip) -> str:
    """Return a hash of the part of a file that a clip is. content: the hash of the file."""
    return hashlib.sha256(f"{content} {clip.start_s!r} {clip.end_s!r}".encode()).hexdigest()
