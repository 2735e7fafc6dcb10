"""Whether a text is one that an English network can read: its script, and the small words of its language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emofuse.preprocessing.tokens import normalise, split_words

ENGLISH: Final = "en"
LEAST_LATIN: Final = 0.5  # of a text's letters
LEAST_FOUND: Final = 2  # small words of another language; a single one may be a name, or English too

_SMALL_WORDS: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        ENGLISH: "the and you to of that it is in was for on are with he be at have this not but they his from had as "
        "we what all were when your can there she do how if will so no just him know up out like me my i a an or has "
        "would who did get them come yes her could one about then now here why where",
        "de": "der die das und ist nicht ich du er sie es wir ihr ein eine einen mit für auf den dem zu sich auch von "
        "bin bist war hat haben habe was wie wo aber nur noch mir mich dir dich sehr hier nein ja kann wird wenn",
        "fr": "le la les un une des et est je tu il elle nous vous ils ne pas que qui dans pour sur avec ce cette mais "
        "où au aux du de mon ma mes ton ta son sa suis es sont ai as avez très oui non quoi comme fait",
        "es": "el la los las un una y es yo tú él ella nosotros no que en de del para por con pero muy más como está "
        "estoy eres soy son mi tu su se lo le me te qué quién dónde hay sí ya esto eso tengo tiene",
        "pt": "o a os as um uma e é eu você ele ela nós não que em de do da para por com mas muito mais como está "
        "estou sou são meu minha seu sua se lhe me te quê quem onde há sim já isto isso tenho tem",
        "it": "il lo la i gli le un una e è io tu lui lei noi non che in di del della per con ma molto più come sto "
        "sono sei mio mia tuo sua si mi ti cosa chi dove c'è sì già questo quello ho ha anche",
        "nl": "de het een en is niet ik jij je hij zij ze wij we dat die in van voor op met maar heel ook naar ben "
        "bent zijn mijn jouw wat wie waar hoe nee ja er aan dit heb heeft nog kan moet",
        "sv": "och det är att en ett jag du han hon vi inte som på för med av den till har om men så var vad hur här "
        "min din sig mig dig ja nej kan ska mycket också",
        "pl": "i w nie na się jest to że z do ja ty on ona my jak ale co po tak za od czy tylko mnie mi ci jestem są "
        "był była bardzo już tu gdzie kto dla ten ta",
        "tr": "bir ve bu da de ne için ben sen o biz çok değil var yok mi mı ama gibi daha kadar bana sana beni seni "
        "evet hayır nasıl neden şey ile",
        "fi": "ja on ei se hän minä sinä että en olen oli mutta kun niin mitä tämä sen joka vain minun sinun olet "
        "kyllä missä miten nyt hyvin myös",
    }.items()
}
NAMES: Final[Mapping[str, str]] = {
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "pt": "Portuguese",
    "it": "Italian",
    "nl": "Dutch",
    "sv": "Swedish",
    "pl": "Polish",
    "tr": "Turkish",
    "fi": "Finnish",
}


def share_of_latin(text: str) -> float:
    """Return the share of a text's letters that are Latin ones; 1 where it has no letter."""
    letters = [c for c in text if c.isalpha()]
    return sum(c < "\u0250" or "\u1e00" <= c < "\u1f00" for c in letters) / len(letters) if letters else 1.0


def guess_language(text: str) -> str:
    """Guess a text's language by its small words.

    Args:
        text: A sentence or more.

    Returns:
        An ISO 639-1 code of `NAMES`, `ENGLISH`, or "" where the small words do not tell.

    Example:
        >>> guess_language("Ich bin sehr traurig, und du?"), guess_language("Sad!")
        ('de', '')
    """
    words = split_words(normalise(text))
    found = {language: sum(word in small for word in words) for language, small in _SMALL_WORDS.items()}
    best = max(found, key=lambda language: found[language])
    if found[best] == 0 or (best != ENGLISH and found[best] < LEAST_FOUND):
        return ""
    return ENGLISH if found[ENGLISH] == found[best] else best


def share_of_small_words(text: str, language: str) -> float:
    """Return the share of a text's words that are among the small words of a language; 0 where it has none.

    Example:
        >>> share_of_small_words("That is not it", "en")
        1.0
    """
    words = split_words(normalise(text))
    return sum(word in _SMALL_WORDS[language] for word in words) / len(words) if words else 0.0
