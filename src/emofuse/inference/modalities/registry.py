"""The modalities, in the order in which results list them. A new one is a file and a line here."""

from __future__ import annotations

from typing import Final

from emofuse.inference.modalities.base import Modality
from emofuse.inference.modalities.face import FaceModality
from emofuse.inference.modalities.text import TextModality
from emofuse.inference.modalities.video import VideoModality
from emofuse.inference.modalities.voice import VoiceModality

MODALITIES: Final[tuple[type[Modality], ...]] = (FaceModality, VoiceModality, TextModality, VideoModality)
"""Every modality that ships."""
