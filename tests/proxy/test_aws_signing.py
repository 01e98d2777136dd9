"""Requests to Bedrock are signed with AWS credentials where no key is named."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ferrycli.proxy.aws_signing import MISSING, AwsSigner, signers
from ferrycli.rules.errors import NoCredential
from ferrycli.settings import Provider

HOST = "https://bedrock-runtime.eu-central-1.amazonaws.com"
URL = f"{HOST}/model/m/converse"
HEADERS = [(b"content-type", b"application/json"), (b"via", b"1.1 ferry")]

WHO_SIGNS = [
    (Provider("b", "bedrock", HOST), "eu-central-1"),
    (Provider("b", "bedrock", "https://bedrock-mantle.us-east-1.api.aws"), "us-east-1"),
    (Provider("b", "bedrock", "https://bedrock-runtime-fips.us-west-2.amazonaws.com"), "us-west-2"),
    (Provider("b", "bedrock", HOST, api_key_env="AWS_BEARER_TOKEN_BEDROCK"), None),
    (Provider("b", "openai", HOST), None),
    (Provider("b", "bedrock", "http://127.0.0.1:8000"), None),
    (Provider("b", "bedrock", "https://bedrock-runtime.x.amazonaws.com.evil.example"), None),
]


@pytest.mark.parametrize(("provider", "region"), WHO_SIGNS)
def test_who_is_at_aws_and_has_no_key_signs(provider: Provider, region: str | None) -> None:
    assert [vars(one)["_region"] for one in signers([provider]).values()] == (
        [] if region is None else [region]
    )


class Failure(Exception):
    """botocore's own."""


class StandIn:
    """botocore as far as it is used."""

    def __init__(self) -> None:
        self.found: Any = SimpleNamespace(get_frozen_credentials=lambda: "frozen")
        self.signed: list[tuple[Any, ...]] = []
        self.sessions = 0

    def put(self, monkeypatch: pytest.MonkeyPatch) -> None:
        outer = self

        class Request:
            def __init__(self, method: str, url: str, data: bytes, headers: dict[str, str]) -> None:
                outer.signed.append((method, url, data, dict(headers)))
                self.headers = headers

        class Auth:
            def __init__(self, credentials: str, service: str, region: str) -> None:
                self.said = f"{credentials} {service} {region}"

            def add_auth(self, request: Request) -> None:
                request.headers["Authorization"] = self.said
                request.headers["X-Amz-Date"] = "now"

        def session() -> Any:
            outer.sessions += 1
            return SimpleNamespace(get_credentials=lambda: outer.found)

        modules: dict[str, dict[str, Any]] = {
            "botocore": {},
            "botocore.auth": {"SigV4Auth": Auth},
            "botocore.awsrequest": {"AWSRequest": Request},
            "botocore.session": {"Session": session},
            "botocore.exceptions": {"BotoCoreError": Failure},
        }
        for name, members in modules.items():
            module = ModuleType(name)
            vars(module).update(members)
            monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    made.put(monkeypatch)
    return made


def signer() -> AwsSigner:
    return AwsSigner(Provider("aws", "bedrock", HOST), "eu-central-1")


def test_a_request_is_signed_for_its_region_and_body(stand_in: StandIn) -> None:
    headers = signer().sign(URL, HEADERS, b"{}")
    assert stand_in.signed == [("POST", URL, b"{}", {"content-type": "application/json"})]
    assert headers == [
        (b"authorization", b"frozen bedrock eu-central-1"),
        (b"x-amz-date", b"now"),
    ]


def test_credentials_are_looked_for_once(stand_in: StandIn) -> None:
    one = signer()
    one.sign(URL, HEADERS, b"{}")
    one.sign(URL, HEADERS, b"{}")
    assert stand_in.sessions == 1


def refused() -> NoCredential:
    with pytest.raises(NoCredential) as caught:
        signer().sign(URL, HEADERS, b"{}")
    assert caught.value.provider == "aws"
    return caught.value


def test_no_credentials_are_told(stand_in: StandIn) -> None:
    stand_in.found = None
    assert refused().why == "no AWS credentials are found"


def test_what_cannot_be_renewed_is_told_by_its_kind_alone(stand_in: StandIn) -> None:
    def expired() -> str:
        raise Failure("secret")

    stand_in.found = SimpleNamespace(get_frozen_credentials=expired)
    assert refused().why == "Failure"


def test_without_botocore_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    assert refused().why == MISSING
