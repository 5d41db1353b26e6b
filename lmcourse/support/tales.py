"""Small stories told by a grammar, and a judge that knows every rule of it.

A story has six to eight sentences: somebody with a name, a thing, a place, something that happens and what comes of
it, words that are spoken, a small ending. In some a friend comes along, and two people must be told apart. All chance
comes from `random.Random(seed)`, so the stories are the same on every machine. Because all sentences come from the
tables below, `rules` can say of any text which rules of the language it keeps: a way to watch a model learn them.

In a form `{name}` is the hero and `{friend}` the other one; `{he}`, `{him}`, `{his}` are the hero's pronouns and
`{fhe}`, `{fhim}`, `{fhis}` the friend's. A capital, `{He}`, begins a sentence.
"""

import functools
import random
import re
from dataclasses import dataclass


def _list(words: str) -> list[str]:
    return words.split()


SHE = _list("Mia Ella Lina Rosa Nora Ada Ivy Suri Tess Wanda Pearl Hanna Juno Lottie Maren Zora Dalia Penny")
HE = _list("Tom Ben Otto Finn Leo Max Hugo Sami Jonas Pip Karl Milo Theo Rolo Anton Bram Dario Felix")
PRONOUNS = {"she": ("she", "her", "her"), "he": ("he", "him", "his")}  # subject, object, possessive
CHILDREN = {"she": ["girl"], "he": ["boy"]}
ANIMALS = _list("fox bear rabbit mouse hedgehog squirrel duck frog badger mole cat dog goat lamb pony beaver")
TRAITS = _list("little kind quiet clever shy brave gentle cheerful curious sleepy young friendly")
PLACES = _list(
    "garden forest park meadow village school barn kitchen library market orchard valley beach harbor bakery "
    "castle mill field cave bridge"
)

# Each thing with the words that fit it; every thing can be carried.
THINGS = {
    "ball": "red round bouncy rubber",
    "kite": "yellow paper light striped",
    "drum": "loud round wooden painted",
    "book": "thick green heavy printed",
    "lamp": "bright golden silver shiny",
    "boat": "wooden blue painted toy",
    "hat": "woolen warm striped tall",
    "scarf": "woolen soft warm long",
    "spoon": "silver wooden shiny long",
    "basket": "woven round light brown",
    "bell": "golden silver shiny loud",
    "cup": "white blue painted round",
    "blanket": "soft warm woolen purple",
    "pillow": "soft white feathery big",
    "flute": "wooden thin silver long",
    "shell": "pink white smooth shiny",
    "stone": "smooth flat grey heavy",
    "feather": "white light soft long",
    "key": "rusty golden heavy small",
    "box": "wooden square brown painted",
    "bucket": "rusty blue heavy tin",
    "cake": "sweet round fresh chocolate",
    "pie": "sweet fresh warm cherry",
    "pear": "sweet ripe yellow juicy",
    "wagon": "red wooden toy small",
    "map": "paper torn folded secret",
    "mirror": "round shiny square cracked",
    "puppet": "wooden funny painted small",
    "coat": "warm long woolen purple",
    "ribbon": "pink long purple silky",
}

# How a story goes on, part by part. A line is a form.
FORMS = {
    "open": """
        Once there was a {trait} {kind} named {name}.
        Once upon a time, a {trait} {kind} called {name} lived near the {place}.
        There was once a {trait} {kind} whose name was {name}.
        One morning, a {trait} {kind} named {name} walked to the {place}.
        In a house by the {place} lived a {trait} {kind} named {name}.
        Long ago, a {trait} {kind} called {name} played in the {place}.
        One sunny day, a {trait} {kind} named {name} came to the {place}.
        Far away from here lived a {trait} {kind} called {name}.
    """,
    "have": """
        {He} had a {adj} {thing}.
        {Name} found a {adj} {thing} in the {place}.
        {His} grandmother gave {him} a {adj} {thing}.
        One day {he} made a {adj} {thing}.
        {Name} carried a {adj} {thing} wherever {he} went.
        For {his} birthday {he} got a {adj} {thing}.
        {He} wanted to show everybody {his} {adj} {thing}.
        {Name} was proud of {his} {adj} {thing}.
        In {his} bag {he} kept a {adj} {thing}.
        {He} saw a {adj} {thing} and picked it up.
    """,
    "do": """
        {He} took the {thing} to the {place}.
        Every day {name} looked at the {thing} and smiled.
        {Name} loved the {thing} more than anything else.
        {He} cleaned the {thing} with great care.
        In the {place} {he} sat down with the {thing}.
        {Name} sang a song about the {adj} {thing}.
        {He} put the {thing} next to {his} bed at night.
        {He} told the birds about {his} {thing}.
        The {kind} held the {adj} {thing} with both hands.
        {Name} thought that the {thing} was the best in the world.
    """,
    "friend": """
        {His} friend {friend} came to see the {thing}.
        On the way {he} met {friend}, who had lost {fhis} mother.
        {Friend} was alone in the {place}, and {fhe} looked sad.
        A neighbor called {friend} waved to {him}.
        Then {friend} came along, and {name} showed {fhim} the {thing}.
        {Name} had a friend named {friend}, and {fhe} was waiting there.
    """,
    "speech": """
        "Look at my {thing}," said {name}.
        "This {thing} is mine," {name} told the wind.
        {Name} said, "I will take good care of my {thing}."
        "What a {adj} {thing} this is," {he} said.
        "Where shall we go next?" asked {name}.
        "I feel much better now," said {name}.
        {He} whispered, "Thank you, dear {thing}."
        "Tomorrow I will come back to the {place}," said {name}.
    """,
    "friend speech": """
        "May I hold the {thing}?" asked {friend}.
        "Of course you may," {name} told {fhim}.
        {Friend} said, "You are a good friend, {name}."
        "Come and play with me," {name} said to {friend}.
        "I like your {adj} {thing}," {friend} told {him}.
        "Let us share the {thing}, {friend}," said {name}.
    """,
    "friend deed": """
        {Name} let {friend} hold the {thing}, and {fhe} laughed.
        {Friend} thanked {him} and gave {him} a warm hug.
        {Name} took {friend} by the hand and walked home with {fhim}.
        {Friend} helped {him} carry the {thing}.
        {Name} gave {fhim} half of {his} bread.
        {Friend} and {name} took turns with the {adj} {thing}.
    """,
    "end": """
        {Name} went home and slept well.
        From that day on, {name} was never lonely again.
        {He} smiled all the way home.
        That night {he} dreamed of the {thing}.
        And {name} kept the {adj} {thing} for ever.
        In the evening {he} told {his} mother everything.
        At last the {kind} was happy.
        It was the best day that {name} could remember.
    """,
}

# What happens, and what can come of it. A line of the first goes before a line of the second.
CAUSES = {
    "rain": (
        "Then it began to rain.\nDark clouds came, and big drops fell.",
        "So {name} got wet and ran under a tree.\nSo {he} hid the {thing} under a leaf to keep it dry.",
    ),
    "wind": (
        "Suddenly a strong wind blew.\nA storm came over the hills.",
        "So the {thing} flew away, and {name} had to chase it.\nSo {he} held the {thing} as tight as {he} could.",
    ),
    "dark": (
        "The sun went down, and it got dark.\nSoon there was no light in the {place}.",
        "So {name} could not see the path and lit a candle.\nSo {he} followed the stars.",
    ),
    "hunger": (
        "{Name} had not eaten all day.\n{His} stomach began to growl.",
        "So {he} was hungry and ate an apple.\nSo {name} cooked a pot of soup.",
    ),
    "tired": (
        "{Name} had walked for many hours.\n{His} legs were heavy after the long walk.",
        "So {he} was tired and lay down in the grass.\nSo {name} rested on a bench for a while.",
    ),
    "cold": (
        "Snow began to fall, and the air was icy.\nWinter came early that year.",
        "So {name} was cold and made a fire.\nSo {he} put on two pairs of socks.",
    ),
    "mud": (
        "The {thing} fell into the mud.\n{He} dropped the {thing} in a puddle.",
        "So it was dirty, and {name} washed it in the river.\nSo {he} rubbed it until it was clean.",
    ),
    "lost": (
        "When {name} turned around, the {thing} was gone.\n{He} forgot where the {thing} was.",
        "So {he} looked for it everywhere until {he} found it.\nSo {name} cried until an owl brought it back.",
    ),
    "noise": (
        "There was a loud crash behind the wall.\nSomething roared in the bushes.",
        "So {name} was scared and hid for a moment.\nSo {he} jumped and almost dropped the {thing}.",
    ),
    "heat": (
        "The day was very hot.\nThe sun burned all afternoon.",
        "So {name} was thirsty and drank cool water.\nSo {he} swam in the lake.",
    ),
}

SENTENCE_END = re.compile(r"""(?:(?<=[.?])|(?<=[.?]"))\s+(?=["A-Z])""")
RULES = ("spelled", "formed", "pronoun", "thing", "place", "name", "cause", "ends")


@dataclass(frozen=True)
class Form:
    """One form of a sentence, the part of a story in which it stands, and a pattern that finds what fills its slots."""

    text: str
    part: str
    pattern: re.Pattern
    mark: str  # its longest piece without a slot: most sentences are seen not to be of a form by this alone


def _alternatives() -> dict[str, str]:
    """For each slot the words that may stand in it, as a pattern."""
    lists = {
        "name": SHE + HE,
        "friend": SHE + HE,
        "kind": ["girl", "boy", *ANIMALS],
        "trait": TRAITS,
        "place": PLACES,
        "thing": list(THINGS),
        "adj": sorted({word for words in THINGS.values() for word in words.split()}),
    }
    for whose in ("", "f"):
        for slot, pair in zip(("he", "him", "his"), zip(*PRONOUNS.values())):
            lists[whose + slot] = list(pair)
    slots = {slot: "|".join(words) for slot, words in lists.items()}
    return slots | {slot.capitalize(): "|".join(map(str.capitalize, words)) for slot, words in lists.items()}


def _form(text: str, part: str, slots: dict[str, str]) -> Form:
    pieces = re.split(r"\{(\w+)\}", text)
    pattern = "".join(
        f"(?P<{piece}_{at}>{slots[piece]})" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)
    )
    return Form(text, part, re.compile(pattern), max(pieces[::2], key=len))


def _forms() -> dict[str, list[Form]]:
    """All forms by the part of a story in which they stand; what happens is `"cause rain"`, then `"effect rain"`."""
    texts = dict(FORMS)
    for key, (causes, effects) in CAUSES.items():
        texts |= {f"cause {key}": causes, f"effect {key}": effects}
    slots = _alternatives()
    return {
        part: [_form(line.strip(), part, slots) for line in lines.strip().split("\n")] for part, lines in texts.items()
    }


BY_PART = _forms()


def _words() -> frozenset[str]:
    text = " ".join(re.sub(r"\{\w+\}", " ", form.text) for forms in BY_PART.values() for form in forms)
    return frozenset(re.findall(r"[a-z]+", f"{text} {' '.join(_alternatives().values())}".lower()))


WORDS = _words()  # all that any story can hold, in lower case


# Telling


def tell(dice: random.Random) -> str:
    """One story, six to eight sentences in a line.

    >>> tell(random.Random(3)) == tell(random.Random(3))
    True
    """
    gender = dice.choice(["she", "he"])
    other = "he" if gender == "she" else "she"
    thing = dice.choice(list(THINGS))
    filled = {
        "name": dice.choice(SHE if gender == "she" else HE),
        "friend": dice.choice(HE if gender == "she" else SHE),
        "kind": dice.choice(CHILDREN[gender] * 8 + ANIMALS),
        "trait": dice.choice(TRAITS),
        "place": dice.choice(PLACES),
        "thing": thing,
        "adj": dice.choice(THINGS[thing].split()),
        **dict(zip(("he", "him", "his"), PRONOUNS[gender])),
        **dict(zip(("fhe", "fhim", "fhis"), PRONOUNS[other])),
    }
    filled |= {slot.capitalize(): word.capitalize() for slot, word in filled.items()}
    return " ".join(dice.choice(BY_PART[part]).text.format_map(filled) for part in _plan(dice))


def _plan(dice: random.Random) -> list[str]:
    """The parts of a story, in order."""
    happens = dice.choice(list(CAUSES))
    cause = [f"cause {happens}", f"effect {happens}"]
    if dice.random() < 0.4:
        spoken = [dice.choice(["friend speech", "friend deed"])]
        return ["open", "have", *cause, "friend", *dice.choice([spoken, ["friend speech", "friend deed"]]), "end"]
    return ["open", "have", *dice.choice([[], ["do"]]), *cause, "speech", "end"]


@functools.cache
def text(seed: int = 0, characters: int = 2_000_000) -> str:
    """Stories, a blank line between two, at least `characters` of them; what `corpus.load("tales")` gives.

    >>> text(seed=0, characters=1000).count("\\n\\n") >= 2
    True
    """
    dice, told, length = random.Random(seed), [], 0
    while length < characters:
        told.append(tell(dice))
        length += len(told[-1]) + 2
    return "\n\n".join(told) + "\n"


# Judging


def sentences(story: str) -> list[str]:
    """The sentences of a story; words that are spoken belong to the sentence around them.

    >>> sentences('Mia said, "I will take good care of my cup." She smiled all the way home.')
    ['Mia said, "I will take good care of my cup."', 'She smiled all the way home.']
    """
    return [sentence for sentence in SENTENCE_END.split(story.strip()) if sentence]


@functools.lru_cache(maxsize=100_000)
def _parse(sentence: str) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """The part of a story in which a sentence stands, and what fills its slots, in lower case; None without a form."""
    for part, forms in BY_PART.items():
        for form in forms:
            if form.mark in sentence and (found := form.pattern.fullmatch(sentence)):
                return part, tuple((slot.split("_")[0].lower(), w.lower()) for slot, w in found.groupdict().items())
    return None


def rules(story: str, training: str | None = None) -> dict[str, bool]:
    """Which rules of the grammar a story keeps; with a `training` text also whether it is `new`, not a copy from there.

    - `spelled`: every word is one of `WORDS`; `formed`: every sentence has one of the forms
    - `pronoun`: he or she, as the name says (and girl or boy), for the hero and for the friend
    - `thing`: one thing from first to last, with one fitting adjective; `place`: one place
    - `name`: the hero's name and kind, and the friend's name, are those that they were first given
    - `cause`: what comes of something directly follows what it can come from; `ends`: 6 to 8 sentences, and an ending

    A sentence without form says nothing about the rules below `formed`. A story that nothing is known of breaks them.

    >>> kept = rules("Once there was a shy girl named Mia. He had a red ball.")
    >>> kept["spelled"], kept["formed"], kept["name"], kept["thing"], kept["pronoun"], kept["ends"]
    (True, True, True, True, False, False)
    """
    told = sentences(story)
    parsed = [_parse(sentence) for sentence in told]
    parts = [found[0] if found else "" for found in parsed]
    slots: dict[str, set[str]] = {}
    for _, pairs in filter(None, parsed):
        for slot, word in pairs:
            slots.setdefault(slot, set()).add(word)
    found = {
        "spelled": bool(told) and WORDS.issuperset(re.findall(r"[^\W\d_]+", story.lower())),
        "formed": bool(told) and all(parts),
        "pronoun": _pronouns_agree(slots),
        "thing": _one(slots, "thing", "adj") and slots["adj"] <= set(THINGS[min(slots["thing"])].split()),
        "place": len(slots.get("place", ())) <= 1 and any(parts),
        "name": parts[:1] == ["open"] and _one(slots, "name", "kind") and _two_are_told_apart(slots),
        "cause": _causes_fit(parts),
        "ends": 6 <= len(told) <= 8 and [at for at, part in enumerate(parts, 1) if part == "end"] == [len(told)],
    }
    return found if training is None else found | {"new": story.strip() not in training}


def _one(slots: dict[str, set[str]], *names: str) -> bool:
    return all(len(slots.get(name, ())) == 1 for name in names)


def _gender(name: str) -> str:
    return "she" if name.capitalize() in SHE else "he"


def _pronouns_agree(slots: dict[str, set[str]]) -> bool:
    """Every pronoun is the one of each name that it stands for; a girl is she, and a boy is he."""
    if not slots.get("name"):
        return False
    for who, whose in (("name", ""), ("friend", "f")):
        for slot, at in (("he", 0), ("him", 1), ("his", 2)):
            fitting = {PRONOUNS[_gender(name)][at] for name in slots.get(who, ())}
            if slots.get(whose + slot, fitting) != fitting:
                return False
    fitting = {child for name in slots["name"] for child in CHILDREN[_gender(name)]}
    return slots.get("kind", set()) - set(ANIMALS) <= fitting


def _two_are_told_apart(slots: dict[str, set[str]]) -> bool:
    friends = slots.get("friend", set())
    return len(friends) <= 1 and not friends & slots["name"]


def _causes_fit(parts: list[str]) -> bool:
    """Each cause has its effect after it, and each effect its cause before it; there is one at least."""
    pairs = list(zip(["", *parts], [*parts, ""]))
    happened = [pair for pair in pairs if pair[0].startswith("cause") or pair[1].startswith("effect")]
    return bool(happened) and all(a.replace("cause", "effect", 1) == b and a != b for a, b in happened)
