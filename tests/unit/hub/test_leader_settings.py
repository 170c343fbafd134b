"""The ``[leader]`` table and the operator's file: what is wrong is named with its place, and nothing starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset.errors import Refused
from dataset.ids import HUB, NodeId
from federation.core.leader import Tenure
from federation.links.discovery.alone import Alone
from federation.links.discovery.build import build_leadership
from federation.links.discovery.consul import ConsulLeadership
from federation.links.discovery.file import FileLeadership, read_switch
from federation.links.discovery.settings import LeaderSettings
from federation.node.clock import VirtualClock
from federation.node.login import at_once

HUB2 = NodeId("hub2")
BOTH = (HUB, HUB2)


def refusal(tmp_path: Path, settings: LeaderSettings | None) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        build_leadership(VirtualClock(), settings, HUB, BOTH, file=tmp_path / "hub.toml")
    problem = caught.value.problems[0]
    return problem.slug, problem.text("en")


def test_several_hubs_need_something_that_settles_which_leads(tmp_path: Path) -> None:
    """Two hubs without a lock would both lead."""
    slug, said = refusal(tmp_path, None)
    assert slug == "leader-missing"
    assert f"{tmp_path}/hub.toml: leader" in said
    assert isinstance(build_leadership(VirtualClock(), None, HUB, (HUB,), file=tmp_path / "hub.toml"), Alone)


def test_a_file_that_is_not_there_or_says_nothing_sensible(tmp_path: Path) -> None:
    settings = LeaderSettings(form="file")
    assert refusal(tmp_path, settings)[0] == "file-unreadable"
    (tmp_path / "leader.toml").write_text('leader = "hub3"\nterm = 0\n')
    with pytest.raises(Refused) as caught:
        build_leadership(VirtualClock(), settings, HUB, BOTH, file=tmp_path / "hub.toml")
    said = [problem.text("en") for problem in caught.value.problems]
    assert f"{tmp_path}/leader.toml:1: " in said[0]
    assert "it has hub, hub2" in said[0]
    assert f"{tmp_path}/leader.toml:2: " in said[1]


def test_a_consul_that_nobody_could_use(tmp_path: Path) -> None:
    assert refusal(tmp_path, LeaderSettings(form="consul", ca="no-such.pem"))[0] == "file-unreadable"
    (tmp_path / "hub.pem").write_text("")
    assert refusal(tmp_path, LeaderSettings(form="consul", certificate="hub.pem"))[0] == "certificate-without-key"
    assert refusal(tmp_path, LeaderSettings(form="consul", ttl_s=0.2))[0] == "setting-form"
    built = build_leadership(VirtualClock(), LeaderSettings(form="consul"), HUB, BOTH, file=tmp_path / "hub.toml")
    assert isinstance(built, ConsulLeadership)


class Switched:
    """A hub by the operator's file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "leader.toml"
        self.clock = VirtualClock()
        self.heard = 0
        self.tenures: list[Tenure | None] = []
        self.leadership = FileLeadership(self.file, HUB, BOTH, self.clock, at_once)

    def says(self, leader: NodeId, term: int) -> None:
        self.file.write_text(f'leader = "{leader}"\nterm = {term}\n')
        self.clock.advance(1.0)


def test_the_file_is_read_again_every_second(tmp_path: Path) -> None:
    hub = Switched(tmp_path)
    hub.says(HUB2, 1)
    hub.leadership.compete(lambda: hub.heard, hub.tenures.append)
    assert hub.tenures == []
    hub.says(HUB, 2)
    assert hub.tenures == [Tenure(2, 5.0)]
    hub.says(HUB2, 3)
    assert hub.tenures[-1] is None


def test_a_malformed_file_makes_nobody_leader_until_it_is_mended(tmp_path: Path) -> None:
    """What cannot be understood may mean that another hub shall lead."""
    hub = Switched(tmp_path)
    hub.says(HUB, 2)
    hub.leadership.compete(lambda: hub.heard, hub.tenures.append)
    assert hub.tenures == [Tenure(2, 4.0)]
    hub.file.write_text("leader = hub\n")
    hub.clock.advance(1.0)
    assert hub.tenures[-1] is None
    hub.says(HUB, 2)
    assert hub.tenures[-1] == Tenure(2, 6.0)


def test_a_term_that_is_over_is_not_led_under(tmp_path: Path) -> None:
    """The operator forgot to count on: cities would refuse every word."""
    hub = Switched(tmp_path)
    hub.heard = 7
    hub.says(HUB, 6)
    hub.leadership.compete(lambda: hub.heard, hub.tenures.append)
    assert hub.tenures == []
    hub.says(HUB, 8)
    assert hub.tenures == [Tenure(8, 5.0)]
    hub.heard = 8
    hub.leadership.resign()
    hub.says(HUB, 8)
    assert hub.tenures == [Tenure(8, 5.0), None]
    hub.says(HUB, 9)
    assert hub.tenures[-1] == Tenure(9, 7.0)
    assert read_switch(hub.file, BOTH).term == 9
