"""Records what real switches send, as fixtures for tests/unit/switch: ``python -m tests.harness.record_ari``.

To be run again for a new version of Asterisk; a difference in the fixtures shows what it changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataset.ids import CityId, ContactId, Token
from site_node.core.telephony import (
    Alert,
    Answer,
    Cause,
    Clear,
    Cleared,
    Delivered,
    Established,
    Join,
    Leg,
    Make,
    Mark,
    Offered,
    Play,
    Played,
    Prompt,
    Role,
    Seat,
    Trunk,
)
from site_node.switch.asterisk.adapter import AsteriskSwitch
from tests.contract.switch.asterisk_world import AsteriskCity, AsteriskWorld, RealCaller

FOLDER = Path(__file__).parents[1] / "unit" / "switch" / "ari"
CONTACT = ContactId("0020-7f3a9c21-000001")
TOKEN = Token("8d21c0aa-00002f")
NOT_KEPT = ("asterisk_id", "timestamp", "creationtime", "protocol_id", "accountcode")
"""They differ in every run and are of no use to anybody."""


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(inner) for key, inner in value.items() if key not in NOT_KEPT}
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value


class Recorder:
    """Plays scenes on a world and keeps the events of each."""

    def __init__(self, world: AsteriskWorld) -> None:
        self.world = world
        self.events: list[dict[str, Any]] = []

    def listen(self, side: AsteriskCity) -> None:
        """Keep what the adapter in use at ``side`` is told from now on."""
        switch = side.switch
        assert isinstance(switch, AsteriskSwitch)
        tell = switch._ari._event

        def kept(message: dict[str, Any]) -> None:
            self.events.append(message)
            tell(message)

        switch._ari._event = kept

    def scene(self, name: str, side: AsteriskCity, play: Callable[[AsteriskWorld], None]) -> None:
        """Play one scene; what ``side`` heard goes to ``<name>.jsonl``."""
        self.world.begin()
        self.events = []
        self.listen(side)
        play(self.world)
        self.world.nothing_more(0.3)
        lines = [json.dumps(_cleaned(event), ensure_ascii=False) for event in self.events]
        (FOLDER / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        self.world.end()


def customer(world: AsteriskWorld) -> None:
    caller, connection = world.here.answered("112", "13800000001")
    world.here.request(Play(connection, (Prompt("main-menu"),), barge_in=True))
    world.until(caller.hears_sound)
    caller.press("5")
    world.here.first(Played, connection)
    world.here.request(Play(connection, (Prompt("queue-position", 3),)))
    world.until(lambda: len(world.here.all_of(Played, connection)) == 2)
    caller.hang_up()
    world.here.first(Cleared, connection)


def customer_gives_up(world: AsteriskWorld) -> None:
    caller, connection = world.here.offered()
    caller.hang_up()
    world.here.first(Cleared, connection)


def customer_sent_away(world: AsteriskWorld) -> None:
    _, connection = world.here.answered()
    world.here.request(Play(connection, (Prompt("main-menu"),)))
    world.nothing_more(0.2)
    world.here.request(Clear(connection))
    world.here.first(Cleared, connection)


def _ring(world: AsteriskWorld, ring_s: float = 20.0) -> tuple[Any, Any]:
    phone = world.here.seat("8001")
    connection = world.new_connection()
    world.here.request(Make(connection, Seat("8001"), Leg(CONTACT, 1, Role.SEAT), ring_s, calling="13800000001"))
    world.here.first(Delivered, connection)
    return phone, connection


def seat_answers(world: AsteriskWorld) -> None:
    phone, connection = _ring(world)
    phone.answer()
    world.here.first(Established, connection)
    phone.hang_up()
    world.here.first(Cleared, connection)


def seat_declines(world: AsteriskWorld) -> None:
    phone, connection = _ring(world)
    phone.reject()
    world.here.first(Cleared, connection)


def seat_is_busy(world: AsteriskWorld) -> None:
    phone, connection = _ring(world)
    phone.hang_up()
    world.here.first(Cleared, connection)


def seat_does_not_answer(world: AsteriskWorld) -> None:
    _, connection = _ring(world, 0.5)
    world.here.first(Cleared, connection)


def seat_falls_silent(world: AsteriskWorld) -> None:
    phone, connection = _ring(world)
    phone.answer()
    world.here.first(Established, connection)
    phone.line.voice.close()
    world.here.first(Cleared, connection, within=20.0)


def caller_falls_silent(world: AsteriskWorld) -> None:
    caller, connection = world.here.answered()
    assert isinstance(caller, RealCaller)
    assert caller.line is not None
    caller.line.voice.close()
    world.here.first(Cleared, connection, within=20.0)


def _extended(world: AsteriskWorld) -> tuple[Any, Any]:
    here = world.new_connection()
    leg = Leg(CONTACT, 2, Role.OUTBOUND, TOKEN)
    world.here.request(Make(here, Trunk(CityId("shenzhen"), "7701", TOKEN), leg, 20.0, calling="13800000001"))
    return here, world.there.first(Offered).connection


def _answered(world: AsteriskWorld) -> tuple[Any, Any]:
    here, there = _extended(world)
    world.there.request(Alert(there))
    world.here.first(Delivered, here)
    world.there.request(Answer(there))
    world.here.first(Established, here)
    world.there.first(Established, there)
    return here, there


def finished_by_the_far_city(world: AsteriskWorld) -> None:
    here, there = _answered(world)
    world.there.request(Clear(there, Cause.FINISHED))
    world.here.first(Cleared, here)


def transferred_by_the_anchor(world: AsteriskWorld) -> None:
    here, there = _answered(world)
    world.here.request(Clear(here, Cause.TRANSFERRED))
    world.there.first(Cleared, there)


def refused_by_the_far_city(world: AsteriskWorld) -> None:
    here, there = _extended(world)
    world.there.request(Clear(there, Cause.REFUSED))
    world.here.first(Cleared, here)


def far_city_falls_silent(world: AsteriskWorld) -> None:
    here, there = _answered(world)
    far = world.there
    assert isinstance(far, AsteriskCity)
    far.asterisk.suspend()
    world.here.first(Cleared, here, within=20.0)
    far.asterisk.resume()
    world.there.first(Cleared, there, within=20.0)


def record_snapshot(world: AsteriskWorld) -> None:
    """Channels and bridges of a talk, a waiting caller, an unmarked caller and a leg from another city."""
    caller, customer_leg = world.here.answered("112", "13800000005")
    world.here.request(Mark(customer_leg, Leg(CONTACT, 0, Role.CUSTOMER)))
    phone, seat = _ring(world)
    phone.answer()
    world.here.first(Established, seat)
    world.here.request(Join(customer_leg, seat))
    world.until(lambda: caller.hears(phone))
    world.here.offered("10000", "13800000006")
    back = world.new_connection()
    leg = Leg(ContactId("0755-8d21c0aa-000002"), 3, Role.OUTBOUND, TOKEN)
    world.there.request(Make(back, Trunk(CityId("guangzhou"), "7702", TOKEN), leg, 20.0, calling="13900000000"))
    world.until(lambda: len(world.here.all_of(Offered)) == 3)
    switch = world.here.switch
    assert isinstance(switch, AsteriskSwitch)
    kept = {}
    for name in ("channels", "bridges"):
        answer = world.driver.result_of(switch._ari.ask("GET", (name,)), 5.0)
        kept[name] = _cleaned(answer.value())
    (FOLDER / "snapshot.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


def main() -> None:
    """Record all scenes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    world = AsteriskWorld(rtp_timeout_s=2)
    here, there = world.here, world.there
    assert isinstance(here, AsteriskCity)
    assert isinstance(there, AsteriskCity)
    recorder = Recorder(world)
    for play in (
        *(customer, customer_gives_up, customer_sent_away, caller_falls_silent),
        *(seat_answers, seat_declines, seat_is_busy, seat_does_not_answer, seat_falls_silent),
        *(finished_by_the_far_city, refused_by_the_far_city, far_city_falls_silent),
    ):
        recorder.scene(play.__name__, here, play)
    recorder.scene("transferred_by_the_anchor", there, transferred_by_the_anchor)
    record_snapshot(world)
    world.end()
    world.close()


if __name__ == "__main__":
    main()
