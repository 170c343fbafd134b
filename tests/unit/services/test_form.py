"""A form says itself what is wrong with it, in both languages; its JSON Schema, read by a library, says the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dataset.services.form import Choice, Field, FieldType, When, problems_of, schema_of

CHOICES = (Choice(code="home", zh="住宅", en="Home"), Choice(code="shop", zh="商铺", en="Shop"))
TYPES: tuple[FieldType, ...] = (
    "text", "long_text", "number", "money", "date", "yes_no", "choice", "phone", "email", "address", "line",
)  # fmt: skip
TEXTS = ("home", "shop", "中山路 1 号", "", " ", *("x" * length for length in (80, 81, 200, 201, 2000, 2001)))
LIKE_OTHERS = ("2026-02-28", "2026-02-30", "20260228", "13800138000", "+8620123", "12", "a@b.cn", "a b@c.cn")
some_values = st.one_of(
    st.sampled_from([*TEXTS, *LIKE_OTHERS, True, False]),
    st.text("ab1 中@.+-", max_size=5),
    st.integers(-10, 10),
)


@st.composite
def forms(draw: st.DrawFn) -> tuple[Field, ...]:
    """One to five fields; some asked under a condition on one before."""
    fields: list[Field] = []
    for at in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(TYPES))
        number = kind in ("number", "money")
        fields.append(
            Field(
                id=f"f{at}",
                zh=f"字段{at}",
                en=f"Field {at}",
                type=kind,
                required=draw(st.booleans()),
                choices=CHOICES if kind == "choice" else (),
                least=draw(st.sampled_from([None, 0])) if number else None,
                most=draw(st.sampled_from([None, 5])) if number else None,
                when=draw(st.none() | st.sampled_from(conditions)) if (conditions := _conditions(fields)) else None,
            )
        )
    return tuple(fields)


def _conditions(fields: list[Field]) -> list[When]:
    found = []
    for field in fields:
        if field.type == "choice":
            found.append(When(field=field.id, is_=("home",)))
        elif field.type == "yes_no":
            found.append(When(field=field.id, is_=("yes",)))
        elif field.type == "number":
            found.append(When(field=field.id, is_=("1", "5")))
    return found


@given(st.data())
def test_the_schema_and_the_form_refuse_the_same(data: st.DataObject) -> None:
    fields = data.draw(forms())
    names = [*(field.id for field in fields), "stranger"]
    values: dict[str, Any] = data.draw(st.dictionaries(st.sampled_from(names), some_values))
    schema = schema_of(fields)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    problems = problems_of(fields, values)
    assert validator.is_valid(values) == (problems == ()), (values, problems)


@pytest.mark.parametrize(
    ("values", "slug", "place", "zh", "en"),
    [
        ({}, "field-missing", "kind", "类别：必填，其中之一：home、shop", "Kind: needed; one of home, shop"),
        ({"kind": "tent"}, "field-form", "kind", "应为其中之一", "one of home, shop expected"),
        ({"kind": "home", "rooms": 0}, "field-form", "rooms", "整数，不小于 1", "a whole number, at least 1 expected"),
        ({"kind": "home", "rooms": True}, "field-form", "rooms", "整数", "a whole number"),
        (
            {"kind": "home", "licence": "1"},
            "field-not-asked",
            "licence",
            "仅当 kind 为",
            "only filled in when kind is shop",
        ),
        ({"kind": "shop"}, "field-missing", "licence", "执照：必填", "Licence: needed"),
        ({"kind": "home", "romms": 1}, "field-unknown", "romms", "是否为 rooms？", "Did you mean rooms?"),
        ({"kind": "home", "day": "2026-02-30"}, "field-form", "day", "日期，如", "a date such as"),
    ],
)
def test_what_is_wrong_is_said_in_both_languages(
    values: dict[str, Any], slug: str, place: str, zh: str, en: str
) -> None:
    fields = (
        Field(id="kind", zh="类别", en="Kind", type="choice", choices=CHOICES, required=True),
        Field(
            id="licence", zh="执照", en="Licence", type="text", required=True, when=When(field="kind", is_=("shop",))
        ),
        Field(id="rooms", zh="房间", en="Rooms", type="number", least=1),
        Field(id="day", zh="日子", en="Day", type="date"),
    )
    [problem] = problems_of(fields, values)
    assert (problem.slug, problem.place) == (slug, place)
    assert zh in problem.zh
    assert en in problem.en


def test_the_schema_carries_what_a_seat_needs_to_draw_the_form() -> None:
    field = Field(
        id="kind", zh="类别", en="Kind", type="choice", choices=CHOICES, section="用户", section_en="Customer",
        width=4, personal=True, hint_zh="按证件", hint_en="As on the document", knowledge="order/install",
    )  # fmt: skip
    [drawn] = schema_of((field,))["properties"].values()
    assert drawn["x-zh"] == "类别"
    assert drawn["x-choices"][0] == {"code": "home", "zh": "住宅", "en": "Home"}
    assert drawn["x-layout"] == {
        "type": "choice", "width": 4, "section": "用户", "section_en": "Customer", "hint_zh": "按证件",
        "hint_en": "As on the document", "knowledge": "order/install", "personal": True,
    }  # fmt: skip
