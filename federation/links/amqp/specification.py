"""The protocol specification, read once from the package's own ``spec.xml`` (row 3 of the list in docs/amqp.md)."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

from txamqp import spec

SPEC_FILE = "spec.xml"


@lru_cache(maxsize=1)
def specification() -> Any:
    """The loaded specification: txamqp's ``Spec`` (untyped): classes, methods, fields, constants.

    txamqp's wheel carries none, and none of the published ones knows ``confirm.select``, ``basic.nack`` and
    ``connection.blocked``; this package ships its own.
    """
    text = files(__package__).joinpath(SPEC_FILE).read_bytes()
    return spec.load_string(text, specfilename=SPEC_FILE)
