"""What the tests of intake begin with."""

import pytest

from tests.factories.intake_environment import IntakeWorld
from tests.factories.kept_sessions import sessions_are_kept  # noqa: F401 - a fixture of these tests


@pytest.fixture
def world() -> IntakeWorld:
    """Every port in memory; no file has come yet."""
    return IntakeWorld()
