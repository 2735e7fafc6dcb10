"""Sentences made by rule: what corpora have too few of, above all denial ("I'm not happy") and contrast.

A rule is a few words and what a sentence of it shows, written and checked by hand; what a denied feeling leaves behind
is shared among emotions, as people who read such a sentence disagree. Nothing here is of a corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, TypeAlias

from emofuse.emotions import BASE
from emofuse.research.corpora.texts import LabelledText

Mood: TypeAlias = Mapping[str, float]  # shares of emotions, which add up to 1
_Made: TypeAlias = tuple[str, Mood]

FEELINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "happy": (
        "happy",
        "glad",
        "pleased",
        "excited",
        "thrilled",
        "delighted",
        "proud",
        "grateful",
        "cheerful",
        "satisfied",
        "relieved",
        "content",
        "overjoyed",
        "thankful",
    ),
    "sad": (
        "sad",
        "unhappy",
        "lonely",
        "heartbroken",
        "depressed",
        "miserable",
        "disappointed",
        "upset",
        "hurt",
        "ashamed",
        "gloomy",
        "devastated",
    ),
    "angry": (
        "angry",
        "mad",
        "furious",
        "annoyed",
        "irritated",
        "outraged",
        "enraged",
        "offended",
        "pissed off",
        "fed up",
    ),
    "fearful": (
        "afraid",
        "scared",
        "frightened",
        "terrified",
        "worried",
        "nervous",
        "anxious",
        "panicked",
        "petrified",
        "alarmed",
    ),
    "disgust": (
        "disgusted",
        "sickened",
        "repulsed",
        "revolted",
        "nauseated",
        "grossed out",
    ),
    "surprised": (
        "surprised",
        "shocked",
        "amazed",
        "astonished",
        "stunned",
        "astounded",
        "taken aback",
    ),
}
QUALITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "happy": (
        "good",
        "great",
        "wonderful",
        "nice",
        "lovely",
        "fun",
        "funny",
        "beautiful",
        "amazing",
        "fantastic",
        "delightful",
        "awesome",
        "perfect",
        "excellent",
        "brilliant",
    ),
    "sad": (
        "sad",
        "tragic",
        "heartbreaking",
        "depressing",
        "gloomy",
        "disappointing",
    ),
    "angry": (
        "annoying",
        "outrageous",
        "infuriating",
        "irritating",
        "maddening",
    ),
    "fearful": (
        "scary",
        "creepy",
        "frightening",
        "terrifying",
        "dangerous",
        "spooky",
    ),
    "disgust": (
        "disgusting",
        "gross",
        "nasty",
        "revolting",
        "filthy",
        "repulsive",
        "sickening",
        "vile",
    ),
    "surprised": (
        "surprising",
        "unexpected",
        "shocking",
        "astonishing",
    ),
}
STATEMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "happy": (
        "I can't wait!",
        "I can't wait to see you.",
        "I can't complain.",
        "Couldn't be better.",
        "Never better!",
        "Nothing makes me happier.",
        "I can't stop smiling.",
        "We won!",
        "We did it!",
        "Yay!",
        "Hooray!",
        "Thank God you're safe.",
        "Congratulations!",
        "I got the job!",
        "I passed the exam!",
        "She said yes!",
        "Thank you so much!",
        "This made my day.",
        "Best day ever!",
        "I'm having so much fun.",
        "You're the best!",
        "What a relief!",
        "No problem, I'm happy to help.",
        "It doesn't get better than this.",
        "There's nothing I'd rather do.",
        "Happy birthday!",
        "Well done!",
        "I wouldn't change a thing.",
        "I have no regrets.",
        "You won't regret it, it's amazing.",
        "That's hilarious.",
        "You make me laugh.",
        "We're getting married!",
        "I'm so lucky to have you.",
    ),
    "sad": (
        "I miss him so much.",
        "I miss my mom.",
        "My dog died.",
        "He passed away last night.",
        "I lost my job.",
        "She left me.",
        "I can't stop crying.",
        "Nobody loves me.",
        "I have no friends.",
        "No one came to my party.",
        "There's no hope left.",
        "I don't want to live anymore.",
        "I can't go on like this.",
        "It's all my fault.",
        "I wish I had never been born.",
        "Nothing matters anymore.",
        "I'll never see her again.",
        "We had to say goodbye.",
        "I feel so alone.",
        "I failed again.",
        "He never came back.",
        "I'm sorry for your loss.",
        "My heart is broken.",
        "They didn't even call.",
        "I didn't get the job.",
        "I have nothing left.",
        "It hurts so much.",
        "We lost everything in the fire.",
        "She doesn't love me anymore.",
        "I never got to say goodbye.",
    ),
    "angry": (
        "Get out of my house!",
        "Leave me alone!",
        "Shut up!",
        "How dare you!",
        "Stop it right now!",
        "Don't you dare touch me!",
        "I've had enough of this.",
        "This is so unfair!",
        "That's not fair!",
        "You lied to me!",
        "Don't lie to me!",
        "Don't talk to me like that.",
        "You never listen!",
        "I won't put up with this.",
        "I'm sick and tired of your excuses.",
        "Go to hell!",
        "Damn it!",
        "You idiot!",
        "What the hell is wrong with you?",
        "Who do you think you are?",
        "You ruined everything!",
        "I can't take this anymore, get out!",
        "I'm going to kill him for this.",
        "You have no right!",
        "I will never forgive you.",
        "That is none of your business!",
        "Give it back, you thief!",
        "Nobody asked you!",
        "Are you kidding me? Again?",
        "I don't care what you think!",
        "You had no right to do that.",
        "It makes my blood boil.",
    ),
    "fearful": (
        "Help!",
        "Help me!",
        "Somebody help!",
        "Please don't hurt me.",
        "Run!",
        "Run for your life!",
        "He's going to kill us.",
        "There's someone in the house.",
        "He has a knife!",
        "She's got a gun!",
        "Call the police!",
        "Don't shoot!",
        "Watch out!",
        "I think someone is following me.",
        "We're all going to die.",
        "I can't breathe, help me.",
        "What if he comes back?",
        "I hear footsteps downstairs.",
        "The bomb is about to explode.",
        "I'm having a panic attack.",
        "Don't leave me alone in here.",
        "Something is moving in the dark.",
        "We have to hide.",
        "I'm shaking.",
        "I have a bad feeling about this.",
        "What if something happens to her?",
        "There's a fire!",
        "Please don't let me die.",
        "He's coming, hide!",
        "I'm afraid of spiders.",
        "I'm scared of heights.",
        "Snakes terrify me.",
        "I don't dare to go in there.",
        "They're shooting at us!",
        "What was that noise?",
    ),
    "disgust": (
        "Ew!",
        "Eww, gross.",
        "Yuck!",
        "Ugh, that smells.",
        "That's nasty.",
        "It stinks in here.",
        "There's a hair in my soup.",
        "It makes me sick.",
        "It makes me want to throw up.",
        "I think I'm going to vomit.",
        "He smells awful.",
        "The milk has gone sour, yuck.",
        "Get that filthy thing away from me.",
        "You make me sick.",
        "The toilet is filthy.",
        "There are maggots in the meat.",
        "I can't eat this, it's rotten.",
        "He picks his nose and eats it.",
        "What a pervert.",
        "That is repulsive.",
        "The bathroom was covered in mold.",
        "It tastes like vomit.",
        "Don't touch that, it's filthy.",
        "There's a cockroach in my food.",
        "What is that horrible smell?",
        "He spat on the floor.",
    ),
    "surprised": (
        "Wow!",
        "Oh my God!",
        "Really?",
        "No way!",
        "What?!",
        "You're kidding!",
        "I can't believe it!",
        "I don't believe it!",
        "I didn't see that coming.",
        "Who would have thought?",
        "I had no idea!",
        "You did what?",
        "Is that really you?",
        "I never expected that.",
        "What are you doing here?",
        "Seriously?",
        "Oh, I didn't know you were home!",
        "That came out of nowhere.",
        "Since when do you smoke?",
        "Wait, you two are married?",
        "How is that even possible?",
        "Already? So soon?",
        "I never thought I'd see you here.",
        "Look who's here!",
        "You're pregnant?",
        "That can't be true!",
        "Well, I'll be damned!",
        "Are you serious?",
        "It just appeared out of thin air.",
        "You're alive?",
    ),
    "neutral": (
        "Okay.",
        "Yes.",
        "No.",
        "Fine, let's go.",
        "I see.",
        "The meeting is at three.",
        "It's on the table.",
        "My name is Anna.",
        "We live in Berlin.",
        "I had toast for breakfast.",
        "The train leaves at nine.",
        "He works in a bank.",
        "She is my sister.",
        "Turn left at the corner.",
        "There are two chairs in the room.",
        "I'll call you tomorrow.",
        "It's Tuesday.",
        "Open the window, please.",
        "The report has ten pages.",
        "He went to the store.",
        "I don't know.",
        "I don't think so.",
        "Not today.",
        "No, thank you.",
        "I'm not sure.",
        "It doesn't matter.",
        "I don't have a car.",
        "There's no milk in the fridge.",
        "He isn't here.",
        "We haven't decided yet.",
        "She didn't say anything about it.",
        "I don't work on Sundays.",
        "No, it's the other door.",
        "You don't need a ticket.",
        "The shop isn't open on Monday.",
        "Nothing happened.",
        "It wasn't me.",
        "I haven't seen the film.",
        "The bus was not late.",
        "Don't worry about it.",
        "Never mind.",
        "No problem.",
        "Take a seat.",
        "Put it over there.",
        "I read the letter.",
        "What time is it?",
        "How many are there?",
        "Where do you live?",
        "It takes about an hour.",
        "The water is boiling.",
        "Send me the file.",
        "Kids are doing their homework.",
        "I was there yesterday.",
        "It weighs two kilos.",
        "The door is open.",
        "I've got the keys.",
        "He told me to wait.",
        "This is my brother.",
        "Press the button twice.",
        "We need more paper.",
    ),
}
DENIED: Final[Mapping[str, Mood]] = {
    "happy": {"sad": 0.55, "angry": 0.3, "neutral": 0.15},
    "sad": {"neutral": 0.7, "happy": 0.3},
    "angry": {"neutral": 0.8, "happy": 0.2},
    "fearful": {"neutral": 0.75, "happy": 0.25},
    "disgust": {"neutral": 0.85, "happy": 0.15},
    "surprised": {"neutral": 1.0},
}
"""What somebody shows who denies a feeling."""
DENIED_QUALITY: Final[Mapping[str, Mood]] = {
    **DENIED,
    "happy": {"sad": 0.35, "angry": 0.3, "disgust": 0.15, "neutral": 0.2},
}
_BAD: Final = ("bad", "terrible", "awful", "horrible")
_DISLIKE: Final[Mood] = {"angry": 0.35, "disgust": 0.3, "sad": 0.25, "neutral": 0.1}
_HATE: Final[Mood] = {"angry": 0.65, "disgust": 0.35}
_RELIEF: Final[Mood] = {"neutral": 0.8, "happy": 0.2}

# who feels, said and denied
_WHO: Final = (
    ("I'm", "I'm not"), ("I am", "I am not"), ("I was", "I wasn't"), ("I was", "I was not"), ("She's", "She isn't"),
    ("He is", "He's not"), ("We are", "We aren't"), ("They were", "They weren't"), ("You are", "You're not"),
    ("My mother was", "My mother wasn't"), ("Everyone is", "No one is"), ("I feel", "I don't feel"),
    ("I felt", "I didn't feel"), ("He seems", "He doesn't seem"), ("We're", "We're not"),
    ("She looked", "She didn't look"),
)  # fmt: skip
_WHAT: Final = (
    ("That's", "That's not"), ("This is", "This is not"), ("It's", "It's not"), ("It was", "It wasn't"),
    ("That was", "That wasn't"), ("The movie was", "The movie wasn't"), ("Her letter is", "Her letter isn't"),
    ("The whole story was", "The story was not"), ("The food is", "The food isn't"), ("It is", "It isn't"),
    ("This is", "This isn't"), ("The place was", "That isn't"), ("His speech was", "His speech was not"),
    ("The news is", "The news isn't"), ("Your idea is", "Your idea isn't"),
)  # fmt: skip
_OBJECTS: Final = (
    "it", "this", "that", "you", "him", "her", "them", "this place", "my job", "the new teacher", "your friends",
    "what you did", "this song", "Mondays", "the way he talks", "flying", "the dark", "going there", "your cooking",
    "our neighbours",
)  # fmt: skip
_LOVE: Final = ("love", "like", "enjoy", "adore", "admire")
_DETEST: Final = ("hate", "can't stand", "despise", "loathe", "detest")
_CAUSES: Final = (
    "It",
    "That",
    "This",
    "The noise",
    "His joke",
    "What she said",
    "The news",
    "Your question",
    "The film",
)
_AFFECTING: Final[Mapping[str, tuple[str, ...]]] = {
    "happy": ("pleases", "amuses", "delights", "impresses", "cheers"),
    "sad": ("hurts", "upsets", "depresses", "saddens"),
    "angry": ("bothers", "irritates", "enrages", "offends"),
    "fearful": ("scares", "frightens", "worries", "terrifies"),
    "disgust": ("disgusts", "repels", "sickens", "revolts"),
    "surprised": ("surprises", "shocks", "amazes", "astonishes"),
}
_DOING: Final[Mapping[str, tuple[str, ...]]] = {
    "happy": ("smile", "laugh", "celebrate", "have fun", "dance for joy", "feel loved"),
    "sad": ("cry", "weep", "grieve", "mourn", "suffer", "feel sorry for him", "feel guilty", "regret that"),
    "angry": (
        "shout at him",
        "yell",
        "argue with you",
        "lose my temper",
        "hold a grudge",
        "swear at them",
        "blame her",
    ),
    "fearful": ("tremble", "feel threatened", "run away", "hide from him", "scream for help", "fear him", "worry"),
    "disgust": ("vomit", "throw up", "feel sick", "gag"),
}
_THINGS: Final = ("The soup", "Your hair", "The room", "This cake", "The fish", "Your coat", "The water", "My dinner")
_TASTY: Final = ("good", "great", "delicious", "wonderful", "nice", "amazing")
_FOUL: Final = ("rotten", "disgusting", "foul", "awful", "terrible", "bad", "funny")
_KIND: Final = ("kind", "nice", "friendly", "polite", "generous", "good", "sweet")
_UNKIND: Final = ("rude", "mean", "cruel", "nasty", "unfair", "horrible", "hostile")
_CARE: Final = ("likes", "wants", "understands", "helps", "believes", "trusts", "cares about", "needs", "remembers")
_MISSED: Final = ("friends", "future", "family left", "chance", "reason to live", "one to talk to", "way out", "joy")
_SPARED: Final = ("complaints", "worries", "fears", "regrets", "enemies", "doubts", "problems", "objections")
_PEOPLE: Final = ("I", "She", "He", "We", "They", "My brother", "The neighbour", "Alex", "Maria")
_DEEDS: Final = (
    "put the keys on the table", "left the bag at the station", "took the bus", "bought a new lamp", "parked the car",
    "cooked some rice", "read the paper", "went to the office", "wrote an email", "had a sandwich", "fixed the chair",
    "moved the boxes", "closed the window", "fed the cat", "picked up the mail", "watched the news",
)  # fmt: skip
_OCCASIONS: Final = (
    "this morning", "yesterday", "after work", "at noon", "before lunch", "on Tuesday", "around five", "last week",
    "in the evening", "at about nine", "again today", "on the way home",
)  # fmt: skip
_REQUESTS: Final = (
    "open the door", "hand me the pen", "wait a moment", "turn on the light", "sit over there", "read page four",
    "call me back later", "bring two cups", "sign here", "move the chair", "check the list", "hold this for me",
    "send me the address", "take the next exit", "put it in the box",
)  # fmt: skip
_DEGREES: Final = ("", "", "", "so ", "very ", "really ", "pretty ", "extremely ", "a bit ", "just so ")
_DENIED_DEGREES: Final = ("", "", "", "", "really ", "very ", "that ", "exactly ", "even ")
_TAILS: Final = ("", "", "", "", "", " about this", " today", " right now", " about it", " about what happened")
_DENIED_TAILS: Final = (*_TAILS, " with you", " anymore", " at all")
_ENDS: Final = (".", ".", ".", "!", "")


def make_texts(n: int, seed: int) -> list[LabelledText]:
    """Make n different sentences with what they show.

    Args:
        n: How many; the rules have some tens of thousands.
        seed: Decides which.

    Returns:
        Sentences of the train part, in the order in which they were drawn.

    Example:
        >>> [one.text for one in make_texts(2, seed=1)] == [one.text for one in make_texts(2, seed=1)]
        True
    """
    random = Random(seed)
    rules = [rule for rule, weight in _RULES for _ in range(weight)]
    made: dict[str, Mood] = {}
    while len(made) < n:
        text, mood = random.choice(rules)(random)
        made.setdefault(text, mood)
    return [LabelledText(text, tuple(mood.get(label, 0.0) for label in BASE), "train") for text, mood in made.items()]


def _emotion(random: Random) -> str:
    return random.choice(tuple(FEELINGS))


def _pick(random: Random, *choices: Sequence[str]) -> list[str]:
    return [random.choice(each) for each in choices]


def _feeling(random: Random) -> _Made:
    emotion = _emotion(random)
    degree, feeling, tail, end = _pick(random, _DEGREES, FEELINGS[emotion], _TAILS, _ENDS)
    return f"{random.choice(_WHO)[0]} {degree}{feeling}{tail}{end}", {emotion: 1.0}


def _denied_feeling(random: Random) -> _Made:
    emotion = _emotion(random)
    degree, feeling, tail, end = _pick(random, _DENIED_DEGREES, FEELINGS[emotion], _DENIED_TAILS, _ENDS)
    return f"{random.choice(_WHO)[1]} {degree}{feeling}{tail}{end}", DENIED[emotion]


def _quality(random: Random) -> _Made:
    emotion = _emotion(random)
    degree, quality, end = _pick(random, _DEGREES, QUALITIES[emotion], _ENDS)
    return f"{random.choice(_WHAT)[0]} {degree}{quality}{end}", {emotion: 1.0}


def _denied_quality(random: Random) -> _Made:
    emotion = _emotion(random)
    degree, quality, tail, end = _pick(random, _DENIED_DEGREES, QUALITIES[emotion], ("", "", "", " at all"), _ENDS)
    return f"{random.choice(_WHAT)[1]} {degree}{quality}{tail}{end}", DENIED_QUALITY[emotion]


def _bad(random: Random) -> _Made:
    degree, bad, end = _pick(random, _DEGREES, _BAD, _ENDS)
    what, is_not = random.choice(_WHAT)
    if random.random() < 0.5:
        return f"{what} {degree}{bad}{end}", {"sad": 0.4, "angry": 0.3, "disgust": 0.3}
    denials = (f"{is_not} {bad}", f"{is_not} {bad} at all", f"Not {bad} at all", f"Not {bad}", f"It's not that {bad}")
    return random.choice(denials) + end, {"happy": 0.6, "neutral": 0.4}


def _like(random: Random) -> _Made:
    verb, what, tail, end = _pick(random, _LOVE, _OBJECTS, ("", "", " at all", " anymore", " one bit"), _ENDS)
    if random.random() < 0.4:
        return f"{random.choice(('I', 'I really', 'We'))} {verb} {what}{end}", {"happy": 1.0}
    denial = random.choice(("I don't", "I really don't", "We don't", "She doesn't"))
    return f"{denial} {verb} {what}{tail}{end}", _DISLIKE


def _hate(random: Random) -> _Made:
    what, end = _pick(random, _OBJECTS, _ENDS)
    if random.random() < 0.5:
        degree, verb = _pick(random, ("", "really ", "absolutely "), _DETEST)
        return f"I {degree}{verb} {what}{end}", _HATE
    denials = (
        f"I don't hate {what}",
        f"I don't despise {what} at all",
        f"Nobody hates {what}",
        f"I never hated {what}",
    )
    return random.choice(denials) + end, {"neutral": 0.65, "happy": 0.35}


def _utmost(random: Random) -> _Made:
    emotion = _emotion(random)
    feeling, end = _pick(random, FEELINGS[emotion], _ENDS)
    more = _compare(feeling)
    forms = (
        f"I've never been so {feeling} in my life", f"I have never felt so {feeling}", f"I couldn't be {more}",
        f"I've never been {more}", f"Never have I been this {feeling}", f"I can't tell you how {feeling} I am",
        f"You have no idea how {feeling} I am", f"Nobody is {more} than me",
    )  # fmt: skip
    return random.choice(forms) + end, {emotion: 1.0}


def _no_need(random: Random) -> _Made:
    feeling, end = _pick(random, FEELINGS[random.choice(("sad", "angry", "fearful", "surprised"))], _ENDS)
    forms = (
        f"Don't be {feeling}", f"There's no need to be {feeling}", f"There is nothing to be {feeling} about",
        f"No reason to be {feeling}", f"You don't have to be {feeling}", f"Nothing to be {feeling} about",
        f"Please don't be so {feeling}",
    )  # fmt: skip
    return random.choice(forms) + end, _RELIEF


def _no_longer(random: Random) -> _Made:
    emotion = random.choice(("happy", "sad", "angry", "fearful"))
    feeling, end = _pick(random, FEELINGS[emotion], _ENDS)
    forms = (
        f"I'm no longer {feeling}", f"I'm not {feeling} anymore", f"She isn't {feeling} any longer",
        f"I'm anything but {feeling}", f"I've stopped being {feeling}", f"I am far from {feeling}",
        f"Nobody here is {feeling}",
    )  # fmt: skip
    return random.choice(forms) + end, DENIED[emotion]


def _contrast(random: Random) -> _Made:
    before, now = random.sample(tuple(FEELINGS), 2)
    felt, feels, was, is_now, end = _pick(
        random, FEELINGS[before], FEELINGS[now], QUALITIES[before], QUALITIES[now], _ENDS
    )
    forms = (
        f"I was {felt}, but now I'm {feels}", f"I was {felt} at first, but then I was {feels}",
        f"I'm not {felt}, I'm {feels}", f"I am not {felt}, just {feels}", f"Not {felt}, {feels}",
        f"I used to be {felt}, now I'm {feels}", f"I thought it would be {was}, but it was {is_now}",
        f"It's not {was}, it's {is_now}", f"It looked {was} but it's actually {is_now}",
    )  # fmt: skip
    return random.choice(forms) + end, {now: 1.0}


def _exclaimed(random: Random) -> _Made:
    emotion = _emotion(random)
    quality = random.choice(QUALITIES[emotion])
    article = "an" if quality[0] in "aeiou" else "a"
    forms = (
        f"Isn't that {quality}?", f"Isn't it {quality}?", f"Wasn't that {quality}?", f"Isn't this {quality}!",
        f"How {quality}!", f"How {quality} is that?", f"What {article} {quality} thing to say!",
    )  # fmt: skip
    return random.choice(forms), {emotion: 1.0}


def _statement(random: Random) -> _Made:
    emotion = random.choice([emotion for emotion, texts in STATEMENTS.items() for _ in texts])
    return random.choice(STATEMENTS[emotion]), {emotion: 1.0}


def _affects(random: Random) -> _Made:
    emotion = random.choice(tuple(_AFFECTING))
    what, verb, tail, end = _pick(random, _CAUSES, _AFFECTING[emotion], ("", "", " at all", " anymore"), _ENDS)
    if random.random() < 0.4:
        return f"{what} {verb} me{end}", {emotion: 1.0}
    return f"{what} {_denied(verb)} me{tail}{end}", DENIED[emotion]


def _does(random: Random) -> _Made:
    emotion = random.choice(tuple(_DOING))
    verb, end = _pick(random, _DOING[emotion], _ENDS)
    if random.random() < 0.4:
        return f"{random.choice(('I had to', 'I wanted to', 'She began to', 'I need to'))} {verb}{end}", {emotion: 1.0}
    denial = random.choice(("I don't", "I didn't", "I never", "I won't", "We didn't", "She doesn't", "He did not"))
    return f"{denial} {verb}{random.choice(('', '', ' anymore', ' at all'))}{end}", DENIED[emotion]


def _sensed(random: Random) -> _Made:
    what, verb, good, foul, end = _pick(random, _THINGS, ("smell", "taste", "look"), _TASTY, _FOUL, _ENDS)
    forms: tuple[_Made, ...] = (
        (f"{what} {verb}s {good}", {"happy": 1.0}),
        (f"{what} {verb}s {foul}", {"disgust": 1.0}),
        (f"{what} doesn't {verb} {good}", {"disgust": 0.6, "sad": 0.2, "angry": 0.2}),
        (f"{what} doesn't {verb} {foul}", {"neutral": 0.7, "happy": 0.3}),
    )
    text, mood = random.choice(forms)
    return text + end, mood


def _treated(random: Random) -> _Made:
    kind, unkind, whom, end = _pick(random, _KIND, _UNKIND, ("me", "us", "everyone", "the children", "her"), _ENDS)
    who = random.choice(("He", "She", "The boss", "My teacher", "Your brother"))
    forms: tuple[_Made, ...] = (
        (f"{who} was {kind} to {whom}", {"happy": 1.0}),
        (f"{who} was {unkind} to {whom}", {"angry": 0.7, "sad": 0.3}),
        (f"{who} wasn't {kind} to {whom}", {"angry": 0.6, "sad": 0.4}),
        (f"{who} wasn't {unkind} to {whom}", {"neutral": 0.6, "happy": 0.4}),
    )
    text, mood = random.choice(forms)
    return text + end, mood


def _lacks(random: Random) -> _Made:
    whom, end = _pick(random, ("me", "him", "her", "us", "them"), _ENDS)
    verb, lost, spared = _pick(random, _CARE, _MISSED, _SPARED)
    forms: tuple[_Made, ...] = (
        (f"Nobody {verb} {whom}", {"sad": 0.75, "angry": 0.25}),
        (f"No one {verb} {whom} anymore", {"sad": 0.75, "angry": 0.25}),
        (f"Everybody {verb} {whom}", {"happy": 1.0}),
        (f"I have no {lost}", {"sad": 1.0}),
        (f"There is no {lost}", {"sad": 1.0}),
        (f"I have no {spared}", {"neutral": 0.65, "happy": 0.35}),
        (f"There are no {spared}", {"neutral": 0.65, "happy": 0.35}),
    )
    text, mood = random.choice(forms)
    return text + end, mood


def _should(random: Random) -> _Made:
    emotion = random.choice(("happy", "sad", "angry", "fearful"))
    feeling, end = _pick(random, FEELINGS[emotion], _ENDS)
    if random.random() < 0.4:
        return f"You should be {feeling}{end}", {emotion: 1.0}
    denial = random.choice(("You shouldn't be", "You don't need to be", "Nobody should be", "I see no reason to be"))
    return f"{denial} {feeling}{end}", DENIED[emotion] if emotion == "happy" else _RELIEF


def _plain(random: Random) -> _Made:
    who, did, when = _pick(random, _PEOPLE, _DEEDS, _OCCASIONS)
    if random.random() < 0.3:
        return f"{random.choice(('Could you', 'Can you', 'Please'))} {random.choice(_REQUESTS)}.", {"neutral": 1.0}
    return f"{who} {did} {when}.", {"neutral": 1.0}


def _denied(verb: str) -> str:
    """Deny a verb in the third person: `worries` is `doesn't worry`."""
    stem = f"{verb[:-3]}y" if verb.endswith("ies") else verb[:-2] if verb.endswith(("shes", "sses")) else verb[:-1]
    return f"doesn't {stem}"


def _compare(feeling: str) -> str:
    """Return the comparative of a feeling: happier, sadder, prouder, more afraid."""
    if feeling in ("happy", "angry", "lonely", "gloomy"):
        return f"{feeling[:-1]}ier"
    if feeling in ("sad", "mad"):
        return f"{feeling}{feeling[-1]}er"
    return f"{feeling}er" if feeling == "proud" else f"more {feeling}"


_RULES: Final[tuple[tuple[Callable[[Random], _Made], int], ...]] = (
    (_feeling, 3),
    (_denied_feeling, 5),
    (_quality, 3),
    (_denied_quality, 4),
    (_bad, 1),
    (_like, 2),
    (_hate, 1),
    (_utmost, 2),
    (_no_need, 1),
    (_no_longer, 2),
    (_contrast, 3),
    (_exclaimed, 1),
    (_statement, 2),
    (_affects, 2),
    (_does, 3),
    (_sensed, 1),
    (_treated, 1),
    (_lacks, 2),
    (_should, 1),
    (_plain, 2),
)
"""Every rule, and how often it is taken."""
