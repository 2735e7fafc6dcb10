"""The object that users hold: loaded once, the same answers as `emofuse.analyze`, and wrong options are ours."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

import emofuse
from emofuse.errors import BundleError, EmofuseError, MediaError, PacketError, UsageError
from emofuse.inference import pipeline as module
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.live import LiveSettings
from emofuse.inference.pipeline import Pipeline
from emofuse.inference.smoothing import SmoothingSettings
from emofuse.media import open_media
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.timeline import Timeline
from emofuse.types import AudioBlock, Frame, Line, Moment


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load()


def document(timeline: Timeline) -> dict[str, Any]:
    return {key: value for key, value in timeline.to_json().items() if key != "provenance"}


def test_analyze_is_its_shorthand_and_keeps_it_loaded(
    clip_mp4: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    real = module.load_bundle

    def counted(bundle: str | Path, device: str) -> Any:
        loads.append(f"{bundle} on {device}")
        return real(bundle, device)

    monkeypatch.setattr(module, "load_bundle", counted)
    module._kept.cache_clear()
    first, second = emofuse.analyze(clip_mp4, hop_s=1), emofuse.analyze(str(clip_mp4), hop_s=1, bundle="base")
    assert loads == ["base on cpu"]
    assert document(first) == {**document(second), "source": document(first)["source"]}
    assert document(pipeline(clip_mp4, hop_s=1)) == document(first)


def test_a_bundle_that_was_made_anew_is_loaded_anew(clip_mp4: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(BUNDLES / "base", own)
    before = emofuse.analyze(clip_mp4, bundle=own)
    manifest = (own / "fusion.json").read_text()
    assert '"name": "base"' in manifest
    (own / "fusion.json").write_text(manifest.replace('"name": "base"', '"name": "mine"'))
    after = emofuse.analyze(clip_mp4, bundle=own)
    assert (before.bundle["name"], after.bundle["name"]) == ("base", "mine")


@pytest.mark.parametrize(
    ("options", "names", "allowed"),
    [
        ({"hop_s": -1}, "hop_s", "greater than 0.02, not -1"),
        ({"hop_s": float("nan")}, "hop_s", "finite number, not nan"),
        ({"hop_s": float("inf")}, "hop_s", "inf"),
        ({"hop_s": "soon"}, "hop_s", "valid number"),
        ({"hop_s": [1]}, "hop_s", "valid number"),
        ({"hop_s": 1e9}, "hop_s", "less than or equal to 60"),
        ({"face_buffer_s": float("inf")}, "face_buffer_s", "finite"),
        ({"mode": "x"}, "mode", "'queue' or 'frame', not 'x'"),
        ({"mode": 3}, "mode", "'queue' or 'frame', not 3"),
        ({"hops": 1}, "hops", "did you mean 'hop_s'"),
        ({"colour": "red"}, "colour", "choose from mode, hop_s"),
        ({"smoothing": True}, "smoothing", "SmoothingSettings"),
        ({"text_model": "some/model"}, "text_model", "score(text, start_s, end_s)"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(
    pipeline: Pipeline, clip_mp4: Path, options: dict[str, Any], names: str, allowed: str
) -> None:
    for call in (pipeline.stream, lambda **o: pipeline(clip_mp4, **o), lambda **o: emofuse.analyze(clip_mp4, **o)):
        with pytest.raises(UsageError) as caught:
            call(**options)
        said = str(caught.value)
        assert names in said and allowed in said and "\n" not in said and "pydantic" not in said


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"device": "tpu"}, UsageError, "no device 'tpu' (choose one of auto, cpu, cuda)"),
        ({"device": None}, UsageError, "device: None"),
        ({"device": ["cpu"]}, UsageError, "device: ['cpu']"),
        ({"bundle": 3}, UsageError, "bundle: 3"),
        ({"bundle": None}, UsageError, "bundle: None"),
        ({"bundle": "none such"}, BundleError, "no bundle 'none such'"),
        ({"bundle": ""}, BundleError, "no bundle ''"),
        ({"bundle": "a\0b"}, BundleError, "no bundle"),
        ({"transcript": 5}, UsageError, "transcript: 5"),
        ({"transcript": "no.srt"}, UsageError, "no transcript no.srt"),
        ({"audio_track": 0}, UsageError, "audio_track: 0"),
        ({"audio_track": True}, UsageError, "audio_track: True"),
        ({"audio_track": "2"}, UsageError, "audio_track: '2'"),
        ({"audio_track": 9}, UsageError, "9"),
    ],
)
def test_wrong_arguments_of_analyze(
    clip_mp4: Path, arguments: dict[str, Any], error: type[EmofuseError], says: str
) -> None:
    with pytest.raises(error) as caught:
        emofuse.analyze(clip_mp4, **arguments)
    assert says in str(caught.value)


@pytest.mark.parametrize("path", [None, 3, b"clip.mp4", ["clip.mp4"], "", "no.mp4", "a\0b"])
def test_what_is_no_recording_is_our_error(pipeline: Pipeline, path: Any) -> None:
    for call in (pipeline, emofuse.analyze):
        with pytest.raises((UsageError, MediaError)) as caught:
            call(path)
        assert "\n" not in str(caught.value)


def test_a_pipeline_is_of_a_loaded_bundle() -> None:
    with pytest.raises(UsageError, match=r"Pipeline\.load"):
        Pipeline("base")  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [AnalyzerSettings, SmoothingSettings, LiveSettings])
def test_settings_refuse_as_options_do(settings: Any) -> None:
    with pytest.raises(UsageError, match=r"there is no option 'colour' \(given 'red'\) \(choose from "):
        settings(colour="red")
    name = next(n for n, f in settings.model_fields.items() if n != "mode" and f.annotation is not bool)
    for wrong in ("soon", float("nan"), -1, [1]):
        with pytest.raises(UsageError, match=f"^{name}: "):
            settings(**{name: wrong})


# From here on streams.


def pushed(pipeline: Pipeline, blocks: list[AudioBlock], **options: Any) -> list[Moment]:
    stream = pipeline.stream(**options)
    made = [moment for block in blocks for moment in stream.push(block)]
    return made + stream.finish()


@pytest.fixture(scope="module")
def voice(clip_mp4: Path) -> NDArray[np.float32]:
    """Return the demo's voice for 4 s, (T,) float32 at 16 kHz."""
    from emofuse.cli.demo import CLIP

    with open_media(CLIP) as media:
        return np.concatenate([p.samples for p in media if isinstance(p, AudioBlock)])[: 4 * RATE_HZ]


def at_rate(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    frame = AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = RATE_HZ
    resampler = AudioResampler(format="fltp", layout="mono", rate=rate_hz)
    parts = [out.to_ndarray()[0] for given in (frame, None) for out in resampler.resample(given)]
    return np.ascontiguousarray(np.concatenate(parts))


def in_blocks(samples: NDArray[np.float32], rate_hz: int, size: int, start_s: float = 0.0) -> list[AudioBlock]:
    return [AudioBlock(samples[i : i + size], rate_hz, start_s + i / rate_hz) for i in range(0, len(samples), size)]


def test_a_stream_gives_what_the_recording_gives(pipeline: Pipeline, clip_mp4: Path) -> None:
    whole = pipeline(clip_mp4, hop_s=0.5)
    stream = pipeline.stream(hop_s=0.5)
    with open_media(clip_mp4) as media:
        made = [moment for packet in media for moment in stream.push(packet)]
    made += stream.finish()
    assert [m.time_s for m in made] == [m.time_s for m in whole.moments]
    for one, other in zip(made, whole.moments, strict=True):
        assert one.fused is not None and other.fused is not None
        np.testing.assert_array_equal(one.fused.probabilities, other.fused.probabilities)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_sound_of_any_rate_is_resampled_at_its_own_times(
    pipeline: Pipeline, voice: NDArray[np.float32], rate_hz: int
) -> None:
    plain = pushed(pipeline, in_blocks(voice, RATE_HZ, 1024, start_s=2.0))
    other = pushed(pipeline, in_blocks(at_rate(voice, rate_hz), rate_hz, 1500, start_s=2.0))
    assert [round(m.time_s, 2) for m in other] == [round(m.time_s, 2) for m in plain]
    assert [set(m.by_modality) for m in other] == [set(m.by_modality) for m in plain]
    spoken = [(a, b) for a, b in zip(plain, other, strict=True) if "voice" in a.by_modality]
    assert len(spoken) >= 4
    for a, b in spoken:
        difference = np.abs(a.by_modality["voice"].probabilities - b.by_modality["voice"].probabilities).max()
        assert difference < 0.08 or rate_hz < RATE_HZ  # which has lost half of what a network hears


def test_the_size_of_the_blocks_makes_no_difference(pipeline: Pipeline, voice: NDArray[np.float32]) -> None:
    long = np.tile(voice, 3)  # 12 s, of which a buffer for 3 s keeps a quarter
    small, large, one = (pushed(pipeline, in_blocks(long, RATE_HZ, size)) for size in (1024, 16_000, len(long)))
    assert [m.time_s for m in small] == pytest.approx(np.arange(1, 25) / 2)
    for other in (large, one):
        assert [m.time_s for m in other] == [m.time_s for m in small]
        for a, b in zip(small, other, strict=True):
            assert set(a.by_modality) == set(b.by_modality)
            for modality, scores in a.by_modality.items():
                np.testing.assert_allclose(scores.probabilities, b.by_modality[modality].probabilities, atol=1e-6)


def test_channels_are_mixed(pipeline: Pipeline, voice: NDArray[np.float32]) -> None:
    plain = pushed(pipeline, in_blocks(voice, RATE_HZ, 1024))
    stereo = np.stack([voice, voice], axis=1)
    both = pushed(pipeline, in_blocks(stereo, RATE_HZ, 1024))
    for a, b in zip(plain, both, strict=True):
        assert set(a.by_modality) == set(b.by_modality)
        for modality, scores in a.by_modality.items():
            np.testing.assert_allclose(scores.probabilities, b.by_modality[modality].probabilities, atol=1e-5)


def test_channels_in_opposite_phase_are_no_silence_and_what_is_no_number_is(
    pipeline: Pipeline, voice: NDArray[np.float32]
) -> None:
    opposed = pushed(pipeline, in_blocks(np.stack([voice, -voice], axis=1), RATE_HZ, 1024))
    assert sum("voice" in m.by_modality for m in opposed) >= 4
    broken = voice.copy()
    broken[1000:40_000] = np.nan
    broken[50_000] = np.inf
    made = pushed(pipeline, in_blocks(broken, RATE_HZ, 1024))
    assert len(made) == 8 and all(np.isfinite(m.fused.probabilities).all() for m in made if m.fused is not None)


def test_smoothing_is_of_the_stream_too(pipeline: Pipeline, voice: NDArray[np.float32]) -> None:
    blocks = in_blocks(voice, RATE_HZ, 1024)
    plain = pushed(pipeline, blocks)
    steady = pushed(pipeline, blocks, smoothing=SmoothingSettings(time_constant_s=5.0, persistence=50.0))
    assert [m.time_s for m in steady] == [m.time_s for m in plain]
    last, steadied = plain[-1].fused, steady[-1].fused
    assert last is not None and steadied is not None
    assert np.abs(last.probabilities - steadied.probabilities).max() > 0.01


def test_a_stream_takes_packets_alone_and_ends_once(pipeline: Pipeline) -> None:
    stream = pipeline.stream()
    for wrong in (np.zeros(100, np.float32), "said", None, (1, 2)):
        with pytest.raises(PacketError, match="made of Frame, AudioBlock and Line"):
            stream.push(wrong)  # type: ignore[arg-type]
    assert stream.push(Line("hello there", 0.0, 0.5)) == []
    stream.push(Frame(np.zeros((32, 32, 3), np.uint8), 0.0))
    assert [m.time_s for m in stream.finish()] == [0.0]
    assert stream.finish() == []
    with pytest.raises(UsageError, match="the stream is over"):
        stream.push(Frame(np.zeros((32, 32, 3), np.uint8), 1.0))
