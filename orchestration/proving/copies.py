"""Copies of the store and of the lake, in which the specimen is made and damages are planted.

Belongs here: what is copied, and where to. The originals are read and nothing else.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cardops.bootstrap import Adapters, copied_database, keep_one_program, store_damages
from cardops.ports import Lake
from cardops.services.reconciliation.file_damages import PROGRAM, FileCopies
from cardops.services.reconciliation.proving import Proving
from cardops.services.reconciliation.reconciling import ReconciliationService
from cardops.settings import Settings
from orchestration.composition import expected_files_of
from orchestration.proving.specimen import carry_balances, close_books, make_specimen

# The tables of the lake that reconciliation reads.
LAKE_TABLES: Final = ("deposits", "balances", "transaction_log")


@contextmanager
def proving(settings: Settings, say: Callable[[str], None]) -> Iterator[Proving]:
    """Ready to plant damages in copies of what these settings name. Raises CopyRefusedError."""
    say("Copying the store.")
    with (
        copied_database(Adapters(settings).database.url) as url,
        proving_in(url, settings, say) as ready,
    ):
        yield ready


@contextmanager
def proving_in(
    url: str, settings: Settings, say: Callable[[str], None], *, as_of: date | None = None
) -> Iterator[Proving]:
    """The same in a copy of the store that is there already, and that this changes.

    The whole copy is compared once, without a damage, as of today or an earlier date: the lake of today
    may have more than a copy that is some minutes old. Then everything but the specimen is removed
    from it, so that a damage takes as long on a large store as on a small one.
    """
    original = Adapters(settings)
    with TemporaryDirectory() as folder:
        whole = Adapters(settings.of_copy(Path(folder) / "whole", url))
        specimen = Adapters(settings.of_copy(Path(folder) / "specimen", url))
        say("Adding a small program that has one of everything.")
        business_date = make_specimen(specimen)
        say("Closing the books of the copy.")
        for adapters in (original, specimen):
            _link_tables(adapters.lake, Path(folder) / "whole" / "lake")
        close_books(whole, as_of or business_date)
        say("Comparing the copy without any damage.")
        undamaged = ReconciliationService(
            whole.books,
            whole.lake,
            whole.lake_books,
            whole.transaction_log,
            specimen.raw_store,
            expected_files_of(whole),
        ).reconcile(as_of or business_date)
        say("Removing all other programs from the copy.")
        keep_one_program(url, PROGRAM)
        carry_balances(specimen, business_date - timedelta(days=1))
        close_books(specimen, business_date)
        yield Proving(
            store=store_damages(url),
            copies=FileCopies(specimen.lake, specimen.raw_store, business_date),
            lake_books=specimen.lake_books,
            business_date=business_date,
            clock=specimen.database_clock,
            undamaged=undamaged.breaks,
        )


def _link_tables(lake: Lake, target: Path) -> None:
    for table in LAKE_TABLES:
        source = lake.local_path(table)
        if source.is_dir():
            shutil.copytree(source, target / table, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> str:
    """A second name of the file, which is never written in place; else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
