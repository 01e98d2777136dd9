"""Which place an address and a model's name say."""

from __future__ import annotations

import pytest

from ferrycli.prices.regions import endpoint_place, region

ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-opus-5"

PLACES = [
    ("https://api.openai.com/v1", ""),
    ("https://eu.api.openai.com/v1", "eu"),
    ("https://us-east-1.api.x.ai/v1", "us-east-1"),
    ("https://api.x.ai/v1", ""),
    ("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "us-east-1"),
    ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
    ("https://bedrock-mantle.eu-west-1.api.aws/v1", "eu-west-1"),
    ("https://us-central1-aiplatform.googleapis.com/v1/projects/p", "us-central1"),
    ("https://aiplatform.eu.rep.googleapis.com/v1", "eu"),
    ("https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google", ""),
    ("https://aiplatform.googleapis.com/v1/projects/p/locations/us-east5", "us-east5"),
    ("https://global-aiplatform.googleapis.com/v1", ""),
    ("https://generativelanguage.googleapis.com", ""),
    ("https://acme.openai.azure.com/openai/v1", ""),
    ("https://attacker.example/eu.api.openai.com", ""),
    ("http://localhost:11434/v1", ""),
    ("", ""),
]


@pytest.mark.parametrize(("base_url", "expected"), PLACES)
def test_an_address_says_its_place_or_nothing(base_url: str, expected: str) -> None:
    assert endpoint_place(base_url) == expected


BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com"

REGIONS = [
    (BEDROCK, "amazon.nova-lite-v1:0", "us-east-1"),
    (BEDROCK, "us.amazon.nova-lite-v1:0", "us"),
    (BEDROCK, "global.anthropic.claude-opus-5", "global"),
    (BEDROCK, "us-gov.anthropic.claude-opus-5", "us-gov"),
    (BEDROCK, ARN, "eu"),
    ("https://api.openai.com/v1", "gpt-4o", ""),
    ("", "in.house-model", ""),
]


@pytest.mark.parametrize(("base_url", "model", "expected"), REGIONS)
def test_a_profile_says_where_it_answers_before_the_address(
    base_url: str, model: str, expected: str
) -> None:
    assert region(base_url, model) == expected
