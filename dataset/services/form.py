"""The form of a service: its fields, and the JSON Schema (2020-12, with layout hints) that a seat draws it from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from dataset.declared import Between, did_you_mean, setting
from dataset.errors import Language, Problem
from dataset.services.words import Code, Label, Sentence, Topic

FieldType = Literal[
    "text", "long_text", "number", "money", "date", "yes_no", "choice", "phone", "email", "address", "line"
]
"""``money`` is a whole number of fen; ``line`` a number of the operator's that the customer has."""
Value = str | int | bool
"""What a field holds."""
LONGEST: Mapping[str, int] = {"text": 80, "long_text": 2_000, "address": 200, "email": 120}
PHONE = r"\+?[0-9]{3,15}"
EMAIL = r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+"
ISO_DAY = r"\d{4}-\d{2}-\d{2}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the values of a ``choice``."""

    code: Code = setting("代码", "code")
    zh: Label = setting("中文名", "Chinese name")
    en: Label = setting("英文名", "English name")


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A condition on another field: it holds one of these values."""

    field: Code = setting("字段", "field")
    is_: tuple[str, ...] = setting('其值之一；是非为 "yes"、"no"', 'one of these values; "yes" and "no"', key="is")

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether ``values`` meet it; a field without a value meets nothing."""
        value = values.get(self.field)
        shown = ("yes" if value else "no") if isinstance(value, bool) else value
        return shown is not None and str(shown) in self.is_


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that is asked."""

    id: Code = setting("字段代码", "code of the field")
    zh: Label = setting("中文名", "Chinese name")
    en: Label = setting("英文名", "English name")
    type: FieldType = setting("类型", "type")
    required: bool = setting("必填", "must be filled in", default=False)
    choices: tuple[Choice, ...] = setting("可选值", "the values of a choice", key="choice", default=())
    least: int | None = setting("最小值（数、金额为分）", "smallest number, or fen", default=None)
    most: int | None = setting("最大值（数、金额为分）", "largest number, or fen", default=None)
    when: When | None = setting("仅在此条件下询问", "asked only under this condition", default=None)
    personal: bool = setting("个人资料：显示时遮蔽", "personal: masked where it is shown", default=False)
    section: Label | None = setting("所在分组", "the group that it stands in, in Chinese", default=None)
    section_en: Label | None = setting("分组的英文名", "the same in English", default=None)
    width: Annotated[int, Between(1, 4)] = setting("宽度（四分之几）", "width in quarters of a row", default=2)
    hint_zh: Sentence | None = setting("中文提示", "Chinese hint", default=None)
    hint_en: Sentence | None = setting("英文提示", "English hint", default=None)
    knowledge: Topic | None = setting("在此处显示的知识", "knowledge shown here", default=None)

    @property
    def masked(self) -> bool:
        """Whether its value is masked where it is shown: what the service calls personal, and every number."""
        return self.personal or self.type in ("line", "phone")

    def asked(self, values: Mapping[str, Value]) -> bool:
        """Whether its condition holds."""
        return self.when is None or self.when.holds(values)

    def text(self, language: Language) -> str:
        """Its name."""
        return self.zh if language == "zh" else self.en

    # ── one value ───────────────────────────────────────────────────────────────────────────────────────────────────
    def problem(self, value: object) -> Problem | None:
        """What is wrong with ``value``; None when it may be kept."""
        if self._accepts(value):
            return None
        zh, en = self.form
        return Problem(
            "field-form",
            zh=f"{self.zh}：值不可用，应为{zh}",
            en=f"{self.en}: this value is not accepted; {en} expected",
            place=self.id,
        )

    def _accepts(self, value: object) -> bool:
        match self.type:
            case "yes_no":
                return isinstance(value, bool)
            case "number" | "money":
                return (
                    isinstance(value, int)
                    and not isinstance(value, bool)
                    and (self.least is None or value >= self.least)
                    and (self.most is None or value <= self.most)
                )
            case "choice":
                return isinstance(value, str) and value in {choice.code for choice in self.choices}
            case "date":
                return isinstance(value, str) and _is_day(value)
            case "phone" | "line":
                return isinstance(value, str) and re.fullmatch(PHONE, value) is not None
            case "email":
                return isinstance(value, str) and len(value) <= LONGEST["email"] and bool(re.fullmatch(EMAIL, value))
            case _:
                return isinstance(value, str) and bool(value.strip()) and len(value) <= LONGEST[self.type]

    @property
    def form(self) -> tuple[str, str]:
        """The accepted form in both languages."""
        match self.type:
            case "yes_no":
                return "是或否", "yes or no"
            case "number" | "money":
                return self._number_form()
            case "choice":
                words = [choice.code for choice in self.choices]
                return f"其中之一：{'、'.join(words)}", f"one of {', '.join(words)}"
            case "date":
                return "日期，如 2026-01-31", "a date such as 2026-01-31"
            case "phone" | "line":
                return "3 至 15 位号码", "a number of 3 to 15 digits"
            case "email":
                return "电子邮件地址，如 a@example.cn", "an e-mail address such as a@example.cn"
            case _:
                return f"1 至 {LONGEST[self.type]} 字的文字", f"a text of 1 to {LONGEST[self.type]} characters"

    def _number_form(self) -> tuple[str, str]:
        unit = ("（分）", " of fen") if self.type == "money" else ("", "")
        zh, en = f"整数{unit[0]}", f"a whole number{unit[1]}"
        if self.least is not None:
            zh, en = f"{zh}，不小于 {self.least}", f"{en}, at least {self.least}"
        if self.most is not None:
            zh, en = f"{zh}，不大于 {self.most}", f"{en}, at most {self.most}"
        return zh, en

    # ── JSON Schema ─────────────────────────────────────────────────────────────────────────────────────────────────
    def schema(self) -> dict[str, Any]:
        """The field as JSON Schema, titles and layout under ``x-`` keywords."""
        layout: dict[str, Any] = {"type": self.type, "width": self.width}
        for name in ("section", "section_en", "hint_zh", "hint_en", "knowledge"):
            if (value := getattr(self, name)) is not None:
                layout[name] = value
        if self.masked:
            layout["personal"] = True
        found: dict[str, Any] = {**self._constraints(), "x-zh": self.zh, "x-en": self.en, "x-layout": layout}
        if self.choices:
            found["x-choices"] = [{"code": one.code, "zh": one.zh, "en": one.en} for one in self.choices]
        if self.when is not None:
            found["x-when"] = {"field": self.when.field, "is": list(self.when.is_)}
        return found

    def _constraints(self) -> dict[str, Any]:
        match self.type:
            case "yes_no":
                return {"type": "boolean"}
            case "number" | "money":
                limits = {"minimum": self.least, "maximum": self.most}
                return {"type": "integer", **{name: value for name, value in limits.items() if value is not None}}
            case "choice":
                return {"type": "string", "enum": [choice.code for choice in self.choices]}
            case "date":
                return {"type": "string", "format": "date", "pattern": f"^{ISO_DAY}$"}
            case "phone" | "line":
                return {"type": "string", "pattern": f"^{PHONE}$"}
            case "email":
                return {"type": "string", "maxLength": LONGEST["email"], "pattern": f"^{EMAIL}$"}
            case _:
                return {"type": "string", "maxLength": LONGEST[self.type], "pattern": r"\S"}


def _is_day(text: str) -> bool:
    if re.fullmatch(ISO_DAY, text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def schema_of(fields: tuple[Field, ...]) -> dict[str, Any]:
    """The whole form as JSON Schema. What is required under a condition only is required by ``allOf``/``if``."""
    always = [field.id for field in fields if field.required and field.when is None]
    conditional = [
        {
            "if": {
                "properties": {field.when.field: _condition(field.when, fields)},
                "required": [field.when.field],
            },
            "then": {"required": [field.id]} if field.required else {},
            "else": {"properties": {field.id: False}},
        }
        for field in fields
        if field.when is not None
    ]
    found: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {field.id: field.schema() for field in fields},
        "required": always,
    }
    if conditional:
        found["allOf"] = conditional
    return found


def _condition(when: When, fields: tuple[Field, ...]) -> dict[str, Any]:
    asked = next(field for field in fields if field.id == when.field)
    if asked.type == "yes_no":
        return {"enum": [word == "yes" for word in when.is_]}
    if asked.type in ("number", "money"):
        return {"enum": [int(word) for word in when.is_]}
    return {"enum": list(when.is_)}


def problems_of(fields: tuple[Field, ...], values: Mapping[str, object]) -> tuple[Problem, ...]:
    """Everything that is wrong with a form that was filled in, in the order of its fields; empty when it is right."""
    known = {field.id for field in fields}
    found = []
    for name in values:
        if name not in known:
            zh, en = did_you_mean(name, known)
            found.append(Problem("field-unknown", f"没有字段 {name}。{zh}", f"there is no field {name}. {en}", name))
    sound = {name: value for name, value in values.items() if isinstance(value, str | int | bool)}
    for field in fields:
        if not field.asked(sound):
            if field.id in values:
                found.append(_not_asked(field))
        elif field.id in values:
            if (problem := field.problem(values[field.id])) is not None:
                found.append(problem)
        elif field.required:
            found.append(_missing(field))
    return tuple(found)


def _not_asked(field: Field) -> Problem:
    assert field.when is not None
    return Problem(
        "field-not-asked",
        zh=f"{field.zh}：仅当 {field.when.field} 为 {'、'.join(field.when.is_)} 时填写，请清空",
        en=f"{field.en}: only filled in when {field.when.field} is {' or '.join(field.when.is_)}; leave it empty",
        place=field.id,
    )


def _missing(field: Field) -> Problem:
    zh, en = field.form
    return Problem("field-missing", zh=f"{field.zh}：必填，{zh}", en=f"{field.en}: needed; {en}", place=field.id)
