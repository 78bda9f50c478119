"""A home that this process itself uses: its server is embedded, and Dagster finds its instance."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cardops.adapters.postgresql import connection
from cardops.settings import Settings
from orchestration.local.instance import prepare_instance
from tests.factories.databases import new_home


@contextmanager
def own_home() -> Iterator[Settings]:
    """Inside the block the environment points to it, for child processes too."""
    with pytest.MonkeyPatch.context() as environment, new_home() as path:
        environment.setenv("CARDOPS_DATABASE_URL", "")
        environment.setenv("CARDOPS_HOME", str(path))
        settings = Settings(home=path)
        for name, value in prepare_instance(settings).items():
            environment.setenv(name, value)
        yield settings
        connection._leave(connection._key(settings))
