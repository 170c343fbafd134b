"""What a test of a subscriber's line comes to, in the words of a test desk (测量台).

Pure. The codes of outcomes are those that the form of a fault report offers as its result of the test, so that a seat
can take one over as it is.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dataset.errors import Language


class Outcome(StrEnum):
    """What is wrong with the line, or ``ok``."""

    OK = "ok"
    BREAK = "break"
    SHORT = "short"
    EARTH = "earth"
    FOREIGN_VOLTAGE = "foreign_voltage"
    OFF_HOOK = "off_hook"
    NO_DIAL_TONE = "no_dial_tone"
    NO_SYNC = "no_sync"


class Lies(StrEnum):
    """Where the fault lies."""

    NOWHERE = ""
    EXCHANGE = "exchange"
    FRAME = "frame"
    CABLE = "cable"
    PREMISES = "premises"


OUTCOMES: dict[Outcome, tuple[str, str]] = {
    Outcome.OK: ("正常", "good"),
    Outcome.BREAK: ("断线", "open"),
    Outcome.SHORT: ("混线（短路）", "short"),
    Outcome.EARTH: ("接地", "earth"),
    Outcome.FOREIGN_VOLTAGE: ("外电压", "foreign voltage"),
    Outcome.OFF_HOOK: ("话机未挂好", "receiver off the hook"),
    Outcome.NO_DIAL_TONE: ("无拨号音", "no dial tone"),
    Outcome.NO_SYNC: ("宽带不同步", "DSL does not synchronise"),
}
"""Chinese and English names."""
PLACES: dict[Lies, tuple[str, str]] = {
    Lies.NOWHERE: ("", ""),
    Lies.EXCHANGE: ("局内设备", "exchange"),
    Lies.FRAME: ("局内配线", "inside plant"),
    Lies.CABLE: ("外线电缆", "cable"),
    Lies.PREMISES: ("用户室内", "customer's premises"),
}
"""Chinese and English names."""


class LineUnderTest(msgspec.Struct, frozen=True, kw_only=True):
    """The line as its tester has to know it."""

    number: str
    exchange: str = ""
    cable: str = ""
    data: bool = False
    """broadband comes over the pair"""


class LineTested(msgspec.Struct, frozen=True, kw_only=True):
    """One test. A value that the test could not give is None: an open pair has no loop, a telephone line no DSL."""

    line: str
    outcome: Outcome
    lies: Lies
    """where the fault lies; nowhere for a good line"""
    at: float
    """when it was done, seconds since 1970 (UTC)"""
    insulation_ab_mohm: float
    """between the wires, megohms; as the two below it is below 0.1 for a fault that somebody hears"""
    insulation_ae_mohm: float
    """from the first wire to earth"""
    insulation_be_mohm: float
    loop_ohm: float | None = None
    """of the pair, where a current flows"""
    capacitance_nf: float
    """between the wires, with the telephone's bell where it is reached"""
    foreign_v: float = 0.0
    """on the pair with the exchange's battery taken off, volts"""
    distance_km: float | None = None
    """from the exchange to the fault, as far as it can be measured"""
    dsl_synced: bool | None = None
    dsl_down_kbps: int | None = None
    dsl_margin_db: float | None = None
    """signal-to-noise margin"""


def said(tested: LineTested, language: Language) -> str:
    """The test in one sentence, with what was measured, as it stands on a work item."""
    which = 0 if language == "zh" else 1
    outcome, place = OUTCOMES[tested.outcome][which], PLACES[tested.lies][which]
    joined = "；" if language == "zh" else "; "
    where = ("（" + place + "）" if language == "zh" else f" ({place})") if place else ""
    return joined.join((outcome + where, *_values(tested, language)))


def note_of(tested: LineTested) -> str:
    """The test as a note on a work item, in both languages: any city may read it."""
    return f"线路测试：{said(tested, 'zh')}\nLine test: {said(tested, 'en')}"


def _values(tested: LineTested, language: Language) -> list[str]:
    zh = language == "zh"
    insulation = "/".join(
        f"{value:g}" for value in (tested.insulation_ab_mohm, tested.insulation_ae_mohm, tested.insulation_be_mohm)
    )
    found = [f"绝缘 AB/A地/B地 {insulation} MΩ" if zh else f"insulation a-b/a-earth/b-earth {insulation} MΩ"]
    if tested.loop_ohm is not None:
        found.append(f"环阻 {tested.loop_ohm:g} Ω" if zh else f"loop {tested.loop_ohm:g} Ω")
    found.append(f"电容 {tested.capacitance_nf:g} nF" if zh else f"capacitance {tested.capacitance_nf:g} nF")
    if tested.foreign_v:
        found.append(f"外电压 {tested.foreign_v:g} V" if zh else f"foreign voltage {tested.foreign_v:g} V")
    if tested.distance_km is not None:
        found.append(f"距局 {tested.distance_km:g} km" if zh else f"{tested.distance_km:g} km from the exchange")
    if tested.dsl_synced:
        rate, margin = tested.dsl_down_kbps, tested.dsl_margin_db
        found.append(
            f"宽带已同步，下行 {rate} kbit/s，噪声裕量 {margin} dB"
            if zh
            else f"DSL in sync, {rate} kbit/s down, margin {margin} dB"
        )
    elif tested.dsl_synced is False:
        found.append("宽带未同步" if zh else "DSL not in sync")
    return found
