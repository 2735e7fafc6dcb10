"""The training step by hand: mixup, loss, groups of parameters, schedules, and clips of several windows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofuse.research.models.settings import VoiceNetSettings
from emofuse.research.models.voice import VoiceNet
from emofuse.research.recipes.recipe import TrainSettings
from emofuse.research.tasks.batches import Augment
from emofuse.research.training.module import Classifier, score_clips


class Linear(nn.Module):
    """The smallest network: its front end doubles, its classifier is one matrix."""

    inputs = ("rows",)
    feature_kind = "samples"

    def __init__(self) -> None:
        super().__init__()
        self.frontend = Double()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.frontend(x))

    def classify(self, features: Tensor) -> Tensor:
        return self.layer(features)


class AsItIs(nn.Identity):
    inputs = ("logits",)


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def classifier(
    network: nn.Module | None = None,
    augment: Augment = lambda x, _: x,
    features: Augment | None = None,
    class_weights: Tensor | None = None,
    class_prior: Tensor | None = None,
    **train: object,
) -> Classifier:
    settings = TrainSettings.model_validate({"mixup": 0.0, **train})
    torch.manual_seed(0)
    made = Classifier(network or Linear(), settings, 3, augment, features, 5, class_weights, class_prior)
    made.log = lambda *args, **kwargs: None  # there is no trainer to log to
    made._trainer = SimpleNamespace(enable_validation=True)
    return made


def test_the_prior_of_the_training_is_taken_out_of_the_logits() -> None:
    prior, target = torch.tensor([0.7, 0.2, 0.1]), torch.eye(3)
    silent = classifier(class_prior=prior, logit_adjustment=1.0)
    torch.nn.init.zeros_(silent.network.layer.weight)
    torch.nn.init.zeros_(silent.network.layer.bias)
    # a network that knows nothing is as good as the prior, and learns no bias from it
    for row, share in zip(target, prior, strict=True):
        loss = silent.training_step((torch.zeros(1, 3), row[None]), 0)
        assert loss.item() == pytest.approx(-share.log().item(), abs=1e-5)
    half = classifier(class_prior=prior, logit_adjustment=0.5)
    torch.testing.assert_close(half.logit_offset, prior.sqrt().log())
    without = classifier(class_prior=prior)
    assert torch.equal(without.logit_offset, torch.zeros(3))


def test_mixup_mixes_inputs_and_targets_by_the_same_share() -> None:
    target = torch.eye(3).repeat(20, 1)
    # inputs that are their own targets must stay so
    mixed, mixed_target = classifier(mixup=0.4)._mixup(target.clone(), target)
    torch.testing.assert_close(mixed, mixed_target)
    torch.testing.assert_close(mixed_target.sum(1), torch.ones(60))
    share = (mixed_target * target).sum(1)
    assert share.min() >= 0.5 - 1e-6  # the first of both is the larger part
    assert 0 < int((share < 0.95).sum()) < 60


def test_mixup_works_on_any_form_and_the_seed_decides() -> None:
    x, target = torch.rand(8, 5, 7), torch.eye(3)[torch.arange(8) % 3]
    first, second = classifier(mixup=0.4), classifier(mixup=0.4)
    mixed = first._mixup(x, target)[0]
    assert mixed.shape == x.shape
    assert torch.equal(second._mixup(x, target)[0], mixed)
    assert not torch.equal(first._mixup(x, target)[0], mixed)  # the next batch by another draw


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_with_the_distribution(smoothing: float) -> None:
    module = classifier(label_smoothing=smoothing)
    x, target = torch.rand(4, 3), torch.tensor([[0.7, 0.2, 0.1]] * 4)
    expected_target = target * (1 - smoothing) + smoothing / 3
    logits = module.network.layer(2 * x)
    expected = -(expected_target * torch.log_softmax(logits, 1)).sum(1).mean()
    torch.testing.assert_close(module.training_step((x, target), 0), expected)


def test_an_example_counts_for_the_weight_of_its_class() -> None:
    x, target = torch.rand(4, 3), torch.eye(3)[[0, 1, 2, 2]]
    weights = torch.tensor([1.0, 0.25, 4.0])
    module = classifier(class_weights=weights)
    each = -(target * weights * torch.log_softmax(module.network.layer(2 * x), 1)).sum(1)
    torch.testing.assert_close(module.training_step((x, target), 0), each.mean())
    torch.testing.assert_close(
        classifier(class_weights=torch.ones(3)).training_step((x, target), 0),
        classifier().training_step((x, target), 0),
    )
    assert "class_weights" not in module.state_dict()  # they belong to the data


def test_augmentation_works_before_and_after_the_front_end() -> None:
    module = classifier(augment=lambda x, _: x + 1, features=lambda x, _: x * 10)
    x, target = torch.rand(4, 3), torch.eye(3)[[0, 1, 2, 0]]
    expected = F.cross_entropy(module.network.layer(10 * 2 * (x + 1)), target)
    torch.testing.assert_close(module.training_step((x, target), 0), expected)


def test_nothing_is_augmented_in_evaluation() -> None:
    module = classifier(augment=lambda x, _: x * float("nan"), mixup=0.5)
    assert torch.isfinite(module.eval()(torch.rand(4, 3))).all()


def test_several_windows_of_a_clip_give_their_mean_log_probability() -> None:
    class Loudness(nn.Module):
        inputs = ("samples",)

        def forward(self, samples: Tensor) -> Tensor:
            return torch.stack([samples.mean(1), samples.amax(1), -samples.amin(1)], dim=1)

    samples = torch.rand(2, 4, 2_000) * torch.linspace(1, 9, 4)[None, :, None]
    module = classifier(Loudness())
    expected = torch.stack([torch.log_softmax(Loudness()(clip), 1).mean(0) for clip in samples])
    torch.testing.assert_close(module(samples), expected)


def test_validation_counts_accuracy_and_recall() -> None:
    module = classifier()
    module.network = AsItIs()
    guess = torch.tensor([0, 0, 0, 1, 2, 2])
    truth = torch.tensor([0, 0, 0, 0, 1, 2])
    module.validation_step((torch.eye(3)[guess], torch.eye(3)[truth]), 0)
    assert module.accuracy.compute().item() == pytest.approx(4 / 6)
    assert module.recall.compute().item() == pytest.approx((3 / 4 + 0 + 1) / 3)


def test_biases_and_norms_do_not_decay_and_the_pretrained_part_has_its_own_rate() -> None:
    network = VoiceNet(VoiceNetSettings(pretrained=None, hidden=8), 3)
    module = classifier(
        network, optimizer="adamw", lr=0.1, backbone_lr_scale=0.25, weight_decay=0.01, schedule="plateau"
    )
    optimizer = module.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, torch.optim.AdamW)
    names = {id(p): name for name, p in network.named_parameters()}
    seen = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            seen[names[id(parameter)]] = (group["weight_decay"], group["lr"])
    assert seen.keys() == set(names.values())
    for name, parameter in network.named_parameters():
        decay = 0.01 if parameter.ndim > 1 else 0.0  # biases and norms are vectors
        assert seen[name] == (decay, 0.025 if name.startswith("backbone.") else 0.1), name
    assert seen["backbone.0.1.weight"][0] == 0.0
    assert seen["head.2.bias"] == (0.0, 0.1)


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_the_optimizer_is_the_one_named(name: str, kind: type) -> None:
    assert type(classifier(optimizer=name, schedule="plateau").configure_optimizers()["optimizer"]) is kind


@pytest.mark.parametrize(("has_valid", "monitor"), [(True, "val_loss"), (False, "train_loss")])
def test_the_rate_falls_when_the_loss_has_not_for_as_long_as_asked(has_valid: bool, monitor: str) -> None:
    module = classifier(schedule="plateau", optimizer="adam", lr=0.1, plateau_patience=2, plateau_factor=0.25)
    module._trainer = SimpleNamespace(enable_validation=has_valid)
    made = module.configure_optimizers()
    assert made["lr_scheduler"]["monitor"] == monitor
    rates = []
    for loss in (1.0, 0.9, 0.95, 0.95, 0.95, 0.8):
        made["lr_scheduler"]["scheduler"].step(loss)
        rates.append(made["optimizer"].param_groups[0]["lr"])
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.025, 0.025])


def rates(n_steps: int, **train: object) -> list[float]:
    """Return the rate of each step of a training of 10 epochs, as a fraction of `lr`."""
    module = classifier(epochs=10, lr=1.0, **train)
    module._trainer = SimpleNamespace(estimated_stepping_batches=n_steps)
    schedule = module.configure_optimizers()["lr_scheduler"]["scheduler"]
    return [schedule.lr_lambdas[0](step) for step in range(n_steps)]


def test_the_rate_rises_and_falls_as_a_cosine() -> None:
    rate = rates(100, schedule="cosine", warmup_epochs=2)
    assert rate[:20] == pytest.approx([(i + 1) / 20 for i in range(20)])
    assert rate[60] == pytest.approx(0.5, abs=0.01)  # half of the way down
    assert rate[20:] == sorted(rate[20:], reverse=True)
    assert 0.001 <= rate[-1] < 0.003


def test_a_constant_rate_only_rises() -> None:
    rate = rates(100, schedule="constant", warmup_epochs=1)
    assert rate[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rate[10:] == [1.0] * 90
    assert rates(100, schedule="constant", warmup_epochs=0) == [1.0] * 100


class PerFrame(Linear):
    """Scores every frame by one matrix."""

    inputs = ("frames",)


def test_every_frame_learns_the_label_of_its_clip() -> None:
    module = classifier(PerFrame(), label_smoothing=0.1, class_weights=torch.tensor([1.0, 0.5, 2.0]))
    x, target = torch.rand(4, 5, 3), torch.tensor([[0.7, 0.2, 0.1], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    logits = module.network.layer(2 * x)
    assert logits.shape == (4, 5, 3)
    by_hand = [
        F.cross_entropy(logits[n, t][None], target[n][None], module.class_weights, label_smoothing=0.1)
        for n in range(4)
        for t in range(5)
    ]
    torch.testing.assert_close(module.training_step((x, target), 0), torch.stack(by_hand).mean())


def test_frames_of_a_clip_give_their_mean_log_probability_whatever_their_number() -> None:
    network, x = PerFrame(), torch.rand(2, 5, 3)
    expected = torch.stack([torch.log_softmax(network(clip), dim=1).mean(dim=0) for clip in x])
    torch.testing.assert_close(score_clips(network, x), expected)
    module = classifier(network)
    module.validation_step((x, torch.eye(3)[expected.argmax(dim=1)]), 0)
    assert module.accuracy.compute() == 1
    # three axes are windows for a network of samples alone
    assert score_clips(network, x[:, :1]).shape == (2, 3)


class Both(nn.Module):
    """Takes two kinds of numbers and whether they are there, and keeps what its classifier was given."""

    inputs = ("frames", "samples", "present")
    feature_kind = "frames+samples"

    def __init__(self) -> None:
        super().__init__()
        self.frontend = self.Frontend()
        self.layer = nn.Linear(5, 3)

    class Frontend(nn.Module):
        def forward(self, frames: Tensor, samples: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return frames.float() / 255, 10 * samples, present

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.classify(self.frontend(*inputs))

    def classify(self, features: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        self.given = features
        return self.layer(torch.cat(features[:2], dim=1))


def both(n: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(3)
    frames = torch.randint(0, 256, (n, 3), generator=random, dtype=torch.uint8)
    return frames, torch.rand(n, 2, generator=random), torch.ones(n, 2)


def test_networks_of_several_inputs_are_augmented_before_and_after_their_front_ends() -> None:
    seen: list[tuple[torch.dtype, ...]] = []

    def augment(inputs: tuple[Tensor, ...], random: torch.Generator) -> tuple[Tensor, ...]:
        frames, samples, present = inputs
        seen.append(tuple(one.dtype for one in inputs))
        return 255 - frames, samples + 1, present

    def features(made: tuple[Tensor, ...], random: torch.Generator) -> tuple[Tensor, ...]:
        frames, samples, present = made
        return frames, samples * 2, present

    network = Both()
    module = classifier(network, augment, features)
    frames, samples, present = both()
    target = torch.eye(3)[torch.arange(6) % 3]
    loss = module.training_step(((frames, samples, present), target), 0)
    assert seen == [(torch.uint8, torch.float32, torch.float32)]
    expected = ((255 - frames).float() / 255, 2 * 10 * (samples + 1), present)
    for given, wanted in zip(network.given, expected, strict=True):
        torch.testing.assert_close(given, wanted)
    torch.testing.assert_close(loss, F.cross_entropy(network.layer(torch.cat(expected[:2], dim=1)), target))


def test_mixup_mixes_all_inputs_of_an_example_with_those_of_one_other_by_one_share() -> None:
    target = torch.eye(3).repeat(20, 1)
    one, other = target.clone(), 5 * target.view(60, 1, 3)
    (mixed, mixed_other, present), mixed_target = classifier(mixup=0.4)._mixup((one, other, torch.ones(60, 2)), target)
    torch.testing.assert_close(mixed, mixed_target)
    torch.testing.assert_close(mixed_other, 5 * mixed_target.view(60, 1, 3))
    torch.testing.assert_close(present, torch.ones(60, 2))  # what is there in both is there


def test_several_inputs_are_scored_together() -> None:
    network, inputs = Both(), both()
    torch.testing.assert_close(score_clips(network, inputs), torch.log_softmax(network(*inputs), dim=1))
    module = classifier(network, mixup=0.5)
    module.validation_step((inputs, torch.eye(3)[network(*inputs).argmax(dim=1)]), 0)
    assert module.recall.compute() == 1
