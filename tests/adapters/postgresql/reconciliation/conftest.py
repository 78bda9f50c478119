"""What these tests have in common."""

from collections.abc import Iterator

import pytest

from tests.factories.kept_sessions import kept_sessions


@pytest.fixture(scope="module", autouse=True)
def _kept_sessions() -> Iterator[None]:
    """The adapters open a session for each operation."""
    with kept_sessions():
        yield
