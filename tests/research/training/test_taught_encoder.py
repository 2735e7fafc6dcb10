"""An encoder taught by the whole one: nearer to it on sound that it has not heard, made once, the same always."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from emofuse.errors import UsageError
from emofuse.research.models import narrowing, voice_whisper
from emofuse.research.models.settings import WhisperVoiceSettings
from emofuse.research.models.voice_whisper import WhisperEncoder, WhisperVoice
from emofuse.research.tasks import base, speech
from emofuse.research.tasks.registry import utterance_task
from emofuse.research.tasks.taught_encoder import at_other_speed, teach, told
from emofuse.research.training.jobs import load_utterances, utterance_job
from make_ravdess import tiny_recipe, write_ravdess

SETTINGS = WhisperVoiceSettings(
    pretrained="whisper_base",
    width=32,
    heads=2,
    hidden=8,
    taps=(1, 2),
    rank=6,
    pool=2,
    teacher_taps=(1, 2),
    teacher_versions=3,
    teacher_epochs=4,
)


def voices(n: int, seed: int) -> Tensor:
    """Draw tones that swell and fade, (n, 16000)."""
    random = torch.Generator().manual_seed(seed)
    time = torch.arange(16_000) / 16_000
    hertz = 100 + 2000 * torch.rand(n, 3, 1, generator=random)
    swell = 1 + torch.sin(2 * torch.pi * (1 + 5 * torch.rand(n, 1, generator=random)) * time)
    return 0.1 * swell * torch.sin(2 * torch.pi * hertz * time).mean(dim=1)


def whole_network() -> WhisperVoice:
    torch.manual_seed(5)
    return WhisperVoice(SETTINGS.of_teacher, 3).eval()


def error(pupil: WhisperVoice, teacher: WhisperVoice) -> float:
    """Return how far the statistics of sound that nobody learnt are off, in deviations."""
    mels = teacher.frontend(voices(60, seed=9))
    with torch.no_grad():
        made, wanted = pupil.embed(mels), teacher.embed(mels)
    return float(((made - wanted) / wanted.std(dim=0)).square().mean())


def test_it_comes_nearer_to_its_teacher_on_sound_that_it_has_not_heard() -> None:
    teacher, pupil = whole_network(), WhisperVoice(SETTINGS, 3)
    narrowing.narrow(teacher.backbone, pupil.backbone, [teacher.frontend(voices(64, seed=1))])
    before = error(pupil.eval(), teacher)
    heard: list[tuple[str, int, int]] = []

    def hook(step: str, completed: int, total: int) -> None:
        heard.append((step, completed, total))

    teach(pupil, teacher, told(voices(320, seed=2).split(32), 320, hook), n_epochs=8, seed=1, hook=hook)
    assert heard[:10] == [("asking the teacher, windows", n, 320) for n in range(32, 321, 32)]
    assert heard[10:] == [("teaching the encoder, batches", n, 80) for n in range(1, 81)]
    assert error(pupil, teacher) < 0.7 * before
    assert not any(weight.requires_grad for weight in pupil.backbone.parameters())


def test_a_handful_of_windows_teaches_too() -> None:
    teacher, pupil = whole_network(), WhisperVoice(SETTINGS, 3)
    before = [weight.clone() for weight in pupil.backbone.parameters()]
    teach(pupil, teacher, [voices(5, seed=4)], n_epochs=1, seed=1)
    assert any(not torch.equal(a, b) for a, b in zip(before, pupil.backbone.parameters(), strict=True))


def test_sound_at_other_speeds_keeps_its_length_and_its_level() -> None:
    sound = voices(4, seed=3)
    read = [at_other_speed(sound, torch.Generator().manual_seed(seed)) for seed in range(6)]
    assert all(one.shape == sound.shape and one.abs().max() <= sound.abs().max() + 1e-3 for one in read)
    crossings = [int((one.sign().diff() != 0).sum()) for one in (sound, *read)]
    assert len({*crossings}) == 7


def test_a_training_has_the_same_taught_encoder_each_time_and_makes_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, taught = whole_network().backbone, []

    def load(encoder: WhisperEncoder, path: Path) -> None:
        encoder.load_state_dict(whole.state_dict())

    def learn(*arguments: object, **named: object) -> None:
        taught.append(arguments)
        teach(*arguments, **named)  # type: ignore[arg-type]

    for module in (narrowing, voice_whisper):
        monkeypatch.setattr(module, "load_whisper", load)
    for module in (base, speech):
        monkeypatch.setattr(module, "find", lambda name: Path(name))
    monkeypatch.setattr(speech, "teach", learn)
    recipe = tiny_recipe(SETTINGS, {"versions": 1, "as_recorded": 1}, batch_size=6)
    clips = load_utterances(recipe, write_ravdess(tmp_path, range(1, 5)))
    steps: set[str] = set()
    utterance_task(recipe).make_shared(recipe, clips, lambda step, completed, total: steps.add(step))
    assert steps == {"asking the teacher, windows", "teaching the encoder, batches"}
    first, second = (utterance_job(recipe, clips, None).network.backbone.state_dict() for _ in range(2))
    assert len(taught) == 1
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], whole.state_dict()[name]) for name in first if name in whole.state_dict())
    other = recipe.model_copy(update={"model": SETTINGS.model_copy(update={"teacher_epochs": 1})})
    utterance_job(other, clips, None)
    assert len(taught) == 2


@pytest.mark.parametrize("changed", [{"rank": 0}, {"teacher_taps": (1,)}, {"teacher_taps": (2, 2)}])
def test_a_teacher_goes_with_a_rank_and_a_layer_for_each_tap(changed: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="teacher_taps goes with"):
        WhisperVoiceSettings(**{**SETTINGS.model_dump(), **changed})
