"""Label sets, their mappings and their colours."""

import numpy as np
import pytest

from emofuse.emotions import BASE, COLOURS, EMODB, FERPLUS, RAVDESS, mapping_matrix, rgb
from emofuse.errors import UsageError


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
