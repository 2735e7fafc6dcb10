"""Whether a text is one that a network can read: its script, and the small words of its language."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Mapping
from typing import Final

from emofuse.preprocessing.tokens import normalise, split_words

ENGLISH: Final = "en"
LEAST_OF_SCRIPT: Final = 0.5  # of a text's letters
LEAST_FOUND: Final = 2  # different small words of another language; a single one may be a name, or English too

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
        "cs": "to se je na že co jsem si tak mi mě ale jsi jak ty já jste už něco jsme vás není tady teď jsou proč být",
        "da": "jeg er du det ikke at og vi kan hvad til med han de vil der så den på af om skal ham men var hvis noget",
        "no": "jeg det er du ikke og vi deg til meg han hva som på å kan av vil var om så den skal dette noe hvis nå",
        "hr": "je da ne se u to sam što na za mi si li me ja nije će su ga ovo te sve šta ali bi ću tako samo kako smo",
        "sl": "je ne da se sem to in si kaj na za ni mi pa bo me bom še so te lahko če ga bil vse kako kot jaz samo",
        "sk": "to je sa si som na že čo nie ja ako mi tu ale by sme pre ste už aby ty tak vám niečo dobre prečo kde",
        "hu": "nem az hogy és egy van ez ha meg mi én ne csak azt de volt el kell mit itt vagy már te ki nincs miért",
        "ro": "nu de să ce am un te la cu şi și mai în pe că este mă pentru eu dar fi va din cum sunt bine asta ceva",
        "et": "on ma ei sa see et ta ja me seda ära mis kui pole mida kas oled siin aga mu nii midagi kõik mind olen",
        "is": "ég að ekki er það á í við og þú þér þetta hann til með mér hvað þig mig fyrir en sem var því hún eru já",
        "vi": "tôi không có là sẽ một cô anh đó gì của đã sao được này phải người cho đi rồi nói với đang và ông ấy",
        "id": "yang di dan itu dengan untuk tidak ini dari dalam akan pada saya kamu aku dia kita ada bisa apa sudah",
        "af": "die en is nie dat van in ek jy hy sy ons het wat vir met om te op so maar was sal kan hulle my jou dit",
        "sw": "na ya wa kwa ni za la katika hii hiyo mimi wewe yeye sisi kama lakini sana nini hapa si cha kuwa huyo",
        "ru": "я не что в это ты и вы мы на с мне меня но она он как у то тебя нет за да так если они его бы когда",
        "uk": "я не що в це ти і ви ми на з мені мене але вона він як у то тебе ні за так якщо вони його би коли та",
        "bg": "да не е се ще и за ли си на че това ти какво ми го от с по съм те ме няма трябва ви но аз как ни са",
        "sr": "је да не се и у то сам шта на за ми си ли ме ја није ће су га ово те све али би ћу тако само како смо",
        "fa": "که و به از این را با است من تو او ما شما نه برای آن چه هم خیلی اما چرا باید بود هست می",
        "ar": "في من على أن ما لا هذا أنا أنت هو هي لم كان إلى عن مع ماذا يا هل لقد نعم كل ذلك هنا لماذا إن",
    }.items()
}
NAMES: Final[Mapping[str, str]] = {
    "af": "Afrikaans",
    "am": "Amharic",
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bs": "Bosnian",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ha": "Hausa",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "ig": "Igbo",
    "is": "Icelandic",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "mr": "Marathi",
    "nl": "Dutch",
    "no": "Norwegian",
    "om": "Oromo",
    "pcm": "Nigerian Pidgin",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "rw": "Kinyarwanda",
    "sk": "Slovak",
    "sl": "Slovene",
    "so": "Somali",
    "sr": "Serbian",
    "su": "Sundanese",
    "sv": "Swedish",
    "sw": "Swahili",
    "th": "Thai",
    "ti": "Tigrinya",
    "tr": "Turkish",
    "tt": "Tatar",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "vmw": "Makhuwa",
    "yo": "Yoruba",
    "zh": "Chinese",
}
"""By their ISO 639 codes."""


def language_name(code: str) -> str:
    """Return what people call a language, the code itself where it is not among `NAMES`."""
    return NAMES.get(code, code)


_LATIN: Final = "latin"
_SCRIPTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("\u0000", "\u024f", _LATIN),
    ("\u0370", "\u03ff", "el"),
    ("\u0400", "\u052f", "ru uk bg sr tt"),
    ("\u0530", "\u058f", "hy"),
    ("\u0590", "\u05ff", "he"),
    ("\u0600", "\u077f", "ar fa"),
    ("\u0900", "\u097f", "hi mr"),
    ("\u0980", "\u09ff", "bn"),
    ("\u0b80", "\u0bff", "ta"),
    ("\u0c00", "\u0c7f", "te"),
    ("\u0d00", "\u0d7f", "ml"),
    ("\u0e00", "\u0e7f", "th"),
    ("\u10a0", "\u10ff", "ka"),
    ("\u1200", "\u139f", "am ti"),
    ("\u1e00", "\u1eff", _LATIN),
    ("\u3040", "\u30ff", "ja"),
    ("\u3400", "\u9fff", "zh ja"),
    ("\uac00", "\ud7af", "ko"),
)
"""The first and last letter of scripts, and the languages that are written in them."""
_OTHER_SCRIPTS: Final = frozenset(" ".join(languages for _, _, languages in _SCRIPTS if languages != _LATIN).split())
_LATIN_LANGUAGES: Final = frozenset({*NAMES, *_SMALL_WORDS} - _OTHER_SCRIPTS) | {"sr"}
_FIRST_LETTERS: Final = tuple(first for first, _, _ in _SCRIPTS)
_ALIKE: Final[Mapping[str, tuple[str, ...]]] = {"hr": ("hr", "bs", "sr"), "da": ("da", "no")}
"""What the small words of a language tell of: those that share too many of them to be told apart."""
_LEAST_KANA: Final = 0.05  # of the letters of a text in Japanese


def share_of_latin(text: str) -> float:
    """Return the share of a text's letters that are Latin ones; 1 where it has no letter."""
    shares = _shares_of_scripts(text)
    return shares.get(_LATIN, 0.0) if shares else 1.0


def _shares_of_scripts(text: str) -> dict[str, float]:
    """Return the share of a text's letters of each script; nothing where it has no letter."""
    found = Counter(_script(c) for c in text if c.isalpha())
    n = sum(found.values())
    return {script: count / n for script, count in found.items()}


def _script(letter: str) -> str:
    _, last, languages = _SCRIPTS[bisect_right(_FIRST_LETTERS, letter) - 1]
    return languages if letter <= last else ""


def _languages_by_script(text: str) -> frozenset[str]:
    """Return the languages that a text may be in by its letters; "" among them where no script tells."""
    shares = _shares_of_scripts(text)
    if shares.get("ja", 0.0) >= _LEAST_KANA:
        return frozenset({"ja"})
    most = max(shares, key=lambda script: shares[script], default=_LATIN)
    if shares and shares[most] < LEAST_OF_SCRIPT:
        return frozenset({""})
    return _LATIN_LANGUAGES if most == _LATIN else frozenset(most.split(" "))


def can_read(text: str, languages: Container[str]) -> bool:
    """Whether nothing speaks against a text being in one of some languages: its letters, and its small words.

    Args:
        text: A sentence or two.
        languages: ISO 639 codes.

    Example:
        >>> can_read("Das ist nicht wahr!", ("en",)), can_read("Das ist nicht wahr!", ("de", "en"))
        (False, True)
    """
    guessed = guess_language(text)
    if guessed:
        return any(language in languages for language in _ALIKE.get(guessed, (guessed,)))
    return any(language in languages for language in _languages_by_script(text))


def guess_language(text: str) -> str:
    """Guess a text's language by its letters, and by its small words where a script has several languages.

    Args:
        text: A sentence or more.

    Returns:
        An ISO 639 code, or "" where neither tells. Bosnian and Croatian, and Serbian in Latin letters, are "hr".

    Example:
        >>> guess_language("Ich bin sehr traurig, und du?"), guess_language("Sad!"), guess_language("Γεια σου")
        ('de', '', 'el')
    """
    possible = _languages_by_script(text)
    if len(possible) == 1:
        return next(iter(possible))
    words = set(split_words(normalise(text)))  # said again, as in "Ha ha ha", a word tells no more
    known = possible & _SMALL_WORDS.keys()
    if not known:
        return ""
    found = {language: sum(word in _SMALL_WORDS[language] for word in words) for language in sorted(known)}
    best = max(found, key=lambda language: found[language])
    if found[best] == 0 or (best != ENGLISH and found[best] < LEAST_FOUND):
        return ""
    return ENGLISH if found.get(ENGLISH) == found[best] else best


def is_surely(text: str, languages: Container[str], other: str) -> bool:
    """Whether a text's letters, or its small words, tell that it is in one of some languages rather than in another.

    Example:
        >>> is_surely("I am furious.", ("en",), "de"), is_surely("Was?", ("en",), "de"), is_surely("So?", ("en",), "hr")
        (True, False, False)
    """
    own = guess_language(text)
    if own not in languages:
        return False
    return own not in _SMALL_WORDS or share_of_small_words(text, own) > share_of_small_words(text, other)


def share_of_small_words(text: str, language: str) -> float:
    """Return the share of a text's words that are among the small words of a language; 0 where either has none.

    Example:
        >>> share_of_small_words("That is not it", "en")
        1.0
    """
    words = split_words(normalise(text))
    small = _SMALL_WORDS.get(language, frozenset())
    return sum(word in small for word in words) / len(words) if words else 0.0
