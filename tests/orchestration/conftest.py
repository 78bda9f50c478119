"""Tests here make instances of Dagster, too."""

from tests.factories.quick_instances import quick_instances

__all__ = ["quick_instances"]
