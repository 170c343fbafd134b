"""The one envelope around everything that nodes say to each other, and the messages inside it.

``docs/federation.md`` is the protocol page. Version N reads N-1 and ignores what it does not know; fields are only
added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from dataset.errors import Problem, Refused
from dataset.ids import AgentId, CityId, ContactId, LineageId, NodeId, SkillId, Token
from dataset.rows import Withdrawn

VERSION = 2
OLDEST_READABLE = 1
LARGEST_BYTES = 1_000_000


class Stream(StrEnum):
    """Three promises (federation.md, Streams)."""

    PICTURE = "picture"
    """newest wins, may be lost"""
    COMMAND = "command"
    """answered within a budget or void"""
    LEDGER = "ledger"
    """gapless, applied once, acknowledged end to end"""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all messages."""


# ── picture ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class SkillPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One queue of one city at one moment."""

    waiting: int = 0
    oldest_wait_s: float = 0.0
    idle: int = 0
    """agents who could take a contact of this skill at once"""
    staffed: int = 0
    """agents logged in with this skill and not in 示忙"""
    expected_wait_s: float | None = None
    """for a contact that came now; None = nobody is staffed"""


class AgentPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One agent session."""

    agent: AgentId
    name: str
    state: str
    reason: str = ""
    since_s: float = 0.0
    """seconds in this state when the beat was sent"""
    skills: tuple[SkillId, ...] = ()
    seat: str = ""
    contact: ContactId | None = None


class CityPicture(msgspec.Struct, frozen=True, kw_only=True):
    """What a city tells everybody about itself."""

    city: CityId
    skills: dict[str, SkillPicture]
    agents: tuple[AgentPicture, ...] = ()
    contacts_live: int = 0
    trunks_busy: dict[str, int] = msgspec.field(default_factory=dict)
    """legs up towards each other city"""
    switch_up: bool = True
    hub_seen: bool = True
    """whether a leading hub is heard"""
    leader: str = ""
    """the hub that this city follows (B2); empty when none is heard, and from version 1"""


class Beat(Message, frozen=True, kw_only=True, tag="beat"):
    """One beat (1 s): ``full`` now and then and on request, else only what changed since ``base``.

    ``digest`` is over the full picture after applying; who computes another asks for a full one.
    """

    count: int
    wall: float
    digest: str
    full: CityPicture | None = None
    base: int = 0
    skills: dict[str, SkillPicture] = msgspec.field(default_factory=dict)
    agents: tuple[AgentPicture, ...] = ()
    gone: tuple[AgentId, ...] = ()
    contacts_live: int = 0
    trunks_busy: dict[str, int] = msgspec.field(default_factory=dict)
    switch_up: bool = True
    hub_seen: bool = True
    leader: str = ""


class FullPictureWanted(Message, frozen=True, kw_only=True, tag="full_picture_wanted"):
    """The sender's copy of the receiver's picture is missing or wrong."""


class HubBeat(Message, frozen=True, kw_only=True, tag="hub_beat"):
    """A hub is there; the envelope's ``term`` says under which term it leads, or which it knows of (B2)."""

    count: int
    wall: float
    leads: bool = True
    """a standby says False; version 1 knew only hubs that lead"""
    silent: tuple[CityId, ...] = ()
    """cities that it does not hear: one that reads its own name is not heard, whatever it hears itself (failure 2)"""


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What goes along with the voice, so that the far agent sees what the first one saw."""

    calling: str
    door: str
    path: tuple[str, ...]
    service: str
    skill: SkillId
    channel: str
    priority: int
    package: str
    waited_s: float
    notes: tuple[str, ...] = ()
    """``1001@guangzhou: text``, oldest first"""
    handled_by: tuple[AgentId, ...] = ()
    line: str = ""
    """the line that the caller asked about in self-service"""


class Open(Message, frozen=True, kw_only=True, tag="open"):
    """Anchor to hub: contact's attempt ``n`` is open to the province (A1)."""

    contact: ContactId
    n: int
    context: Context
    budget_s: float
    """how long the anchor will wait for a grant, counted by the receiver on its own clock (A9)"""
    refused_by: tuple[CityId, ...] = ()


class Propose(Message, frozen=True, kw_only=True, tag="propose"):
    """Hub (or the anchor itself, for a named agent) to serving site: would you take it? ``anchor`` hears the answer."""

    contact: ContactId
    n: int
    anchor: CityId
    context: Context
    budget_s: float
    agent: AgentId | None = None


class Granted(Message, frozen=True, kw_only=True, tag="granted"):
    """Serving site to anchor (copy to the hub): a slot is leased (A2)."""

    contact: ContactId
    n: int
    site: CityId
    agent: AgentId
    token: Token
    number: str
    ttl_s: float


class NotGranted(Message, frozen=True, kw_only=True, tag="not_granted"):
    """Serving site to proposer and anchor."""

    contact: ContactId
    n: int
    site: CityId
    reason: str
    """``nobody_idle``, ``agent_busy``, ``agent_unknown``, ``unverified``, ``numbers_exhausted``,
    ``own_city_first``"""


class NoProposal(Message, frozen=True, kw_only=True, tag="no_proposal"):
    """Hub to anchor: the budget ran out without anybody to propose."""

    contact: ContactId
    n: int
    reason: str


class Taken(Message, frozen=True, kw_only=True, tag="taken"):
    """Anchor to serving site (copy to the hub): the leg is on its way."""

    contact: ContactId
    n: int
    token: Token


class Release(Message, frozen=True, kw_only=True, tag="release"):
    """Anchor to serving site: not taken; frees only a lease that no leg has claimed (A4)."""

    contact: ContactId
    n: int
    token: Token
    reason: Withdrawn


class Close(Message, frozen=True, kw_only=True, tag="close"):
    """Anchor to hub: stop proposing for this attempt."""

    contact: ContactId
    n: int
    reason: str


class TransferWanted(Message, frozen=True, kw_only=True, tag="transfer_wanted"):
    """Serving site to anchor: its agent sends the caller on. Answered by ``TransferAnswer`` within ``budget_s``."""

    contact: ContactId
    n: int
    token: Token
    by: AgentId
    request: str
    """chosen by the sender, comes back in the answer"""
    to_skill: SkillId | None = None
    to_agent: AgentId | None = None
    notes: tuple[str, ...] = ()
    budget_s: float = 3.0


class TransferAnswer(Message, frozen=True, kw_only=True, tag="transfer_answer"):
    """Anchor to serving site; ``problem`` is empty when the caller is on the way, else a slug."""

    contact: ContactId
    request: str
    problem: str = ""


class Lookup(Message, frozen=True, kw_only=True, tag="lookup"):
    """City to city: what somebody at a seat here wants to see of what is on record there; answered within
    ``budget_s``, or not at all. The one that is asked checks the roles again.
    """

    question: str
    """names it in the answer"""
    operation: str
    fields: msgspec.Raw
    """a JSON object"""
    agent: AgentId
    roles: tuple[str, ...]


class LookupAnswer(Message, frozen=True, kw_only=True, tag="lookup_answer"):
    """What was found, or why not."""

    question: str
    status: int
    """200, or that of the refusal"""
    body: msgspec.Raw
    """the answer, or the refusal, as a JSON object"""


# ── copies of what is public ────────────────────────────────────────────────────────────────────────────────────────
class CopyAsked(Message, frozen=True, kw_only=True, tag="copy_asked"):
    """Who keeps a copy to who has more: a stretch of what ``city`` publishes, and a mark of what the copy has there."""

    question: str
    """names it in the answer"""
    table: str
    """``directory`` or ``tariffs``"""
    city: CityId
    since: tuple[str, ...]
    """the first position; empty: from the beginning"""
    before: tuple[str, ...]
    """the first position behind it; empty: to the end"""
    mark: str


class CopyTold(Message, frozen=True, kw_only=True, tag="copy_told"):
    """Whether the copy has the same there, else what stands from ``since`` of the question to ``before``."""

    question: str
    as_of: float | None
    """wall time by which it is so; None: there is nothing whole to be told"""
    same: bool = False
    before: tuple[str, ...] = ()
    """the end of what is told, at most that of the question; empty: the end of everything"""
    records: tuple[msgspec.Raw, ...] = ()
    """in order, as their table writes them; their revisions mean nothing"""


# ── contents of files ───────────────────────────────────────────────────────────────────────────────────────────────
class PieceAsked(Message, frozen=True, kw_only=True, tag="piece_asked"):
    """City to city: a piece of a content that the other has, for a work item of either."""

    question: str
    """names it in the answer"""
    of: str
    """the request that hands the file in, or the name under which it was lent"""
    since: int
    """bytes that are here already"""


class PieceTold(Message, frozen=True, kw_only=True, tag="piece_told"):
    """The bytes from there on, ``LARGEST_PIECE`` of them at most; none where the content is not to be had."""

    question: str
    data: bytes


# ── ledger ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class LedgerHello(Message, frozen=True, kw_only=True, tag="ledger_hello"):
    """Sender to receiver on every (re)connect: opens ``session``; rows of older sessions are refused (J3)."""

    session: str
    lineage: LineageId
    head: int
    """highest number assigned for this receiver in this lineage"""


class LedgerHeads(Message, frozen=True, kw_only=True, tag="ledger_heads"):
    """Receiver's answer: all heads it knows for that sender, and the session it accepts (J3)."""

    session: str
    """in force; empty when the receiver has none"""
    heads: dict[str, int]
    """highest number applied, per lineage of that sender"""
    refused: str = ""
    """the session whose rows were just refused; its sender, if it still uses it, opens a new one"""


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered entry of an outbox: ``number`` is gapless per (lineage, receiver); ``row`` is a ``Journalled``."""

    number: int
    row: msgspec.Raw


class LedgerRows(Message, frozen=True, kw_only=True, tag="ledger_rows"):
    """A run of entries of one lineage, in order."""

    session: str
    lineage: LineageId
    rows: tuple[LedgerRow, ...]
    forgotten_from: int = 0
    forgotten_to: int = 0
    """the numbers from … to, just before ``rows``, are no longer kept by the sender (J5); 0 = none are missing"""


class LedgerAck(Message, frozen=True, kw_only=True, tag="ledger_ack"):
    """Receiver to sender, after the receiver's own commit: everything up to ``number`` is applied (S1)."""

    session: str
    lineage: LineageId
    number: int
    again_from: int = 0
    """rows came that leave a gap before them: please send again from this number on; 0 = no gap"""


AnyMessage = (
    Beat
    | FullPictureWanted
    | HubBeat
    | Open
    | Propose
    | Granted
    | NotGranted
    | NoProposal
    | Taken
    | Release
    | Close
    | TransferWanted
    | TransferAnswer
    | Lookup
    | LookupAnswer
    | CopyAsked
    | CopyTold
    | PieceAsked
    | PieceTold
    | LedgerHello
    | LedgerHeads
    | LedgerRows
    | LedgerAck
)


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """Around every message. ``contact`` and ``attempt`` repeat the message's own for logs and tracing."""

    sender: NodeId
    to: NodeId
    """a node, or ``*`` for everybody"""
    stream: Stream
    lineage: LineageId
    """the sender's current run"""
    sequence: int
    """per (lineage, stream), by the sender; for picture and command only a hint of loss and order"""
    body: AnyMessage
    term: int = 0
    """of a hub that leads its own (B2), of any other node the highest it heard; 0 = none yet, version 1 sends 1"""
    contact: ContactId | None = None
    attempt: int | None = None
    budget_s: float | None = None
    """time to live on the way; also its TTL at a broker"""
    version: int = VERSION


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Envelope)


def encode(envelope: Envelope) -> bytes:
    """The envelope as UTF-8 JSON."""
    return _ENCODER.encode(envelope)


def decode(data: bytes) -> Envelope:
    """The envelope in ``data``.

    Raises ``Refused`` (``envelope-too-large``, ``envelope-malformed``, ``envelope-version``) for anything else.
    """
    if len(data) > LARGEST_BYTES:
        raise Refused(
            Problem(
                "envelope-too-large",
                zh=f"信封有 {len(data)} 字节，上限为 {LARGEST_BYTES}",
                en=f"the envelope has {len(data)} bytes, the limit is {LARGEST_BYTES}",
            )
        )
    try:
        envelope = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(
            Problem(
                "envelope-malformed",
                zh=f"信封格式错误（应为版本 {OLDEST_READABLE} 至 {VERSION} 的 JSON）：{error}",
                en=f"malformed envelope (JSON of version {OLDEST_READABLE} to {VERSION} expected): {error}",
            )
        ) from error
    if envelope.version < OLDEST_READABLE:
        raise Refused(
            Problem(
                "envelope-version",
                zh=f"信封版本 {envelope.version} 太旧，本机可读 {OLDEST_READABLE} 以上",
                en=f"envelope version {envelope.version} is too old, this node reads {OLDEST_READABLE} and later",
            )
        )
    return envelope


@dataclass(frozen=True, slots=True)
class Wording:
    """How envelopes become bytes and are read again; another one than this version's lets a node speak as an older
    version does.
    """

    encode: Callable[[Envelope], bytes] = encode
    decode: Callable[[bytes], Envelope] = decode
