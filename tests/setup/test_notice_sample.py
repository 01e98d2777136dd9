"""A sample notice: to everybody who would be told, side by side, and how each try went."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ferrycli.rules.standings import Terms
from ferrycli.rules.thresholds import Rule
from ferrycli.settings import Settings, load
from ferrycli.setup.notice_sample import Tried, sample_alert, send_sample
from tests.notices.receivers import Hooks, Post

CANARY = "canary-4777"
USD = 1_000_000_000
NOW = 1_795_003_200_000_000  # 2026-11-18 12:00 UTC
MONTH = Terms(
    "b_1",
    "tenant=acme",
    "month",
    "Europe/Berlin",
    50 * USD,
    rules=(
        Rule(50, "notify", channels=("ops",)),
        Rule(80, "downgrade"),
        Rule(100, "block"),
        Rule(120, "notify", channels=("gone",)),
    ),
    owner="ana@acme.io",
)

CONFIG = """
[alerts]
default = "ops"
[channels.ops]
kind = "webhook"
url_env = "OPS"
timeout_s = 1
[channels.mail]
kind = "email"
host = "127.0.0.1"
port = {port}
starttls = false
from = "ferry@gateway.example"
"""

Read = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    def loaded(port: int = 25, **environment: str) -> Settings:
        path = tmp_path / "ferry.toml"
        path.write_text(CONFIG.format(port=port), "utf-8")
        return load(environment, config=path)

    return loaded


def test_it_goes_to_the_owner_and_to_every_channel_that_a_rule_names(read: Read) -> None:
    with Hooks() as ops, Post() as post:
        tried = send_sample(read(post.port, OPS=ops.url), MONTH, NOW)
    assert [(one.channel, one.kind, one.address, one.is_delivered) for one in tried] == [
        ("mail", "email", "ana@acme.io", True),
        ("ops", "webhook", "", True),
        ("gone", "", "", False),
    ]
    assert tried[0].said.startswith("mail (email) to ana@acme.io: delivered in ")
    assert tried[1].said.startswith("ops (webhook): delivered in ")
    assert tried[2].said == "gone: not delivered: there is no such channel in the config"
    told = json.loads(ops.requests[0].body)
    assert told["kind"] == "sample"
    assert told["title"] == "Sample: tenant=acme has spent $50.00 of $50.00 this month, 100 %"
    assert "nothing has happened" in told["text"]
    assert "calls are refused" in told["text"]
    assert "2026-12-01 00:00 Europe/Berlin" in told["text"]
    assert told["id"].startswith("a_")
    assert f"notice {told['id']}".encode() in post.letters[0].content


def test_each_sample_has_an_id_of_its_own(read: Read) -> None:
    with Hooks() as ops:
        for _ in range(2):
            send_sample(read(OPS=ops.url), replace(MONTH, owner="ops", rules=()), NOW)
    first, second = (json.loads(one.body)["id"] for one in ops.requests)
    assert first != second


def test_a_failure_is_told_in_words_without_a_secret(read: Read) -> None:
    plain = replace(MONTH, owner="", rules=())
    with Hooks(503) as ops:
        (failed,) = send_sample(read(OPS=f"{ops.url}/{CANARY}"), plain, NOW)
    assert (failed.is_delivered, failed.said) == (
        False,
        "ops (webhook): not delivered: it answers 503",
    )
    (unset,) = send_sample(read(), plain, NOW)
    assert unset.why == "env OPS: the variable is not set"
    (odd,) = send_sample(read(OPS=CANARY), plain, NOW)
    assert CANARY not in odd.said


def test_a_slow_channel_delays_no_other(read: Read) -> None:
    with Hooks("hang") as ops, Post() as post:
        began_s = time.monotonic()
        mail, hook, _ = send_sample(read(post.port, OPS=ops.url), MONTH, NOW)
        took_s = time.monotonic() - began_s
    assert mail.is_delivered
    assert mail.took_ms < 1_000
    assert hook.why == "no answer within 1 s"
    assert took_s < 3


def test_where_nobody_would_be_told_nothing_is_tried(tmp_path: Path) -> None:
    path = tmp_path / "ferry.toml"
    path.write_text("")
    assert send_sample(load({}, config=path), replace(MONTH, rules=()), NOW) == ()


@pytest.mark.parametrize(
    ("terms", "threshold", "spent", "limit"),
    [
        (MONTH, 100, 50 * USD, 50 * USD),
        (replace(MONTH, rules=(Rule(33, "notify"),)), 33, 16_500_000_000, 50 * USD),
        (replace(MONTH, rules=()), 80, 40 * USD, 50 * USD),
        (replace(MONTH, rules=(Rule(150, "notify"),)), 80, 40 * USD, 50 * USD),
        (
            replace(MONTH, period="total", is_prepaid=True, limit_nanousd=0, rules=()),
            80,
            16 * USD,
            20 * USD,
        ),
    ],
)
def test_it_is_of_the_highest_threshold_up_to_the_limit(
    terms: Terms, threshold: int, spent: int, limit: int
) -> None:
    alert = sample_alert(terms, "a_1", NOW)
    assert (alert.threshold, alert.spent_nanousd, alert.limit_nanousd) == (threshold, spent, limit)
    assert alert.kind == "sample"


def test_its_period_is_the_budgets_in_its_zone() -> None:
    november = 1_793_487_600_000_000
    assert sample_alert(MONTH, "a_1", NOW).window_start_us == november
    rolling = replace(MONTH, period="rolling 7d")
    assert 0 <= NOW - sample_alert(rolling, "a_1", NOW).window_start_us < 3_600_000_000


def test_a_try_is_said_by_its_channel_and_address() -> None:
    assert Tried("mail", "email", "a@b.c", "", 1_234).said == (
        "mail (email) to a@b.c: delivered in 1,234 ms"
    )
