"""Which parser a bank's file gets, by extension. The libraries are loaded with the first such file."""

from collections.abc import Iterator
from typing import Final

from cardops.contracts.statements.statement import StatementRow, statement_rows


def _camt053(content: bytes) -> Iterator[StatementRow]:
    from cardops.contracts.statements.camt053 import read_camt053  # noqa: PLC0415 - defusedxml

    return statement_rows(read_camt053(content))


def _mt940(content: bytes) -> Iterator[StatementRow]:
    from cardops.contracts.statements.swift_mt940 import read_mt940  # noqa: PLC0415 - mt940

    return statement_rows(read_mt940(content))


def _bai2(content: bytes) -> Iterator[StatementRow]:
    from cardops.contracts.statements.bai2_records import read_bai2  # noqa: PLC0415 - bai2

    return statement_rows(read_bai2(content))


CONVERTERS: Final = {
    "xml": _camt053,
    "camt": _camt053,
    "sta": _mt940,
    "mt940": _mt940,
    "bai": _bai2,
    "bai2": _bai2,
}
