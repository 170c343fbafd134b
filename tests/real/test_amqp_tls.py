"""TLS to a real RabbitMQ: a good certificate is taken, every bad one refused for its own reason, with a line in the log
and a count, and what was mended is found by itself.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from dataset.errors import Refused
from dataset.ids import NodeId
from federation.core.envelope import Stream
from federation.links.amqp.reconnect import BackOff, BrokerAccess
from federation.links.amqp.tls import BrokerTls, read_tls
from simulation.machines.certificates import Signed, TrialCa
from simulation.machines.nodes import NodeProcess
from simulation.machines.places import conf_dir
from simulation.machines.rabbitmq import BrokerTlsSpec
from tests.harness.real_machines import require
from tests.harness.real_reactor import run_on_reactor
from tests.real.amqp_broker import HOST, RabbitNode, free_port
from tests.real.links import End, all_heard, row

HUB = NodeId("hub")


class TlsBroker:
    """A broker with a plain and a TLS port, and the CA that has signed its certificate."""

    def __init__(self, folder: Path, *, clients_must_show: bool = False) -> None:
        self.ca = TrialCa(folder / "ca")
        self.other_ca = TrialCa(folder / "other", "somebody else's CA")
        self.good = self.ca.sign("broker", [HOST])
        self.shown = Signed(folder / "shown.pem", folder / "shown.key")
        self._copy(self.good)
        self.port = free_port()
        tls = BrokerTlsSpec(self.ca.certificate, self.shown, self.port, clients_must_show)
        self.node = RabbitNode(folder / "rabbitmq", tls)

    def _copy(self, signed: Signed) -> None:
        shutil.copy(signed.certificate, self.shown.certificate)
        shutil.copy(signed.key, self.shown.key)

    def show(self, signed: Signed) -> None:
        """From the next handshake on, this certificate."""
        self._copy(signed)
        self.node.control("eval", "ssl:clear_pem_cache().")

    def access(self, node: str, tls: BrokerTls, *, host: str = HOST, port: int | None = None) -> BrokerAccess:
        address = f"{host}:{port or self.port}"
        return BrokerAccess((address,), self.node.login(node), connect_seconds=5.0, tls=tls)

    def trust(self, own: Signed | None = None) -> BrokerTls:
        return read_tls(self.ca.certificate, *((own.certificate, own.key) if own else ()))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    require("rabbitmq")
    made = TlsBroker(tmp_path_factory.mktemp("tls"))
    made.node.start()
    yield made
    made.node.stop()


def test_links_work_over_tls_and_their_connections_are_encrypted(broker: TlsBroker) -> None:
    """One shows a certificate of its own as well; rows arrive, and the broker lists no plain connection."""
    own = broker.ca.sign("guangzhou")

    async def work(reactor: Any) -> tuple[list[int], str]:
        made = [
            End(reactor, "hub", broker.access("hub", broker.trust())),
            End(reactor, "guangzhou", broker.access("guangzhou", broker.trust(own))),
        ]
        for end in made:
            end.start()
        for end in made:
            await end.until_up()
        await all_heard(made)
        hub, guangzhou = made
        guangzhou.post.send(HUB, row(7), Stream.LEDGER)
        await hub.received.count(1)
        listed = await deferToThread(
            broker.node.control, "list_connections", "--no-table-headers", "user", "ssl", "ssl_protocol"
        )
        for end in made:
            assert not end.link.failures
            await end.link.stop()
        return hub.numbers(), listed

    numbers, listed = run_on_reactor(work)
    assert numbers == [7]
    lines = sorted(line.split("\t")[:2] for line in listed.splitlines())
    assert lines == [["guangzhou", "true"]] * 2 + [["hub", "true"]] * 2
    print("TLS:", {line.split("\t")[2] for line in listed.splitlines()})


async def refusals(reactor: Any, access: BrokerAccess) -> set[str]:
    """The reasons for which a link does not come up, as its metric has them; it goes on trying meanwhile."""
    end = End(reactor, "guangzhou", access, back_off=BackOff(first=0.05, longest=0.2))
    end.start()
    try:
        await _until(reactor, lambda: sum(end.link.failures.values()) >= 6)
        assert end.changes.items == []
        return set(end.link.failures)
    finally:
        await end.link.stop()


async def _until(reactor: Any, condition: Callable[[], bool], within: float = 15.0) -> None:
    """Look ten times a second; fails at the deadline."""
    end = reactor.seconds() + within
    while not condition():
        assert reactor.seconds() < end, f"not within {within:g} s"
        await deferLater(reactor, 0.1)


@pytest.mark.parametrize("fault", ["tls-untrusted", "tls-wrong-host", "tls-not-spoken", "tls-refused"])
def test_what_is_wrong_with_tls_has_a_name(broker: TlsBroker, fault: str) -> None:
    """Another CA than the trusted; another host than the certificate's; a port without TLS; a certificate of a
    stranger shown by the node. Tried again and again, counted, and each time a line with the reason in two languages.
    """
    access = {
        "tls-untrusted": lambda: broker.access("guangzhou", read_tls(broker.other_ca.certificate)),
        "tls-wrong-host": lambda: broker.access("guangzhou", broker.trust(), host="localhost"),
        "tls-not-spoken": lambda: broker.access("guangzhou", broker.trust(), port=broker.node.port),
        "tls-refused": lambda: broker.access("guangzhou", broker.trust(broker.other_ca.sign("guangzhou"))),
    }[fault]()

    async def work(reactor: Any) -> set[str]:
        return await refusals(reactor, access)

    with structlog.testing.capture_logs() as lines:
        assert run_on_reactor(work) == {fault}
    said = [line for line in lines if line["event"] == "amqp_broker_unavailable"]
    assert {line["slug"] for line in said} == {fault}
    assert all("\u4e00" <= line["zh"][0] <= "\u9fff" or line["zh"].startswith("TLS") for line in said)
    assert {line["broker"] for line in said} == set(access.addresses)


def test_an_expired_certificate_is_named_and_a_new_one_is_found(broker: TlsBroker) -> None:
    """The line says when it ended; when the broker shows a good one, the link comes up without anybody's help."""
    expired = broker.ca.sign("expired", [HOST], valid_days=-1.0)

    async def work(reactor: Any) -> dict[str, int]:
        await deferToThread(broker.show, expired)
        end = End(reactor, "guangzhou", broker.access("guangzhou", broker.trust()))
        end.start()
        await _until(reactor, lambda: end.link.failures["tls-expired"] >= 3)
        assert end.changes.items == []
        await deferToThread(broker.show, broker.good)
        await end.until_up()
        await end.link.stop()
        return dict(end.link.failures)

    try:
        with structlog.testing.capture_logs() as lines:
            # while it takes the other certificate, the broker may hang up on one who had just come in
            assert {"tls-expired"} <= set(run_on_reactor(work)) <= {"tls-expired", "amqp-closed"}
    finally:
        broker.show(broker.good)
    assert any("valid from" in line.get("reason", "") for line in lines)


def test_a_broker_that_asks_for_certificates_refuses_who_has_none(tmp_path: Path) -> None:
    """With the CA's signature a node gets in, without a certificate it is told why not."""
    require("rabbitmq")
    strict = TlsBroker(tmp_path, clients_must_show=True)
    own = strict.ca.sign("guangzhou")
    strict.node.start()

    async def work(reactor: Any) -> set[str]:
        end = End(reactor, "guangzhou", strict.access("guangzhou", strict.trust(own)))
        end.start()
        await end.until_up()
        await end.link.stop()
        return await refusals(reactor, strict.access("guangzhou", strict.trust()))

    try:
        assert run_on_reactor(work, 60.0) == {"tls-refused"}
    finally:
        strict.node.stop()


def test_files_that_cannot_be_used_are_named_at_the_start(tmp_path: Path) -> None:
    """No file, no certificate in it, a key that is another's, a certificate without its key."""
    ca = TrialCa(tmp_path / "ca")
    one, other = ca.sign("one"), ca.sign("other")
    wrong: list[tuple[tuple[Path, ...], Path]] = [
        ((tmp_path / "none.pem",), tmp_path / "none.pem"),
        ((one.key,), one.key),
        ((ca.certificate, one.certificate, other.key), other.key),
        ((ca.certificate, one.certificate, one.certificate), one.certificate),
        ((ca.certificate, one.certificate), one.certificate),
    ]
    for files, named in wrong:
        with pytest.raises(Refused) as refused:
            read_tls(*files)
        [problem] = refused.value.problems
        assert (problem.slug, problem.place) == ("tls-file", str(named))


def test_the_hubs_own_program_speaks_tls_by_its_configuration(broker: TlsBroker, tmp_path: Path) -> None:
    """With the CA that the broker's certificate is of it runs; with another it says what is wrong, and does not."""

    def hub(ca: TrialCa) -> NodeProcess:
        settings = {
            "link.addresses": f"{HOST}:{broker.port}",
            "link.tls.ca": ca.certificate,
            "data": tmp_path / "data",
        }
        config = conf_dir() / "up" / "hub.toml"
        return NodeProcess("provincial_hub", config, tmp_path, listen=(HOST, free_port()), settings=settings)

    good = hub(broker.ca).start()
    try:
        assert (good.health() or {})["link"] is True
    finally:
        good.stop()
    done = subprocess.run(hub(broker.other_ca).command(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "[broker-unreachable]" in done.stderr
    assert "不是所信任的 CA" in done.stderr
    assert "is not of the trusted CA" in done.stderr
