"""The openai SDK, talking to the simulator as if it were OpenAI."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from ferrycli.sim.provider import Chunk, Simulator
from tests.sim.calls import NOW_S, QUESTION, body, whole

MESSAGES: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    simulator = Simulator()

    def answer(request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/v1")
        reply = simulator.answer(path, request.content, NOW_S)
        chunks = sent(reply.chunks, reply.is_cut)
        return httpx2.Response(reply.status, headers=reply.headers, content=chunks)

    def sent(chunks: Iterator[Chunk], is_cut: bool) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk.data
        if is_cut:
            raise httpx2.ReadError("cut")

    transport = httpx2.MockTransport(answer)
    with httpx2.Client(transport=transport) as http:
        yield openai.OpenAI(api_key="x", http_client=http, max_retries=0)


def streamed(client: openai.OpenAI, metadata: dict[str, str]) -> str:
    """All text of a stream."""
    stream = client.chat.completions.create(
        model="small", messages=MESSAGES, stream=True, metadata=metadata
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def test_the_sdk_reads_the_same_answer_whole_and_streamed(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="small", messages=MESSAGES)
    assert reply.choices[0].message.content == streamed(client, {})
    assert reply.choices == whole(body()).choices


def test_the_sdk_lists_the_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["small", "large", "flaky"]
    assert client.models.retrieve("large").owned_by == "ferry-sim"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("400", openai.BadRequestError),
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
        ("529", openai.InternalServerError),
        ("error-event", openai.APIError),
        ("cut", (httpx2.ReadError, openai.APIConnectionError)),
    ],
)
def test_the_sdk_raises_what_it_raises_for_openai(
    client: openai.OpenAI,
    error: str,
    raised: type[Exception] | tuple[type[Exception], ...],
) -> None:
    with pytest.raises(raised):
        streamed(client, {"sim_error": error})


def test_the_sdk_tells_an_unknown_model_by_its_class(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert raised.value.code == "model_not_found"
