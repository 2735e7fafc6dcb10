"""Every corpus that can be read, by the name that commands and recipes call it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeVar

from emofuse.emotions import BASE, FERPLUS
from emofuse.errors import CorpusError, UsageError
from emofuse.importing import import_object
from emofuse.preprocessing.language import language_name
from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Manifest, read_manifest
from emofuse.research.corpora.readers import (
    ased,
    brighter,
    cfee,
    cremad,
    edos,
    emodb,
    emogator,
    emotale,
    emovo,
    ferplus,
    goemotions,
    iemocap,
    korean,
    meld,
    nemo,
    ravdess,
    savee,
    taiwan,
    tess,
    xed,
)
from emofuse.research.corpora.readers.portraits import Portraits
from emofuse.research.corpora.text_table import read_text_table
from emofuse.research.corpora.texts import Texts

_OWN_TEXTS: Final[Corpus[Texts]] = Corpus("csv", "sentences of your own", "as they came", BASE, read_text_table)
_OWN_PORTRAITS: Final[Corpus[Portraits]] = Corpus("own", "faces of your own", "as they came", FERPLUS, Portraits)
_OWN: Final[Corpus[Manifest]] = Corpus("csv", "a table of your own", "as its manifest says", (), read_manifest)
CORPORA: Final[Mapping[str, Corpus[Manifest]]] = {
    corpus.name: corpus
    for corpus in (
        *ravdess.CORPORA,
        cremad.CORPUS,
        emodb.CORPUS,
        tess.CORPUS,
        savee.CORPUS,
        ased.CORPUS,
        nemo.CORPUS,
        emotale.CORPUS,
        emovo.CORPUS,
        korean.CORPUS,
        emogator.CORPUS,
        iemocap.CORPUS,
        meld.CORPUS,
        _OWN,
    )
}
"""Recordings of utterances. `csv` is given your own table (`read_manifest`); every other one a folder."""
FACES: Final[Mapping[str, Corpus[ferplus.FerPlus]]] = {corpus.name: corpus for corpus in (ferplus.CORPUS,)}
"""Pictures of faces that nobody can be told by."""
PORTRAITS: Final[Mapping[str, Corpus[Portraits]]] = {corpus.name: corpus for corpus in (cfee.CORPUS, taiwan.CORPUS)}
"""Posed faces of known people; each is read from `faces/NAME.zip` in the data folder."""
TEXTS: Final[Mapping[str, Corpus[Texts]]] = {
    corpus.name: corpus for corpus in (goemotions.CORPUS, xed.CORPUS, edos.CORPUS, brighter.CORPUS, meld.TEXT_CORPUS)
}
"""Sentences without recordings, with the votes that they had."""
ALL_LANGUAGES: Final = "all"  # after the name of a text corpus: `xed@all`, all but that of `xed`


def get_corpus(name: str) -> Corpus[Manifest]:
    """Return a corpus of recordings by its name, or one of your own as `package.module:NAME`.

    Args:
        name: Of CORPORA; or the module and, after a colon, a `Corpus` in it, or a function that takes a folder and
            returns a `Manifest`.

    Returns:
        The corpus.

    Raises:
        UsageError: No corpus has the name, or the module has no such thing.

    Example:
        >>> get_corpus("ravdess").style
        'acted'
    """
    if ":" in name:
        return _imported_as(name, Manifest, _OWN)
    if name in CORPORA:
        return CORPORA[name]
    close = get_close_matches(name.lower().replace("_", "-"), CORPORA, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise UsageError(f"no corpus is called {name!r}", f"{meant}there is {', '.join(CORPORA)}")


def read_corpus(name: str, folder: str | Path, sound: str | Path | None = None) -> Manifest:
    """Read a corpus by its name. Clips without a style of their own get that of the corpus.

    Args:
        name: As `get_corpus` takes it.
        folder: Of the corpus; for "csv", the table.
        sound: The folder of its sound, if it is separate.

    Returns:
        The clips.

    Raises:
        UsageError: No corpus has the name, or it takes no sound from another folder.
        CorpusError: The folder does not contain the corpus.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "a.wav").touch()
        ...     table = Path(folder) / "mine.csv"
        ...     _ = table.write_text("\\n".join(("path,emotion,speaker", "a.wav,happy,anna")))
        ...     read_corpus("csv", table).speakers
        ['anna']
    """
    corpus = get_corpus(name)
    if sound is None:
        manifest = corpus.read(Path(folder))
    elif corpus.read_paired is not None:
        manifest = corpus.read_paired(Path(folder), Path(sound))
    else:
        paired = ", ".join(name for name, each in CORPORA.items() if each.read_paired is not None)
        raise UsageError(f"{name} takes no sound from another folder", f"those that do: {paired}")
    if not corpus.style:
        return manifest
    clips = (clip if clip.style else replace(clip, style=corpus.style) for clip in manifest)
    return replace(manifest, clips=tuple(clips))


def corpus_of(manifest: Manifest) -> Corpus[Manifest]:
    """Return the corpus that a manifest is of, also one that was written as a table and read again.

    It is recognised by its speakers' names and its licence, and a variant by its emotions. A table of recordings that
    no reader knows is a corpus of its own, under the table's name and licence.

    Args:
        manifest: The clips.

    Returns:
        The corpus.

    Example:
        >>> from emofuse.research.corpora.manifest import Clip
        >>> corpus_of(Manifest("mine", ("happy",), (Clip(Path("a.wav"), "happy", "anna"),), "ours")).title
        'mine'
    """
    prefixes = {clip.speaker.partition("-")[0] for clip in manifest}
    licences = {clip.licence for clip in manifest}
    emotions = {clip.emotion for clip in manifest}
    known = [
        corpus
        for corpus in CORPORA.values()
        if prefixes == {corpus.name.partition("-")[0]} and licences == {corpus.licence}
    ]
    if known:
        return next((corpus for corpus in known if set(corpus.labels) == emotions), known[0])
    is_acted = any(clip.style.startswith(ACTED) for clip in manifest)
    licence = manifest.licence or _OWN.licence
    return replace(_OWN, title=manifest.name, licence=licence, style=ACTED if is_acted else "")


def read_texts(name: str, data: str | Path) -> Texts:
    """Read a text corpus from the folder of its name in a data folder.

    Args:
        name: As `text_corpus` takes it.
        data: The data folder.

    Returns:
        The sentences.

    Raises:
        UsageError: No text corpus has the name.
        CorpusError: It is not there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = Path(folder) / "mine.csv"
        ...     _ = table.write_text("text,emotion\\nHow nice!,happy\\nOh no.,sad")
        ...     len(read_texts(str(table), folder).texts)
        2
    """
    corpus = text_corpus(name)
    folder = name.rpartition(":")[2].partition("@")[0]
    return corpus.read(name if name.lower().endswith(".csv") else Path(data) / folder)


def text_corpus(name: str) -> Corpus[Texts]:
    """Return a corpus of sentences by its name.

    Args:
        name: Of TEXTS; or the path of a table (.csv); or the module and, after a colon, a `Corpus` in it, or a function
            that takes a folder and returns `Texts`.

    Returns:
        The corpus; `xed@de` is the German part of one in several languages, `xed@all` all but its main one.

    Raises:
        UsageError: No text corpus has the name or the language, or the module has no such thing.

    Example:
        >>> text_corpus("goemotions").language
        'en'
    """
    if name in TEXTS:
        return TEXTS[name]
    base, _, language = name.partition("@")
    if language and base in TEXTS:
        return _in_language(TEXTS[base], language)
    if name.lower().endswith(".csv"):
        return replace(_OWN_TEXTS, name=Path(name).stem, title=Path(name).stem)
    if ":" in name:
        return _imported_as(name, Texts, _OWN_TEXTS)
    raise UsageError(f"no text corpus is called {name!r}", f"there is {', '.join(TEXTS)}")


def _in_language(corpus: Corpus[Texts], language: str) -> Corpus[Texts]:
    codes = corpus.languages if language == ALL_LANGUAGES else (language,)
    read = corpus.read_language
    if read is None or not set(codes) <= set(corpus.languages):
        there = ", ".join(corpus.languages) or f"{corpus.language} alone"
        raise UsageError(f"{corpus.title} has no language {language!r}", f"there is {there}")
    what = "other languages" if language == ALL_LANGUAGES else language_name(language)
    return replace(
        corpus,
        name=f"{corpus.name}@{language}",
        title=f"{corpus.title} ({what})",
        language=language if len(codes) == 1 else "",
        languages=codes,
        part="train part",
        cautions=(),
        read=lambda folder: read(Path(folder), "" if language == ALL_LANGUAGES else language),
    )


def portrait_corpus(name: str) -> Corpus[Portraits]:
    """Return a set of faces of known people by its name.

    Args:
        name: Of PORTRAITS; or the module and, after a colon, a `Corpus` in it, or a function that takes a folder and
            returns `Portraits`.

    Returns:
        The set.

    Raises:
        UsageError: No set has the name, or the module has no such thing.

    Example:
        >>> portrait_corpus("cfee").name
        'cfee'
    """
    if name in PORTRAITS:
        return PORTRAITS[name]
    if ":" in name:
        return _imported_as(name, Portraits, _OWN_PORTRAITS)
    raise UsageError(f"no set of faces is called {name!r}", f"there is {', '.join(PORTRAITS)}")


T = TypeVar("T", Manifest, Texts, Portraits)


def _imported_as(name: str, kind: type[T], own: Corpus[T]) -> Corpus[T]:
    """Return a corpus of one's own. own: what is said of one that is a function alone."""
    found = import_object(name)
    if isinstance(found, Corpus):
        return found
    article = f"a {kind.__name__}" if kind is Manifest else kind.__name__
    if not callable(found):
        raise UsageError(f"{name} is not a corpus", f"it must be a Corpus, or a function from a folder to {article}")

    def read(folder: str | Path) -> T:
        made = found(Path(folder))
        if not isinstance(made, kind):
            raise CorpusError(f"{name} returned {type(made).__name__}, not {article}")
        return made

    return replace(own, name=name, title=name.partition(":")[2], read=read)
