"""The words on an annotated film, in languages that the font that ships can write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emofuse.errors import UsageError

_ENGLISH: Final = (
    *("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised", "contempt"),
    *("face", "voice", "text", "clip", "no face or voice", "no answer yet", "uncertain"),
    *("clear", "likely", "unsure"),
)
_TRANSLATED: Final[Mapping[str, tuple[str, ...]]] = {
    "de": (
        *("neutral", "ruhig", "froh", "traurig", "wütend", "ängstlich", "angewidert", "überrascht", "verächtlich"),
        *("Gesicht", "Stimme", "Text", "Video", "kein Gesicht, keine Stimme", "noch keine Antwort", "ungewiss"),
        *("klar", "wahrscheinlich", "unsicher"),
    ),
    "es": (
        *("neutral", "tranquilo", "feliz", "triste", "enfadado", "asustado", "asqueado", "sorprendido", "despectivo"),
        *("cara", "voz", "texto", "vídeo", "ni cara ni voz", "aún sin respuesta", "incierto"),
        *("claro", "probable", "inseguro"),
    ),
    "fr": (
        *("neutre", "calme", "joyeux", "triste", "en colère", "effrayé", "dégoûté", "surpris", "méprisant"),
        *("visage", "voix", "texte", "vidéo", "ni visage ni voix", "pas encore de réponse", "incertain"),
        *("clair", "probable", "peu sûr"),
    ),
    "it": (
        *("neutro", "calmo", "felice", "triste", "arrabbiato", "impaurito", "disgustato", "sorpreso", "sprezzante"),
        *("volto", "voce", "testo", "video", "né volto né voce", "ancora nessuna risposta", "incerto"),
        *("chiaro", "probabile", "poco sicuro"),
    ),
    "nl": (
        *("neutraal", "kalm", "blij", "verdrietig", "boos", "bang", "walgend", "verrast", "minachtend"),
        *("gezicht", "stem", "tekst", "video", "geen gezicht of stem", "nog geen antwoord", "ongewis"),
        *("duidelijk", "waarschijnlijk", "onzeker"),
    ),
    "pl": (
        *("neutralność", "spokój", "radość", "smutek", "złość", "strach", "wstręt", "zaskoczenie", "pogarda"),
        *("twarz", "głos", "tekst", "wideo", "brak twarzy i głosu", "jeszcze bez odpowiedzi", "nieokreślone"),
        *("wyraźne", "prawdopodobne", "niepewne"),
    ),
    "pt": (
        *("neutro", "calmo", "feliz", "triste", "zangado", "assustado", "enojado", "surpreso", "desdenhoso"),
        *("rosto", "voz", "texto", "vídeo", "sem rosto nem voz", "ainda sem resposta", "incerto"),
        *("claro", "provável", "pouco seguro"),
    ),
    "ru": (
        *(
            "нейтральность",
            "спокойствие",
            "радость",
            "грусть",
            "злость",
            "страх",
            "отвращение",
            "удивление",
            "презрение",
        ),
        *("лицо", "голос", "текст", "видео", "ни лица, ни голоса", "ответа пока нет", "неясно"),
        *("уверенно", "вероятно", "неуверенно"),
    ),
    "tr": (
        *("nötr", "sakin", "mutlu", "üzgün", "kızgın", "korkmuş", "iğrenmiş", "şaşkın", "küçümseyen"),
        *("yüz", "ses", "metin", "video", "yüz veya ses yok", "henüz yanıt yok", "belirsiz"),
        *("net", "olası", "emin değil"),
    ),
}
LANGUAGES: Final = ("en", *_TRANSLATED)


def translate(word: str, language: str) -> str:
    """Return a word of the film in another language; a label of one's own, which no table has, stays as it is.

    Args:
        word: in English: a label, a modality or a remark.
        language: one of `LANGUAGES`.

    Raises:
        UsageError: the language is none of them.

    Example:
        >>> translate("surprised", "de")
        'überrascht'
    """
    if language == "en":
        return word
    if language not in _TRANSLATED:
        raise UsageError(f'no words for a film in "{language}"', f"choose one of {', '.join(LANGUAGES)}")
    return dict(zip(_ENGLISH, _TRANSLATED[language], strict=True)).get(word, word)
