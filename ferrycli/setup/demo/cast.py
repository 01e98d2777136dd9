"""Who plays in the demo: tenants with their keys, what each feature asks for, how models answer.

The amounts are those of the last closed week; `TRENDS` says how the other weeks compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ferrycli.setup.demo.planted import BIG_MODEL, LONG_ANSWERS, TRIAL_OVER, UNCACHED, USED_UP, Fact


@dataclass(frozen=True, slots=True)
class Account:
    """A key as the demo's operator made it."""

    name: str
    tenant: str
    owner: str
    days_old: int
    """Made so many days before the first week."""
    budget: str = ""
    """As `ferry keys create --budget` takes it; empty: none."""
    feature: str = ""
    """What the key pins besides its tenant."""
    tags: tuple[tuple[str, str], ...] = ()
    """What its clients send in `X-Ferry-Tags`."""


ENTERPRISE = (("plan", "enterprise"),)
PRO = (("plan", "pro"),)
STARTER = (("plan", "starter"),)
TRIAL = (("plan", "trial"), ("source", "website"))

ACCOUNTS = (
    Account("acme", "acme", "ana@acme.example", 64, "455/week", tags=ENTERPRISE),
    Account("globex", "globex", "ops@globex.example", 58, "270/week", tags=ENTERPRISE),
    Account("initech", "initech", "bill@initech.example", 51, USED_UP.limit, tags=STARTER),
    Account("umbrella", "umbrella", "it@umbrella.example", 40, "275/week", tags=PRO),
    Account("hooli-web", "hooli", "gavin@hooli.example", 37, tags=PRO),
    Account("hooli-lab", "hooli", "gavin@hooli.example", 33, tags=PRO),
    Account("wonka", "wonka", "charlie@wonka.example", 21, "300/month", tags=PRO),
    Account("stark-app", "stark", "pepper@stark.example", 17, "300/month", tags=STARTER),
    Account("stark-sales", "stark", "happy@stark.example", 9, "20/week", tags=STARTER),
    Account("wayne", "wayne", "lucius@wayne.example", 5, "200/month", tags=STARTER),
    Account(
        TRIAL_OVER.key, "wonka", "sales@wonka.example", 1, TRIAL_OVER.limit, "trial-chat", TRIAL
    ),
)

USERS = {
    "acme": 220,
    "globex": 140,
    "initech": 45,
    "umbrella": 110,
    "hooli": 90,
    "wonka": 60,
    "stark": 40,
    "wayne": 25,
}
"""Tenants, the largest first, and how many users each has."""

TRENDS = {
    "acme": (0.578, 0.648, 0.764, 1.0, 1.03),
    "globex": (1.05, 1.09, 1 / 0.93, 1.0, 0.97),
    "initech": (0.97, 1.02, 0.95, 1.0, 0.9),
    "umbrella": (0.94, 0.97, 0.98, 1.0, 1.02),
    "hooli": (1.02, 1.0, 1.05, 1.0, 0.98),
    "wonka": (0.9, 0.93, 0.97, 1.0, 1.02),
    "stark": (0.84, 0.9, 0.95, 1.0, 1.05),
    "wayne": (0.97, 1.0, 0.98, 1.0, 1.0),
}
WEEKS = 4
"""Closed weeks; the running one comes after them."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a kind of client behaves."""

    shape: str = "office"
    """Its hours: a name of `SHAPES`."""
    turns: float = 1.0
    """Calls of a thread on average; 1: it has no threads."""
    streams: float = 0.0
    """Share of calls that stream."""
    is_bot: bool = False
    """It names itself as the assistant."""
    priority: str = "normal"


CHAT = Manner("product", 4.0, 0.9, is_bot=True)
VIP_CHAT = Manner("product", 4.0, 0.9, is_bot=True, priority="critical")
BOT = Manner("office", 1.0, 0.0, is_bot=True)
TOOL = Manner("office", 1.0, 0.35)
LOOKUP = Manner("product")
BATCH = Manner("night", priority="background")


@dataclass(frozen=True, slots=True)
class Habit:
    """What one feature of one tenant asks for, in the last closed week."""

    key: str
    feature: str
    target: str
    calls: int
    prefix_tokens: int
    """System prompt and tools."""
    context_tokens: int
    """Median of what a call brings besides the prefix and the thread so far."""
    answer_tokens: int
    """Median of an answer."""
    manner: Manner
    asked: int | None = 2_048
    """The client's own limit of an answer."""
    spread: float = 0.45
    """Sigma of the lognormal that contexts and answers follow."""
    misses: float | None = None
    """Share of threads whose prefix is not in the provider's cache; None: nothing is cached."""
    thinks: float = 0.0
    """Share of the answer that nobody sees."""


def _of(
    fact: Fact,
    context_tokens: int,
    manner: Manner,
    asked: int | None,
    spread: float = 0.45,
    answer_tokens: int = 0,
) -> Habit:
    """A habit whose figures are those of a planted fact."""
    return Habit(
        fact.key,
        fact.feature,
        fact.target,
        fact.calls,
        fact.prompt_tokens,
        context_tokens,
        answer_tokens or fact.output_tokens,
        manner,
        asked,
        spread,
    )


OPUS, SONNET = "anthropic/claude-opus-5-5", "anthropic/claude-sonnet-5-5"
HAIKU, SOL, LUNA = "anthropic/claude-haiku-5-5", "openai/gpt-6-sol", "openai/gpt-6-luna"
FLASH, CHEAP = "gemini/gemini-3.8-flash", "openrouter/deepseek/deepseek-v4-flash"

HABITS = (
    _of(UNCACHED, 2_200, VIP_CHAT, 1_024, answer_tokens=240),
    _of(LONG_ANSWERS, 11_500, BATCH, None, spread=0.14),
    Habit("acme", "code-review", OPUS, 960, 38_000, 40_000, 1_700, TOOL, 8_192, 0.3, 0.06),
    Habit("acme", "search", LUNA, 240, 2_400, 300, 60, LOOKUP, 256, misses=0.1),
    Habit("acme", "sales-mail", SOL, 140, 1_800, 2_600, 520, TOOL, thinks=0.3),
    _of(BIG_MODEL, 520, LOOKUP, 64, spread=0.3),
    Habit("globex", "summaries", OPUS, 480, 900, 64_000, 850, BATCH, spread=0.3),
    Habit("globex", "chat", OPUS, 600, 68_000, 3_200, 440, CHAT, misses=0.1),
    Habit("globex", "translate", SOL, 260, 600, 5_000, 4_800, TOOL, 8_192),
    Habit("globex", "search", FLASH, 180, 3_000, 500, 90, LOOKUP, 256),
    Habit("initech", "invoice-bot", OPUS, 230, 1_900, 8_200, 560, BOT),
    Habit("initech", "support-bot", SONNET, 200, 12_000, 4_500, 260, CHAT, 4_096, misses=0.3),
    Habit("initech", "summaries", SONNET, 250, 700, 62_000, 700, TOOL, spread=0.3),
    Habit("umbrella", "chat", OPUS, 760, 60_000, 8_000, 520, CHAT, misses=0.22),
    Habit("umbrella", "onboarding", SONNET, 340, 30_000, 2_000, 380, CHAT, misses=0.2),
    Habit("umbrella", "search", LUNA, 150, 6_000, 350, 80, LOOKUP, 256, misses=0.05),
    Habit("umbrella", "summaries", OPUS, 120, 900, 62_000, 800, BATCH),
    Habit("hooli-web", "chat", FLASH, 440, 26_000, 6_500, 420, CHAT, misses=0.2),
    Habit("hooli-web", "translate", FLASH, 200, 600, 6_000, 5_600, TOOL, 8_192),
    Habit("hooli-lab", "code-review", OPUS, 360, 24_000, 48_000, 1_600, TOOL, 8_192, misses=0.1),
    Habit("wonka", "sales-mail", SOL, 140, 1_600, 4_000, 700, TOOL, thinks=0.3),
    Habit("wonka", "chat", FLASH, 260, 9_000, 3_600, 340, CHAT),
    Habit("wonka", "report-writer", SONNET, 240, 1_200, 66_000, 3_800, BATCH, 6_000),
    _of(TRIAL_OVER, 700, CHAT, 1_024, answer_tokens=260),
    Habit("stark-app", "onboarding", FLASH, 200, 14_000, 3_400, 360, CHAT, misses=0.3),
    Habit("stark-app", "support-bot", OPUS, 220, 4_000, 8_000, 320, CHAT),
    Habit("stark-app", "ticket-tagger", HAIKU, 180, 1_500, 420, 9, LOOKUP, 32),
    Habit("stark-sales", "sales-mail", SOL, 190, 1_700, 9_000, 1_400, TOOL, thinks=0.3),
    Habit("wayne", "summaries", CHEAP, 140, 800, 21_000, 700, BATCH),
    Habit("wayne", "report-writer", SONNET, 180, 1_000, 60_000, 3_200, TOOL, 4_096),
    Habit("wayne", "search", LUNA, 70, 1_800, 300, 60, LOOKUP, 256),
)

_OFFICE = (1, 1, 1, 1, 1, 2, 6, 18, 60, 90, 100, 95, 70, 85, 100, 98, 85, 55, 25, 12, 8, 6, 4, 2)
_PRODUCT = (
    *(8, 5, 4, 3, 3, 5, 12, 30, 55, 70, 75, 78, 80, 76, 74, 76, 82, 90, 100, 98),
    *(90, 70, 40, 18),
)
_NIGHT = (60, 95, 100, 95, 80, 40, 12, 6, 8, 10, 9, 8, 6, 8, 10, 9, 8, 6, 5, 5, 8, 12, 20, 35)
SHAPES = {
    "office": (_OFFICE, (100, 105, 104, 102, 86, 11, 9)),
    "product": (_PRODUCT, (100, 100, 102, 105, 108, 84, 74)),
    "night": (_NIGHT, (70, 100, 100, 98, 102, 92, 30)),
}
"""How busy the hours of a day are, and the days of a week from Monday."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a model answers."""

    first_ms: int
    """Until the first token of a short request."""
    input_ktok_ms: float
    """And for each thousand tokens that it has to read, unless they are cached."""
    token_ms: float


SPEEDS = {
    OPUS: Speed(550, 7, 16.8),
    SONNET: Speed(430, 5, 11),
    HAIKU: Speed(240, 2, 6),
    SOL: Speed(520, 4, 10),
    LUNA: Speed(210, 1.5, 5),
    FLASH: Speed(270, 1.5, 5.5),
    CHEAP: Speed(650, 3, 13),
}
USUAL_SPEED = Speed(900, 12, 28)


@cache
def account(name: str) -> Account:
    """The account of this name."""
    return next(one for one in ACCOUNTS if one.name == name)
