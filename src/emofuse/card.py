"""A model's card: what it is, what it was trained on, how it was scored. It travels inside the ONNX file."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emofuse.types import CLIP_RATE_HZ, LONGEST_CLIP_S, Sampling

CARD_KEY: Final = "emofuse.card"  # in the metadata of an ONNX file

INTENDED: Final = (
    "research on how emotions are shown, with people who agreed to it",
    "annotating films, games and one's own recordings, where a person looks at the answers",
    "interfaces that react to an expression which their user chose to show",
)
"""What networks that read emotions are for."""
FORBIDDEN: Final = (
    "inferring emotions at work or in education: forbidden in the European Union, but for medical or safety reasons "
    "(Regulation (EU) 2024/1689, Article 5 (1) f)",
    "deciding about people: hiring, credit, insurance, policing, borders, diagnosis, or whether somebody lies",
    "watching people who do not know it: who uses such a system has to tell those who are exposed to it (Article 50 "
    "(3)), and it counts as a system of high risk (Annex III, 1 c)",
)
"""What they must not be used for."""
LIMITS: Final = (
    "It reads what is shown, which is not what is felt; people of other cultures, ages and temperaments show it "
    "otherwise.",
    "Nearly all emotions that it learnt and was measured on are acted: on people who act nothing, expect less.",
    "A score on one corpus says little about other rooms, cameras, languages and people; look at those left out.",
)
"""What to keep in mind."""

InputKind = Literal["face", "samples", "clip", "text", "embeddings"]

_KINDS: Final[dict[str, InputKind]] = {
    "face": "face",
    "voice": "samples",
    "clip": "clip",
    "text": "text",
    "fusion": "embeddings",
}
_CLIP_NEEDS: Final = ("size_px", "n_frames", "sampling", "margin", "window_s")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSpec(_Part):
    """What goes in: a face, sound, a clip of pictures over time, with or without its sound, words, or what networks
    know of those.

    A face is a grey square of `size_px`; sound is mono at `rate_hz`, best in windows of `window_s`. A clip is
    n_frames colour squares of `size_px`, a face with `margin` of it more on each side (`features.clip`). sampling
    "uniform" spreads them over window_s; "first" takes n_frames at frame_rate_hz, black ones where there are fewer;
    "strided" every stride-th at that rate. A network with a rate_hz also takes window_s of sound. per_frame: it
    answers for every frame, not once for all. Text is numbers of its units, words as
    `tokens.encode` gives them or pieces of words as `pieces.WordPieces` does.
    languages: ISO 639 codes of those that a text network knows; none: English.
    dims: how many numbers each modality has that a fusion is given, in its order.
    """

    kind: InputKind
    size_px: int | None = Field(None, gt=0, le=512)
    rate_hz: int | None = Field(None, gt=0)
    window_s: float | None = Field(None, gt=0)
    n_frames: int | None = Field(None, ge=1, le=256)
    sampling: Sampling | None = None
    stride: int | None = Field(None, ge=1)
    frame_rate_hz: float = Field(CLIP_RATE_HZ, gt=0, le=CLIP_RATE_HZ)
    margin: float | None = Field(None, ge=0, le=1)
    per_frame: bool = False
    dims: dict[str, Annotated[int, Field(gt=0)]] | None = None
    units: Literal["words", "pieces"] = "words"
    languages: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.kind == "embeddings") != bool(self.dims):
            raise ValueError("a fusion, and nothing else, must give the dims of its input")
        if self.kind == "face" and self.size_px is None:
            raise ValueError("the input of a network of faces must give its size_px")
        if self.kind != "clip":
            return self
        needs = (*_CLIP_NEEDS, *(("stride",) if self.sampling == "strided" else ()))
        missing = [name for name in needs if getattr(self, name) is None]
        if missing:
            raise ValueError(f"the input of a clip network must give its {', '.join(missing)}")
        if self.rate_hz not in (None, 16_000):
            raise ValueError(
                f"rate_hz of a clip network must be 16000, or null if it does not use sound: {self.rate_hz}"
            )
        if self.span_s > LONGEST_CLIP_S:
            raise ValueError(f"a clip may be at most {LONGEST_CLIP_S:.0f} s long, not {self.span_s:.1f}")
        return self

    @property
    def step_s(self) -> float:
        """Seconds from one frame of a clip to the next."""
        assert self.kind == "clip" and self.n_frames is not None and self.window_s is not None
        if self.sampling == "uniform":
            return self.window_s / self.n_frames
        return (self.stride or 1) / self.frame_rate_hz if self.sampling == "strided" else 1 / self.frame_rate_hz

    @property
    def span_s(self) -> float:
        """Seconds of a stream that a clip network has to be given."""
        assert self.kind == "clip" and self.n_frames is not None and self.window_s is not None
        return max(self.window_s, self.n_frames * self.step_s)

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs of the network by name, in their order."""
        if self.kind == "clip":
            return ("frames",) if self.rate_hz is None else ("frames", "samples", "present")
        if self.kind == "embeddings":
            assert self.dims is not None
            return tuple(name for modality in self.dims for name in (modality, f"{modality}_mask"))
        if self.kind == "text":
            return ("tokens",) if self.units == "words" else ("pieces",)
        return {"face": ("faces",), "samples": ("samples",)}[self.kind]


class DataSource(_Part):
    """A corpus that was trained on, and its licence."""

    name: str
    licence: str
    part: str = ""


class Score(_Part):
    """A measured score with all that is needed to read it. value is a fraction of 1."""

    metric: str
    value: float
    on: str
    protocol: str
    command: str
    interval_95: tuple[float, float] | None = None
    weights: Literal["these", "same recipe"] = "these"


class ModelCard(_Part):
    """The description of a network, which is stored in its file.

    Attributes:
        name: Of the network.
        version: Of the network.
        modality: What it takes: "face", "voice", "text" or "clip"; "fusion" for one over embeddings.
        description: One sentence.
        labels: The emotions, in the order of the outputs, which are logits.
        input: What goes in.
        n_parameters: The number of weights.
        data: What it was trained on, with licences.
        recipe: The recipe it was trained by.
        seed: The seed of the training.
        scores: Measured scores, each with its protocol and command.
        cautions: What users must know.

    Example:
        >>> sound = InputSpec(kind="samples", rate_hz=16_000, window_s=3.0)
        >>> card = ModelCard(name="loudness", version="1", modality="voice", description="Loud is angry.",
        ...     labels=("angry", "sad"), input=sound, n_parameters=4, data=(), recipe="by hand", seed=0)
        >>> card.labels
        ('angry', 'sad')
    """

    name: str
    version: str
    modality: Literal["face", "voice", "text", "clip", "fusion"]
    description: str
    labels: tuple[str, ...]
    input: InputSpec
    n_parameters: int
    data: tuple[DataSource, ...]
    recipe: str
    seed: int
    scores: tuple[Score, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def learnt_from(self) -> tuple[str, ...]:
        """The names in data, each once: a corpus may be there as what was trained on and as what a teacher knew."""
        return tuple(dict.fromkeys(source.name for source in self.data))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        kind = _KINDS.get(self.modality)
        if kind is not None and self.input.kind != kind:
            raise ValueError(f"a {self.modality} network is given {kind}, not {self.input.kind}")
        return self
