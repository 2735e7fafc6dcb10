"""Label sets, their mappings and their colours."""

import numpy as np
import pytest

from emofuse.emotions import (
    BASE,
    COLOURS,
    CREMAD,
    EMODB,
    FERPLUS,
    IEMOCAP_ANNOTATION,
    LABEL_MAPS,
    LABEL_SETS,
    MELD,
    RAVDESS,
    SAVEE,
    SPELLINGS,
    TESS,
    TO_BASE,
    label_map,
    map_label,
    mapping_matrix,
    rgb,
)
from emofuse.errors import CorpusError, UsageError


def test_ravdess_maps_label_by_label():
    matrix = mapping_matrix(RAVDESS, BASE)
    assert matrix.shape == (8, 7)
    assert matrix.dtype == np.float32
    carried = {label: BASE[int(row.argmax())] for label, row in zip(RAVDESS, matrix, strict=True)}
    assert carried == {label: label for label in BASE} | {"calm": "neutral"}
    assert matrix.sum(axis=1).tolist() == [1.0] * 8


@pytest.mark.parametrize(("source", "left_out"), [(FERPLUS, "contempt"), (EMODB, "boredom")])
def test_an_emotion_that_the_base_set_lacks_is_left_out(source, left_out):
    matrix = mapping_matrix(source, BASE)
    silent = [label for label, row in zip(source, matrix, strict=True) if row.sum() == 0]
    assert silent == [left_out]


def test_probabilities_are_carried():
    p = np.zeros(8, dtype=np.float32)
    p[RAVDESS.index("neutral")], p[RAVDESS.index("calm")], p[RAVDESS.index("sad")] = 0.25, 0.5, 0.25
    assert dict(zip(BASE, (p @ mapping_matrix(RAVDESS, BASE)).tolist(), strict=True)) == {
        **dict.fromkeys(BASE, 0.0),
        "neutral": 0.75,
        "sad": 0.25,
    }


def test_an_unknown_label_is_named():
    with pytest.raises(UsageError, match="'bliss'"):
        mapping_matrix(["bliss"], BASE)
    with pytest.raises(UsageError, match="maps to 'sad', which is not one of happy"):
        mapping_matrix(["sadness"], ["happy"])


def test_every_base_label_has_a_colour_of_its_own():
    assert set(COLOURS) == set(BASE)
    assert len({rgb(label) for label in BASE}) == len(BASE)
    assert rgb("happy") == (230, 159, 0)
    assert rgb("unheard of") == (153, 153, 153)


def test_the_sets_are_as_large_as_their_names_say():
    assert set(LABEL_SETS) == set(LABEL_MAPS)
    for name, labels in LABEL_SETS.items():
        assert len(set(labels)) == len(labels) == int(name.split("-")[1])


def test_happy_alone_differs_from_happy_and_excited_in_nothing_else():
    assert LABEL_SETS["iemocap-4-hap"] == LABEL_SETS["iemocap-4"]
    both, alone = LABEL_MAPS["iemocap-4"], LABEL_MAPS["iemocap-4-hap"]
    assert {label: (both[label], alone[label]) for label in both if both[label] != alone[label]} == {
        "excited": ("happy", None),
        "exc": ("happy", None),
    }


@pytest.mark.parametrize("name", LABEL_SETS)
def test_a_table_leads_into_its_set_and_keeps_the_sets_own_labels(name):
    assert {label for label in LABEL_MAPS[name].values() if label} == set(LABEL_SETS[name])
    assert all(map_label(label, name) == label for label in LABEL_SETS[name])


@pytest.mark.parametrize("name", LABEL_SETS)
@pytest.mark.parametrize("corpus", [RAVDESS, FERPLUS, EMODB, CREMAD, TESS, SAVEE, MELD, IEMOCAP_ANNOTATION, BASE])
def test_every_label_of_every_corpus_is_in_every_table(name, corpus):
    assert set(corpus) <= set(LABEL_MAPS[name])


def test_no_spelling_means_two_things():
    spellings = [spelling for each in SPELLINGS.values() for spelling in each]
    assert len(spellings) == len(set(spellings))
    assert all(meaning in spellings for meaning, spellings in SPELLINGS.items())


@pytest.mark.parametrize(
    ("corpus", "name", "expected"),
    [
        (RAVDESS, "basic-7", ("neutral", "neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")),
        (RAVDESS, "iemocap-4", ("neutral", "neutral", "happy", "sad", "angry", None, None, None)),
        (RAVDESS, "ekman-6", (None, None, "happy", "sad", "angry", "fearful", "disgust", "surprised")),
        (RAVDESS, "ravdess-7", (None, "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")),
        (EMODB, "ravdess-8", ("neutral", "happy", "sad", "angry", "fearful", "disgust", None)),
        (TESS, "savee-7", ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")),
        (FERPLUS, "meld-7", ("neutral", "joy", "surprise", "sadness", "anger", "disgust", "fear", None)),
        (
            IEMOCAP_ANNOTATION,
            "iemocap-4",
            ("neutral", "happy", "sad", "angry", "happy", None, None, None, None, None, None),
        ),
        (
            IEMOCAP_ANNOTATION,
            "basic-7",
            ("neutral", "happy", "sad", "angry", "happy", None, "fearful", "surprised", "disgust", None, None),
        ),
    ],
)
def test_a_corpus_label_by_label(corpus, name, expected):
    assert tuple(map_label(label, name) for label in corpus) == expected


def test_there_is_one_table_to_the_base_set():
    assert TO_BASE is LABEL_MAPS["basic-7"]
    assert label_map("basic-7") is TO_BASE


def test_a_label_that_no_table_knows_and_a_set_that_is_none_are_named():
    with pytest.raises(CorpusError, match="'bliss' cannot be mapped to iemocap-4"):
        map_label("bliss", "iemocap-4")
    with pytest.raises(UsageError, match="no label set 'plutchik-8'") as caught:
        map_label("sad", "plutchik-8")
    assert "ekman-6" in caught.value.hint
