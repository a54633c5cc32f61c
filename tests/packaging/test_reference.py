"""The pages of docs/reference are what contract, models and metrics say today."""

from pathlib import Path

import pytest

from meterhouse import reference

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_the_page_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == reference.pages()[name], f"docs/reference/{name} is stale; run `make docs`"
