"""What the tests of intake begin with."""

import pytest

from tests.factories.intake_environment import IntakeWorld


@pytest.fixture
def world() -> IntakeWorld:
    """Every port in memory; no file has come yet."""
    return IntakeWorld()
