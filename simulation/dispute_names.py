"""The names of disputes in the truth: by their case, else by what they are about."""

from collections.abc import Sequence

from cardops.rules.intake.files import Kind
from simulation.rows import InputFile, Row


def files_by_row(files: Sequence[InputFile]) -> dict[int, InputFile]:
    """The file of each row of disputes, by the row's `id`: a row does not know it."""
    return {
        id(row): file for file in files if file.kind == Kind("chargebacks") for row in file.rows
    }


def name_of(file: InputFile, row: Row) -> str:
    """The name of the dispute that a row is about."""
    case = str(row.cells["case_number"]) if "case_number" in file.columns else None
    return dispute_name(row.network, case, str(row.cells["transaction_id"]), row.amount_minor)


def dispute_name(network: str, case_number: str | None, transaction_id: str, minor: int) -> str:
    """`<network> <case number>`, else `<network> <transaction> <minor units>`."""
    return f"{network} {case_number or f'{transaction_id} {minor}'}"


def mart_name(network: str, case_number: str, transaction_id: str, minor: int) -> str:
    """The same name from a mart's columns: the platform makes a case number where a file has none."""
    is_named = case_number.startswith("case-")
    return dispute_name(network, case_number if is_named else None, transaction_id, minor)
