"""What the licences of data and weights allow, as far as their names tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from emofuse.errors import BundleError
from emofuse.inference.bundle import FUSION, Bundle


class Licence(Enum):
    """Whether a licence allows commercial use. UNCLEAR: its name does not tell, or not of all that was used."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


class Source(NamedTuple):
    """Something that a network of a bundle was made of."""

    modality: str
    name: str
    licence: str

    @property
    def allows(self) -> Licence:
        """Whether it may be used commercially."""
        return allows_commerce(self.licence)


_FORBIDS: Final = re.compile(
    r"\bnc\b|non-?commercial|\bresearch only|\bfor research|no licen[cs]e|by agreement|on request", re.IGNORECASE
)
_ALLOWS: Final = re.compile(r"\b(cc0|cc[ -]by(?:[ -]sa)?|mit|apache|bsd|public domain|odbl|odc-by)\b", re.IGNORECASE)
_PARTIAL: Final = re.compile(r"\((?:labels|code)\)|\bover\b|owners' licences", re.IGNORECASE)  # of a part of it alone


def allows_commerce(licence: str) -> Licence:
    """Return whether a licence allows commercial use, by its name. It is a first look and no legal advice.

    Example:
        >>> allows_commerce("CC BY 4.0").value, allows_commerce("CC BY-NC-SA 4.0").value
        ('yes', 'no')
        >>> allows_commerce("MIT (labels), over web images").value
        'unclear'
    """
    if _FORBIDS.search(licence):
        return Licence.NO
    if not _ALLOWS.search(licence) or _PARTIAL.search(licence):
        return Licence.UNCLEAR
    return Licence.YES


def sources_of(bundle: Bundle) -> tuple[Source, ...]:
    """Return what each network of a bundle was made of: its data, and the weights that its training started from."""
    cards = {modality: bundle.card(modality) for modality in bundle.modalities}
    cards |= {} if bundle.head is None else {FUSION: bundle.head.card}
    own = [
        Source(modality, f"{source.name} ({source.part})" if source.part else source.name, source.licence)
        for modality, card in cards.items()
        for source in card.data
    ]
    own += [Source(name, bundle.manifest.modalities[name].file, "not stated") for name in bundle.added]
    hub = bundle.manifest.hub_text
    return (*own, *([Source("text", hub.model, "as stated on its page of the Hugging Face Hub")] if hub else []))


def in_the_way(sources: Iterable[Source]) -> list[Source]:
    """Return those that do not allow commercial use, or do not say so."""
    return [one for one in sources if one.allows is not Licence.YES]


def check_permissive(bundle: Bundle) -> None:
    """Raise BundleError where the data or the weights of a bundle do not allow commercial use."""
    found = in_the_way(sources_of(bundle))
    if not found:
        return
    raise BundleError(
        f"the bundle {bundle.manifest.name} may not be used commercially: {_listed(found)}",
        "`emofuse info --licences` lists all; the bundle `permissive` is made of what allows it",
    )


def _listed(found: Sequence[Source], most: int = 3) -> str:
    names = [f"{one.modality}: {one.name}, {one.licence}" for one in found[:most]]
    return "; ".join(names) + (f"; and {len(found) - most} more" if len(found) > most else "")
