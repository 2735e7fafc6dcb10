"""Why a modality said nothing: the words that a moment and a summary carry for people."""

from __future__ import annotations

from typing import Final

NO_AUDIO: Final = "no audio track"
NO_PICTURE: Final = "no picture"
NO_FACE: Final = "no face found"
NO_SPEECH: Final = "no speech"
LITTLE_SOUND: Final = "too little sound yet"
NO_TRANSCRIPT: Final = "no transcript"
NOTHING_SAID: Final = "nothing said"
UNREADABLE: Final = "the words are not English, or none that the network knows"
UNREADABLE_IN_ANY: Final = "the words are in no language that the network knows, or none that it knows"
NO_NETWORK: Final = "the bundle has no network for it"


def no_face(has_picture: bool) -> str:
    """Say why there was no face."""
    return NO_FACE if has_picture else NO_PICTURE


def no_speech(has_sound: bool) -> str:
    """Say why there was no speech."""
    return NO_SPEECH if has_sound else NO_AUDIO
