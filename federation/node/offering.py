"""What the province offers: its services and the calendar that their deadlines run by, from the files that it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dataset.calendar import WorkCalendar, parse_calendar
from dataset.errors import Problem, Refused
from dataset.packages import ServicePackage
from dataset.services.catalogue import Catalogue, parse_catalogue
from federation.node.configuration import beside, read_file
from federation.node.province import Province

EARLIER = "earlier"
"""the folder beside the services' files with the versions that running work items still have"""


@dataclass(frozen=True)
class Offering:
    """Checked as a whole."""

    catalogue: Catalogue
    calendar: WorkCalendar


def load_offering(file: Path, province: Province, package: ServicePackage) -> Offering:
    """The services and the calendar that the province in ``file`` names; no services where it names none.

    Raises ``Refused`` with the faults of all files.
    """
    head = province.province
    problems: list[Problem] = []
    calendar = WorkCalendar(((),) * 7, {})
    catalogue = Catalogue({})
    if head.calendar is not None:
        path = beside(str(file), head.calendar)
        try:
            calendar = parse_calendar(read_file(path), str(path))
        except Refused as refused:
            problems += refused.problems
    if head.services is not None:
        try:
            folder = beside(str(file), head.services)
            catalogue = parse_catalogue(_files(folder), package, _read(folder / EARLIER))
        except Refused as refused:
            problems += refused.problems
    if head.calendar is None and any(service.makes_work for service in catalogue):
        problems.append(
            Problem(
                "calendar-missing",
                zh='业务有工单，时限需要日历；请加 calendar = "calendar.toml"',
                en='services with work items need a calendar for their deadlines; add calendar = "calendar.toml"',
                place=str(file),
            )
        )
    if problems:
        raise Refused(*problems)
    return Offering(catalogue, calendar)


def _read(folder: Path) -> dict[str, bytes]:
    return {str(path): read_file(path) for path in sorted(folder.glob("*.toml"))}


def _files(folder: Path) -> dict[str, bytes]:
    """The service files of a folder, by name. Raises ``Refused`` when there are none."""
    found = _read(folder)
    if not found:
        raise Refused(
            Problem(
                "services-missing",
                zh="此目录没有业务文件（*.toml）；请检查 services",
                en="there are no service files (*.toml) in this folder; check services",
                place=str(folder),
            )
        )
    return found
