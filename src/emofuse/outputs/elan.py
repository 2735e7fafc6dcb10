"""A timeline as an ELAN annotation document (`.eaf`, format 3.0), for annotators."""

from __future__ import annotations

import os
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from emofuse.files import atomic_write
from emofuse.formatting import documentary
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.tiers import EmotionTier, WordsTier, emotion_tiers, words_tiers
from emofuse.timeline import SourceInfo, Timeline

_SCHEMA: Final = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_VOCABULARY: Final = "emotions"
_LANGUAGE: Final = "und"  # ELAN's own entry for vocabularies in no stated language
_LANGUAGE_URL: Final = "http://cdb.iso.org/lg/CDB-00130975-001"
# The four stereotypes that ELAN writes into every document, with its own words for them.
_CONSTRAINTS: Final = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed within this "
    "interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to the same parent "
    "are ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}
# What ELAN, which goes by this rather than by the suffix, knows.
_MIME_TYPES: Final = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".wav": "audio/x-wav",
}


def write_eaf(timeline: Timeline, path: str | os.PathLike[str], links: MediaLinks | None = None) -> None:
    """Write a tier of labels for the fused answer, each modality and each person, with confidences below each.

    What was said is in a tier for each speaker. Labels are of a controlled vocabulary, so that an annotator corrects
    one by choosing another; a confidence is tied to its annotation. links: where it finds the recording; by default,
    where that is now. Raises OutputError when `path` cannot be written.
    """
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "emofuse",
            "DATE": _date(timeline),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _XSI,
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    rows = emotion_tiers(timeline)
    links = links or MediaLinks.between(timeline.source.path, path)
    words = words_tiers(timeline)
    n_annotations = 2 * sum(len(row.segments) for row in rows) + sum(len(tier.lines) for tier in words)
    header = _add_header(root, timeline.source, links, n_annotations)
    for what, value in [] if timeline.provenance is None else timeline.provenance.entries():
        ET.SubElement(header, "PROPERTY", {"NAME": f"emofuse: {what}"}).text = value
    _add_tiers(root, rows, words)
    _add_types(root, timeline.labels)
    _make_well_formed(root)
    ET.indent(root, "    ")
    with atomic_write(path) as name:
        ET.ElementTree(root).write(name, encoding="UTF-8", xml_declaration=True)


def _date(timeline: Timeline) -> str:
    """Return when the timeline was made, or else now, as XML Schema writes it."""
    made = "" if timeline.provenance is None else timeline.provenance.created.replace("Z", "+00:00")
    return made or datetime.now().astimezone().isoformat(timespec="seconds")


def _add_header(root: ET.Element, source: SourceInfo, links: MediaLinks, n_annotations: int) -> ET.Element:
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    suffix = Path(source.path).suffix.lower()
    ET.SubElement(
        header,
        "MEDIA_DESCRIPTOR",
        {
            "MEDIA_URL": links.absolute,
            "MIME_TYPE": _MIME_TYPES.get(suffix, "video/*" if source.has_video else "audio/*"),
            "RELATIVE_MEDIA_URL": links.recording,
        },
    )
    ET.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"}).text = str(n_annotations)
    return header


def _add_tiers(root: ET.Element, rows: list[EmotionTier], words: list[WordsTier]) -> None:
    slots = ET.SubElement(root, "TIME_ORDER")
    ids = count(1)
    for row in rows:
        participant = {"PARTICIPANT": row.name} if row.kind == "person" else {}
        tier = ET.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": "emotion", **participant, "TIER_ID": row.name})
        below = ET.SubElement(
            root,
            "TIER",
            {"LINGUISTIC_TYPE_REF": "confidence", "PARENT_REF": row.name, **participant, "TIER_ID": _below(row.name)},
        )
        for segment in row.segments:
            start_ms = round(segment.start_s * 1000)
            bounds = [_add_slot(slots, ms) for ms in (start_ms, max(round(segment.end_s * 1000), start_ms + 1))]
            said, doubt = f"a{next(ids)}", f"a{next(ids)}"
            _add_value(
                tier,
                "ALIGNABLE_ANNOTATION",
                {
                    "ANNOTATION_ID": said,
                    "CVE_REF": _entry_id(segment.label),
                    "TIME_SLOT_REF1": bounds[0],
                    "TIME_SLOT_REF2": bounds[1],
                },
                segment.label,
            )
            reference = {"ANNOTATION_ID": doubt, "ANNOTATION_REF": said}
            _add_value(below, "REF_ANNOTATION", reference, f"{segment.confidence:.2f}")
    for spoken in words:
        tier = ET.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": "words", "TIER_ID": spoken.name})
        reached_ms = 0
        for line in spoken.lines:
            start_ms = max(round(line.start_s * 1000), reached_ms)  # those of one tier may not overlap
            reached_ms = max(round(line.end_s * 1000), start_ms + 1)
            refs = {f"TIME_SLOT_REF{i}": _add_slot(slots, ms) for i, ms in ((1, start_ms), (2, reached_ms))}
            _add_value(tier, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{next(ids)}", **refs}, line.text)
    # ELAN expects the slots in the order of time; their names say nothing.
    slots[:] = sorted(slots, key=lambda slot: int(slot.get("TIME_VALUE", "0")))


def _make_well_formed(root: ET.Element) -> None:
    """Replace what XML cannot hold, wherever it comes from: a label, a name, a command."""
    for element in root.iter():
        element.attrib.update({name: documentary(value) for name, value in element.items()})
        if element.text:
            element.text = documentary(element.text)


def _below(name: str) -> str:
    return f"{name} confidence"


def _entry_id(label: str) -> str:
    """Return an XML name for a label, whatever is in it: `cve_` and its bytes in hexadecimal digits."""
    return f"cve_{label.encode('utf-8', 'surrogatepass').hex()}"


def _add_slot(slots: ET.Element, time_ms: int) -> str:
    name = f"ts{len(slots) + 1}"
    ET.SubElement(slots, "TIME_SLOT", {"TIME_SLOT_ID": name, "TIME_VALUE": str(time_ms)})
    return name


def _add_value(tier: ET.Element, kind: str, attributes: dict[str, str], value: str) -> None:
    annotation = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), kind, attributes)
    ET.SubElement(annotation, "ANNOTATION_VALUE").text = value


def _add_types(root: ET.Element, labels: tuple[str, ...]) -> None:
    emotion = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "emotion", "TIME_ALIGNABLE": "true"}
    ET.SubElement(root, "LINGUISTIC_TYPE", {"CONTROLLED_VOCABULARY_REF": _VOCABULARY, **emotion})
    spoken = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "words", "TIME_ALIGNABLE": "true"}
    ET.SubElement(root, "LINGUISTIC_TYPE", spoken)
    confidence = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "confidence", "TIME_ALIGNABLE": "false"}
    ET.SubElement(root, "LINGUISTIC_TYPE", {"CONSTRAINTS": "Symbolic_Association", **confidence})
    language = {"LANG_DEF": _LANGUAGE_URL, "LANG_ID": _LANGUAGE, "LANG_LABEL": "undetermined (und)"}
    ET.SubElement(root, "LANGUAGE", language)
    for stereotype, description in _CONSTRAINTS.items():
        ET.SubElement(root, "CONSTRAINT", {"DESCRIPTION": description, "STEREOTYPE": stereotype})
    vocabulary = ET.SubElement(root, "CONTROLLED_VOCABULARY", {"CV_ID": _VOCABULARY})
    ET.SubElement(vocabulary, "DESCRIPTION", {"LANG_REF": _LANGUAGE})
    for label in labels:
        entry = ET.SubElement(vocabulary, "CV_ENTRY_ML", {"CVE_ID": _entry_id(label)})
        ET.SubElement(entry, "CVE_VALUE", {"DESCRIPTION": "", "LANG_REF": _LANGUAGE}).text = label
