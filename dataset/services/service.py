"""One service as the province publishes it: names, doors, form, work, fees, messages, measures; versioned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated, Any

from dataset.declared import Between, Seconds, setting
from dataset.errors import Language
from dataset.ids import SkillId
from dataset.services.form import Field, Value, When, schema_of
from dataset.services.words import (
    SKILL,
    Answers,
    Channel,
    Code,
    Day,
    Dialled,
    Group,
    Label,
    MenuName,
    Sentence,
    TelephoneKey,
    Topic,
    Version,
    Yuan,
    fen,
)
from dataset.services.workflow import Action, LineChange, Rule, State, WorkClock

BLANK = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""Where a message has a field's value."""
ALWAYS_KNOWN = ("item", "service", "due", "city")
"""What every message may name beside the fields of the form: number, service, deadline and owning city of the item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """What a service costs from one day until another."""

    code: Code = setting("费用代码", "code of the fee")
    zh: Label = setting("中文名", "Chinese name")
    en: Label = setting("英文名", "English name")
    yuan: Yuan = setting("金额，元", "amount in yuan")
    from_: Day = setting("自何日起", "first day that it holds", key="from")
    until: Day | None = setting("至何日止（含）", "last day that it holds", default=None)
    monthly: bool = setting("按月收取", "charged each month", default=False)
    deposit: bool = setting("押金：终止时退还", "a deposit: given back at the end", default=False)
    per: Code | None = setting("按此数字字段的每一个收取", "charged for each one of this number field", default=None)
    when: When | None = setting("仅在此条件下收取", "charged under this condition only", default=None)

    @property
    def fen(self) -> int:
        """The amount, for each one where it is charged so."""
        return fen(self.yuan)

    def amount(self, values: Mapping[str, Value]) -> int:
        """What it comes to for a form with these values, in fen; without the number that it goes by, nothing."""
        if self.per is None:
            return self.fen
        number = values.get(self.per)
        return self.fen * number if isinstance(number, int) else 0

    def holds(self, day: date) -> bool:
        """Whether it is the amount of ``day``."""
        iso = day.isoformat()
        return self.from_ <= iso and (self.until is None or iso <= self.until)

    def collides(self, other: Fee) -> bool:
        """Whether both could be due under one code on the same day for the same form."""
        if self.code != other.code:
            return False
        if (self.until is not None and self.until < other.from_) or (
            other.until is not None and other.until < self.from_
        ):
            return False
        if self.when is None or other.when is None:
            return self.when is other.when
        return self.when.field == other.when.field and not set(self.when.is_).isdisjoint(other.when.is_)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageText:
    """What the customer is told; ``{field}`` stands for a value."""

    id: Code = setting("消息代码", "code of the message")
    zh: Sentence = setting("中文，{字段} 处填入其值", "Chinese; {field} stands for its value")
    en: Sentence = setting("英文", "English")

    def text(self, language: Language) -> str:
        """The sentence, unfilled."""
        return self.zh if language == "zh" else self.en

    @property
    def blanks(self) -> frozenset[str]:
        """Everything that is filled in, in either language."""
        return frozenset(BLANK.findall(self.zh)) | frozenset(BLANK.findall(self.en))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What the service is held to: this share of its items ended within this time."""

    share: Annotated[float, Between(0.01, 1.0)] = setting("目标比例", "share that is aimed at")
    within_s: Seconds = setting("时限", "time", key="within")
    clock: WorkClock = setting("时限按工作时间或全天", "whether hours of work or all hours count", default="working")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """When a matter counts as one that is back: the same line, or without one the same customer, had it before."""

    within_s: Seconds = setting("多久之内再次受理算重复", "taken in again within this time it is back", key="within")
    press: bool = setting("重复的先派出，与督办同等", "given out first, as what is pressed for", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A key of its own in the menu that the service names as its branch; behind it the caller is put through."""

    key: TelephoneKey = setting("按键", "the key")
    prompt: MenuName | None = setting(
        "说这个按键的语音；缺省为业务的名字",
        "prompt that says what it is for; the service's name when left out",
        default=None,
    )
    say: tuple[MenuName, ...] = setting("选了以后依次播放的语音", "prompts said once it was chosen", default=())
    priority: Annotated[int, Between(0, 9)] = setting("优先级，大者先", "larger is served first", default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceText:
    """The file of a service."""

    id: Code = setting("业务代码", "code of the service")
    version: Version = setting("版本", "version")
    zh: Label = setting("中文名", "Chinese name")
    en: Label = setting("英文名", "English name")
    group: Group = setting("类别", "group")
    skill: Annotated[SkillId, SKILL] = setting("坐席所需技能", "skill that an agent needs")
    doors: tuple[Dialled, ...] = setting("可由哪些号码进入", "numbers that lead to it", key="door")
    branch: MenuName | None = setting(
        "来电人在语音菜单中选它的菜单", "menu of the package by which callers choose it", default=None
    )
    choice: Choice | None = setting("在该菜单中自己的按键", "a key of its own in that menu", default=None)
    channels: tuple[Channel, ...] = setting("受理渠道", "ways in", key="channel", default=("voice",))
    today: Code | None = setting("如今的替代业务", "the service that stands in its place today", default=None)
    answers: Answers | None = setting("当场答复的内容", "what answers it at once, where it makes no work", default=None)
    knowledge: tuple[Topic, ...] = setting("显示的知识主题", "topics shown beside the form", default=())
    fields: tuple[Field, ...] = setting("表单字段", "fields of the form", key="field", default=())
    states: tuple[State, ...] = setting("状态", "states", key="state", default=())
    actions: tuple[Action, ...] = setting("动作", "actions", key="action", default=())
    rules: tuple[Rule, ...] = setting("规则", "rules", key="rule", default=())
    fees: tuple[Fee, ...] = setting("费用", "fees", key="fee", default=())
    messages: tuple[MessageText, ...] = setting("消息", "messages", key="message", default=())
    line_change: LineChange | None = setting(
        "竣工后用户线的变化", "what becomes of the line when an item is done", default=None
    )
    handling: Yuan = setting(
        "异地受理手续费，元：归属局付给受理局",
        "what the owning city pays a serving city for each step, in yuan",
        default="0",
    )
    repeat: Repeat | None = setting("重复受理", "matters that come back", default=None)
    mass_over: Code | None = setting(
        "所属大面积障碍修复时告知客户的消息",
        "message to the customer when the mass fault that an item is part of is repaired",
        default=None,
    )
    measure: Measure | None = setting("考核", "what it is held to", default=None)


@dataclass(frozen=True)
class Service:
    """A checked service. Every name in it leads somewhere; the first of its states is where an item begins."""

    text: ServiceText

    @property
    def id(self) -> str:
        """Its code."""
        return self.text.id

    @property
    def reference(self) -> str:
        """``id@version``, as work items carry it for life."""
        return f"{self.text.id}@{self.text.version}"

    def name(self, language: Language) -> str:
        """Its name."""
        return self.text.zh if language == "zh" else self.text.en

    @property
    def makes_work(self) -> bool:
        """Whether a request becomes a work item; an enquiry is answered and over."""
        return bool(self.text.states)

    @property
    def begins(self) -> State:
        """The state of a new item. Raises ``IndexError`` for a service that makes none."""
        return self.text.states[0]

    @property
    def handling_fen(self) -> int:
        """What the owning city owes a serving city for each step that it handles."""
        return fen(self.text.handling)

    @property
    def line_field(self) -> str | None:
        """The field that holds the customer's line, if the form has one."""
        return next((field.id for field in self.text.fields if field.type == "line"), None)

    @cached_property
    def states(self) -> Mapping[str, State]:
        """By code."""
        return {state.id: state for state in self.text.states}

    @cached_property
    def actions(self) -> Mapping[str, Action]:
        """By code."""
        return {action.id: action for action in self.text.actions}

    @cached_property
    def messages(self) -> Mapping[str, MessageText]:
        """By code."""
        return {message.id: message for message in self.text.messages}

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The form as JSON Schema with layout hints."""
        return schema_of(self.text.fields)

    def possible(self, state: str) -> tuple[Action, ...]:
        """The actions that lead on from ``state``, whoever may take them."""
        return tuple(action for action in self.text.actions if state in action.from_)

    def fees_due(self, codes: tuple[str, ...], values: Mapping[str, Value], day: date) -> tuple[Fee, ...]:
        """What ``codes`` come to on ``day`` for a form with these values."""
        return tuple(
            fee
            for fee in self.text.fees
            if fee.code in codes and fee.holds(day) and (fee.when is None or fee.when.holds(values))
        )
