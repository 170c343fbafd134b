"""Subscribers: a household or a company with its lines, services, features and entries in the directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from argon2.low_level import Type, hash_secret

from dataset.ids import CityId, CustomerId
from dataset.pinyin import spelling
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, Customer, CustomerKind, DocumentKind
from dataset.records.directory import DIRECTORY, DirectoryEntry, spelled
from dataset.records.line import LINES, Line, LineStatus
from dataset.records.money import BILLS, PAYMENTS, Bill, Payment
from simulation.population.material import City, District, Material
from simulation.population.numbering import SubscriberNumbers
from simulation.population.people import draw_company, draw_person

KEY_ACCOUNT_LINES = 16
"""A company with so many telephone lines is a key account (大客户)."""
_SINCE = {
    "install_line": date(1990, 1, 1), "isdn_2b_d": date(1997, 1, 1), "adsl": date(2001, 1, 1),
    "fibre_broadband": date(2009, 1, 1), "ddn": date(1994, 1, 1), "leased_line": date(2012, 1, 1),
    "card_200": date(1993, 1, 1), "card_300": date(1997, 1, 1), "freephone_800": date(1996, 1, 1),
    "number_400": date(2002, 1, 1),
}  # fmt: skip
"""from when on there was each service: by the ids of conf/packages/services, which are the codes of records as well.
ADSL was never ordered here: it is what older broadband is.
"""
_GROWN_UP = 18
_CEASED = 0.01
_SECOND_LINE = 0.05
_UNLISTED = 0.3
_PIN = 0.3
_PAID = (("800", "freephone_800", "freephone_rent", 0.02), ("400", "number_400", "shared_rent", 0.08))
_SPECIAL_NEEDS = (("hearing", 0.004), ("sight", 0.003), ("dialect_cantonese", 0.06))
_ELDERLY_BEFORE = 1950
_PLAIN_FEATURES = (
    ("call_waiting", 0.10), ("three_way", 0.03), ("abbreviated_dialling", 0.04), ("timed_call", 0.03),
    ("hotline", 0.02), ("do_not_disturb", 0.01), ("call_barring", 0.30), ("malicious_call_trace", 0.001),
)  # fmt: skip
_HOME_FEATURES = (
    ("domestic_direct", 0.85), ("international_direct", 0.05), ("caller_id", 0.70), ("forward_no_answer", 0.03),
    ("forward_busy", 0.01), ("forward_all", 0.01), ("ring_back_tone", 0.08), ("missed_call_alert", 0.02),
    ("internet_dial_up", 0.03),
)  # fmt: skip
_OFFICE_FEATURES = (
    ("isdn_2b_d", 0.06), ("domestic_direct", 0.95), ("international_direct", 0.26), ("caller_id", 0.80),
    ("forward_no_answer", 0.10), ("forward_busy", 0.08), ("forward_all", 0.03), ("ring_back_tone", 0.25),
    ("missed_call_alert", 0.10),
)  # fmt: skip
_NEEDS = {
    "international_direct": {"domestic_direct"}, "three_way": {"caller_id", "call_waiting"},
    "malicious_call_trace": {"caller_id"},
}  # fmt: skip
"""features that a feature needs, one of them at least"""
_NO_BROADBAND = {"isdn_2b_d", "internet_dial_up"}
"""on a line with one of these there is no broadband"""
_EXCLUDES = {
    "forward_busy": {"forward_no_answer"}, "forward_all": {"forward_no_answer", "forward_busy"},
    "missed_call_alert": {"forward_no_answer"}, "call_waiting": {"forward_busy"}, "timed_call": {"isdn_2b_d"},
    "hotline": {"isdn_2b_d", "forward_no_answer", "forward_busy", "forward_all", "abbreviated_dialling"},
    "do_not_disturb": {"call_waiting", "timed_call", "hotline"},
    "call_barring": {"domestic_direct", "international_direct"},
}  # fmt: skip
"""features that a line with one of these, drawn before, does not get: as the services' own rules have it, and one kind
of forwarding to a line
"""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A customer with all that is on record of it. ``pins``: what it presses to identify itself, by line."""

    customer: Customer
    lines: tuple[Line, ...]
    entries: tuple[DirectoryEntry, ...]
    bills: tuple[Bill, ...] = ()
    payments: tuple[Payment, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)

    def records(self) -> Iterator[Put]:
        """All of it, for a store."""
        yield Put(CUSTOMERS, self.customer)
        yield from (Put(LINES, line) for line in self.lines)
        yield from (Put(DIRECTORY, entry) for entry in self.entries)
        yield from (Put(BILLS, bill) for bill in self.bills)
        yield from (Put(PAYMENTS, payment) for payment in self.payments)


@dataclass(frozen=True, slots=True)
class Place:
    """An address, whole and as the directory has it."""

    text: str
    street: str
    house: str


@dataclass(slots=True)
class Drawing:
    """One subscriber being drawn."""

    rng: Random
    material: Material
    city: City
    district: District
    numbers: SubscriberNumbers
    today: date
    since: date = date.min
    """before which the subscriber cannot have had anything"""
    lines: list[Line] = field(default_factory=list)
    entries: list[DirectoryEntry] = field(default_factory=list)
    pins: dict[str, str] = field(default_factory=dict)

    # ── who ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    def household(self, most: int) -> Subscriber:
        """A family with one or two telephones, not more than ``most``; perhaps broadband and calling cards."""
        person = draw_person(self.rng, self.material.names, self.city)
        self.since = date(person.born + _GROWN_UP, 1, 1)
        place = self._home()
        unlisted = self.rng.random() < _UNLISTED
        for _ in range(min(most, 2 if self.rng.random() < _SECOND_LINE else 1)):
            line = self._telephone(place, _features(self.rng, _HOME_FEATURES), "rent_home")
            self._list(line, person.name, place, unlisted=unlisted)
        if self.rng.random() < 0.45:
            self._broadband(place)
        self._cards(place)
        needs = [need for need, share in _SPECIAL_NEEDS if self.rng.random() < share]
        customer = Customer(
            city=CityId(self.city.id),
            id=CustomerId(self.numbers.customer_number),
            name=person.name,
            document=person.document,
            contact_numbers=(self.numbers.mobile(),) if self.rng.random() < 0.9 else (),
            address=place.text,
            district=self.district.name,
            language="en" if person.document.kind is DocumentKind.PASSPORT else "zh",
            special_needs=(*(["elderly"] if person.born < _ELDERLY_BEFORE else []), *needs),
            promotions=self.rng.random() < 0.25,
        )
        return self._done(customer)

    def company(self, most: int) -> Subscriber:
        """A company with its departments and not more than ``most`` telephones; perhaps with data circuits and an
        800 or 400 number.
        """
        street = self.district.streets.draw(self.rng)
        company = draw_company(self.rng, self.material.companies, self.material.names, self.city, self.district, street)
        place = self._office(street)
        departments = company.trade.departments
        telephones = min(most, _size(self.rng, *company.trade.lines))
        for at in range(telephones):
            features = _features(self.rng, _OFFICE_FEATURES)
            line = self._telephone(place, features, "isdn_rent" if "isdn_2b_d" in features else "rent_office")
            if at == 0:
                self._list(line, company.name, place, company.aliases, company.trade.code)
            elif at <= len(departments):
                self._list(line, company.name, place, category=company.trade.code, part=departments[at - 1])
        self._company_services(place, company.name, company.trade.code, telephones)
        contact = draw_person(self.rng, self.material.names, self.city)
        customer = Customer(
            city=CityId(self.city.id),
            id=CustomerId(self.numbers.customer_number),
            name=company.name,
            kind=CustomerKind.KEY_ACCOUNT if telephones >= KEY_ACCOUNT_LINES else CustomerKind.BUSINESS,
            document=company.document,
            contact_numbers=(self.numbers.mobile(),),
            contact_name=contact.name,
            address=place.text,
            district=self.district.name,
            promotions=self.rng.random() < 0.4,
        )
        return self._done(customer)

    def _company_services(self, place: Place, name: str, category: str, telephones: int) -> None:
        if self.rng.random() < 0.5:
            self._broadband(place)
        if telephones >= 8 and self.rng.random() < 0.25:
            speed = "ddn_2m" if self.rng.random() < 0.2 else "ddn_64k"
            self._other(place, "ddn", self.numbers.data(), speed)
        if telephones >= 8 and self.rng.random() < 0.25:
            self._other(place, "leased_line", self.numbers.data(), "leased_10m")
        for paid, service, rent, share in _PAID:
            if telephones >= 4 and self.rng.random() < share:
                line = self._other(place, service, self.numbers.paid(paid), rent)
                self._list(line, name, place, category=category, part="客户服务热线")

    def _done(self, customer: Customer) -> Subscriber:
        return Subscriber(customer, tuple(self.lines), tuple(self.entries), pins=self.pins)

    # ── where ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _home(self) -> Place:
        rng, street = self.rng, self.district.streets.draw(self.rng)
        house = f"{rng.randrange(1, 400)}号"
        room = f"{rng.randrange(1, 33)}{rng.randrange(1, 9):02d}房"
        if rng.random() < 0.6:
            building = f"{rng.choice(self.district.estates)}{rng.randrange(1, 25)}栋"
            return self._place(street, house, f"{building}{rng.randrange(1, 5)}单元{room}")
        return self._place(street, house, room)

    def _office(self, street: str) -> Place:
        rng, house = self.rng, f"{self.rng.randrange(1, 900)}号"
        if rng.random() < 0.4:
            floor = rng.randrange(2, 38)
            return self._place(
                street, house, f"{rng.choice(self.district.buildings)}{floor}{rng.randrange(1, 20):02d}室"
            )
        return self._place(street, house, "首层" if rng.random() < 0.5 else "")

    def _place(self, street: str, house: str, rest: str) -> Place:
        return Place(f"{self.city.name}{self.district.name}{street}{house}{rest}", street, house)

    # ── what ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _telephone(self, place: Place, features: tuple[str, ...], tariff: str) -> Line:
        number, exchange, cable = self.numbers.telephone()
        digest = ""
        if self.rng.random() < _PIN:
            self.pins[number] = f"{self.rng.randrange(10**6):06d}"
            digest = _digest(self.pins[number], self.rng)
        return self._line(
            place,
            "install_line",
            number,
            tariff,
            features=features,
            exchange=f"{exchange.zh}局",
            cable=cable,
            pin=digest,
        )

    def _broadband(self, place: Place) -> None:
        """Over the first telephone line that bears it; by itself where there is none."""
        over = next((line for line in self._working() if _NO_BROADBAND.isdisjoint(line.features)), None)
        if self.rng.random() < 0.3:
            self._other(place, "adsl", self.numbers.data(), "adsl_2m", over)
            return
        fast = "fibre_500m" if self.rng.random() < 0.3 else "fibre_100m"
        self._other(place, "fibre_broadband", self.numbers.data(), fast, over)

    def _cards(self, place: Place) -> None:
        """Calling cards; a 300 card is charged to a line that may call other cities."""
        if self.rng.random() < 0.03:
            self._other(place, "card_200", self.numbers.card("200"), "card_200_calls")
        over = next((line for line in self._working() if "domestic_direct" in line.features), None)
        if self.rng.random() < 0.012 and over is not None:
            self._other(place, "card_300", self.numbers.card("300"), "card_300_calls", over)

    def _working(self) -> list[Line]:
        """The telephone lines drawn so far that are not given up."""
        return [one for one in self.lines if one.service == "install_line" and one.status is not LineStatus.CEASED]

    def _other(self, place: Place, service: str, number: str, tariff: str, over: Line | None = None) -> Line:
        return self._line(place, service, number, tariff, over=over)

    def _line(
        self,
        place: Place,
        service: str,
        number: str,
        tariff: str,
        *,
        features: tuple[str, ...] = (),
        over: Line | None = None,
        exchange: str = "",
        cable: str = "",
        pin: str = "",
    ) -> Line:
        since = max(self.since, *(_SINCE[code] for code in (service, *features) if code in _SINCE))
        installed = since + timedelta(self.rng.randrange((self.today - since).days))
        ceased = None
        if self.rng.random() < _CEASED:
            ceased = installed + timedelta(self.rng.randrange((self.today - installed).days + 1))
        line = Line(
            city=CityId(self.city.id),
            number=number,
            customer=CustomerId(self.numbers.customer_number),
            service=service,
            status=LineStatus.ACTIVE if ceased is None else LineStatus.CEASED,
            features=features,
            over=over.number if over is not None else None,
            tariff=tariff,
            address=place.text,
            district=self.district.name,
            exchange=exchange,
            cable=cable,
            installed_on=installed,
            ceased_on=ceased,
            pin_digest=pin,
        )
        self.lines.append(line)
        return line

    def _list(
        self,
        line: Line,
        name: str,
        place: Place,
        aliases: Sequence[str] = (),
        category: str = "",
        *,
        part: str = "",
        unlisted: bool = False,
    ) -> None:
        """Enter ``line`` into the directory under ``name``; ``part``: a department, behind it."""
        if line.status is LineStatus.CEASED:
            return
        # both are spelled apart, since the same company and the same departments come again and again
        whole, behind = (spelling(name), spelling(part)) if part else (None, None)
        entry = DirectoryEntry(
            city=line.city,
            number=line.number,
            name=f"{name}{part}",
            aliases=tuple(aliases),
            pinyin=whole.full + behind.full if whole and behind else "",
            initials=(whole.initials + behind.initials,) if whole and behind else (),
            category=category,
            district=self.district.name,
            street=place.street,
            house=place.house,
            unlisted=unlisted,
        )
        self.entries.append(spelled(entry))


def _features(rng: Random, shares: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    """What a line has of the features in ``shares`` and of those that anybody may have, as far as they go together."""
    found: dict[str, None] = {}
    for feature, share in (*shares, *_PLAIN_FEATURES):
        if rng.random() >= share or not found.keys().isdisjoint(_EXCLUDES.get(feature, ())):
            continue
        if feature not in _NEEDS or not found.keys().isdisjoint(_NEEDS[feature]):
            found[feature] = None
    return tuple(found)


def _size(rng: Random, least: int, most: int) -> int:
    """Telephones of a company: many are small, few are as large as their trade has them."""
    return min(most, least + int(rng.expovariate(4.0 / (most - least + 1))))


def _digest(pin: str, rng: Random) -> str:
    """Of an invented PIN: in argon2's form with its smallest cost, since a million of them are made, and no secret."""
    return hash_secret(pin.encode(), rng.randbytes(8), 1, 8, 1, 16, Type.ID).decode()
