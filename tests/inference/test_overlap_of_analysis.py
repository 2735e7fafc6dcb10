"""Decoding and drawing in threads of their own change nothing: not the answers, not what is drawn, not the errors."""

import hashlib
import itertools
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import emofuse
from emofuse.inference.analyzer import AnalyzerSettings, Mode
from emofuse.inference.bundle import load_bundle
from emofuse.inference.session import read_ahead, run
from emofuse.inference.vad import speech_in
from emofuse.media import STANDING_S, open_media
from emofuse.outputs.overlay import Overlay
from emofuse.overlap import WriteBehind
from emofuse.types import Frame, Moment


def in_one_line(path: Path, mode: Mode) -> object:
    """Analyse without any thread of ours."""
    with open_media(path, speech_s=speech_in, repeat_s=STANDING_S) as media:
        timeline = run(media, lambda: media.source, load_bundle(), AnalyzerSettings(mode=mode))
        return replace(timeline, provenance=None).to_json()


@pytest.mark.parametrize("mode", ["queue", "frame"])
def test_answers_are_the_same_to_the_bit(mode: Mode, clip_mp4: Path) -> None:
    before = threading.active_count()
    overlapped = replace(emofuse.analyze(clip_mp4, mode=mode), provenance=None).to_json()
    assert overlapped == in_one_line(clip_mp4, mode)
    assert threading.active_count() == before


@pytest.mark.load
@pytest.mark.corpus
@pytest.mark.parametrize("pattern", ["cremad/videos/*.flv", "ravdess_original/videos/Actor_05/*.mp4"])
def test_answers_for_real_clips_are_the_same_to_the_bit(pattern: str, corpora: Path) -> None:
    clips = sorted(corpora.glob(pattern))
    assert clips
    modes: tuple[Mode, ...] = ("queue", "frame")
    for clip, mode in zip(clips, itertools.cycle(modes), strict=False):
        assert replace(emofuse.analyze(clip, mode=mode), provenance=None).to_json() == in_one_line(clip, mode), clip


def test_what_is_drawn_is_the_same_to_the_bit(clip_mp4: Path) -> None:
    bundle, settings = load_bundle(), AnalyzerSettings()

    def sketch(shown: tuple[Frame, Moment]) -> None:
        drawn.append((shown[0].time_s, hashlib.sha256(overlay.draw(shown[0].image, shown[1])).hexdigest()))

    drawn: list[tuple[float, str]] = []
    overlay = Overlay()
    with open_media(clip_mp4) as media:
        run(media, media.source, bundle, settings, lambda frame, moment: sketch((frame, moment)))
    plain, drawn, overlay = drawn, [], Overlay()
    with open_media(clip_mp4) as media, WriteBehind(sketch, room=3) as behind, read_ahead(media) as packets:
        run(packets, media.source, bundle, settings, lambda frame, moment: behind.put((frame, moment)))
    assert drawn == plain and len(plain) > 30
