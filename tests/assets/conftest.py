"""What the tests of intake begin with."""

import pytest

from tests.builders.intake_world import IntakeWorld


@pytest.fixture
def world() -> IntakeWorld:
    """Every port in memory; no file has come yet."""
    return IntakeWorld()
