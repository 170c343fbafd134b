"""What the operations of the console API answer, as declared types: the description that a hub serves of itself is made
of them, and tests hold every answer against them.

Durations are seconds, moments are seconds since 1970 (UTC).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from dataset.ids import AgentId, CityId, ContactId, NodeId, SkillId
from dataset.rows import Ending
from federation.node.answers import Count, LoggedIn, Login, QueueOfCity, Seconds
from federation.node.operations import Reply


class HubLogin(Login, frozen=True, kw_only=True):
    """A login at the hub."""

    user: str


# ── the province now ────────────────────────────────────────────────────────────────────────────────────────────────
class LostSince(Reply, frozen=True, kw_only=True):
    """A city that is declared lost: since when, by whom and why."""

    since: float
    by: str
    reason: str


class SkillNow(QueueOfCity, frozen=True, kw_only=True):
    """A queue of a city. ``expected_wait_s``: null where nobody is staffed."""


class AgentNow(LoggedIn, frozen=True, kw_only=True):
    """An agent who is logged in."""


class Today(Reply, frozen=True, kw_only=True):
    """Counts since midnight in Shanghai."""

    offered: Count
    returned: Count
    answered_here: Count
    sent_out: Count
    received: Count
    abandoned: Count
    short: Count
    moved: Count
    closed: Count
    failed: Count
    within_target: Count


class CityNow(Reply, frozen=True, kw_only=True):
    """A city as the hub sees it. ``age_s``: how old that is; null for a city that was never heard."""

    city: CityId
    name: str
    name_en: str
    x: float
    y: float
    seen: bool
    age_s: Seconds | None
    missing_since: float | None
    lost: LostSince | None
    switch_up: bool
    hub_seen: bool
    contacts_live: Count
    service_level: Annotated[float, msgspec.Meta(ge=0, le=1)] | None
    base: str
    skills: tuple[SkillNow, ...]
    agents: tuple[AgentNow, ...]
    today: Today


class FlowNow(Reply, frozen=True, kw_only=True, rename={"origin": "from"}):
    """Contacts of one city that are served in another."""

    origin: CityId
    to: CityId
    up: Count
    last_15_min: Count


class ContactShown(Reply, frozen=True, kw_only=True):
    """A contact; the calling number is masked."""

    contact: ContactId
    city: str
    calling: str
    door: str
    path: tuple[str, ...]
    service: str
    skill: str
    state: Literal["menu", "waiting", "transferring", "talking", "ended"]
    serving: CityId | None
    agent: AgentId | None
    born: float | None
    waited_s: Seconds
    talked_s: Seconds | None
    ending: Ending | None
    route: tuple[str, ...]


class ProvinceNow(Reply, frozen=True, kw_only=True):
    """The whole province at one moment."""

    at: float
    hub: NodeId
    leads: bool
    leader: NodeId | None
    term: Count
    speed: float
    name: str
    name_en: str
    number: str
    link: bool
    cities: tuple[CityNow, ...]
    flows: tuple[FlowNow, ...]
    latest: tuple[ContactShown, ...]


class Declared(Reply, frozen=True, kw_only=True):
    """A city was declared lost; what that means, in words."""

    city: CityId
    lost: LostSince
    zh: str
    en: str


# ── contacts ────────────────────────────────────────────────────────────────────────────────────────────────────────
class ContactsFound(Reply, frozen=True, kw_only=True):
    """The latest first."""

    contacts: tuple[ContactShown, ...]


class RowShown(msgspec.Struct, frozen=True, kw_only=True):
    """A row of record with its place; its other fields are those of its ``kind``."""

    kind: str
    wall: float
    node: NodeId
    lineage: str
    sequence: Count


class ContactFound(Reply, frozen=True, kw_only=True):
    """A contact's whole way, and every decision with what was known."""

    contact: ContactShown
    rows: tuple[RowShown, ...]
    decisions: tuple[RowShown, ...]


# ── reports ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class Durations(Reply, frozen=True, kw_only=True):
    """How many, how long together, and the median and the ninth decile; null where there are none."""

    count: Count
    total_s: Seconds
    p50_s: Seconds | None
    p90_s: Seconds | None


class IntervalShown(Reply, frozen=True, kw_only=True):
    """One queue in a quarter of an hour, with its sum. ``revision``: null when it cannot be written down now."""

    city: CityId
    service: str
    channel: str
    skill: SkillId
    start: int
    seconds: Count
    opening: Count
    offered: Count
    returned: Count
    answered_here: Count
    sent_out: Count
    abandoned: Count
    short: Count
    moved: Count
    closed: Count
    self_served: Count
    failed: Count
    closing: Count
    received: Count
    within_target: Count
    handled: Count
    waiting: Durations
    waiting_abandoned: Durations
    talking: Durations
    held_s: Seconds
    wrap_up_s: Seconds
    balance: int
    sum_zh: str
    sum_en: str
    revision: Count | None


class MissingCity(Reply, frozen=True, kw_only=True):
    """A city of which something may be missing."""

    city: CityId
    seen: bool
    since: float | None
    lost: LostSince | None
    unknown_rows: Count
    unconfirmed: Count


class Revised(Reply, frozen=True, kw_only=True):
    """An interval whose figures are no longer those that were told first."""

    city: CityId
    start: int
    revision: Count
    at: float


class IntervalsFound(Reply, frozen=True, kw_only=True):
    """Intervals with their sums, and what may be missing from them."""

    hub: NodeId
    intervals: tuple[IntervalShown, ...]
    complete: bool
    missing: tuple[MissingCity, ...]
    revised: tuple[Revised, ...]


class DayTold(Reply, frozen=True, kw_only=True):
    """A day in words."""

    day: str
    zh: str
    en: str
    complete: bool


class SettledService(Reply, frozen=True, kw_only=True):
    """One service (``id@version``) between two cities. Money is whole fen."""

    service: str
    entries: Count
    collected_fen: int
    handling_fen: int


class SettledPair(Reply, frozen=True, kw_only=True):
    """What the serving city pays the owning city on balance (``net_fen``), and what that is made of."""

    owning: CityId
    serving: CityId
    entries: Count
    collected_fen: int
    handling_fen: int
    net_fen: int
    services: tuple[SettledService, ...]


class SettlementTold(Reply, frozen=True, kw_only=True):
    """What cities owe each other for a month, and of which cities something may be missing."""

    month: str
    complete: bool
    pairs: tuple[SettledPair, ...]
    missing: tuple[MissingCity, ...]
    zh: str
    en: str


class ServiceLine(Reply, frozen=True, kw_only=True):
    """One service in one city, or (``city`` null) in all that were asked for; items are counted on the day of the step.

    ``within`` of ``promised`` ended within the promised time; ``aim``: the share that is aimed at. ``open`` and
    ``overdue`` are as of the end of the last day, or now. Money is whole fen.
    """

    city: CityId | None
    service: str
    zh: str
    en: str
    group: str
    aim: Annotated[float, msgspec.Meta(ge=0, le=1)] | None
    opened: Count
    elsewhere: Count
    for_others: Count
    repeats: Count
    reopened: Count
    done: Count
    answered: Count
    refused: Count
    cancelled: Count
    unfounded: Count
    ended: Count
    promised: Count
    within: Count
    escalated: Count
    pressed: Count
    called_back: Count
    fees_fen: int
    monthly_fen: int
    deposits_fen: int
    satisfaction_asked: Count
    satisfaction_said: Count
    satisfied: Count
    satisfaction_points: Count
    satisfied_share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None
    satisfaction_mean: Annotated[float, msgspec.Meta(ge=1, le=5)] | None
    handling: Durations
    open: Count
    overdue: Count


class UntoldItems(Reply, frozen=True, kw_only=True):
    """Items of a city that count nowhere: their opening is not on record, or the service's version is not here."""

    city: CityId
    items: Count


class RevisedDay(Reply, frozen=True, kw_only=True):
    """A city's day whose figures are no longer those that were told first."""

    city: CityId
    day: str
    revision: Count
    at: float


class ServicesTold(Reply, frozen=True, kw_only=True):
    """Services in a span of days, and what may be missing from it."""

    first: str
    last: str
    complete: bool
    lines: tuple[ServiceLine, ...]
    missing: tuple[MissingCity, ...]
    untold: tuple[UntoldItems, ...]
    revised: tuple[RevisedDay, ...]
    zh: str
    en: str


class ArticleUsed(Reply, frozen=True, kw_only=True):
    """How often an article was shown in one city, and what agents said of it."""

    city: CityId
    shown: Count
    useful: Count
    not_useful: Count


class ArticleTold(Reply, frozen=True, kw_only=True):
    """The same of one version in all cities, and in each."""

    article: str
    version: Count
    zh: str
    en: str
    owner: str
    shown: Count
    useful: Count
    not_useful: Count
    cities: tuple[ArticleUsed, ...]


class ArticleEnding(Reply, frozen=True, kw_only=True):
    """An article that ends within 30 days, or has ended (``days_left`` below 0)."""

    article: str
    version: Count
    zh: str
    en: str
    owner: str
    expires_on: str
    days_left: int


class QuestionWaiting(Reply, frozen=True, kw_only=True):
    """A work item with a question that nothing answered; numbers in it are masked."""

    item: str
    city: CityId
    opened_at: float
    due_at: float | None
    state: str
    question: str


class KnowledgeTold(Reply, frozen=True, kw_only=True):
    """Articles, the worst judged first; what expires; questions not ended now (``more``: such as are not shown)."""

    first: str
    last: str
    complete: bool
    articles: tuple[ArticleTold, ...]
    expiring: tuple[ArticleEnding, ...]
    questions: tuple[QuestionWaiting, ...]
    more: Count
    asked: Count
    answered: Count
    missing: tuple[MissingCity, ...]
    zh: str
    en: str


# ── unknown rows ────────────────────────────────────────────────────────────────────────────────────────────────────
class SettledBy(Reply, frozen=True, kw_only=True):
    """By whom, why and when it was settled."""

    by: str
    reason: str
    at: float


class ParkedShown(Reply, frozen=True, kw_only=True):
    """A row that cannot be read. ``size`` in bytes; ``begins``: its first characters."""

    node: NodeId
    lineage: str
    number: Count
    why: str
    size: Count
    begins: str
    settled: SettledBy | None


class HoleShown(Reply, frozen=True, kw_only=True):
    """Numbers whose rows nobody keeps."""

    node: NodeId
    lineage: str
    first: Count
    last: Count
    settled: SettledBy | None


class ParkedFound(Reply, frozen=True, kw_only=True):
    """What totals name as unknown: ``unknown`` numbers that are not settled; ``more``: entries that are not shown."""

    unknown: Count
    parked: tuple[ParkedShown, ...]
    holes: tuple[HoleShown, ...]
    more: Count


class SlotSettled(Reply, frozen=True, kw_only=True):
    """What is settled, and how many numbers of that node are unknown still."""

    node: NodeId
    lineage: str
    first: Count
    last: Count
    unknown: Count
    zh: str
    en: str
