"""IEMOCAP (Busso et al., 2008, https://doi.org/10.1007/s10579-008-9076-6): ten actors, two of them in each session.

`IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav`: what the man of session 1 said in
a dialogue in which the woman's movements were recorded. Labels are in `dialog/EmoEvaluation`, words in
`dialog/transcriptions`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from emofuse.emotions import IEMOCAP_ANNOTATION
from emofuse.errors import CorpusError
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import files_below, read_files
from emofuse.research.corpora.utterance_names import IEMOCAP_LICENCE, read_name

SUFFIXES: Final = (".wav", ".flac")
LABELS: Final = "EmoEvaluation"
WORDS: Final = "transcriptions"
OTHERS: Final = ("dialog", "ForcedAlignment", "MOCAP_hand", "MOCAP_head", "MOCAP_rotated", "Documentation")
"""Folders of the release with other things than single utterances: what is in them is not listed as left out."""
_LABEL: Final = re.compile(r"\[(\d+\.\d+) - \d+\.\d+\]\t(\w+)\t(\w+)\t")
_WORDS: Final = re.compile(r"\b(\w+) \[[\d.]+-[\d.]+\]:(.*)")


@dataclass(frozen=True, slots=True)
class _Annotation:
    emotion: str
    start_s: float  # in its dialogue
    file: Path


def read_iemocap(folder: str | Path) -> Manifest:
    """Read the utterances below `folder`, dialogue after dialogue, in the order in which they were said.

    The emotion is the annotators' majority in three letters, `xxx` where there is none: to train on four of them,
    relabel to a set such as iemocap-4. A recording without a label, and a label without a recording, is in `skipped`.
    Raises CorpusError when there is no recording or no label.
    """
    root = Path(folder)
    labels, words = _annotations(root)
    if not labels:
        raise CorpusError(
            f"no labels of IEMOCAP under {root}", f"expected dialog/{LABELS}/Ses01F_impro01.txt and so on"
        )
    manifest = read_files(
        root,
        name="IEMOCAP",
        labels=IEMOCAP_ANNOTATION,
        licence=IEMOCAP_LICENCE,
        suffixes=SUFFIXES,
        understand=lambda path: _clip(path, labels, words),
        example="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav and so on",
    )
    recorded = {clip.path.stem for clip in manifest}
    skipped = [(path, reason) for path, reason in manifest.skipped if not set(path.parts) & set(OTHERS)]
    skipped += [(each.file, f"no recording of {name}") for name, each in labels.items() if name not in recorded]
    order = sorted(manifest, key=lambda clip: (clip.session, clip.dialogue, labels[clip.path.stem].start_s))
    return replace(manifest, clips=tuple(order), skipped=tuple(sorted(skipped)))


def _annotations(root: Path) -> tuple[dict[str, _Annotation], dict[str, str]]:
    """Return the label and the words of each utterance by its name."""
    files: dict[str, list[Path]] = defaultdict(list)
    for file in files_below(root, SUFFIXES)[0]:
        if file.suffix == ".txt" and file.parent.name in (LABELS, WORDS):
            files[file.parent.name].append(file)
    labels: dict[str, _Annotation] = {}
    words: dict[str, str] = {}
    for file in files[LABELS]:
        for start_s, name, emotion in _LABEL.findall(_text(file)):
            labels[name] = _Annotation(emotion, float(start_s), file)
    for file in files[WORDS]:
        words |= {name: words_of.strip() for name, words_of in _WORDS.findall(_text(file))}
    return labels, words


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CorpusError(f"cannot read {file}: {error.strerror or error}") from None


def _clip(path: Path, labels: dict[str, _Annotation], words: dict[str, str]) -> Clip | str:
    known = read_name(path.stem)
    if not known.speaker:
        return "the name is not session, dialogue, speaker and turn"
    if path.stem not in labels:
        return f"no label in {LABELS}"
    emotion = labels[path.stem].emotion
    if emotion not in IEMOCAP_ANNOTATION:
        return f"unknown: emotion {emotion}"
    return Clip(
        path=path,
        emotion=emotion,
        speaker=f"iemocap-{known.speaker}",
        sex=known.sex,
        language=known.language,
        session=known.session,
        licence=IEMOCAP_LICENCE,
        dialogue=known.dialogue,
        style=known.style,
        text=words.get(path.stem, ""),
    )


CORPUS: Final[Corpus[Manifest]] = Corpus(
    "iemocap",
    "IEMOCAP",
    IEMOCAP_LICENCE,
    IEMOCAP_ANNOTATION,
    read_iemocap,
    language="en",
    cautions=("Ten actors played and improvised the dialogues: scores on other people will be lower.",),
)
