"""The `--where` language: what is read, what is refused and where, and what is meant by it."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from ferrycli.rules.errors import BadFilter
from ferrycli.rules.filters import (
    ALIASES,
    COMPARISONS_MAX,
    DEPTH_MAX,
    FIELDS,
    OPERATORS,
    TEXT_LENGTH_MAX,
    Comparison,
    Every,
    Expression,
    Not,
    Some,
    Value,
    fields_of,
    parse_filter,
    predicate,
)
from ferrycli.rules.phrases import PICTURE_WIDTH, pointed
from ferrycli.rules.words import words
from tests.rules.arithmetic import dollars
from tests.rules.expressions import comparisons, expressions, written

A, B, C, D = (Comparison("tenant", "=", name) for name in "abcd")


def test_limits_are_those_that_the_rows_below_were_written_for() -> None:
    assert (TEXT_LENGTH_MAX, COMPARISONS_MAX, DEPTH_MAX) == (2_000, 100, 10)


@pytest.mark.parametrize(
    ("text", "field", "operator", "value"),
    [
        ("tenant=acme", "tenant", "=", "acme"),
        ("tenant==acme", "tenant", "=", "acme"),
        ("tenant != acme", "tenant", "!=", "acme"),
        ("model~gpt", "model", "~", "gpt"),
        ("model!~gpt", "model", "!~", "gpt"),
        ("\n tenant\t=\r\n acme ", "tenant", "=", "acme"),
        ("TENANT=Acme", "tenant", "=", "Acme"),
        ("agent=bot", "assistant", "=", "bot"),
        ("Workflow=w", "assistant", "=", "w"),
        ("session=s", "thread", "=", "s"),
        ("conversation~s", "thread", "~", "s"),
        # Plain values end at a space, a comma, a bracket or a quote, and nowhere else.
        ("tenant=a=b", "tenant", "=", "a=b"),
        ("tenant=>b", "tenant", "=", ">b"),
        ("tenant=!b", "tenant", "=", "!b"),
        ("model=openai/gpt-5.1:free", "model", "=", "openai/gpt-5.1:free"),
        ("user=a@b.c", "user", "=", "a@b.c"),
        ("tenant=a%_b", "tenant", "=", "a%_b"),
        ("tenant=a;drop", "tenant", "=", "a;drop"),
        ("tenant=and", "tenant", "=", "and"),
        ("tenant= not", "tenant", "=", "not"),
        ("tenant=株式会社", "tenant", "=", "株式会社"),
        # Quotes of two kinds; a backslash takes the next character as it is.
        ('tenant=""', "tenant", "=", ""),
        ("tenant=''", "tenant", "=", ""),
        ('tenant="Ana B"', "tenant", "=", "Ana B"),
        ("tenant='a,b(c)*'", "tenant", "=", "a,b(c)*"),
        ("tenant=\"it's\"", "tenant", "=", "it's"),
        (r'tenant="a\"b"', "tenant", "=", 'a"b'),
        (r"tenant='a\'b\\'", "tenant", "=", "a'b\\"),
        (r'tenant="\n"', "tenant", "=", "n"),
        ('tenant="a\nb"', "tenant", "=", "a\nb"),
        ('tenant="\\\n"', "tenant", "=", "\n"),
        (r"tenant=a\b", "tenant", "=", r"a\b"),
        ('tenant=" a "', "tenant", "=", " a "),
        ("tenant='*'", "tenant", "=", "*"),
        # A tag's name keeps its case; `tag:` need not.
        ("tag:plan=gold", "tag:plan", "=", "gold"),
        ("TAG:Plan~Gold", "tag:Plan", "~", "Gold"),
        ("tag:tag:x=1", "tag:tag:x", "=", "1"),
        ("tag:a.b/c-d=''", "tag:a.b/c-d", "=", ""),
        ("tag:and=or", "tag:and", "=", "or"),
        # Counts, dollars, times.
        ("input>2000", "input", ">", 2_000),
        ("input>=2k", "input", ">=", 2_000),
        ("input<1.5K", "input", "<", 1_500),
        ("output<=0.25m", "output", "<=", 250_000),
        ("cached=1G", "cached", "=", 10**9),
        ("reasoning!=0", "reasoning", "!=", 0),
        ("status>=500", "status", ">=", 500),
        ("attempts>1.0", "attempts", ">", 1),
        ("input<999999999999999", "input", "<", 10**15 - 1),
        ("input<9223372036.8k", "input", "<", 9_223_372_036_800),
        ("cost>0.10", "cost", ">", dollars("0.10")),
        ("cost=$1.50", "cost", "=", dollars("1.50")),
        ("cost<'1,000.50'", "cost", "<", dollars("1000.50")),
        ("cost!=0", "cost", "!=", 0),
        ("cost>0.000000001", "cost", ">", 1),
        ("cost>0.0000000001", "cost", ">", 1),
        ("cost<=1000000000", "cost", "<=", dollars("1000000000")),
        ("latency>350", "latency", ">", 350),
        ("latency>350ms", "latency", ">", 350),
        ("latency>=2s", "latency", ">=", 2_000),
        ("latency>=0.25S", "latency", ">=", 250),
        ("first_byte<1min", "first_byte", "<", 60_000),
        ("first_byte<1.5Min", "first_byte", "<", 90_000),
        # A flag is true alone.
        ("stream", "stream", "=", 1),
        ("UNPRICED", "unpriced", "=", 1),
        ("denied=yes", "denied", "=", 1),
        ("denied==TRUE", "denied", "=", 1),
        ("denied=1", "denied", "=", 1),
        ("open=no", "open", "=", 0),
        ("open!=false", "open", "!=", 0),
        ("estimated='0'", "estimated", "=", 0),
    ],
)  # fmt: skip
def test_a_comparison_is_read(text: str, field: str, operator: str, value: Value) -> None:
    assert parse_filter(text) == Comparison(field, operator, value)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("tenant=a and tenant=b", Every((A, B))),
        ("tenant=a,tenant=b", Every((A, B))),
        ("tenant=a , tenant=b AND tenant=c", Every((A, B, C))),
        ("tenant=a Or tenant=b", Some((A, B))),
        # `not` before `and` before `or`.
        ("tenant=a or tenant=b and tenant=c", Some((A, Every((B, C))))),
        ("tenant=a, tenant=b or tenant=c, tenant=d", Some((Every((A, B)), Every((C, D))))),
        ("not tenant=a and tenant=b", Every((Not(A), B))),
        ("not tenant=a or tenant=b", Some((Not(A), B))),
        ("NOT not tenant=a", Not(Not(A))),
        ("not (tenant=a or tenant=b)", Not(Some((A, B)))),
        ("not(tenant=a)", Not(A)),
        ("(tenant=a or tenant=b) and tenant=c", Every((Some((A, B)), C))),
        ("tenant=a and(tenant=b or(tenant=c))", Every((A, Some((B, C))))),
        ("(tenant=a and tenant=b) and tenant=c", Every((Every((A, B)), C))),
        ("((tenant=a))", A),
        ("(tenant=a)or(tenant=b)", Some((A, B))),
        ('tenant="a"and tenant=\'b\'or tenant=c', Some((Every((A, B)), C))),
        ("stream and not unpriced", Every((Comparison("stream", "=", 1),
                                           Not(Comparison("unpriced", "=", 1))))),
        ("stream,denied or open", Some((Every((Comparison("stream", "=", 1),
                                               Comparison("denied", "=", 1))),
                                        Comparison("open", "=", 1)))),
        # A word is a keyword only where one can stand.
        ("tenant=or or tenant=a", Some((Comparison("tenant", "=", "or"), A))),
        ("tag:not=a and not tag:not=b", Every((Comparison("tag:not", "=", "a"),
                                               Not(Comparison("tag:not", "=", "b"))))),
    ],
)  # fmt: skip
def test_an_expression_is_read(text: str, expression: Expression) -> None:
    assert parse_filter(text) == expression


OVER = "tenant=a and "

BAD = [
    # text, place of the caret, words
    ("", 0, "it is empty"),
    (" \t\n", 0, "it is empty"),
    ("acme", 0, "there is no field `acme`"),
    ("tenant", 6, "after `tenant` comes one of `= != ~ !~`"),
    ("tenant acme", 7, "after `tenant` comes one of `= != ~ !~`"),
    ("agent acme", 6, "after `assistant` comes one of `= != ~ !~`"),
    ("tenant>acme", 6, "`tenant` takes `= != ~ !~`"),
    ("cost~1", 4, "`cost` takes `= != > >= < <=`"),
    ("stream>0", 6, "`stream` takes `= !=`"),
    ("tag:x<1", 5, "`tag:x` takes `= != ~ !~`"),
    ("tenant=", 7, 'a value is wanted here; the empty text is `tenant=""`'),
    ("tenant= ", 8, 'a value is wanted here; the empty text is `tenant=""`'),
    ("tenant=,", 7, 'a value is wanted here; the empty text is `tenant=""`'),
    ("tenant=(a)", 7, 'a value is wanted here; the empty text is `tenant=""`'),
    ("tenant = 'a", 9, "this quote is never closed"),
    ("tenant=\"a\\\"", 7, "this quote is never closed"),
    ("tenant=a 'b'", 9, "`and`, `or` or the end is wanted here"),
    ("tenant=a b", 9, "`and`, `or` or the end is wanted here"),
    ("tenant=a)", 8, "`and`, `or` or the end is wanted here"),
    ("tenant=a andtenant=b", 9, "`and`, `or` or the end is wanted here"),
    ("(tenant=a", 0, "this `(` is never closed"),
    ("tenant=a and (tenant=b or (tenant=c)", 13, "this `(` is never closed"),
    ("()", 1, "the name of a field is wanted here"),
    ("tenant=a and", 12, "the name of a field is wanted here"),
    ("tenant=a,", 9, "the name of a field is wanted here"),
    ("tenant=a,,tenant=b", 9, "the name of a field is wanted here"),
    ("=a", 0, "the name of a field is wanted here"),
    ("'tenant'=a", 0, "the name of a field is wanted here"),
    ("not", 3, "the name of a field is wanted here"),
    ("and tenant=a", 0, "there is no field `and`"),
    ("tenant=a or or tenant=b", 12, "there is no field `or`"),
    ("tenant=a,b", 9, "there is no field `b`"),
    ("tag:=a", 0, "a tag is written `tag:NAME`"),
    ("tenant=a and tag: = b", 13, "a tag is written `tag:NAME`"),
    ("tag=a", 0, "there is no field `tag`"),
    ("tenant=*", 7, "`*` stands for nothing here"),
    ("tenant = ac*me", 11, "`*` stands for nothing here"),
    ("cost=*", 5, "`*` stands for nothing here"),
    ("cost>ten", 5, "dollars are wanted here, such as `0.25`"),
    ("cost>-1", 5, "dollars are wanted here, such as `0.25`"),
    ("cost> nan", 6, "dollars are wanted here, such as `0.25`"),
    ("cost>1000000001", 5, "dollars are wanted here, such as `0.25`"),
    ('cost=""', 5, "dollars are wanted here, such as `0.25`"),
    ("input>1.5", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    ("input>1.0005k", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    ("input>-1", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    ("input>2kk", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    ("input>2s", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    ("input>0x10", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    ("input>1000000000000000", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    ("input>٣", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    # More than a database can hold.
    ("input>9223372037g", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    ("latency>153722867280913min", 8, "a time is wanted here, such as `2s` or `350ms`"),
    ("latency>2h", 8, "a time is wanted here, such as `2s` or `350ms`"),
    ("latency>1.5ms", 8, "a time is wanted here, such as `2s` or `350ms`"),
    # Letters that are an s or an i in another alphabet, in either case.
    ("latency>2ſ", 8, "a time is wanted here, such as `2s` or `350ms`"),
    ("latency>2mın", 8, "a time is wanted here, such as `2s` or `350ms`"),
    ("input>2\u212a", 6, "a whole number is wanted here, such as `2000` or `2k`"),
    ("stream=maybe", 7, "`yes` or `no` is wanted here"),
    ("open=2", 5, "`yes` or `no` is wanted here"),
    ("tenant=a\x00", 8, "this character is in no name"),
    ("tenant='\ud800'", 8, "this character is in no name"),
    ("tag:\udfff=a", 4, "this character is in no name"),
    # One more than there may be.
    ("tenant=" + "a" * 1_994, 2_000, "it is longer than 2000 characters"),
    (OVER * 100 + "tenant=b", 1_300, "it has more than 100 comparisons"),
    ("(" * 11 + "tenant=a" + ")" * 11, 11, "it is nested deeper than 10"),
    ("not " * 11 + "tenant=a", 43, "it is nested deeper than 10"),
    ("not (" * 6 + "tenant=a" + ")" * 6, 28, "it is nested deeper than 10"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at", "said"), BAD, ids=lambda part: ascii(part)[:30])
def test_anything_else_is_refused_at_its_place(text: str, at: int, said: str) -> None:
    with pytest.raises(BadFilter) as refused:
        parse_filter(text)
    assert refused.value.at == at
    sentence = words(refused.value).sentence
    assert sentence.startswith(f"the filter cannot be read: {said}")


@pytest.mark.parametrize(
    "text",
    [
        "tenant=" + "a" * 1_993,
        OVER * 99 + "tenant=b",
        "(" * 10 + "tenant=a" + ")" * 10,
        "not " * 10 + "tenant=a",
        "not (" * 5 + "tenant=a" + ")" * 5,
    ],
    ids=lambda text: text[:10],
)
def test_what_is_just_within_the_limits_is_read(text: str) -> None:
    assert len(text) <= TEXT_LENGTH_MAX
    assert set(fields_of(parse_filter(text))) == {"tenant"}


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("tennant=a", "tenant"), ("Costs>1", "cost"), ("stats=500", "status"),
        ("sesion=x", "session"), ("conversations=x", "conversation"), ("feture=x", "feature"),
        ("firstbyte>1s", "first_byte"), ("workflows=x", "workflow"),
    ],
)  # fmt: skip
def test_the_nearest_field_is_offered_with_the_caret_below_the_wrong_one(
    text: str, near: str
) -> None:
    with pytest.raises(BadFilter) as refused:
        parse_filter(f"model=x and {text}")
    said = words(refused.value)
    assert said.hint.startswith("did you mean ")
    assert f"`{near}`" in said.hint.split("?")[0]
    assert said.hint.endswith("`ferry help filters` shows the language")
    assert said.picture == (f"model=x and {text}", " " * 12 + "^")


def test_a_name_like_no_field_is_answered_with_fields() -> None:
    with pytest.raises(BadFilter) as refused:
        parse_filter("xyzzyxyzzy=1")
    hint = words(refused.value).hint
    assert "it is one of `tenant`, `user`" in hint
    assert hint.endswith(" more; `ferry help filters` shows the language")


def test_every_field_and_alias_can_be_asked_with_each_of_its_operators() -> None:
    for name in (*FIELDS, *ALIASES):
        field = ALIASES.get(name, name)
        for operator in OPERATORS[FIELDS[field].kind]:
            one = parse_filter(f"{name}{operator}1")
            assert isinstance(one, Comparison)
            assert (one.field, one.operator) == (field, operator)
            assert one.value == {"text": "1", "money": dollars("1")}.get(FIELDS[field].kind, 1)


# The caret ------------------------------------------------------------------------------------


HAN = "".join(map(chr, range(0x4E00, 0x4E00 + 100)))
"""A hundred letters of two cells each."""


@pytest.mark.parametrize(
    ("text", "at", "line", "cells"),
    [
        ("abc", 0, "abc", 0),
        ("abc", 3, "abc", 3),
        ("日本=a", 2, "日本=a", 4),
        ("😀x", 1, "😀x", 2),
        ("e\u0301x", 2, "e\u0301x", 1),
        ("a\tb\nc", 4, "a?b?c", 4),
        ("\x1b[31mx", 5, "?[31mx", 5),
        ("\u202eab", 1, "?ab", 1),
        ("\u200bab", 1, "?ab", 1),
        ("a" * 72, 70, "a" * 72, 70),
        ("a" * 73, 0, "a" * 72 + "…", 0),
        ("a" * 73, 73, "…" + "a" * 72, 73),
        ("a" * 200, 100, "…" + "a" * 72 + "…", 49),
        (HAN, 50, f"…{HAN[26:62]}…", 49),
        (HAN, 100, f"…{HAN[64:]}", 73),
        ("日" * 36, 36, "日" * 36, 72),
    ],
)
def test_the_caret_stands_below_its_character(text: str, at: int, line: str, cells: int) -> None:
    assert pointed(text, at) == (line, " " * cells + "^")


CELLS = "ab=,( 日本語한😀e\u0301\x07\t\u202e\u200b\u3000\u00a0"


@settings(max_examples=300)
@given(st.text(st.sampled_from(CELLS), max_size=200), st.integers(0, 200))
def test_a_picture_is_narrow_and_its_caret_is_below_what_it_means(text: str, at: int) -> None:
    at = min(at, len(text))
    line, caret = pointed(text, at)
    assert cell_len(line) <= PICTURE_WIDTH + 2
    assert line.isprintable()
    assert caret == " " * (len(caret) - 1) + "^"
    # Whatever stands before the caret takes as many cells as the caret's spaces.
    wanted = text[at : at + 1]
    ends = [end for end in range(len(line) + 1) if cell_len(line[:end]) == len(caret) - 1]
    assert ends, "the caret is below the middle of a character"
    if wanted and wanted.isprintable() and wanted not in "\u3000\u0301":
        assert wanted in [line[end : end + 1] for end in ends]


# Any text -------------------------------------------------------------------------------------

TOKENS = (
    "tenant", "cost", "stream", "tag:x", "tag:", "and", "or", "not", "=", "==", "!=", "~", "!~",
    ">", ">=", "<", "(", ")", ",", "'", '"', "\\", "*", "1", "2k", "1.5", "yes", "acme", " ", "  ",
    "\n", "\x00", "\ud800", "ſ", "日", '"a b"', "''", "latency>2", "s", "min",
)  # fmt: skip


@settings(max_examples=500)
@given(st.text() | st.lists(st.sampled_from(TOKENS), max_size=30).map("".join))
@example("latency>2ſ")
@example("x" * 2_001)
@example("(" * 2_000)
@example("not " * 500)
@example("cost>1e999999999999999999999")
@example("cost>1e-999999999")
def test_any_text_is_read_or_refused_with_a_place_in_it(text: str) -> None:
    refused: BadFilter | None = None
    try:
        assert list(fields_of(parse_filter(text)))
    except BadFilter as error:
        refused = error
    if refused is not None:
        assert refused.text == text
        assert 0 <= refused.at <= len(text)
        said = words(refused)
        assert said.sentence.isprintable()
        assert all(line.isprintable() for line in said.picture)


def depth(expression: Expression) -> int:
    """Levels that are needed to write it: a parenthesis or a `not` each."""
    match expression:
        case Not(part=part):
            return 1 + depth(part) + (not isinstance(part, Comparison | Not))
        case Every(parts=parts) | Some(parts=parts):
            return max(depth(part) + isinstance(part, Every | Some) for part in parts)
    return 0


@given(st.data(), expressions(comparisons()))
def test_what_is_written_is_read_as_it_was_meant(data: st.DataObject, tree: Expression) -> None:
    text = data.draw(written(tree))
    assume(depth(tree) < DEPTH_MAX and len(text) <= TEXT_LENGTH_MAX)
    assert parse_filter(text) == tree


# The predicate --------------------------------------------------------------------------------

ROW: dict[str, Value | None] = {
    "tenant": "Acme", "user": "", "model": "GPT-5-ÄÖ", "input": 1_000, "cost": dollars("0.10"),
    "latency": None, "error": None, "stream": 1, "unpriced": 0, "tag:plan": "gold", "tag:none": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("tenant=Acme", True), ("tenant=acme", False), ("tenant!=acme", True),
        ("tenant~ACM", True), ("tenant!~acm", False), ("tenant~x", False), ("tenant~''", True),
        ("error~''", False), ("error!~x", True), ("error=''", False), ("error!=''", True),
        ("user=''", True), ("user~''", True), ("user!=''", False), ("user~a", False),
        # Only a to z are folded: so does the database.
        ("model~gpt-5-ÄÖ", True), ("model~äö", False),
        ("input=1k", True), ("input>1k", False), ("input>=1k", True), ("input<1001", True),
        ("input<=999", False), ("input!=1000", False),
        ("cost=0.10", True), ("cost>0.099999999", True), ("cost<0.100000001", True),
        # What is not known equals nothing, and is neither more nor less; `not` is its contrary.
        ("latency=0", False), ("latency!=0", True), ("latency>0", False), ("latency<=0", False),
        ("latency>=0", False), ("latency<1s", False), ("not latency>0", True),
        ("not latency=0", True), ("not latency!=0", False),
        ("stream", True), ("not stream", False), ("stream!=yes", False), ("unpriced=no", True),
        ("tag:plan=gold", True), ("tag:plan=Gold", False), ("tag:none=''", True),
        ("tenant=Acme and input=1k and stream", True), ("tenant=Acme and input=2k", False),
        ("tenant=x or input=1k", True), ("tenant=x or input=2k", False),
        ("not (tenant=x or not stream)", True),
    ],
)  # fmt: skip
def test_a_predicate_means_what_it_says(text: str, holds: bool) -> None:
    assert predicate(parse_filter(text))(ROW.__getitem__) is holds


def test_fields_are_named_in_their_order() -> None:
    text = "tag:x=1 and (cost>1 or not stream) and agent=a"
    assert list(fields_of(parse_filter(text))) == ["tag:x", "cost", "stream", "assistant"]


def test_no_field_has_a_name_that_cannot_be_written() -> None:
    for name in (*FIELDS, *ALIASES):
        assert re.fullmatch(r"[a-z_]+", name)
        assert name not in ("and", "or", "not", "tag")
    assert set(ALIASES.values()) <= set(FIELDS)
