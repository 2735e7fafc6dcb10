"""The Analyzer on streams made by hand: a detector that sees what it is told to, and the networks that ship."""

import numpy as np
import pytest

from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.types import AudioBlock, Face, Frame, Moment, Packet
from made_streams import Loud, Told, merged


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


def picture(seed: int, has_face: bool = True) -> np.ndarray:
    image = np.random.default_rng(seed).integers(1, 255, (100, 100, 3), dtype=np.uint8)
    image[0, 0] = 255 if has_face else 0
    return image


def frames(n: int, rate: float = 25.0, start_s: float = 0.0, has_face: bool = True) -> list[Packet]:
    return [Frame(picture(0, has_face), start_s + i / rate) for i in range(n)]


def speech(seconds: float, start_s: float = 0.0, block_s: float = 0.064) -> list[Packet]:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 9))
    samples = (0.05 * wave * (1 + 0.3 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)
    size = round(block_s * RATE_HZ)
    return [AudioBlock(samples[i : i + size], RATE_HZ, start_s + i / RATE_HZ) for i in range(0, len(samples), size)]


def moments(bundle: Bundle, packets: list[Packet], **settings: object) -> list[Moment]:
    analyzer = Analyzer(bundle, Told(), AnalyzerSettings.model_validate(settings), speech=Loud())
    made = [m for packet in packets for m in analyzer.push(packet)]
    return made + analyzer.flush()


def test_queue_mode_gives_a_moment_every_hop_and_one_at_the_end(bundle: Bundle) -> None:
    made = moments(bundle, merged(frames(60), speech(2.4)), mode="queue", hop_s=0.5)
    assert [m.time_s for m in made] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.4])
    assert all("face" in m.by_modality and m.fused is not None for m in made)
    assert made[-1].why == {"text": "no transcript"}
    assert {f.track_id for m in made for f in m.faces} == {1}


def test_frame_mode_gives_a_moment_for_every_frame_at_its_time(bundle: Bundle) -> None:
    times = [0.0, 0.04, 0.05, 0.2, 0.9, 1.0]  # variable frame rate
    packets: list[Packet] = [Frame(picture(0), t) for t in times]
    made = moments(bundle, packets, mode="frame")
    assert [m.time_s for m in made] == times
    assert all(m.why["voice"] == "no audio track" for m in made)


def test_sound_alone_moves_by_hops_in_both_modes(bundle: Bundle) -> None:
    for mode in ("queue", "frame"):
        made = moments(bundle, speech(2.2), mode=mode)
        assert [m.time_s for m in made] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.2])
        assert all(set(m.by_modality) == {"voice"} for m in made[2:])
        assert all(m.why["face"] == "no picture" for m in made)


def test_the_voice_waits_for_half_a_window(bundle: Bundle) -> None:
    for mode in ("queue", "frame"):
        made = moments(bundle, speech(3.2), mode=mode)
        assert [m.time_s for m in made if "voice" in m.by_modality] == pytest.approx([1.5, 2.0, 2.5, 3.0, 3.2])
        assert [m.why["voice"] for m in made[:2]] == ["too little sound yet"] * 2
        assert made[0].fused is None


def test_a_recording_that_is_over_early_is_scored_once_at_its_end(bundle: Bundle) -> None:
    for seconds in (0.4, 1.0, 1.2):  # 1.0: a hop's moment is the last one
        made = moments(bundle, speech(seconds))
        assert [m.time_s for m in made if "voice" in m.by_modality] == pytest.approx([seconds])
    silent = [AudioBlock(np.zeros(16000, np.float32), RATE_HZ, 0.0)]
    assert [m.why["voice"] for m in moments(bundle, silent)] == ["too little sound yet", "no speech"]


def test_sound_that_has_ended_is_not_scored_by_its_last_second(bundle: Bundle) -> None:
    made = moments(bundle, merged(frames(120), speech(2.0)))
    assert [m.time_s for m in made if "voice" in m.by_modality] == pytest.approx([1.5, 2.0, 2.5, 3.0, 3.5])
    assert made[-1].why["voice"] == "no speech"


def test_reasons(bundle: Bundle) -> None:
    silent: list[Packet] = [AudioBlock(np.zeros(1600, np.float32), RATE_HZ, i / 10) for i in range(20)]
    made = moments(bundle, merged(frames(50, has_face=False), silent))
    assert all(m.fused is None and m.faces == () for m in made)
    assert made[-1].why == {"face": "no face found", "voice": "no speech", "text": "no transcript"}


def test_an_empty_stream_and_a_single_frame(bundle: Bundle) -> None:
    assert moments(bundle, []) == []
    for mode in ("queue", "frame"):
        made = moments(bundle, frames(1), mode=mode)
        assert [m.time_s for m in made] == [0.0]
        assert made[0].fused is not None


def test_a_face_that_left_is_forgotten(bundle: Bundle) -> None:
    packets = frames(25) + frames(75, start_s=1.0, has_face=False)
    made = moments(bundle, packets, hop_s=0.5)
    seen = {m.time_s: bool(m.faces) for m in made}
    assert seen[1.0] and seen[1.5]  # within the buffer of a second
    assert not seen[2.5] and not seen[3.5]


def test_sound_that_goes_on_after_the_picture_does_not_keep_its_faces(bundle: Bundle) -> None:
    made = moments(bundle, merged(frames(25), speech(4.0)))
    assert set(made[2].by_modality) == {"face", "voice"}
    assert set(made[-1].by_modality) == {"voice"}


def test_a_moment_knows_nothing_of_what_comes_after(bundle: Bundle) -> None:
    whole = moments(bundle, merged(frames(100), speech(4.0)))
    cut = moments(bundle, [p for p in merged(frames(100), speech(4.0)) if p.time_s < 2.0])
    for a, b in zip(whole[:3], cut[:3], strict=True):
        assert a.time_s == b.time_s and a.fused is not None and b.fused is not None
        np.testing.assert_array_equal(a.fused.probabilities, b.fused.probabilities)


def test_the_size_of_sound_blocks_does_not_matter(bundle: Bundle) -> None:
    fine = moments(bundle, speech(3.0, block_s=0.01))
    coarse = moments(bundle, speech(3.0, block_s=0.5))
    for a, b in zip(fine[2:], coarse[2:], strict=True):
        assert a.fused is not None and b.fused is not None
        np.testing.assert_allclose(a.fused.probabilities, b.fused.probabilities, atol=1e-5)


def test_a_jump_of_hours_makes_no_flood_of_moments(bundle: Bundle) -> None:
    made = moments(bundle, frames(25) + frames(25, start_s=20_000.0))
    assert len(made) < 10
    assert made[-1].time_s == pytest.approx(20_000.96)


def test_memory_does_not_grow_with_the_stream(bundle: Bundle) -> None:
    analyzer = Analyzer(bundle, Told(), AnalyzerSettings(mode="frame"), speech=Loud())
    sizes = []
    for packet in merged(frames(250, rate=10.0), speech(25.0)):
        analyzer.push(packet)
        sizes.append(
            sum(len(t.scores) for t in analyzer._faces.of_moment(packet.time_s)) + len(analyzer._sound.window(-1, 1e9))
        )
    assert max(sizes) < 11 * RATE_HZ + 50
    assert len(analyzer._faces) == 1


def test_view_shows_the_latest_frame(bundle: Bundle) -> None:
    analyzer = Analyzer(bundle, Told(), speech=Loud())
    assert analyzer.view(0.0).fused is None
    for packet in frames(20):
        analyzer.push(packet)
    view = analyzer.view(0.77)
    assert view.time_s == 0.77 and view.fused is not None
    assert view.faces[0].emotion is not None and view.faces[0].track_id == 1


def test_with_a_moment_for_every_frame_it_is_what_is_shown(bundle: Bundle) -> None:
    analyzer = Analyzer(bundle, Told(), AnalyzerSettings(mode="frame"), speech=Loud())
    n_shown = 0
    for packet in merged(frames(20), speech(0.8)):
        for moment in analyzer.push(packet):
            view = analyzer.view(moment.time_s)
            assert view.fused is moment.fused and len(view.faces) == len(moment.faces) == 1
            shown, said = view.faces[0].emotion, moment.faces[0].emotion
            assert shown is not None and shown is said  # of this frame, not of the seconds before
            n_shown += 1
    assert n_shown == 20


def test_the_larger_face_decides(bundle: Bundle) -> None:
    class Two(Told):
        def detect(self, image: np.ndarray) -> list[Face]:
            small = Face(np.array([5, 5, 20, 20], np.float32), 0.9)
            return [small, Face(np.array([25, 5, 98, 95], np.float32), 0.9)]

    analyzer = Analyzer(bundle, Two(), AnalyzerSettings(mode="frame"), speech=Loud())
    moment = [m for p in frames(10) for m in analyzer.push(p)][-1]
    large = max(moment.faces, key=lambda f: f.size_px)
    assert len(moment.faces) == 2 and large.emotion is not None
    np.testing.assert_allclose(moment.by_modality["face"].probabilities, large.emotion.probabilities, atol=0.05)
