"""From text corpora to a job: their train parts train, their dev parts show how it goes."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset

from emofuse.assets import find
from emofuse.card import DataSource, InputSpec
from emofuse.emotions import BASE
from emofuse.errors import BundleError, RecipeError
from emofuse.inference.network import OnnxNetwork, read_card, softmax
from emofuse.preprocessing.language import ENGLISH
from emofuse.preprocessing.pieces import WordPieces
from emofuse.preprocessing.tokens import BITS, PADDING, UNKNOWN, WIDTH, encode, split_words, stack, word_numbers
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.corpus import LANGUAGES_CAUTION, SENTENCE_CAUTION, Corpus
from emofuse.research.corpora.made_texts import make_texts
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.registry import read_texts, text_corpus
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.corpora.text_union import TextUnion, join_texts
from emofuse.research.corpora.texts import LabelledText, text_key
from emofuse.research.feature_sets.store import FeatureSet
from emofuse.research.models.minilm import MiniLm, drop_pieces, embed_words, load_minilm
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.models.settings import MiniLmSettings, TextNetSettings
from emofuse.research.models.text import TextNet, drop_words
from emofuse.research.recipes.data import TextDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Example, Job, UtteranceTask, loss_weights, with_teachers
from emofuse.research.tasks.batches import Augment, Batch
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances

LABELS: Final = "basic-7"
N_GROUPS: Final = 200  # of a corpus, that folds keep together
MOST_TIMES: Final = 4  # that a sentence of a rare language is taken, to even out languages
N_AT_ONCE: Final = 64  # texts that a network scores together
MOST_CUT: Final = 6  # words of a fragment
_THINNED: Final = frozenset((BASE.index("neutral"), BASE.index("happy")))  # of which corpora have the most
_MARKS: Final = re.compile(r"[^\w\s'’]")


class TextBatches(Dataset[Batch]):
    """Encoded texts and their targets. texts: (T, WIDTH) int64 each; targets: (N, C) float32."""

    def __init__(self, texts: Sequence[NDArray[np.int64]], targets: NDArray[np.float32]) -> None:
        self.texts = list(texts)
        self.targets = torch.from_numpy(targets)
        self.lengths = np.array([len(text) for text in texts])

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Batch:
        """Return one text (T, WIDTH) and its target (C,)."""
        texts, targets = self.__getitems__([index])
        return texts[0], targets[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return (B, T, WIDTH) int64, padded to the longest of them, and (B, C)."""
        return torch.from_numpy(stack([self.texts[i] for i in indices])), self.targets[list(indices)]


def text_settings(recipe: Recipe) -> TextDataSettings:
    """Return a recipe's settings of sentences. Raises RecipeError for a recipe of something else."""
    if not isinstance(recipe.data, TextDataSettings):
        raise TextTask().crossed(recipe)
    return recipe.data


def _manifest(name: str, data: Path) -> Manifest:
    """Return the sentences of a corpus whose votes are all for one emotion, as examples to be cross-validated."""
    corpus = text_corpus(name)
    clips = []
    for number, one in enumerate(read_texts(name, data).texts):
        key = text_key(one.text)
        if one.label is None or not key:
            continue
        group = f"{corpus.name}-{zlib.crc32((one.dialogue or key).encode()) % N_GROUPS:03}"
        path = Path(corpus.name) / f"{number:06}"
        clips.append(Clip(path, BASE[one.label], group, licence=corpus.licence, dialogue=one.dialogue, text=one.text))
    return Manifest(corpus.title, BASE, tuple(clips), corpus.licence)


def read_union(settings: TextDataSettings, data: str | Path) -> TextUnion:
    """Read the corpora of a recipe below the folder `data`, none of their test sentences among those to train on."""
    names = (*settings.train_on, *(name for name in settings.held_out if name not in settings.train_on))
    corpora = {name: read_texts(name, data) for name in names}
    trained = [corpora[name] for name in settings.train_on]
    others = [corpora[name] for name in names if name not in settings.train_on]
    return join_texts(trained, others, [settings.repeat.get(name, 1) for name in settings.train_on])


def text_job(recipe: Recipe, data: str | Path) -> Job:
    """Prepare a training on text corpora. The network learns its vocabulary from them before anything else.

    Raises RecipeError for a recipe of something else, CorpusError where a corpus is not in `data`, BundleError for a
    teacher that cannot be used.
    """
    settings, model = recipe.data, recipe.model
    if not isinstance(settings, TextDataSettings) or not isinstance(model, TextNetSettings | MiniLmSettings):
        raise TextTask().crossed(recipe)
    torch.manual_seed(recipe.seed)
    network = TextTask().network(recipe, len(BASE))
    assert isinstance(network, TextNet | MiniLm)
    union = read_union(settings, data)
    texts, targets = _examples(settings, union, recipe.seed)
    read = _learn_vocabulary(network, recipe, texts)
    encoded = [read(text) for text in texts]
    valid = [one for one in union.dev if one.label is not None]
    valid_texts, valid_targets = [read(one.text) for one in valid], _votes(valid)
    drop = drop_words if isinstance(network, TextNet) else drop_pieces
    digest = hashlib.sha256()
    for text in (*encoded, *valid_texts):
        digest.update(text.tobytes())
    for votes in (targets, valid_targets):
        digest.update(votes.tobytes())
    return Job(
        network=network,
        labels=BASE,
        train=TextBatches(encoded, targets),
        valid=TextBatches(valid_texts, valid_targets),
        augment_input=lambda tokens, generator: drop(tokens, settings.forget, generator),
        augment_features=None,
        monitor="val_accuracy",
        fingerprint=digest.hexdigest(),
        class_weights=loss_weights(recipe.train.class_weights, targets),
        class_prior=torch.from_numpy(targets.mean(axis=0)),
    )


def _learn_vocabulary(
    network: TextNet | MiniLm, recipe: Recipe, texts: Sequence[str]
) -> Callable[[str], NDArray[np.int64]]:
    """Have a network take its vocabulary from the texts it is trained on. Returns what reads a text for it."""
    if isinstance(network, TextNet):
        assert isinstance(recipe.model, TextNetSettings)
        network.frontend.learn((encode(text)[:, 0].tolist() for text in texts), recipe.model.least)
        if recipe.model.assets:
            _begin_with_meanings(network, texts, recipe.model)
        return encode
    if not recipe.model.assets:
        raise RecipeError("without MiniLM's files there is no vocabulary", "set model.pretrained")
    weights, words = (find(name) for name in recipe.model.assets)
    load_minilm(network, texts, weights, words)
    return _reader(network)


def _begin_with_meanings(network: TextNet, texts: Sequence[str], settings: TextNetSettings) -> None:
    """Have a network's words begin with what a pretrained encoder makes of each that `least` texts have."""
    times = Counter(word for text in texts for word in set(split_words(text)))
    words = [word for word, n in times.items() if n >= settings.least]
    weights, pieces = (find(name) for name in settings.assets)
    rows = network.frontend(torch.tensor([word_numbers(word) for word in words]))
    meanings = FeatureCache().get(
        weights,
        {"feature": "words", "version": 1, "words": hashlib.sha256(" ".join(words).encode()).hexdigest()},
        lambda: embed_words(words, weights, pieces).numpy(),
    )
    network.vectors.start_from(rows, torch.from_numpy(meanings))


def _reader(network: nn.Module) -> Callable[[str], NDArray[np.int64]]:
    """Return what reads a text for a network."""
    return WordPieces(network.frontend.vocabulary).encode if isinstance(network, MiniLm) else encode


def score_texts(network: OnnxNetwork, texts: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
    """Score encoded texts in batches of about one length. Returns (N, C) logits in the order of the texts."""
    out = np.zeros((len(texts), len(network.card.labels)), np.float32)
    order = np.argsort([len(text) for text in texts], kind="stable")
    for chosen in np.array_split(order, max(1, len(texts) // N_AT_ONCE)):
        if len(chosen):
            out[chosen] = network.logits(stack([texts[i] for i in chosen]))
    return out


def load_text_network(path: str | Path) -> OnnxNetwork:
    """Load a text network of the labels of a bundle. Raises BundleError for one of something else."""
    check_text_network(path)
    return OnnxNetwork(path)


def check_text_network(path: str | Path) -> None:
    """Raise BundleError where a file is no text network of the labels of a bundle, by its card alone."""
    card = read_card(path)
    if card.modality != "text" or card.labels != BASE:
        raise BundleError(f"{path} is not a text network of the labels {', '.join(BASE)}")


def without_absent(recipe: Recipe, data: Path, notice: Callable[[str], None]) -> Recipe:
    """Return a recipe that names the files of its corpora that are not there for its teachers to label.

    Args:
        recipe: Of sentences.
        data: The folder of the corpora.
        notice: Gets a line for each corpus that lacks some.

    Returns:
        The recipe; a card then tells what it was trained on.
    """
    settings = text_settings(recipe)
    absent: list[str] = []
    for corpus in map(text_corpus, dict.fromkeys(settings.train_on)) if settings.teachers else ():
        folder = data / corpus.name
        there = {path.name for path in folder.rglob("*")} if corpus.further_files else set()
        missing = [name for name in corpus.further_files if name not in there]
        if missing:
            files = ", ".join(missing)
            notice(f"{corpus.title}: fewer sentences are trained on, as {folder} lacks {files} (from {corpus.home})")
        absent += missing
    return recipe.model_copy(update={"data": settings.model_copy(update={"absent": tuple(absent)})})


def _with_further(corpus: Corpus[Any], settings: TextDataSettings) -> Corpus[Any]:
    """Return a corpus whose part has what teachers labelled of it, too."""
    absent = [name for name in corpus.further_files if name in settings.absent]
    if not settings.teachers or not corpus.further or len(absent) == len(corpus.further_files):
        return corpus
    further = f"{corpus.further} (but for {', '.join(absent)})" if absent else corpus.further
    return replace(corpus, part=f"{corpus.part}, {further}")


def _examples(settings: TextDataSettings, union: TextUnion, seed: int) -> tuple[list[str], NDArray[np.float32]]:
    """Return the sentences to train on and their targets (N, C)."""
    random = Random(seed)
    chosen = [one for one in union.train if not (_is_many(one) and random.random() < settings.thin)]
    if settings.teachers:
        chosen += [one for one in union.unlabelled if _is_asked(one.english, settings)]
    if settings.even:
        chosen = even_out(chosen, settings.even, random)
    texts, targets = [one.text for one in chosen], _votes(chosen)
    if settings.teachers:
        asked = np.flatnonzero([_is_asked(one.english, settings) for one in chosen])
        taught = _ask_teachers(settings, [chosen[i].english for i in asked])
        is_labelled = np.array([chosen[i].is_labelled for i in asked])[:, None]
        share = np.where(is_labelled, np.float32(settings.teacher_share), np.float32(1))
        targets[asked] = (1 - share) * targets[asked] + share * taught
    made = make_texts(settings.made, seed)
    targets = np.concatenate([targets, _votes(made)])
    texts += [one.text for one in made]
    if settings.fragments:
        pieces = cut_fragments([one.english for one in chosen], settings.fragments, union.held_out, random)
        texts += pieces
        targets = np.concatenate([targets, _ask_teachers(settings, pieces)])
    return [_bare(text) if random.random() < settings.bare else text for text in texts], targets


def _is_many(one: LabelledText) -> bool:
    return one.label in _THINNED and one.language == ENGLISH


def even_out(texts: Sequence[LabelledText], even: float, random: Random) -> list[LabelledText]:
    """Draw as many sentences as there are, of each language in a share of its number to the power of 1 - even.

    Of a language with too few each is taken MOST_TIMES at most, so that there may be fewer then.
    """
    by_language: dict[str, list[LabelledText]] = {}
    for one in texts:
        by_language.setdefault(one.language, []).append(one)
    weights = {language: len(own) ** (1 - even) for language, own in by_language.items()}
    total = sum(weights.values())
    drawn = []
    for language, own in by_language.items():
        wanted = min(round(len(texts) * weights[language] / total), MOST_TIMES * len(own))
        times, rest = divmod(wanted, len(own))
        drawn += own * times + random.sample(own, rest)
    return drawn


def cut_fragments(texts: Sequence[str], each: int, held_out: Collection[str], random: Random) -> list[str]:
    """Cut runs of words out of sentences, rare words as often as frequent ones.

    Args:
        texts: The sentences.
        each: How many runs of MOST_CUT words at most are cut around each word that two of the sentences have; of one
            word or more, cut at spaces, with their marks.
        held_out: The `text_key` of what must not be cut.
        random: What draws them.

    Returns:
        The runs, none twice.
    """
    words = [text.split() for text in texts]
    places: dict[str, list[tuple[int, int]]] = {}
    for i, own in enumerate(words):
        for j, word in enumerate(own):
            places.setdefault(text_key(word), []).append((i, j))
    cut: dict[str, None] = {}
    for key, found in places.items():
        if not key or len({i for i, _ in found}) < 2:
            continue
        for _ in range(each):
            i, j = random.choice(found)
            n = random.randint(1, MOST_CUT)
            first = max(0, j - random.randrange(n))
            run = " ".join(words[i][first : first + n])
            if text_key(run) not in held_out:
                cut[run] = None
    return list(cut)


def _is_asked(text: str, settings: TextDataSettings) -> bool:
    return 0 < len(split_words(text)) <= settings.teacher_words


def _ask_teachers(settings: TextDataSettings, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the mean of the teachers' predictions of N texts: (N, C)."""
    place = {text: i for i, text in enumerate(dict.fromkeys(texts))}  # a corpus's sentences may be taken several times
    predictions = [softmax(_answers(path, tuple(place)), settings.teacher_temperature) for path in settings.teachers]
    return np.asarray(np.mean(predictions, axis=0), dtype=np.float32)[[place[text] for text in texts]]


def _answers(path: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return a teacher's logits (N, C), which are kept: asking takes longer than an epoch of what is taught."""
    check_text_network(path)  # also where the answers are kept, for which it is not opened

    def ask() -> NDArray[np.float32]:
        teacher = OnnxNetwork(path)
        return score_texts(teacher, [teacher.read(text) for text in texts])

    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    return FeatureCache().get(Path(path), {"feature": "teacher", "version": 1, "texts": digest}, ask)


def _votes(texts: Sequence[LabelledText]) -> NDArray[np.float32]:
    return np.array([one.votes for one in texts], dtype=np.float32).reshape(len(texts), len(BASE))


def _bare(text: str) -> str:
    """Write a text as recognisers do that know no marks: `I can't, Tom!` is `i can't tom`."""
    return _MARKS.sub("", text).lower()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TextData(Utterances):
    """Sentences whose votes are all for one emotion, to be cross-validated. seed: of what is drawn of them."""

    settings: TextDataSettings
    seed: int

    def trained_in(self, fold: Fold) -> tuple[int, ...]:
        """See Utterances: no sentence that stands, but for capitals and marks, in another part."""
        met = {self.digests[i] for i in (*fold.valid, *fold.test)}
        return tuple(i for i in Utterances.trained_in(self, fold) if self.digests[i] not in met)

    def batches(self, indices: Sequence[int]) -> TextBatches:
        """Make an evaluation set: the sentences as they are, for a network of words."""
        return self._read(encode, indices)

    def batches_for(self, network: nn.Module, indices: Sequence[int]) -> TextBatches:
        """Make an evaluation set, as a network reads it."""
        return self._read(_reader(network), indices)

    def training(self, indices: Sequence[int]) -> TextBatches:
        """Make a training set of `examples` for a network of words."""
        texts, targets = self.examples(indices)
        return TextBatches([encode(text) for text in texts], targets)

    def examples(self, indices: Sequence[int]) -> tuple[list[str], NDArray[np.float32]]:
        """Return sentences to train on, thinned, repeated and bared as the recipe has it, with those that it makes, and
        their targets (N, C)."""
        texts: list[LabelledText] = []
        for i in indices:
            clip = self.manifest.clips[i]
            votes = tuple(self.targets([i])[0].tolist())
            times = self.settings.repeat.get(clip.path.parent.name, 1)
            texts += [LabelledText(clip.text, votes, "train", clip.dialogue)] * times
        return _examples(self.settings, TextUnion(tuple(texts), (), ()), self.seed)

    def _read(self, read: Callable[[str], NDArray[np.int64]], indices: Sequence[int]) -> TextBatches:
        return TextBatches([read(self.manifest.clips[i].text) for i in indices], self.targets(indices))


class TextTask(UtteranceTask):
    """Sentences, under the labels of a bundle."""

    name: ClassVar[str] = "text"
    noun: ClassVar[str] = "words"
    modality: ClassVar[str] = "text"
    kind: ClassVar[str] = "text"
    settings: ClassVar[type[TextDataSettings]] = TextDataSettings
    needs_folder: ClassVar[bool] = True
    protocol: ClassVar[str] = "all-corpora"
    group: ClassVar[str] = "sentence group"
    knows_people: ClassVar[bool] = False

    def label_set(self, recipe: Recipe) -> str:
        """See UtteranceTask."""
        return LABELS

    def n_validating(self, recipe: Recipe) -> int:
        """See UtteranceTask: one group in twenty."""
        return N_GROUPS // 20

    def find(
        self, recipe: Recipe, names: Sequence[str], data: str | Path | None
    ) -> tuple[list[Manifest], tuple[FeatureSet, ...]]:
        """See UtteranceTask. Sentences of one dialogue, and equal ones, are in one of N_GROUPS groups of a corpus."""
        return [_manifest(name, Path(data or ".")) for name in names], ()

    def decode(self, recipe: Recipe, corpora: Corpora, hook: Hook | None = None) -> TextData:
        """See UtteranceTask. Raises RecipeError for a recipe with teachers, who may have seen what is tested."""
        settings = text_settings(recipe)
        if settings.teachers:
            raise RecipeError(f"recipe {recipe.name!r}: teachers may have seen what is tested", "set data.teachers=[]")
        digests = tuple(hashlib.sha256(text_key(clip.text).encode()).hexdigest() for clip in corpora.joined.manifest)
        return TextData(settings=settings, corpora=corpora, digests=digests, seed=recipe.seed)

    def augmentation(self, recipe: Recipe, network: BuiltNetwork) -> tuple[Augment, Augment | None]:
        """See UtteranceTask."""
        forget = text_settings(recipe).forget
        drop = drop_words if isinstance(network, TextNet) else drop_pieces
        return lambda tokens, generator: drop(tokens, forget, generator), None

    def training(
        self, recipe: Recipe, data: Utterances, network: BuiltNetwork, train: Sequence[int], valid: Sequence[int]
    ) -> Job:
        """See UtteranceTask. The network learns its vocabulary from the training part before anything else."""
        assert isinstance(data, TextData) and isinstance(network, TextNet | MiniLm)
        texts, targets = data.examples(train)
        read = _learn_vocabulary(network, recipe, texts)
        return Job(
            network=network,
            labels=data.labels,
            train=TextBatches([read(text) for text in texts], targets),
            valid=data.batches_for(network, valid) if valid else None,
            augment_input=self.augmentation(recipe, network)[0],
            augment_features=None,
            monitor=self.monitor,
            fingerprint=data.fingerprint(train, valid),
            class_weights=loss_weights(recipe.train.class_weights, targets),
            class_prior=torch.from_numpy(targets.mean(axis=0)),
        )

    def check(self, recipe: Recipe) -> None:
        """See Task."""
        super().check(recipe)
        if recipe.train.mixup:
            raise RecipeError("there is nothing between two words that mixup could make", "set train.mixup=0")

    def prepare(
        self, recipe: Recipe, data: Path | None, validate: bool, notice: Callable[[str], None], hook: Hook | None
    ) -> tuple[Recipe, Job]:
        """See Task. The corpora's dev parts validate always."""
        assert data is not None  # the data folder, which this task needs
        recipe = without_absent(recipe, data, notice)
        return recipe, text_job(recipe, data)

    def input_spec(self, recipe: Recipe, network: BuiltNetwork) -> InputSpec:
        """See Task."""
        units: Literal["words", "pieces"] = "pieces" if isinstance(network, MiniLm) else "words"
        return InputSpec(kind="text", units=units, languages=self._languages(recipe))

    def _languages(self, recipe: Recipe) -> tuple[str, ...]:
        """Return the languages that a network learns by a recipe; none where it is English alone."""
        corpora = self.corpora(recipe)
        others = {code for corpus in corpora if "@" in corpus.name for code in corpus.languages}
        return tuple(sorted(others | {corpus.language for corpus in corpora if corpus.language})) if others else ()

    def cautions(self, recipe: Recipe) -> tuple[str, ...]:
        """See Task. Where other languages are learnt, it is not said that it reads English alone."""
        found = super().cautions(recipe)
        if not self._languages(recipe):
            return found
        return (LANGUAGES_CAUTION, *(one for one in found if one != SENTENCE_CAUTION))

    def corpora(self, recipe: Recipe) -> tuple[Corpus[Any], ...]:
        """See Task."""
        return tuple(text_corpus(name) for name in text_settings(recipe).train_on)

    def sources(self, recipe: Recipe) -> tuple[DataSource, ...]:
        """See Task. What teachers labelled of a corpus is named, and what they were made of beside the same ones."""
        settings = text_settings(recipe)
        corpora = [_with_further(corpus, settings) for corpus in self.corpora(recipe)]
        own = tuple(DataSource(name=c.title, licence=c.licence, part=c.part) for c in corpora)
        return with_teachers(own, settings.teachers)

    def examples(self, network: BuiltNetwork, spec: InputSpec, random: torch.Generator) -> list[Example]:
        """See Task."""
        return [(_words(network, n, length, random),) for n, length in ((2, 9), (1, 3), (5, 40))]


def _words(network: BuiltNetwork, n: int, length: int, random: torch.Generator) -> torch.Tensor:
    """Make the numbers of (n, length) words, most of which it knows; each row is a word shorter than the last."""
    is_after = torch.arange(length) >= length - torch.arange(n)[:, None].clamp(max=length - 1)
    if isinstance(network, MiniLm):
        pieces = torch.randint(1, len(network.frontend.vocabulary), (n, length), generator=random)
        return pieces.masked_fill(is_after, PADDING)
    assert isinstance(network, TextNet)
    known = network.frontend.known
    tokens = torch.randint(0, 2**BITS, (n, length, WIDTH), generator=random)
    tokens[..., 0] = known[torch.randint(0, len(known), (n, length), generator=random)].long()
    tokens[..., 0][torch.rand(n, length, generator=random) < 0.2] = UNKNOWN
    return tokens.masked_fill(is_after.unsqueeze(-1), PADDING)
