"""A clip network inside the Analyzer: alone, beside others, in both modes, and where nobody is seen or heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.modalities.video import VideoModality
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.session import summarise
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.timeline import SourceInfo
from emofuse.types import AudioBlock, Face, Frame, Moment, Packet
from made_streams import Loud
from make_networks import bundle_of, clip_spec, plain, speech, write_clip_network

RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)
BOX = np.array([10, 10, 80, 90], np.float32)


class Told:
    """Finds a face in every picture that is not black, and a second, larger one where the last pixel is white."""

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        if not image[50, 50].any():
            return []
        first = Face(BOX, 0.9)
        return [first, Face(np.array([85, 0, 200, 120], np.float32), 0.9)] if (image[-1, -1] == 255).all() else [first]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OnnxNetwork]:
    folder = tmp_path_factory.mktemp("networks")
    specs = {
        "sees": clip_spec(),
        "sees and hears": clip_spec(rate_hz=RATE_HZ),
        "per frame": clip_spec(per_frame=True, sampling="strided", stride=2),
    }
    return {name: OnnxNetwork(write_clip_network(folder / f"{name}.onnx", spec)) for name, spec in specs.items()}


def tinted(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The same face in a light of some colour: the tracker knows it again, as it would not know a plain one."""
    coarse = np.random.default_rng(0).choice([10, 200], (5, 5, 1))
    grey = np.kron(coarse, np.ones((20, 20, 3), np.int64))
    return np.asarray(grey + np.array(colour) // 6, np.uint8)


def frames(colour: tuple[int, int, int], start_s: float, end_s: float, fps: int = 25) -> list[Packet]:
    image = tinted(colour) if any(colour) else plain(colour)
    return [Frame(image, start_s + i / fps) for i in range(round((end_s - start_s) * fps))]


def blocks(samples: NDArray[np.float32]) -> list[Packet]:
    return [AudioBlock(samples[i : i + 1600], RATE_HZ, i / RATE_HZ) for i in range(0, len(samples), 1600)]


def moments(bundle: Bundle, packets: list[Packet], **settings: object) -> list[Moment]:
    analyzer = Analyzer(bundle, Told(), AnalyzerSettings.model_validate(settings), speech=Loud())
    made = [m for packet in sorted(packets, key=lambda p: p.time_s) for m in analyzer.push(packet)]
    return made + analyzer.flush()


def test_a_bundle_of_a_clip_network_alone(networks: dict[str, OnnxNetwork]) -> None:
    made = moments(bundle_of(networks["sees"]), frames(RED, 0, 2) + frames(BLUE, 2, 4) + blocks(speech(4.0)))
    assert [m.time_s for m in made] == pytest.approx([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4.0], abs=0.05)
    assert all(set(m.by_modality) == {"clip"} for m in made)
    said = [m.fused.label for m in made if m.fused is not None]
    assert said == ["angry"] * 4 + [said[4]] + ["sad"] * 3
    assert made[-1].why == {"text": "no transcript"} | dict.fromkeys(
        ("face", "voice"), "the bundle has no network for it"
    )
    # a box has the label of the person it is around
    assert all(f.track_id == 1 and f.emotion is not None and m.fused is not None for m in made for f in m.faces)
    assert [f.emotion.label for m in made for f in m.faces if f.emotion is not None] == said


def test_in_frame_mode_every_frame_has_the_newest_answer(networks: dict[str, OnnxNetwork]) -> None:
    made = moments(bundle_of(networks["sees"]), frames(RED, 0, 1.6) + frames(BLUE, 1.6, 3.2), mode="frame")
    assert len(made) == 80
    assert all(m.fused is not None and m.fused.modality == "fused" for m in made)
    ends = [m.by_modality["clip"].end_s for m in made]
    assert sorted(set(ends)) == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    assert all(end <= m.time_s + 1e-6 < end + 0.5 + 1e-6 for end, m in zip(ends, made, strict=True))
    assert made[20].by_modality["clip"].label == "angry" and made[-1].by_modality["clip"].label == "sad"


def test_a_single_picture_is_answered_in_both_modes(networks: dict[str, OnnxNetwork]) -> None:
    for mode in ("queue", "frame"):
        made = moments(bundle_of(networks["sees"]), frames(RED, 0, 0.04), mode=mode)
        assert [m.time_s for m in made] == [0.0]
        assert made[0].fused is not None and made[0].fused.label == "angry"


def test_a_network_that_answers_for_every_frame_in_both_modes(networks: dict[str, OnnxNetwork]) -> None:
    """Its frames are 1/15 s apart, four of them: at 1.0 s two are red and the two newest blue."""
    packets = frames(RED, 0, 0.88) + frames(BLUE, 0.88, 1.5)
    by_mode = {mode: moments(bundle_of(networks["per frame"]), packets, mode=mode) for mode in ("queue", "frame")}
    at = {mode: next(m for m in made if m.time_s >= 1.0 - 1e-6) for mode, made in by_mode.items()}
    newest, mean = at["frame"].by_modality["clip"], at["queue"].by_modality["clip"]
    assert newest.label == "sad" and newest.confidence > 0.99
    assert mean.as_dict()["sad"] == pytest.approx(mean.as_dict()["angry"], abs=1e-3)


def test_in_frame_mode_a_network_that_answers_for_every_frame_is_asked_about_each(
    networks: dict[str, OnnxNetwork],
) -> None:
    """Its frames are 1/15 s apart: at 30 pictures a second every second one is asked about, not one a hop."""
    packets = frames(RED, 0, 0.5, fps=30) + frames(BLUE, 0.5, 1.0, fps=30)
    made = moments(bundle_of(networks["per frame"]), packets, mode="frame")
    ends = sorted({m.by_modality["clip"].end_s for m in made})
    assert max(np.diff(ends)) < 1 / 15 + 1e-6 and len(ends) == 16  # a hop is one of them
    labels = [m.by_modality["clip"].label for m in made]
    assert labels[14] == "angry" and labels[17] == "sad"  # long before the next hop


def test_a_lost_face(networks: dict[str, OnnxNetwork]) -> None:
    made = moments(bundle_of(networks["sees"]), frames(RED, 0, 2) + frames((0, 0, 0), 2, 4.5) + frames(GREEN, 4.5, 6))
    said = {round(m.time_s, 1): m.by_modality.get("clip") for m in made}
    assert said[2.5] is not None and said[2.5].label == "angry"
    assert said[3.5] is None and said[4.0] is None
    assert next(m for m in made if m.time_s == 4.0).why["clip"] == "no face found"
    assert said[5.5] is not None and said[5.5].as_dict()["disgust"] > 0.99  # nothing of the red is left
    assert said[2.0].quality > said[2.5].quality  # type: ignore[union-attr]


def test_two_people_the_one_in_front_is_watched(networks: dict[str, OnnxNetwork]) -> None:
    both = np.zeros((120, 200, 3), np.uint8)
    both[:, :83], both[:, 83:] = BLUE, RED
    both[-1, -1] = 255
    alone = np.zeros_like(both)
    alone[:, :83] = BLUE
    packets = [Frame(both if i < 50 else alone, i / 25) for i in range(125)]
    made = moments(bundle_of(networks["sees"]), list(packets))
    first, last = made[2], made[-1]
    assert first.by_modality["clip"].label == "angry"
    in_front, behind = sorted(first.faces, key=lambda f: -f.size_px)
    assert in_front.emotion is not None and in_front.emotion.label == "angry" and behind.emotion is None
    assert last.by_modality["clip"].label == "sad"
    assert {made[i].by_modality["clip"].label for i in range(len(made))} == {"angry", "sad"}  # never a mixture


def test_a_network_that_hears_answers_in_silence_in_the_dark_and_says_why_not_in_both(
    networks: dict[str, OnnxNetwork],
) -> None:
    bundle = bundle_of(networks["sees and hears"])
    voice, silence = blocks(speech(2.0)), blocks(np.zeros(2 * RATE_HZ, np.float32))
    dark = frames((0, 0, 0), 0, 2)
    assert moments(bundle, frames(RED, 0, 2) + silence)[-1].by_modality["clip"].label == "angry"
    assert moments(bundle, frames(RED, 0, 2))[-1].by_modality["clip"].label == "angry"
    assert moments(bundle, dark + voice)[-1].by_modality["clip"].label == "surprised"
    assert moments(bundle, voice)[-1].by_modality["clip"].label == "surprised"
    assert moments(bundle, dark + silence)[-1].why["clip"] == "no face found, no speech"
    assert moments(bundle, dark)[-1].why["clip"] == "no face found, no audio track"
    assert moments(bundle, silence)[-1].why["clip"] == "no picture, no speech"


def test_a_clip_network_beside_the_others_is_fused_by_its_weight(networks: dict[str, OnnxNetwork]) -> None:
    packets = frames(RED, 0, 2) + blocks(speech(2.0))
    base = load_bundle()
    fused = []
    for weight in (0.1, 100.0):
        last = moments(bundle_of(networks["sees"], weight=weight, base=base), packets)[-1]
        assert set(last.by_modality) == {"face", "voice", "clip"} and last.fused is not None
        assert all(face.emotion is not None and face.emotion.modality == "face" for face in last.faces)
        fused.append(last.fused.as_dict()["angry"])
    alone = moments(base, packets)[-1]
    assert alone.fused is not None and "clip" not in alone.why
    assert fused[0] < fused[1] and fused[1] > 0.95
    for modality in ("face", "voice"):
        # a certainty was not fitted beside this network, so its scores are as the networks gave them
        np.testing.assert_array_equal(alone.by_modality[modality].raw, last.by_modality[modality].probabilities)


def test_a_moment_knows_nothing_of_what_comes_after(networks: dict[str, OnnxNetwork]) -> None:
    bundle = bundle_of(networks["sees and hears"])
    packets = frames(RED, 0, 1.2) + frames(BLUE, 1.2, 4) + blocks(speech(4.0))
    whole, cut = moments(bundle, packets), moments(bundle, [p for p in packets if p.time_s < 2.0])
    for a, b in zip(whole[:3], cut[:3], strict=True):
        assert a.fused is not None and b.fused is not None
        np.testing.assert_array_equal(a.fused.probabilities, b.fused.probabilities)


def test_the_summary_speaks_of_clips_only_where_there_is_a_network(networks: dict[str, OnnxNetwork]) -> None:
    source = SourceInfo("x", 2.0, 100, 100, 25.0, False, True)
    bundle = bundle_of(networks["sees and hears"])
    silent = summarise(moments(bundle, frames((0, 0, 0), 0, 2)), source, Analyzer(bundle).answers)
    assert silent.why["clip"] == "no face found, no audio track" and silent.listed[-1] == "clip"
    seen = summarise(moments(bundle, frames(RED, 0, 2)), source, Analyzer(bundle).answers)
    assert seen.used == ["clip"] and seen.fused is not None and seen.fused.label == "angry"
    assert seen.why["face"] == "the bundle has no network for it"
    base = load_bundle()
    plain_summary = summarise(moments(base, frames(RED, 0, 1)), source, Analyzer(base).answers)
    assert plain_summary.listed == ("face", "voice", "text") and "clip" not in plain_summary.why


def test_memory_does_not_grow_with_the_stream(tmp_path: Path) -> None:
    spec = clip_spec(size_px=8, rate_hz=RATE_HZ, window_s=1.0)
    network = OnnxNetwork(write_clip_network(tmp_path / "clip.onnx", spec))
    analyzer = Analyzer(bundle_of(network), Told(), AnalyzerSettings(mode="frame"))
    sizes = []
    silence = blocks(np.zeros(8 * RATE_HZ, np.float32))
    for packet in sorted(frames(RED, 0, 8, fps=50) + silence, key=lambda p: p.time_s):
        analyzer.push(packet)
        (video,) = [one for one in analyzer._modalities if isinstance(one, VideoModality)]
        sizes.append(len(video._predictor._buffer._crops))
    assert max(sizes) <= 33 and len(analyzer._faces) == 1
    assert len(analyzer._sound.window(-1, 1e9)) <= 6 * RATE_HZ + 1600
