"""The receipt of a call tells all of it, to its own key and to whoever may read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.errors import NoSuchCall
from ferrycli.store import reads
from ferrycli.store.ids import SEQ_PREFIX_LENGTH, NewId
from ferrycli.store.reads_receipts import call_json, corrections, receipt
from tests.store.kit import NOON, Clock, Ids, looking

SETTLED = {
    "state": "settled", "outcome": "ok", "key_id": "key_1", "provider": "openai",
    "model": "gpt-5", "status": 200, "n_input": 100, "n_cache_read": 20, "n_output": 50,
    "cost_nanousd": 1_000, "cost_input_nanousd": 600, "cost_output_nanousd": 400,
    "cost_source": "provider", "reason": "80% downgrade", "output_sent": 2_048,
    "hold_nanousd": 5_000, "sources": '{"tenant":"key"}', "attempts": 2,
}  # fmt: skip


def put(path: Path, table: str, **values: Any) -> None:
    names = ", ".join(values)
    with looking(path) as connection:
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()])


def put_call(path: Path, new: NewId, **more: Any) -> None:
    times = {"started_at": new.at_us, "admitted_at": new.at_us, "finished_at": new.at_us + 2_500}
    put(path, "calls", seq=new.seq, id=new.text("c"), **{**SETTLED, **times, **more})


def read(path: Path, id: str, key_id: str | None = None) -> dict[str, Any]:
    with reads.opened(path) as connection:
        return receipt(connection, id, key_id)


def test_receipt_is_what_calls_show_prints_and_more(path: Path, ids: Ids) -> None:
    new = ids.make()
    put_call(path, new)
    got = read(path, new.text("c"))
    with reads.opened(path) as connection:
        shown = call_json(reads.call(connection, new.text("c")))
    assert shown.items() <= got.items()
    assert {name: got[name] for name in got.keys() - shown.keys()} == {
        "finished_at": "2026-11-18T12:00:00.002500Z",
        "finish_reason": "",
        "rule": "",
        "reason": "80% downgrade",
        "tier": "",
        "price_version": "",
        "price_incomplete": False,
        "hold_nanousd": 5_000,
        "max_tokens": 2_048,
        "client_retry": 0,
        "sources": {"tenant": "key"},
        "cost": {
            "input_nanousd": 600,
            "cache_read_nanousd": 0,
            "cache_write_nanousd": 0,
            "output_nanousd": 400,
            "other_nanousd": 0,
        },
        "lines": [],
        "tries": [],
        "corrections": [],
    }


def test_parts_of_a_call_are_told_in_their_order_and_those_of_others_are_not(
    path: Path, ids: Ids
) -> None:
    new, other = ids.make(), ids.make()
    put_call(path, new)
    for seq in (other.seq, new.seq):
        for number in (2, 1):
            put(path, "attempts", call_seq=seq, number=number, provider=f"p{number}", status=503,
                started_at=NOON + number)  # fmt: skip
            put(path, "lines", call_seq=seq, number=number, bucket="web_search", quantity=number)
            put(path, "corrections", id=f"x{seq}{number}", call_seq=seq, delta_nanousd=-number,
                created_at=NOON + number)  # fmt: skip
    got = read(path, new.text("c"))
    assert [one["provider"] for one in got["tries"]] == ["p1", "p2"]
    assert got["tries"][0]["started_at"] == "2026-11-18T12:00:00.000001Z"
    assert got["tries"][0]["finished_at"] is None
    assert [one["quantity"] for one in got["lines"]] == [1, 2]
    assert [one["delta_nanousd"] for one in got["corrections"]] == [-1, -2]
    assert got["cost_nanousd"] == 1_000 - 3


@pytest.mark.parametrize(
    ("said", "is_corrected"),
    [
        ([], False),
        ([(7, "release-doubt")], True),
        ([(0, "")], True),
        # It ends a doubt, and says nothing of the cost.
        ([(0, "release-doubt")], False),
        ([(0, "release-doubt"), (0, "invoice"), (0, "release-doubt")], True),
    ],
)
def test_call_is_corrected_where_a_correction_is_of_its_cost(
    path: Path, ids: Ids, said: list[tuple[int, str]], *, is_corrected: bool
) -> None:
    new = ids.make()
    put_call(path, new)
    for number, (delta, reason) in enumerate(said):
        put(path, "corrections", id=f"x{number}", call_seq=new.seq, delta_nanousd=delta,
            reason=reason, source="operator", created_at=NOON)  # fmt: skip
    with reads.opened(path) as connection:
        row = reads.call(connection, new.text("c"))
        found = corrections(connection, row.seq)
    assert bool(row.is_corrected) == any(one.is_of_cost for one in found) == is_corrected
    assert [(one.delta_nanousd, one.reason) for one in found] == said


def test_call_in_flight_has_a_receipt_without_a_cost(path: Path, ids: Ids) -> None:
    new = ids.make()
    put_call(path, new, state="held", outcome="", cost_nanousd=None, finished_at=None)
    got = read(path, new.text("c"), "key_1")
    assert (got["state"], got["cost_nanousd"], got["finished_at"]) == ("held", None, None)


def test_call_of_another_key_is_not_there(path: Path, ids: Ids) -> None:
    new = ids.make()
    put_call(path, new)
    assert read(path, new.text("c"), "key_1")["id"] == new.text("c")
    for key_id in ("key_2", "", "KEY_1"):
        with pytest.raises(NoSuchCall):
            read(path, new.text("c"), key_id)


def test_beginning_of_an_id_is_enough_where_its_moment_is_told(
    path: Path, ids: Ids, clock: Clock
) -> None:
    new = ids.make()
    put_call(path, new)
    clock.move(1)
    put_call(path, ids.make())
    text = new.text("c").removeprefix("c_")
    for id in (text, text.lower(), f"c_{text[:SEQ_PREFIX_LENGTH]}", text[:20]):
        assert read(path, id)["id"] == new.text("c")
    for id in ("", "c_", "c_0", text[: SEQ_PREFIX_LENGTH - 1], text + "0", "c_" + "!" * 26):
        with pytest.raises(NoSuchCall):
            read(path, id)


def test_several_calls_of_one_beginning_are_none(path: Path) -> None:
    number = NOON // 1000 << 80 | 7 << 76 | 2 << 62
    for chance in (0, 1 << 53):
        put_call(path, NewId(number | chance, NOON))
    with pytest.raises(NoSuchCall):
        read(path, NewId(number, NOON).text("c")[: 2 + SEQ_PREFIX_LENGTH])
