"""Corpora under one set of labels, and several corpora as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from emofuse.emotions import LABEL_SETS, Labels, map_label
from emofuse.errors import CorpusError
from emofuse.research.corpora.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Relabelled:
    """A manifest whose emotions are of one label set; how each was mapped, and how many clips had no counterpart."""

    manifest: Manifest
    label_map: dict[str, str | None]
    left_out: Counter[str]


def relabel(manifest: Manifest, label_set: str, labels: Sequence[str] | None = None) -> Relabelled:
    """Map a manifest's emotions onto a set of `emotions.LABEL_SETS`, or onto some `labels` of it.

    Clips whose emotion has no counterpart are left out and counted. Raises CorpusError when none is left, and for
    an emotion that no table knows.
    """
    wanted: Labels = tuple(labels) if labels is not None else LABEL_SETS[label_set]
    table: dict[str, str | None] = {}
    for emotion in sorted({clip.emotion for clip in manifest}):
        mapped = _mapped(emotion, label_set, manifest)
        table[emotion] = mapped if mapped in wanted else None
    clips = []
    left_out: Counter[str] = Counter()
    for clip in manifest:
        mapped = table[clip.emotion]
        if mapped is None:
            left_out[clip.emotion] += 1
        else:
            clips.append(replace(clip, emotion=mapped))
    if not clips:
        raise CorpusError(f"{manifest.name} has no clip with a label of {label_set!r}: {', '.join(wanted)}")
    return Relabelled(replace(manifest, labels=wanted, clips=tuple(clips)), table, left_out)


def shared_labels(manifests: Sequence[Manifest], label_set: str) -> Labels:
    """Return the labels of a set that occur in every manifest. Raises CorpusError when these are fewer than two."""
    found = [{_mapped(clip.emotion, label_set, manifest) for clip in manifest} for manifest in manifests]
    shared = tuple(label for label in LABEL_SETS[label_set] if all(label in there for there in found))
    if len(shared) < 2:
        names = " and ".join(manifest.name for manifest in manifests)
        raise CorpusError(f"{names} share fewer than two labels of {label_set!r}")
    return shared


def _mapped(emotion: str, label_set: str, manifest: Manifest) -> str | None:
    try:
        return map_label(emotion, label_set)
    except CorpusError as error:
        raise CorpusError(f"{manifest.name}: {error.message}", error.hint) from None


def join(parts: Sequence[Relabelled]) -> Relabelled:
    """Put manifests of the same labels one after the other, with their maps and what they left out."""
    manifests = [part.manifest for part in parts]
    return Relabelled(
        Manifest(
            name=" + ".join(manifest.name for manifest in manifests),
            labels=manifests[0].labels,
            clips=tuple(clip for manifest in manifests for clip in manifest),
            licence="; ".join(dict.fromkeys(manifest.licence for manifest in manifests)),
            skipped=tuple(skipped for manifest in manifests for skipped in manifest.skipped),
        ),
        {old: new for part in parts for old, new in part.label_map.items()},
        sum((part.left_out for part in parts), Counter()),
    )
