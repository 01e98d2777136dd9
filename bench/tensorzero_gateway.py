"""TensorZero's embedded gateway, which its Python client starts in its own process, in Rust.

Run by the Python of TensorZero's venv, so nothing of ferry or of this folder is imported. It takes
a config file, says its port on stdout and ends when its stdin does.
"""

from __future__ import annotations

import sys
import warnings
from types import SimpleNamespace
from urllib.parse import urlsplit


def main(config: str) -> None:
    """Start it, say so, and wait."""
    warnings.simplefilter("ignore")
    import tensorzero  # type: ignore[import-not-found,unused-ignore]

    # What it patches has an address; nothing else of an OpenAI client is touched.
    client = SimpleNamespace(base_url="")
    tensorzero.patch_openai_client(client, config_file=config, async_setup=False)
    print(urlsplit(str(client.base_url)).port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
