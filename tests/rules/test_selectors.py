"""Selectors: how they are read and written back, what they match, and which can match nothing."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ferrycli.rules.attribution import ALIASES, Carried, Policy, attribute
from ferrycli.rules.clean import safe
from ferrycli.rules.denials import MissingAttribution
from ferrycli.rules.errors import BadSelector
from ferrycli.rules.selectors import (
    ANY,
    PAIRS_MAX,
    REMEMBERED_MAX,
    SELECTABLE,
    TEXT_LENGTH_MAX,
    Selector,
    contradiction,
    matcher,
    may_be_missing,
    parse_selector,
)
from ferrycli.rules.words import words

Pairs = tuple[tuple[str, str], ...]


def test_limits_are_those_that_the_rows_below_were_written_for() -> None:
    assert (TEXT_LENGTH_MAX, PAIRS_MAX) == (2_000, 12)


READ: list[tuple[str, Pairs, str]] = [
    ("tenant=acme", (("tenant", "acme"),), "tenant=acme"),
    ("tenant == acme", (("tenant", "acme"),), "tenant=acme"),
    ("TENANT=Acme", (("tenant", "Acme"),), "tenant=Acme"),
    ("thread=*", (("thread", "*"),), "thread=*"),
    ("thread=(none)", (("thread", ""),), "thread=(none)"),
    ("thread=(NONE) ", (("thread", ""),), "thread=(none)"),
    ('thread=""', (("thread", ""),), "thread=(none)"),
    ("key=acme-web", (("key", "acme-web"),), "key=acme-web"),
    ("tag:env=prod", (("tag:env", "prod"),), "tag:env=prod"),
    ("TAG:Env=*", (("tag:Env", "*"),), "tag:Env=*"),
    ("tag:tag:x=1", (("tag:tag:x", "1"),), "tag:tag:x=1"),
    # Another word for a dimension.
    ("agent=a", (("assistant", "a"),), "assistant=a"),
    ("Workflow=a", (("assistant", "a"),), "assistant=a"),
    ("session=s", (("thread", "s"),), "thread=s"),
    ("conversation=*", (("thread", "*"),), "thread=*"),
    # Order, commas and `and`.
    ("feature=chat,tenant=acme", (("tenant", "acme"), ("feature", "chat")),
     "tenant=acme,feature=chat"),
    ("feature=chat AND tenant=acme", (("tenant", "acme"), ("feature", "chat")),
     "tenant=acme,feature=chat"),
    (" thread = * ,\n assistant = bot ", (("assistant", "bot"), ("thread", "*")),
     "assistant=bot,thread=*"),
    ("tag:b=1,tag:a=2,route=r,model=m,provider=p,key=k",
     (("key", "k"), ("provider", "p"), ("model", "m"), ("route", "r"), ("tag:a", "2"),
      ("tag:b", "1")),
     "key=k,provider=p,model=m,route=r,tag:a=2,tag:b=1"),
    ("tenant=and and user=and", (("tenant", "and"), ("user", "and")), "tenant=and,user=and"),
    ('tenant="a"and user=b', (("tenant", "a"), ("user", "b")), "tenant=a,user=b"),
    # Quotes where they are needed, and only there.
    ('tenant="a, b"', (("tenant", "a, b"),), 'tenant="a, b"'),
    ("tenant='acme'", (("tenant", "acme"),), "tenant=acme"),
    ("tenant='it\\'s'", (("tenant", "it's"),), 'tenant="it\'s"'),
    ("tenant='say \"x\"'", (("tenant", 'say "x"'),), "tenant='say \"x\"'"),
    (r'''tenant="'\"\\"''', (("tenant", "'\"\\"),), r'''tenant="'\"\\"'''),
    ('tenant="(none)"', (("tenant", "(none)"),), 'tenant="(none)"'),
    ('tenant="a*b"', (("tenant", "a*b"),), 'tenant="a*b"'),
    ('tenant="=b"', (("tenant", "=b"),), 'tenant="=b"'),
    ("model=openai/gpt-5.1:free", (("model", "openai/gpt-5.1:free"),),
     "model=openai/gpt-5.1:free"),
    ("user=a=b", (("user", "a=b"),), "user=a=b"),
    ("user=a\\b", (("user", "a\\b"),), "user=a\\b"),
    ("tenant=株式会社", (("tenant", "株式会社"),), "tenant=株式会社"),
    # Cleaned like the values of calls.
    ('tenant=" a\u202eb "', (("tenant", "ab"),), "tenant=ab"),
    ("tenant=e\u0301\x07", (("tenant", "é"),), "tenant=é"),
    ("tenant=" + "x" * 300, (("tenant", "x" * 200),), "tenant=" + "x" * 200),
    ("tag:" + "x" * 100 + "=1", (("tag:" + "x" * 64, "1"),), "tag:" + "x" * 64 + "=1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "pairs", "written"), READ, ids=lambda part: ascii(part)[:30])
def test_a_selector_is_read_and_written_back(text: str, pairs: Pairs, written: str) -> None:
    selector = parse_selector(text)
    assert selector.pairs == pairs
    assert str(selector) == written
    assert parse_selector(written) == selector


EQUALS = "a selector takes `=` alone"
WANTED = "a dimension is wanted here, such as `tenant`"
VALUE = "a value is wanted here; `*` is each, `(none)` the missing one"
JOINED = "a comma or the end is wanted here; a value with spaces is quoted"
STAR = "only a lone `*` stands for each value; in a name it is meant as it is if quoted"

BAD = [
    ("", 0, "it is empty"),
    (" \n", 0, "it is empty"),
    ("acme", 0, "there is no dimension `acme`"),
    ("tenant=a,tag=b", 9, "there is no dimension `tag`"),
    ("priority=critical", 0, "there is no dimension `priority`"),
    ("tenant", 6, "after `tenant` comes `=`"),
    ("agent acme", 6, "after `assistant` comes `=`"),
    ("tenant!=acme", 6, EQUALS),
    ("tenant ~ acme", 7, EQUALS),
    ("tenant>acme", 6, EQUALS),
    ("tenant<=acme", 6, EQUALS),
    ("tenant!~acme", 6, EQUALS),
    ("tenant=", 7, VALUE),
    ("tenant= ,user=b", 8, VALUE),
    ("tenant=(a)", 7, VALUE),
    ("tenant=)", 7, VALUE),
    ("tenant='a", 7, "this quote is never closed"),
    ('tenant="a\\"', 7, "this quote is never closed"),
    ('tenant=a user="b"', 9, JOINED),
    ("tenant=Ana B", 11, JOINED),
    ("tenant=a or user=b", 9, JOINED),
    ("tenant=(none)x", 13, JOINED),
    ("tenant=a)", 8, JOINED),
    ("tenant=a,", 9, WANTED),
    ("tenant=a and", 12, WANTED),
    ("tenant=a,,user=b", 9, WANTED),
    ("(tenant=a)", 0, WANTED),
    ("'tenant'=a", 0, WANTED),
    ("=a", 0, WANTED),
    ("not tenant=a", 0, "there is no dimension `not`"),
    ("tag:=a", 0, "a tag is written `tag:NAME`"),
    ("tenant=a,tag:\u200b=b", 9, "a tag is written `tag:NAME`"),
    ("tenant=a,tenant=a", 9, "`tenant` is said twice"),
    ("agent=a, assistant=b", 9, "`assistant` is said twice, with two values: no call has both"),
    ("tag:a=1,tag:a=*", 8, "`tag:a` is said twice, with two values: no call has both"),
    ("tenant=ac*me", 9, STAR),
    ("tenant=**", 7, STAR),
    ('tenant="*"', 7, "a name that is a lone star cannot be meant: `*` is each value"),
    ('tenant="\u200b"', 7, "nothing of this value can be shown; the missing one is `(none)`"),
    ("tenant=\u200b", 7, "nothing of this value can be shown; the missing one is `(none)`"),
    ("key=(none)", 4, "no call is without a key"),
    ("provider=''", 9, "no call is without a provider"),
    ("tenant=a,model=(none)", 15, "no call is without a model"),
    ("tenant=" + "a" * 1_994, 2_000, "it is longer than 2,000 characters"),
    (",".join(f"tag:{name}=1" for name in "abcdefghijklm"), 96, "it has more than 12 pairs"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at", "said"), BAD, ids=lambda part: ascii(part)[:30])
def test_anything_else_is_refused_at_its_place(text: str, at: int, said: str) -> None:
    with pytest.raises(BadSelector) as refused:
        parse_selector(text)
    assert refused.value.at == at
    told = words(refused.value)
    assert told.sentence == f"the selector cannot be used: {said}"
    assert told.hint.endswith("`ferry help selectors` shows the language")
    assert len(told.picture) == 2


@pytest.mark.parametrize(
    "text",
    ["tenant=" + "a" * 1_993, ",".join(f"tag:{name}=1" for name in "abcdefghijkl")],
    ids=("long", "many"),
)
def test_what_is_just_within_the_limits_is_read(text: str) -> None:
    assert parse_selector(text).pairs


def test_a_selector_that_grows_too_long_when_it_is_written_out_is_refused() -> None:
    # A letter that is written as three.
    text = ",".join(f"tag:{name}=" + "\ufb2c" * 150 for name in "abcdefghijk")
    assert len(text) < TEXT_LENGTH_MAX
    with pytest.raises(BadSelector) as refused:
        parse_selector(text)
    assert refused.value.at == len(text)
    assert "written out, it is longer than 2,000" in words(refused.value).sentence


@pytest.mark.parametrize(
    ("text", "near"),
    [("tennant=a", "tenant"), ("sesion=x", "session"), ("modle=x", "model"), ("agnt=x", "agent")],
)
def test_the_nearest_dimension_is_offered_with_the_caret_below_the_wrong_one(
    text: str, near: str
) -> None:
    with pytest.raises(BadSelector) as refused:
        parse_selector(f"user=x and {text}")
    told = words(refused.value)
    assert told.hint.startswith("did you mean ")
    assert f"`{near}`" in told.hint.split("?")[0]
    assert told.picture == (f"user=x and {text}", " " * 11 + "^")


TOKENS = (
    "tenant", "thread", "tag:x", "tag:", "key", "and", "or", "=", "==", "!=", "~", "(", ")",
    "(none)", ",", "'", '"', "\\", "*", "acme", " ", "\n", "\x00", "\ud800", "日", '"a b"', "''",
    "\u202e", "\ufb2c",
)  # fmt: skip


@given(st.text() | st.lists(st.sampled_from(TOKENS), max_size=30).map("".join))
@example("x" * 2_001)
@example(",".join(["tenant=a"] * 200))
def test_any_text_is_refused_with_a_place_or_comes_back_as_it_was_meant(text: str) -> None:
    refused: BadSelector | None = None
    try:
        selector = parse_selector(text)
        assert parse_selector(str(selector)) == selector
        assert str(selector).isprintable()
    except BadSelector as error:
        refused = error
    if refused is not None:
        assert refused.text == text
        assert 0 <= refused.at <= len(text)
        told = words(refused)
        assert told.sentence.isprintable()
        assert all(line.isprintable() for line in told.picture)


NAMES = st.text(max_size=12).map(safe) | st.text(st.sampled_from("ab ,()'\"\\=*é日"), max_size=6)
VALUES = NAMES.map(safe).filter(lambda value: value != "") | st.sampled_from(["*", ""])
TAG_NAMES = st.sampled_from(["env", "Env", "a.b/c-d", "tag:x", "日"])


@given(
    st.dictionaries(
        st.sampled_from(SELECTABLE) | TAG_NAMES.map(lambda name: f"tag:{name}"),
        VALUES,
        min_size=1,
        max_size=PAIRS_MAX,
    ),
    st.randoms(use_true_random=False),
)
def test_every_selector_is_written_so_that_it_is_read_as_itself(
    chosen: dict[str, str], order: object
) -> None:
    assume(all(chosen.get(dimension) != "" for dimension in ("key", "provider", "model")))
    ranks = {name: at for at, name in enumerate(SELECTABLE)}
    pairs = sorted(chosen.items(), key=lambda pair: (ranks.get(pair[0], len(ranks)), pair[0]))
    selector = Selector(tuple(pairs))
    assert parse_selector(str(selector)) == selector
    backwards = " and ".join(str(Selector((pair,))) for pair in reversed(pairs))
    assert parse_selector(backwards) == selector


def test_every_dimension_and_alias_can_be_named() -> None:
    for name in (*SELECTABLE, *ALIASES):
        assert parse_selector(f"{name}=x").pairs == ((ALIASES.get(name, name), "x"),)


# What it matches --------------------------------------------------------------------------------

FACTS = {"key": "key_1", "tenant": "acme", "thread": "", "user": "ana", "tag:env": "prod"}


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("tenant=acme", ""),
        ("tenant=globex", None),
        ("tenant=Acme", None),
        ("tenant=acme,user=ana", ""),
        ("tenant=acme,user=bob", None),
        ("tenant=*", '["acme"]'),
        ("user=*,tenant=*", '["acme","ana"]'),
        ("tenant=*,tag:env=*,user=ana", '["acme","prod"]'),
        ("thread=*", None),
        ("thread=(none)", ""),
        ("tenant=(none)", None),
        ("feature=(none),tenant=*", '["acme"]'),
        ("feature=chat", None),
        ("tag:env=prod", ""),
        ("tag:other=*", None),
    ],
)
def test_a_selector_matches_what_has_all_its_pairs(text: str, subject: str | None) -> None:
    assert parse_selector(text).subject(FACTS) == subject


@pytest.mark.parametrize(
    ("text", "is_each", "is_of_target"),
    [
        ("tenant=a", False, False),
        ("tenant=a,thread=*", True, False),
        ("provider=p", False, True),
        ("model=*", True, True),
        ("route=(none)", False, True),
    ],
)
def test_a_selector_says_what_it_asks_for(text: str, is_each: bool, is_of_target: bool) -> None:
    selector = parse_selector(text)
    assert (selector.is_each, selector.is_of_target) == (is_each, is_of_target)


# Against the policies of keys -------------------------------------------------------------------

PIN, DEFAULT = Policy("pin", "acme"), Policy("allow", "acme")
ALLOW, REQUIRE, DENY = Policy(), Policy("require"), Policy("deny")

CLASHES: list[tuple[str, dict[str, Policy], str | None]] = [
    ("key=web,tenant=acme", {"tenant": PIN}, None),
    ("key=web,tenant=*", {"tenant": PIN}, None),
    ("key=web,tenant=globex", {"tenant": PIN}, "key `web` pins tenant to `acme`"),
    ("key=web,tenant=(none)", {"tenant": PIN},
     "key `web` pins tenant to `acme`, so it is never missing"),
    ("key=web,tenant=a", {"tenant": DENY}, "key `web` denies tenant, so its calls have none"),
    ("key=web,tenant=*", {"tenant": DENY}, "key `web` denies tenant, so its calls have none"),
    ("key=web,tenant=(none)", {"tenant": DENY}, None),
    ("key=web,tenant=a", {"tenant": REQUIRE}, None),
    ("key=web,tenant=*", {"tenant": REQUIRE}, None),
    ("key=web,tenant=(none)", {"tenant": REQUIRE},
     "key `web` requires a tenant, so it is never missing"),
    ("key=web,tenant=globex", {"tenant": DEFAULT}, None),
    ("key=web,tenant=(none)", {"tenant": DEFAULT},
     "key `web` fills in tenant `acme`, so it is never missing"),
    ("key=web,tenant=(none)", {"tenant": ALLOW}, None),
    ("key=web,tenant=(none)", {}, None),
    ("key=web,tenant=acme,thread=*", {"tenant": PIN, "thread": DENY},
     "key `web` denies thread, so its calls have none"),
    ("key=web", {"tenant": PIN}, None),
    # Priority has a policy, and is in no selector.
    ("key=web,tag:tenant=x,model=m", {"tenant": PIN, "priority": PIN}, None),
    # Without one key there is none whose policies could be asked.
    ("tenant=globex", {"tenant": PIN}, None),
    ("key=*,tenant=globex", {"tenant": PIN}, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "policies", "why"), CLASHES)
def test_a_selector_that_its_key_can_never_match_is_found(
    text: str, policies: dict[str, Policy], why: str | None
) -> None:
    assert contradiction(parse_selector(text), policies) == why


@pytest.mark.parametrize("policy", [PIN, DEFAULT, ALLOW, REQUIRE, DENY])
@pytest.mark.parametrize("wanted", ["acme", "globex", "(none)", "*"])
def test_a_contradiction_is_what_attribution_makes_of_every_call(
    policy: Policy, wanted: str
) -> None:
    selector = parse_selector(f"key=web,tenant={wanted}")
    matched = False
    for said in ({}, {"x-ferry-tenant": "acme"}, {"x-ferry-tenant": "globex"}):
        try:
            tenant = attribute(Carried(headers=said), {"tenant": policy}).tenant
        except MissingAttribution:
            continue
        matched |= selector.subject({"key": "web", "tenant": tenant}) is not None
    assert (contradiction(selector, {"tenant": policy}) is None) == matched


MISSING: list[tuple[str, list[dict[str, Policy]], tuple[str, ...]]] = [
    ("thread=*", [{}], ("thread",)),
    ("thread=*", [{"thread": ALLOW}], ("thread",)),
    ("thread=*", [{"thread": DENY}], ("thread",)),
    ("thread=*", [{"thread": REQUIRE}], ()),
    ("thread=*", [{"thread": Policy("pin", "t")}], ()),
    ("thread=*", [{"thread": Policy("allow", "t")}], ()),
    ("thread=*", [{"thread": REQUIRE}, {}], ("thread",)),
    ("thread=*", [], ()),
    ("thread=t", [{}], ()),
    ("thread=*,user=*", [{"user": REQUIRE}], ("thread",)),
    ("thread=*,user=*", [{"user": REQUIRE}, {"thread": REQUIRE}], ("user", "thread")),
    # Keys whose calls match none of it do not count.
    ("tenant=globex,thread=*", [{"tenant": PIN}], ()),
    ("tenant=globex,thread=*", [{"tenant": PIN}, {"tenant": REQUIRE}], ("thread",)),
    # No key requires a tag, and every call has a model.
    ("tag:env=*,model=*,thread=*", [{}], ("thread",)),
]


@pytest.mark.parametrize(("text", "keys", "missing"), MISSING)
def test_dimensions_with_a_star_that_calls_may_leave_out_are_named(
    text: str, keys: list[dict[str, Policy]], missing: tuple[str, ...]
) -> None:
    assert ANY in text or not missing
    assert may_be_missing(parse_selector(text), keys) == missing


def test_what_was_matched_is_remembered_for_so_many_values_and_found_beyond() -> None:
    found = matcher([("each", (("user", "*"),)), ("ann", (("user", "ann"), ("tenant", "")))])
    assert found.matching({"user": "ann"}) is found.matching({"user": "ann", "model": "m"})
    for number in range(REMEMBERED_MAX + 1):
        assert found.matching({"user": f"u{number}"}) == (("each", f'["u{number}"]'),)
    assert set(found.matching({"user": "ann"})) == {("each", '["ann"]'), ("ann", "")}
    assert found.matching({"user": "ann", "tenant": "acme"}) == (("each", '["ann"]'),)
    assert found.matching({"user": ""}) == ()
