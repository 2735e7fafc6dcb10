"""The modalities, in the order in which results list them. A new one is a file and a line here."""

from __future__ import annotations

from typing import Final

from emofuse.errors import BundleError
from emofuse.inference.bundle import Bundle
from emofuse.inference.modalities.base import Modality, NotInBundle, StreamContext
from emofuse.inference.modalities.face import FaceModality
from emofuse.inference.modalities.text import TextModality
from emofuse.inference.modalities.video import VideoModality
from emofuse.inference.modalities.voice import VoiceModality

MODALITIES: Final[tuple[type[Modality], ...]] = (FaceModality, VoiceModality, TextModality, VideoModality)
"""Every modality that ships."""


def modalities_of(context: StreamContext) -> tuple[Modality, ...]:
    """Return the modalities of a stream, in the order of results: those that ship, and those that its bundle adds.

    Raises:
        BundleError: The bundle names a modality that is not known, or what it brings along is none.
    """
    bundle = context.bundle
    kinds = (*MODALITIES, *(_added(bundle, name) for name in bundle.added))
    known = [kind.name for kind in kinds]
    unknown = [name for name in bundle.manifest.modalities if name not in known]
    if unknown:
        hint = f"it is one of {', '.join(known)}, or one of your own, as module:NAME"
        raise BundleError(f"the bundle {bundle.manifest.name} names the modality {unknown[0]!r}", hint)
    return tuple(
        kind(context) if kind.is_in(bundle) else NotInBundle(context, kind.name)
        for kind in kinds
        if kind.is_always_listed or kind.is_in(bundle)
    )


def _added(bundle: Bundle, name: str) -> type[Modality]:
    kind = bundle.added[name]
    if not (isinstance(kind, type) and issubclass(kind, Modality)) or kind.name != name:
        file = bundle.manifest.modalities[name].file
        hint = f"it must be a subclass of emofuse.inference.modalities.base.Modality with the name {name!r}"
        raise BundleError(f"{file} is not the modality {name!r}", hint)
    return kind
