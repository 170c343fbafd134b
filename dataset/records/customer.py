"""Who the operator's customers are: one record behind all the old numbers."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dataset.errors import Language
from dataset.ids import AgentId, CityId, CustomerId
from dataset.masking import masked_document
from dataset.records.forms import Code, Name, ReachedBy
from dataset.tables import Index, Record, Table


class CustomerKind(StrEnum):
    """What kind of customer; key accounts (大客户) have a manager of their own."""

    RESIDENTIAL = "residential"
    BUSINESS = "business"
    KEY_ACCOUNT = "key_account"


class DocumentKind(StrEnum):
    """What a customer shows to prove who it is."""

    RESIDENT_ID = "resident_id"
    PASSPORT = "passport"
    TRAVEL_PERMIT = "travel_permit"
    BUSINESS_LICENCE = "business_licence"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document of identity. Its number is personal data: who is shown it in full leaves a trace (I10)."""

    kind: DocumentKind
    number: Name

    @property
    def masked(self) -> str:
        """Enough to compare with what a customer says, not enough to use."""
        return masked_document(self.number)


class Customer(Record, frozen=True, kw_only=True):
    """A customer of one city, wherever it calls from."""

    city: CityId
    """the owning city (归属局)"""
    id: CustomerId
    name: Name
    kind: CustomerKind = CustomerKind.RESIDENTIAL
    document: Document | None = None
    contact_numbers: tuple[ReachedBy, ...] = ()
    """where to call back; need not be lines of the operator"""
    contact_name: str = ""
    """of a business: whom to ask for"""
    address: str = ""
    district: str = ""
    language: Language = "zh"
    special_needs: tuple[Code, ...] = ()
    """``hearing``, ``sight``, ``elderly``, ``dialect_cantonese`` …: what whoever answers should know at once"""
    manager: AgentId | None = None
    """of a key account"""
    promotions: bool = False
    """has agreed to be told of offers"""

    @property
    def name_head(self) -> str:
        """The first character, by which names are kept apart: no partition holds a whole city."""
        return self.name[:1]

    @property
    def document_number(self) -> str | None:
        """Of the document, to find a customer by."""
        return self.document.number if self.document is not None else None


CUSTOMERS = Table(
    "customers",
    Customer,
    ("city", "id"),
    indexes=(
        Index("by_name", ("city", "name_head"), ("name",)),
        Index("by_document", ("city", "document_number")),
        Index("by_contact_number", ("city", "contact_numbers")),
    ),
)
