"""Assets are tried with the same ports in memory as the services they call."""

from tests.services.conftest import world

__all__ = ["world"]
