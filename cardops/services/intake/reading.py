"""An intake file to judged rows: valid ones typed, the others with all their reasons.

Belongs here: the way from the object to the spool's heaps `valid` and `kept`. What the valid
ones change in the world is in `intake_applying`.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from cardops.contracts.columns.values import valued
from cardops.contracts.judging.judging import judged
from cardops.contracts.judging.quarantine import without_card_number
from cardops.contracts.judging.references import REFERENCES, referenced, with_references
from cardops.contracts.kinds.contract import CONTRACTS, Contract
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import SourceFile
from cardops.rules.chargebacks.files import SplitMode
from cardops.rules.intake.files import IntakeFile, Kind, RowReason
from cardops.rules.programs.programs import Program
from cardops.services.intake.ports import IntakePorts
from cardops.services.intake.workspace import Workspace

_KEPT: Final = ("row_number", "reasons", "raw", "waits_for")
_ORPHAN: Final = str(RowReason.ORPHANED_REFERENCE)


@dataclass(frozen=True, slots=True)
class _Case:
    """What a file's rows are judged by, beside themselves."""

    contract: Contract
    known: pl.DataFrame | None
    orphans: frozenset[int]
    is_mixed: bool


def read_into(
    workspace: Workspace, intake_file: IntakeFile, ports: IntakePorts, *, orphans: frozenset[int]
) -> InputRows:
    """Fill the heaps; `orphans` are rows that were found to wait when the file was first applied.

    Raises FileRefusedError, before anything is applied.
    """
    contract = CONTRACTS[intake_file.arrival.kind]
    with ports.raw_store.open(intake_file.arrival.key) as content:
        rows = InputRows(SourceFile(intake_file.arrival.key, content), contract)
        for chunk in rows.chunks():
            workspace.add("text", _with_defaults(without_card_number(chunk), intake_file, ports))
    case = _Case(
        contract, _known(workspace, intake_file, ports), orphans, _is_mixed(intake_file, ports)
    )
    for chunk in workspace.chunks("text"):
        _judge_into(workspace, chunk, case, ports)
    return rows


def _with_defaults(
    chunk: pl.DataFrame, intake_file: IntakeFile, ports: IntakePorts
) -> pl.DataFrame:
    """A deposit without a currency is in the program's."""
    if intake_file.arrival.kind is not Kind.DEPOSITS:
        return chunk
    name = intake_file.arrival.program
    currency = (ports.programs.find(name) or Program(name)).currency
    return chunk.with_columns(pl.col("currency").fill_null(currency))


def _known(
    workspace: Workspace, intake_file: IntakeFile, ports: IntakePorts
) -> pl.DataFrame | None:
    reference = REFERENCES.get(intake_file.arrival.kind)
    if reference is None:
        return None
    ids = workspace.scan("text").select(reference.key).drop_nulls().unique().collect()
    table = ports.lake.scan(reference.table)
    return referenced(table, reference, intake_file.arrival.program, ids.to_series())


def _is_mixed(intake_file: IntakeFile, ports: IntakePorts) -> bool:
    """Whether the file's batch goes to one destination, whatever the network."""
    if intake_file.batch_id is None:
        return False
    return ports.intake_ledger.batch(intake_file.batch_id).mode == SplitMode.SIZE_BALANCED


def _judge_into(workspace: Workspace, chunk: pl.DataFrame, case: _Case, ports: IntakePorts) -> None:
    contract = case.contract
    judgement = with_references(chunk, contract.kind, case.known, is_mixed=case.is_mixed)
    reasons = dict(judgement.reasons)
    if case.orphans:
        still = pl.col("row_number").is_in(list(case.orphans))
        earlier = reasons.get(RowReason.ORPHANED_REFERENCE, pl.lit(value=False))
        reasons[RowReason.ORPHANED_REFERENCE] = earlier | still
    rows = judged(judgement.chunk, contract, ports.clock.now(), also=reasons, flags=judgement.flags)
    is_valid = pl.col("reasons").list.len() == 0
    workspace.add("valid", valued(rows.filter(is_valid), contract.kind))
    workspace.add(
        "kept", rows.filter(~is_valid).select(_waits_for(contract), *_KEPT[:-1]).select(_KEPT)
    )


def _waits_for(contract: Contract) -> pl.Expr:
    """The id whose arrival would let the row go on; only where nothing else is wrong with it."""
    if contract.waits_for is None:
        return pl.lit(None, pl.String).alias("waits_for")
    waits = (pl.col("reasons").list.len() == 1) & (pl.col("reasons").list.first() == _ORPHAN)
    return pl.when(waits).then(pl.col(contract.waits_for)).alias("waits_for")
