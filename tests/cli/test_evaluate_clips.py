"""Films and late fusions as people train and evaluate them: what is written, noted, and refused in one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file, save_file

from emofuse.research.evaluation.scores.predictions import read_predictions
from emofuse.research.evaluation.scores.report import read_report
from emofuse.research.tasks import clips as video
from emofuse.research.training.fit import load_weights
from make_films import EMOTIONS, RedSquares, write_film, write_films

pytestmark = pytest.mark.usefixtures("blank_figures")
Emofuse = Callable[..., Any]
TRAIN = """
[train]
epochs = 1
batch_size = 2
optimizer = "adam"
lr = 0.01
warmup_epochs = 0
mixup = 0
ema_decay = "none"
keep = "last"
"""
SEEN = f"""
name = "seen"
seed = 3
[data]
corpus = "video"
n_frames = 4
valid_speakers = 1
sound = {{ window_s = 0.6 }}
[model]
name = "cnn3d"
widths = [4]
hidden = 8
{TRAIN}"""
BOTH = (
    SEEN.replace('"seen"', '"both"')
    .replace('name = "cnn3d"', 'name = "audio-video"\nwidth = 8\n[model.video]\nname = "cnn3d"')
    .replace("\n[train]", '\n[model.audio]\nname = "mfcc-cnn"\nwidths = [4]\nhidden = 8\nn_frames = 16\n[train]')
)
MACHINE = '[data]\ncorpus = "video"\n[model]\nname = "svm"\nfeatures = "action-units"\n'
FUSED = 'name = "fused"\nseed = 3\n[data]\ncorpus = "video"\nvalid_speakers = 1\n[model]\nname = "late-fusion"\n'
QUICK = ("--protocol", "actor-2fold", "--jobs", "1")
N_ACTORS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a made RAVDESS of six actors' films, and their action units."""
    root = write_films(tmp_path_factory.mktemp("corpora"), range(1, N_ACTORS + 1))
    rows = ["name;AU04_r;AU12_r"]
    for actor in range(1, N_ACTORS + 1):
        for emotion in EMOTIONS:
            rows.append(f"01-01-{emotion:02}-01-01-01-{actor:02};{emotion + actor / 9};{-emotion + actor / 5}")
    (root / "ravdess" / "action_units.csv").write_text("\n".join(rows))
    return root


@pytest.fixture(autouse=True)
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder of recipes, with no corpora but those that are asked for, and faces that need no weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMOFUSE_DATA", raising=False)
    monkeypatch.setattr(video, "YuNetDetector", RedSquares)
    texts = {"seen": SEEN, "both": BOTH, "machine": f'name = "machine"\n{MACHINE}'}
    texts["straight"] = f'name = "straight"\n{MACHINE}kernel = "linear"\n'
    texts["fused"] = f'{FUSED}members = ["seen.toml", "machine.toml"]\n'
    texts["machines"] = f'{FUSED}members = ["straight.toml", "machine.toml"]\n'.replace('"fused"', '"machines"')
    for name, text in texts.items():
        Path(f"{name}.toml").write_text(text)


def one_line(result: Any, code: int, says: str) -> None:
    assert (result.code, result.out) == (code, "")
    (line,) = (line for line in result.err.splitlines() if not line.startswith("note: "))
    assert line.startswith("error: ") and says in line


NOTE = "clips: 0 without a face, where the whole picture is used; 0 with several people"


def test_films_are_cross_validated(emofuse: Emofuse, data: Path) -> None:
    result = emofuse("evaluate", "seen.toml", *QUICK, "--data", data, "-o", "out")
    assert result.code == 0, result.err
    assert f"note: 12 {NOTE}" in result.err
    stamp = read_report("out").stamp
    assert (stamp.corpus, stamp.leaky, sum(fold.n_test for fold in stamp.folds)) == (
        "RAVDESS speech film with sound",
        False,
        12,
    )
    assert read_predictions("out/predictions.csv").clips[0] == "Actor_01/01-01-03-01-01-01-01.mp4"


@pytest.mark.load
def test_a_network_that_hears_and_sees_is_trained(emofuse: Emofuse, data: Path) -> None:
    result = emofuse("train", "both.toml", "--data", data, "--validate")
    assert result.code == 0, result.err
    assert result.out == "runs/both/model.safetensors: epoch 1, nothing selected\n"
    assert result.err.splitlines() == [
        f"note: 12 {NOTE}, where who is most in view counts; the face was lost in 0 pictures; "
        "not used: action_units.csv: not one of .mp4, .avi, .wav, .flac",
        "note: ravdess-06 validate",
    ]
    _, recipe, labels = load_weights("runs/both/model.safetensors")
    assert (recipe.model.name, len(labels)) == ("audio-video", 8)


def test_a_late_fusion_is_cross_validated_with_its_members(emofuse: Emofuse, data: Path) -> None:
    result = emofuse("evaluate", "fused.toml", *QUICK, "--data", data, "-o", "out")
    assert result.code == 0, result.err
    assert result.err.count(f"note: 12 {NOTE}") == 1  # members see the same
    report = read_report("out")
    assert report.stamp.selection.startswith("weights of the log-probabilities by the validation speakers; seen: none")
    assert sorted(path.name for path in Path("out").iterdir() if path.is_dir()) == ["machine", "seen"]
    assert "weights of the log-probabilities" in Path("out/report.md").read_text()
    assert "fused on RAVDESS speech film with sound" in result.out


def test_transductive_members_leave_a_report_of_their_own(emofuse: Emofuse, data: Path) -> None:
    result = emofuse("evaluate", "machines.toml", *QUICK, "--data", data, "--transductive", "-o", "out")
    assert result.code == 0, result.err
    assert read_report("out/transductive").stamp.transductive
    assert read_report("out/transductive").stamp.command.endswith("--transductive")
    result = emofuse("evaluate", "fused.toml", *QUICK, "--data", data, "--transductive", "-o", "none")
    one_line(result, 2, "--transductive goes with voice-mobilenet and svm, not with cnn3d")
    assert not Path("none").exists()


def test_a_fusion_is_compared_with_its_members(emofuse: Emofuse, data: Path) -> None:
    result = emofuse("compare", "machine.toml", "machines.toml", *QUICK, "--data", data, "-o", "out")
    assert result.code == 0, result.err
    assert "machines" in Path("out/comparison/comparison.md").read_text()


def test_recipes_of_films_and_of_sound_alone_are_not_compared(emofuse: Emofuse, data: Path) -> None:
    Path("heard.toml").write_text(f'name = "heard"\n{MACHINE}'.replace('"video"', '"speech"'))
    result = emofuse("compare", "machine.toml", "heard.toml", *QUICK, "--data", data, "-o", "out")
    one_line(result, 2, "machine, heard are not tested on the same corpus under the same labels")
    assert not Path("out").exists()


def test_a_late_fusion_is_trained_where_it_is_tested(emofuse: Emofuse, data: Path) -> None:
    one_line(emofuse("train", "fused.toml", "--data", data), 2, "late-fusion is trained where it is tested")
    assert not Path("runs").exists()


WRONG: dict[str, tuple[list[str], int, str]] = {
    "member": (["lost.toml"], 2, "no recipe at gone.toml"),
    "pair": (["seen.toml", "model.name=mfcc-cnn"], 2, "recipe 'seen' pairs 'video' with 'mfcc-cnn'"),
    "features": (
        ["machine.toml", "model.features=egemaps"],
        2,
        "pairs 'video' with 'egemaps', which are features of sound",
    ),
    "sound alone": (["seen.toml", "--train", "ravdess"], 1, "no recording of RAVDESS speech"),
    "no picture": (["seen.toml", "--train", "wav.csv"], 1, "a.wav has no picture"),
    "no sound": (["both.toml", "--train", "mp4.csv"], 1, "b.mp4 has no sound"),
    "no table": (["machine.toml", "--train", "mp4.csv"], 1, "no action_units.csv in the folders above"),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the manifests of four speakers who are only heard, and of four who are only seen."""
    folder = tmp_path_factory.mktemp("odd")
    rows: dict[str, list[str]] = {"wav": [], "mp4": []}
    for i in range(8):
        soundfile.write(folder / f"{i}a.wav", np.random.default_rng(i).normal(0, 0.1, 9_000), 16_000)
        write_film(folder / f"{i}b.mp4", [20 + i] * 4, None)
        for name, suffix in (("a", "wav"), ("b", "mp4")):
            rows[suffix].append(f"{folder / f'{i}{name}.{suffix}'},{('happy', 'angry')[i % 2]},s{i // 2}")
    for suffix, lines in rows.items():
        (folder / f"{suffix}.csv").write_text("\n".join(["path,emotion,speaker", *lines]))
    return folder


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_evaluated_is_one_line(emofuse: Emofuse, data: Path, odd: Path, name: str) -> None:
    arguments, code, says = WRONG[name]
    Path("lost.toml").write_text(f'{FUSED}members = ["seen.toml", "gone.toml"]\n')
    for path in odd.glob("*.csv"):
        Path(path.name).write_text(path.read_text())
    result = emofuse("evaluate", *arguments, *QUICK, "data.valid_speakers=1", "--data", data, "-o", "out")
    one_line(result, code, says)
    assert not Path("out").exists()


def test_a_checkpoint_for_other_labels_is_one_line(emofuse: Emofuse, data: Path) -> None:
    assert emofuse("train", "seen.toml", "--data", data, "-o", "run").code == 0
    weights = load_file("run/model.safetensors")
    recipe = load_weights("run/model.safetensors")[1]
    save_file(weights, "other.safetensors", {"recipe": recipe.model_dump_json(), "labels": '["sad", "angry"]'})
    result = emofuse("export", "other.safetensors", "-o", "model.onnx")
    one_line(result, 2, "other.safetensors holds the weights of another network, or for other labels: size mismatch")
    one_line(emofuse("export", "seen.toml", "-o", "model.onnx"), 2, "seen.toml is not a")
    assert not Path("model.onnx").exists()
