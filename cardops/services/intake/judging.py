"""A file's valid rows compared with those of files judged before, in an order that is recorded once.

Belongs here: a file's turn. Files of one kind and program take turns from looking up known rows until
their own are recorded, so no two accept one row. A file whose rows are recorded but not yet in the lake
is finished first, and only by files that share ids with it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import polars as pl

from cardops.contracts.judging.files import SettledFile, settle_file
from cardops.contracts.judging.groups import SettledGroup
from cardops.contracts.judging.known_rows import Layout
from cardops.contracts.judging.repeats import after_later_files
from cardops.contracts.judging.sequences import JudgedFiles
from cardops.contracts.judging.uniqueness import compared_with_known, outcomes_of
from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import KindProfile, Terms
from cardops.contracts.kinds.registry import Kinds
from cardops.ports import JudgingTurn
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.files import IntakeFile
from cardops.rules.intake.groups import FileGroup
from cardops.services.intake.known_rows import entries_of, known_rows_of
from cardops.services.intake.ports import IntakePorts

# Ids whose known rows are in memory at once.
IDS_AT_ONCE: Final = 250_000
# A file waits for others so often at most; each of them is finished by then.
MAX_TURNS: Final = 1_000


class TurnsExhaustedError(ExplainedError):
    """Files that share ids with this one kept being judged before it."""

    def __init__(self, intake_file: IntakeFile) -> None:
        super().__init__(
            f"{intake_file.arrival.key} waited {MAX_TURNS} times for files with the same ids, so it "
            "was not judged; it is ingested with the next run of its kind."
        )


def judge_in_turn(
    workspace: Workspace,
    intake_file: IntakeFile,
    ports: IntakePorts,
    kinds: Kinds,
    finish: Callable[[int], object],
) -> tuple[pl.DataFrame, SettledFile]:
    """The outcomes of the valid rows and the settled file; its rows are recorded, not yet relied on.

    `finish` ends the ingestion of another file, and raises where that is not possible.
    """
    profile = kinds[intake_file.arrival.kind]
    known_rows, layout = known_rows_of(profile, ports, kinds)
    files = JudgedFiles(
        arrived_on=intake_file.business_date, again=lambda: sent_again([intake_file], ports)
    )
    alone = outcomes_of(workspace, profile, files)
    ids = valid_lookup_ids(workspace, profile)
    for _ in range(MAX_TURNS):
        with known_rows.turn(intake_file) as turn:
            unfinished, outcomes = _compared(alone, workspace, ids, turn, layout, files)
            if not unfinished:
                settled = settle_file(
                    workspace,
                    profile,
                    outcomes,
                    intake_file,
                    terms_of(intake_file.arrival.program, ports),
                )
                accepted = pl.scan_parquet(settled.lake_path)
                turn.record(entries_of(accepted, layout), layout.name)
                return outcomes, settled
        for earlier_id in unfinished:
            finish(earlier_id)
    raise TurnsExhaustedError(intake_file)


def judge_group_in_turn(
    workspace: Workspace,
    group: FileGroup,
    ports: IntakePorts,
    kinds: Kinds,
    settle: Callable[[pl.DataFrame], SettledGroup],
    finish: Callable[[int], object],
) -> SettledGroup:
    """The same for files of which none was judged before, each after those before it in the group."""
    profile = kinds[group.kind]
    known_rows, layout = known_rows_of(profile, ports, kinds)
    files = JudgedFiles(
        group.rows_before, group.business_date, again=lambda: sent_again(group.files, ports)
    )
    alone = outcomes_of(workspace, profile, files)
    ids = valid_lookup_ids(workspace, profile)
    for _ in range(MAX_TURNS):
        with known_rows.turn(*group.files) as turn:
            unfinished, outcomes = _compared(alone, workspace, ids, turn, layout, files)
            if not unfinished:
                settled = settle(outcomes)
                accepted = pl.scan_parquet(settled.lake_path)
                turn.record(entries_of(accepted, layout), layout.name)
                return settled
        for earlier_id in unfinished:
            finish(earlier_id)
    raise TurnsExhaustedError(group.first)


def terms_of(program: str, ports: IntakePorts) -> Terms:
    """What the program's accepted rows are completed by."""
    found = ports.programs.find(program)
    return Terms(found.response_days if found else {})


def sent_again(files: Sequence[IntakeFile], ports: IntakePorts) -> Sequence[bool]:
    """Which of these files have the whole content of one that was claimed before them."""
    found = []
    for intake_file in files:
        arrival = intake_file.arrival
        same = ports.intake_ledger.find_all(
            arrival.kind, content_sha256=arrival.content_sha256, program=arrival.program
        )
        found.append(any(file.intake_id < intake_file.intake_id for file in same))
    return found


def valid_lookup_ids(workspace: Workspace, profile: KindProfile) -> Sequence[str]:
    """Each id under which the file's valid rows are found, once, sorted."""
    ids = workspace.scan("valid").select(profile.lookup).unique().collect().to_series()
    return ids.drop_nulls().sort().to_list()


def _compared(
    alone: pl.DataFrame,
    workspace: Workspace,
    ids: Sequence[str],
    turn: JudgingTurn,
    layout: Layout,
    files: JudgedFiles,
) -> tuple[tuple[int, ...], pl.DataFrame]:
    """Files to finish first, else none and the outcomes of all rows."""
    outcomes = alone
    for portion in _portions(ids):
        earlier = turn.earlier(portion)
        # guard-begin: known-in-lake
        if earlier.not_in_lake:
            return earlier.not_in_lake, alone
        # guard-end: known-in-lake
        outcomes = compared_with_known(outcomes, workspace, earlier.rows, layout, files)
        outcomes = after_later_files(outcomes, workspace, earlier, layout, files)
    return (), outcomes


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), IDS_AT_ONCE):
        yield ids[start : start + IDS_AT_ONCE]
