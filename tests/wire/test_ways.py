"""Each kind of provider is spoken to in its own dialect, at its own path."""

from __future__ import annotations

import pytest

from ferrycli.wire.ways import TALKS, Speaker, Way, find_way, spoken_by

OPENAI = Speaker("openai", "https://api.openai.com/v1")
ANTHROPIC = Speaker("anthropic", "https://api.anthropic.com")
GEMINI = Speaker("gemini", "https://generativelanguage.googleapis.com")
VERTEX = Speaker(
    "vertex",
    "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google",
)
BEDROCK = Speaker("bedrock", "https://bedrock-runtime.eu-central-1.amazonaws.com")
MANTLE = Speaker("bedrock", "https://bedrock-mantle.us-east-1.api.aws")
OPENROUTER = Speaker("openrouter", "https://openrouter.ai/api/v1")
AZURE = Speaker("azure", "https://r.openai.azure.com/openai/v1")
DEPLOYMENT = Speaker("azure", "https://r.openai.azure.com/openai/deployments/d")
VLLM = Speaker("compatible", "http://127.0.0.1:8000/v1")
BOTH = Speaker("compatible", "http://127.0.0.1:8000/v1", ("responses", "messages"))
SIM = Speaker("sim")

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_PATH = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
NOVA = "us.amazon.nova-micro-v1:0"
ARN = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-x"

WAYS = [
    (BEDROCK, "converse", "..", False, None),
    (BEDROCK, "converse", ".", True, None),
    # Provider, what is asked for, model, stream: what is spoken, and where.
    (OPENAI, "chat", "gpt-5.6", False, Way("chat", "/chat/completions")),
    (OPENAI, "responses", "gpt-5.6", True, Way("responses", "/responses")),
    (OPENAI, "embeddings", "e", False, Way("embeddings", "/embeddings")),
    (OPENAI, "completions", "m", False, Way("completions", "/completions")),
    (OPENAI, "images/edits", "m", False, Way("plain", "/images/edits")),
    (OPENAI, "messages", "gpt-5.6", True, Way("chat", "/chat/completions")),
    (OPENAI, "gemini", "gpt-5.6", True, Way("chat", "/chat/completions")),
    (OPENAI, "converse", "gpt-5.6", True, Way("chat", "/chat/completions")),
    (OPENAI, "count_tokens", "gpt-5.6", False, None),
    (OPENAI, "cached_contents", "gpt-5.6", False, None),
    (OPENAI, "invoke", "gpt-5.6", False, None),
    (ANTHROPIC, "messages", "claude-x", True, Way("messages", "/v1/messages")),
    (ANTHROPIC, "count_tokens", "c", False, Way("count_tokens", "/v1/messages/count_tokens")),
    (ANTHROPIC, "chat", "claude-x", False, Way("messages", "/v1/messages")),
    (ANTHROPIC, "responses", "claude-x", False, Way("messages", "/v1/messages")),
    (ANTHROPIC, "embeddings", "claude-x", False, None),
    (
        Speaker("anthropic", "https://a.example/v1"),
        "chat",
        "c",
        False,
        Way("messages", "/messages"),
    ),
    (GEMINI, "gemini", "g", False, Way("gemini", "/v1beta/models/g:generateContent")),
    (GEMINI, "gemini", "g", True, Way("gemini", "/v1beta/models/g:streamGenerateContent?alt=sse")),
    (GEMINI, "chat", "models/g", False, Way("gemini", "/v1beta/models/g:generateContent")),
    (GEMINI, "chat", "a/../b", False, Way("gemini", "/v1beta/models/a%2F..%2Fb:generateContent")),
    (GEMINI, "embeddings", "g", False, Way("embeddings", "/v1beta/openai/embeddings")),
    (GEMINI, "cached_contents", "g", False, Way("cached_contents", "/v1beta/cachedContents")),
    (
        Speaker("gemini", "https://generativelanguage.googleapis.com/v1beta/openai"),
        "messages",
        "g",
        False,
        Way("chat", "/chat/completions"),
    ),
    (VERTEX, "gemini", "g", False, Way("gemini", "/models/g:generateContent")),
    (VERTEX, "embeddings", "g", False, None),
    (
        BEDROCK,
        "converse",
        NOVA,
        False,
        Way("converse", "/model/us.amazon.nova-micro-v1%3A0/converse"),
    ),
    (
        BEDROCK,
        "chat",
        NOVA,
        True,
        Way("converse", "/model/us.amazon.nova-micro-v1%3A0/converse-stream"),
    ),
    (
        BEDROCK,
        "messages",
        NOVA,
        False,
        Way("converse", "/model/us.amazon.nova-micro-v1%3A0/converse"),
    ),
    (BEDROCK, "chat", CLAUDE, False, Way("converse", f"{CLAUDE_PATH}/converse")),
    (BEDROCK, "messages", CLAUDE, False, Way("messages", f"{CLAUDE_PATH}/invoke", "invoke")),
    (
        BEDROCK,
        "invoke",
        CLAUDE,
        True,
        Way("messages", f"{CLAUDE_PATH}/invoke-with-response-stream", "invoke"),
    ),
    (BEDROCK, "invoke", NOVA, False, None),
    (
        BEDROCK,
        "converse",
        ARN,
        False,
        Way("converse", f"/model/{ARN.replace(':', '%3A').replace('/', '%2F')}/converse"),
    ),
    (BEDROCK, "chat", "openai.gpt-oss-20b-1:0", False, Way("chat", "/openai/v1/chat/completions")),
    (MANTLE, "chat", "m", False, Way("chat", "/v1/chat/completions")),
    (MANTLE, "responses", "m", False, Way("responses", "/v1/responses")),
    (MANTLE, "messages", "m", False, Way("messages", "/anthropic/v1/messages")),
    (
        Speaker("bedrock", "https://bedrock-mantle.us-east-1.api.aws/openai/v1"),
        "messages",
        "m",
        False,
        Way("chat", "/chat/completions"),
    ),
    (
        Speaker("bedrock", "https://bedrock-mantle.us-east-1.api.aws/v1"),
        "responses",
        "m",
        False,
        Way("responses", "/responses"),
    ),
    (
        Speaker("bedrock", "https://bedrock-mantle.us-east-1.api.aws/anthropic"),
        "chat",
        "m",
        False,
        Way("messages", "/v1/messages"),
    ),
    (OPENROUTER, "responses", "m", False, Way("responses", "/responses")),
    (AZURE, "responses", "d", False, Way("responses", "/responses")),
    (
        DEPLOYMENT,
        "chat",
        "d",
        False,
        Way("chat", "/chat/completions?api-version=2024-12-01-preview"),
    ),
    (VLLM, "responses", "m", False, Way("chat", "/chat/completions")),
    (VLLM, "messages", "m", False, Way("chat", "/chat/completions")),
    (BOTH, "responses", "m", False, Way("responses", "/responses")),
    (BOTH, "messages", "m", False, Way("messages", "/messages")),
    (SIM, "messages", "m", True, Way("chat", "/chat/completions")),
    (SIM, "embeddings", "m", False, None),
]


@pytest.mark.parametrize(("speaker", "asked", "model", "is_stream", "way"), WAYS)
def test_a_provider_is_spoken_to_in_what_it_speaks(
    speaker: Speaker, asked: str, model: str, is_stream: bool, way: Way | None
) -> None:
    assert find_way(speaker, asked, model, is_stream=is_stream) == way


EVERY = [OPENAI, ANTHROPIC, GEMINI, VERTEX, BEDROCK, MANTLE, OPENROUTER, AZURE, VLLM, SIM]


@pytest.mark.parametrize("speaker", EVERY, ids=lambda one: one.base_url or one.kind)
def test_every_conversation_finds_a_way_to_every_provider(speaker: Speaker) -> None:
    for dialect in TALKS:
        way = find_way(speaker, dialect, CLAUDE, is_stream=True)
        assert way is not None
        assert way.dialect in TALKS


@pytest.mark.parametrize("speaker", EVERY, ids=lambda one: one.base_url or one.kind)
def test_what_is_translated_goes_the_first_way(speaker: Speaker) -> None:
    spoken = spoken_by(speaker, NOVA)
    assert next(one for one in spoken if one in TALKS) in ("chat", "messages", "gemini", "converse")
