"""The ground the product stands on: what docs/asterisk.md promises, asked of real switches, telephones and callers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pika
import pytest

from simulation.machines.addresses import claimed_slot
from simulation.machines.asterisk import Asterisk
from simulation.machines.baresip import Softphone
from simulation.machines.launch import POLL
from simulation.machines.rabbitmq import BrokerUser, slot_rabbitmq
from simulation.machines.sipp import AnsweringSeats, Callers, start_callers, start_seats
from simulation.machines.trouble import MachineTrouble
from tests.harness.real_machines import Switches, require, three_switches
from tests.real.ari_probe import AriProbe

CALLER_TONE, SEAT_TONE = 1700.0, 1000.0


@pytest.fixture(scope="module")
def switches() -> Iterator[Switches]:
    with three_switches() as running:
        yield running


def callers(switches: Switches, city: str, name: str, **more: object) -> Callers:
    spec = switches[city].spec
    door = f"{spec.sip_address}:{spec.sip_port}"
    return Callers(name, door, switches.slot.outside(50), **more)  # type: ignore[arg-type]


def test_without_a_site_node_the_public_door_refuses_at_once(switches: Switches, tmp_path: Path) -> None:
    """A city whose program is away sends callers elsewhere with 503 instead of letting them hear nothing."""
    require("sipp")
    for city in ("guangzhou", "shenzhen", "foshan"):
        result = start_callers(callers(switches, city, city, calls=2), tmp_path / city).wait(15)
        assert result.refused_with() == [503, 503]


def test_a_call_to_the_one_number_reaches_the_application(switches: Switches, tmp_path: Path) -> None:
    """10000 arrives with the number dialled and the caller's number; its digits are heard."""
    require("sipp")
    with closing(AriProbe(switches["guangzhou"].spec)) as ari:
        running = start_callers(
            callers(switches, "guangzhou", "one", caller="13800138000", tone=CALLER_TONE, digits="1", talk=2.0),
            tmp_path,
        )
        start = ari.wait_for("StasisStart")
        channel = start["channel"]["id"]
        assert start["args"] == ["public", "10000", "13800138000"]
        assert start["channel"]["channelvars"]["YHT_ROLE"] == "customer"
        assert ari.request("POST", f"/channels/{channel}/answer")[0] == 204
        assert ari.request("POST", f"/channels/{channel}/play", media="sound:yht/welcome")[0] == 201
        assert ari.wait_for("ChannelDtmfReceived")["digit"] == "1"
        ari.wait_for("ChannelHangupRequest", channel_id=channel)
        result = running.wait(15)
    assert (result.count("answered"), result.count("hung-up")) == (1, 1)


def test_texts_from_outside_cannot_shift_an_argument(switches: Switches, tmp_path: Path) -> None:
    """A caller's number with a comma in it stays one argument."""
    require("sipp")
    with closing(AriProbe(switches["foshan"].spec)) as ari:
        running = start_callers(callers(switches, "foshan", "comma", caller="1,trunk,x", talk=1.0), tmp_path)
        start = ari.wait_for("StasisStart")
        ari.request("DELETE", f"/channels/{start['channel']['id']}")
        running.wait(15)
    assert start["args"] == ["public", "10000", "1trunkx"]


def test_a_seat_may_call_nobody(switches: Switches, tmp_path: Path) -> None:
    """Agents act through the agent API only: what a seat dials itself is refused."""
    require("baresip")
    phone = switches.seat_phone("guangzhou", "8001", tmp_path, nth=0)
    try:
        phone.start()
        switches["guangzhou"].wait_for_seats(["8001"])
        phone.dial(f"sip:10000@{switches['guangzhou'].spec.sip_address}")
        assert "403" in phone.wait_for("CALL_CLOSED")["param"]
    finally:
        phone.stop()


def test_a_wrong_password_does_not_register(switches: Switches, tmp_path: Path) -> None:
    """A seat belongs to whoever knows its password."""
    require("baresip")
    phone = switches.seat_phone("guangzhou", "8002", tmp_path, nth=1)
    wrong = Softphone(replace(phone.spec, password="guess"), phone.directory)
    try:
        with pytest.raises(MachineTrouble, match="phone-not-registered"):
            wrong.start()
    finally:
        wrong.stop()


def test_a_call_between_cities_is_heard_both_ways_and_a_busy_seat_is_refused(
    switches: Switches, tmp_path: Path
) -> None:
    """A caller in 广州 talks to a seat in 深圳: token, tones, and a second call refused."""
    require("baresip")
    home, away = switches["guangzhou"], switches["shenzhen"]
    seat = switches.seat_phone("shenzhen", "8001", tmp_path, nth=2, tone=SEAT_TONE)
    caller = switches.caller_phone("guangzhou", "13800138000", tmp_path, nth=3, tone=CALLER_TONE)
    with closing(AriProbe(home.spec)) as anchor, closing(AriProbe(away.spec)) as serving:
        try:
            seat.start()
            caller.start()
            away.wait_for_seats(["8001"])
            caller.dial(f"sip:10000@{home.spec.sip_address}")
            customer = anchor.wait_for("StasisStart")["channel"]["id"]
            anchor.request("POST", f"/channels/{customer}/answer")
            anchor.request(
                "POST",
                "/channels",
                {"variables": {"PJSIP_HEADER(add,X-Yht-Token)": "t-1", "PJSIP_HEADER(add,X-Yht-Contact)": "c-1"}},
                endpoint="PJSIP/7701@trunk-shenzhen",
                app=home.spec.application,
                channelId="leg-1",
            )
            start = serving.wait_for("StasisStart")
            leg = start["channel"]["id"]
            assert start["args"] == ["trunk", "guangzhou", "7701", "t-1"]
            assert start["channel"]["channelvars"]["YHT_CONTACT"] == "c-1"

            _ring(serving, "seat-1")
            seat.wait_for("CALL_INCOMING")
            status, _ = _create(serving, "seat-2")
            assert (status, serving.variable("seat-2", "GROUP_COUNT(8001@seat)")) == (200, "2")
            serving.request("DELETE", "/channels/seat-2")
            serving.wait_for("ChannelDestroyed", channel_id="seat-2")
            assert serving.variable("seat-1", "GROUP_COUNT(8001@seat)") == "1"

            seat.accept()
            seat.wait_for("CALL_ESTABLISHED")
            serving.request("POST", f"/channels/{leg}/answer")
            _bridge(serving, leg, "seat-1")
            anchor.wait_for("StasisStart", channel_id="leg-1")
            _bridge(anchor, customer, "leg-1")
            _hears(seat, CALLER_TONE, not_heard=SEAT_TONE)
            _hears(caller, SEAT_TONE, not_heard=CALLER_TONE)
            caller.hangup()
            anchor.wait_for("StasisEnd", channel_id=customer)
            anchor.request("DELETE", "/channels/leg-1")
            serving.wait_for("StasisEnd", channel_id=leg)
            serving.request("DELETE", "/channels/seat-1")
            seat.wait_for("CALL_CLOSED")
        finally:
            caller.stop()
            seat.stop()


def _until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(POLL)


def _create(ari: AriProbe, channel: str) -> tuple[int, object]:
    return ari.request(
        "POST",
        "/channels/create",
        endpoint="PJSIP/8001",
        app=ari.spec.application,
        appArgs="seat,8001",
        channelId=channel,
    )


def _ring(ari: AriProbe, channel: str) -> None:
    assert _create(ari, channel)[0] == 200
    assert ari.variable(channel, "GROUP_COUNT(8001@seat)") == "1"
    ari.wait_for("StasisStart", channel_id=channel)
    assert ari.request("POST", f"/channels/{channel}/dial", timeout="20")[0] == 204


def _bridge(ari: AriProbe, *channels: str) -> None:
    bridge = f"bridge-{channels[0]}"
    assert ari.request("POST", "/bridges", type="mixing", bridgeId=bridge)[0] == 200
    assert ari.request("POST", f"/bridges/{bridge}/addChannel", channel=",".join(channels))[0] == 204


def _hears(phone: Softphone, tone: float, *, not_heard: float, seconds: float = 8.0) -> None:
    """Wait until the last half second heard is the tone and nothing of the telephone's own."""
    end = time.monotonic() + seconds
    while True:
        last = phone.heard().part(-0.5, 0.5)
        if last.seconds >= 0.5 and last.level(tone) > 0.2 and last.level(not_heard) < 0.02:
            return
        assert time.monotonic() < end, (
            f"heard {last.level(tone):.3f} of {tone} Hz, {last.level(not_heard):.3f} of its own"
        )
        time.sleep(POLL)


def test_a_third_city_forwards_and_a_loop_is_refused(switches: Switches) -> None:
    """By way of 深圳 a leg reaches 佛山 with its token (迂回路由); after two hops it is refused."""
    first, last = switches["guangzhou"], switches["foshan"]
    with closing(AriProbe(first.spec)) as anchor, closing(AriProbe(last.spec)) as serving:
        _originate(anchor, "*foshan*7701", "via-1", {"X-Yht-Token": "t-9", "X-Yht-Attempt": "a-1"})
        start = serving.wait_for("StasisStart")
        assert start["args"] == ["trunk", "shenzhen", "7701", "t-9"]
        assert start["channel"]["channelvars"]["YHT_ATTEMPT"] == "a-1"
        anchor.request("DELETE", "/channels/via-1")
        serving.wait_for("StasisEnd")

        _originate(anchor, "*foshan*7701", "via-2", {"X-Yht-Hops": "2"})
        assert anchor.wait_for("ChannelDestroyed", channel_id="via-2")["tech_cause"] == 603
        _originate(anchor, "*peking*7701", "via-3", {})
        assert anchor.wait_for("ChannelDestroyed", channel_id="via-3")["tech_cause"] == 404


def _originate(ari: AriProbe, number: str, channel: str, headers: dict[str, str]) -> None:
    variables = {f"PJSIP_HEADER(add,{name})": value for name, value in headers.items()}
    status, answer = ari.request(
        "POST",
        "/channels",
        {"variables": variables},
        endpoint=f"PJSIP/{number}@trunk-shenzhen",
        app=ari.spec.application,
        channelId=channel,
        timeout="20",
    )
    assert status == 200, answer


def test_answering_seats_are_rung_and_released(switches: Switches, tmp_path: Path) -> None:
    """SIPp plays all telephones of a city: each rings, answers by itself and is released by the switch."""
    require("sipp")
    switch = switches["foshan"]
    seats = start_seats(
        AnsweringSeats("foshan", switch, switch.spec.seats, switches.slot.outside(60), ring=0.1), tmp_path
    )
    with closing(AriProbe(switch.spec)) as ari:
        for seat in switch.spec.seats:
            channel = f"out-{seat.user}"
            ari.request(
                "POST", "/channels", endpoint=f"PJSIP/{seat.user}", app=switch.spec.application, channelId=channel
            )
            ari.wait_for("StasisStart", channel_id=channel)
            ari.request("DELETE", f"/channels/{channel}")
            ari.wait_for("ChannelDestroyed", channel_id=channel)
        counted = seats.stop()
    assert counted.count("answered") == counted.count("released") == len(switch.spec.seats)


def test_a_killed_switch_comes_back_with_its_seats(switches: Switches, tmp_path: Path) -> None:
    """A kill -9 and a new start: ARI answers, and a registered telephone is known without registering anew."""
    require("baresip")
    switch = switches["shenzhen"]
    phone = switches.seat_phone("shenzhen", "8003", tmp_path, nth=4)
    try:
        phone.start()
        _until(lambda: "8003" in switch.kept_registrations())
        switch.kill()
        assert not switch.ari_answers()
        switch.restart()
        switch.wait_for_seats(["8003"])
    finally:
        phone.stop()


def test_a_taken_address_is_named(switches: Switches) -> None:
    """Starting a second switch at the same address says which address and which switch, and harms nothing."""
    switch = switches["guangzhou"]
    double = Asterisk(switch.root, switch.spec, switch.directory.with_name("double"))
    with pytest.raises(MachineTrouble, match=rf"port-taken.*{switch.spec.sip_address}:{switch.spec.sip_port}"):
        double.start()
    assert switch.ari_answers()


def test_a_broker_keeps_durable_messages_over_a_crash() -> None:
    """A kill -9 of RabbitMQ loses nothing durable; a frozen one takes no connection; its users are those asked for."""
    require("rabbitmq")
    with claimed_slot() as slot:
        broker = slot_rabbitmq(slot, users=[BrokerUser("onlooker", "onlooker")])
        broker.remove()
        try:
            broker.start()
            with closing(pika.BlockingConnection(pika.URLParameters(broker.spec.uri("onlooker")))) as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                channel.queue_declare("kept", durable=True)
                channel.basic_publish("", "kept", b"row", pika.BasicProperties(delivery_mode=2))
            broker.kill()
            assert not broker.takes_connections()
            broker.start()
            assert "kept\t1" in broker.ctl("list_queues", "-p", "yihaotong", "name", "messages")
            broker.suspend()
            assert not broker.takes_connections()
            broker.resume()
            assert broker.takes_connections()
        finally:
            broker.remove()


def test_a_trunk_without_speech_lives_and_a_dead_one_is_noticed(switches: Switches, tmp_path: Path) -> None:
    """O5: silence is no death, because trunks send packets of their own; a frozen city is noticed after the timeout."""
    require("sipp")
    home, away = switches["guangzhou"], switches["foshan"]
    timeout = home.spec.trunk_rtp_timeout
    with closing(AriProbe(home.spec)) as anchor, closing(AriProbe(away.spec)) as serving:
        running = start_callers(callers(switches, "guangzhou", "silent", talk=120.0), tmp_path)
        try:
            customer = anchor.wait_for("StasisStart")["channel"]["id"]
            anchor.request("POST", f"/channels/{customer}/answer")
            anchor.request(
                "POST", "/channels", endpoint="PJSIP/7702@trunk-foshan", app=home.spec.application, channelId="quiet-1"
            )
            leg = serving.wait_for("StasisStart")["channel"]["id"]
            serving.request("POST", f"/channels/{leg}/answer")
            anchor.wait_for("StasisStart", channel_id="quiet-1")
            _bridge(anchor, customer, "quiet-1")
            with pytest.raises(AssertionError, match="no StasisEnd"):
                serving.wait_for("StasisEnd", timeout + 3.0, channel_id=leg)
            away.suspend()
            anchor.wait_for("StasisEnd", timeout + 10.0, channel_id="quiet-1")
        finally:
            away.resume()
            running.stop()
