"""Callers who need no agent, at real telephones: keys as RTP events, words heard, records that were imported."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache, partial
from shutil import copy
from typing import Any, TypeVar

import pytest

from dataset import spoken
from dataset.rows import AnyRow, ContactBorn, ContactEnded, Ending, SelfServed
from dataset.self_service import Outcome, Say
from dataset.spoken import after_number
from federation.node.login import CHEAP, UserRecord
from federation.node.users import read_users, write_users
from simulation.machines.asterisk_root import asterisk_root
from simulation.machines.places import conf_dir
from tests.harness.driving import ReactorDriver
from tests.harness.real_people import Caller, People
from tests.harness.real_province import RealProvince, Shape, real_province
from tests.harness.spoken_words import missing_word, samples_of

R = TypeVar("R")
CITY = "guangzhou"
LINE, LOCKED, PIN = "02081230001", "02081230002", "135790"
CABLE = "天河-12"
CONTENT, INSISTENT = "02081230003", "02081230004"
MASS_FAULT = "mass-fault"
DISPATCHER = UserRecord("d001", "线务调度", frozenset({"dispatcher"}), CHEAP.hash("dispatcher"))
TODAY = date.today()
LAST_MONTH = (TODAY.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
DUE_ON = TODAY + timedelta(days=20)
DUE_FEN = 11_005
RENT = 'as = "yuan"\nwith = { code = "rent_home", zh = "月租费", en = "rental" }'
FIELDS = {
    "customers": {"id": "", "name": ""},
    "lines": {"number": 'as = "number"', "customer": "", "service": 'as = "code"', "pin_digest": "", "cable": ""},
    "bills": {
        "line": 'as = "number"',
        "customer": "",
        "month": 'as = "month"',
        "items.fen": RENT,
        "total_fen": 'as = "yuan"',
        "due_on": 'as = "day"',
    },
}
"""each the name of its column too, and how it is written"""


def put_on_record(province: RealProvince) -> None:
    """Customer, two lines and a bill, as files that an operator imports while the node does not run."""
    folder = province.folder / "files"
    folder.mkdir()
    config = folder / f"{CITY}.toml"
    config.write_text(
        f'city = "{CITY}"\nprovince = "{province.folder / "province.toml"}"\ndata = "{province.folder / CITY}"\n'
        '[switch]\nurl = "http://127.0.0.1:1/ari"\npassword = "not used"\n',
        "utf-8",
    )
    pin = f'"{CHEAP.hash(PIN)}"'
    cells: dict[str, list[tuple[object, ...]]] = {
        "customers": [("440001", "陈志强")],
        "lines": [(line, "440001", "install_line", pin, CABLE) for line in (LINE, LOCKED, CONTENT, INSISTENT)],
        "bills": [(LINE, "440001", LAST_MONTH, "110.05", "110.05", DUE_ON)],
    }
    for table, fields in FIELDS.items():
        columns = "".join(f'[[column]]\nname = "{name}"\nfield = "{name}"\n{how}\n' for name, how in fields.items())
        mapping, data = folder / f"{table}.toml", folder / f"{table}.csv"
        mapping.write_text(f'table = "{table}"\nhome = "020"\n[constants]\ncity = "{CITY}"\n{columns}', "utf-8")
        data.write_text("\n".join(",".join(map(str, row)) for row in [tuple(fields), *cells[table]]), "utf-8")
        command = ("import", "--config", config, "--mapping", mapping, data)
        done = subprocess.run([sys.executable, "-m", "site_node", *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def prepare(province: RealProvince) -> None:
    """Records, the number plan that typed numbers are read by, and a dispatcher among the users."""
    copy(conf_dir() / "number_plan.toml", province.folder)
    put_on_record(province)
    users = province.folder / CITY / "users.json"
    write_users(users, [*read_users(users), DISPATCHER])


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvince]:
    shape = Shape(agents={CITY: 2, "shenzhen": 1, "foshan": 1}, wrap_up_s=5.0, services=True)
    with real_province(tmp_path_factory.mktemp("self_service"), shape, ReactorDriver(), prepare) as running:
        yield running


@cache
def words() -> dict[str, Any]:
    """What the switch says, by prompt."""
    folder = asterisk_root().prompts() / "zh" / "yht"
    return {file.stem: samples_of(file) for file in folder.glob("*.wav")}


def hears(caller: Caller, *said: str, within_s: float = 90.0) -> None:
    """These words follow one another in all that the caller has heard; listened to twice a second, for correlating
    takes time in which no key is sent.
    """
    lacking: list[str | None] = [said[0]]
    looked = 0.0

    def heard() -> bool:
        nonlocal looked
        if time.monotonic() >= looked + 0.5:
            lacking[:] = [missing_word(caller.call.voice.recording(), said, words())]
            looked = time.monotonic()
        return lacking == [None]

    assert caller.people.province.driver.until(heard, within_s), f"{lacking[0]} of {said} was not heard"


def dial(people: People, number: str) -> Caller:
    caller = people.caller(CITY, number, door="10000")
    people.wait(lambda: caller.call.state == "talking", "the switch answers")
    return caller


def rows_of(province: RealProvince, number: str) -> list[AnyRow]:
    rows = [row.row for row in province.hub_ledger()]
    own = {row.contact for row in rows if isinstance(row, ContactBorn) and row.calling == number}
    return [row for row in rows if getattr(row, "contact", None) in own]


def the_one(province: RealProvince, number: str, kind: type[R]) -> R:
    """The only row of its kind about a caller, once it is at the hub."""
    found: list[R] = []

    def there() -> bool:
        found[:] = [row for row in rows_of(province, number) if isinstance(row, kind)]
        return bool(found)

    province.wait(there, 20.0, f"{kind.__name__} of {number} is on record")
    [one] = found
    return one


def test_a_caller_hears_the_own_bill_word_for_word(province: RealProvince, people: People) -> None:
    """To the cent, by keys over the words, and on record as served; number, PIN and amount stand nowhere."""
    caller = dial(people, LINE)
    caller.call.voice.press("61")
    hears(caller, Say.OWN_NUMBER)
    caller.call.voice.press("1#")
    hears(caller, Say.ASK_PIN)
    caller.call.voice.press(f"{PIN}#")
    due = spoken.amount(DUE_FEN, "zh")
    bill = (
        Say.LAST_BILL,
        *spoken.month(LAST_MONTH, "zh"),
        Say.BILL_AMOUNT,
        *due,
        Say.PAY_BY,
        *spoken.day(DUE_ON, "zh"),
    )
    hears(caller, Say.DUE, *due, *bill, Say.AGAIN)
    caller.call.voice.press("#")
    hears(caller, Say.GOODBYE)
    people.wait(lambda: caller.call.over, "the switch hangs up after goodbye")
    assert the_one(province, LINE, SelfServed).outcome is Outcome.TOLD
    ended = the_one(province, LINE, ContactEnded)
    assert (ended.ending, ended.cause) == (Ending.COMPLETED, "self_service")
    log = (province.folder / "log" / f"{CITY}.log").read_text("utf-8")
    assert PIN not in log + repr(province.journal(CITY))
    assert str(DUE_FEN) not in log


def test_an_agent_at_any_point_sees_which_line_it_is_about(province: RealProvince, people: People) -> None:
    agent = people.agent(CITY)
    caller = dial(people, "13800000231")
    caller.call.voice.press("61")
    hears(caller, Say.ASK_NUMBER)
    caller.call.voice.press(f"{LINE}#")
    hears(caller, Say.ASK_PIN)
    caller.call.voice.press("0#")
    agent.answer()
    people.hear_each_other(caller, agent)
    assert agent.calls[0]["line"] == "020****0001"
    caller.hang_up()
    agent.wrap_up()
    assert the_one(province, "13800000231", SelfServed).outcome is Outcome.TO_AGENT


def test_three_wrong_pins_lock_the_line_and_lead_to_an_agent(province: RealProvince, people: People) -> None:
    agent = people.agent(CITY)
    caller = dial(people, LOCKED)
    caller.call.voice.press("61")
    hears(caller, Say.OWN_NUMBER)
    caller.call.voice.press("1#")
    hears(caller, Say.ASK_PIN)
    caller.call.voice.press("1#")
    hears(caller, Say.PIN_WRONG)
    caller.call.voice.press("2#")
    hears(caller, Say.PIN_WRONG, Say.PIN_WRONG)
    caller.call.voice.press("3#")
    hears(caller, Say.LOCKED)
    agent.answer()
    people.hear_each_other(caller, agent)
    caller.hang_up()
    agent.wrap_up()
    assert the_one(province, LOCKED, SelfServed).outcome is Outcome.LOCKED


def test_callers_of_a_mass_fault_hear_of_it_and_an_agent_at_any_key(province: RealProvince, people: People) -> None:
    """Who hears with the hours that the line is known to be dead, and hangs up or waits, was in no queue."""
    ask = partial(province.ask, CITY)
    token = ask("login", None, {"user": DISPATCHER.user, "password": "dispatcher"})["token"]
    declared = ask("mass_fault_declare", token, {"area": "cable", "name": CABLE, "repair_s": 3 * 3600.0})["mass_fault"]
    words = (MASS_FAULT, "number-3", after_number(MASS_FAULT))
    content = people.caller(CITY, CONTENT)
    hears(content, *words)
    people.wait(lambda: content.call.over, "the switch lets the caller go after the word", within_s=30.0)
    ended = the_one(province, CONTENT, ContactEnded)
    assert (ended.ending, ended.cause) == (Ending.MENU, "mass_fault")
    agent = people.agent(CITY)
    insistent = people.caller(CITY, INSISTENT)
    hears(insistent, *words)
    insistent.call.voice.press("5")
    agent.answer()
    people.hear_each_other(insistent, agent)
    insistent.hang_up()
    agent.wrap_up()
    ask("mass_fault_clear", token, {"mass_fault": declared["mass_fault"]})
