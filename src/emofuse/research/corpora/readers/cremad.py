"""CREMA-D (Cao et al., 2014, https://doi.org/10.1109/TAFFC.2014.2336244): 91 actors, twelve sentences, six emotions.

`1001_IEO_ANG_HI.wav`: actor 1001, sentence, emotion, how intense. The emotion is the one that was acted, not the
one that most raters heard.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.emotions import CREMAD
from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "ODbL 1.0"
SUFFIXES: Final = (".wav", ".flac", ".mp4", ".flv", ".mp3")  # of one utterance in several forms, the first counts
EMOTIONS: Final = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
INTENSITIES: Final = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
SENTENCES: Final = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
ACTORS: Final = range(1001, 1092)
# the 43 that are female in the corpus's VideoDemographics.csv; its other 48 are male
# fmt: off
FEMALE: Final = frozenset({
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025, 1028, 1029, 1030, 1037,
    1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078,
    1079, 1082, 1084, 1089, 1091,
})
# fmt: on
_NAME: Final = re.compile(r"([0-9]{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")


def read_cremad(folder: str | Path) -> Manifest:
    """Read the sounds or films below `folder` (`AudioWAV`, `VideoFlash`, or any other).

    Where an utterance is there as sound and as film, the sound is read: for the films give their own folder.
    Raises CorpusError when no file has a CREMA-D name. A file that is left out is in `skipped`.
    """
    return read_files(
        Path(folder),
        name="CREMA-D",
        labels=CREMAD,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="1001_DFA_ANG_XX.wav and so on",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not actor, sentence, emotion, intensity"
    actor, sentence, emotion, intensity = match.groups()
    intensity = "XX" if intensity == "X" else intensity  # 1040_ITH_SAD_X.wav was published so
    known = {
        f"actor {actor}": int(actor) in ACTORS,
        f"sentence {sentence}": sentence in SENTENCES,
        f"emotion {emotion}": emotion in EMOTIONS,
        f"intensity {intensity}": intensity in INTENSITIES,
    }
    if not all(known.values()):
        return f"unknown: {', '.join(part for part, is_known in known.items() if not is_known)}"
    return Clip(
        path=path,
        emotion=EMOTIONS[emotion],
        speaker=f"cremad-{actor}",
        sex="female" if int(actor) in FEMALE else "male",
        statement=SENTENCES[sentence],
        language="en",
        intensity=INTENSITIES[intensity],
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus("cremad", "CREMA-D", LICENCE, CREMAD, read_cremad, language="en", style=ACTED)
