"""The pure core of one city with nothing around it: events in, commands out, in the words of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from dataset import rows
from dataset.ids import AgentId, CityId, ConnectionId, ContactId, LineageId, NodeId, SkillId, Token, agent_id
from dataset.packages import parse_package
from dataset.rows import AnyRow
from federation.core.envelope import AgentPicture, CityPicture, Context, Granted, Open, Propose, SkillPicture
from federation.core.lease import Lease
from federation.core.picture import PictureSender
from site_node.core import events
from site_node.core.agent import AgentSession
from site_node.core.commands import Ask, Command, Send, StartTimer, StopTimer, TimerKey, Write
from site_node.core.contact import Contact
from site_node.core.rules import Rules
from site_node.core.site import Event, Site
from site_node.core.telephony import Cause, Cleared, Established, HeldConnection, Make, Offered, Seat, SwitchUp

FILE = Path(__file__).parents[3] / "conf" / "packages" / "yihaotong.toml"
PACKAGE = parse_package(FILE.read_bytes(), FILE.name)
HOME, FOSHAN, SHENZHEN = CityId("guangzhou"), CityId("foshan"), CityId("shenzhen")
HUB = NodeId("hub")
FAULT, BILL = SkillId("fault"), SkillId("bill")
ABROAD = agent_id("2001", SHENZHEN)
FAR_CONTACT = ContactId("0757-0000000f-000001")
FAR_LEG = ConnectionId("far-leg")
CONTEXT = Context(
    calling="13900000009",
    door="112",
    path=(),
    service="fault",
    skill=FAULT,
    channel="voice",
    priority=0,
    package="yihaotong@1",
    waited_s=4.0,
)
Kind = TypeVar("Kind")


class CoreAlone:
    """``commands`` are those of the last event; ``rows`` and ``timers`` are kept over all of them."""

    def __init__(self, lineage: str = "0000000a", **rules: Any) -> None:
        self.rules = Rules(
            city=HOME,
            area_code="020",
            lineage=LineageId(lineage),
            hubs=(HUB,),
            peers=frozenset([FOSHAN, SHENZHEN]),
            **rules,
        )
        self.site = Site(self.rules, PACKAGE)
        self.now = 0.0
        self.commands: list[Command] = []
        self.rows: list[AnyRow] = []
        self.timers: dict[TimerKey, float] = {}
        self._callers = 0
        self._senders: dict[CityId, PictureSender] = {}
        self.does(SwitchUp(()))

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────────
    def does(self, event: Event) -> list[Command]:
        """Let ``event`` happen now."""
        self.commands = self.site.advance(event, self.now)
        for command in self.commands:
            match command:
                case Write(row):
                    self.rows.append(row)
                case StartTimer(key, after_s):
                    self.timers[key] = self.now + after_s
                case StopTimer(key):
                    self.timers.pop(key, None)
                case _:
                    pass
        return self.commands

    def hears(self, message: Any, sender: str = SHENZHEN) -> list[Command]:
        return self.does(events.Heard(NodeId(sender), message))

    def expires(self, *key: str) -> list[Command]:
        """The timer ``key``, which must be set, runs out."""
        self.now = self.timers.pop(key)
        return self.does(events.TimerExpired(key))

    def sees_hub(self) -> None:
        self.does(events.ProvinceSeen(leader=HUB, cities=frozenset([FOSHAN, SHENZHEN])))

    def sees_peers(self, **ready: int) -> list[Command]:
        """No hub, but these cities with so many idle agents, out of ten each: ``shenzhen=2``; one beat passes."""
        for city in ready:
            self.shown(CityId(city), ready[city])
        return self.does(events.ProvinceSeen(leader=None, cities=self.site.sight.pictures.seen(self.now)))

    def shown(self, city: CityId, ready: int, staffed: int = 10) -> list[Command]:
        """A picture of ``city`` comes."""
        people = tuple(
            AgentPicture(agent=agent_id(str(2001 + at), city), name="", state=state, skills=(FAULT,), seat="")
            for at, state in enumerate(["ready"] * ready + ["talking"] * (staffed - ready))
        )
        figures: dict[str, SkillPicture] = {FAULT: SkillPicture(idle=ready, staffed=staffed)}
        picture = CityPicture(city=city, skills=figures, agents=people)
        sender = self._senders.setdefault(city, PictureSender(full_every=1))
        beat = sender.beat(picture, now=self.now, wall=self.now)
        self.site.sight.pictures.heard(city, LineageId("0000000b"), beat, now=self.now)
        return self.does(events.PictureHeard(city))

    def log_in(self, number: int = 1, *skills: SkillId, can_answer: bool = True) -> AgentId:
        agent = agent_id(str(1000 + number), HOME)
        self.does(events.LoggedIn(agent, f"agent {number}", str(8000 + number), skills or (FAULT,), can_answer))
        return agent

    def ready(self, number: int = 1, *skills: SkillId) -> AgentId:
        agent = self.log_in(number, *skills)
        self.does(events.ReadyAsked(agent))
        return agent

    def call(self, door: str = "112") -> ContactId:
        """A customer calls, is answered and comes as far as the door leads without a key."""
        self._callers += 1
        leg = ConnectionId(f"caller-{self._callers}")
        self.does(Offered(leg, door, f"1380000000{self._callers}"))
        self.does(Established(leg))
        return self.site.contacts.all()[-1].id

    def talk(self, number: int = 1) -> tuple[AgentId, ContactId]:
        """A customer in talk with an agent of ours."""
        agent = self.ready(number)
        which = self.call()
        self.does(Established(self.lease(agent).seat or ConnectionId("")))
        return agent, which

    def open_abroad(self) -> tuple[ContactId, Open]:
        """A customer for whom there is nobody here, open to the province."""
        self.sees_hub()
        which = self.call()
        [wish] = self.sent(Open)
        return which, wish

    def granted(self, which: ContactId, n: int, token: str = "0000000b-000001", city: CityId = SHENZHEN) -> Granted:
        return Granted(
            contact=which,
            n=n,
            site=city,
            agent=agent_id("2001", city),
            token=Token(token),
            number="7100",
            ttl_s=6.0,
        )

    def talk_abroad(self) -> tuple[ContactId, ConnectionId]:
        """A customer of ours in talk at a seat of 深圳, and the leg there."""
        which, wish = self.open_abroad()
        self.hears(self.granted(which, wish.n))
        [made] = self.asked(Make)
        self.does(Established(made.connection))
        return which, made.connection

    def propose(self, agent: AgentId | None = None, n: int = 1, skill: SkillId = FAULT) -> Propose:
        context = CONTEXT if skill == FAULT else Context(**{**_fields(CONTEXT), "skill": skill})
        return Propose(contact=FAR_CONTACT, n=n, anchor=FOSHAN, context=context, budget_s=2.0, agent=agent)

    def grant(self, n: int = 1) -> Granted:
        """An agent of ours is granted to a contact of 佛山."""
        self.hears(self.propose(n=n), HUB)
        grants = self.sent(Granted)
        return grants[0]

    def leg(self, grant: Granted, *, header: bool = True, sender: CityId = FOSHAN) -> list[Command]:
        """The leg of ``grant`` comes in."""
        token = grant.token if header else None
        return self.does(Offered(FAR_LEG, grant.number, "13900000009", sender, token))

    def talk_for_foshan(self) -> tuple[AgentId, Granted]:
        """An agent of ours in talk with a customer of 佛山."""
        agent = self.ready()
        grant = self.grant()
        self.leg(grant)
        self.does(Established(self.lease(agent).seat or ConnectionId("")))
        return agent, grant

    def clears(self, connection: ConnectionId | None, cause: Cause = Cause.CLEARED_BY_US) -> list[Command]:
        assert connection is not None
        return self.does(Cleared(connection, cause))

    # ── what came of it ─────────────────────────────────────────────────────────────────────────────────────────
    def asked(self, kind: type[Kind]) -> list[Kind]:
        """Requests of one kind that the last event led to."""
        return [one.request for one in self.commands if isinstance(one, Ask) and isinstance(one.request, kind)]

    def sent(self, kind: type[Kind], to: str | None = None) -> list[Kind]:
        """Messages of one kind that the last event led to."""
        return [
            one.message
            for one in self.commands
            if isinstance(one, Send) and isinstance(one.message, kind) and to in (None, one.to)
        ]

    def wrote(self, kind: type[Kind]) -> list[Kind]:
        """Rows of one kind that the last event led to."""
        return [one.row for one in self.commands if isinstance(one, Write) and isinstance(one.row, kind)]

    def place(self, what: type) -> int:
        """Where among the last commands the first of a kind (row, request or message) stands."""
        for at, one in enumerate(self.commands):
            inside: object = one.row if isinstance(one, Write) else one.request if isinstance(one, Ask) else None
            inside = one.message if isinstance(one, Send) else inside
            if isinstance(inside, what):
                return at
        raise AssertionError(f"no {what.__name__} in {self.commands}")

    def count(self, kind: type) -> int:
        """How many rows of one kind there are on record."""
        return sum(isinstance(row, kind) for row in self.rows)

    def contact(self, which: ContactId) -> Contact:
        return self.site.contacts.of(which)

    def session(self, agent: AgentId) -> AgentSession:
        return self.site.sessions.of(agent)

    def lease(self, agent: AgentId) -> Lease:
        session = self.session(agent)
        lease = self.site.serving.lease(session.lease or session.wrapping)
        assert lease is not None
        return lease

    def ringing(self) -> list[str]:
        """Extensions that the last event let ring."""
        return [made.device.extension for made in self.asked(Make) if isinstance(made.device, Seat)]

    def ended(self) -> rows.ContactEnded:
        [row] = [row for row in self.rows if isinstance(row, rows.ContactEnded)]
        return row

    def shows(self, *held: HeldConnection) -> list[Command]:
        """The switch is there again, and holds this."""
        return self.does(SwitchUp(held))


def _fields(context: Context) -> dict[str, Any]:
    return {name: getattr(context, name) for name in context.__struct_fields__}
