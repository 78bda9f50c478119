"""What the tests of intake begin with."""

from collections.abc import Iterator

import pytest

from tests.factories.intake_environment import IntakeWorld
from tests.factories.kept_sessions import kept_sessions


@pytest.fixture(scope="module", autouse=True)
def _kept_sessions() -> Iterator[None]:
    """Services open a session for each operation."""
    with kept_sessions():
        yield


@pytest.fixture
def world() -> IntakeWorld:
    """Every port in memory; no file has come yet."""
    return IntakeWorld()
