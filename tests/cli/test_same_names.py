"""The command and Python offer the same things under the same names; what only one of them has, has a reason."""

from __future__ import annotations

import inspect

import emofuse
from emofuse.cli.agree import agree
from emofuse.cli.analyze import analyze
from emofuse.inference.options import RecordingOptions

ONLY_THE_COMMAND = {
    "inputs": "the first argument, which Python calls path",
    "out": "Timeline.save",
    "formats": "Timeline.save, by the suffix",
    "overlay": "the annotated film, which the command alone writes",
    "overlay_lang": "as overlay",
    "blur_faces": "as overlay",
    "person": "as overlay",
    "smooth": "smoothing=SmoothingSettings()",
    "min_face": "min_face_px",
    "asr": "a transcript comes from transcripts.read_transcript or a recogniser of one's own",
    "asr_model": "as asr",
    "asr_language": "as asr",
    "jobs": "processes are the caller's in Python",
    "threads": "as jobs",
    "engine": "as jobs",
    "overwrite": "Timeline.save replaces",
    "fast": "every= and detect_period_s=",
    "groups": "Timelines.to_dataframe, and groupby",
    "persons": "a call with same_person=True for each person",
    "explains": "inference.explain",
    "quiet": "Python prints nothing",
    "verbose": "as quiet",
    "address": "as jobs",
    "start": "start_s",
    "end": "end_s",
    "permissive_only": "bundle= names the bundle",
}
ONLY_PYTHON = {
    "fps": "frames in memory",
    "channels": "arrays in memory",
    "progress": "the command has a bar",
    "on_error": "the command lists what failed, and goes on",
    "smoothing": "--smooth",
    "start_s": "--start",
    "end_s": "--end",
    "min_face_px": "--min-face",
    "face_buffer_s": "for those who build on it",
    "face_period_s": "as face_buffer_s",
    "text_window_s": "as face_buffer_s",
    "people": "the command tells people apart always",
}


def test_analyze_has_the_same_names() -> None:
    command = set(inspect.signature(analyze).parameters)
    python = set(RecordingOptions.__annotations__) | {"bundle", "device"}
    assert command - python - set(ONLY_THE_COMMAND) == set(), "name it in RecordingOptions, or say why not"
    assert python - command - set(ONLY_PYTHON) == set(), "give it an option, or say why not"
    assert python & set(ONLY_THE_COMMAND) == set() and command & set(ONLY_PYTHON) == set()


def test_agree_has_the_same_names() -> None:
    assert list(inspect.signature(agree).parameters) == list(inspect.signature(emofuse.agree).parameters)
