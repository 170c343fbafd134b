"""Logging in at a city."""

from __future__ import annotations

from dataset.ids import CityId
from federation.node.answers import Login


class CityLogin(Login, frozen=True, kw_only=True):
    """A login at a city. ``agent`` is empty for whoever takes no calls, ``seat`` for whoever sits at none."""

    agent: str
    city: CityId
    seat: str
