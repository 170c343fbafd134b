"""What must hold between the parts of a service's file, beyond the form of each value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from dataset.declared import Reading, did_you_mean
from dataset.services.form import Field, When
from dataset.services.service import ALWAYS_KNOWN, ServiceText
from dataset.services.workflow import NEEDED, OPEN, Action, Rule, State
from dataset.toml_text import Path

LONGEST_REPEAT_S = 366 * 86_400.0


class Checks:
    """One look at everything; each fault is noted with its place and the remedy."""

    def __init__(self, reading: Reading, text: ServiceText) -> None:
        self._reading = reading
        self._text = text
        self._fields = {field.id: field for field in text.fields}
        self._states = {state.id: state for state in text.states}

    def run(self) -> None:
        """Note every fault."""
        text = self._text
        for table, key, values in (
            ("field", "id", [field.id for field in text.fields]),
            ("state", "id", [state.id for state in text.states]),
            ("action", "id", [action.id for action in text.actions]),
            ("message", "id", [message.id for message in text.messages]),
        ):
            self._once((table,), key, values)
        for at, field in enumerate(text.fields):
            self._field(at, field)
        self._workflow()
        self._rules()
        self._fees()
        self._messages()
        self._line_change()

    # ── saying it ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _fault(self, path: Path, slug: str, zh: str, en: str) -> None:
        if self._reading.sound(*path):
            self._reading.fault(path, f"service-{slug}", zh, en, value=False)

    def _known(self, path: Path, word: str, words: Collection[str], zh: str, en: str) -> bool:
        return self._reading.known(path, word, words, "service-unknown", zh, en)

    def _once(self, table: Path, key: str, values: Sequence[str]) -> None:
        self._reading.once(table, key, values, "service-twice")

    # ── the form ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _field(self, at: int, field: Field) -> None:
        path: Path = ("field", at)
        if field.id in ALWAYS_KNOWN:
            names = "、".join(ALWAYS_KNOWN)
            self._fault(
                (*path, "id"),
                "reserved",
                f"{field.id} 在消息中另有含义（{names}），请改用另一个代码",
                f"{field.id} means something else in messages ({', '.join(ALWAYS_KNOWN)}); choose another code",
            )
        if field.type == "choice":
            self._once((*path, "choice"), "code", [choice.code for choice in field.choices])
            if len(field.choices) < 2:
                self._fault(path, "choices", "choice 须有两个以上的值", "a choice needs two values or more")
        elif field.choices:
            self._fault((*path, "choice"), "choices", '只有 type = "choice" 才有值', 'only type = "choice" has values')
        self._limits(path, field)
        if field.when is not None:
            self._when((*path, "when"), field.when, self._text.fields[:at])

    def _limits(self, path: Path, field: Field) -> None:
        if field.type not in ("number", "money"):
            for key in ("least", "most"):
                if getattr(field, key) is not None:
                    self._fault(
                        (*path, key), "limits", "只有数和金额才有大小之限", "only numbers and money have limits"
                    )
        elif field.least is not None and field.most is not None and field.least > field.most:
            self._fault(
                (*path, "most"),
                "limits",
                f"须不小于 least（{field.least}）",
                f"at least as much as least ({field.least}) expected",
            )

    def _when(self, path: Path, when: When, before: Sequence[Field]) -> None:
        """A condition stands on a field that is asked before, and on values that it can have."""
        asked = {field.id: field for field in before}
        if not self._known((*path, "field"), when.field, asked, "此前的字段", "field before this one"):
            return
        field = asked[when.field]
        values = _values_of(field)
        if values is None:
            self._fault(
                (*path, "field"),
                "condition",
                f"{field.id} 不是 choice、yes_no 或 number，不能作条件",
                f"{field.id} is no choice, yes_no or number, so nothing can depend on it",
            )
            return
        for at, value in enumerate(when.is_):
            if values and value not in values:
                near_zh, near_en = did_you_mean(value, values)
                self._fault(
                    (*path, "is", at),
                    "condition",
                    f"{field.id} 没有值 {value}。{near_zh}",
                    f"{field.id} has no value {value}. {near_en}",
                )
        if not when.is_:
            self._fault((*path, "is"), "condition", "至少要有一个值", "at least one value is needed")

    def _line_change(self) -> None:
        change = self._text.line_change
        if change is None:
            return
        for key, name in (("number", change.number), ("address", change.address)):
            if name is not None:
                self._known(("line_change", key), name, self._fields, "字段", "field")
        if change.kind == "opens" and change.number is None:
            self._fault(
                ("line_change",),
                "line-number",
                "新开的线须写明号码在哪个字段（number）",
                "a new line needs the field that its number is in (number)",
            )
        if not any(state.ends == "done" for state in self._text.states):
            self._fault(
                ("line_change",),
                "no-work",
                '没有 ends = "done" 的状态，不会有变化',
                'nothing changes without a state that ends = "done"',
            )

    # ── the work ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _workflow(self) -> None:
        text = self._text
        if not text.states:
            for key, found in (("action", text.actions), ("message", text.messages)):
                if found:
                    self._fault(
                        (key,),
                        "no-work",
                        "没有状态的业务没有工单，也就没有这些",
                        "without states there is no work item, so none of these",
                    )
            if text.measure is not None:
                self._fault(
                    ("measure",),
                    "no-work",
                    "没有状态的业务没有工单可考核",
                    "without states there is nothing to measure",
                )
            if text.repeat is not None:
                self._fault(
                    ("repeat",),
                    "no-work",
                    "没有状态的业务没有工单，也就没有重复",
                    "without states there is no work item that could be a repeat",
                )
            return
        if text.repeat is not None and not 0 < text.repeat.within_s <= LONGEST_REPEAT_S:
            self._fault(
                ("repeat", "within"),
                "repeat",
                "须大于 0，不超过 366 天",
                "more than 0 and at most 366 days expected",
            )
        for at, state in enumerate(text.states):
            self._state(("state", at), state, first=at == 0)
        for at, action in enumerate(text.actions):
            self._action(("action", at), action)
        self._ways()

    def _state(self, path: Path, state: State, *, first: bool) -> None:
        if state.ends is None:
            if state.within_s is None or state.within_s <= 0:
                self._fault(
                    path,
                    "no-deadline",
                    '未结束的状态须有时限，如 within = "8h"',
                    'a state that does not end the item needs a deadline such as within = "8h"',
                )
            if state.role is None:
                self._fault(path, "no-role", "须写明由谁处理（role）", "it must say who has to act (role)")
            if not state.escalate:
                self._fault(
                    path,
                    "no-escalation",
                    "须写明超时上报给谁（escalate）",
                    "it must say who is told when the deadline is missed (escalate)",
                )
            return
        if first:
            self._fault((*path, "ends"), "ends-at-once", "第一个状态不可为结束", "the first state cannot be an end")
        for key in ("within", "role", "escalate"):
            if getattr(state, "within_s" if key == "within" else key):
                self._fault(
                    (*path, key),
                    "ended",
                    "已结束的状态没有此项，请删去",
                    "a state that ends the item has none; remove it",
                )

    def _action(self, path: Path, action: Action) -> None:
        if action.id == OPEN:
            self._fault(
                (*path, "id"),
                "reserved",
                "open 即受理本身，请改用另一个代码",
                "open is the handing in itself; choose another code",
            )
        for at, name in enumerate(action.from_):
            if self._known((*path, "from", at), name, self._states, "状态", "state") and self._states[name].ends:
                self._fault(
                    (*path, "from", at),
                    "ended",
                    f"{name} 已结束，不可再动",
                    f"{name} has ended; nothing leads on from it",
                )
            elif name in self._states and (action.not_before_s or 0) > (self._states[name].within_s or 0):
                self._fault(
                    (*path, "not_before"),
                    "too-late",
                    f"长于 {name} 的时限，必定超时",
                    f"longer than the deadline of {name}, which would always be missed",
                )
        self._known((*path, "to"), action.to, self._states, "状态", "state")
        for key, found in (("from", action.from_), ("roles", action.roles)):
            if not found:
                self._fault((*path, key), "empty", "至少要有一项", "at least one is needed")
        if action.asks_satisfaction:
            self._asks_satisfaction((*path, "asks_satisfaction"), action)
        for at, name in enumerate(action.needs):
            self._known((*path, "needs", at), name, self._fields, "字段", "field")
        fees, messages = {fee.code for fee in self._text.fees}, {message.id for message in self._text.messages}
        for at, name in enumerate(action.fees):
            self._known((*path, "fee", at), name, fees, "费用", "fee")
        for at, name in enumerate(action.messages):
            self._known((*path, "message", at), name, messages, "消息", "message")

    def _asks_satisfaction(self, path: Path, action: Action) -> None:
        """The customer is on the line to be asked, and is asked once: as the item ends."""
        if not action.after_call_back:
            self._fault(
                path,
                "satisfaction",
                "回访时才能问客户，请加 after_call_back = true",
                "the customer is asked when called back; add after_call_back = true",
            )
        if action.to in self._states and self._states[action.to].ends is None:
            self._fault(
                path,
                "satisfaction",
                f"{action.to} 未结束；每张工单只在结束时问一次，请写在结束的动作上",
                f"{action.to} does not end the item, which is asked about once; put it on an action that ends it",
            )

    def _ways(self) -> None:
        """Every state is reached, and from every one an end."""
        onwards: dict[str, set[str]] = defaultdict(set)
        for action in self._text.actions:
            for name in action.from_:
                onwards[name].add(action.to)
        reached = _reachable([self._text.states[0].id], onwards)
        backwards: dict[str, set[str]] = defaultdict(set)
        for name, ways in onwards.items():
            for way in ways:
                backwards[way].add(name)
        ending = _reachable([state.id for state in self._text.states if state.ends], backwards)
        for at, state in enumerate(self._text.states):
            if state.id not in reached:
                self._fault(("state", at), "unreachable", f"没有动作通向 {state.id}", f"no action leads to {state.id}")
            elif state.ends is None and state.id not in ending:
                self._fault(
                    ("state", at),
                    "no-end",
                    f"从 {state.id} 到不了任何结束状态，请加一个动作",
                    f"no end can be reached from {state.id}; add an action",
                )

    def _rules(self) -> None:
        actions = {OPEN, *(action.id for action in self._text.actions)}
        for at, rule in enumerate(self._text.rules):
            path: Path = ("rule", at)
            for place, name in enumerate(rule.at):
                self._known((*path, "at", place), name, actions, "动作", "action")
            if not rule.at:
                self._fault((*path, "at"), "empty", "至少要有一项", "at least one is needed")
            self._rule_says(path, rule)
            if rule.kind == "field_is" and rule.field is not None and rule.is_:
                self._when(path, When(field=rule.field, is_=rule.is_), self._text.fields)
            else:
                self._rule_fields(path, rule)

    def _rule_says(self, path: Path, rule: Rule) -> None:
        """What its kind needs, and nothing else."""
        said: dict[str, object] = {"values": rule.values, "field": rule.field, "other": rule.other}
        said |= {"days": rule.days, "count": rule.count, "is": rule.is_}
        for key, value in said.items():
            missing = value in (None, ())
            if missing and key in NEEDED[rule.kind]:
                self._fault(path, "rule", f"{rule.kind} 须有 {key}", f"{rule.kind} needs {key}")
            elif not missing and key not in NEEDED[rule.kind]:
                self._fault((*path, key), "rule", f"{rule.kind} 没有此项，请删去", f"{rule.kind} has none; remove it")

    def _rule_fields(self, path: Path, rule: Rule) -> None:
        for key in ("field", "other"):
            name = getattr(rule, key)
            if (
                name is not None
                and self._known((*path, key), name, self._fields, "字段", "field")
                and key in NEEDED[rule.kind]
                and "days" in NEEDED[rule.kind]
                and self._fields[name].type != "date"
            ):
                self._fault((*path, key), "rule", f"{name} 不是日期", f"{name} is no date")

    # ── money and messages ──────────────────────────────────────────────────────────────────────────────────────────
    def _fees(self) -> None:
        used = {name for action in self._text.actions for name in action.fees}
        for at, fee in enumerate(self._text.fees):
            if fee.until is not None and fee.until < fee.from_:
                self._fault(("fee", at, "until"), "period", f"早于 from（{fee.from_}）", f"before from ({fee.from_})")
            if fee.deposit and fee.monthly:
                self._fault(
                    ("fee", at, "monthly"),
                    "deposit",
                    "押金不按月收取，请删去",
                    "a deposit is not charged monthly; remove it",
                )
            if (
                fee.per is not None
                and self._known(("fee", at, "per"), fee.per, self._fields, "字段", "field")
                and self._fields[fee.per].type != "number"
            ):
                self._fault(("fee", at, "per"), "per", f"{fee.per} 不是数", f"{fee.per} is no number")
            if fee.when is not None:
                self._when(("fee", at, "when"), fee.when, self._text.fields)
            if fee.code not in used and self._text.states:
                self._fault(("fee", at, "code"), "unused", "没有动作产生此费用", "no action makes this fee due")
            for other in self._text.fees[:at]:
                if fee.collides(other):
                    self._fault(
                        ("fee", at, "from"),
                        "period",
                        f"{fee.code} 在这段时间已有另一金额（{other.from_} 起）",
                        f"{fee.code} has another amount in this period already (from {other.from_})",
                    )
                    break

    def _messages(self) -> None:
        used = {name for action in self._text.actions for name in action.messages}
        if self._text.mass_over is not None:
            self._known(
                ("mass_over",), self._text.mass_over, [one.id for one in self._text.messages], "消息", "message"
            )
            used.add(self._text.mass_over)
        known = {*self._fields, *ALWAYS_KNOWN}
        for at, message in enumerate(self._text.messages):
            path: Path = ("message", at)
            for blank in sorted(message.blanks):
                self._known(path, blank, known, "可填入的字段", "field that could be filled in:")
            if message.id not in used and self._text.states:
                self._fault((*path, "id"), "unused", "没有动作发出此消息", "no action sends this message")


def _values_of(field: Field) -> tuple[str, ...] | None:
    """The values that a condition can name; empty: any; None: nothing can depend on the field."""
    match field.type:
        case "choice":
            return tuple(choice.code for choice in field.choices)
        case "yes_no":
            return ("yes", "no")
        case "number":
            return ()
        case _:
            return None


def _reachable(begin: Iterable[str], ways: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    ahead = list(begin)
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += ways.get(name, ())
    return reached
