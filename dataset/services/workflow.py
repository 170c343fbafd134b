"""How the work of a service goes: states with deadlines, and the actions that lead from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from dataset.declared import Between, Seconds, setting
from dataset.errors import Language
from dataset.services.words import Code, Label, Role, Sentence

Ending = Literal["done", "refused", "cancelled", "answered", "unfounded"]
"""How a work item comes to its end. ``unfounded``: a fault or complaint that was none."""
WorkClock = Literal["working", "calendar"]
"""``working``: only hours of work count, by the calendar of the province; ``calendar``: every hour counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a work item may be. Every one that does not end it has a deadline: nothing waits for ever."""

    id: Code = setting("状态代码", "code of the state")
    zh: Label = setting("中文名", "Chinese name")
    en: Label = setting("英文名", "English name")
    ends: Ending | None = setting("结束方式；缺省为未结束", "how it ends; left out: it goes on", default=None)
    within_s: Seconds | None = setting("时限", "deadline", key="within", default=None)
    clock: WorkClock = setting("时限按工作时间或全天", "whether hours of work or all hours count", default="working")
    role: Role | None = setting("由谁处理", "who has to act", default=None)
    escalate: tuple[Role, ...] = setting("超时依次上报", "who is told at each missed deadline, in turn", default=())

    def text(self, language: Language) -> str:
        """Its name."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What somebody may do with a work item."""

    id: Code = setting("动作代码", "code of the action")
    zh: Label = setting("中文名", "Chinese name")
    en: Label = setting("英文名", "English name")
    from_: tuple[Code, ...] = setting("在哪些状态可用", "in which states", key="from")
    to: Code = setting("去往的状态", "the state that it leads to")
    roles: tuple[Role, ...] = setting("谁可以做", "who may")
    needs: tuple[Code, ...] = setting("须已填写的字段", "fields that must be filled in by then", default=())
    note_required: bool = setting("须写说明", "a note must be written", default=False)
    not_before_s: Seconds | None = setting(
        "进入状态后至少多久，按该状态的时限计法",
        "only after so long in the state, by the state's clock",
        key="not_before",
        default=None,
    )
    after_call_back: bool = setting("须先回访客户", "only after the customer was called back", default=False)
    asks_satisfaction: bool = setting(
        "回访时须问客户满意度，1 至 5",
        "the customer called back is asked how satisfied they are, 1 to 5",
        default=False,
    )
    fees: tuple[Code, ...] = setting("产生的费用", "fees that become due", key="fee", default=())
    messages: tuple[Code, ...] = setting("告知客户", "messages to the customer", key="message", default=())

    def text(self, language: Language) -> str:
        """Its name."""
        return self.zh if language == "zh" else self.en


LineChangeKind = Literal["feature", "opens", "ceases", "moves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChange:
    """What becomes of the customer's line in the owning city's records once an item of the service is done.

    ``feature``: the line has the service from then on; ``opens``: there is a new line; ``ceases``: the line is no more;
    ``moves``: it has another address, and another number where one was given.
    """

    kind: LineChangeKind = setting("用户线的变化", "what becomes of the line", key="is")
    number: Code | None = setting("新号码所在字段", "field that has the new number", default=None)
    address: Code | None = setting("新地址所在字段", "field that has the new address", default=None)


RuleKind = Literal[
    "line_has_service",
    "line_lacks_service",
    "no_open_item",
    "no_arrears",
    "identity_checked",
    "earliest_day",
    "latest_day",
    "fields_differ",
    "at_most_per_line",
    "field_is",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What must hold in the owning city's records before an action, beyond the form itself.

    | kind | it needs | it holds when |
    |---|---|---|
    | line_has_service, line_lacks_service | values | the line has one of these services or features, or none of them |
    | no_open_item | values | no work item of these services is open for the line |
    | no_arrears | | the customer owes nothing that is overdue |
    | identity_checked | | the customer's identity was checked in this contact |
    | earliest_day, latest_day | field, days | the field's date is at least, at most so many working days from now |
    | fields_differ | field, other | two fields hold different values |
    | at_most_per_line | values, count | the line has fewer than so many of these services |
    | field_is | field, is | the field holds one of these values; without a value it does not |
    """

    kind: RuleKind = setting("规则", "kind of the rule")
    at: tuple[Code, ...] = setting('在哪些动作检查；"open" 为受理时', 'before which actions; "open" is the first')
    zh: Sentence = setting("不满足时的说明", "what is said when it does not hold, in Chinese")
    en: Sentence = setting("不满足时的英文说明", "what is said when it does not hold, in English")
    values: tuple[Code, ...] = setting("业务", "services; a feature of a line is one", default=())
    field: Code | None = setting("字段", "field", default=None)
    other: Code | None = setting("另一字段", "the other field", default=None)
    days: Annotated[int, Between(0, 366)] | None = setting("工作日数", "working days", default=None)
    count: Annotated[int, Between(1, 99)] | None = setting("个数", "how many", default=None)
    is_: tuple[str, ...] = setting(
        '字段的值之一；是非为 "yes"、"no"', 'one of these values of the field; "yes" and "no"', key="is", default=()
    )

    def text(self, language: Language) -> str:
        """What is said when it does not hold."""
        return self.zh if language == "zh" else self.en


NEEDED: dict[str, tuple[str, ...]] = {
    "line_has_service": ("values",),
    "line_lacks_service": ("values",),
    "no_open_item": ("values",),
    "no_arrears": (),
    "identity_checked": (),
    "earliest_day": ("field", "days"),
    "latest_day": ("field", "days"),
    "fields_differ": ("field", "other"),
    "at_most_per_line": ("values", "count"),
    "field_is": ("field", "is"),
}
"""What each kind of rule must say beside its text, by the keys of the file."""
OPEN = "open"
"""The first of all actions: the form is handed in."""
