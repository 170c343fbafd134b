"""Feeds events to the core and carries out its commands."""
