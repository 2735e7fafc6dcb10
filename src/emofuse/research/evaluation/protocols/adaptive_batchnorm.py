"""The transductive variant: a network that has heard all of a speaker's test clips, without their labels.

Adaptive batch normalisation (Li et al., 2016, arXiv:1603.04779): the first norm of the classifier takes its mean and
deviation from the speaker at hand in place of those of the training speakers. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from emofuse.errors import UsageError
from emofuse.research.models.voice import VoiceNet
from emofuse.research.tasks.batches import Batch, VoiceBatches


def adapted_log_probabilities(
    network: nn.Module, clips: Dataset[Batch], speakers: Sequence[str]
) -> NDArray[np.float32]:
    """Return (N, C): the mean log-probability over each clip's windows, the network adapted to each speaker in turn.

    Raises UsageError for a network whose classifier does not begin with a norm.
    """
    if not isinstance(network, VoiceNet) or not isinstance(clips, VoiceBatches):
        raise UsageError(f"--transductive goes with voice-mobilenet, not with {type(network).__name__}")
    norm = cast(nn.BatchNorm1d, network.head[0])
    names = np.asarray(speakers)
    out = np.empty((len(clips), clips.targets.shape[1]), dtype=np.float32)
    with torch.no_grad():
        embedded = torch.stack([network.embed(network.frontend(clips[i][0])) for i in range(len(clips))])
        for name in np.unique(names):
            chosen = np.flatnonzero(names == name)
            own = embedded[torch.from_numpy(chosen)]
            n, k, d = own.shape
            logits = network.head[1:](_normalised(own.reshape(n * k, d), norm))
            out[chosen] = F.log_softmax(logits, dim=-1).view(n, k, -1).mean(dim=1).numpy()
    return out


def _normalised(rows: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """Normalise (N, D) by its own statistics, then scale and shift as the trained norm does."""
    return F.batch_norm(rows, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
