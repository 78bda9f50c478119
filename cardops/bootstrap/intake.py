"""Files that arrive, what is known of their rows, and what their senders agreed to."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.files import FileAdapters

if TYPE_CHECKING:
    from cardops.adapters.aws.arrival_queue import QueuedArrivals
    from cardops.ports import (
        Arrivals,
        ArrivalWatch,
        ExpectedFiles,
        FileMappings,
        IntakeLedger,
        KnownRows,
        SourceControls,
        WaitingList,
    )


class IntakeAdapters(FileAdapters):
    """What judges and follows input files."""

    @cached_property
    def arrivals(self) -> Arrivals:
        """New files under `incoming/`, found by listing the raw store."""
        from cardops.adapters.object_stores.opening import open_arrivals

        return open_arrivals(self.settings.store_url("raw"), self.intake_ledger, self._aws)

    @cached_property
    def prompt_arrivals(self) -> Arrivals:
        """The same for a process that looks when something arrives, at many files at once."""
        from cardops.adapters.object_stores.opening import open_arrivals

        return open_arrivals(
            self.settings.store_url("raw"), self.intake_ledger, self._aws, is_prompt=True
        )

    @cached_property
    def arrival_watch(self) -> ArrivalWatch:
        """What tells that something may have arrived."""
        from cardops.adapters.object_stores.opening import open_watch

        return self.queued_arrivals or open_watch(self.settings.store_url("raw"))

    @cached_property
    def queued_arrivals(self) -> QueuedArrivals | None:
        """New files told by events on the queue that is set; None without one. Raises SettingsError."""
        from cardops.adapters.aws.queue_opening import open_queue

        if self.settings.events_queue_url is None:
            return None
        return open_queue(self.settings, self._aws, self.intake_ledger, self.notifier)

    @cached_property
    def intake_ledger(self) -> IntakeLedger:
        """Which files were seen, claimed and applied."""
        from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger

        return PostgresIntakeLedger(self.database.url)

    @cached_property
    def file_mappings(self) -> FileMappings:
        """How senders' files differ from the contract."""
        from cardops.adapters.postgresql.mappings.mappings import PostgresFileMappings

        return PostgresFileMappings(self.database.url)

    @cached_property
    def waiting_list(self) -> WaitingList:
        """Rows that wait for a reference."""
        from cardops.adapters.postgresql.intake.waiting_list import PostgresWaitingList

        return PostgresWaitingList(self.database.url, timedelta(days=self.settings.waiting_days))

    @cached_property
    def known_rows(self) -> KnownRows:
        """The index of accepted rows."""
        from cardops.adapters.postgresql.intake.known_rows import PostgresKnownRows

        return PostgresKnownRows(self.database.url)

    @cached_property
    def expected_files(self) -> ExpectedFiles:
        """The calendar of files that senders should deliver."""
        from cardops.adapters.postgresql.intake.expected_files import PostgresExpectedFiles

        return PostgresExpectedFiles(self.database.url)

    @cached_property
    def source_controls(self) -> SourceControls:
        """What programs demand of their deposit files, and which are held."""
        from cardops.adapters.postgresql.intake.source_controls import PostgresSourceControls

        return PostgresSourceControls(self.database.url)
