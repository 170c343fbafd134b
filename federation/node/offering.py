"""What the province offers: its services, the calendar that their deadlines run by, and its articles of knowledge, from
the files that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dataset.article_files import parse_articles
from dataset.calendar import NO_WORK, WorkCalendar, parse_calendar
from dataset.errors import Problem, Refused
from dataset.packages import ServicePackage
from dataset.records.article import Article
from dataset.services.catalogue import Catalogue, parse_catalogue
from dataset.services.form import Field
from dataset.services.service import Service
from federation.node.configuration import beside, read_file
from federation.node.province import Province

EARLIER = "earlier"
"""the folder beside the services' files with the versions that running work items still have"""


@dataclass(frozen=True)
class Offering:
    """Checked as a whole."""

    catalogue: Catalogue
    calendar: WorkCalendar
    articles: Mapping[str, Article] = field(default_factory=dict)
    """by file"""
    unanswered: str = ""
    """the service that takes in questions without an answer; its form has one required field, the question"""


def load_offering(file: Path, province: Province, package: ServicePackage) -> Offering:
    """The services, calendar and articles that the province in ``file`` names; none where it names none.

    Raises ``Refused`` with the faults of all files.
    """
    head = province.province
    problems: list[Problem] = []
    calendar = NO_WORK
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
            catalogue = parse_catalogue(
                _files(folder, "toml", "services", "业务", "services"), package, _read(folder / EARLIER)
            )
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
    articles: dict[str, Article] = {}
    if head.knowledge is not None:
        try:
            found = _files(beside(str(file), head.knowledge), "md", "knowledge", "知识", "articles")
            articles = parse_articles(found, {city.id for city in province.cities})
        except Refused as refused:
            problems += refused.problems
    unanswered = head.unanswered if head.unanswered is not None and head.services is not None else ""
    if unanswered and not problems:
        problems += _unfit(catalogue, unanswered, str(file))
    if problems:
        raise Refused(*problems)
    return Offering(catalogue, calendar, articles, unanswered)


def question_of(service: Service) -> Field | None:
    """The field that takes a question: the only one that must always be filled in, a long text; else None."""
    always = [one for one in service.text.fields if one.required and one.when is None]
    return always[0] if len(always) == 1 and always[0].type == "long_text" else None


def _unfit(catalogue: Catalogue, name: str, file: str) -> list[Problem]:
    """Why the service cannot take in questions."""
    service = catalogue.services.get(name)
    if service is not None and service.makes_work and question_of(service) is not None:
        return []
    able = "、".join(one.id for one in catalogue if one.makes_work and question_of(one) is not None) or "-"
    return [
        Problem(
            "unanswered-service",
            zh=f"{name} 不能受理问题：应为有工单、必填项只有一个长文本的业务，有：{able}",
            en=f"{name} cannot take in questions: a service with work items whose one required field is a long text"
            f" is expected; there are: {able}",
            place=f"{file}: unanswered",
        )
    ]


def _read(folder: Path, ending: str = "toml") -> dict[str, bytes]:
    return {str(path): read_file(path) for path in sorted(folder.glob(f"*.{ending}"))}


def _files(folder: Path, ending: str, key: str, zh: str, en: str) -> dict[str, bytes]:
    """The files of a folder, by name. Raises ``Refused`` when there are none; ``zh`` and ``en`` say what they are."""
    found = _read(folder, ending)
    if not found:
        raise Refused(
            Problem(
                f"{key}-missing",
                zh=f"此目录没有{zh}文件（*.{ending}）；请检查 {key}",
                en=f"there are no files of {en} (*.{ending}) in this folder; check {key}",
                place=str(folder),
            )
        )
    return found
