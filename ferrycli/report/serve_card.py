"""The card of `ferry serve` on a terminal: what runs, where to point a client, what needs care.

Pure: facts in, lines out, each within the width where that can be. Commands and addresses are
there to be copied: they are never cut, and stand in no box.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from ferrycli.report.budgets import is_at
from ferrycli.report.checked import Checked, provider_lines
from ferrycli.report.keys import KeyFacts
from ferrycli.report.layout import MARGIN, drawn, folded, labelled, middle_cut
from ferrycli.rules.standings import Standing
from ferrycli.rules.windows import MICROSECONDS
from ferrycli.store.reads import KeyRow
from ferrycli.store.reads_budgets import BudgetFacts

SOON_S = 7 * 86_400
"""A key that expires within so many seconds is mentioned."""
NEAR_PERCENT = 90
"""A budget that is used above this is mentioned."""
BLOCK_GAP = 4
INDENT = MARGIN * 2
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class KeysFacts:
    """Keys that may call now, and their budgets' current windows."""

    active: int = 0
    expiring: int = 0
    """Those of them that expire soon."""
    expires_first_at: int | None = None
    """UTC microseconds; None where none expires soon."""
    armed: int = 0
    """Budgets in force: of keys that may call, and of selectors."""
    used_up: int = 0
    near: int = 0
    """Budgets used above `NEAR_PERCENT` and not used up."""

    @classmethod
    def of(cls, keys: Iterable[KeyRow], budgets: Sequence[BudgetFacts], now_us: int) -> KeysFacts:
        """The facts at `now_us`. Of a budget with `*` the fullest window counts."""
        every = [KeyFacts.at(row, ()) for row in keys]
        active = [one for one in every if one.state(now_us) == "active"]
        soon = now_us + SOON_S * MICROSECONDS
        ends = [one.row.expires_at for one in active if one.row.expires_at is not None]
        expiring = [at for at in ends if at <= soon]
        ids = {one.row.id for one in active}
        armed = [one for one in budgets if not one.key_id or one.key_id in ids]
        fullest = [one.fullest for one in armed if one.fullest is not None]
        used_up = sum(is_at(one, 100) for one in fullest)
        return cls(
            active=len(active),
            expiring=len(expiring),
            expires_first_at=min(expiring, default=None),
            armed=len(armed),
            used_up=used_up,
            near=sum(_is_above(one, NEAR_PERCENT) for one in fullest) - used_up,
        )


def _is_above(standing: Standing, percent: int) -> bool:
    return (standing.used + standing.doubt) * 100 > percent * standing.base


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything that the card says."""

    version: str
    ready_s: float
    database: str
    database_bytes: int | None
    """None: the server has just made it."""
    base_url: str
    """Of this server, without `/v1`."""
    program: str
    """How `ferry` is typed here."""
    options: tuple[str, ...]
    """What has to follow it, so that commands mean this database; quoted for a shell."""
    providers: tuple[Checked, ...]
    """None: the simulated provider answers."""
    looked_at: tuple[str, ...]
    """Variables that would each make a provider."""
    demo_secret: str
    """What the simulated provider is called with; "" where something real is configured."""
    keys: KeysFacts
    prices: str
    prices_own: int
    recovered: int
    is_loopback: bool
    grace_s: int


def card(facts: CardFacts, now_us: int, width: int) -> list[Text]:
    """The card's lines."""
    ferry = (facts.program, *facts.options)
    blocks = [_headline(facts, width)]
    if facts.demo_secret:
        blocks.append(_demo(facts, width))
    here = _block("Point your client here", [Text(f"{INDENT}OpenAI SDK  {facts.base_url}/v1")])
    blocks.append(_side_by_side(here, _look(ferry, facts, width), width))
    if facts.demo_secret:
        blocks.append(_block("Try it now", _curl(facts, width)))
    if not facts.keys.active:
        make = (*ferry, "keys create", "--tenant acme", "--budget 50/month")
        blocks.append(_block("Make a key", command_lines(make, width)))
    if facts.providers:
        blocks.append(provider_lines(facts.providers, width))
    blocks += [_figures(facts, now_us, width), _foot(facts, width)]
    lines = [line for block in blocks for line in (Text(""), *block)]
    return [*lines, Text("")]


def _headline(facts: CardFacts, width: int) -> list[Text]:
    mode = " · demo mode" if facts.demo_secret else ""
    line = Text.assemble(
        MARGIN, (f"ferry {facts.version}", "bold"), f"  ready in {facts.ready_s:.1f} s{mode}"
    )
    size = "new" if facts.database_bytes is None else size_words(facts.database_bytes)
    where = drawn(facts.database).plain
    free = width - cell_len(line.plain) - cell_len(where) - len(f" ({size})")
    if free >= BLOCK_GAP:
        return [line.append(" " * free + where, "dim").append(f" ({size})", "dim")]
    room = width - len(MARGIN) - len(f" ({size})")
    return [line, Text(f"{MARGIN}{middle_cut(where, room)} ({size})", "dim")]


def _demo(facts: CardFacts, width: int) -> list[Text]:
    looked_at = ", ".join(facts.looked_at)
    return _paragraph(
        f"No provider key was found (looked at: {looked_at}). ferry runs with its built-in"
        " simulated provider: real endpoints, real streaming, made-up answers, nothing leaves"
        " this machine, nothing is billed. For real ones set one of these variables and start"
        " again.",
        width,
    )


def _look(ferry: Sequence[str], facts: CardFacts, width: int) -> list[list[Text]]:
    """The block of commands that exist: with what each shows, without, and carried on."""
    shows = [
        ((*ferry, "calls list"), "the latest calls"),
        ((*ferry, "report"), "who spent what"),
        ((*ferry, "keys list"), "keys and budgets"),
    ]
    if facts.demo_secret:
        shows.append(((facts.program, "demo"), "a busy scratch database"))
    room = max(cell_len(" ".join(command)) for command, _ in shows)
    full = [
        Text.assemble(INDENT, f"{' '.join(command):<{room}}", (f"  {what}", "dim"))
        for command, what in shows
    ]
    bare = [Text(INDENT + " ".join(command)) for command, _ in shows]
    long = [line for command, _ in shows for line in command_lines(command, width)]
    return [_block("Look at it", lines) for lines in (full, bare, long)]


def _side_by_side(left: list[Text], rights: Sequence[list[Text]], width: int) -> list[Text]:
    """`left` beside the first of `rights` that fits there; else above the first that fits.

    The last of `rights` is what stands below where none fits.
    """
    start = max(cell_len(line.plain) for line in left) + BLOCK_GAP - len(MARGIN)
    for right in rights[:-1]:
        if all(start + cell_len(line.plain) <= width for line in right):
            return [
                _beside(left[at] if at < len(left) else Text(), line, start)
                for at, line in enumerate(right)
            ]
    fitting = [
        right for right in rights if all(cell_len(line.plain) <= width for line in right)
    ] or rights[-1:]
    return [*left, Text(""), *fitting[0]]


def _beside(left: Text, right: Text, start: int) -> Text:
    whole = left.copy()
    return whole.append(" " * (start - cell_len(left.plain))).append_text(right)


def command_lines(words: Sequence[str], width: int) -> list[Text]:
    """A command to be copied, carried on after a backslash where it is wider than `width`.

    Each of `words` stays on one line; it is quoted already.
    """
    lines = [INDENT + words[0]]
    for word in words[1:]:
        if cell_len(lines[-1]) + len(" ") + cell_len(word) + len(" \\") <= width:
            lines[-1] += f" {word}"
        else:
            lines[-1] += " \\"
            lines.append(f"{INDENT}{MARGIN}{word}")
    return [Text(line) for line in lines]


def _curl(facts: CardFacts, width: int) -> list[Text]:
    """A call that can be pasted into a shell; where it is narrow its body has a line's end."""
    model, messages = '{"model":"sim/small",', '"messages":[{"role":"user","content":"hello"}]}'
    words = [
        f"curl -s {facts.base_url}/v1/chat/completions",
        f"-H 'Authorization: Bearer {facts.demo_secret}'",
        "-H 'Content-Type: application/json'",
        f"-d '{model}{messages}'",
    ]
    if len(INDENT + MARGIN + words[-1]) <= width:
        return command_lines(words, width)
    head = command_lines([*words[:-1], f"-d '{model}"], width)
    return [*head, Text(f"{INDENT}{MARGIN}     {messages}'")]


def _figures(facts: CardFacts, now_us: int, width: int) -> list[Text]:
    """Keys, budgets, prices and recording, in two columns where they fit."""
    keys = facts.keys
    own = f" + {facts.prices_own} own" if facts.prices_own else ""
    left = [
        labelled("Keys", _keys_words(keys, now_us)),
        labelled("Budgets", _budgets_words(keys), "yellow" if keys.used_up else ""),
    ]
    right = [
        labelled("Prices", f"{facts.prices}{own}"),
        labelled("Recording", "metadata only; no prompt, no answer"),
    ]
    start = max(cell_len(line.plain) for line in left) + BLOCK_GAP - len(MARGIN)
    if start + max(cell_len(line.plain) for line in right) <= width:
        lines = [_beside(one, other, start) for one, other in zip(left, right, strict=True)]
    else:
        lines = [part for line in (*left, *right) for part in folded(line, width)]
    if facts.recovered:
        calls = "1 call" if facts.recovered == 1 else f"{facts.recovered:,} calls"
        said = f"! {calls} of a server that died: cost estimated, and marked so"
        lines += folded(labelled("Recovered", said, "yellow"), width)
    return lines


def _keys_words(keys: KeysFacts, now_us: int) -> str:
    words = f"{keys.active:,} active"
    if keys.expires_first_at is None:
        return words
    left = lasting((keys.expires_first_at - now_us) // MICROSECONDS, parts=1)
    if keys.expiring == 1:
        return f"{words}, 1 expires in {left}"
    return f"{words}, {keys.expiring:,} expire within 7 d, first in {left}"


def _budgets_words(keys: KeysFacts) -> str:
    if not keys.armed:
        arm = "; `keys set NAME --budget 50/month` arms one" if keys.active else ""
        return f"none{arm}"
    words = f"{keys.armed:,} armed"
    words += f", {keys.used_up:,} used up" if keys.used_up else ""
    return words + (f", {keys.near:,} over {NEAR_PERCENT} %" if keys.near else "")


def _foot(facts: CardFacts, width: int) -> list[Text]:
    secrecy = (
        "Not encrypted, and on loopback only. For other machines put a proxy that ends TLS in"
        " front, and `behind_proxy = true` under `[server]`."
        if facts.is_loopback
        else "Not encrypted by ferry: the proxy in front ends TLS, and clients use its address."
    )
    grace = lasting(facts.grace_s)
    stop = f"Ctrl-C stops after running calls finish ({grace}); press twice to stop now."
    return [*_paragraph(secrecy, width, "dim"), *_paragraph(stop, width, "dim")]


def _block(title: str, lines: Iterable[Text]) -> list[Text]:
    return [Text.assemble(MARGIN, (title, "bold")), *lines]


def _paragraph(sentences: str, width: int, style: str = "") -> list[Text]:
    return folded(Text(MARGIN + sentences, style), width)


def size_words(size_bytes: int) -> str:
    """`36 kB`, `412 MB`, `5.1 GB`."""
    if size_bytes < 1_000_000:
        return f"{(size_bytes + 999) // 1_000} kB"
    if size_bytes < 1_000_000_000:
        return f"{size_bytes / 1_000_000:.0f} MB"
    return f"{size_bytes / 1_000_000_000:.1f} GB"


def lasting(duration_s: float, parts: int = 2) -> str:
    """`2 h 5 min`, `3 d`, `0 s`: the largest unit and those after it, `parts` in all."""
    rest = max(int(duration_s), 0)
    words: list[str] = []
    first = next((at for at, (size, _) in enumerate(_UNITS) if rest >= size), len(_UNITS) - 1)
    for size, unit in _UNITS[first : first + parts]:
        count, rest = divmod(rest, size)
        if count or not words:
            words.append(f"{count} {unit}")
    return " ".join(words)


def stopping_words(running: int, grace_s: int) -> str:
    """What is said when a signal came; "" where nothing runs, because then it is soon over."""
    if not running:
        return ""
    calls = "1 call is" if running == 1 else f"{running:,} calls are"
    return f"stopping: {calls} running, up to {lasting(grace_s)} (Ctrl-C again stops now)"


def stopped_words(calls: int, calls_cut: int, up_s: float) -> str:
    """What is said last."""
    words = f"stopped after {lasting(up_s)}, {calls:,} {'call' if calls == 1 else 'calls'}"
    return words + (f", {calls_cut:,} cut off" if calls_cut else "")
