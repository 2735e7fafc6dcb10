"""The conditions under which recordings are analysed when robustness is measured: one list, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from emofuse.research.evaluation.protocols import corrupt_picture as picture
from emofuse.research.evaluation.protocols import corrupt_sound as sound
from emofuse.research.evaluation.protocols.corrupt_picture import PictureChange
from emofuse.research.evaluation.protocols.corrupt_sound import SoundChange

Kind = Literal["as it is", "sound", "picture", "time", "removed"]
Stream = Literal["sound", "picture", "film", "words"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done to every recording.

    Attributes:
        name: What tables call it.
        kind: What it is done to; recordings that have no such thing are not measured under it.
        sound: Changes the sound.
        picture: Changes each picture.
        needs_faces: Whether `picture` is given the faces of each; else it is given none.
        step_s: Pictures are left out so that this much lies between two.
        sound_later_s: By so much the sound lies behind the picture; negative: ahead of it.
        without: What is taken away.
    """

    name: str
    kind: Kind
    sound: SoundChange | None = None
    picture: PictureChange | None = None
    needs_faces: bool = False
    step_s: float = 0.0
    sound_later_s: float = 0.0
    without: Stream | None = None


CLEAN: Final = Condition("as it is", "as it is")


def _sound(name: str, change: SoundChange) -> Condition:
    return Condition(name, "sound", sound=change)


def _picture(name: str, change: PictureChange, needs_faces: bool = False) -> Condition:
    return Condition(name, "picture", picture=change, needs_faces=needs_faces)


CONDITIONS: Final = (
    CLEAN,
    *(_sound(f"noise, {snr} dB", sound.add_noise(snr)) for snr in (20, 10, 5, 0)),
    *(_sound(f"babble, {snr} dB", sound.add_babble(snr)) for snr in (20, 10, 5, 0)),
    _sound("room, 0.3 s", sound.put_in_room(0.3, 0.0)),
    _sound("room, 0.7 s", sound.put_in_room(0.7, 4.0)),
    _sound("telephone band", sound.through_telephone),
    _sound("telephone, 8 kHz mu-law", sound.encode(sound.TELEPHONE)),
    _sound("Opus, 12 kbit/s", sound.encode(sound.OPUS)),
    _sound("MP3, 32 kbit/s", sound.encode(sound.MP3)),
    _sound("AAC, 24 kbit/s", sound.encode(sound.AAC)),
    *(_sound(f"{gain:+d} dB", sound.amplify(gain)) for gain in (-30, -15, 15)),
    *(_sound(f"clipped at {share:.0%} of the peak", sound.cut_peaks(share)) for share in (0.3, 0.1)),
    *(_picture(f"blur, {share:.0%} of the face", picture.blur(share), True) for share in (0.03, 0.07)),
    *(_picture(f"{light:.0%} of the light", picture.darken(light)) for light in (0.2, 0.03)),
    *(_picture(f"face of {px} pixels", picture.reduce_to(px), True) for px in (32, 20)),
    *(_picture(f"rotated by {degrees} degrees", picture.rotate(degrees), True) for degrees in (15, 30, 60)),
    *(_picture(f"JPEG, quality {quality}", picture.compress(quality)) for quality in (20, 5)),
    _picture("surgical mask", picture.put_on_mask, True),
    _picture("sunglasses", picture.put_on_sunglasses, True),
    _picture("hand before the mouth", picture.put_hand_before, True),
    *(Condition(f"{rate} pictures a second", "time", step_s=1 / rate) for rate in (15, 10, 5)),
    *(
        Condition(f"sound {abs(ms)} ms {'behind' if ms > 0 else 'ahead'}", "time", sound_later_s=ms / 1000)
        for ms in (-500, -250, -100, 100, 250, 500)
    ),
    Condition("without sound", "removed", without="sound"),
    Condition("without picture", "removed", without="picture"),
    Condition("without words", "removed", without="words"),
)
