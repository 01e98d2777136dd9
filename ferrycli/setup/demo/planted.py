"""What is hidden in the demo's four weeks for reports and findings to find: one table.

The generator makes the calls from these rows, and tests find each fact again in the database with
plain SQL. Days and times are those of the last closed week, in the demo's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = range(5)


@dataclass(frozen=True, slots=True)
class Fact:
    """One planted fact. What a fact says nothing of is left at its default."""

    name: str
    says: str
    tenant: str = ""
    key: str = ""
    feature: str = ""
    target: str = ""
    """Provider and model: `anthropic/claude-opus-5-5`."""
    user: str = ""
    thread: str = ""
    weekday: int = MONDAY
    begins: time = time(0, 0)
    minutes: int = 7 * 24 * 60
    """How long it goes on from `begins` of `weekday`."""
    calls: int = 0
    """In the last closed week; 0: as many as come in that time."""
    prompt_tokens: int = 0
    """The system prompt, the same in each call."""
    input_tokens: tuple[int, int] = (0, 0)
    """Of the first and of the last call."""
    output_tokens: int = 0
    repeats: int = 0
    """The last so many calls end with the same message."""
    limit: str = ""
    """The budget of `key`."""
    cost_usd: str = ""
    """What its calls of the last closed week came to, at the prices of November 2026."""

    def input_at(self, number: int) -> int:
        """The input of call `number`, from 0: it grows in even steps."""
        first, last = self.input_tokens
        return first + (last - first) * number // max(self.calls - 1, 1)


RUNAWAY = Fact(
    name="runaway thread",
    says="an agent sends its whole history again and again until somebody stops it",
    tenant="initech",
    key="initech",
    feature="invoice-bot",
    target="anthropic/claude-opus-5-5",
    user="8841",
    thread="th_9f2c",
    weekday=THURSDAY,
    begins=time(13, 58),
    minutes=38,
    calls=412,
    input_tokens=(6_200, 151_000),
    output_tokens=220,
    repeats=97,
    # 412 calls of 78,600 tokens on average at $4 a million, and 220 of output at $20.
    cost_usd="131.34",
)

UNCACHED = Fact(
    name="uncached prompt",
    says="a long system prompt goes out in every call of all weeks, and is never cached",
    tenant="acme",
    key="acme",
    feature="support-bot",
    target="anthropic/claude-sonnet-5-5",
    calls=2_300,
    prompt_tokens=9_100,
    # Of the prompt alone: 2,300 times 9,100 tokens at $2 a million.
    cost_usd="41.86",
)

BIG_MODEL = Fact(
    name="big model on small work",
    says="a tag of 11 tokens is asked of the dearest model",
    tenant="globex",
    key="globex",
    feature="ticket-tagger",
    target="anthropic/claude-opus-5-5",
    calls=1_000,
    prompt_tokens=1_750,
    input_tokens=(2_300, 2_300),
    output_tokens=11,
    cost_usd="9.37",
)

LONG_ANSWERS = Fact(
    name="long answers without a bound",
    says="reports of thousands of tokens, and the client sets no limit",
    tenant="acme",
    key="acme",
    feature="report-writer",
    target="openai/gpt-6-sol",
    calls=880,
    prompt_tokens=1_400,
    output_tokens=6_850,
    cost_usd="83.42",
)

USED_UP = Fact(
    name="week used up",
    says="the runaway leaves little of the week's budget: soon all calls of the tenant are refused",
    tenant="initech",
    key="initech",
    weekday=THURSDAY,
    begins=time(16, 30),
    minutes=3 * 24 * 60 + 450,
    limit="175/week",
    cost_usd="175",
)

TRIAL_OVER = Fact(
    name="trial over",
    says="a trial key has used up its $5, and its calls are refused since",
    tenant="wonka",
    key="wonka-trial",
    feature="trial-chat",
    target="openai/gpt-6-sol",
    weekday=FRIDAY,
    begins=time(0, 0),
    minutes=3 * 24 * 60,
    calls=172,
    limit="5/total",
    cost_usd="5",
)

OUTAGE = Fact(
    name="provider outage",
    says="for an hour every call to one provider fails, at no cost",
    target="gemini/gemini-3.8-flash",
    weekday=TUESDAY,
    begins=time(15, 10),
    minutes=62,
    cost_usd="0",
)

UNPRICED = Fact(
    name="unpriced calls",
    says="somebody tries a local model that has no price",
    tenant="hooli",
    key="hooli-lab",
    feature="summaries",
    target="local/olmo-4-32b-instruct",
    weekday=WEDNESDAY,
    begins=time(11, 5),
    minutes=45,
    calls=12,
    input_tokens=(4_800, 4_800),
    output_tokens=380,
)

UNATTRIBUTED = Fact(
    name="calls without a feature",
    says="a script sends no feature name",
    tenant="stark",
    key="stark-app",
    target="anthropic/claude-haiku-5-5",
    weekday=TUESDAY,
    begins=time(9, 0),
    minutes=3 * 24 * 60,
    calls=31,
    input_tokens=(2_600, 2_600),
    output_tokens=310,
)

FACTS = (
    RUNAWAY,
    UNCACHED,
    BIG_MODEL,
    LONG_ANSWERS,
    USED_UP,
    TRIAL_OVER,
    OUTAGE,
    UNPRICED,
    UNATTRIBUTED,
)
