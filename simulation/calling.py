"""``yht call``: a customer of the public network calls the one number of a province that ``yht up`` runs."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulation.machines.addresses import City, Slot
from simulation.machines.launch import POLL
from simulation.machines.sipp import Callers, Seen, Sipp, hang_up, listens, start_callers
from simulation.machines.trouble import MachineTrouble
from simulation.machines.voices import CUSTOMER_CALLING, spoken

FIRST_KEY_AFTER_S = 2.0
PLACES = range(80, 100)
"""Addresses for callers, one for each ``yht call`` at a time."""
PORT = 5060
SAID = {
    "dialled": ("已拨号", "dialled"),
    "answered": ("接通，进入语音菜单和排队", "through: in the menu, then in the queue"),
    "released": ("中心挂机", "the center has hung up"),
    "hung-up": ("客户挂机", "the customer has hung up"),
    "gave-up": ("无人应答，客户放弃", "no answer: the customer gives up"),
}


@dataclass(frozen=True, slots=True)
class Calling:
    """What the customers do. Times in seconds."""

    city: City
    number: str
    caller: str
    """the number shown; with several calls the last digit counts up from it"""
    keys: str
    calls: int
    talk: float
    patience: float


def caller_pattern(caller: str, calls: int) -> str:
    """What SIPp puts as the calling number: ``caller``, or as many that begin like it."""
    return caller if calls == 1 else f"{caller[:-1]}[call_number]"


def told(seen: Seen) -> str:
    """One line of what happened, empty where nobody needs to know."""
    code = seen.what.removeprefix("refused-")
    zh, en = SAID.get(seen.what, ("", "")) if code == seen.what else ("被拒绝", f"refused (SIP {code})")
    clock = time.strftime("%H:%M:%S", time.localtime(seen.at))
    return f"{clock}  {zh} · {en}" if zh else ""


def place_calls(calling: Calling, slot: Slot, say: Callable[[str], None]) -> None:
    """Call, say what happens, and return when all have hung up. Raises ``MachineTrouble``."""
    door = slot.main(calling.city)
    if not listens(door, PORT):
        raise MachineTrouble(
            "switch-not-there",
            zh=f"{calling.city.zh}的交换机没有运行，请先在另一个终端运行 yht up",
            en=f"the switch of {calling.city.id} does not run: first start yht up in another terminal",
            place=f"{door}:{PORT}",
        )
    with tempfile.TemporaryDirectory(prefix="yht-call-") as folder:
        callers = Callers(
            name="call",
            door=f"{door}:{PORT}",
            address=_free_place(slot),
            number=calling.number,
            caller=caller_pattern(calling.caller, calling.calls),
            calls=calling.calls,
            rate=1.0,
            patience=calling.patience,
            talk=calling.talk,
            digits=calling.keys,
            first_digit_after=FIRST_KEY_AFTER_S,
            speech=spoken(CUSTOMER_CALLING),
            polite=True,
        )
        with _calls(callers, Path(folder)) as sipp:
            shown = 0
            while True:
                alive = sipp.process.alive()  # asked first, so that the last lines are read after its end
                seen = sipp.result().seen
                for line in filter(None, map(told, seen[shown:])):
                    say(line)
                shown = len(seen)
                if not alive:
                    return
                time.sleep(POLL)


@contextmanager
def _calls(callers: Callers, folder: Path) -> Iterator[Sipp]:
    """Whatever happens, nobody goes on calling, and the center hears so: for the silent it would wait on."""
    sipp = start_callers(callers, folder)
    try:
        yield sipp
    finally:
        if sipp.process.alive():
            hang_up(callers, sipp)


def _free_place(slot: Slot) -> str:
    for nth in PLACES:
        address = slot.outside(nth)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, PORT))
            except OSError:
                continue
        return address
    raise MachineTrouble(
        "callers-too-many",
        zh=f"已有 {len(PLACES)} 个 yht call 在呼叫，请等其中一个结束",
        en=f"{len(PLACES)} yht call are calling already: wait until one of them ends",
        place=f"{slot.outside(PLACES[0])}:{PORT}",
    )
