"""Telling English from what an English network cannot read."""

from __future__ import annotations

import time

import pytest

from emofuse.preprocessing.language import ENGLISH, NAMES, can_read, guess_language, language_name, share_of_latin
from emofuse.preprocessing.tokens import as_spoken, drop_sounds


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I don't know what to do, and nobody helps me.", ENGLISH),
        ("Ich weiß nicht, was ich tun soll.", "de"),
        ("Je ne sais pas quoi faire.", "fr"),
        ("No sé qué hacer, estoy muy triste.", "es"),
        ("Eu não sei o que fazer.", "pt"),
        ("Non so che cosa fare, sono molto triste.", "it"),
        ("Ik weet niet wat ik moet doen.", "nl"),
        ("Jag vet inte vad jag ska göra.", "sv"),
        ("Nie wiem, co mam robić, ale to jest smutne.", "pl"),
        ("Çok üzgünüm ve bana yardım yok.", "tr"),
        ("En tiedä, mitä minun pitää tehdä.", "fi"),
        ("Nevím, co mám dělat, ale jsem tady.", "cs"),
        ("Nem tudom, hogy mit kell most tenni.", "hu"),
        ("Nu ştiu ce să fac, dar sunt aici.", "ro"),
        ("Я не знаю, что мне делать.", "ru"),
        ("Я не знаю, що мені робити, але вона тут.", "uk"),
        ("Не знам какво да правя, защото съм сам.", "bg"),
        ("Ја не знам шта је то.", "sr"),
        ("Δεν ξέρω τι να κάνω.", "el"),
        ("אני לא יודע מה לעשות", "he"),
        ("أنا لا أعرف ماذا أفعل", "ar"),
        ("من نمی‌دانم چه باید کرد و تو هم", "fa"),
        ("どうすればいいのか分からない", "ja"),
        ("어떻게 해야 할지 모르겠어요", "ko"),
    ],
)
def test_languages_are_told_by_their_small_words(text: str, language: str) -> None:
    assert guess_language(text) == language
    assert language == ENGLISH or language in NAMES


@pytest.mark.parametrize("text", ["", "Congratulations!", "Die!", "Casa", "123 456", "救命", "Ha ha ha.", "La la la"])
def test_a_word_or_two_do_not_tell(text: str) -> None:
    assert guess_language(text) == ""


@pytest.mark.parametrize(
    ("text", "languages", "expected"),
    [
        ("Das ist nicht wahr!", ("en",), False),
        ("Das ist nicht wahr!", ("de", "en"), True),
        ("Congratulations!", ("en",), True),  # nothing speaks against it
        ("救命", ("zh",), True),
        ("救命", ("en", "de"), False),
        ("どうして", ("zh",), False),
        ("Ne znam što je to", ("sr",), True),  # Croatian and Serbian share their small words
        ("वह बहुत खुश है", ("hi",), True),
        ("वह बहुत खुश है", ("en",), False),
        ("Привет, ok", ("ru", "en"), True),
        ("W-w-what?", ("en",), True),
        ("", ("en",), True),
    ],
)
def test_a_text_is_read_where_nothing_speaks_against_its_language(
    text: str, languages: tuple[str, ...], expected: bool
) -> None:
    assert can_read(text, languages) is expected


def test_languages_have_names() -> None:
    assert (language_name("de"), language_name("xx")) == ("German", "xx")


@pytest.mark.parametrize(
    ("text", "share"),
    [("Help!", 1.0), ("", 1.0), ("42 ?!", 1.0), ("café über ñandú Đặng", 1.0), ("救命啊", 0.0), ("Привет ok", 0.25)],
)
def test_the_share_of_latin_letters(text: str, share: float) -> None:
    assert share_of_latin(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("[music]", ""),
        ("(laughs)", ""),
        ("♪ ♪", ""),
        ("- [door opens] Who's there? (gasps)", "Who's there?"),
        (">> I'm fine.", "I'm fine."),
        ("♪ I will survive ♪", "I will survive"),
        ("a well-known fact - indeed", "a well-known fact - indeed"),
        ("It costs 5 (five) dollars", "It costs 5 dollars"),
        ("an open [bracket", "an open [bracket"),
    ],
)
def test_what_subtitles_say_of_sounds_is_left_out(written: str, left: str) -> None:
    assert drop_sounds(written) == left


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("[sighs] What the f**k!", "What the fuck!"),
        ("F*** you, you a$$hole.", "fuck you, you asshole."),
        ("This is bulls**t, oh sh*t", "This is bullshit, oh shit"),
        ("Look: https://example.org/a?b=1 and www.example.org", "Look: and"),
        ("Write to bob.smith@example.co.uk now", "Write to now"),
        ("I *love* it", "I love it"),
        ("b@d, t*p and C# stay", "b@d, t p and C stay"),
        ("No address... at all. Nor 5@6.", "No address... at all. Nor 5@6."),
    ],
)
def test_hidden_swear_words_are_written_out_and_addresses_left_out(written: str, spoken: str) -> None:
    assert as_spoken(written) == spoken


@pytest.mark.parametrize("run", ["a", "@", "a@", "a*", "x.y@a-", "http://", "a.b@c.", "f**k"])
def test_a_line_without_spaces_is_looked_through_once(run: str) -> None:
    began = time.process_time()
    as_spoken(run * (200_000 // len(run)))
    assert time.process_time() - began < 5
