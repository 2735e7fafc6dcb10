"""Labels that do not flicker, and how often they change."""

import numpy as np
import pytest

from emofuse.inference.smoothing import LabelChanges, Smoother, SmoothingSettings
from emofuse.types import Face, Moment, Scores

LABELS = ("happy", "sad", "angry")


def scores(*p: float, modality: str = "fused") -> Scores:
    return Scores(modality, LABELS, np.array(p, np.float32), 0.0, 0.0, 0.7)


def moment(time_s: float, *p: float) -> Moment:
    return Moment(time_s, scores(*p) if p else None)


def labels(moments: list[Moment]) -> list[str | None]:
    return [m.fused.label if m.fused else None for m in moments]


def test_a_flicker_is_held_and_a_real_change_is_followed() -> None:
    smoother = Smoother()
    near = [(0.46, 0.44, 0.1), (0.44, 0.46, 0.1)]
    flicker = [moment(i / 25, *near[i % 2]) for i in range(50)]
    assert set(labels([smoother.push(m) for m in flicker])) == {"happy"}
    change = [smoother.push(moment(2 + i / 25, 0.1, 0.8, 0.1)) for i in range(25)]
    changed = labels(change)
    assert changed[0] == "happy" and changed[-1] == "sad"
    assert changed.index("sad") / 25 < 0.6  # seconds until a clear change shows
    assert labels(change) == sorted(changed)  # once


def test_the_label_is_the_most_probable_of_what_is_returned() -> None:
    random = np.random.default_rng(0)
    smoother = Smoother()
    for i in range(100):
        raw = random.dirichlet([1, 1, 1])
        steady = smoother.push(moment(i / 10, *raw)).fused
        assert steady is not None
        assert steady.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert steady.label == LABELS[int(steady.probabilities.argmax())]
        assert steady.quality == pytest.approx(0.7)


def test_after_a_silence_it_begins_anew_and_nothing_stays_nothing() -> None:
    smoother = Smoother()
    first = smoother.push(moment(0.0, 0.9, 0.05, 0.05))
    np.testing.assert_allclose(first.fused.probabilities, [0.9, 0.05, 0.05], atol=1e-6)  # type: ignore[union-attr]
    assert smoother.push(moment(1.0)).fused is None
    later = smoother.push(moment(10.0, 0.3, 0.4, 0.3))
    np.testing.assert_allclose(later.fused.probabilities, [0.3, 0.4, 0.3], atol=1e-6)  # type: ignore[union-attr]


def test_every_face_is_steadied_by_its_number_and_forgotten() -> None:
    def seen(time_s: float, one: tuple[float, ...], two: tuple[float, ...]) -> Moment:
        box = np.array([0, 0, 9, 9], np.float32)
        faces = [Face(box, 0.9, None, i, scores(*p, modality="face")) for i, p in ((1, one), (2, two))]
        return Moment(time_s, None, faces=tuple(faces))

    smoother = Smoother()
    for i in range(20):
        one = (0.5, 0.4, 0.1) if i % 2 else (0.4, 0.5, 0.1)
        steady = smoother.push(seen(i / 10, one, (0.1, 0.1, 0.8)))
    assert [face.emotion.label for face in steady.faces if face.emotion] == ["sad", "angry"]
    view = smoother.apply_to_view(seen(1.95, (1.0, 0.0, 0.0), (1.0, 0.0, 0.0)))
    assert [face.emotion.label for face in view.faces if face.emotion] == ["sad", "angry"]
    smoother.push(moment(60.0, 1.0, 0.0, 0.0))
    assert smoother._faces == {}


def test_without_persistence_and_inertia_nothing_is_changed() -> None:
    smoother = Smoother(SmoothingSettings(time_constant_s=1e-6, persistence=1))
    for i, p in enumerate([(0.5, 0.3, 0.2), (0.2, 0.5, 0.3), (0.5, 0.3, 0.2)]):
        steady = smoother.push(moment(i, *p)).fused
        assert steady is not None
        np.testing.assert_allclose(steady.probabilities, p, atol=1e-6)


def test_changes_are_counted_by_the_minute_of_the_stream() -> None:
    changes = LabelChanges()
    assert changes.per_minute == 0
    happy, sad = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1)
    for time_s, p in [(0, happy), (10, sad), (15, ()), (20, sad), (30, happy)]:
        changes.push(moment(time_s, *p))
    assert changes.n_changes == 2
    assert changes.per_minute == pytest.approx(4)
