"""Other gateways, each as its makers start it, with the one upstream and no database.

What is not installed is None; `python -m
bench setup` installs them.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.processes import Served, answering, free_ports, listening
from bench.replies import HOST, WHOLE
from bench.scratch import installed

_LITELLM = """\
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {base_url}
      api_key: none
litellm_settings:
  telemetry: false
general_settings:
  master_key: {key}
"""
_TENSORZERO = """\
[gateway.observability]
enabled = false

[models."{model}"]
routing = ["up"]

[models."{model}".providers.up]
type = "openai"
model_name = "{model}"
api_base = "{base_url}/"
api_key_location = "none"
"""


@dataclass(frozen=True, slots=True)
class Other:
    """A gateway that answers calls, and what a call of it has to look like."""

    served: Served
    headers: str = ""
    path: str = "/v1/chat/completions"
    model_prefix: str = ""


@contextlib.contextmanager
def litellm(folder: Path, provider: Served, core: int | None) -> Iterator[Other | None]:
    """LiteLLM's proxy with its own server, one worker, its master key and no database."""
    program = installed("LiteLLM")
    if program is None:
        yield None
        return
    config = folder / "litellm.yaml"
    # It does not start without one, and is called with it.
    key = f"sk-{secrets.token_hex(32)}"
    config.write_text(_LITELLM.format(model=WHOLE, base_url=_base_url(provider), key=key))
    (port,) = free_ports(1)
    options = ["--config", str(config), "--host", HOST, "--port", str(port), "--telemetry", "False"]
    # Without the second, it asks for a list of prices over the network when it starts.
    more = {"LITELLM_TELEMETRY": "False", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    more["PYTHONPATH"] = ""
    log = folder / "litellm.log"
    with listening([str(program), *options], core, [port], log, more) as served:
        yield Other(replace(served, secret=key))


@contextlib.contextmanager
def portkey(folder: Path, provider: Served, core: int | None) -> Iterator[Other | None]:
    """Portkey's gateway on Node, which is told its provider by each call."""
    program, node = installed("Portkey"), shutil.which("node")
    if program is None or node is None:
        yield None
        return
    (port,) = free_ports(1)
    command = [node, str(program), f"--port={port}", "--headless"]
    more = {"NODE_ENV": "production"}
    headers = f"x-portkey-provider: openai\r\nx-portkey-custom-host: {_base_url(provider)}\r\n"
    with listening(command, core, [port], folder / "portkey.log", more) as served:
        yield Other(served, headers)


@contextlib.contextmanager
def tensorzero(folder: Path, provider: Served, core: int | None) -> Iterator[Other | None]:
    """TensorZero's embedded gateway, spoken to over HTTP."""
    program = installed("TensorZero")
    if program is None:
        yield None
        return
    config = folder / "tensorzero.toml"
    config.write_text(_TENSORZERO.format(model=WHOLE, base_url=_base_url(provider)))
    script = Path(__file__).with_name("tensorzero_gateway.py")
    more = {"TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS": "1", "PYTHONPATH": ""}
    with answering([str(program), str(script), str(config)], core, more) as served:
        yield Other(served, "", "/openai/v1/chat/completions", "tensorzero::model_name::")


OTHERS = {"LiteLLM": litellm, "Portkey": portkey, "TensorZero": tensorzero}


def _base_url(provider: Served) -> str:
    return f"http://{HOST}:{provider.port}/v1"
