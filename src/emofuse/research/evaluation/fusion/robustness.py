"""How trained fusions do when modalities are taken away or corrupted at test time. Nothing is trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from emofuse.research.evaluation.fusion.settings import RobustnessSettings
from emofuse.research.evaluation.fusion.shapley import subsets_of
from emofuse.research.evaluation.protocols.folds import FoldTask
from emofuse.research.models.fusion.base import FeatureNet
from emofuse.research.models.fusion.frontend import DEVIATION
from emofuse.research.tasks.batches import test_loader
from emofuse.research.tasks.features import FeatureData
from emofuse.research.training.fit import load_weights, load_weights_into
from emofuse.research.training.jobs import utterance_job

Inputs = tuple[Tensor, ...]
_AT_ONCE: Final = 512  # utterances, which bounds the memory


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done to test clips.

    "only": modalities are those that are left. "noise" and "loss": modalities names the one that is corrupted, with
    noise of `strength` standard deviations of the training part, or by losing it in that share of the utterances.
    """

    what: Literal["only", "noise", "loss"]
    modalities: tuple[str, ...]
    strength: float = 0.0


def conditions(settings: RobustnessSettings, modalities: Sequence[str]) -> list[Condition]:
    """Return every subset but all and none, and every modality under every strength of noise and of loss."""
    subsets = [Condition("only", tuple(m for m in modalities if m in s)) for s in subsets_of(modalities)[1:-1]]
    noisy = [Condition("noise", (m,), strength) for m in modalities for strength in settings.noise]
    lossy = [Condition("loss", (m,), share) for m in modalities for share in settings.loss]
    return [*subsets, *noisy, *lossy]


def corrupt(
    inputs: Inputs,
    modalities: Sequence[str],
    condition: Condition,
    deviations: Mapping[str, Tensor],
    random: torch.Generator,
    steps_are_utterances: bool = False,
) -> Inputs:
    """Return a network's inputs as a condition leaves them.

    inputs: of each modality in turn x, (N, T, D), and mask, (N, T). deviations: (D,) of each modality in the training
    part. What is lost is lost by utterance: a row, or a step of it where the steps are utterances of a dialogue.
    """
    out: list[Tensor] = []
    for name, x, mask in zip(modalities, inputs[::2], inputs[1::2], strict=True):
        is_named = name in condition.modalities
        if condition.what == "only" and not is_named:
            x, mask = torch.zeros_like(x), torch.zeros_like(mask)
        elif condition.what == "noise" and is_named:
            x = x + condition.strength * deviations[name] * torch.randn(x.shape, generator=random)
        elif condition.what == "loss" and is_named:
            shape = mask.shape if steps_are_utterances else (len(mask), 1)
            stays = torch.rand(shape, generator=random) >= condition.strength
            x, mask = x * stays.unsqueeze(2), mask * stays
        out += [x, mask]
    return tuple(out)


def scores_under(
    task: FoldTask, data: FeatureData, listed: Sequence[Condition], settings: RobustnessSettings
) -> NDArray[np.float32]:
    """Return (K, N, C): the log-probabilities of a trained fold's N test clips under each of K conditions.

    All methods over the same data get the same noise, and lose the same, whatever their seeds: seeds that answer as one
    would otherwise make up for each other's losses.
    """
    network = trained_network(task, data)
    deviations = {m: network.frontend.get_buffer(DEVIATION + m) for m in data.modalities}
    draws = [(settings.seed, number, task.fold.test[0]) for number in range(len(listed))]
    randoms = [torch.Generator().manual_seed(int(np.random.SeedSequence(d).generate_state(1)[0])) for d in draws]
    of_dialogues = data.settings.context > 0
    parts = []
    with torch.no_grad():
        for inputs, _ in test_loader(data.batches(task.fold.test), _AT_ONCE):
            changed = [
                corrupt(inputs, data.modalities, condition, deviations, random, of_dialogues)
                for condition, random in zip(listed, randoms, strict=True)
            ]
            parts.append(torch.stack([F.log_softmax(network(*x).float(), dim=-1) for x in changed]).numpy())
    return np.concatenate(parts, axis=1)


def trained_network(task: FoldTask, data: FeatureData) -> FeatureNet:
    """Return the network that a fold's predictions are of, from its stored weights."""
    weights = task.folder / ("refit" if task.recipe.train.refit else ".") / "model.safetensors"
    network = cast(FeatureNet, utterance_job(task.recipe, data, task.fold).network)
    load_weights_into(network, load_weights(weights)[0], weights)
    return network.eval()
