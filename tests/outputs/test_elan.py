"""ELAN documents, against the rules of the EAF 3.0 schema and what an annotator needs of them."""

from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from emofuse.outputs.elan import write_eaf
from emofuse.timeline import SourceInfo, Timeline
from make_timelines import TIMELINES, course, timeline

# The order of the schema's sequences, and the attributes that it requires.
ORDER = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LANGUAGE", "CONSTRAINT", "CONTROLLED_VOCABULARY"]
REQUIRED = {
    "ANNOTATION_DOCUMENT": {"DATE", "AUTHOR", "VERSION"},
    "MEDIA_DESCRIPTOR": {"MEDIA_URL", "MIME_TYPE"},
    "TIME_SLOT": {"TIME_SLOT_ID"},
    "TIER": {"TIER_ID", "LINGUISTIC_TYPE_REF"},
    "ALIGNABLE_ANNOTATION": {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"},
    "REF_ANNOTATION": {"ANNOTATION_ID", "ANNOTATION_REF"},
    "LINGUISTIC_TYPE": {"LINGUISTIC_TYPE_ID"},
    "LANGUAGE": {"LANG_ID"},
    "CONSTRAINT": {"STEREOTYPE"},
    "CONTROLLED_VOCABULARY": {"CV_ID"},
    "CV_ENTRY_ML": {"CVE_ID"},
    "CVE_VALUE": {"LANG_REF"},
    "DESCRIPTION": {"LANG_REF"},
    "PROPERTY": set(),
}
IDS = ("TIME_SLOT_ID", "ANNOTATION_ID", "LANG_ID", "CVE_ID")
REFERENCES = {
    "TIME_SLOT_REF1": "TIME_SLOT_ID",
    "TIME_SLOT_REF2": "TIME_SLOT_ID",
    "ANNOTATION_REF": "ANNOTATION_ID",
    "LINGUISTIC_TYPE_REF": "LINGUISTIC_TYPE_ID",
    "PARENT_REF": "TIER_ID",
    "CONTROLLED_VOCABULARY_REF": "CV_ID",
    "CONSTRAINTS": "STEREOTYPE",
    "CVE_REF": "CVE_ID",
    "LANG_REF": "LANG_ID",
}


def written(timeline: Timeline, path: Path) -> ElementTree.Element:
    write_eaf(timeline, path)
    return ElementTree.parse(path).getroot()


@pytest.mark.parametrize("name", TIMELINES)
def test_the_schema_is_met(name, tmp_path):
    root = written(TIMELINES[name], tmp_path / "x.eaf")
    places = [ORDER.index(child.tag) for child in root]
    assert places == sorted(places)
    for element in root.iter():
        assert set(element.attrib) >= REQUIRED.get(element.tag, set()), element.tag
    ids = [element.get(name) for element in root.iter() for name in IDS if element.get(name)]
    assert len(ids) == len(set(ids)) and all(i[0].isalpha() for i in ids)
    for reference, target in REFERENCES.items():
        known = {element.get(target) for element in root.iter()}
        assert {e.get(reference) for e in root.iter() if e.get(reference)} <= known, reference


def test_tiers_hold_the_segments_and_their_confidence(tmp_path):
    root = written(timeline(*course([("happy", 20), ("sad", 20)]), duration_s=4.0), tmp_path / "x.eaf")
    slots = {s.get("TIME_SLOT_ID"): int(s.get("TIME_VALUE")) for s in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    tiers = {tier.get("TIER_ID"): tier for tier in root.iter("TIER")}
    assert list(tiers) == ["fused", "fused confidence", "face", "face confidence"]
    found = [
        (slots[a.get("TIME_SLOT_REF1")], slots[a.get("TIME_SLOT_REF2")], a.findtext("ANNOTATION_VALUE"))
        for a in tiers["fused"].iter("ALIGNABLE_ANNOTATION")
    ]
    assert found == [(0, 1900, "happy"), (1900, 4000, "sad")]
    below = list(tiers["fused confidence"].iter("REF_ANNOTATION"))
    assert [a.findtext("ANNOTATION_VALUE") for a in below] == ["0.70", "0.70"]
    assert tiers["fused confidence"].get("PARENT_REF") == "fused"


def test_people_are_participants_and_labels_a_vocabulary(tmp_path):
    root = written(TIMELINES["many faces"], tmp_path / "x.eaf")
    people = {t.get("PARTICIPANT") for t in root.iter("TIER")} - {None}
    assert len(people) == 20 and "person 0" in people
    entries = [e.findtext("CVE_VALUE") for e in root.iter("CV_ENTRY_ML")]
    assert entries == list(TIMELINES["many faces"].labels)


def test_the_recording_is_found_from_the_document(tmp_path):
    recording = tmp_path / "in" / "Zoë & #1: 100%.wav"
    recording.parent.mkdir()
    recording.touch()
    (tmp_path / "out").mkdir()
    whole = TIMELINES["sound only"]
    source = SourceInfo(str(recording), 1.0, None, None, None, True, False)
    root = written(Timeline(whole.labels, whole.moments, source, whole.summary), tmp_path / "out" / "x.eaf")
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media.get("MEDIA_URL") == recording.as_uri()
    assert media.get("MIME_TYPE") == "audio/x-wav"
    relative = media.get("RELATIVE_MEDIA_URL")
    assert relative.startswith("./../in/Zo%C3%AB")
    assert (tmp_path / "out" / unquote(relative)).samefile(recording)
