"""English that reads well and means little: greetings, and paragraphs about a question's topic.

The first sentence of every answer says that it is simulated. The same dice, the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from ferrycli.sim.dice import Dice
from ferrycli.sim.tokens import count

_TOPIC_LENGTHS = range(4, 21)
_PARAGRAPH_SENTENCES = (2, 3, 3, 4, 5)
_LIST_SHARE = 6
"""One paragraph in six is followed by a list."""
_STRIDES = (3, 7, 9, 11)
"""Steps through the 20 sentences, so that a paragraph never says one twice."""
_LENGTHS = ((0, 25), (25, 55), (50, 110), (75, 220), (90, 420), (97, 760), (100, 1_200))
"""Tokens of an answer by percentile; between two rows the way is straight."""

_GREETING = re.compile(
    r"\W*("
    r"(hello|hi|hey|hallo|moin|howdy|ahoy|good (morning|afternoon|evening|day))(\W+\w+){0,2}"
    r"|ping|test|testing"
    r")\W*",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][A-Za-z]{1,19}\b")

_GREETINGS = (
    (
        "Hello! I am `sim/{model}`, ferry's simulated model: my words are made up, my tokens are"
        " counted, and nobody sends a bill. What shall we talk about?"
    ),
    (
        "Hello, and welcome aboard. This is a simulated answer from `sim/{model}`: the words are"
        " invented, the way they took through ferry is real."
    ),
    (
        "Hello! You have reached `sim/{model}`, a simulated model. No provider was called for this"
        " answer, and nobody sends a bill for it."
    ),
    (
        "Ahoy! `sim/{model}` here, simulated from bow to stern. Ask me anything: the answer will be"
        " made up, and so is the money that it costs."
    ),
)

_OPENERS = (
    "Here is a simulated answer about {topic}: the words are invented, the tokens are counted.",
    "No provider was asked about {topic}, so this answer is simulated.",
    "A simulated view of {topic}, and a calm one.",
    "Simulated, so take it lightly: {topic} is mostly a matter of order.",
    "A simulated model knows nothing about {topic}, but it says so in whole sentences.",
)

_CLOSERS = (
    "That is all a simulated model can say about {topic}.",
    "Ask in other words, and the answer will be another one.",
    "The same question will bring the same answer.",
    "The rest is better left to a real model.",
    "With that, everybody should reach the other side dry.",
)

_SENTENCES = (
    "Start with {thing}, and {action}.",
    "{person} will usually notice {thing} first.",
    "It helps to {action} {time}.",
    "If {matter} seems too large, {action}, and let {person} look at {thing}.",
    "Most of the cost sits in {thing}, not in {matter} itself.",
    "{number} times out of ten, the answer is to {action}.",
    "Then {action}, because {person} depends on it.",
    "Nothing about {matter} is urgent {time}, and most things are clearer then.",
    "Two checks are enough: {action}, then look at {thing}.",
    "{thing} tells more about {matter} than any meeting does.",
    "Where {person} and {thing} disagree, trust {thing}.",
    "What remains of {matter} can wait until {person} asks.",
    "Keep {thing} short, and {person} will read it.",
    "Without {thing}, {matter} turns into guesswork.",
    "Small steps carry further: {action}, look at {thing}, and go on.",
    "Whoever wants to understand {matter} should {action} {time}.",
    "{person} once solved {matter} with {thing} and a pencil.",
    "The usual mistake is to forget {thing} and blame {person}.",
    "{time}, {thing} is worth a second look.",
    "Ask {person} what {matter} was like before, and {action}.",
)

_SLOTS = {
    "thing": (
        "the timetable", "the cargo list", "the smallest case", "the second draft", "the queue",
        "the weekly report", "the slow path", "the receipt", "the checklist", "the oldest entry",
        "the crossing", "the map", "the logbook", "the last exception", "the quiet part",
        "the first example", "the plain version", "the tide table",
    ),
    "person": (
        "a new colleague", "the night shift", "the harbour master", "a careful reader",
        "whoever pays the bill", "the next person on call", "a patient customer", "the crew",
        "somebody from outside", "the most tired passenger",
    ),
    "time": (
        "before noon", "by the end of the week", "after the first crossing", "on a quiet day",
        "when the tide turns", "once a month", "within the hour", "after a good night's sleep",
        "while the water is calm", "before anybody asks",
    ),
    "action": (
        "write down what is known", "count twice", "ask who is waiting", "keep one copy ashore",
        "test the part that seems too easy", "name the owner", "compare it with last week",
        "leave a margin", "draw it on one page", "read the small print", "remove one step",
        "look for the exception", "set a limit", "begin at the end", "explain it to a friend",
        "say what it is not",
    ),
    "matter": ("the matter", "the question", "the problem", "the plan", "the whole of it"),
    "number": ("Six", "Seven", "Eight", "Nine"),
}  # fmt: skip

_LIST_HEADS = ("In this order:", "Three things to do:", "As a list:", "In practice:")

_STOPWORDS = frozenset(
    """
    about above again answer because before being below between called compare consider could
    create describe does doing draft during each every exactly explain find follow following from
    generate give good hand have having help here into itself just kindly know like list long make
    many more most much need only other ours please provide question read reply require respond
    return said same says sentence sentences shall short should show some something such suggest
    summarise summarize tell than that their them then there these they thing think this those
    through today translate under until update using very want what when where which while whom
    will with without word words would write your yours
    """.split()
)


def answer(question: str, model: str, dice: Dice) -> Iterator[str]:
    """An answer of a likely length, in sentences that carry the space before them."""
    if is_greeting(question):
        yield dice.pick(_GREETINGS).format(model=model)
        return
    topic = topic_of(question)
    tokens_left = _length(dice)
    for sentence in endless(topic, dice):
        yield sentence
        tokens_left -= count(sentence)
        if tokens_left <= 0:
            # What follows a list is a paragraph of its own.
            gap = "\n\n" if "\n1. " in sentence else " "
            yield gap + dice.pick(_CLOSERS).format(topic=_quoted(topic))
            return


def endless(topic: str | None, dice: Dice) -> Iterator[str]:
    """Paragraphs about `topic`, sentence by sentence, for as long as somebody reads."""
    gap = ""
    yield dice.pick(_OPENERS).format(topic=_quoted(topic))
    while True:
        first, stride = dice.below(len(_SENTENCES)), dice.pick(_STRIDES)
        for step in range(dice.pick(_PARAGRAPH_SENTENCES)):
            sentence = _SENTENCES[(first + step * stride) % len(_SENTENCES)]
            yield (gap or " ") + _filled(sentence, dice)
            gap = ""
        gap = "\n\n"
        if dice.below(_LIST_SHARE) == 0:
            yield gap + _list(dice)


def is_greeting(question: str) -> bool:
    """Whether `question` is no more than a hello, or a test whether anybody is there."""
    return _GREETING.fullmatch(question) is not None


def topic_of(question: str) -> str | None:
    """The longest telling word of `question`, the last of equals; None without one."""
    words = (word.lower() for word in re.findall(r"[A-Za-z]+", question))
    telling = [word for word in words if len(word) in _TOPIC_LENGTHS and word not in _STOPWORDS]
    return max(reversed(telling), key=len, default=None)


def name_of(question: str) -> str | None:
    """The first name in `question`: a word with a capital that does not begin a sentence."""
    match = _NAME.search(question)
    return match.group() if match else None


def _quoted(topic: str | None) -> str:
    return f"“{topic}”" if topic else "your question"


def _filled(sentence: str, dice: Dice) -> str:
    slots = {name: dice.pick(words) for name, words in _SLOTS.items()}
    return _capital(sentence.format(**slots))


def _list(dice: Dice) -> str:
    known = _SLOTS["action"]
    first = dice.below(len(known))
    actions = [known[(first + 5 * step) % len(known)] for step in range(3)]
    items = [f"{at}. {_capital(action)}." for at, action in enumerate(actions, start=1)]
    return "\n".join([dice.pick(_LIST_HEADS), "", *items])


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _length(dice: Dice) -> int:
    percent = dice.below(100)
    for (low, least), (high, most) in pairwise(_LENGTHS):
        if percent < high:
            return least + (most - least) * (percent - low) // (high - low)
    return _LENGTHS[-1][1]
