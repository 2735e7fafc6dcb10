"""Encoders of sound of the Hugging Face Hub: wav2vec 2.0, HuBERT, WavLM, data2vec (as emotion2vec is), Whisper."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.assets import prepare_hub
from emofuse.errors import AssetError, UsageError
from emofuse.inference.own_model import HUB
from emofuse.media import resample
from emofuse.reading import first_line
from emofuse.research.corpora.cache import FeatureCache, content_hash
from emofuse.research.corpora.manifest import Clip
from emofuse.research.feature_sets.encoders import Encoder, Features, halved, heard, stretch
from emofuse.research.feature_sets.text_encoder import state_hash
from emofuse.research.models.frontends import RATE_HZ

VERSION: Final = 1  # to be raised when a change here changes what comes out
LONGEST_S: Final = 30.0  # of sound that is encoded at once; Whisper takes no more


class HubSoundEncoder(Encoder):
    """The last layer of an encoder of sound, averaged over steps of a clip that are equally long, about step_s.

    It is known by the hash of its weights, so that what the Hub has under its name tomorrow is not taken for it.
    """

    modality = "acoustic"

    def __init__(self, model: str, step_s: float, device: torch.device) -> None:
        """model: on the Hub, or its folder.

        Raises:
            UsageError: transformers is not installed, or the model does not encode sound.
            AssetError: There is no such model, or it cannot be had.
        """
        self.name = HUB + (Path(model).name if Path(model).is_dir() else model)  # which folder is of no matter
        self.device, self.cache, self.step_s = device, FeatureCache(), step_s
        self.network, self.extractor = _sound_network(model)
        self.network = self.network.to(device)
        self.rate_hz = int(self.extractor.sampling_rate)
        self.identity = {
            "encoder": self.name,
            "kind": str(self.network.config.model_type),
            "weights": state_hash(self.network),
            "step_s": step_s,
            "version": [VERSION],
        }

    def source(self, clip: Clip) -> str:
        """Return a hash of the sound."""
        return stretch(content_hash(clip.sound_file), clip)

    def encode(self, clip: Clip) -> Features:
        """Return (T, D), a row for each step."""
        samples = resample(heard(clip, self.cache), RATE_HZ, self.rate_hz)
        parts = np.array_split(samples, max(1, -(-len(samples) // round(LONGEST_S * self.rate_hz))))
        with torch.inference_mode():
            frames = torch.cat([self._frames(part) for part in parts])
        n_steps = min(len(frames), max(1, round(len(samples) / self.rate_hz / self.step_s)))
        edges = np.linspace(0, len(frames), n_steps + 1).round().astype(int).tolist()
        return halved(torch.stack([frames[a:b].mean(dim=0) for a, b in pairwise(edges)]))

    def _frames(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """Return (T, D) of at most LONGEST_S of sound."""
        given = self.extractor(samples, sampling_rate=self.rate_hz, return_tensors="pt")
        name = "input_features" if "input_features" in given else "input_values"
        found: torch.Tensor = self.network(given[name].to(self.device)).last_hidden_state[0]
        if name == "input_values":
            return found
        # Whisper's 30 s are filled up with silence: what is of that is left out
        share = len(samples) / self.rate_hz / (self.extractor.n_samples / self.extractor.sampling_rate)
        return found[: max(1, round(len(found) * min(1.0, share)))]


def _sound_network(model: str) -> tuple[Any, Any]:
    local_files_only = prepare_hub()
    try:
        from transformers import AutoFeatureExtractor, AutoModel
        from transformers.utils import logging
    except ImportError:
        raise UsageError(
            f"the encoder {model} needs transformers, which is not installed", "pip install 'emofuse[text]'"
        ) from None
    logging.disable_progress_bar()  # it draws one for reading a file
    options = {"trust_remote_code": False, "local_files_only": local_files_only}
    try:
        extractor: Any = AutoFeatureExtractor.from_pretrained(model, **options)
        network: Any = AutoModel.from_pretrained(model, **options).float().eval()
    except Exception as error:  # noqa: BLE001 (of several libraries, without a common base)
        hint = "name an encoder of sound on the Hub, or the folder that one was saved in"
        raise AssetError(f"no encoder {model}: {first_line(error)}", hint) from None
    if not hasattr(extractor, "sampling_rate"):
        raise UsageError(
            f"{model} encodes no sound: it is a {network.config.model_type}", "name wav2vec 2.0 or another"
        )
    return (network.encoder if network.config.is_encoder_decoder else network), extractor
