"""Recipes: overrides, what is refused and how it is said, and the recipes that ship."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from emofuse.emotions import LABEL_SETS
from emofuse.errors import RecipeError, UsageError
from emofuse.research.models.settings import (
    ClipNetSettings,
    FaceNetSettings,
    MelCnnSettings,
    MfccCnnSettings,
    SpeechNetSettings,
    VoiceNetSettings,
    WaveCnnSettings,
)
from emofuse.research.recipes.data import FaceDataSettings, VideoDataSettings, VoiceDataSettings
from emofuse.research.recipes.recipe import (
    LateFusionSettings,
    Recipe,
    TrainSettings,
    apply_override,
    load_recipe,
    single_recipes,
)

RECIPES = Path(__file__).parents[1] / "recipes"
SINGLE = single_recipes(RECIPES)
FACES = {"face-resnet", "face-mobilenet-v2"}
FACE = 'name = "f"\n[data]\ncorpus = "ferplus"\n[model]\nname = "face-resnet"\n'
VOICE = 'name = "v"\n[data]\ncorpus = "speech"\n[model]\nname = "voice-mobilenet"\n'


@pytest.fixture
def face_toml(tmp_path: Path) -> Path:
    """Return a recipe that says nothing but what it must."""
    path = tmp_path / "face.toml"
    path.write_text(FACE, encoding="utf-8")
    return path


@pytest.fixture
def voice_toml(tmp_path: Path) -> Path:
    path = tmp_path / "voice.toml"
    path.write_text(VOICE, encoding="utf-8")
    return path


def test_what_a_recipe_leaves_out_is_the_default(face_toml: Path, voice_toml: Path) -> None:
    expected = Recipe(name="f", data=FaceDataSettings(), model=FaceNetSettings(), train=TrainSettings())
    assert load_recipe(face_toml) == expected
    assert load_recipe(voice_toml) == Recipe(name="v", data=VoiceDataSettings(), model=VoiceNetSettings())


def test_an_override_has_the_type_of_its_key(voice_toml: Path) -> None:
    overrides = [
        "seed=7",
        "train.epochs=3",
        "train.lr=1e-3",
        "train.optimizer=adamw",  # a bare word needs no quotes
        'train.keep="last"',
        'data.train_on=["ravdess", "emodb"]',
        "data.snr_db=[5, 20]",
        "model.hidden=64",
    ]
    recipe = load_recipe(voice_toml, overrides)
    assert (recipe.seed, recipe.train.epochs, recipe.train.lr) == (7, 3, 1e-3)
    assert isinstance(recipe.train.epochs, int)
    assert (recipe.train.optimizer, recipe.train.keep) == ("adamw", "last")
    assert isinstance(recipe.data, VoiceDataSettings)
    assert recipe.data.train_on == ("ravdess", "emodb")
    assert recipe.data.snr_db == (5.0, 20.0)
    assert isinstance(recipe.model, VoiceNetSettings)
    assert recipe.model.hidden == 64


def test_a_later_override_wins(face_toml: Path) -> None:
    assert load_recipe(face_toml, ["train.epochs=3", "train.epochs=4"]).train.epochs == 4


def test_none_switches_off_what_can_be_off(voice_toml: Path) -> None:
    recipe = load_recipe(voice_toml, ["model.pretrained=none", "train.ema_decay=none"])
    assert isinstance(recipe.model, VoiceNetSettings)
    assert recipe.model.pretrained is None
    assert recipe.train.ema_decay is None
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("override", "key", "near"),
    [
        ("train.epoch=3", "train.epoch", "epochs"),
        ("trian.epochs=3", "trian", "train"),
        ("data.rotate_degrees=3", "data.rotate_degrees", "rotate_deg"),
        ("model.width=[4]", "model.width", "widths"),
        ("sed=3", "sed", "seed"),
    ],
)
def test_an_unknown_key_is_named_with_its_nearest_neighbour(
    face_toml: Path, override: str, key: str, near: str
) -> None:
    with pytest.raises(RecipeError, match=f"unknown key '{key}'") as caught:
        load_recipe(face_toml, [override])
    assert str(face_toml) in caught.value.message
    assert caught.value.hint == f"did you mean {near!r}?"


def test_the_keys_of_every_network_are_known(voice_toml: Path) -> None:
    with pytest.raises(RecipeError, match=r"unknown key 'model\.n_mfc'") as caught:
        load_recipe(voice_toml, ["model.name=mfcc-cnn", "model.n_mfc=13"])
    assert caught.value.hint == "did you mean 'n_mfcc'?"
    with pytest.raises(RecipeError, match=r"model\.stride: .*, not 0"):
        load_recipe(voice_toml, ["model.name=wave-cnn", "model.stride=0"])


@pytest.mark.parametrize("settings", get_args(SpeechNetSettings))
def test_a_speech_network_is_named_in_a_recipe(voice_toml: Path, settings: type) -> None:
    name = settings.model_fields["name"].default
    assert load_recipe(voice_toml, [f"model.name={name}"]).model == settings()


@pytest.mark.parametrize("key", ["speech", "face-resnet", "qqqqqqqq"])
def test_an_unknown_key_like_a_kind_or_like_nothing_is_refused_too(face_toml: Path, key: str) -> None:
    with pytest.raises(RecipeError, match=f"unknown key '{key}'"):
        load_recipe(face_toml, [f"{key}=1"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.epochs=three", r"train\.epochs: .*integer.*, not 'three'"),
        ("train.epochs=0", r"train\.epochs: .*greater than or equal to 1, not 0"),
        ("train.epochs=2.5", r"train\.epochs: .*integer.*, not 2\.5"),
        ("train.optimizer=sdg", r"train\.optimizer: .*'sgd', 'adam' or 'adamw', not 'sdg'"),
        ("train=3", r"train: .*, not 3"),
        ("data.corpus=fer", r"data: .*'ferplus'"),
        ("data.noise=1.5", r"data\.noise: .*less than or equal to 1, not 1\.5"),
        ("model.dropout=1.0", r"model\.dropout: .*less than 1, not 1\.0"),
        ("model.blocks=[1]", r"model\.blocks: .*which are 3, not \[1\]"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_its_key(face_toml: Path, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(face_toml, [override])


@pytest.mark.parametrize("taps", ["[]", "[17]", "[-1]"])
def test_a_network_cannot_be_tapped_where_it_has_no_block(voice_toml: Path, taps: str) -> None:
    with pytest.raises(RecipeError, match=r"model\.taps"):
        load_recipe(voice_toml, [f"model.taps={taps}"])


@pytest.mark.parametrize("override", ["train.epochs", "=3", ""])
def test_an_override_that_is_none_is_refused(face_toml: Path, override: str) -> None:
    with pytest.raises(RecipeError, match="is not of the form key=value"):
        load_recipe(face_toml, [override])


@pytest.mark.parametrize("override", ["name.first=3", "data.corpus.part=3"])
def test_a_key_below_a_value_is_refused(face_toml: Path, override: str) -> None:
    with pytest.raises(RecipeError, match="is a value, not a table"):
        load_recipe(face_toml, [override])


def test_an_override_may_open_a_table(face_toml: Path) -> None:
    assert "[train]" not in FACE
    assert load_recipe(face_toml, ["train.patience=9"]).train.patience == 9


def test_a_missing_key_is_named_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(FACE.replace('name = "f"\n', ""), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.message == f"{path}: the key 'name' is missing"


def test_a_recipe_that_is_nowhere_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "no.toml"
    with pytest.raises(RecipeError, match="no recipe at") as caught:
        load_recipe(path)
    assert str(path) in caught.value.message
    assert "recipes/" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"name = ", "is not TOML"), (b"[data\n", "is not TOML"), (b'name = "\xff\xfe"', "cannot read the recipe")],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=said):
        load_recipe(path)


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(tmp_path)


def test_settings_made_from_what_a_user_gave_name_the_value() -> None:
    assert TrainSettings(epochs=3).epochs == 3
    with pytest.raises(UsageError, match=r"^lr: input should be greater than 0, not -1$"):
        TrainSettings(lr=-1)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrainSettings().epochs = 3


@pytest.mark.parametrize("path", SINGLE, ids=lambda path: path.stem)
def test_every_recipe_that_ships_loads(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert (recipe.data.corpus == "ferplus") == (recipe.model.name in FACES)


def test_the_face_and_the_voice_recipe_ship() -> None:
    assert {path.stem for path in SINGLE} >= {"face", "voice"}


def test_every_speech_network_has_a_recipe() -> None:
    names = {load_recipe(path).model.name for path in SINGLE}
    assert names >= {settings.model_fields["name"].default for settings in get_args(SpeechNetSettings)}


def test_the_two_windows_of_the_third_reference_are_alike_but_for_their_length_and_patience() -> None:
    short, long = (load_recipe(RECIPES / f"wave-cnn-{n}.toml") for n in (16, 64))
    assert isinstance(short.data, VoiceDataSettings) and isinstance(long.data, VoiceDataSettings)
    assert (short.data.window_s, long.data.window_s) == pytest.approx((16 / 30, 64 / 30), abs=1e-3)
    patience = {key: getattr(long.train, key) for key in ("epochs", "patience", "plateau_patience")}
    assert short.train.model_copy(update=patience) == long.train
    assert (short.model, short.seed) == (long.model, long.seed)


def test_the_defaults_stand_in_one_place() -> None:
    """A recipe may not be the second home of a default: the sections alone must make it whole."""
    networks = (FaceNetSettings, MfccCnnSettings, WaveCnnSettings, MelCnnSettings, VoiceNetSettings)
    for section in (TrainSettings, FaceDataSettings, VoiceDataSettings, *networks):
        required = [name for name, field in section.model_fields.items() if field.is_required()]
        assert required == []
        assert section().model_dump() == {name: field.default for name, field in section.model_fields.items()}


def test_a_label_set_that_there_is_none_of_is_refused_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('name = "r"\n[data]\ncorpus = "speech"\nlabels = "Basic7"\n[model]\nname = "mel-cnn"\n')
    with pytest.raises(RecipeError, match=r"r\.toml: data\.labels: no label set is called 'Basic7'") as caught:
        load_recipe(path)
    assert caught.value.hint.startswith("did you mean 'basic-7'? there is ravdess-8, ")
    for name in LABEL_SETS:
        recipe = load_recipe(path, [f"data.labels={name}"])
        assert isinstance(recipe.data, VoiceDataSettings) and recipe.data.labels == name


SPEECH = 'name = "heard"\n[data]\ncorpus = "speech"\nwindow_s = 2.0\n[model]\nname = "mel-cnn"\n'
VIDEO = 'name = "seen"\n[data]\ncorpus = "video"\nlabels = "basic-7"\n[model]\nname = "cnn3d"\n'
FUSION = 'name = "both"\n[data]\ncorpus = "speech"\nvalid_speakers = 3\n[model]\nname = "late-fusion"\n'


@pytest.fixture
def fusion(tmp_path: Path) -> Path:
    """Return the folder of a late fusion and its two members."""
    (tmp_path / "heard.toml").write_text(SPEECH, encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "seen.toml").write_text(VIDEO, encoding="utf-8")
    write_fusion(tmp_path, '["heard.toml", "sub/seen.toml"]')
    return tmp_path


def write_fusion(folder: Path, members: str) -> Path:
    (folder / "both.toml").write_text(f"{FUSION}members = {members}\n", encoding="utf-8")
    return folder / "both.toml"


def test_the_members_of_a_late_fusion_are_read_from_their_files(fusion: Path) -> None:
    recipe = load_recipe(fusion / "both.toml")
    assert isinstance(recipe.model, LateFusionSettings)
    assert recipe.model.rule == "learned"
    assert recipe.model.members == (load_recipe(fusion / "heard.toml"), load_recipe(fusion / "sub" / "seen.toml"))
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert load_recipe(fusion / "heard.toml").members == ()


def test_members_are_of_the_fusions_corpora_labels_and_validation_speakers(fusion: Path) -> None:
    heard, seen = load_recipe(fusion / "both.toml", ['data.train_on=["tess"]', "data.labels=ekman-6"]).members
    for member in (heard, seen):
        assert (member.data.train_on, member.data.labels, member.data.valid_speakers) == (("tess",), "ekman-6", 3)
    assert isinstance(heard.data, VoiceDataSettings) and heard.data.window_s == 2.0  # the rest is a member's own
    assert isinstance(seen.data, VideoDataSettings)


def test_an_override_may_name_other_members(fusion: Path) -> None:
    (fusion / "more.toml").write_text(SPEECH.replace("heard", "more"))
    recipe = load_recipe(fusion / "both.toml", ['model.members=["more.toml", "heard.toml"]', "model.rule=mean"])
    assert isinstance(recipe.model, LateFusionSettings)
    assert [member.name for member in recipe.model.members] == ["more", "heard"]
    assert recipe.model.rule == "mean"


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ('["heard.toml", "gone.toml"]', "{0}/both.toml: model.members: no recipe at {0}/gone.toml"),
        ('["heard.toml", "both.toml"]', "{}/both.toml: model.members: both.toml would be a member of itself"),
        (
            '["heard.toml", "sub/../both.toml"]',
            "{}/both.toml: model.members: sub/../both.toml would be a member of itself",
        ),
        ('["heard.toml", "heard.toml"]', "{}/both.toml: two members have the same name: heard, heard"),
        ('["heard.toml"]', "{}/both.toml: model: a late fusion has two or more members, or one over_seeds"),
        ("[]", "{}/both.toml: model.members: Tuple should have at least 1 item"),
        ('["heard.toml", 3]', "{}/both.toml: model.members: a member is the name of a recipe's file, not 3"),
        ('"heard.toml"', "{}/both.toml: model.members: Input should be a valid tuple"),
        ('["heard.toml", "epoch.toml"]', "{}/epoch.toml: unknown key 'train.epoch' (did you mean 'epochs'?)"),
        ('["heard.toml", "face.toml"]', "{}/both.toml: a late fusion and its members are of utterances"),
    ],
)
def test_members_that_do_not_fit_are_one_line(fusion: Path, members: str, says: str) -> None:
    (fusion / "epoch.toml").write_text(SPEECH.replace("heard", "epoch") + "[train]\nepoch = 3\n")
    (fusion / "face.toml").write_text(FACE)
    path = write_fusion(fusion, members)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(says.format(fusion))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_members_that_have_one_another_as_members_are_refused(fusion: Path) -> None:
    path = write_fusion(fusion, '["heard.toml", "other.toml"]')
    other = path.read_text().replace('"both"', '"other"').replace("other.toml", "both.toml")
    (fusion / "other.toml").write_text(other)
    with pytest.raises(RecipeError, match=r"other\.toml: model\.members: both\.toml would be a member of itself"):
        load_recipe(path)
    fine = path.read_text().replace('"both"', '"other"').replace("other.toml", "sub/seen.toml")
    (fusion / "other.toml").write_text(fine)  # a fusion may be a member, and "heard" one of both
    assert load_recipe(path).members[1].members[0].name == "heard"


def test_keys_of_a_fusion_are_known(fusion: Path) -> None:
    with pytest.raises(RecipeError, match=r"unknown key 'model\.rules'") as caught:
        load_recipe(fusion / "both.toml", ["model.rules=mean"])
    assert caught.value.hint == "did you mean 'rule'?"
    with pytest.raises(RecipeError, match="'members' is a value, not a table"):
        load_recipe(fusion / "both.toml", ["model.members.0.seed=3"])


@pytest.mark.parametrize("settings", get_args(ClipNetSettings))
def test_a_clip_network_has_a_recipe(settings: type) -> None:
    found = {load_recipe(path).model.name for path in SINGLE}
    assert settings.model_fields["name"].default in found


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.sampling=last", r"data\.sampling: .*'first', 'uniform' or 'strided', not 'last'"),
        ("data.size_px=128", r"data\.size_px: .*112 or 224, not 128"),
        ("data.sound.window_s=0.1", r"data\.sound\.window_s: .*greater than 0\.5, not 0\.1"),
        ("model.video.dropout=1", r"model\.video\.dropout: .*less than 1, not 1"),
        ("model.audio.name=svm", r"model\.audio: .*'mfcc-cnn'"),
    ],
)
def test_a_value_of_a_clip_networks_recipe_is_named_as_people_write_it(override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(RECIPES / "mfcc-cnn3d.toml", [override])


@pytest.mark.parametrize(
    ("override", "key", "near"),
    [
        ("data.n_frame=3", "data.n_frame", "n_frames"),
        ("data.sound.window=3", "data.sound.window", "window_s"),
        ("model.video.width=[4]", "model.video.width", "widths"),
        ("model.audio.n_mfc=13", "model.audio.n_mfc", "n_mfcc"),
        ("model.fusions=gated", "model.fusions", "fusion"),
        ("train.refits=true", "train.refits", "refit"),
    ],
)
def test_an_unknown_key_of_a_part_is_named_with_its_nearest_neighbour(override: str, key: str, near: str) -> None:
    with pytest.raises(RecipeError, match=f"unknown key '{key}'") as caught:
        load_recipe(RECIPES / "mfcc-cnn3d.toml", [override])
    assert caught.value.hint == f"did you mean {near!r}?"


def test_a_clip_that_is_too_long_is_refused_before_anything_is_trained() -> None:
    changes = ["data.sampling=strided", "data.n_frames=256", "data.stride=10"]
    with pytest.raises(RecipeError, match=r"data: .*a clip may be at most 60 s long, and these frames span 85\.3 s"):
        load_recipe(RECIPES / "cnn3d.toml", changes)
    assert load_recipe(RECIPES / "cnn3d.toml", [*changes, "data.stride=7"]).data.stride == 7  # type: ignore[union-attr]


def test_a_comparison_of_several_models_is_no_recipe_of_one() -> None:
    with pytest.raises(RecipeError, match=r"iemocap-fusion\.toml compares several models") as caught:
        load_recipe(RECIPES / "iemocap-fusion.toml")
    assert "emofuse compare --fusion" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed = " + "9" * 5000, "Exceeds the limit"),
        ("seed = " + "[" * 5000, "recursion"),
        ("seed = 1 # \x00", "is not TOML"),
    ],
)
def test_a_recipe_that_python_cannot_take_is_our_error(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as raised:
        load_recipe(file)
    assert says in str(raised.value) and "a.toml" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000])
def test_an_override_that_python_cannot_take_is_our_error(value: str) -> None:
    with pytest.raises(RecipeError, match="override"):
        apply_override({}, f"seed={value}")
