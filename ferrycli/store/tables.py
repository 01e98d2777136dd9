"""The tables, as SQLModel classes: what each column means.

Money is whole nano-dollars, time is UTC microseconds, a missing dimension is the empty string.
Migrations make these tables; a test holds the two against each other. Source: docs/money.md.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, text
from sqlmodel import Field, SQLModel

_BIG = BigInteger().with_variant(Integer, "sqlite")
"""SQLite makes only `INTEGER PRIMARY KEY` the row's own key, and its INTEGER has 64 bits."""


def big(*, default: int | None = 0, nullable: bool = False, key: bool = False) -> int:
    """A 64-bit column; Field's own type is Any, so the annotation stands at the class."""
    column = Column(_BIG, nullable=nullable, primary_key=key, autoincrement=False)
    return Field(default=default, sa_column=column)  # type: ignore[no-any-return]


class Meta(SQLModel, table=True):
    """Single facts: `salt` (of fingerprints), `epoch` (counts changes of keys, budgets, rates)."""

    __tablename__ = "meta"

    name: str = Field(primary_key=True)
    value: str


class Migration(SQLModel, table=True):
    """Migrations that were applied, by name."""

    __tablename__ = "migrations"

    name: str = Field(primary_key=True)
    applied_at: int = big()


class Key(SQLModel, table=True):
    """ferry's own keys. The secret is not here: only its SHA-256."""

    __tablename__ = "keys"

    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    secret_sha256: str = Field(unique=True)
    prefix: str = ""
    last4: str = ""
    role: str = "call"
    owner: str = ""
    policies: str = "{}"
    """JSON: dimension to [mode, value]."""
    models: str = "[]"
    """JSON: globs over `provider/model`."""
    routes: str = "[]"
    cidrs: str = "[]"
    rpm: int | None = big(default=None, nullable=True)
    tpm: int | None = big(default=None, nullable=True)
    parallel_max: int | None = big(default=None, nullable=True)
    created_at: int = big()
    expires_at: int | None = big(default=None, nullable=True)
    revoked_at: int | None = big(default=None, nullable=True)
    last_used_at: int | None = big(default=None, nullable=True)
    rotates_to: str = ""
    version: int = big(default=1)
    previous_sha256: str = ""
    """The secret before the last rotation; it opens until `previous_until`."""
    previous_last4: str = ""
    previous_until: int | None = big(default=None, nullable=True)


class Budget(SQLModel, table=True):
    """A limit on what matches a selector, per period."""

    __tablename__ = "budgets"

    id: str = Field(primary_key=True)
    selector: str
    """As a person writes it: `key=acme-web`."""
    subject: str = "[]"
    """JSON: [dimension, value] pairs that a call must have; `key` holds the key's id."""
    key_id: str = ""
    """The key whose own budget this is, or empty."""
    limit_nanousd: int = big()
    period: str
    zone: str = "UTC"
    mode: str = "strict"
    clamp: str = "unset"
    owner: str = ""
    rules: str = "[]"
    counts_from: int = big()
    created_at: int = big()
    removed_at: int | None = big(default=None, nullable=True)
    revision: int = big(default=1)
    is_prepaid: int = big()
    """The limit is the sum of `grants`; `limit_nanousd` is 0."""
    allow_unpriced: int = big()


class Window(SQLModel, table=True):
    """One period of one budget for one subject: what is spent, held and in doubt."""

    __tablename__ = "windows"

    budget_id: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    """Empty, or the values that a `*` of the selector stands for."""
    start: int = big(key=True)
    spent_nanousd: int = big()
    held_nanousd: int = big()
    doubt_nanousd: int = big()


class RateOverride(SQLModel, table=True):
    """What the operator says that a model costs: nano-dollars per million units."""

    __tablename__ = "rates"

    id: str = Field(primary_key=True)
    provider: str
    model: str
    """A glob."""
    tier: str = ""
    from_at: int = big()
    created_at: int = big()
    removed_at: int | None = big(default=None, nullable=True)
    input: int | None = big(default=None, nullable=True)
    cache_read: int | None = big(default=None, nullable=True)
    cache_write_5m: int | None = big(default=None, nullable=True)
    cache_write_30m: int | None = big(default=None, nullable=True)
    cache_write_1h: int | None = big(default=None, nullable=True)
    cache_write_12h: int | None = big(default=None, nullable=True)
    output: int | None = big(default=None, nullable=True)
    audio_in: int | None = big(default=None, nullable=True)
    audio_out: int | None = big(default=None, nullable=True)
    image_in: int | None = big(default=None, nullable=True)
    web_search: int | None = big(default=None, nullable=True)
    note: str = ""


class Call(SQLModel, table=True):
    """One call: written as `held` at admission, finished once at settlement.

    `n_…` are counts of the disjoint buckets. `hold_nanousd` stays as it was made, so that it can
    be recomputed; what is held now is the sum over rows in state `held`.
    """

    __tablename__ = "calls"
    __table_args__ = (Index("calls_open", "seq", sqlite_where=text("state = 'held'")),)

    seq: int = big(key=True)
    id: str
    state: str
    """`held settled released recovered denied`."""
    outcome: str = ""
    """`ok left failed cut timeout recovered denied`; empty while held."""
    started_at: int = big()
    admitted_at: int = big()
    first_byte_at: int | None = big(default=None, nullable=True)
    finished_at: int | None = big(default=None, nullable=True)
    key_id: str = ""
    tenant: str = ""
    user: str = ""
    assistant: str = ""
    thread: str = ""
    feature: str = ""
    provider: str = ""
    model: str = ""
    """The model that served; until it is known, the one that was asked of the provider."""
    route: str = ""
    cost_nanousd: int | None = big(default=None, nullable=True)
    """None: unpriced, or not finished yet."""
    hold_nanousd: int = big()
    doubt_nanousd: int = big()
    expected_nanousd: int | None = big(default=None, nullable=True)
    """The estimate at admission; what a recovered call costs. None: unpriced."""
    n_input: int = big()
    n_cache_read: int = big()
    n_cache_write_5m: int = big()
    n_cache_write_30m: int = big()
    n_cache_write_1h: int = big()
    n_cache_write_12h: int = big()
    n_output: int = big()
    n_audio_in: int = big()
    n_audio_out: int = big()
    n_image_in: int = big()
    n_web_search: int = big()
    n_reasoning: int = big()
    """Inside `n_output`."""
    cost_input_nanousd: int = big()
    cost_cache_read_nanousd: int = big()
    cost_cache_write_nanousd: int = big()
    cost_output_nanousd: int = big()
    cost_other_nanousd: int = big()
    provider_cost_nanousd: int | None = big(default=None, nullable=True)
    cost_source: str = ""
    """`provider reported estimated unpriced`; empty where nothing was billed."""
    is_price_incomplete: int = big()
    price_version: str = ""
    priority: str = "normal"
    endpoint: str = ""
    is_stream: int = big()
    requested_model: str = ""
    sent_model: str = ""
    region: str = ""
    tier: str = ""
    status: int = big()
    """The HTTP status that the client got; 0 where it got none."""
    error_code: str = ""
    attempts: int = big(default=1)
    downgraded_from: str = ""
    reason: str = ""
    client_retry: int = big()
    finish_reason: str = ""
    tags: str = ""
    """JSON object, or empty."""
    sources: str = ""
    """JSON object: dimension to source, or empty."""
    prefix_hash: int = big()
    """Salted hash of the system-and-tools part; 0 where there is none."""
    request_hash: int = big()
    last_message_hash: int = big()
    prefix_bytes: int = big()
    request_bytes: int = big()
    last_message_bytes: int = big()
    input_bound: int = big()
    choices: int = big(default=1)
    tier_asked: str = ""
    input_ceiling_nanousd: int | None = big(default=None, nullable=True)
    """The most that the input can cost, roundings included. None: it could not be stated."""
    output_rate_nanousd: int | None = big(default=None, nullable=True)
    """Per million output tokens, all choices together. Under a budget the hold is
    `input_ceiling + ceil(output_held × output_rate / 1,000,000)`."""
    output_asked: int | None = big(default=None, nullable=True)
    output_held: int | None = big(default=None, nullable=True)
    """The answer that the hold covers, in tokens per choice. None: no budget held anything."""
    output_sent: int | None = big(default=None, nullable=True)
    """The bound that ferry put into the request, per choice."""
    expected_output: int = big()
    free_nanousd: int | None = big(default=None, nullable=True)
    budget_id: str = ""
    """The budget with the least free money at admission."""
    windows: str = ""
    """JSON: [budget, subject, start] of every window that the hold counts in."""
    rule: str = ""
    epoch: int = big()
    instance_id: str = ""
    repeats: int = big(default=1)
    """For denied rows: how many denials the row stands for."""
    assignment: str = ""
    """The id of the assignment that chose the route, or empty."""
    admit_no: int = big()
    """The ledger's own order of decisions: of the admission, and of the end."""
    close_no: int = big()


class Attempt(SQLModel, table=True):
    """One try upstream, where a call had more than one."""

    __tablename__ = "attempts"

    call_seq: int = big(key=True)
    number: int = big(key=True)
    provider: str = ""
    model: str = ""
    started_at: int = big()
    finished_at: int | None = big(default=None, nullable=True)
    state: str = ""
    status: int = big()
    error_code: str = ""
    reason: str = ""
    hold_nanousd: int = big()
    doubt_nanousd: int = big()
    cost_nanousd: int | None = big(default=None, nullable=True)
    windows: str = ""
    route: str = ""
    cost_source: str = ""
    input_ceiling_nanousd: int | None = big(default=None, nullable=True)
    output_rate_nanousd: int | None = big(default=None, nullable=True)
    output_held: int | None = big(default=None, nullable=True)


class Line(SQLModel, table=True):
    """One billed thing, where one reply billed several."""

    __tablename__ = "lines"

    call_seq: int = big(key=True)
    number: int = big(key=True)
    provider: str = ""
    model: str = ""
    bucket: str = ""
    quantity: int = big()
    rate_nanousd: int | None = big(default=None, nullable=True)
    cost_nanousd: int | None = big(default=None, nullable=True)
    reason: str = ""


class Correction(SQLModel, table=True):
    """A signed amount against a call that is finished."""

    __tablename__ = "corrections"

    id: str = Field(primary_key=True)
    call_seq: int = Field(sa_column=Column(_BIG, nullable=False, index=True))
    delta_nanousd: int = big()
    reason: str = ""
    source: str = ""
    created_at: int = big()
    doubt_delta_nanousd: int = big()
    """What a better figure takes off the doubt of the call's windows: 0 or below."""


class Daily(SQLModel, table=True):
    """Sums of one day that has ended, by the dimensions of few values.

    Made behind the calls and only ever from them, so it may be thrown away. The figures are those
    of `store/sums.py`.
    """

    __tablename__ = "daily"

    start_at: int = big(key=True)
    """A day is the time between two local midnights: of which zone, its bounds say."""
    end_at: int = big(key=True)
    tenant: str = Field(primary_key=True)
    feature: str = Field(primary_key=True)
    assistant: str = Field(primary_key=True)
    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    route: str = Field(primary_key=True)
    key_id: str = Field(primary_key=True)
    outcome: str = Field(primary_key=True)
    calls: int = big()
    input_tokens: int = big()
    cache_read_tokens: int = big()
    cache_write_tokens: int = big()
    output_tokens: int = big()
    cost_nanousd: int = big()
    """Effective: corrections included."""
    cost_input_nanousd: int = big()
    cost_cache_read_nanousd: int = big()
    cost_cache_write_nanousd: int = big()
    cost_output_nanousd: int = big()
    cost_other_nanousd: int = big()
    unpriced_calls: int = big()
    estimated_calls: int = big()
    failed_calls: int = big()
    denied_calls: int = big()
    open_calls: int = big()
    """Always 0: a day with a call in flight is not summed yet."""


class SummedDay(SQLModel, table=True):
    """A day of which `daily` holds everything; a correction of one of its calls removes it."""

    __tablename__ = "summed_days"

    start_at: int = big(key=True)
    end_at: int = big(key=True)
    summed_at: int = big()


class Instance(SQLModel, table=True):
    """A server that used this database, and when it was last seen alive."""

    __tablename__ = "instances"

    id: str = Field(primary_key=True)
    host: str = ""
    pid: int = big()
    address: str = ""
    version: str = ""
    started_at: int = big()
    heartbeat_at: int = big()
    stopped_at: int | None = big(default=None, nullable=True)


class Learned(SQLModel, table=True):
    """A figure learned from finished calls: how long answers are, how models answer."""

    __tablename__ = "learned"

    kind: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    """JSON: what it was learned of, such as [provider, model] or [route, feature]."""
    value: int = big()
    samples: int = big()
    updated_at: int = big()
