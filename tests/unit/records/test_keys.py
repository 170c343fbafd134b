"""Bytes of keys: their order is that of the values, whatever these are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.errors import Refused
from dataset.keys import beginning_with, encode_key

TEXTS = st.text(
    st.one_of(st.sampled_from("\u0000\u0001aÿ中\uffff𠮷😀\U0010ffff"), st.characters(exclude_categories=["Cs"])),
    max_size=6,
)
INTS = st.integers(-(1 << 63), (1 << 63) - 1)
FLOATS = st.floats(allow_nan=False)
SHAPES = st.lists(st.sampled_from([TEXTS, INTS, FLOATS]), min_size=1, max_size=3)


@given(SHAPES.flatmap(lambda shape: st.tuples(st.tuples(*shape), st.tuples(*shape))))
def test_order_of_bytes_is_the_order_of_values(pair: tuple[tuple[str | int | float, ...], ...]) -> None:
    """Texts by code point, numbers by size, field by field: what any other store would do with typed columns."""
    first, second = pair
    left, right = (encode_key(values, "key") for values in pair)
    assert (left < right) == (first < second)
    assert (left == right) == (first == second)


@given(TEXTS, TEXTS, st.one_of(st.just(()), st.tuples(TEXTS)))
def test_beginning_of_a_text_is_a_stretch(text: str, begins: str, more: tuple[str, ...]) -> None:
    """Whatever follows in the key, and where the text itself has the byte that ends texts."""
    stretch = beginning_with(encode_key(("prefix",), "key"), begins, "key")
    found = stretch.lower <= encode_key(("prefix", text, *more), "key") < stretch.upper
    assert found == text.startswith(begins)
    assert not stretch.lower <= encode_key(("prefiy", text), "key") < stretch.upper


@pytest.mark.parametrize("value", [float("nan"), 1 << 63, -(1 << 63) - 1, "\udc80"])
def test_value_that_has_no_place_is_refused(value: str | int | float) -> None:
    with pytest.raises(Refused) as refused:
        encode_key(("x", value), "lines")
    assert refused.value.problems[0].slug == "key-form"
    assert refused.value.problems[0].place == "lines"
