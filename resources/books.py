"""The resource `books`: the store as reconciliation reads it."""

import dagster as dg
from typing_extensions import override

from cardops.adapters.postgresql.books import PostgreSqlBooks
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.settings import Settings


class BooksResource(dg.ConfigurableResource[PostgreSqlBooks]):
    """Hands out both roads of every account."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> PostgreSqlBooks:
        """The adapter over this instance's database."""
        return PostgreSqlBooks(connect_info(Settings.load()).url)
