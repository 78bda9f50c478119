"""Copies of the store and of the lake, in which the specimen is made and damages are planted.

Belongs here: what is copied, and where to. The originals are read and nothing else.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cardops.bootstrap import Adapters, copied_database, store_damages
from cardops.services.reconciliation.file_damages import FileCopies
from cardops.services.reconciliation.proving import Proving
from cardops.settings import Settings
from orchestration.proving.specimen import make_specimen

# The tables of the lake that reconciliation reads.
LAKE_TABLES: Final = ("deposits", "balances", "transaction_log")


@contextmanager
def proving(settings: Settings) -> Iterator[Proving]:
    """Ready to plant damages in copies of what these settings name. Raises CopyRefusedError."""
    original = Adapters(settings)
    with copied_database(original.database.url) as url, TemporaryDirectory() as folder:
        home = Path(folder)
        for table in LAKE_TABLES:
            source = original.lake.local_path(table)
            shutil.copytree(source, home / "lake" / table, copy_function=_link)
        adapters = Adapters(Settings(home=home, database_url=url))
        business_date = make_specimen(adapters)
        yield Proving(
            store=store_damages(url),
            copies=FileCopies(adapters.lake, adapters.raw_store, business_date),
            lake_books=adapters.lake_books,
            business_date=business_date,
        )


def _link(source: str, target: str) -> str:
    """A second name of the file, which is never written in place; else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
