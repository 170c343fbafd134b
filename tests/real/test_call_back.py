"""回访 over a real Asterisk: the agent's own telephone, then the customer's in the public network, and the record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from dataset.rows import VOICE_OUT, CallBackEnded, ContactBorn, ContactEnded
from simulation.machines.addresses import city_of
from tests.harness.driving import ReactorDriver
from tests.harness.real_people import People, SeatedAgent
from tests.harness.real_province import RealProvince, Shape, real_province
from tests.harness.services import catalogue
from tests.harness.sip_phone import SipPhone
from tests.harness.work import form_for

CITY = "guangzhou"
LINES = ("02081230001", "02081230002")
"""one for each test, since a line has one fault at a time"""
SIP = 5060
TONE_HZ = 1500.0
"""of the customer's telephone, below those of seats"""


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvince]:
    shape = Shape(agents={CITY: 1, "shenzhen": 1, "foshan": 1}, wrap_up_s=5.0, services=True)
    with real_province(tmp_path_factory.mktemp("call_back"), shape, ReactorDriver()) as running:
        yield running


@pytest.fixture
def customer(province: RealProvince) -> Iterator[SipPhone]:
    """The telephone of every customer: it listens where the city's calls go out."""
    spec = province.switches[CITY].spec
    phone = SipPhone(province.driver.reactor, province.slot.gateway(city_of(CITY)), TONE_HZ)
    try:
        yield phone.open((spec.sip_address, spec.sip_port), SIP)
    finally:
        phone.close()


def reported(agent: SeatedAgent, line: str) -> str:
    """A fault that the agent takes in at the counter; the item."""
    values = form_for(catalogue().services["fault"], now=time.time()) | {"line": line, "contact_phone": "13900000077"}
    return str(agent.do("work_open", service="fault", line=line, values=values)["item"])


def call_back(people: People, agent: SeatedAgent, customer: SipPhone, item: str) -> str:
    """Press 回访 and answer the own telephone; the customer's rings. The contact."""
    rings = customer.rings
    contact = str(agent.do("work_call_back", item=item)["contact"])
    agent.pick_up()
    people.wait(lambda: customer.rings > rings, "the customer's telephone rings", within_s=20.0)
    people.wait(lambda: told(agent)["state"] == "delivered", "the page shows that it rings")
    return contact


def told(agent: SeatedAgent) -> dict[str, Any]:
    """How the call goes, as the page shows it."""
    return dict(agent.state.get("call_back") or {"state": "", "outcome": None})


def ended(province: RealProvince, contact: str) -> tuple[CallBackEnded, ContactEnded]:
    """Its two ends, once they are at the hub; each is there once."""
    found: list[Any] = []

    def there() -> bool:
        rows = [row.row for row in province.hub_ledger() if getattr(row.row, "contact", None) == contact]
        found[:] = [row for row in rows if isinstance(row, CallBackEnded | ContactEnded)]
        return len(found) >= 2 and province.ledger_complete()

    province.wait(there, 20.0, f"{contact} has ended")
    call, end = found
    [born] = [
        row.row for row in province.hub_ledger() if isinstance(row.row, ContactBorn) and row.row.contact == contact
    ]
    assert born.channel == VOICE_OUT
    return call, end


def test_a_customer_who_answers_is_heard_and_on_record_as_reached(
    province: RealProvince, people: People, customer: SipPhone
) -> None:
    agent = people.agent(CITY)
    item = reported(agent, LINES[0])
    contact = call_back(people, agent, customer, item)
    call = customer.call
    assert call is not None
    call.answer()
    people.wait(
        lambda: agent.hears_tone(TONE_HZ) and call.voice.hears_tone(agent.phone.tone_hz),
        "agent and customer hear each other",
    )
    assert told(agent)["state"] == "established"
    assert "*" in told(agent)["number"]
    call.hang_up()
    agent.wrap_up()
    row, end = ended(province, contact)
    assert (row.outcome, end.ending) == ("reached", "completed")
    assert row.talked_s > 0
    people.wait(lambda: bool(steps(agent, item)), "the step follows from the call")
    [step] = steps(agent, item)
    assert (step["how"], step["outcome"], step["reached"], step["contact"]) == ("call", "reached", True, contact)


def test_a_customer_who_declines_was_not_reached(province: RealProvince, people: People, customer: SipPhone) -> None:
    agent = people.agent(CITY)
    item = reported(agent, LINES[1])
    contact = call_back(people, agent, customer, item)
    assert customer.call is not None
    customer.call.decline()
    people.wait(lambda: told(agent)["outcome"] == "refused", "the page says so")
    agent.wrap_up()
    call, end = ended(province, contact)
    assert (call.outcome, end.ending, end.cause) == ("refused", "closed_by_us", "rejected")
    people.wait(lambda: bool(steps(agent, item)), "the step follows from the call")
    assert [step["reached"] for step in steps(agent, item)] == [False]


def steps(agent: SeatedAgent, item: str) -> list[dict[str, Any]]:
    found = agent.do("work_item", item=item)["item"]["steps"]
    return [one for one in found if one["step"] == "called_back"]
