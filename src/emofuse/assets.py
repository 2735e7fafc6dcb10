"""Third-party weights by name: found in the user's folders or the cache, else downloaded and checked.

EMOFUSE_WEIGHTS   folders to look in first (separated as PATH is): how a machine without network is served
EMOFUSE_CACHE     where downloads are kept; the default is the platform's user cache
EMOFUSE_OFFLINE   1: never download, by whatever library
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from emofuse.errors import AssetError
from emofuse.reading import file_hash
from emofuse.staging import StagedPath

# An offline machine must hear so quickly; a slow connection may still take its time over the bytes.
_CONNECT_TIMEOUT_S: Final = 5.0
_READ_TIMEOUT_S: Final = 30.0
_CHUNK_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Asset:
    """One third-party file; one of the same name with another SHA-256 is never taken for it.

    sha256: all 64 hex digits, or the first 8 where a publisher names no more (torchvision writes them into the names
    of its files). Eight tell a broken or another file from the right one, but not a forged one: that such a file
    comes from its publisher rests on HTTPS, and it is only ever read in a way that runs no code.
    """

    name: str
    file: str
    url: str
    sha256: str
    licence: str
    about: str


_ASSETS = (
    Asset(
        name="mn04_as",
        file="mn04_as_mAP_432.pt",
        url="https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn04_as_mAP_432.pt",
        sha256="899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
        licence="MIT",
        about="EfficientAT mn04 (MobileNetV3, width 0.4) trained on AudioSet: 32 kHz, 128 mel bands",
    ),
    Asset(
        name="face_landmarker",
        file="face_landmarker.task",
        url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        licence="Apache-2.0",
        about="MediaPipe's face landmarker: 478 points and 52 blendshapes of a face",
    ),
    Asset(
        name="whisper_base",
        file="whisper-base-ct2.bin",
        url="https://huggingface.co/Systran/faster-whisper-base/resolve/main/model.bin",
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        licence="MIT",
        about="OpenAI's Whisper base, in CTranslate2's form: float16, 145 MB",
    ),
    Asset(
        name="minilm_l6",
        file="all-MiniLM-L6-v2.safetensors",
        url="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        licence="Apache-2.0",
        about="MiniLM of six layers, trained on pairs of sentences (all-MiniLM-L6-v2): 91 MB",
    ),
    Asset(
        name="minilm_l6_words",
        file="all-MiniLM-L6-v2-vocab.txt",
        url="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/vocab.txt",
        sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        licence="Apache-2.0",
        about="the pieces of words that all-MiniLM-L6-v2 reads",
    ),
)


def _torchvision(name: str, file: str, about: str, data: str) -> Asset:
    sha256 = file.removesuffix(".pth").rpartition("-")[2]
    licence = f"BSD-3-Clause (torchvision); the terms of {data} may apply to what was trained on it"
    return Asset(name, file, f"https://download.pytorch.org/models/{file}", sha256, licence, about)


_TORCHVISION = (
    _torchvision("resnet18", "resnet18-f37072fd.pth", "ResNet-18 trained on ImageNet (IMAGENET1K_V1)", "ImageNet"),
    _torchvision("resnet50", "resnet50-11ad3fa6.pth", "ResNet-50 trained on ImageNet (IMAGENET1K_V2)", "ImageNet"),
    _torchvision("r3d_18", "r3d_18-b3b3357e.pth", "R3D-18 trained on Kinetics-400 (KINETICS400_V1)", "Kinetics"),
    _torchvision("mvit_v2_s", "mvit_v2_s-ae3be167.pth", "MViTv2-S trained on Kinetics-400, 16 x 224", "Kinetics"),
)
ASSETS: Final = MappingProxyType({asset.name: asset for asset in (*_ASSETS, *_TORCHVISION)})


def find(name: str) -> Path:
    """Return the file of the weight called `name`, downloading it into the cache if it is nowhere yet.

    Looks in the folders of EMOFUSE_WEIGHTS, then in the cache, then asks the network. Shows a progress bar
    where standard error is a terminal. Raises AssetError, saying what was tried, where it cannot be had.
    """
    if name not in ASSETS:
        raise AssetError(f"there is no weight called {name!r}", f"known: {', '.join(sorted(ASSETS))}")
    asset = ASSETS[name]
    passed_over: list[str] = []
    for folder in (*_user_folders(), cache_folder()):
        path = folder / asset.file
        try:
            if not path.is_file():
                continue
            if _is_it(asset, path):
                return path
            passed_over.append(f"{path} has another SHA-256")
        except OSError as error:
            passed_over.append(f"{path} cannot be read: {error.strerror or error}")
    if is_offline():
        raise _cannot(asset, "EMOFUSE_OFFLINE forbids the download", passed_over)
    try:
        return _download(asset)
    except (OSError, ValueError) as error:
        # requests' exceptions are OSErrors; that the hash differs is a ValueError.
        raise _cannot(asset, _reason(asset, error), passed_over) from error


def cache_folder() -> Path:
    """Return the folder where downloads are kept: EMOFUSE_CACHE, or the platform's user cache."""
    chosen = os.environ.get("EMOFUSE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import pooch  # here, as in `_download`: it takes a fifth of the time in which all else is loaded

    return Path(pooch.os_cache("emofuse"))


def _user_folders() -> list[Path]:
    folders = os.environ.get("EMOFUSE_WEIGHTS", "").split(os.pathsep)
    return [Path(folder).expanduser() for folder in folders if folder]


def is_offline() -> bool:
    """Say whether EMOFUSE_OFFLINE forbids downloads."""
    return os.environ.get("EMOFUSE_OFFLINE", "").strip().lower() not in {"", "0", "no", "false"}


def prepare_hub() -> bool:
    """Bind the libraries of the Hugging Face Hub to what is promised here. Call it before they are imported.

    They report no use, and with EMOFUSE_OFFLINE they ask the network for nothing: neither for a model nor, with one
    that is here already, for whether there is a newer one.

    Returns:
        What to give their loaders as `local_files_only`.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if is_offline():
        os.environ["HF_HUB_OFFLINE"] = "1"
        constants = sys.modules.get("huggingface_hub.constants")
        if constants is not None:  # imported by somebody else, before the variable was set
            vars(constants)["HF_HUB_OFFLINE"] = True
    return is_offline()


def _is_it(asset: Asset, path: str | Path) -> bool:
    return file_hash(Path(path)).startswith(asset.sha256)


def _download(asset: Asset) -> Path:
    """Fetch into the cache under a temporary name and rename once the hash is right. Raises ValueError for another."""
    import pooch

    fetch = pooch.HTTPDownloader(
        progressbar=sys.stderr is not None and sys.stderr.isatty(),
        chunk_size=_CHUNK_BYTES,
        timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),
    )
    target = cache_folder() / asset.file
    target.parent.mkdir(parents=True, exist_ok=True)
    # pooch's own `retrieve` compares whole hashes only
    staged = StagedPath(target)
    try:
        fetch(asset.url, str(staged.path), None)
        if not _is_it(asset, staged.path):
            raise ValueError("another SHA-256")
        staged.publish()
    finally:
        staged.discard()
    return target


def _reason(asset: Asset, error: OSError | ValueError) -> str:
    host = urlsplit(asset.url).netloc
    status = getattr(getattr(error, "response", None), "status_code", None)
    kind = type(error).__name__
    if status is not None:
        return f"{host} answered {status}"
    if "Timeout" in kind:
        return f"{host} did not answer in time"
    if isinstance(error, ValueError):
        return f"what {host} sent has another SHA-256"
    if type(error).__module__.startswith(("requests", "urllib3")):
        return f"no connection to {host}"
    where = getattr(error, "filename", None) or cache_folder()
    return f"{where} cannot be written: {error.strerror or error}"


def _cannot(asset: Asset, reason: str, passed_over: list[str]) -> AssetError:
    why = "; ".join([reason, *passed_over])
    return AssetError(
        f"{asset.file} cannot be had: {why}",
        f"download {asset.url} as {asset.file} and name its folder in EMOFUSE_WEIGHTS",
    )
