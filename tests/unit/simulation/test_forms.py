"""What simulated staff write into a form is what its service accepts, read from the schema alone."""

from __future__ import annotations

from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.services.form import problems_of
from dataset.services.service import Service
from simulation.population.forms import CALLING, filled
from site_node.desktop.work_views import service_whole
from tests.harness.services import catalogue

DAY = date(2026, 11, 26)


@pytest.mark.parametrize("service", catalogue(), ids=lambda service: service.id)
@given(seed=st.integers(0, 2**32))
def test_a_form_is_filled_in_as_its_service_wants_it(service: Service, seed: int) -> None:
    needed = [field.id for action in service.text.actions for field in service.text.fields if field.id in action.needs]
    values = filled(service_whole(service, None, DAY), Random(seed), DAY, needed)
    whole = {name: "02081230001" if value == CALLING else value for name, value in values.items()}
    assert problems_of(service.text.fields, whole) == ()
