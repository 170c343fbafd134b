"""Whether a step of a work item may be taken: state, role, form, call-back, and what the owning city's records say."""

from __future__ import annotations

from datetime import date

from dataset.calendar import WorkCalendar, day_of
from dataset.errors import Problem, Refused
from dataset.services.form import Value, When, problems_of
from dataset.services.service import Service
from dataset.services.words import Role
from dataset.services.workflow import OPEN, Action, Rule
from dataset.work import (
    MARKS,
    NOT_SAID,
    Acted,
    Assigned,
    Attached,
    CalledBack,
    DeadlinePassed,
    Later,
    Noted,
    Opened,
    Parked,
    Pressed,
)
from federation.core.work_item import SUPERVISORS, Facts, WorkItem, filled_in, time_over

MOST_FILES = 20
"""attached to one item"""


def check_opening(service: Service, calendar: WorkCalendar, step: Opened, facts: Facts) -> None:
    """Raises ``Refused`` with everything that is wrong: the form's fields, and the service's rules."""
    if not service.makes_work:
        raise Refused(
            Problem(
                "work-none",
                zh=f"{service.name('zh')} 当场答复，不生成工单",
                en=f"{service.name('en')} is answered at once and makes no work item",
                place=service.id,
            )
        )
    found = problems_of(service.text.fields, step.values)
    found += _rules(service, calendar, OPEN, step.values, facts, step.at)
    if found:
        raise Refused(*found)


def check(service: Service, calendar: WorkCalendar, item: WorkItem, step: Later, facts: Facts) -> None:
    """Raises ``Refused`` when ``step`` may not be taken now; nothing has changed then."""
    if item.ending is not None and not isinstance(step, Noted | Attached):
        raise _refuse(
            "ended",
            "工单已结束；如事情又出现，请新建并关联",
            "the item has ended; open a new one that refers to it",
            item,
        )
    match step:
        case Acted():
            _check_action(service, calendar, item, step, facts)
        case Assigned(by=by):
            if by is not None and by.role not in SUPERVISORS and item.assignee not in (None, by.agent):
                raise _refuse(
                    "not-yours",
                    "工单已在他人手中，只有班长可改派",
                    "somebody else has the item; a supervisor may hand it on",
                    item,
                )
        case Parked(until=until, note=note):
            _check_note(item, note)
            if item.due_at is None or not step.at < until <= item.due_at:
                raise _refuse(
                    "park",
                    "暂存须晚于现在，不晚于时限",
                    "parked until later than now, and not beyond the deadline",
                    item,
                )
        case Pressed(by=by, note=note):
            _check_role(item, by.role, SUPERVISORS)
            _check_note(item, note)
        case Noted(note=note):
            _check_note(item, note)
        case Attached():
            if item.files >= MOST_FILES:
                raise Refused(
                    Problem(
                        "attachments-too-many",
                        zh=f"一张工单最多 {MOST_FILES} 个附件",
                        en=f"a work item has at most {MOST_FILES} attachments",
                        place=item.id,
                    ),
                    status=409,
                )
        case DeadlinePassed(at=at):
            if item.due_at is None or at < item.due_at:
                raise _refuse("not-due", "时限未到", "the deadline has not come", item)
        case CalledBack(how=how, note=note):
            if how == "other":
                _check_note(item, note)


def _check_action(service: Service, calendar: WorkCalendar, item: WorkItem, step: Acted, facts: Facts) -> None:
    action = service.actions.get(step.action)
    if action is None or item.state not in action.from_:
        possible = service.possible(item.state)
        zh, en = "、".join(one.zh for one in possible), ", ".join(one.id for one in possible)
        state = service.states[item.state]
        raise _refuse(
            "action", f"“{state.zh}”时不能这样做，可以：{zh}", f"not possible in {state.id}; possible: {en}", item
        )
    _check_role(item, step.by.role, action.roles)
    if action.note_required:
        _check_note(item, step.note)
    if action.after_call_back and not item.called_back:
        raise _refuse("call-back", "须先回访到客户", "the customer has to be called back and reached first", item)
    # a city of the version before asks nothing, and is not refused for it; one of this version has asked at its seat
    check_satisfaction(action, step.satisfaction, wanted=step.by.city == item.owning)
    _check_time(service, calendar, item, action, step.at)
    values = filled_in(item, step)
    found = problems_of(service.text.fields, values) + _needed(service, action, values)
    found += _rules(service, calendar, action.id, values, facts, step.at)
    if found:
        raise Refused(*found, status=409)


def check_satisfaction(action: Action, mark: int | None, *, wanted: bool = True) -> None:
    """Raises ``Refused`` 400 where ``action`` asks how satisfied the customer is and ``mark`` is missing (unless it is
    not ``wanted``) or none, or where it does not ask and there is one.
    """
    problem = None
    if not action.asks_satisfaction:
        if mark is not None:
            problem = (
                "not-asked",
                f"“{action.zh}”不问满意度，请删去",
                f"nobody is asked how satisfied they are before: {action.en}; leave it out",
            )
    elif mark is None:
        if wanted:
            problem = (
                "missing",
                f"“{action.zh}”须记满意度：{_MARKS_ZH}",
                f"how satisfied the customer is has to be written down before: {action.en}; {_MARKS_EN}",
            )
    elif mark != NOT_SAID and mark not in MARKS:
        problem = ("range", f"满意度没有 {mark}：{_MARKS_ZH}", f"{mark} is no mark of satisfaction: {_MARKS_EN}")
    if problem is not None:
        slug, zh, en = problem
        raise Refused(Problem(f"satisfaction-{slug}", zh=zh, en=en, place="satisfaction"), status=400)


_MARKS_ZH = "1 很不满意至 5 很满意，0 不愿评价或未问"
_MARKS_EN = "1 (very dissatisfied) to 5 (very satisfied), 0 where the customer would not say or was not asked"


def _check_time(service: Service, calendar: WorkCalendar, item: WorkItem, action: Action, at: float) -> None:
    """A time to think it over, or of a test, has to pass before ``action``."""
    if action.not_before_s is None:
        return
    earliest = time_over(service.states[item.state], calendar, item.since, action.not_before_s)
    if at < earliest:
        zh = f"“{action.zh}”还须等 {(earliest - at) / 3600:.1f} 小时"
        en = f"{action.id} has to wait for another {(earliest - at) / 3600:.1f} hours"
        raise _refuse("too-early", zh, en, item)


def _check_role(item: WorkItem, role: Role, wanted: tuple[Role, ...]) -> None:
    if role not in wanted:
        words = ", ".join(wanted)
        raise _refuse("role", f"此步由 {words} 做", f"this step is taken by {words}", item, status=403)


def _check_note(item: WorkItem, note: str) -> None:
    if not note.strip():
        raise _refuse("note", "须写明说明", "a note is needed", item, status=400)


def _needed(service: Service, action: Action, values: dict[str, Value]) -> tuple[Problem, ...]:
    missing = [field for field in service.text.fields if field.id in action.needs and field.id not in values]
    return tuple(
        Problem(
            "field-missing",
            zh=f"{field.zh}：{action.zh}之前须填写",
            en=f"{field.en}: has to be filled in before: {action.en}",
            place=field.id,
        )
        for field in missing
        if field.asked(values)
    )


def _refuse(slug: str, zh: str, en: str, item: WorkItem, *, status: int = 409) -> Refused:
    """A step that may not be taken."""
    return Refused(Problem(f"work-{slug}", zh=zh, en=en, place=item.id), status=status)


# ── rules ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _rules(
    service: Service, calendar: WorkCalendar, action: str, values: dict[str, Value], facts: Facts, at: float
) -> tuple[Problem, ...]:
    return tuple(
        Problem(f"rule-{rule.kind.replace('_', '-')}", zh=rule.zh, en=rule.en, place=rule.field or service.id)
        for rule in service.text.rules
        if action in rule.at and not holds(rule, calendar, values, facts, at)
    )


def holds(rule: Rule, calendar: WorkCalendar, values: dict[str, Value], facts: Facts, at: float) -> bool:
    """Whether ``rule`` is met. A date that is missing breaks no rule: whether it must be there is the form's matter."""
    match rule.kind:
        case "line_has_service":
            return any(facts.services.get(name, 0) for name in rule.values)
        case "line_lacks_service":
            return not any(facts.services.get(name, 0) for name in rule.values)
        case "at_most_per_line":
            return sum(facts.services.get(name, 0) for name in rule.values) < (rule.count or 0)
        case "no_open_item":
            return facts.open_items.isdisjoint(rule.values)
        case "no_arrears":
            return facts.arrears_fen <= 0
        case "identity_checked":
            return facts.identity_checked
        case "fields_differ":
            return rule.field not in values or values.get(rule.field) != values.get(rule.other or "")
        case "field_is":
            return When(field=rule.field or "", is_=rule.is_).holds(values)
        case "earliest_day" | "latest_day":
            return _day_holds(rule, calendar, values, at)


def _day_holds(rule: Rule, calendar: WorkCalendar, values: dict[str, Value], at: float) -> bool:
    value = values.get(rule.field or "")
    if not isinstance(value, str):
        return True
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return True  # no date: the form has said so
    limit = calendar.work_days_after(day_of(at), rule.days or 0)
    return day >= limit if rule.kind == "earliest_day" else day <= limit
