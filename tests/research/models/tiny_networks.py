"""A small recipe of every network that there is, and what goes into it."""

from __future__ import annotations

from typing import Final, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from emofuse.preprocessing.pieces import INSIDE, SPECIAL
from emofuse.preprocessing.tokens import PADDING, UNKNOWN, WIDTH
from emofuse.research.models.fusion.base import FeatureLayout
from emofuse.research.models.fusion.settings import (
    AttentionFusionSettings,
    EarlyFusionSettings,
    FeatureNetSettings,
    GatedFusionSettings,
    TemporalFusionSettings,
    UnifiedSettings,
    UnimodalSettings,
)
from emofuse.research.models.minilm import MiniLm
from emofuse.research.models.registry import BuiltNetwork, build
from emofuse.research.models.settings import (
    AnyFaceNetSettings,
    AudioVideoSettings,
    ClipNetSettings,
    Cnn3dSettings,
    FaceMobileNetV2Settings,
    FaceNetSettings,
    FaceSequenceSettings,
    FrameLstmMelSettings,
    MelCnnSettings,
    MfccCnnSettings,
    MiniLmSettings,
    MvitSettings,
    R3dSettings,
    ResnetLstmSettings,
    ResnetTransformerSettings,
    SpeechNetSettings,
    TextNetSettings,
    VoiceNetSettings,
    WaveCnnSettings,
    WhisperVoiceSettings,
)
from emofuse.research.models.text import TextNet
from emofuse.research.recipes.data import (
    FaceDataSettings,
    FeatureDataSettings,
    TextDataSettings,
    VideoDataSettings,
    VoiceDataSettings,
)
from emofuse.research.recipes.recipe import Recipe, TrainSettings

LABELS = ("a", "b", "c", "d", "e")
N_FRAMES, PX = 3, 32  # of a clip
DIMS: Final = {"visual": 5, "acoustic": 7, "lexical": 6}  # features of each modality
N_STEPS: Final = 3  # of features
N_WORDS: Final = 20  # that a text network knows

# small where size does not matter; what a recipe may leave out is left out
_CNN3D = Cnn3dSettings(widths=(4, 6, 8), hidden=16)
_FACES = FaceSequenceSettings(hidden=8)
_MFCC_CNN = MfccCnnSettings(widths=(4, 6, 8), hidden=16)
_WAVE_CNN = WaveCnnSettings(widths=(6, 8, 12))
_SETTINGS = {
    "face": FaceNetSettings(widths=(4, 6, 8), blocks=(1, 2)),
    "face-mobilenet-v2": FaceMobileNetV2Settings(seen_px=96),
    "mfcc-cnn": _MFCC_CNN,
    "wave-cnn": _WAVE_CNN,
    "mel-cnn": MelCnnSettings(widths=(4, 6, 8)),
    "voice": VoiceNetSettings(pretrained=None, hidden=16),
    "voice-whisper": WhisperVoiceSettings(pretrained=None, width=32, heads=2, hidden=16),
    "cnn3d": _CNN3D,
    "resnet-lstm": ResnetLstmSettings(pretrained=False, resnet="resnet18", hidden=16),
    "resnet-transformer": ResnetTransformerSettings(pretrained=False, resnet="resnet18", width=16, heads=2),
    "r3d": R3dSettings(pretrained=False),
    "mvit": MvitSettings(pretrained=False, size="tiny"),
    "face-sequence": _FACES,
    "frame-lstm-mel": FrameLstmMelSettings(pretrained=False, hidden=16),
    "mfcc-cnn3d": AudioVideoSettings(video=_CNN3D, audio=_MFCC_CNN, width=16, hidden=16),
    "face-wave-gated": AudioVideoSettings(video=_FACES, audio=_WAVE_CNN, fusion="gated", width=16, hidden=16),
    "unimodal": UnimodalSettings(modality="acoustic", hidden=(16, 8)),
    "early-fusion": EarlyFusionSettings(hidden=(16, 8)),
    "gated-fusion": GatedFusionSettings(width=16),
    "attention-fusion": AttentionFusionSettings(width=16, heads=2, layers=2),
    "temporal-gru": TemporalFusionSettings(width=16, layers=2),
    "temporal-transformer": TemporalFusionSettings(width=16, heads=2, encoder="transformer"),
    "unified-transformer": UnifiedSettings(width=16, heads=2),
    "dialogue-gru": TemporalFusionSettings(width=16),
    "dialogue-attention": AttentionFusionSettings(width=16, heads=2),
    "dialogue-unified": UnifiedSettings(width=16, heads=2),
    "text": TextNetSettings(n_words=N_WORDS + 5, n_parts=20, width=8, channels=8, spans=(1, 3)),
    "minilm": MiniLmSettings(pretrained=None, n_pieces=256, layers=2, width=16, heads=2),
}
CLIP_NETWORKS = get_args(ClipNetSettings)
FEATURE_NETWORKS = get_args(FeatureNetSettings)
NETWORKS = (
    FaceNetSettings,
    FaceMobileNetV2Settings,
    TextNetSettings,
    MiniLmSettings,
    *get_args(SpeechNetSettings),
    *CLIP_NETWORKS,
    *FEATURE_NETWORKS,
)


def _recipe(name: str) -> Recipe:
    settings = _SETTINGS[name]
    data = VideoDataSettings() if isinstance(settings, CLIP_NETWORKS) else VoiceDataSettings()
    if isinstance(settings, AnyFaceNetSettings):
        data = FaceDataSettings()
    elif isinstance(settings, TextNetSettings | MiniLmSettings):
        data = TextDataSettings()
    elif isinstance(settings, FEATURE_NETWORKS):
        data = FeatureDataSettings(context=N_STEPS // 2 if name.startswith("dialogue") else 0)
    train = TrainSettings(mixup=0) if isinstance(settings, TextNetSettings | MiniLmSettings) else TrainSettings()
    return Recipe(name=name, seed=3, data=data, model=settings, train=train)


RECIPES = {name: _recipe(name) for name in _SETTINGS}
SEES_FRAMES = [name for name, settings in _SETTINGS.items() if isinstance(settings, CLIP_NETWORKS)]
OVER_FEATURES = [name for name, settings in _SETTINGS.items() if isinstance(settings, FEATURE_NETWORKS)]
EXPORTED = [name for name in _SETTINGS if name not in OVER_FEATURES]
HAS_BOTH = [name for name in SEES_FRAMES if isinstance(_SETTINGS[name], FrameLstmMelSettings | AudioVideoSettings)]
HEARS = [name for name in _SETTINGS if name in HAS_BOTH or isinstance(_SETTINGS[name], get_args(SpeechNetSettings))]
CAN_RECOMPUTE = [name for name in SEES_FRAMES if "gradient_checkpointing" in type(_SETTINGS[name]).model_fields]


def make(recipe: Recipe) -> BuiltNetwork:
    """Make a recipe's network with random weights; one over features is of DIMS, one of words knows N_WORDS."""
    asked = recipe.data.context or None if isinstance(recipe.data, FeatureDataSettings) else None
    network = build(recipe.model, len(LABELS), layout=FeatureLayout(DIMS, asked))
    if isinstance(network, TextNet):
        network.frontend.learn([range(UNKNOWN + 1, UNKNOWN + 1 + N_WORDS)], least=1)
    if isinstance(network, MiniLm):
        network.frontend.take((*SPECIAL, *(f"{INSIDE if i % 3 == 0 else ''}w{i}" for i in range(N_WORDS))))
    return network


def inputs(
    names: tuple[str, ...], n: int, duration_s: float = 1.0, n_frames: int = N_FRAMES, seed: int = 0
) -> tuple[Tensor, ...]:
    """Make a batch of n of what a network takes; no two rows are alike in contrast or colour of sound.

    Of every three rows one has no samples and one has no frames, where the network takes both; of features the first
    row has all modalities, and of the next rows each lacks one.
    """
    random = torch.Generator().manual_seed(100 * seed + n)
    if names[-1].endswith("_mask"):
        return _features(n, names[::2], random)
    made = {
        "faces": lambda: _pictures(n, 1, 48, random),
        "frames": lambda: _frames(n, n_frames, random),
        "samples": lambda: _sound(n, duration_s, random),
        "tokens": lambda: _texts(n, random),
        "pieces": lambda: _pieces(n, random),
    }
    if "present" not in names:
        return tuple(made[name]() for name in names)
    present = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]).repeat(n, 1)[:n]
    frames, samples = made["frames"](), made["samples"]()
    frames[present[:, 0] == 0] = 0
    samples[present[:, 1] == 0] = 0
    return frames, samples, present


def _texts(n: int, random: torch.Generator) -> Tensor:
    # the last few are unknown
    texts = torch.randint(UNKNOWN + 1, UNKNOWN + 4 + N_WORDS, (n, 9, WIDTH), generator=random)
    is_word = torch.arange(9) < torch.randint(2, 10, (n, 1), generator=random)
    return torch.where(is_word.unsqueeze(-1), texts, PADDING)


def _pieces(n: int, random: torch.Generator) -> Tensor:
    pieces = torch.randint(1, len(SPECIAL) + N_WORDS, (n, 9), generator=random)
    is_piece = torch.arange(9) < torch.randint(2, 10, (n, 1), generator=random)
    return torch.where(is_piece, pieces, PADDING)


def _features(n: int, modalities: tuple[str, ...], random: torch.Generator) -> tuple[Tensor, ...]:
    out = []
    for number, modality in enumerate(modalities):
        mask = torch.ones(n, N_STEPS)
        mask[number + 1 :: len(modalities) + 1] = 0
        out += [3 * torch.randn(n, N_STEPS, DIMS[modality], generator=random), mask]
    return tuple(out)


def _pictures(n: int, n_colours: int, size: int, random: torch.Generator) -> Tensor:
    coarse = torch.rand(n, n_colours, 6, 6, generator=random)
    fine = torch.rand(n, n_colours, size, size, generator=random)
    share = torch.rand(n, 1, 1, 1, generator=random)
    return 255 * (share * F.interpolate(coarse, size=size, mode="bilinear") + (1 - share) * fine)


def _frames(n: int, n_frames: int, random: torch.Generator) -> Tensor:
    pictures = _pictures(n * n_frames, 3, PX, random) * torch.rand(n * n_frames, 1, 1, 1, generator=random)
    return pictures.permute(0, 2, 3, 1).reshape(n, n_frames, PX, PX, 3).to(torch.uint8)


def _sound(n: int, duration_s: float, random: torch.Generator) -> Tensor:
    n_samples = round(duration_s * 16_000)
    noise = torch.randn(1, n, n_samples + 31, generator=random)
    coloured = F.conv1d(noise, torch.randn(n, 1, 32, generator=random), groups=n)[0]
    pulse = torch.arange(n_samples) * torch.rand(n, 1, generator=random) / 1000
    sound = 0.1 * (1 + torch.sin(pulse)) * coloured / coloured.std(dim=1, keepdim=True)
    return torch.where(torch.arange(n_samples) % 16_000 < 3_000, 0.0, sound)  # with pauses
