"""Gives each fault case its line of the scorecard; tests/conftest.py prints it at the end."""

import pytest

from faults import house


@pytest.fixture(autouse=True)
def fault(request: pytest.FixtureRequest, record_property) -> dict:
    """What the scorecard says of this test: its fault, the rounds, what was lost, there twice, or left over."""
    identity, about = request.node.get_closest_marker("fault").args
    line = {"id": identity, "about": about, "rounds": 1, **house.NOTHING, "note": ""}
    record_property("fault", line)
    return line


@pytest.fixture
def scored(fault):
    """A function that tells more than that the case passed."""

    def tell(**found) -> None:
        fault.update(found)
        assert {name: fault[name] for name in house.NOTHING} == house.NOTHING

    return tell
