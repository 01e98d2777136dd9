"""Where calls come in, and what their paths say of them."""

from __future__ import annotations

import pytest

from ferrycli.rules.denials import NoSuchPath
from ferrycli.wire.dialect import Place
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.entries import ENTRIES, Entry, apart, endpoint, place, speaker_of

BY_PATH = {entry.path: entry for entry in ENTRIES}

PLACES = [
    ("/v1/chat/completions", "", Place(), "/v1/chat/completions"),
    ("/v1/embeddings", "", Place(is_stream=False), "/v1/embeddings"),
    (
        "/v1beta/models/{model:path}",
        "gemini/g-2:generateContent",
        Place("gemini/g-2", False),
        "/v1beta/models/{model}:generateContent",
    ),
    (
        "/v1/models/{model:path}",
        "g:streamGenerateContent",
        Place("g", True),
        "/v1/models/{model}:streamGenerateContent",
    ),
    (
        "/model/{model:path}/converse-stream",
        "bedrock/us.x-v1:0",
        Place("bedrock/us.x-v1:0", True),
        "/model/{model}/converse-stream",
    ),
    ("/model/{model:path}/invoke", "m", Place("m", False), "/model/{model}/invoke"),
]


@pytest.mark.parametrize(("path", "named", "said", "shown"), PLACES)
def test_a_path_says_model_and_stream_where_its_dialect_has_them_there(
    path: str, named: str, said: Place, shown: str
) -> None:
    entry = BY_PATH[path]
    assert place(entry, named) == said
    assert endpoint(entry, said) == shown


@pytest.mark.parametrize(
    "named", ["g", "g:", ":generateContent", "g:countTokens", "g:embedContent", "g:generatecontent"]
)
def test_what_gemini_offers_besides_is_no_path(named: str) -> None:
    with pytest.raises(NoSuchPath) as caught:
        place(BY_PATH["/v1beta/models/{model:path}"], named)
    assert caught.value.path == f"/v1beta/models/{named}"


def test_a_form_says_its_type() -> None:
    entry = BY_PATH["/v1/audio/transcriptions"]
    said = "multipart/form-data; boundary=x"
    assert place(entry, "", said).content_type == said


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.path))
def test_every_entry_is_read_by_a_dialect_of_the_registry(entry: Entry) -> None:
    assert entry.dialect in DIALECTS


SPEAKERS = [
    ("/v1/chat/completions", False, "chat"),
    ("/nowhere", False, "chat"),
    ("/v1/models", True, "messages"),
    ("/v1/messages/batches", False, "messages"),
    ("/v1beta/files", False, "gemini"),
    ("/v1/models/g:generateContent", False, "gemini"),
    ("/model/m/anything", False, "converse"),
    ("/model/m/anything", True, "converse"),
]


@pytest.mark.parametrize(("path", "has_version", "dialect"), SPEAKERS)
def test_whoever_asks_is_answered_in_the_dialect_of_the_path(
    path: str, has_version: bool, dialect: str
) -> None:
    assert speaker_of(path, has_version) == dialect


@pytest.mark.parametrize(
    ("raw", "said", "path"),
    [
        (b"/v1/messages", "", "/v1/messages"),
        (b"/a%20b", "", "/a b"),
        (b"/@tenant=acme/v1/messages", "tenant=acme", "/v1/messages"),
        (b"/@tenant=a%2Fb,feature=x/v1/a%20b", "tenant=a%2Fb,feature=x", "/v1/a b"),
        (b"/@tenant=acme", "tenant=acme", "/"),
        (b"/x/@tenant=acme/", "", "/x/@tenant=acme/"),
        (b"", "", ""),
    ],
)
def test_attribution_is_taken_off_the_path(raw: bytes, said: str, path: str) -> None:
    assert apart(raw) == (said, path)
