"""A connection that is always being kept: several brokers to try, back-off with jitter, state told to one listener."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog
from twisted.application.internet import ClientService
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import clientFromString
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from dataset.errors import Problem, Refused
from federation.links.amqp.connection import BrokerConnection, Login
from federation.links.amqp.errors import AmqpFailure, BrokerLost
from federation.links.amqp.tls import BrokerTls

log = structlog.get_logger(__name__)

Prepare = Callable[[BrokerConnection], Coroutine[Deferred[Any], Any, None]]
"""Run on every new connection before it counts as connected; failing means the attempt has failed."""


class BrokerState(StrEnum):
    """What the listener hears."""

    CONNECTED = "connected"
    BLOCKED = "blocked"
    """connected, but the broker reads no publishes: short of memory or disk"""
    LOST = "lost"


FailureListener = Callable[[Problem], None]
"""Hears why a connection could not be made."""
StateListener = Callable[[BrokerState, Problem | None], None]
"""Gets the new state; with the reason for BLOCKED and LOST."""


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """Where the brokers are and how to log in.

    ``addresses`` are tried in their order at every attempt: ``host:port`` or a Twisted endpoint text such as
    ``tcp:host=10.0.0.1:port=5672``; with ``tls``, ``host:port`` only. Seconds throughout.
    """

    addresses: tuple[str, ...]
    login: Login
    connect_seconds: float = 10.0
    """for one address: line, login and preparation together"""
    call_seconds: float = 10.0
    """for one answer of the broker"""
    tls: BrokerTls | None = None
    """None: plain TCP"""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds before attempt ``n`` (1 is the first repetition): doubled each time up to ``longest``, then shortened by
    up to half at random, so that the cities do not come back in one moment.
    """

    first: float = 0.5
    longest: float = 30.0
    random: Callable[[], float] = field(default=random.random)

    def __call__(self, attempt: int) -> float:
        """The seconds."""
        whole: float = min(self.longest, self.first * 2 ** min(attempt - 1, 32))
        return whole * (1 - self.random() / 2)


def endpoint_text(address: str) -> str:
    """``host:port`` as a Twisted endpoint text; anything else is taken for one already."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "=" not in address and not host.startswith(("tcp:", "tls:", "ssl:", "unix:")):
        bare = host.removeprefix("[").removesuffix("]")
        return f"tcp:host={bare.replace(':', chr(92) + ':')}:port={port}"
    return address


def _endpoint(reactor: Any, address: str, tls: BrokerTls | None) -> Any:
    try:
        endpoint = clientFromString(reactor, endpoint_text(address))
    except (ValueError, TypeError) as error:
        raise _no_address(address, str(error)) from error
    if tls is None:
        return endpoint
    if endpoint_text(address) == address:
        raise _no_address(address, "TLS")
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    return tls.wrap(endpoint, host, address)


def _no_address(address: str, why: str) -> Refused:
    return Refused(
        Problem(
            "amqp-address",
            f"代理地址应为 主机:端口，不用 TLS 时也可为 Twisted 端点: {why}",
            f"a broker address is host:port or, without TLS, a Twisted endpoint: {why}",
            address,
        )
    )


class _ReadyConnection(Protocol):
    """What ``ClientService`` watches: exists only while a prepared connection does."""

    def __init__(self, connection: BrokerConnection) -> None:
        self.connection = connection


class _ConnectionFactory(Factory):
    noisy = False

    def __init__(self, login: Login, reactor: Any, place: str) -> None:
        self._arguments = (login, reactor, place)

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802 - Twisted's name
        return BrokerConnection(*self._arguments)


class _ReadyFactory(Factory):
    """Hands ``ClientService`` the connection that has just been prepared."""

    noisy = False
    prepared: BrokerConnection | None = None

    def buildProtocol(self, addr: IAddress | None) -> Protocol:  # noqa: N802 - Twisted's name
        assert self.prepared is not None
        return _ReadyConnection(self.prepared)


@implementer(IStreamClientEndpoint)
class _Brokers:
    """All addresses as one endpoint: the first of them that answers, takes the login and can be prepared."""

    def __init__(
        self, reactor: Any, access: BrokerAccess, prepare: Prepare, ready: _ReadyFactory, failed: FailureListener
    ) -> None:
        self._reactor = reactor
        self._failed = failed
        self._access = access
        self._prepare = prepare
        self._ready = ready
        self._endpoints = [(address, _endpoint(reactor, address, access.tls)) for address in access.addresses]
        if not self._endpoints:
            raise Refused(Problem("amqp-address", "没有给出代理地址", "no broker address is given"))

    def __repr__(self) -> str:
        return f"<brokers {', '.join(self._access.addresses)}>"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:  # noqa: N803 - Twisted's name
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> Any:
        failures: list[Exception] = []
        for address, endpoint in self._endpoints:
            try:
                connection = await self._attempt(address, endpoint)
            except (AmqpFailure, DeferredTimeout, ConnectError, OSError) as error:
                failures.append(error)
                self._report(address, error)
                continue
            return self._hand_over(connection, factory)
        raise failures[-1]

    async def _attempt(self, address: str, endpoint: Any) -> BrokerConnection:
        access = self._access
        deadline = self._reactor.seconds() + access.connect_seconds
        connecting: Deferred[BrokerConnection] = endpoint.connect(
            _ConnectionFactory(access.login, self._reactor, address)
        )
        connection = await connecting.addTimeout(access.connect_seconds, self._reactor)
        try:
            remaining = max(0.0, deadline - self._reactor.seconds())
            await Deferred.fromCoroutine(self._log_in(connection)).addTimeout(remaining, self._reactor)
        except BaseException:
            connection.transport.abortConnection()
            raise
        return connection

    async def _log_in(self, connection: BrokerConnection) -> None:
        await connection.opened()
        await self._prepare(connection)

    def _hand_over(self, connection: BrokerConnection, factory: IProtocolFactory) -> Any:
        self._ready.prepared = connection
        watched: Any = factory.buildProtocol(connection.transport.getPeer())
        self._ready.prepared = None
        watched.makeConnection(connection.transport)
        lost = connection.on_lost

        def connection_lost(problem: Problem) -> None:
            lost(problem)
            watched.connectionLost(Failure(BrokerLost(problem)))

        connection.on_lost = connection_lost
        return watched

    def _report(self, address: str, error: Exception) -> None:
        if isinstance(error, AmqpFailure):
            problem = error.problem
        elif isinstance(error, DeferredTimeout):
            seconds = self._access.connect_seconds
            problem = Problem(
                "amqp-unreachable", f"{seconds:g} 秒内未接通", f"no connection within {seconds:g} s", address
            )
        else:
            problem = Problem("amqp-unreachable", f"无法接通: {error}", f"cannot be reached: {error}", address)
        log.warning("amqp_broker_unavailable", slug=problem.slug, broker=address, reason=problem.en, zh=problem.zh)
        self._failed(problem)


class KeptConnection:
    """One connection to one of the brokers, made again whenever it is lost.

    ``prepare`` (topology, channels) runs on each new connection before it counts; ``changed`` hears every change of
    state, ``failed`` every attempt that came to nothing. Raises ``Refused`` (``amqp-address``) for an address that is
    none.
    """

    def __init__(
        self,
        reactor: Any,
        access: BrokerAccess,
        *,
        prepare: Prepare,
        changed: StateListener = lambda state, problem: None,
        back_off: Callable[[int], float] | None = None,
        failed: FailureListener = lambda problem: None,
    ) -> None:
        self._reactor = reactor
        self._changed = changed
        self.connection: BrokerConnection | None = None
        """The prepared connection, or ``None``."""
        self.state = BrokerState.LOST
        ready = _ReadyFactory()
        self._brokers = _Brokers(reactor, access, prepare, ready, failed)
        self._service = ClientService(
            self._brokers, ready, retryPolicy=back_off or BackOff(), clock=reactor, prepareConnection=self._connected
        )

    def start(self) -> None:
        """Begin connecting; never fails."""
        self._service.startService()

    def when_connected(self, attempts: int | None = None) -> Deferred[None]:
        """Fires when connected; with ``attempts``, fails with the last error after so many failed rounds."""
        return self._service.whenConnected(attempts).addCallback(lambda _: None)

    async def stop(self) -> None:
        """Close politely, for at most a second, and stop reconnecting."""
        # ClientService must not be stopped from inside one of its own callbacks, such as when_connected's.
        await deferLater(self._reactor, 0)
        if self.connection is not None:
            await self.connection.close_politely(1.0)
        await self._service.stopService()

    def _connected(self, watched: Any) -> None:
        connection: BrokerConnection = watched.connection
        self.connection = connection
        connection.on_blocked = self._blocked
        lost = connection.on_lost

        def connection_lost(problem: Problem) -> None:
            self.connection = None
            log.warning("amqp_connection_lost", slug=problem.slug, broker=connection.place, reason=problem.en)
            self._change(BrokerState.LOST, problem)
            lost(problem)

        connection.on_lost = connection_lost
        log.info("amqp_connected", broker=connection.place, heartbeat_seconds=connection.heartbeat)
        self._change(BrokerState.CONNECTED, None)

    def _blocked(self, reason: str | None) -> None:
        connection = self.connection
        if connection is None:
            return
        if reason is None:
            log.info("amqp_unblocked", broker=connection.place)
            self._change(BrokerState.CONNECTED, None)
            return
        problem = Problem(
            "amqp-blocked", f"代理暂停接收: {reason}", f"the broker takes no more: {reason}", connection.place
        )
        log.warning("amqp_blocked", broker=connection.place, reason=reason)
        self._change(BrokerState.BLOCKED, problem)

    def _change(self, state: BrokerState, problem: Problem | None) -> None:
        self.state = state
        self._changed(state, problem)
