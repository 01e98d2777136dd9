"""A thought with a mark never reaches a provider in a body that passes through as it came."""

from __future__ import annotations

from base64 import b64encode

import pytest

from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.translate.gemini.asked import NO_SIGNATURE

MARKED = "ferry:signature:google:c2ln"
IN_BASE64 = b64encode(MARKED.encode()).decode()

# What came, and what is sent: beside each, everything else keeps its bytes.
BODIES: list[tuple[str, str, str]] = [
    (
        "responses",
        (
            '{"model":"m", "input":[ {"role":"user","content":"a"} ,{"type":"reasoning",'
            '"summary":[],"encrypted_content":"%s"},{"type":"reasoning","encrypted_content":"gA"}]}'
        ),
        (
            '{"model":"m", "input":[ {"role":"user","content":"a"},'
            '{"type":"reasoning","encrypted_content":"gA"}]}'
        ),
    ),
    (
        "messages",
        (
            '{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[ '
            '{"type":"thinking","thinking":"t","signature":"%s"}, {"type":"text", "text":"ferry:"}'
            ']},{"role":"assistant","content":[{"type":"redacted_thinking","data":"%s"}]} ]}'
        ),
        (
            '{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[ '
            '{"type":"text", "text":"ferry:"}]} ]}'
        ),
    ),
    (
        "chat",
        (
            '{"model":"m","messages":[{"role":"assistant","content":"x","reasoning_details":['
            '{"type":"reasoning.text","text":"t","signature":"%s"} ]}]}'
        ),
        '{"model":"m","messages":[{"role":"assistant","content":"x","reasoning_details":[ ]}]}',
    ),
    (
        "gemini",
        (
            '{"contents":[{"role":"model","parts":[{"text":"t","thought":true,"thoughtSignature":"%b"}'
            ',{"text": "x","thought_signature":"%b"},{"text":"","thoughtSignature":"%b"}'
            ',{"functionCall": {"name":"f"}, "thoughtSignature":"%b"}]}]}'
        ),
        '{"contents":[{"role":"model","parts":[{"text": "x"}'
        ',{"functionCall": {"name":"f"}, "thoughtSignature":"' + NO_SIGNATURE + '"}]}]}',
    ),
    (
        "converse",
        (
            '{"messages":[{"role":"assistant","content":[{"reasoningContent":{"reasoningText":'
            '{"text":"t","signature":"%s"}}},{"reasoningContent":{"redactedContent":"%b"}},'
            '{"text":"x"}]}]}'
        ),
        '{"messages":[{"role":"assistant","content":[{"text":"x"}]}]}',
    ),
]


def sent(dialect: str, body: str) -> str:
    found = DIALECTS[dialect]
    raw = body.encode()
    return found.outgoing(raw, found.read(raw, Place("m"), b""), Sent("m")).decode()


@pytest.mark.parametrize(("dialect", "body", "wanted"), BODIES)
def test_thoughts_with_a_mark_are_left_out(dialect: str, body: str, wanted: str) -> None:
    came = body.replace("%s", MARKED).replace("%b", IN_BASE64)
    assert sent(dialect, came) == wanted


@pytest.mark.parametrize(("dialect", "body", "_"), BODIES)
def test_a_makers_own_seals_pass_byte_for_byte(dialect: str, body: str, _: str) -> None:
    came = body.replace("%s", "EqQB").replace("%b", "EqQB")
    assert sent(dialect, came) == came


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"m","input":[{"type":"reasoning","encrypted_content":"ferry:","a":1,"a":2}]}',
        '{"model":"m","input":["ferry:", [], 1, {"encrypted_content":1}]}',
        '{"model":"m","input":"ferry:"}',
    ],
)
def test_what_is_written_oddly_is_left_to_the_provider(body: str) -> None:
    assert sent("responses", body) == body
