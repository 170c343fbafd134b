"""Everything that a city has in hand, for whoever holds all of it against what journal and switch say."""

from __future__ import annotations

from dataclasses import dataclass

from site_node.core.anchor import Anchor
from site_node.core.call_back import CallBacks
from site_node.core.contacts import Contacts
from site_node.core.routing import Routing
from site_node.core.rules import Rules
from site_node.core.serving import Serving
from site_node.core.sessions import Sessions
from site_node.core.step import Step


@dataclass(frozen=True, slots=True)
class InHand:
    """Contacts and their ways, seats and what they serve, calls to customers."""

    rules: Rules
    step: Step
    contacts: Contacts
    anchor: Anchor
    routing: Routing
    serving: Serving
    sessions: Sessions
    call_backs: CallBacks
