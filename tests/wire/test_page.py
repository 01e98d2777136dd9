"""The tables of docs/providers.md are what the code does: `python -m tests.wire.test_page`."""

from __future__ import annotations

import json
from pathlib import Path

from ferrycli.settings import CATALOGUES
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.entries import ENTRIES, Entry
from ferrycli.wire.ways import Speaker, find_way
from tests.whole.tape import Asked, Played
from tests.whole.voices import chat, converse, gemini, messages

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
OFFERS = "<!-- Made by `python -m tests.wire.test_page`; a test compares. -->"
USAGE = "<!-- Usage by `python -m tests.wire.test_page`; a test compares. -->"
END = "<!-- End. -->"

PROVIDERS: dict[str, tuple[Speaker, str]] = {
    "openai": (Speaker("openai"), "m"),
    "azure": (Speaker("azure"), "m"),
    "openrouter": (Speaker("openrouter"), "m"),
    "compatible": (Speaker("compatible"), "m"),
    "anthropic": (Speaker("anthropic"), "m"),
    "gemini": (Speaker("gemini"), "m"),
    "vertex": (Speaker("vertex"), "m"),
    "bedrock: Claude": (Speaker("bedrock"), "us.anthropic.claude-x"),
    "bedrock: OpenAI": (Speaker("bedrock"), "openai.gpt-oss-x"),
    "bedrock: others": (Speaker("bedrock"), "us.amazon.nova-x"),
    "sim": (Speaker("sim"), "small"),
}
"""Kinds, with a model where the way depends on it."""


def offers() -> str:
    """Client's path by kind of provider, and where that kind's prices are from."""
    lines = [f"| | streams | {' | '.join(PROVIDERS)} |", "|---|---|" + "---|" * len(PROVIDERS)]
    for entry in ENTRIES:
        cells = [_offered(entry, *provider) for provider in PROVIDERS.values()]
        path = entry.path.replace("{model:path}", "{model}")
        lines.append(f"| `{path}` | {_streams(entry)} | {' | '.join(cells)} |")
    cells = [CATALOGUES.get(speaker.kind, "its name's") for speaker, _ in PROVIDERS.values()]
    lines.append(f"| price catalogue | | {' | '.join(cells)} |")
    return "\n".join(lines)


def _streams(entry: Entry) -> str:
    return "where asked" if entry.is_stream is None else _yes(entry.is_stream)


def _offered(entry: Entry, speaker: Speaker, model: str) -> str:
    way = find_way(speaker, entry.wanted, model, is_stream=bool(entry.is_stream))
    if way is None:
        return "–"
    return "=" if way.dialect == entry.dialect else way.dialect


def _responses(asked: Asked) -> Played:
    details = {"cached_tokens": 16}
    usage = {"input_tokens": 40, "input_tokens_details": details, "output_tokens": 9}
    reply = {"id": "r", "status": "completed", "model": "m", "output": [], "usage": usage}
    if not json.loads(asked.body)["stream"]:
        return Played([json.dumps(reply).encode()])
    event = {"type": "response.completed", "response": reply}
    return Played([f"event: response.completed\ndata: {json.dumps(event)}\n\n".encode()])


def _embeddings(_asked: Asked) -> Played:
    usage = {"prompt_tokens": 40, "total_tokens": 40}
    return Played([json.dumps({"data": [], "model": "m", "usage": usage}).encode()])


def _completions(asked: Asked) -> Played:
    return chat(asked)


VOICES = {
    "chat": (
        chat,
        "/chat/completions",
        "/chat/completions",
        "the last chunk, which ferry asks for",
    ),
    "responses": (_responses, "/r", "/r", "`response.completed` and its like"),
    "messages": (messages, "/v1/messages", "/v1/messages", "`message_start`, then `message_delta`"),
    "gemini": (gemini, "/m:generateContent", "/m:streamGenerateContent", "every chunk, a total"),
    "converse": (converse, "/m/converse", "/m/converse-stream", "the frame `metadata`"),
    "completions": (_completions, "/c", "/c", "the last chunk, which ferry asks for"),
    "embeddings": (_embeddings, "/e", "", ""),
}
"""A small reply of each dialect, whole and in a stream, and where usage stands in the latter."""


def usage() -> str:
    """Dialect by what its readers find in a reply."""
    lines = [
        "| dialect | usage of a whole reply | of a stream | where that stands | cached input |",
        "|---|---|---|---|---|",
    ]
    for name, (voice, whole_path, stream_path, where) in VOICES.items():
        whole = _read(name, voice(Asked(whole_path, {}, b'{"model":"m","stream":false}')), False)
        cells = [_yes(whole[0]), "–", "–", _yes(whole[1])]
        if stream_path:
            asked = Asked(stream_path, {}, b'{"model":"m","stream":true}')
            streamed = _read(name, voice(asked), True)
            cells = [_yes(whole[0]), _yes(streamed[0]), where, _yes(whole[1] and streamed[1])]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _read(name: str, played: Played, is_stream: bool) -> tuple[bool, bool]:
    """Whether usage is found, and cached input in it."""
    dialect = DIALECTS[name]
    reader = dialect.stream_reader(False) if is_stream else dialect.whole_reader()
    for piece in played.pieces:
        reader.feed(piece)
    reader.finish()
    found = reader.reading().usage
    return found is not None, found is not None and found.cache_read > 0


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "–"


def made(page: str) -> str:
    """The page with both tables as they are now."""
    for mark, table in ((OFFERS, offers()), (USAGE, usage())):
        head, _, rest = page.partition(mark)
        _, _, tail = rest.partition(END)
        page = f"{head}{mark}\n\n{table}\n\n{END}{tail}"
    return page


def test_the_tables_are_made_from_the_code() -> None:
    written = PAGE.read_text("utf-8")
    assert written == made(written), "write them anew: python -m tests.wire.test_page"


def test_every_kind_with_one_catalogue_is_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    assert all(f"`{kind}`" in page for kind in CATALOGUES)


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text("utf-8")), "utf-8")
