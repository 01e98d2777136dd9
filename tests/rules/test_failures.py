"""What a failed attempt means, and how long a provider asks to be left alone."""

from __future__ import annotations

import pytest

from ferrycli.rules.denials import (
    BudgetSpent,
    NoTarget,
    Untranslatable,
    UpstreamFailed,
    UpstreamTimeout,
)
from ferrycli.rules.errors import LedgerUnavailable, NoCredential
from ferrycli.rules.failures import (
    CODE_LENGTH_MAX,
    KINDS,
    OPTIONAL,
    RETRIED_STATUSES,
    RETRY_AFTER_S_MAX,
    Failure,
    classify,
    failure_of,
    may_go_on,
    retry_after_s,
)

NOW = 1_794_906_000_000_000  # Tue 2026-11-17 09:00:00 UTC.


def test_the_retried_statuses_are_the_ones_of_the_design() -> None:
    assert {408, 409, 424, 429, 498, 500, 502, 503, 504, 529} == RETRIED_STATUSES


TOO_LOW = "Your credit balance is too low to access the Anthropic API. Please go to Plans."
REACHED = "You have reached your specified API usage limits. You will regain access on 2026-12-01."
LONG = "prompt is too long: 210000 tokens > 200000 maximum"

CLASSES: list[tuple[int, str, str, str, str]] = [
    # Status, code, kind of provider, message, and the class.
    *((status, "", "openai", "", "retry") for status in sorted(RETRIED_STATUSES)),
    *((status, "", "openai", "", "final") for status in (400, 401, 403, 404, 413, 422)),
    *((status, "", "", "", "final") for status in (405, 406, 410, 415, 418, 451, 501, 505, 508)),
    *((status, "", "", "", "retry") for status in (520, 524, 527)),
    (519, "", "", "", "final"),
    (528, "", "", "", "final"),
    # Money.
    (429, "insufficient_quota", "openai", "You exceeded your current quota", "money"),
    (429, "billing_hard_limit_reached", "openai", "", "money"),
    (429, "rate_limit_exceeded", "openai", "Rate limit reached", "retry"),
    (429, "rate_limit_error", "anthropic", "", "retry"),
    (429, "enforced_spend_limit_reached", "anthropic", "", "money"),
    (402, "", "anthropic", "", "money"),
    (402, "billing_error", "anthropic", "", "money"),
    (400, "invalid_request_error", "anthropic", TOO_LOW, "money"),
    (400, "invalid_request_error", "compatible", REACHED, "money"),
    (402, "", "gemini", "", "money"),
    (429, "RESOURCE_EXHAUSTED", "gemini", "You exceeded your current quota", "retry"),
    (402, "402", "openrouter", "This request requires more credits", "money"),
    (403, "403", "openrouter", "Key limit exceeded (monthly limit).", "money"),
    (403, "", "OpenRouter", "", "money"),
    (403, "403", "openrouter", "The input was flagged by moderation", "final"),
    (403, "403", "openai", "Country not supported", "final"),
    (402, "", "deepseek", "Insufficient Balance", "money"),
    # Models that are not there, and paths that are not.
    (404, "model_not_found", "openai", "The model `gpt-5.2-proo` does not exist", "not_found"),
    (404, "not_found_error", "anthropic", "model: claude-sonet-4-5", "not_found"),
    (404, "NOT_FOUND", "gemini", "models/gemini-3.6-flahs is not found", "not_found"),
    (404, "404", "openrouter", "No endpoints found for x/y.", "not_found"),
    (404, "DeploymentNotFound", "azure", "The API deployment does not exist.", "not_found"),
    (404, "unknown_url", "openai", "Unknown request URL: /v1/chat", "final"),
    (403, "model_not_found", "openai", "no access to model", "final"),
    # Context.
    (400, "context_length_exceeded", "openai", "", "context"),
    (400, "invalid_request_error", "anthropic", LONG, "context"),
    (400, "INVALID_ARGUMENT", "gemini", "exceeds the maximum number of tokens", "context"),
    (400, "", "vllm", "This model's maximum context length is 4096 tokens.", "context"),
    (400, "ValidationException", "bedrock", "Input is too long for requested model.", "context"),
    (413, "request_too_large", "anthropic", LONG, "final"),
    (400, "invalid_value", "openai", "Invalid value", "final"),
    # Replies with status 200 that are none.
    (200, "", "", "", "retry"),
    (204, "", "", "", "retry"),
    (304, "", "", "", "retry"),
    (302, "", "", "", "retry"),
    (200, "overloaded_error", "anthropic", "", "retry"),
    (200, "502", "openrouter", "Provider returned error", "retry"),
    (200, "server_error", "openai", "", "retry"),
    (200, "who knows", "", "", "retry"),
    (200, "402", "openrouter", "", "money"),
    (200, "insufficient_quota", "openai", "", "money"),
    (200, "400", "openrouter", "", "final"),
    (200, "invalid_request_error", "openai", "", "final"),
    (200, "invalid_request_error", "anthropic", LONG, "context"),
    (200, "model_not_found", "openai", "", "not_found"),
]


@pytest.mark.parametrize(("status", "code", "kind", "message", "expected"), CLASSES)
def test_a_reply_is_of_one_class(
    status: int, code: str, kind: str, message: str, expected: str
) -> None:
    failure = classify(status, code, kind, message)
    assert failure.kind == expected
    assert failure.kind in KINDS
    assert failure.code == code


INSIDE = {
    "overloaded_error": 529,
    "overloaded": 529,
    "throttlingException": 429,
    "serviceUnavailableException": 503,
    "modelStreamErrorException": 424,
    "modelTimeoutException": 408,
    "validationException": 400,
    "reply_cut": 502,
    "reply_unreadable": 502,
    "rate_limit_error": 429,
    "RESOURCE_EXHAUSTED": 429,
    "timeout_error": 504,
    "DEADLINE_EXCEEDED": 504,
    "UNAVAILABLE": 503,
    "invalid_request_error": 400,
    "INVALID_ARGUMENT": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "502": 502,
    "nonsense": 500,
    "299": 500,
    "": 200,
}


@pytest.mark.parametrize("code", INSIDE)
def test_an_error_inside_a_200_has_the_status_that_it_stands_for(code: str) -> None:
    assert classify(200, code).status == INSIDE[code]
    assert classify(418, code).status == 418


@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_code_of_money_is_money_with_each_status_that_it_comes_with(status: int) -> None:
    assert classify(status, "billing_hard_limit_reached").kind == "money"


def test_a_failure_reads_in_few_words() -> None:
    assert str(classify(503, "overloaded")) == "503 overloaded"
    assert str(classify(500)) == "500"
    failure = failure_of(UpstreamTimeout("openai", "connect", 5))
    assert (str(failure), failure.status) == ("upstream_timeout", 0)


def test_a_code_of_any_length_is_kept_short() -> None:
    assert len(classify(500, "x" * 10_000).code) == CODE_LENGTH_MAX


ERRORS = [
    (UpstreamTimeout("openai", "connect", 5), "retry"),
    (UpstreamTimeout("openai", "first_byte", 600), "retry"),
    (UpstreamTimeout("openai", "idle", 120), "retry"),
    (UpstreamTimeout("openai", "total", 900), "final"),
    (UpstreamFailed("openai", "connection refused", is_dispatched=False), "retry"),
    (UpstreamFailed("openai", "reset"), "retry"),
    (NoCredential("openai", "env OPENAI_API_KEY", "the variable is not set"), "retry"),
    (Untranslatable("logit_bias", "messages have none"), "retry"),
    (NoTarget("chat"), "final"),
    (LedgerUnavailable("disk full"), "final"),
]


@pytest.mark.parametrize(("error", "expected"), ERRORS)
def test_what_got_no_reply_is_of_one_class(error: UpstreamFailed, expected: str) -> None:
    assert failure_of(error).kind == expected
    assert failure_of(error).code == error.code


@pytest.mark.parametrize(
    ("failure", "is_of_provider", "may_repeat"),
    [
        (classify(500), True, True),
        (classify(503), True, True),
        (classify(429), True, True),
        (classify(409), False, True),
        (classify(204), True, False),
        (classify(429, "insufficient_quota"), True, False),
        (classify(400), False, False),
        (classify(404, "model_not_found"), False, False),
        (classify(400, "context_length_exceeded"), False, False),
        (failure_of(UpstreamTimeout("openai", "connect", 5)), True, True),
        (failure_of(UpstreamTimeout("openai", "total", 900)), False, False),
        (failure_of(NoCredential("openai", "", "")), False, False),
        (failure_of(Untranslatable("seed", "")), False, False),
    ],
)
def test_only_what_is_the_provider_s_counts_and_only_what_may_pass_is_repeated(
    failure: Failure, is_of_provider: bool, may_repeat: bool
) -> None:
    assert failure.is_of_provider is is_of_provider
    assert failure.may_repeat is may_repeat


def test_a_budget_s_refusal_is_never_the_provider_s() -> None:
    spent = BudgetSpent("b", "key=a", "day", 1, 1, 0, 0, 1, 0, None)
    assert not failure_of(spent).is_of_provider
    assert not may_go_on(failure_of(spent), OPTIONAL)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("added", [(), ("not_found",), ("context",), ("not_found", "context")])
def test_the_next_target_is_tried_for_these(kind: str, added: tuple[str, ...]) -> None:
    expected = kind in ("retry", "money", *added)
    assert may_go_on(Failure(kind), frozenset(added)) is expected


def test_a_route_cannot_make_final_failures_go_on() -> None:
    assert not may_go_on(Failure("final"), frozenset({"final"}))


WAITS: list[tuple[list[tuple[str, str]], float | None]] = [
    ([], None),
    ([("retry-after", "7")], 7.0),
    ([("Retry-After", " 7 ")], 7.0),
    ([("retry-after", "0")], 0.0),
    ([("retry-after", "0.5")], 0.5),
    ([("retry-after-ms", "1500")], 1.5),
    ([("retry-after", "7"), ("retry-after-ms", "1500")], 1.5),
    ([("retry-after", "7"), ("retry-after-ms", "soon")], 7.0),
    ([("retry-after", "60")], RETRY_AFTER_S_MAX),
    ([("retry-after", "61")], RETRY_AFTER_S_MAX),
    ([("retry-after", "1000000000")], RETRY_AFTER_S_MAX),
    ([("retry-after-ms", "1000000000")], RETRY_AFTER_S_MAX),
    ([("retry-after", "-1")], None),
    ([("retry-after", "")], None),
    ([("retry-after", "soon")], None),
    ([("retry-after", "1e9")], None),
    ([("retry-after", "nan")], None),
    ([("retry-after", "inf")], None),
    ([("retry-after", "9" * 400)], None),
    ([("retry-after", "\u00b2")], None),
    ([("retry-after", "Tue, 17 Nov 2026 09:00:20 GMT")], 20.0),
    ([("retry-after", "Tuesday, 17-Nov-26 09:00:20 GMT")], 20.0),
    ([("retry-after", "Tue Nov 17 09:00:20 2026")], 20.0),
    ([("retry-after", "Tue, 17 Nov 2026 08:59:00 GMT")], 0.0),
    ([("retry-after", "Wed, 17 Nov 2027 09:00:00 GMT")], RETRY_AFTER_S_MAX),
    ([("retry-after", "Tue, 31 Feb 2026 09:00:20 GMT")], None),
    ([("retry-after", "Tue, 17 Nix 2026 09:00:20 GMT")], None),
    ([("retry-after", "Tue, 17 Nov 2026 99:00:20 GMT")], None),
    ([("retry-after", "Sat, 01 Jan 0000 00:00:00 GMT")], None),
    ([("x-retry-after", "7")], None),
]


@pytest.mark.parametrize(("headers", "expected"), WAITS)
def test_how_long_a_provider_asks_to_be_left_alone(
    headers: list[tuple[str, str]], expected: float | None
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    assert retry_after_s(raw, NOW) == expected
