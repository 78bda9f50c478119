"""Assets are tried with the same ports in memory as the services they call."""

from tests.factories.quick_instances import quick_instances
from tests.services.conftest import world

__all__ = ["quick_instances", "world"]
