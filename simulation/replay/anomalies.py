"""What is of the form of a trace but cannot have been so, or was not so elsewhere: named, counted, never hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from simulation.replay.trace import DAY_S, Outcome, Span, TraceCall, calls_by_server


class AnomalyKind(StrEnum):
    """Kinds of anomaly; the value is stable."""

    AGENT_WITHOUT_SERVER = "agent-without-server"
    AGENT_WITHOUT_SERVICE = "agent-without-service"
    OVERLAPPING_SERVICES = "overlapping-services"
    SERVICE_BEFORE_MENU_END = "service-before-menu-end"
    SERVICE_BEFORE_QUEUE_END = "service-before-queue-end"
    SERVICE_LATE = "service-late"
    HANG_WITH_SERVICE = "hang-with-service"
    PHANTOM_WITH_SERVICE = "phantom-with-service"
    SPAN_BACKWARDS = "span-backwards"
    QUEUE_NOT_AT_MENU_END = "queue-not-at-menu-end"
    STATED_TIME_DIFFERS = "stated-time-differs"
    OVER_MIDNIGHT = "over-midnight"
    LINE_TAKEN_TWICE = "line-taken-twice"
    CALL_ID_TWICE = "call-id-twice"
    CUSTOMER_ID_MANGLED = "customer-id-mangled"


MEANING: dict[AnomalyKind, tuple[str, str]] = {
    AnomalyKind.AGENT_WITHOUT_SERVER: ("由坐席服务但没有坐席姓名", "served, but no server is named"),
    AnomalyKind.AGENT_WITHOUT_SERVICE: ("由坐席服务但没有服务时间", "served, but without times of the service"),
    AnomalyKind.OVERLAPPING_SERVICES: ("同一坐席的服务时间重叠", "begins while the same server still serves another"),
    AnomalyKind.SERVICE_BEFORE_MENU_END: ("服务早于语音菜单结束", "service begins before vru_exit"),
    AnomalyKind.SERVICE_BEFORE_QUEUE_END: ("服务早于离开队列", "service begins before q_exit"),
    AnomalyKind.SERVICE_LATE: ("离开队列或菜单一秒以后才开始服务", "service begins over a second after queue or menu"),
    AnomalyKind.HANG_WITH_SERVICE: ("挂机但有服务时间", "hung up, but has times of a service"),
    AnomalyKind.PHANTOM_WITH_SERVICE: ("虚拟呼叫却有服务时间", "a virtual call with times of a service"),
    AnomalyKind.SPAN_BACKWARDS: ("结束早于开始", "ends before it begins"),
    AnomalyKind.QUEUE_NOT_AT_MENU_END: ("入队时刻不是菜单结束时刻", "q_start is not vru_exit"),
    AnomalyKind.STATED_TIME_DIFFERS: ("所记时长与起止不符", "the stated duration is not that of its ends"),
    AnomalyKind.OVER_MIDNIGHT: ("跨越午夜", "goes on after midnight"),
    AnomalyKind.LINE_TAKEN_TWICE: ("同一线路上的呼叫重叠", "begins while the same line still holds another call"),
    AnomalyKind.CALL_ID_TWICE: ("同日呼叫编号重复", "the same date has this call_id already"),
    AnomalyKind.CUSTOMER_ID_MANGLED: ("客户编号被写成浮点数", "the customer id was written as a floating number"),
}


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One oddity of one line; ``detail`` says with what figures."""

    kind: AnomalyKind
    line: int
    detail: str


def anomalies(calls: Iterable[TraceCall]) -> list[Anomaly]:
    """All anomalies of these calls (of one date or of many), in the order of lines."""
    known = tuple(calls)
    found = [anomaly for call in known for anomaly in _of_one(call)]
    for day in sorted({call.date for call in known}):
        that_day = tuple(call for call in known if call.date == day)
        found.extend(_overlapping_services(that_day))
        found.extend(_lines_taken_twice(that_day))
        found.extend(_ids_twice(that_day))
    return sorted(found, key=lambda anomaly: (anomaly.line, anomaly.kind))


def _of_one(call: TraceCall) -> Iterator[Anomaly]:
    def odd(kind: AnomalyKind, detail: str = "") -> Anomaly:
        return Anomaly(kind, call.line, detail)

    if "E" in call.customer:
        yield odd(AnomalyKind.CUSTOMER_ID_MANGLED, call.customer)
    for name, span in (("vru", call.menu), ("q", call.queue), ("ser", call.service)):
        if span is not None:
            yield from _of_span(call.line, name, span)
    if call.queue is not None and call.queue.begin != call.menu.end:
        yield odd(AnomalyKind.QUEUE_NOT_AT_MENU_END, f"{_clock(call.queue.begin)} ≠ {_clock(call.menu.end)}")
    if call.service is not None:
        yield from _of_service(call, call.service)
    elif call.outcome is Outcome.AGENT:
        yield odd(AnomalyKind.AGENT_WITHOUT_SERVICE, call.server)
    if call.outcome is Outcome.AGENT and not call.server:
        yield odd(AnomalyKind.AGENT_WITHOUT_SERVER)


def _of_span(line: int, name: str, span: Span) -> Iterator[Anomaly]:
    if span.length < 0:
        yield Anomaly(AnomalyKind.SPAN_BACKWARDS, line, f"{name} {_clock(span.begin)} > {_clock(span.end)}")
    elif span.length != span.stated:
        yield Anomaly(AnomalyKind.STATED_TIME_DIFFERS, line, f"{name} {span.stated} s ≠ {span.length} s")
    if span.end >= DAY_S:
        yield Anomaly(AnomalyKind.OVER_MIDNIGHT, line, f"{name} {_clock(span.begin)}–{_clock(span.end)}")


def _of_service(call: TraceCall, service: Span) -> Iterator[Anomaly]:
    if call.outcome is Outcome.HANG:
        yield Anomaly(AnomalyKind.HANG_WITH_SERVICE, call.line, f"{service.length} s")
        return
    if call.outcome is Outcome.PHANTOM:
        yield Anomaly(AnomalyKind.PHANTOM_WITH_SERVICE, call.line, f"{service.length} s")
        return
    if service.begin < call.menu.end:
        yield Anomaly(AnomalyKind.SERVICE_BEFORE_MENU_END, call.line, f"{call.menu.end - service.begin} s")
    if call.queue is not None and service.begin < call.queue.end:
        yield Anomaly(AnomalyKind.SERVICE_BEFORE_QUEUE_END, call.line, f"{call.queue.end - service.begin} s")
    before = call.queue.end if call.queue is not None else call.menu.end
    if service.begin > before + 1:
        yield Anomaly(AnomalyKind.SERVICE_LATE, call.line, f"{service.begin - before} s")


def _overlapping_services(calls: tuple[TraceCall, ...]) -> Iterator[Anomaly]:
    for server, served in calls_by_server(calls):
        until, by = -1, 0
        for call in served:
            service = call.service
            if service is None:
                continue
            if service.begin < until:
                detail = f"{server}, {until - service.begin} s, line {by}"
                yield Anomaly(AnomalyKind.OVERLAPPING_SERVICES, call.line, detail)
            if service.end > until:
                until, by = service.end, call.line


def _lines_taken_twice(calls: tuple[TraceCall, ...]) -> Iterator[Anomaly]:
    until: dict[str, tuple[int, int]] = {}
    for call in sorted(calls, key=lambda call: (call.menu.begin, call.line)):
        last, by = until.get(call.trunk, (-1, 0))
        if call.menu.begin < last:
            detail = f"{call.trunk}, {last - call.menu.begin} s, line {by}"
            yield Anomaly(AnomalyKind.LINE_TAKEN_TWICE, call.line, detail)
        end = max(span.end for span in (call.menu, call.queue, call.service) if span is not None)
        if end > last:
            until[call.trunk] = (end, call.line)


def _ids_twice(calls: tuple[TraceCall, ...]) -> Iterator[Anomaly]:
    seen: dict[str, int] = {}
    for call in calls:
        if call.call_id in seen:
            detail = f"{call.call_id}, line {seen[call.call_id]}"
            yield Anomaly(AnomalyKind.CALL_ID_TWICE, call.line, detail)
        else:
            seen[call.call_id] = call.line


def _clock(seconds: int) -> str:
    day, rest = divmod(seconds, DAY_S)
    return f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}{' +1d' * bool(day)}"
