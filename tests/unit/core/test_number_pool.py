"""Numbers that stand for tokens (A3): one token, one sending city, and a rest before reuse."""

from __future__ import annotations

from dataset.ids import CityId, Token
from federation.core.lease import NumberPool

GUANGZHOU, FOSHAN = CityId("guangzhou"), CityId("foshan")
FIRST, SECOND, THIRD = Token("0000000a-000001"), Token("0000000a-000002"), Token("0000000a-000003")


def test_a_number_maps_to_one_token_from_one_sending_city() -> None:
    pool = NumberPool(range(7000, 7002), rest_s=50.0)
    assert pool.lend(GUANGZHOU, FIRST, 0.0) == "7000"
    assert pool.lend(FOSHAN, SECOND, 0.0) == "7001"
    assert pool.token("7000", GUANGZHOU) == FIRST
    assert pool.token("7000", FOSHAN) is None
    assert pool.token("7001", FOSHAN) == SECOND
    assert pool.token("6999", GUANGZHOU) is None


def test_an_empty_pool_lends_nothing() -> None:
    pool = NumberPool(range(7000, 7001), rest_s=50.0)
    pool.lend(GUANGZHOU, FIRST, 0.0)
    assert pool.lend(GUANGZHOU, SECOND, 1.0) is None


def test_a_number_rests_before_reuse() -> None:
    """A leg that is still on its way must not find another lease behind its number."""
    pool = NumberPool(range(7000, 7001), rest_s=50.0)
    pool.lend(GUANGZHOU, FIRST, 0.0)
    pool.give_back("7000", 10.0)
    assert pool.token("7000", GUANGZHOU) is None
    assert pool.lend(GUANGZHOU, SECOND, 59.9) is None
    assert pool.lend(FOSHAN, SECOND, 60.0) == "7000"
    assert pool.token("7000", GUANGZHOU) is None
    assert pool.token("7000", FOSHAN) == SECOND


def test_the_longest_rested_number_is_lent_first() -> None:
    pool = NumberPool(range(7000, 7003), rest_s=5.0)
    for token in (FIRST, SECOND):
        pool.lend(GUANGZHOU, token, 0.0)
    pool.give_back("7001", 1.0)
    pool.give_back("7000", 2.0)
    assert [pool.lend(GUANGZHOU, THIRD, 10.0) for _ in range(4)] == ["7002", "7001", "7000", None]


def test_giving_back_twice_is_giving_back_once() -> None:
    pool = NumberPool(range(7000, 7001), rest_s=5.0)
    pool.lend(GUANGZHOU, FIRST, 0.0)
    pool.give_back("7000", 0.0)
    pool.give_back("7000", 0.0)
    assert pool.lend(GUANGZHOU, SECOND, 6.0) == "7000"
    assert pool.lend(GUANGZHOU, THIRD, 60.0) is None
