"""No key and no prompt is kept or shown: canaries are looked for wherever ferry writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.whole.server import Server, settled_rows
from tests.whole.upstream import Upstream

PROMPT, ANSWER = "canary-prompt-7f3a", "word word"
PROVIDER_KEY = "sk-upstream-canary"


def test_no_key_and_no_text_is_in_the_files_or_on_stderr(
    config_path: Path, upstream: Upstream, secret: str
) -> None:
    server = Server(config_path)
    client = server.client(secret)
    ask: dict[str, Any] = {
        "model": "m-1",
        "messages": [{"role": "system", "content": PROMPT}, {"role": "user", "content": PROMPT}],
    }
    client.chat.completions.create(**ask)
    list(client.chat.completions.create(**ask, stream=True))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**ask, extra_body={"metadata": {"answer": "500"}})
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**{**ask, "model": "nobody"})
    settled_rows(server.database, 4)
    files = [path for path in config_path.parent.iterdir() if path.name.startswith("ferry.db")]
    kept = b"".join(path.read_bytes() for path in files)
    code, said = server.stop()
    kept += b"".join(path.read_bytes() for path in files if path.exists())
    assert code == 0
    # The one that failed was tried a second time.
    assert len(upstream.seen) == 4
    for canary in (PROMPT, ANSWER, PROVIDER_KEY, secret):
        assert canary.encode() not in kept, canary
        assert canary not in said, canary
        assert canary not in str(caught.value.response.headers), canary


def test_files_are_for_their_owner_alone(server: Server, config_path: Path, secret: str) -> None:
    server.client(secret).models.list()
    made = [path for path in config_path.parent.iterdir() if path.name.startswith("ferry.db")]
    assert len(made) >= 3
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
