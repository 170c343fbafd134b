"""What the operations of the agent API answer, as declared types: the description that a node serves of itself is made
of them, and tests hold every answer against them.

Durations are seconds at the moment of sending, moments are seconds since 1970 (UTC), money is whole fen.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from dataset.ids import AgentId, CityId, ContactId, SkillId
from dataset.records.package import PackageKind
from dataset.records.tariff import TariffUnit
from dataset.records.work import MessageState
from dataset.rows import MassFaultArea
from dataset.services.form import Value
from dataset.services.words import Answers, Role
from dataset.services.workflow import RuleKind, WorkClock
from dataset.work import CallBackOutcome
from federation.core.repeats import EarlierItem, Often
from federation.node.operations import ProblemTold, Refusal, Reply
from site_node.core.call_back import CallBackState
from site_node.core.customer_bills import CustomerBills
from site_node.core.customer_card import CardContact, CustomerCard, FoundCustomer
from site_node.core.line_test import Lies, LineTested, Outcome
from site_node.services.directory import Whose

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Presence = Literal["offline", "not_ready", "ready", "alerting", "talking", "held", "wrap_up"]
AtSeat = Literal["alerting", "talking", "held", "wrap_up"]
Seen = Literal["not_ready", "ready", "reserved", "alerting", "talking", "held", "wrap_up"]
"""an agent as others see it; ``reserved``: ready, but promised to a caller"""
Handed = Literal["pending", "accepted", "refused"]
OfCard = Literal["customer", "lines", "bills", "contacts", "items"]


# ── logging in ──────────────────────────────────────────────────────────────────────────────────────────────────────
class CityLogin(Reply, frozen=True, kw_only=True):
    """A login at a city. ``agent`` is empty for whoever takes no calls, ``seat`` for whoever sits at none."""

    token: str
    name: str
    roles: tuple[str, ...]
    agent: str
    city: CityId
    seat: str


# ── the seat ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Named(Reply, frozen=True, kw_only=True):
    """A code with its names."""

    code: str
    zh: str
    en: str


class Island(Reply, frozen=True, kw_only=True):
    """What the city does without."""

    alone: bool
    hub: bool
    peers: bool
    switch: bool


class NoteShown(Reply, frozen=True, kw_only=True):
    """A note that travels with a contact."""

    by: str
    text: str


class CallShown(Reply, frozen=True, kw_only=True):
    """One contact at the own seat; the calling number is masked."""

    contact: ContactId
    attempt: Count
    state: AtSeat
    since_s: Seconds
    anchor: CityId
    received: bool
    confirmed: bool
    calling: str
    outbound: bool
    door: str
    path: tuple[str, ...]
    service: str
    skill: SkillId
    waited_s: Seconds
    talk_s: Seconds
    hold_s: Seconds
    notes: tuple[NoteShown, ...]
    handled_by: tuple[AgentId, ...]
    disposition: str
    dispositions: tuple[Named, ...]
    wrap_up_left_s: Seconds | None


class CallBackShown(Reply, frozen=True, kw_only=True):
    """The call to the customer of a work item, or the last one; the number is masked. ``outcome``: null while it goes
    on.
    """

    contact: ContactId
    item: str
    owning: CityId
    number: str
    state: CallBackState
    outcome: CallBackOutcome | None
    talked_s: Seconds


class CallBackBegun(Reply, frozen=True, kw_only=True):
    """The own telephone rings; then ``number`` (masked) is called."""

    contact: ContactId
    number: str


class SeatState(Reply, frozen=True, kw_only=True):
    """The whole state of whoever is logged in: the answer of ``attach``, and every push of ``state``."""

    agent: str
    name: str
    city: CityId
    seat: str
    can_answer: bool
    roles: tuple[str, ...]
    presence: Presence
    reason: str
    since_s: Seconds
    skills: tuple[SkillId, ...]
    reasons: tuple[str, ...]
    reason_names: tuple[Named, ...]
    wrap_up_s: Seconds
    island: Island
    calls: tuple[CallShown, ...]
    call_back: CallBackShown | None


class TargetSkill(Reply, frozen=True, kw_only=True):
    """A queue to transfer to. ``expected_wait_s``: null where nobody is staffed."""

    skill: SkillId
    zh: str
    en: str
    expected_wait_s: Seconds | None
    idle: Count


class TargetAgent(Reply, frozen=True, kw_only=True):
    """Somebody to transfer to. ``age_s``: how old that knowledge is."""

    agent: AgentId
    name: str
    city: CityId
    presence: Seen
    since_s: Seconds
    age_s: Seconds
    skills: tuple[SkillId, ...]


class TargetsFound(Reply, frozen=True, kw_only=True):
    """Whom a contact can be transferred to."""

    skills: tuple[TargetSkill, ...]
    agents: tuple[TargetAgent, ...]


class QueueShown(Reply, frozen=True, kw_only=True):
    """A queue of this city."""

    skill: SkillId
    zh: str
    en: str
    waiting: Count
    oldest_wait_s: Seconds
    idle: Count
    staffed: Count
    expected_wait_s: Seconds | None


class AgentShown(Reply, frozen=True, kw_only=True):
    """An agent who is logged in."""

    agent: AgentId
    name: str
    state: Seen
    reason: str
    since_s: Seconds
    skills: tuple[SkillId, ...]
    seat: str
    contact: ContactId | None


class ContactAtSeat(Reply, frozen=True, kw_only=True):
    """A contact at a seat of this city."""

    contact: ContactId
    agent: AgentId
    state: AtSeat
    since_s: Seconds
    anchor: CityId
    received: bool
    calling: str
    service: str
    skill: SkillId
    waited_s: Seconds
    talk_s: Seconds


class CityNow(Reply, frozen=True, kw_only=True):
    """The city now. ``trunks_busy``: legs up towards each other city."""

    city: CityId
    island: Island
    contacts_live: Count
    trunks_busy: dict[str, int]
    queues: tuple[QueueShown, ...]
    agents: tuple[AgentShown, ...]
    contacts: tuple[ContactAtSeat, ...]


# ── services and work items ─────────────────────────────────────────────────────────────────────────────────────────
class ServiceShort(Reply, frozen=True, kw_only=True):
    """A service in the list. ``chosen``: what a call has as its ``service`` when the caller chose the menu of this one;
    ``today``: the service that stands in its place; ``answers``: what answers it at once.
    """

    id: str
    reference: str
    zh: str
    en: str
    group: str
    skill: SkillId
    makes_work: bool
    answers: Answers | None
    doors: tuple[str, ...]
    chosen: str | None
    today: str | None


class ServicesFound(Reply, frozen=True, kw_only=True):
    """All services."""

    services: tuple[ServiceShort, ...]


class StateShown(Reply, frozen=True, kw_only=True):
    """A state that a work item of a service may be in. ``ends``: how it ends there; null: it goes on."""

    id: str
    zh: str
    en: str
    ends: str | None
    within_s: Seconds | None
    clock: WorkClock
    role: Role | None


class ActionShown(Reply, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What may be done in some states, by whom, and what has to be there by then."""

    id: str
    zh: str
    en: str
    from_: tuple[str, ...]
    to: str
    roles: tuple[Role, ...]
    needs: tuple[str, ...]
    note_required: bool
    after_call_back: bool


class WhenShown(Reply, frozen=True, kw_only=True, rename={"is_": "is"}):
    """A field of the form, and the values of it for which something holds."""

    field: str
    is_: tuple[str, ...]


class FeeShown(Reply, frozen=True, kw_only=True):
    """A fee of today. ``per``: the field that it is multiplied by."""

    code: str
    zh: str
    en: str
    fen: int
    monthly: bool
    deposit: bool
    per: str | None
    when: WhenShown | None


class RuleShown(Reply, frozen=True, kw_only=True, rename={"is_": "is"}):
    """A rule of the service, looked at before the actions of ``at``; what is said when it does not hold."""

    kind: RuleKind
    at: tuple[str, ...]
    zh: str
    en: str
    field: str | None
    other: str | None
    days: int | None
    is_: tuple[str, ...]


class RepeatShown(Reply, frozen=True, kw_only=True):
    """Within which time the same matter counts as a repeat, and whether it goes ahead then."""

    within_s: Seconds
    press: bool


class ServiceWhole(ServiceShort, frozen=True, kw_only=True):
    """A service with its form (``schema``, JSON Schema with layout) and its work."""

    schema: dict[str, Any]
    states: tuple[StateShown, ...]
    actions: tuple[ActionShown, ...]
    fees: tuple[FeeShown, ...]
    rules: tuple[RuleShown, ...]
    knowledge: tuple[str, ...]
    repeat: RepeatShown | None


class ServiceFound(Reply, frozen=True, kw_only=True):
    """One service."""

    service: ServiceWhole


class ReceiptShown(Reply, frozen=True, kw_only=True):
    """How something that was handed in stands; ``pending`` until the owning city has answered."""

    request: str
    item: str
    owning: CityId
    state: Handed
    problems: tuple[ProblemTold, ...]


class ItemShort(Reply, frozen=True, kw_only=True):
    """A work item in a list."""

    item: str
    service: str
    zh: str
    en: str
    group: str
    owning: CityId
    line: str
    customer: str
    state: str
    state_zh: str
    state_en: str
    ends: str | None
    opened_at: float
    since: float
    due_at: float | None
    late: bool
    missed: Count
    pressed: Count
    assignee: AgentId | None
    parked_until: float | None
    waits_for_role: Role | None
    times_before: Count
    repeat_of: str | None
    ahead: bool
    mass_fault: str | None
    revision: Count


class OpenedBy(Reply, frozen=True, kw_only=True):
    """Who handed the form in."""

    agent: AgentId
    role: Role
    city: CityId
    contact: ContactId | None


class StepShown(Reply, frozen=True, kw_only=True):
    """A step that was taken. ``overtaken``: another step came first, and this one counts no more."""

    step: str
    at: float
    by: AgentId | None
    city: CityId | None
    role: Role | None
    action: str | None
    zh: str | None
    en: str | None
    note: str
    to: AgentId | None
    until: float | None
    reached: bool | None
    how: Literal["", "call", "other"] | None
    outcome: CallBackOutcome | None
    talked_s: Seconds | None
    file: str | None
    attachment: str | None
    contact: ContactId | None
    collected_fen: int
    overtaken: bool


class ChargeShown(Reply, frozen=True, kw_only=True):
    """What became due with a step."""

    code: str
    zh: str
    en: str
    fen: int
    monthly: bool
    deposit: bool
    at: float


class MessageShown(Reply, frozen=True, kw_only=True):
    """What the customer is told, and where."""

    at: float
    to: str | None
    text: str
    state: MessageState
    sent_at: float | None


class ItemWhole(ItemShort, frozen=True, kw_only=True):
    """A work item with its form, its steps and what followed. ``masked``: whether personal values are."""

    masked: bool
    values: dict[str, Value]
    possible: tuple[str, ...]
    called_back: bool
    opened_by: OpenedBy
    again_of: str | None
    steps: tuple[StepShown, ...]
    charges: tuple[ChargeShown, ...]
    messages: tuple[MessageShown, ...]


class MissingPart(Refusal, frozen=True, kw_only=True, omit_defaults=True):
    """A city that did not answer, and why."""

    city: CityId


class ItemHere(Reply, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A work item as one city (``from``) knows it."""

    item: ItemWhole
    from_: CityId
    as_of: float


class ItemFound(ItemHere, frozen=True, kw_only=True):
    """A work item, and whose part is missing."""

    missing: tuple[MissingPart, ...]


class Part(Reply, frozen=True, kw_only=True):
    """A city that answered, and when."""

    city: CityId
    as_of: float


class ItemsHere(Reply, frozen=True, kw_only=True):
    """Work items that one city knows of. ``more``: how many are not shown."""

    items: tuple[ItemShort, ...]
    more: Count
    parts: tuple[Part, ...]


class ItemsFound(ItemsHere, frozen=True, kw_only=True):
    """Work items, and whose part is missing."""

    missing: tuple[MissingPart, ...]


class VersionShown(Reply, frozen=True, kw_only=True):
    """A version of a service, or of the package of menus. ``until``: null while it is in use."""

    kind: PackageKind
    name: str
    version: str
    since: float
    until: float | None


class VersionsFound(Reply, frozen=True, kw_only=True):
    """By kind and name, the latest of each first."""

    versions: tuple[VersionShown, ...]


class AttachmentShown(Reply, frozen=True, kw_only=True):
    """A file that is attached to a work item."""

    attachment: str
    item: str
    name: str
    media_type: str
    size: Count
    sha256: str
    at: float
    by: AgentId | None
    state: Handed
    problems: tuple[ProblemTold, ...]
    """why its owning city refused it"""


class AttachmentAdded(Reply, frozen=True, kw_only=True):
    """It is on disk here; an item of another city has it once that city has answered."""

    attachment: AttachmentShown
    receipt: ReceiptShown


class AttachmentsHere(Reply, frozen=True, kw_only=True):
    """All of one work item, the oldest first."""

    attachments: tuple[AttachmentShown, ...]


class AttachmentsFound(AttachmentsHere, frozen=True, kw_only=True):
    """What this city and the owning one know of them; ``missing``: the owning city where it does not answer."""

    missing: tuple[MissingPart, ...]


class AttachmentLent(Reply, frozen=True, kw_only=True):
    """One of them, and the name under which its content may be fetched by the city that asked."""

    attachment: AttachmentShown
    lent: str


class AttachmentOpened(Reply, frozen=True, kw_only=True):
    """One of them, its ``content`` in Base64."""

    attachment: AttachmentShown
    content: str


# ── customers ───────────────────────────────────────────────────────────────────────────────────────────────────────
class CustomersHere(Reply, frozen=True, kw_only=True):
    """Customers of one city. ``more``: there are others."""

    customers: tuple[FoundCustomer, ...]
    more: bool
    parts: tuple[Part, ...]


class CustomersFound(CustomersHere, frozen=True, kw_only=True):
    """Customers of all cities that were asked, and whose part is missing."""

    missing: tuple[MissingPart, ...]


class CardPart(Part, frozen=True, kw_only=True):
    """A part of a card: the city that it comes from, and when it was so."""

    part: OfCard


class MissingCardPart(MissingPart, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a card that is not there, and why."""

    part: OfCard


class CardHere(Reply, frozen=True, kw_only=True):
    """A customer of one city whole, with the open work items."""

    card: CustomerCard
    items: tuple[ItemShort, ...]
    parts: tuple[CardPart, ...]


class CardFound(Reply, frozen=True, kw_only=True):
    """A customer whole. ``card``: null while the owning city does not answer; ``contacts``: those of another city's
    customer that arrived here, the latest first.
    """

    card: CustomerCard | None
    contacts: tuple[CardContact, ...]
    items: tuple[ItemShort, ...]
    parts: tuple[CardPart, ...]
    missing: tuple[MissingCardPart, ...]


class StatementFound(Reply, frozen=True, kw_only=True):
    """The bills of a customer item by item, from which city, and when it was so."""

    statement: CustomerBills
    parts: tuple[Part, ...]


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────────
class TestShown(Reply, frozen=True, kw_only=True):
    """A test of a line: what came of it, where a fault lies, and what was measured."""

    outcome: Outcome
    zh: str
    en: str
    lies: Lies
    lies_zh: str
    lies_en: str
    measured: LineTested


class TestedHere(Reply, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A test, and the city that made it."""

    test: TestShown
    from_: CityId


class Tested(TestedHere, frozen=True, kw_only=True, omit_defaults=True):
    """``receipt``: of the note on the work item that was named."""

    receipt: ReceiptShown | msgspec.UnsetType = msgspec.UNSET


class RepeatsHere(Reply, frozen=True, kw_only=True):
    """What one city has of a customer."""

    items: tuple[EarlierItem, ...]


class RepeatsFound(Reply, frozen=True, kw_only=True):
    """Services that a customer had twice or more, in all ``cities`` that answered."""

    repeats: tuple[Often, ...]
    as_of: float
    cities: tuple[CityId, ...]
    missing: tuple[MissingPart, ...]


class ProgressFound(Reply, frozen=True, kw_only=True):
    """Everything that a customer had taken in, in all ``cities`` that answered, what is under way first."""

    items: tuple[EarlierItem, ...]
    as_of: float
    cities: tuple[CityId, ...]
    missing: tuple[MissingPart, ...]


class MassFaultShown(Reply, frozen=True, kw_only=True):
    """Many reports that are one. ``by_count``: found by their number; ``items``: the first of its ``reports``."""

    mass_fault: str
    area: MassFaultArea
    name: str
    state: Literal["found", "confirmed", "repaired", "rejected"]
    by_count: bool
    declared_by: AgentId | None
    declared_at: float
    expected_at: float
    confirmed_by: AgentId | None
    note: str
    items: tuple[str, ...]
    reports: Count
    cleared_by: AgentId | None
    cleared_at: float | None
    cleared_note: str


class MassFaultsHere(Reply, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What one city (``from``) knows of."""

    mass_faults: tuple[MassFaultShown, ...]
    from_: CityId


class MassFaultsFound(MassFaultsHere, frozen=True, kw_only=True):
    """Mass faults, and whose part is missing."""

    missing: tuple[MissingPart, ...]


class MassFaultFound(Reply, frozen=True, kw_only=True):
    """One, as it is now."""

    mass_fault: MassFaultShown


# ── directory enquiry ───────────────────────────────────────────────────────────────────────────────────────────────
class EntryShown(Reply, frozen=True, kw_only=True):
    """A number of the directory, and how well it fits."""

    name: str
    aliases: tuple[str, ...]
    number: str
    address: str
    category: str
    city: CityId
    fit: Literal["exact", "beginning", "initials", "initials_begin", "other"]


class CopiedPart(Part, frozen=True, kw_only=True):
    """``copy``: from the copy of what that city publishes, which is at least as new as ``as_of``."""

    copy: bool


class EntriesHere(Reply, frozen=True, kw_only=True):
    """A page of what was found. ``token``: for the next one; ``unread``: entries that are damaged on disk."""

    entries: tuple[EntryShown, ...]
    token: str | None
    more: bool
    whose: Whose | None
    unread: Count
    parts: tuple[CopiedPart, ...]


class EntriesFound(EntriesHere, frozen=True, kw_only=True):
    """What was found, and whose part is missing."""

    missing: tuple[MissingPart, ...]


# ── prices ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class PriceShown(Reply, frozen=True, kw_only=True):
    """A price of today, in fen for each ``per`` units. ``city``: of that city alone; null: of the province."""

    code: str
    zh: str
    en: str
    fen: Count
    unit: TariffUnit
    per: Count
    since: date
    until: date | None
    regulated: bool
    city: CityId | None


class PricesHere(Reply, frozen=True, kw_only=True):
    """What a service costs on ``day``, by code."""

    prices: tuple[PriceShown, ...]
    day: date
    parts: tuple[CopiedPart, ...]


class PricesFound(PricesHere, frozen=True, kw_only=True):
    """What a service costs, and whose part is missing: its own prices then are not among them."""

    missing: tuple[MissingPart, ...]


# ── knowledge ───────────────────────────────────────────────────────────────────────────────────────────────────────
class BothLanguages(Reply, frozen=True, kw_only=True):
    """The same in Chinese and English."""

    zh: str
    en: str


class ArticleShort(Reply, frozen=True, kw_only=True):
    """An article by its titles. ``difference``: what is different in this city, to be shown first."""

    article: str
    version: Count
    topics: tuple[str, ...]
    zh: str
    en: str
    difference: BothLanguages | None


class ArticleWhole(ArticleShort, frozen=True, kw_only=True):
    """An article with its texts."""

    zh_body: str
    en_body: str
    owner: str
    approved_by: str
    valid_from: date
    expires_on: date


class ArticleSeen(ArticleShort, frozen=True, kw_only=True):
    """An article with the places that were asked for."""

    zh_excerpt: str
    en_excerpt: str


class ArticlesOfTopic(Reply, frozen=True, kw_only=True):
    """``more``: how many are not shown."""

    articles: tuple[ArticleWhole, ...]
    more: Count


class ArticlesFound(Reply, frozen=True, kw_only=True):
    """The best first."""

    articles: tuple[ArticleSeen, ...]


class ArticleFound(Reply, frozen=True, kw_only=True):
    """One article."""

    article: ArticleWhole


class Voted(Reply, frozen=True, kw_only=True):
    """The vote that counts now."""

    article: str
    version: Count
    useful: bool


class ArticleJudged(Reply, frozen=True, kw_only=True):
    """How many agents found a version of an article useful, and how many did not."""

    article: str
    version: Count
    zh: str
    en: str
    useful: Count
    not_useful: Count


class ArticlesJudged(Reply, frozen=True, kw_only=True):
    """The worst first."""

    judged: tuple[ArticleJudged, ...]


class ArticleExpiring(Reply, frozen=True, kw_only=True):
    """An article that expires soon; ``days_left`` below 0: it has."""

    article: str
    version: Count
    zh: str
    en: str
    owner: str
    expires_on: date
    days_left: int


class ArticlesExpiring(Reply, frozen=True, kw_only=True):
    """What expires soon and has no later version."""

    articles: tuple[ArticleExpiring, ...]
