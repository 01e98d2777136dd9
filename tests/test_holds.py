"""The rules for holds, simulated: what `bench/holds.py` prints, in a form that is quick."""

from __future__ import annotations

import pytest

from bench.holds import POLICIES, USD, Simulation, lines

FERRY, NO_WAITING, CEILING = POLICIES


@pytest.mark.parametrize(("limit_usd", "clients"), [(10, 40), (20, 100)])
def test_limit_is_spent_to_its_end_and_nothing_over_it(limit_usd: int, clients: int) -> None:
    tally = Simulation(limit_usd * USD, clients, FERRY).run()
    assert tally.used_most <= limit_usd * USD
    assert tally.spent_share > 0.995
    assert tally.refused(50) == 0
    assert tally.cut_share < 0.03
    # Each client is refused once, at the end; whoever came back after `busy`, oftener.
    assert tally.asked - tally.answered >= clients


def test_holding_the_ceiling_refuses_most_calls_while_the_money_is_there() -> None:
    whole, ferry = (Simulation(10 * USD, 100, policy).run() for policy in (CEILING, FERRY))
    assert whole.used_most <= 10 * USD
    assert whole.refused(50) > 0.9 > 0.01 > ferry.refused(50)
    assert whole.spent_share < 0.97 < ferry.spent_share


def test_waiting_for_what_is_only_held_spares_refusals() -> None:
    waiting, none = (Simulation(10 * USD, 200, policy).run() for policy in (FERRY, NO_WAITING))
    assert waiting.refused(90) < none.refused(90)


def test_table_has_a_line_for_each_limit_crowd_and_policy() -> None:
    table = list(lines([1], [20]))
    assert [line.split()[2] for line in table[-3:]] == ["ferry", "no", "ceiling"]
    assert max(map(len, table)) <= 100
