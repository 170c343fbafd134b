"""Rows of record: what a node writes down, never changes, and reports (federation.md J1, S1).

Every row is immutable. Reports are folds of rows (intervals, contacts, settlement), never increments. A row is
written by one node only: the anchor writes the contact, its queue places, attempts and ending; a serving site writes
its agents and their segments. Durations are in seconds and were measured on one machine's monotonic clock.
Older and newer versions understand each other: fields are only ever added, with defaults; whoever relays or stores a
row keeps its bytes as they came.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from dataset.ids import AgentId, ArticleId, CityId, ContactId, LineageId, SkillId, Token
from dataset.self_service import Outcome
from dataset.work import Actor, AnyStep, CallBackOutcome, MassFaultId, RequestId, WorkItemId

Origin = tuple[str, LineageId, int]
"""where a row was written: node, lineage, sequence; names the row for good"""


VOICE_OUT = "voice_out"
"""the channel of a contact whose direction is outbound: this city called the customer back. A channel of its own keeps
its segments apart from those of callers in every measure"""


class Ending(StrEnum):
    """How a contact ended (I1); exactly one per contact."""

    COMPLETED = "completed"
    """answered, and finished by the agent or by the customer's own hang-up (O4); or told all by self-service"""
    ABANDONED = "abandoned"
    """the customer left a queue (or the wait after a transfer) before an answer"""
    MENU = "menu"
    """the customer left while the menu spoke"""
    CLOSED_BY_US = "closed_by_us"
    """end of hours, refusal, announcement"""
    FAILED = "failed"
    """ended by a fault"""


class Evidence(StrEnum):
    """How the writer knows (E1): seen > inferred > provisional."""

    SEEN = "seen"
    INFERRED = "inferred"
    PROVISIONAL = "provisional"


class Left(StrEnum):
    """How a place in a queue ended: the right-hand side of I7, counted at the event that causes it."""

    ANSWERED_HERE = "answered_here"
    SENT_OUT = "sent_out"
    ABANDONED = "abandoned"
    SHORT = "short"
    MOVED = "moved"
    CLOSED = "closed"
    FAILED = "failed"


class Entered(StrEnum):
    """How a place in a queue began: the left-hand side of I7."""

    OFFERED = "offered"
    RETURNED = "returned"
    """comes back after an answer that did not last"""


class Withdrawn(StrEnum):
    """Why an attempt ended without an answer (O2)."""

    HOME_WON = "home_won"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REJECTED = "rejected"
    REFUSED = "refused"
    """the far switch refused the leg: token unknown, expired or missing"""
    UNREACHABLE = "unreachable"
    NO_GRANT = "no_grant"
    CUSTOMER_LEFT = "customer_left"
    AGENT_LEFT = "agent_left"
    TIMED_OUT = "timed_out"
    RESTART = "restart"
    MOVED = "moved"


class Row(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all rows; the journal adds lineage, sequence, wall and monotonic time, boot id (``Journalled``)."""


class LineageOpened(Row, frozen=True, kw_only=True, tag="lineage_opened"):
    """First row of every run (J2): names what this node knew of its own past."""

    node: str
    previous: LineageId | None
    previous_head: int
    live_contacts: tuple[ContactId, ...] = ()
    area_code: str = ""
    audit: str = ""
    """hash of the last audit row that the journal held then; empty where it held none"""
    before: tuple[LineageId, ...] = ()
    """the latest runs before ``previous``, in order: a receiver that some of them wrote nothing for knows the order of
    the others all the same, whatever the clocks said"""


class TailMissing(Row, frozen=True, kw_only=True, tag="tail_missing"):
    """A receiver stated a head of ours that this journal does not hold: it was lost or restored from a backup (J2)."""

    receiver: str
    of: LineageId
    """lineage stated; it comes before the one that this row is in"""
    stated: int
    """highest outbox number that the receiver has of it"""
    held: int
    """highest outbox number for this receiver that this journal has of it; 0 = it does not know the lineage"""


class TailReturned(Row, frozen=True, kw_only=True, tag="tail_returned"):
    """A hub has given a node its own lost rows back (J5); goes to that node behind the last of them."""

    node: str
    of: LineageId
    """the lineage that ``node``'s journal had lost the tail of"""
    beyond: int
    """``TailMissing.held``: rows after this outbox number were given back"""
    count: int
    """rows given back"""


class CallBackOf(msgspec.Struct, frozen=True, kw_only=True):
    """Why a customer is called back."""

    item: WorkItemId
    owning: CityId
    by: Actor
    seat: str
    customer: str = ""
    line: str = ""


class ContactBorn(Row, frozen=True, kw_only=True, tag="contact_born"):
    """A contact exists from here on (J1: synced before the caller hears anything)."""

    contact: ContactId
    city: CityId
    channel: str
    door: str
    """number dialled; empty for a call-back"""
    calling: str
    """the customer's number: it calls, or is called back"""
    connection: str
    """the customer's leg"""
    package: str
    """name@version of the service package in force; stays with the contact for life"""
    call_back: CallBackOf | None = None
    """set where this city calls the customer (``VOICE_OUT``)"""


class CallBackAnswered(Row, frozen=True, kw_only=True, tag="call_back_answered"):
    """The customer who is called back has answered: written before the two are joined."""

    contact: ContactId


class CallBackEnded(Row, frozen=True, kw_only=True, tag="call_back_ended"):
    """What became of a call-back, beside its contact's ending; the step of its work item follows from this row."""

    contact: ContactId
    item: WorkItemId
    owning: CityId
    by: Actor
    outcome: CallBackOutcome
    called: bool
    """whether the customer's number was called at all; no step follows where it was not"""
    talked_s: float = 0.0
    """from the customer's answer to the end, seconds"""


class MenuChosen(Row, frozen=True, kw_only=True, tag="menu_chosen"):
    """The menu (or the door itself) named a service and a skill."""

    contact: ContactId
    path: tuple[str, ...]
    service: str
    skill: SkillId
    priority: int


class SelfServed(Row, frozen=True, kw_only=True, tag="self_served"):
    """A self-service ended for this contact; of what was keyed in, the line whose PIN was right is on record alone
    (``IdentityChecked``), of what was told nothing.
    """

    contact: ContactId
    service: str
    """``bill``, ``progress``, ``tariff``"""
    skill: SkillId
    """of the agents who would have been asked instead"""
    channel: str
    outcome: Outcome


class IdentityHow(StrEnum):
    """By what a caller has shown to be the customer of a line."""

    ID_CARD = "id_card"
    """digits of the document of identity"""
    SERVICE_PASSWORD = "service_password"
    MENU_PIN = "menu_pin"
    """the service password, keyed in in the menu"""
    CALL_BACK = "call_back"
    """the customer was called at a number on record"""


class IdentityChecked(Row, frozen=True, kw_only=True, tag="identity_checked"):
    """The caller has shown to be the customer of a line; good for this contact and no other. A second row of the same
    check, with ``to`` and ``at``, goes along with the contact to another city.
    """

    contact: ContactId
    city: CityId
    """where it was checked"""
    line: str
    customer: str = ""
    """whose line it is, where that is on record in ``city``"""
    how: IdentityHow
    agent: AgentId | None = None
    """who has checked; None: the menu"""
    to: CityId | None = None
    """whom the anchor hands the check on to, with the contact; of a row of that very city: it took the check over"""
    at: float | None = None
    """UTC seconds of the check, where this row hands it on or takes it over; None: it was made with this row"""


class CheckMade(msgspec.Struct, frozen=True, kw_only=True):
    """A check of identity as others tell of it: who made it, where, when."""

    city: CityId
    line: str
    how: IdentityHow
    agent: AgentId | None = None
    at: float


class QueueEntered(Row, frozen=True, kw_only=True, tag="queue_entered"):
    """A place in the queue of ``skill`` at the anchor begins."""

    contact: ContactId
    skill: SkillId
    service: str
    channel: str
    how: Entered
    waited_s: float
    """waiting brought along (original waiting time), seconds"""


class QueueLeft(Row, frozen=True, kw_only=True, tag="queue_left"):
    """That place ended."""

    contact: ContactId
    skill: SkillId
    service: str
    channel: str
    how: Left
    waited_s: float
    """in this place, seconds"""
    within_target: bool = False
    """answered within the service-level threshold in force"""


class AttemptOpened(Row, frozen=True, kw_only=True, tag="attempt_opened"):
    """(contact, n) is opened: journalled and synced before anyone hears of it (O2)."""

    contact: ContactId
    n: int
    skill: SkillId
    scope: str
    """``home``, ``province``, or the id of the agent asked for"""
    agent: AgentId | None = None


class AttemptAnswered(Row, frozen=True, kw_only=True, tag="attempt_answered"):
    """The commit (O2): written before the audio is bridged; also the outcome row for the serving site (O3)."""

    contact: ContactId
    n: int
    site: CityId
    agent: AgentId
    token: Token
    skill: SkillId
    service: str
    channel: str
    waited_s: float
    """from first entering a queue (or the transfer) to this answer, seconds"""


class AttemptWithdrawn(Row, frozen=True, kw_only=True, tag="attempt_withdrawn"):
    """The other outcome (O2, O3). ``site``/``agent``/``token`` are set when a grant had been taken."""

    contact: ContactId
    n: int
    reason: Withdrawn
    site: CityId | None = None
    agent: AgentId | None = None
    token: Token | None = None


class TransferAsked(Row, frozen=True, kw_only=True, tag="transfer_asked"):
    """An agent sent the caller on."""

    contact: ContactId
    by: AgentId
    to_skill: SkillId | None = None
    to_agent: AgentId | None = None
    outcome: str = "asked"
    """``asked``; a second row says ``returned`` when nobody took it in time"""
    notes: tuple[str, ...] = ()
    """everything written about the contact so far; it travels on with the caller, also over a restart"""


class ContactEnded(Row, frozen=True, kw_only=True, tag="contact_ended"):
    """The one ending of a contact, written by its anchor alone (O1, I1)."""

    contact: ContactId
    city: CityId
    ending: Ending
    evidence: Evidence
    cause: str
    """field word: who or what ended it (``customer``, ``agent``, a Q.850 cause name, ``restart``)"""
    service: str = ""
    skill: SkillId = SkillId("")
    serving: CityId | None = None
    """city of the last answer"""
    agent: AgentId | None = None
    answers: int = 0
    waited_s: float = 0.0
    """first queue to first answer or end, seconds"""
    talked_s: float = 0.0
    """sum over answers of answer to the end of that leg, as the anchor measures it, seconds"""
    lasted_s: float = 0.0
    """birth to end, seconds"""
    epoch: int = 0
    """ownership epoch (O7); higher wins between endings of equal evidence (E1)"""


class SegmentOpened(Row, frozen=True, kw_only=True, tag="segment_opened"):
    """A handler begins; unconfirmed until the outcome row of its attempt is here (O3)."""

    contact: ContactId
    n: int
    site: CityId
    anchor: CityId
    agent: AgentId
    token: Token
    skill: SkillId
    service: str = ""
    channel: str = "voice"
    received: bool = False
    """the contact's anchor is another city"""
    name: str = ""
    """the agent's, and the seat: what a restarted node needs to show the session again"""
    seat: str = ""


class SegmentConfirmed(Row, frozen=True, kw_only=True, tag="segment_confirmed"):
    """The outcome row of the attempt arrived and agrees."""

    contact: ContactId
    n: int


class SegmentVoided(Row, frozen=True, kw_only=True, tag="segment_voided"):
    """The outcome row says that this attempt was withdrawn: this segment never was."""

    contact: ContactId
    n: int
    reason: str


class SegmentClosed(Row, frozen=True, kw_only=True, tag="segment_closed"):
    """A handler is done, wrap-up included."""

    contact: ContactId
    n: int
    site: CityId
    agent: AgentId
    talked_s: float
    held_s: float
    wrap_up_s: float
    disposition: str
    notes: str
    ended_by: str
    """``agent``, ``customer``, ``transfer``, or a cause name"""


class AgentChanged(Row, frozen=True, kw_only=True, tag="agent_changed"):
    """An agent session came to another state; for rosters, adherence and reports."""

    agent: AgentId
    name: str
    state: str
    reason: str = ""
    seat: str = ""
    lasted_s: float = 0.0
    """time in the state left, seconds"""


class LegRefused(Row, frozen=True, kw_only=True, tag="leg_refused"):
    """A leg from a trunk between cities was refused (A3)."""

    from_city: str
    reason: str
    """``unknown``, ``expired``, ``missing``, ``mismatch``"""
    token: str = ""
    number: str = ""


class Decision(Row, frozen=True, kw_only=True, tag="decision"):
    """A routing decision and what was known when it was taken (I9)."""

    contact: ContactId
    n: int
    by: str
    """node that decided"""
    choice: str
    """``home``, ``open``, ``wait``, ``propose``, ``grant``, ``none``"""
    site: CityId | None = None
    agent: AgentId | None = None
    why: str = ""
    """stable word: ``idle_at_home``, ``home_late``, ``largest_idle_share``, ``named_agent``, ``nobody_idle`` …"""
    known: dict[str, float | int | str] = msgspec.field(default_factory=dict)
    """figures looked at, each with its age in seconds where it came from elsewhere"""


class SiteDeclaredLost(Row, frozen=True, kw_only=True, tag="site_declared_lost"):
    """A hub's standing fact (E3): the city is gone for good, with switch, node and disk, until it rejoins."""

    city: CityId
    by: str
    """who said so: a user, or an operator at the hub's machine"""
    reason: str


class SiteRejoined(Row, frozen=True, kw_only=True, tag="site_rejoined"):
    """A hub's standing fact: a city that was declared lost is back; ends the declarations that it names."""

    city: CityId
    ends: tuple[Origin, ...]
    """the declarations that its writer knew of; one that it did not know stands (no clocks are compared)"""


class RowSettled(Row, frozen=True, kw_only=True, tag="row_settled"):
    """Somebody looked at a slot or hole that totals name as unknown, and settled it (S2).

    A standing fact of every hub. A parked slot is known by its content, a hole by its numbers.
    """

    sender: str
    lineage: LineageId
    first: int
    last: int
    """numbers of the stream, both included"""
    by: str
    """who settled it"""
    reason: str
    digest: str = ""
    """SHA-256 of the parked bytes in hex; empty for a hole"""


class WorkRequested(Row, frozen=True, kw_only=True, tag="work_requested"):
    """A city asks the owning city for a step: an agent there handed in a form, or acted (异地受理)."""

    request: RequestId
    item: WorkItemId
    owning: CityId
    step: AnyStep


class WorkStepped(Row, frozen=True, kw_only=True, tag="work_stepped"):
    """The owning city has checked a step and taken it; also the answer to the city that asked for it."""

    item: WorkItemId
    request: RequestId | None
    """None: nobody's request, such as a deadline that passed"""
    serving: CityId
    """the city whose agent asked; the owning city itself for its own"""
    service: str
    """``id@version``"""
    step: AnyStep
    handling_fen: int = 0
    """what the owning city owes the serving city for the handling"""
    ended: bool = False
    """the item has its ending with this step: nothing waits on it any more"""


class ProblemSaid(msgspec.Struct, frozen=True, kw_only=True):
    """A reason, as the agent reads it."""

    slug: str
    zh: str
    en: str
    place: str = ""


class WorkRefused(Row, frozen=True, kw_only=True, tag="work_refused"):
    """The owning city has refused a step, with every reason; nothing was changed."""

    item: WorkItemId
    request: RequestId
    serving: CityId
    problems: tuple[ProblemSaid, ...]


class Viewed(StrEnum):
    """What was asked for by somebody who looked at a customer's data (I10)."""

    CUSTOMER = "customer"
    LINE = "line"
    SEARCH = "search"
    ITEM = "item"


class DataViewed(Row, frozen=True, kw_only=True, tag="data_viewed"):
    """An audit row (I10): somebody looked at a customer's data, or was refused it; written by the city that has it,
    and by the city where the agent is where that asked others.

    A journal links these rows when it stamps them (``dataset.audit``), and never forgets them.
    """

    agent: AgentId
    roles: tuple[str, ...]
    city: str
    """where the agent is logged in, and was vouched for"""
    operation: str
    what: Viewed
    id: str
    """of the customer, line or item; of a search what was looked for, masked, or which list it was"""
    customers: tuple[str, ...] = ()
    """whose data was shown"""
    listed: tuple[str, ...] = ()
    """ids of what a list showed, of work items or contacts"""
    line: str = ""
    during: ContactId | None = None
    """the contact at the agent's seat then"""
    unmasked: bool = False
    reason: str = ""
    """why it was asked for unmasked"""
    refused: str = ""
    """slug of the refusal; empty where it was shown"""
    asked: tuple[CityId, ...] = ()
    """other cities whose records were asked for it; each has a row of its own of what it told"""
    checks: tuple[CheckMade, ...] | msgspec.UnsetType = msgspec.UNSET
    """made in other cities, and good for the contact ``during`` when this was shown; left out where there are none"""
    number: int = 0
    """place among the audit rows of the run, from 1"""
    before: str = ""
    """hash of the audit row before it, of whatever run; empty for the first of all"""
    hash: str = ""
    """SHA-256 in hex over the row as it is written, with this field empty"""


class ArticleJudged(Row, frozen=True, kw_only=True, tag="article_judged"):
    """An agent said whether an article of knowledge helped; of one version in one contact the last word counts."""

    agent: AgentId
    article: ArticleId
    version: int
    useful: bool
    contact: ContactId | None = None
    at: float
    """UTC seconds since the epoch"""


class ArticlesShown(Row, frozen=True, kw_only=True, tag="articles_shown"):
    """A seat was given the texts of articles: beside a form, or one that was opened.

    Explains and shows only; left out while the disk is nearly full.
    """

    agent: AgentId
    articles: tuple[tuple[ArticleId, int], ...]
    """each with its version"""


MassFaultArea = Literal["cable", "exchange", "district"]


class MassFaultDeclared(Row, frozen=True, kw_only=True, tag="mass_fault_declared"):
    """From here on the faults of an area are one (大面积障碍)."""

    mass_fault: MassFaultId
    area: MassFaultArea
    name: str
    """of the area, as the lines' records have it"""
    items: tuple[WorkItemId, ...] = ()
    """the reports that are part of it so far"""
    by: Actor | None
    """None: found by the count of reports"""
    expected_at: float
    """when it is expected to be repaired, seconds since 1970 (UTC)"""
    note: str = ""


class MassFaultLinked(Row, frozen=True, kw_only=True, tag="mass_fault_linked"):
    """Further reports are part of it."""

    mass_fault: MassFaultId
    items: tuple[WorkItemId, ...]


class MassFaultConfirmed(Row, frozen=True, kw_only=True, tag="mass_fault_confirmed"):
    """Somebody has looked: it is one; or has a better idea of when it is repaired."""

    mass_fault: MassFaultId
    by: Actor
    expected_at: float
    note: str = ""


class MassFaultCleared(Row, frozen=True, kw_only=True, tag="mass_fault_cleared"):
    """It stands no more: it is repaired, or it was none."""

    mass_fault: MassFaultId
    how: Literal["repaired", "rejected"]
    by: Actor
    note: str = ""


class Repaired(Row, frozen=True, kw_only=True, tag="repaired"):
    """A state that held something had no evidence behind it, or evidence against it (I8); what was done, and why."""

    what: str
    """stable word: ``seat_gone``, ``caller_gone``, ``orphan``, ``not_joined`` …"""
    found: str
    done: str
    contact: ContactId | None = None
    agent: AgentId | None = None
    connection: str = ""


AnyRow = (
    LineageOpened
    | TailMissing
    | TailReturned
    | ContactBorn
    | CallBackAnswered
    | CallBackEnded
    | MenuChosen
    | SelfServed
    | IdentityChecked
    | QueueEntered
    | QueueLeft
    | AttemptOpened
    | AttemptAnswered
    | AttemptWithdrawn
    | TransferAsked
    | ContactEnded
    | SegmentOpened
    | SegmentConfirmed
    | SegmentVoided
    | SegmentClosed
    | AgentChanged
    | LegRefused
    | Decision
    | SiteDeclaredLost
    | SiteRejoined
    | RowSettled
    | Repaired
    | WorkRequested
    | WorkStepped
    | WorkRefused
    | MassFaultDeclared
    | MassFaultLinked
    | MassFaultConfirmed
    | MassFaultCleared
    | DataViewed
    | ArticleJudged
    | ArticlesShown
)


class Journalled(msgspec.Struct, frozen=True, kw_only=True):
    """A row as its writer's journal holds it, and as it travels."""

    node: str
    lineage: LineageId
    sequence: int
    """place in the writer's own journal, from 1, gapless per lineage"""
    wall: float
    """UTC seconds since the epoch; fixes the row's interval once and for all"""
    mono: float
    boot: str
    row: AnyRow

    @property
    def origin(self) -> Origin:
        """Names the row for good."""
        return (self.node, self.lineage, self.sequence)


ROW_BYTES = msgspec.json.Encoder()
ROW_FROM_BYTES = msgspec.json.Decoder(Journalled)
