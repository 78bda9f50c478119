"""The specimen: a small program with one of everything, made by the product's own use cases.

Belongs here: what happens to it in its one day. Damages change its rows by these names, so they are
found in whatever store the specimen was added to.
"""

import asyncio
import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cardops.bootstrap import Adapters
from cardops.ports import Authorizations
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from cardops.rules.authorizations.actions import ActionKind, AuthorizationAction
from cardops.rules.authorizations.decisions import AuthorizationRequest
from cardops.rules.authorizations.request_hashes import request_hash
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.rules.programs.programs import Program
from cardops.rules.provisional.postings import DuePosting
from cardops.rules.provisional.records import PostingKind
from cardops.services.accounts.deposit_files import DepositFileKey
from cardops.services.accounts.recalls import RecallService
from cardops.services.intake.ingestion import ingest_files
from cardops.services.reconciliation.closing_balances import write_closing_balances
from cardops.services.reconciliation.file_damages import PROGRAM
from cardops.services.reconciliation.log_export import LogExport
from orchestration.composition import ingest_paths, intake_ports_of

# As of every request by a partner; the copy needs no such key.
KEY_ID: Final = "prove"
DEPOSITS: Final = Kind("deposits")
AT: Final = "2026-03-01T00:00:00Z"
# The first file is a CSV; damages of raw files change it.
FIRST_FILE: Final = f"""\
user_id,amount,deposit_id,timestamp,currency
ana,100.00,d-ana-1,{AT},USD
ana,50,d-ana-2,{AT},USD
"ben",70.00,d-ben,{AT},
ana,50.00,d-ana-2,{AT},USD
ben,71.00,d-ben,{AT},USD
ben,-5.00,d-negative,{AT},USD
"""
CAS: Final = [
    {"user_id": "cas", "amount": "30.00", "deposit_id": "d-cas", "timestamp": AT, "currency": "EUR"},
    {"user_id": "cas", "amount": "free", "deposit_id": "d-free", "timestamp": AT, "currency": "EUR"},
]  # fmt: skip
DAN: Final = {
    "userId": "dan",
    "amt": "12.5",
    "depositId": "d-dan",
    "created_at": AT,
    "currency": "USD",
}
EVE: Final = f"user_id,amount,deposit_id,timestamp\neve,20.00,d-eve,{AT}\n"


def make_specimen(adapters: Adapters) -> date:
    """Deposits and authorizations of today; returns the business date, which is not closed yet."""
    adapters.programs.create(Program(PROGRAM, currency="USD"))
    with TemporaryDirectory() as folder:
        submit_deposits(adapters, PROGRAM, _files(Path(folder)))
    _recall(adapters, "eve")
    (flo,) = _recall(adapters, "flo")
    _reinstate(adapters, flo)
    asyncio.run(_authorize(adapters))
    _give_back(adapters)
    limit = SpendingLimit(LimitKind.DAY, max_amount_minor=50_00)
    adapters.spending_limits.change(PROGRAM, "ben", "USD", [limit], changed_by="prove")
    adapters.programs.set_blocked(PROGRAM, "cas", is_blocked=True, changed_by="prove")
    return adapters.database_clock.now().date()


def close_books(adapters: Adapters, business_date: date) -> None:
    """Write the date's closing balances to the lake, and every log up to it that is not final."""
    write_closing_balances(business_date, adapters.books, adapters.lake)
    export = LogExport(adapters.transaction_log, adapters.books, adapters.lake)
    for _ in export.export_until(business_date):
        pass


def carry_balances(adapters: Adapters, business_date: date) -> None:
    """Record a past date as reconciled, as the night after it did: the next one begins there."""
    write_closing_balances(business_date, adapters.books, adapters.lake)
    with TemporaryDirectory() as folder:
        export = adapters.transaction_log.export(business_date, Path(folder) / "day.parquet")
    # Transactions open elsewhere on the server are none of the copy's.
    export.is_closed = True
    adapters.transaction_log.record_export(business_date, export)
    adapters.books.record_reconciled(
        business_date,
        since=None,
        break_count=0,
        balances_sha256=adapters.lake_books.balances_sha256(business_date),
    )


def _recall(adapters: Adapters, user_id: str) -> Sequence[IntakeFile]:
    """Recall the file of this user."""
    stats = adapters.raw_store.list_objects(f"incoming/deposits/{PROGRAM}/")
    key = next(stat.key for stat in stats if user_id in stat.key)
    service = RecallService(adapters.intake_ledger, adapters.deposit_ledger, adapters.lake)
    return service.recall(key, DepositFileKey(key=key), "prove").files


def _reinstate(adapters: Adapters, recalled: IntakeFile) -> None:
    adapters.deposit_ledger.request_reinstatement(recalled, "prove", "to prove the checks")
    adapters.intake_ledger.reinstate(recalled.intake_id)
    ingest_files([adapters.intake_ledger.find(recalled.intake_id)], [], intake_ports_of(adapters))


def _give_back(adapters: Adapters) -> None:
    """A credit that the user keeps, and one that was taken back."""
    today = adapters.database_clock.now().date()
    for case, transaction_id, kind, amount_minor in (
        ("c-kept", "t-first", PostingKind.CREDIT, 2_50),
        ("c-taken-back", "t-part", PostingKind.CREDIT, 6_00),
        ("c-taken-back", "t-part", PostingKind.TAKEN_BACK, 6_00),
    ):
        adapters.provisional_ledger.post(
            DuePosting(
                DisputeKey(PROGRAM, "visa", case), kind, transaction_id, "ana", "USD",
                amount_minor, amount_minor, "regulation_e", today,
            )
        )  # fmt: skip


def _files(folder: Path) -> Sequence[Path]:
    contents: Mapping[str, bytes] = {
        "1-first.csv": FIRST_FILE.encode(),
        "2-cas.json": json.dumps(CAS).encode(),
        "3-dan.ndjson.gz": gzip.compress(json.dumps(DAN).encode() + b"\n"),
        "4-eve.csv": EVE.encode(),
        "5-flo.csv": EVE.replace("eve", "flo").encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def submit_deposits(adapters: Adapters, program: str, files: Sequence[Path]) -> None:
    """Put the files into the raw store and ingest them, without Dagster."""
    ingest_paths(adapters, DEPOSITS, program, files)


async def _authorize(adapters: Adapters) -> None:
    async with adapters.authorizer_adapters() as opened:
        authorizations = opened.authorizations
        await authorizations.apply([_action(ActionKind.VOID, "t-tombstone")])
        # One by one: the sequence of each account is then that of this list.
        for request in (
            _request("t-first", 2_50),
            _request("t-spent", 10_00, callback_url="https://prove.example/hook"),
            _request("t-held", 10_00, is_capture=False),
            _request("t-part", 10_00, is_capture=False),
            _request("t-void", 5_00, is_capture=False),
            _request("t-raised", 5_00, is_capture=False),
            _request("t-rejected", 100_000_00),
            _request("t-tombstone", 1_00),
            _request("t-nobody", 1_00, user_id="nobody"),
        ):
            await authorizations.decide([request])
        await _act(authorizations)


async def _act(authorizations: Authorizations) -> None:
    for action in (
        _action(ActionKind.REFUND, "t-spent", "4.00", "r-1"),
        _action(ActionKind.REFUND, "t-spent", "1.00", "r-2"),
        _action(ActionKind.CAPTURE, "t-part", "6.00"),
        _action(ActionKind.VOID, "t-void"),
        _action(ActionKind.INCREMENT, "t-raised", "5.00", "i-1"),
        _action(ActionKind.INCREMENT, "t-raised", "100000.00", "i-2"),
    ):
        await authorizations.apply([action])


def _request(
    transaction_id: str,
    amount_minor: int,
    *,
    user_id: str = "ana",
    is_capture: bool = True,
    callback_url: str | None = None,
) -> AuthorizationRequest:
    return AuthorizationRequest(
        program=PROGRAM,
        transaction_id=transaction_id,
        user_id=user_id,
        amount_minor=amount_minor,
        currency="USD",
        request_hash=request_hash(
            user_id,
            amount_minor,
            "USD",
            is_capture=is_capture,
            callback_url=callback_url,
            details=None,
        ),
        authorization_id=f"auth_{transaction_id}",
        is_capture=is_capture,
        callback_url=callback_url,
        key_id=KEY_ID,
    )


def _action(
    kind: ActionKind, transaction_id: str, amount: str | None = None, key: str = ""
) -> AuthorizationAction:
    return AuthorizationAction(kind, PROGRAM, transaction_id, amount, key, KEY_ID)
