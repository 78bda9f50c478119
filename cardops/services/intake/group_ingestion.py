"""Small files ingested together: one look-up, one turn or credit, one lake file; counts per file.

Belongs here: the order of these steps. A group is tried once. A file that something sets apart (it
cannot be read, is held, waits for another) is left out before anything is applied, and where the group
fails, it is taken apart: what is left is ingested file by file. After a crash the files are found begun,
and are ingested file by file too, with their rows in the lake file that they share.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import BinaryIO

import polars as pl

from cardops.contracts.judging.files import FileCircumstances, judge_texts, rows_of
from cardops.contracts.judging.groups import (
    SettledGroup,
    in_files,
    rows_in_files,
    settle_group,
    totals_in_files,
)
from cardops.contracts.judging.workspace import Workspace, temporary_workspace
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import Kinds
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.together import ReadFiles, SmallFile, read_together
from cardops.rules.intake.control_files import ControlPolicy
from cardops.rules.intake.files import IntakeFile, RowReason
from cardops.rules.intake.groups import FileGroup
from cardops.rules.intake.objects import ObjectStoreError
from cardops.rules.intake.source_controls import FilePass, SourcePolicy
from cardops.services.intake.circumstances import circumstances_of
from cardops.services.intake.contents import ContentReplacedError, claimed_content
from cardops.services.intake.control import control_content_of
from cardops.services.intake.grouping import MIN_FILES, groups_of
from cardops.services.intake.judging import judge_group_in_turn, terms_of
from cardops.services.intake.ports import IngestResult, IntakePorts
from cardops.services.intake.progress import tell_of_judged
from cardops.services.intake.quarantine import clear_quarantine, quarantine_in_turn
from cardops.services.intake.shared_ids import EarlierFiles
from cardops.services.intake.waiting_rows import is_awaited, record_references, release_for_rows

# Ends the ingestion of an earlier file, which this one (`intake_file`) waits for; raises where it cannot.
Finish = Callable[..., None]
_log = logging.getLogger(__name__)


class GroupGivenUpError(RuntimeError):
    """The files are ingested one by one instead."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A file of the group, as it was read."""

    intake_file: IntakeFile
    rows: InputRows
    text: pl.DataFrame


def ingest_groups(
    files: Sequence[IntakeFile],
    ports: IntakePorts,
    kinds: Kinds,
    earlier: EarlierFiles,
    finish: Finish,
) -> dict[int, IngestResult]:
    """Ingest the small ones of these files in groups; results by intake id, of those that are done."""
    results: dict[int, IngestResult] = {}
    for group in groups_of(files, kinds):
        results |= GroupIngestion(ports, kinds, earlier, finish).ingest(group)
    return results


@dataclass
class GroupIngestion:
    """One group. `is_undoable`: nothing of it is applied, neither outside the lake nor there."""

    ports: IntakePorts
    kinds: Kinds
    earlier: EarlierFiles
    finish: Finish
    is_undoable: bool = True

    def ingest(self, files: Sequence[IntakeFile]) -> dict[int, IngestResult]:
        """The results of those files that were ingested; the others are to be ingested one by one."""
        profile = self.kinds[files[0].arrival.kind]
        policy = self._policy(files[0], profile)
        if policy.control is not ControlPolicy.NONE:
            return {}
        ledger = self.ports.intake_ledger
        with ledger.together([file.intake_id for file in files]) as untouched:
            if len(untouched) < MIN_FILES:
                return {}
            ledger.begin_all([file.intake_id for file in untouched])
            try:
                return self._ingest(untouched, profile, policy)
            except Exception as error:  # noqa: BLE001 - each file reports its own when it is ingested
                _log.warning("%s files are ingested one by one: %s", len(untouched), error)
                self._take_apart(untouched)
                return {}

    def _take_apart(self, files: Sequence[IntakeFile]) -> None:
        """Leave the files as if the group had not been tried; once rows are applied, as they are."""
        if self.is_undoable:
            intake_ids = [file.intake_id for file in files]
            self.ports.known_rows.forget(*intake_ids)
            self.ports.intake_ledger.withdraw(intake_ids)

    def _ingest(
        self, files: Sequence[IntakeFile], profile: KindProfile, policy: SourcePolicy
    ) -> dict[int, IngestResult]:
        circumstances = circumstances_of(files[0], self.ports, self.kinds)
        members = self._members(files, profile, circumstances)
        waiting = self.earlier.shared_with_group(
            [member.intake_file for member in members], [member.text for member in members]
        )
        # Of a report that lists every movement of a dispute, rows replace rows of their own file.
        members = [
            member
            for member in members
            if member.intake_file.intake_id not in waiting and not member.rows.keeps_latest
        ]
        if policy.has_caps and len(members) >= MIN_FILES:
            members = self._passing(members, profile, circumstances, policy)
        self._leave_out(files, members)
        if len(members) < MIN_FILES:
            return {}
        with temporary_workspace() as workspace:
            group = _judged(members, profile, circumstances, workspace)
            settled = self._applied(group, members, profile, workspace)
            return self._finished(members, settled)

    def _passing(
        self,
        members: Sequence[_Member],
        profile: KindProfile,
        circumstances: FileCircumstances,
        policy: SourcePolicy,
    ) -> list[_Member]:
        """The files that need no approval, recorded in claim order; the others are held by themselves."""
        with temporary_workspace() as workspace:
            group = _judged(members, profile, circumstances, workspace)
            valid = in_files(workspace.scan("valid").collect(), group)
        counts, totals = rows_in_files(valid), totals_in_files(valid, profile)

        def passes(member: _Member) -> bool:
            intake_id = member.intake_file.intake_id
            file_pass = FilePass(
                row_count=counts.get(intake_id, 0), totals_minor=totals.get(intake_id, {})
            )
            controls = self.ports.source_controls
            return not controls.pass_unless_held(member.intake_file, file_pass, policy).persons

        return [member for member in members if passes(member)]

    def _policy(self, intake_file: IntakeFile, profile: KindProfile) -> SourcePolicy:
        """What the program demands of a file that nobody began."""
        if not profile.applied_to:
            return SourcePolicy()
        return self.ports.source_controls.policy(intake_file.arrival.program)

    def _members(
        self, files: Sequence[IntakeFile], profile: KindProfile, circumstances: FileCircumstances
    ) -> list[_Member]:
        """The files that can be read and have no control file."""
        found = [(file, self._content(file)) for file in files]
        contents = [(file, content) for file, content in found if content is not None]
        by_key = {file.arrival.key: file for file, _ in contents}

        def read(key: str, stream: BinaryIO) -> InputRows:
            return rows_of(stream, profile, replace(circumstances, intake_file=by_key[key]))

        small = [SmallFile(file.arrival.key, content) for file, content in contents]
        is_mapped = circumstances.mapping is not None
        waiting, members = [file for file, _ in contents], []
        for read_files in read_together(small, read, is_mapped=is_mapped):
            own, waiting = waiting[: read_files.file_count], waiting[read_files.file_count :]
            members += _members_of(own, read_files)
        return members

    def _content(self, intake_file: IntakeFile) -> bytes | None:
        """None where its content is not what was claimed, or a control file says what it must be."""
        store = self.ports.raw_store
        try:
            if control_content_of(store, intake_file) is not None:  # guard: grouped-control-file
                return None
            with claimed_content(store, intake_file) as content:
                return content.read()
        except (ContentReplacedError, ObjectStoreError):
            return None

    def _leave_out(self, files: Sequence[IntakeFile], members: Sequence[_Member]) -> None:
        """Files that are no members, all where one is left, are as if they had not been begun."""
        kept = {member.intake_file.intake_id for member in members}
        all_ids = {file.intake_id for file in files}
        left_out = all_ids if len(kept) < MIN_FILES else all_ids - kept
        if left_out:
            self.ports.intake_ledger.withdraw(sorted(left_out))

    def _applied(
        self,
        group: FileGroup,
        members: Sequence[_Member],
        profile: KindProfile,
        workspace: Workspace,
    ) -> SettledGroup:
        """The group's rows are in the lake, and for deposits in accounts."""
        counts = [member.text.height for member in members]

        def settle(outcomes: pl.DataFrame) -> SettledGroup:
            terms = terms_of(group.program, self.ports)
            return settle_group(workspace, profile, outcomes, group, counts, terms)

        # From here on, whoever ingests one of these files again finds its rows in this lake file.
        self.ports.intake_ledger.share_lake_file(group.intake_ids)
        applier = self.ports.applier(profile)
        if applier is None:
            finish = partial(self.finish, intake_file=group.first)
            settled = judge_group_in_turn(workspace, group, self.ports, self.kinds, settle, finish)
            self._write_to_lake(group, settled)
            self.ports.known_rows.mark_in_lake(*group.intake_ids)
            return settled
        self.is_undoable = False
        outcomes = applier.apply_together(group, partial(workspace.chunks, "valid"))
        if (outcomes["outcome"] == str(RowReason.AMOUNT_OUT_OF_RANGE)).any():
            # One by one, a later file's deposit of the same id may fit.
            raise GroupGivenUpError("a deposit does not fit into its account")
        settled = settle(outcomes)
        self._write_to_lake(group, settled)
        applier.discard_staged(group.first)
        return settled

    def _write_to_lake(self, group: FileGroup, settled: SettledGroup) -> None:
        lake, place = self.ports.lake, (group.kind, group.business_date, group.first.lake_name)
        try:
            lake.write_file(*place, settled.lake_path)
        except Exception:
            if self.is_undoable:
                lake.delete(*place)
            raise
        self.is_undoable = False

    def _finished(
        self, members: Sequence[_Member], settled: SettledGroup
    ) -> dict[int, IngestResult]:
        """What a file says of its own: quarantine, rows that wait or were waited for, counts."""
        accepted = pl.scan_parquet(settled.lake_path)
        group = _group_of(members)
        awaited = is_awaited(accepted, group, self.ports, self.kinds)
        results: dict[int, IngestResult] = {}
        for member in members:
            intake_file, intake_id = member.intake_file, member.intake_file.intake_id
            path, released = self._quarantined(member, settled.quarantined.get(intake_id))
            if awaited:
                own = accepted.filter(pl.col("intake_id") == intake_id)
                released += release_for_rows(own, intake_file, self.ports, self.kinds)
            outcome = replace(
                settled.outcomes[intake_id],
                unknown_columns=member.rows.unknown_columns,
                quarantine_path=path,
                contract_version=self.kinds[intake_file.arrival.kind].contract.version,
            )
            results[intake_id] = IngestResult(intake_file, outcome, released)
        self.ports.intake_ledger.finish_all(
            {intake_id: result.outcome for intake_id, result in results.items()}
        )
        return results

    def _quarantined(
        self, member: _Member, rows: pl.DataFrame | None
    ) -> tuple[str | None, tuple[str, ...]]:
        """Where the file's quarantined rows are stored, and the keys of those released at once."""
        intake_file = member.intake_file
        if rows is None:
            clear_quarantine(self.ports.failed_store, intake_file)
            return None, ()
        path = quarantine_in_turn(self.ports, intake_file, rows.lazy(), member.rows)
        return path, record_references(rows, intake_file, self.ports, self.kinds)


def _members_of(files: Sequence[IntakeFile], read_files: ReadFiles) -> list[_Member]:
    if read_files.rows is None:
        return []
    starts = accumulate(read_files.row_counts, initial=0)
    return [
        _Member(file, read_files.rows, read_files.frame.slice(start, count))
        for file, start, count in zip(files, starts, read_files.row_counts, strict=False)
    ]


def _group_of(members: Sequence[_Member]) -> FileGroup:
    heights = [member.text.height for member in members]
    return FileGroup(
        tuple(member.intake_file for member in members),
        tuple(accumulate(heights[:-1], initial=0)),
    )


def _judged(
    members: Sequence[_Member],
    profile: KindProfile,
    circumstances: FileCircumstances,
    workspace: Workspace,
) -> FileGroup:
    text = pl.concat(member.text for member in members)
    numbers = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row_number")
    tell_of_judged(judge_texts([text.with_columns(numbers)], profile, circumstances, workspace))
    return _group_of(members)
