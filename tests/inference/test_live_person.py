"""A live stream adapted to a person: from the past alone, little by little, and to nobody else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.emotions import BASE
from emofuse.inference.adaptation import PersonBaseline
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.bundle import load_bundle
from emofuse.inference.live import LiveSession, LiveSettings
from emofuse.inference.live_person import CausalPerson, NeutralPerson
from emofuse.inference.same_person import KnownPerson
from emofuse.provenance import Provenance
from emofuse.types import Face, Moment, Scores
from made_streams import Given, Loud, Told, voice

N = len(BASE)
ANGRY, SAD = BASE.index("angry"), BASE.index("sad")


def scores(modality: str, **odds: float) -> Scores:
    p = np.array([odds.get(label, 1.0) for label in BASE], np.float32)
    return Scores(modality, BASE, p / p.sum(), 0.0, 0.5)


def moment(time_s: float, *person_ids: int | None, **odds: float) -> Moment:
    faces = tuple(Face(np.array([0, 0, 50, 50], np.float32), 0.9, person_id=i) for i in person_ids)
    return Moment(time_s, None, {"voice": scores("voice", **odds), "text": scores("text", happy=9.0)}, faces)


@pytest.fixture(scope="module")
def answers() -> AnswerMaker:
    return AnswerMaker({"voice": 1.0, "text": 1.0}, "log")


def voice_of(one: Moment) -> NDArray[np.float32]:
    return one.by_modality["voice"].evidence


def test_what_came_before_is_taken_out_the_more_of_it_the_more(answers: AnswerMaker) -> None:
    person, known = CausalPerson(), PersonBaseline(N)
    for i in range(1, 601):  # five minutes of somebody who always sounds angry, and now and then sad
        taken = moment(i / 2, angry=8.0, sad=6.0 if i % 3 == 0 else 1.0)
        adapted = person.push(taken, answers)
        np.testing.assert_allclose(voice_of(adapted), known.correct(voice_of(taken)), atol=1e-5)
        np.testing.assert_array_equal(adapted.by_modality["text"].evidence, taken.by_modality["text"].evidence)
        known.add(voice_of(taken), 0.5 / 3 if i > 1 else 0.0)
    sad = person.view(moment(301.0, angry=8.0, sad=6.0), answers)
    assert BASE[int(voice_of(sad).argmax())] == "sad" and sad.fused is not None
    assert known.n_known == pytest.approx(299.5 / 3)


def test_a_short_clip_keeps_its_labels(answers: AnswerMaker) -> None:
    person = CausalPerson()
    course = [moment(i / 2, angry=4.0, sad=1.0 + i / 4) for i in range(1, 8)]
    adapted = [person.push(one, answers) for one in course]
    assert [voice_of(one).argmax() for one in adapted] == [voice_of(one).argmax() for one in course]
    np.testing.assert_array_equal(voice_of(adapted[0]), voice_of(course[0]))


def test_nothing_is_learnt_from_what_is_shown_and_a_pause_is_no_evidence(answers: AnswerMaker) -> None:
    person = CausalPerson()
    person.push(moment(0.5, angry=8.0), answers)
    for _ in range(100):
        person.view(moment(0.5, angry=8.0), answers)
    later = moment(1000.0, angry=8.0)
    np.testing.assert_array_equal(voice_of(person.push(later, answers)), voice_of(later))
    assert voice_of(person.view(later, answers))[ANGRY] < voice_of(later)[ANGRY]
    assert person._baselines["voice"].n_known == pytest.approx(1 / 3)  # a second at most


def test_another_person_than_that_of_the_baseline_is_left_as_they_are_and_told(answers: AnswerMaker) -> None:
    baseline = PersonBaseline(N, halfway=5.0)
    baseline.add(voice_of(moment(0.0, angry=8.0)), 10)
    known = KnownPerson("baseline", 1, {"voice": baseline})
    for has_face, ids, is_adapted in (
        (True, (1,), True),
        (True, (2, 1), True),
        (True, (), True),
        (True, (None,), True),
        (True, (2,), False),
        (False, (2,), True),
    ):
        person = NeutralPerson(known, has_face)
        for i in range(9):
            taken = moment(i / 2, *ids, angry=8.0)
            adapted = person.push(taken, answers)
        assert (voice_of(adapted)[ANGRY] < 0.9 * voice_of(taken)[ANGRY]) == is_adapted, ids
        assert person.another_s == (0 if is_adapted else 4.0)


def test_a_session_gives_adapted_moments() -> None:
    def moments(person: CausalPerson | None) -> list[Moment]:
        analyzer = Analyzer(load_bundle(), Told(), speech=Loud())
        settings = LiveSettings(max_delay_s=None)
        with LiveSession(analyzer, Given(voice(20.0)), settings=settings, person=person) as session:
            return [one for update in session for one in update.moments]

    person = CausalPerson()
    plain, adapted = moments(None), moments(person)
    heard = [i for i, one in enumerate(plain) if "voice" in one.by_modality]
    assert [one.time_s for one in plain] == [one.time_s for one in adapted]
    assert voice_of(adapted[heard[-1]]).max() < voice_of(plain[heard[-1]]).max()
    settings = person.stamped(Provenance.now("1", "emofuse live")).settings
    assert settings["same_person_causal"]["utterances_voice"] == pytest.approx(20 / 3, abs=0.5)
