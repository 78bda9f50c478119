"""Calls of every statement that the product sends to PostgreSQL, over a database with a long history.

A new statement needs a call here: tests/adapters/postgresql/test_query_plans.py finds it in the
adapters' text and fails until it was planned.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from cardops.adapters.postgresql.accounts import chunked_posting
from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.audit_trail import PostgresAuditTrail
from cardops.adapters.postgresql.authorizations.actions import OPTIMISTIC_ATTEMPTS
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.authorizations.expired_holds import PostgresExpiredHolds
from cardops.adapters.postgresql.authorizations.voided_ids import void_before_arrival
from cardops.adapters.postgresql.bank.safeguarding import PostgresSafeguardingAccounts
from cardops.adapters.postgresql.breakers import PostgresBreakers
from cardops.adapters.postgresql.callbacks.administration import PostgresCallbackAdministration
from cardops.adapters.postgresql.callbacks.archive import PostgresCallbackArchive
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.chargebacks.acknowledgements import PostgresAcknowledgements
from cardops.adapters.postgresql.chargebacks.dispute_alarms import PostgresDisputeAlarms
from cardops.adapters.postgresql.chargebacks.dispute_evidence import PostgresDisputeEvidence
from cardops.adapters.postgresql.chargebacks.dispute_records import PostgresDisputeRecords
from cardops.adapters.postgresql.chargebacks.monitoring_alarms import PostgresMonitoringAlarms
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.adapters.postgresql.incidents import PostgresIncidents
from cardops.adapters.postgresql.inspection import first_response, inspect_database
from cardops.adapters.postgresql.intake.expected_files import PostgresExpectedFiles
from cardops.adapters.postgresql.intake.known_rows import PostgresKnownRows
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.intake.source_controls import PostgresSourceControls
from cardops.adapters.postgresql.intake.waiting_list import PostgresWaitingList
from cardops.adapters.postgresql.mappings.mappings import PostgresFileMappings
from cardops.adapters.postgresql.programs.caller_directory import PostgresCallerDirectory
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.postgresql.provisional.ledger import PostgresProvisionalLedger
from cardops.adapters.postgresql.provisional.policies import PostgresProvisionalPolicies
from cardops.adapters.postgresql.readiness import Readiness
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.adapters.postgresql.reconciliation.transaction_log import PostgresTransactionLog
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from cardops.rules.alarms.incidents import IncidentState, Notice
from cardops.rules.audit import AuditEntry, AuditResult, Origin
from cardops.rules.authorizations.actions import ActionKind, AuthorizationAction
from cardops.rules.authorizations.records import OverdueHold
from cardops.rules.bank.safeguarding import SafeguardingAccount
from cardops.rules.callbacks.archives import Retention
from cardops.rules.callbacks.callbacks import (
    Callback,
    CallbackResponse,
    CallbackSelection,
    CallbackState,
    attempt_result,
)
from cardops.rules.chargebacks import queue
from cardops.rules.chargebacks.alarms import AlarmLevel, DeadlineAlarm
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence_files import EvidenceChange
from cardops.rules.chargebacks.evidence_packages import PackageRequest, PackedFile
from cardops.rules.chargebacks.files import Action
from cardops.rules.chargebacks.filing import RowKey, WaitingDispute
from cardops.rules.chargebacks.monitoring import MonitoringAlarm
from cardops.rules.chargebacks.queue import Opening, RecordKind, RecordRequest
from cardops.rules.deliveries.acknowledgements import (
    Acknowledgement,
    AcknowledgementOutcome,
    LineKey,
    ReceivedFile,
    RejectedLine,
    RejectedRow,
)
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.intake.expected_files import due_files
from cardops.rules.intake.files import FileOutcome, FileStatus, Kind
from cardops.rules.intake.source_controls import (
    FileHold,
    FilePass,
    HoldReason,
    SenderKey,
    SourcePolicy,
)
from cardops.rules.intake.waiting import OverdueRows
from cardops.rules.mappings.mapping import FileMapping
from cardops.rules.programs.programs import Program
from cardops.rules.provisional.policies import PolicyName, ProvisionalPolicy
from cardops.rules.provisional.postings import DuePosting
from cardops.rules.provisional.records import (
    DecidedStep,
    Decision,
    DecisionKind,
    Facts,
    NoticeKind,
    PostingKind,
)
from cardops.services.callbacks.archiving import CallbackArchiving
from tests.factories.authorizations import a_request
from tests.factories.deliveries import a_made_file
from tests.factories.expected_files import an_expected_file
from tests.factories.intake import Deposit, an_arrival, an_intake_file, staged
from tests.fakes.alarm_channels import FakeChannel
from tests.fakes.lake import FakeLake
from tests.fakes.object_store import FakeObjectStore

TODAY = datetime.now(UTC).date()
DEPOSITS, CHARGEBACKS = Kind("deposits"), Kind("chargebacks")
GONE = CallbackResponse(status_code=410)
FAILED = CallbackResponse(status_code=500)
DELIVERED = CallbackResponse(status_code=200)


async def call_everything(url: str) -> None:
    """Call each adapter; synchronous ones first, on sessions as nightly runs have them."""
    call_intake(url)
    call_quarantine_releases(url)
    call_grouped_files(url)
    call_filed_batches(url)
    call_acknowledgements(url)
    call_mappings(url)
    call_waiting_list(url)
    call_known_rows(url)
    call_expected_files(url)
    call_disputes(url)
    call_evidence(url)
    call_safeguarding(url)
    call_source_controls(url)
    call_audit_trail(url)
    call_deposits(url)
    call_programs(url)
    call_provisional(url)
    call_deliveries(url)
    call_close(url)
    call_archive(url)
    pool = await open_pool(url)
    try:
        await call_authorizations(pool)
        await call_callbacks(pool)
        await call_directory(url, pool)
    finally:
        pool.terminate()


def call_intake(url: str) -> None:
    ledger = PostgresIntakeLedger(url)
    arrival = an_arrival("incoming/new.csv", content="new")
    ledger.known_versions("raw", ["incoming/file_3", "incoming/file_4"])
    file, _ = ledger.claim(arrival, TODAY)
    ledger.claim(an_arrival("incoming/new.csv", content="new", version="v2"), TODAY)
    batch = ledger.claim_batch(
        [an_arrival("incoming/c.csv", kind=CHARGEBACKS)], TODAY, mode="by_network"
    )
    assert batch is not None
    ledger.batch(batch.batch_id)
    ledger.batch_mode(batch.batch_id)
    ledger.find_all(DEPOSITS, intake_id=5, key="incoming/file_4", content_sha256="x")
    ledger.recalled(DEPOSITS, "default", "x")
    ledger.released_from(file)
    ledger.needing_attention()
    ledger.claimed_on(DEPOSITS, TODAY - timedelta(days=3))
    ledger.first_business_date()
    ledger.daily_counts(DEPOSITS, TODAY - timedelta(days=13), TODAY)
    ledger.unfinished()
    ledger.unfinished(DEPOSITS)
    ledger.unfinished_before(ledger.unfinished()[0])
    with ledger.exclusively(file.intake_id):
        ledger.begin(file.intake_id)
        ledger.forget_attempt(file.intake_id)
    ledger.mark(file.intake_id, FileStatus.DEAD)
    ledger.restart(file.intake_id)
    ledger.reinstate(file.intake_id)
    ledger.finish(file.intake_id, FileOutcome(read=1, accepted=1))
    ledger.wait_for(file, {1: "txn_a", 2: "txn_b"})
    rows = ledger.waiting(CHARGEBACKS, "default", ["txn_50", "txn_100", "txn_a"])
    ledger.released(rows, file.intake_id)
    ledger.released_rows(file.intake_id)


def call_quarantine_releases(url: str) -> None:
    ledger = PostgresIntakeLedger(url)
    ledger.needing_attention("default", with_released=True)
    ledger.release_counts([5, 6])
    ledger.released_by_hand(5, [1, 2])


def call_grouped_files(url: str) -> None:
    ledger = PostgresIntakeLedger(url)
    arrivals = [an_arrival(f"incoming/{n}.csv") for n in range(3)]
    small = [file.intake_id for file in ledger.claim_all(arrivals, TODAY)]
    ledger.claim_all([an_arrival("incoming/0.csv", version="v2")], TODAY)
    with ledger.together(small) as files:
        ledger.begin_all([file.intake_id for file in files])
    ledger.withdraw(small[2:])
    ledger.share_lake_file(small[:2])
    with ledger.writing_lake_file(small[0]):
        ledger.finish_all(dict.fromkeys(small[:2], FileOutcome(read=1, accepted=1)))


def call_filed_batches(url: str) -> None:
    ledger = PostgresIntakeLedger(url)
    arrivals = [an_arrival(f"incoming/filed_{n}.csv", kind=CHARGEBACKS) for n in range(2)]
    batch = ledger.claim_batch(arrivals, TODAY, mode="by_network")
    assert batch is not None
    late, file = batch.files
    ledger.begin(file.intake_id)
    ledger.finish(file.intake_id, FileOutcome(read=2, accepted=2))
    ledger.mark(late.intake_id, FileStatus.DEAD)
    key = RowKey(file.intake_id, 1)
    held = WaitingDispute(
        key, "default", batch.batch_id, "visa", "c1", "chargeback", "rejected", datetime.now(UTC)
    )
    with ledger.filing(batch.batch_id):
        ledger.file_batch(batch.batch_id, [file.intake_id], held=[held])
    ledger.slot_made(batch.batch_id, "visa", 1)
    ledger.begin(late.intake_id)
    ledger.open_batches()
    ledger.ended_at([file.intake_id])
    ledger.waiting_rows_of(batch.batch_id)
    ledger.held_disputes("default")
    ledger.waits_of(DisputeKey("default", "visa", "c1"), [batch.batch_id])
    later = ledger.release_disputes("default", [key], by="somebody", why="seen")
    assert later is not None
    ledger.carried_rows(later.batch_id)
    ledger.dispute_releases("default", ["c1"])
    ledger.set_dispute_policy("default", "duplicate_case", "hold", set_by="somebody")
    ledger.dispute_policies("default")
    ledger.add_layout("default", "visa", {"columns": []}, set_by="somebody", why="a partner")
    ledger.layouts_in_force("default")
    ledger.layouts("default", "visa")
    ledger.batch_accounts(datetime.now(UTC) - timedelta(days=2))


def call_acknowledgements(url: str) -> None:
    ledger, delivered = PostgresAcknowledgements(url), PostgresDeliveryLedger(url)
    intake = PostgresIntakeLedger(url)
    batch = intake.claim_batch(
        [an_arrival("incoming/acknowledged.csv", kind=CHARGEBACKS)], TODAY, mode="by_network"
    )
    assert batch is not None
    record = a_made_file(delivered, FakeObjectStore(), batch.batch_id, network="discover")
    delivered.record(replace(record, state=DeliveryState.DELIVERED_UNCONFIRMED))
    key = (record.batch_id, record.network)
    line = RejectedLine(LineKey("c1", "chargeback", 1), "unknown_arn", "")
    row = RejectedRow(line, "discover", batch.files[0].intake_id, 1, may_reopen=True)
    said = Acknowledgement(record.sequence, record.content_sha256, datetime.now(UTC), 2, 1, [line])
    file = ReceivedFile("discover", "a.ack.json", "0" * 64, "1/1")
    within = timedelta(hours=24)
    with ledger.polling("discover"):
        ledger.polled("discover", None)
        ledger.read_before("discover", ["a.ack.json"])
        ledger.files_with(["discover"], record.sequence)
        ledger.missing(["discover"], within)
        for _ in range(2):
            ledger.record(file, said, key, [row], within=within)
        other = replace(file, content_sha256="1" * 64)
        ledger.record_unmatched(other, AcknowledgementOutcome.UNREADABLE, "no JSON")
    ledger.unalarmed("discover")
    ledger.alarmed(file)
    ledger.missing_alarmed(key)
    now = datetime.now(UTC)
    ledger.verdicts(now - timedelta(minutes=4), now)
    ledger.since(datetime.now(UTC) - timedelta(minutes=1))
    ledger.of_batches([record.batch_id])
    ledger.rejections(*key)


def call_waiting_list(url: str) -> None:
    waiting, now = PostgresWaitingList(url, timedelta(days=7)), datetime.now(UTC)
    waiting.rows()
    waiting.rows("default")
    waiting.overdue(now)
    waiting.reported(OverdueRows(50, "incoming/file_50", 1, now), now + timedelta(days=30))


def call_mappings(url: str) -> None:
    ledger, mappings = PostgresIntakeLedger(url), PostgresFileMappings(url)
    mappings.add("default", DEPOSITS, FileMapping(delimiter=";"), set_by="ops", why="a bank")
    mappings.versions("default", DEPOSITS)
    mapped, _ = ledger.claim(an_arrival("incoming/mapped.csv"), TODAY)
    ledger.mapping_of(mapped)


def call_known_rows(url: str) -> None:
    index, file = PostgresKnownRows(url), an_intake_file(1_000_001)
    transactions = Kind("transactions")
    file = replace(file, arrival=replace(file.arrival, kind=transactions))
    ids = [f"txn_{n}" for n in range(20)]
    with index.turn(file) as turn:
        turn.earlier(ids)
        turn.record([], "layout")
    index.mark_in_lake(file.intake_id)
    index.judged([5, 6])
    index.find(transactions, "default", ids)
    index.row_counts([5])
    index.kinds()
    index.forget(file.intake_id)
    index.is_complete(transactions, "layout")
    index.recorded([5, 6], "layout")
    with index.building(transactions):
        index.record_from_lake(transactions, {5: "default"}, [], "layout")
        index.complete(transactions, "layout")


def call_safeguarding(url: str) -> None:
    accounts = PostgresSafeguardingAccounts(url)
    accounts.add(SafeguardingAccount("default", "bank-1", TODAY, None, "somebody"))
    accounts.all()
    accounts.remove("default", "bank-1", TODAY, "somebody")


def call_audit_trail(url: str) -> None:
    trail = PostgresAuditTrail(url)
    entry_id = trail.begin(AuditEntry(Origin.UI, "ann", "proxy", "launch run", "deposits"))
    trail.finish(entry_id, AuditResult.DONE)
    long_ago = datetime.now(UTC) - timedelta(days=30)
    trail.latest(long_ago, 50)
    trail.latest(long_ago, 50, "ann-3")


def call_expected_files(url: str) -> None:
    calendar = PostgresExpectedFiles(url)
    calendar.add(an_expected_file())
    calendar.all()
    (due,) = due_files(an_expected_file(), TODAY, TODAY)
    calendar.arrivals(DEPOSITS, "default", TODAY - timedelta(days=2), TODAY)
    calendar.report(due)
    calendar.resolve(due, 1)
    calendar.waive(due, "somebody", "a holiday")
    calendar.records(due.due_at, due.due_at)
    calendar.open_absences()
    calendar.record_reported_until(due.due_at)
    calendar.reported_until()
    calendar.remove("default", "bank", "somebody")


def call_disputes(url: str) -> None:
    opening = Opening(queue.DisputeKey("default", "visa", "c1"), "chargeback", 1)
    records = PostgresDisputeRecords(url)
    records.add(RecordRequest(RecordKind.NOTE, opening, "ann", "why"), lambda _: None)
    records.of_dispute(opening.dispute)
    records.standing()
    alarms = PostgresDisputeAlarms(url)
    alarms.confirm(alarms.claim([DeadlineAlarm(opening, TODAY, AlarmLevel.MISSED)]))
    alarms.unconfirmed(datetime.now(UTC))
    monitored = PostgresMonitoringAlarms(url)
    monitored.confirm(
        monitored.claim([MonitoringAlarm("default", "m1", "visa_vamp", TODAY, is_reached=True)])
    )
    monitored.unconfirmed(datetime.now(UTC))


def call_evidence(url: str) -> None:
    ledger, evidence = PostgresIntakeLedger(url), PostgresDisputeEvidence(url)
    opening = Opening(queue.DisputeKey("default", "visa", "c1"), "chargeback", 1)
    change = EvidenceChange("receipt", "ab", "scan.pdf", "application/pdf", 10, "ann")
    evidence.change(opening.dispute, change, lambda _: None)
    evidence.changes_of(opening.dispute)
    arrivals = [an_arrival("incoming/disputed.csv", kind=CHARGEBACKS)]
    batch = ledger.claim_batch(arrivals, TODAY, mode="by_network")
    assert batch is not None
    row = RowKey(batch.files[0].intake_id, 1)
    manifest, files = "{}", (PackedFile("01.pdf", "ab", "scan.pdf", 10),)
    request = PackageRequest(
        opening, row, batch.batch_id, Action.REPRESENT, manifest, files, "ann", "why"
    )
    ((package, _),) = evidence.send([request], lambda *_: None)
    evidence.packages_of(opening.dispute)
    evidence.accepted_since(datetime.now(UTC))
    ledger.packages_of(package.batch_id)


def call_source_controls(url: str) -> None:
    controls, ledger = PostgresSourceControls(url), PostgresIntakeLedger(url)
    refused = an_arrival("incoming/refused.csv", content="refused")
    ledger.refuse(refused, TODAY, FileOutcome(error="sentence"))
    ledger.refused_unread(DEPOSITS, TODAY - timedelta(days=2))
    controls.set_policy("default", SourcePolicy(caps_minor={"USD": 1}), "somebody")
    controls.policy_changes("default")
    controls.add_key(SenderKey("default", "k1", bytes(32)))
    controls.keys("default")
    controls.revoke_key("default", "k1", "somebody")
    arrival = an_arrival("incoming/held.csv", content="held")
    controls.submitted(arrival.bucket, [arrival.key], "somebody")
    file, _ = ledger.claim(arrival, TODAY)
    controls.release(arrival.bucket, arrival.key, arrival.content_sha256)
    controls.is_release(file)
    controls.submitters(file)
    hold = FileHold(HoldReason.APPROVAL, "sentence", 1, {"USD": 2})
    controls.hold(file, hold, FileOutcome(error="sentence"))
    controls.state(file)
    controls.held(DEPOSITS)
    controls.mark_reported(file.intake_id)
    file_pass = FilePass(row_count=1, totals_minor={"USD": 2})
    daily = SourcePolicy(daily_caps_minor={"USD": 1})
    controls.pass_unless_held(file, file_pass, daily)
    controls.approve(file.intake_id, by="boss", why="seen")
    controls.approvals(file, file_pass)
    controls.pass_unless_held(file, file_pass, daily)


def call_deposits(url: str) -> None:
    ledger = PostgresDepositLedger(url)
    file = an_intake_file(1_000_000)
    deposits = [Deposit(f"new_{n}", user_id=f"user_{n}") for n in range(10)]
    with patch.object(chunked_posting, "HALVED_ROWS", 5):
        credited = ledger.credit(file, [staged(deposits)])
    ledger.outcome(file)
    ledger.outcome(file, credited.head(6))
    ledger.recall(file, "somebody")
    ledger.request_reinstatement(file, "somebody", "a mistake")
    # A balance has no room for one of them, and an account is opened in vain for another.
    odd = [Deposit("huge", "user_1", 2**63 - 1), Deposit("dep_7", "stranger")]
    ledger.credit(file, [staged([*deposits, *odd])])
    ledger.reinstated(file)
    ledger.forget_staged(file)
    for _ in ledger.accounts():
        pass


def call_programs(url: str) -> None:
    programs, limits = PostgresPrograms(url), PostgresSpendingLimits(url)
    programs.create(Program("fresh", "USD", callback_hosts=("host1.example.com",)))
    programs.find("fresh")
    programs.all()
    programs.set_network_route("fresh", "jcb", "discover", set_by="somebody")
    programs.set_response_days("fresh", "visa", "chargeback", 18, set_by="somebody")
    key = programs.create_key("fresh", "name", (), is_test=False)
    programs.keys("fresh")
    programs.revoke_key(key.key_id)
    programs.set_blocked("default", "user_7", is_blocked=False)
    programs.has_account("default", "user_7")
    limit = SpendingLimit(LimitKind.MONTH, max_amount_minor=10**9)
    limits.change("default", "user_7", "USD", [limit], changed_by="somebody")
    limits.own("default", "user_7")
    limits.used("default", "user_7", datetime.now(UTC))
    limits.remove("default", "user_7", "USD", limit.key, changed_by="somebody")
    limits.change("default", "user_8", "USD", [limit], changed_by="somebody")
    limits.change("default", "", "USD", [limit], changed_by="somebody")
    limits.change("fresh", "", "USD", [limit], changed_by="somebody")


def call_provisional(url: str) -> None:
    ledger, policies = PostgresProvisionalLedger(url), PostgresProvisionalPolicies(url)
    policies.set(ProvisionalPolicy("default", PolicyName("regulation_e"), TODAY, "somebody"))
    policies.all()
    key = DisputeKey("default", "visa", "new-case")
    for kind in (PostingKind.CREDIT, PostingKind.TAKEN_BACK):
        ledger.post(
            DuePosting(key, kind, "txn_1000", "user_5", "USD", 5, 10, "regulation_e", TODAY)
        )
    ledger.record_notice(key, NoticeKind.RESULT, TODAY, "somebody")
    facts = Facts(DecidedStep.CREDIT, "inquiry", TODAY, 5)
    decision = Decision(1, facts, DecisionKind.APPROVED, 5, None, "somebody", "seen", TODAY)
    decided = DisputeKey("default", "visa", "decided-case")
    ledger.decide(decided, decision)
    ledger.post(
        DuePosting(
            decided,
            PostingKind.CREDIT,
            "txn_1001",
            "user_5",
            "USD",
            5,
            10,
            "regulation_e",
            TODAY,
            1,
        )
    )
    ledger.standing("default")
    keys = [DisputeKey("default", "visa", f"case_{number}") for number in range(1, 500)]
    ids = [f"txn_{number}" for number in range(1, 500)]
    ledger.records(keys)
    ledger.credited("default", ids)
    ledger.entries("default", ids)
    ledger.balances([("default", f"user_{number}", "USD") for number in range(1, 500)])


def call_deliveries(url: str) -> None:
    ledger = PostgresDeliveryLedger(url)
    ledger.allot("new", "visa", destination="visa")
    record = ChargebackFileRecord(
        batch_id="new", network="visa", program="default", destination="visa", sequence=10**6,
        file_name="CB_1.csv", row_count=2, totals_minor={"USD": 1}, content_sha256="aa",
        control_sha256="bb",
    )  # fmt: skip
    ledger.record_made(record)
    ledger.files_of("new")
    with ledger.exclusively("new", "visa"):
        ledger.record(record)
    ledger.all(["failed", "sending"])
    ledger.miss_cut_off(record, TODAY)
    ledger.record_word(record.batch_id, record.network, None, "ann")
    ledger.words_of(record.batch_id, record.network)
    _call_incidents(url)
    breakers = PostgresBreakers(url)
    breakers.find("visa")
    breakers.change("visa", lambda breaker: replace(breaker, failure_count=1))
    breakers.all()


def call_close(url: str) -> None:
    log, books = PostgresTransactionLog(url), PostgresBooks(url)
    yesterday = TODAY - timedelta(days=1)
    with TemporaryDirectory() as folder:
        export = log.export(yesterday, Path(folder) / "day.parquet")
    log.record_export(yesterday, export)
    log.busy_dates()
    books.dates_to_export(TODAY)
    books.exported(yesterday, TODAY)
    books.supersede_reconciled(yesterday)
    books.record_reconciled(yesterday, since=None, break_count=0, balances_sha256="x")
    books.last_reconciled(TODAY)
    books.last_proven(TODAY)
    books.changed_exports(yesterday, TODAY)
    books.reconciled(yesterday, TODAY)
    # As every night, and all of it, as an operator does.
    for since in (yesterday, None):
        for _ in books.accounts(yesterday, since=since):
            pass
        books.breaks(yesterday, since=since)
        books.deposit_files(yesterday, since=since)
        books.counted_files(yesterday, since=since)
    books.credited_rows(5)
    books.known_deposits("default", ["dep_1", "dep_2"])
    inspect_database(url)
    first_response(url, "default", "PERMIT")


def call_archive(url: str) -> None:
    # Of forty days of history the two oldest.
    archive = PostgresCallbackArchive(url, Retention(callback_days=39, attempt_days=39))
    assert list(CallbackArchiving(archive, FakeLake()).archive_until(TODAY))


async def call_authorizations(pool: Pool) -> None:
    store = PostgresAuthorizations(pool)
    hook = "https://host1.example.com/hook"
    held = a_request("new_held", user_id="user_3", amount_minor=1, is_capture=False)
    await store.decide(
        [
            a_request("txn_77", user_id="user_1"),
            a_request("new_1", user_id="user_2", amount_minor=1, callback_url=hook),
            a_request("new_2", user_id="user_8", amount_minor=1),
            a_request("new_3", user_id="nobody"),
            held,
        ]
    )
    store._locked_batches = 1
    await store.decide([a_request("new_4", user_id="user_4", amount_minor=1)])
    actions = [
        AuthorizationAction(kind, "default", transaction_id, amount, key)
        for kind, transaction_id, amount, key in (
            (ActionKind.INCREMENT, "new_held", "0.01", "i1"),
            (ActionKind.CAPTURE, "new_held", None, ""),
            (ActionKind.REFUND, "new_held", "0.01", "r1"),
            (ActionKind.VOID, "unseen", None, ""),
        )
    ]
    await store.apply(actions)
    await store._actions._attempt(actions, OPTIMISTIC_ATTEMPTS)  # with locks
    await void_before_arrival(pool, actions[-1:])
    await store.accounts_of([("default", "new_held")])
    await store.locked_accounts([("default", "user_3", "USD")])
    await store.find("default", "new_held")
    await store.find("default", "unseen")
    await store.accounts("default", "user_3")
    holds = PostgresExpiredHolds(pool)
    await holds.take_lease("this process")
    await holds.oldest_overdue_at()
    after = OverdueHold(datetime.now(UTC) - timedelta(days=1), "default", "txn_1", "u", "USD")
    await holds.overdue(None, 256)
    await holds.overdue(after, 256)


async def call_callbacks(pool: Pool) -> None:
    outbox, administration = PostgresCallbackOutbox(pool), PostgresCallbackAdministration(pool)
    now = datetime.now(UTC)
    for program in (None, "default"):
        for state in (None, *CallbackState):
            page, cursor = await outbox.list_callbacks(program, state, None, 50)
            assert page
            # A page from the middle: as cheap as the first.
            await outbox.list_callbacks(program, state, cursor or page[-1].callback_id, 50)
    leased = await outbox.lease_due(now, 100, 60)
    assert leased
    responses: list[tuple[Callback, CallbackResponse]] = [
        (callback, (DELIVERED, FAILED, GONE)[int(callback.url[12:].partition(".")[0]) % 3])
        for callback in leased[:-1]
    ]
    await outbox.record(
        [attempt_result(callback, response, now, 0.5) for callback, response in responses]
    )
    await outbox.release(leased[-1:], now)
    await outbox.oldest_due_at(now)
    await outbox.dead_letter_disabled(now)
    await outbox.disabled_endpoint_count()
    await outbox.prune(now - timedelta(days=39), 100)
    one = leased[0].callback_id
    await outbox.replay("default", one)
    await outbox.replay("default", one, "key_1")
    await administration.find(one)
    await administration.attempts([one])
    for program in (None, "default"):
        await administration.replay_selected(
            CallbackSelection(now - timedelta(days=1), now, CallbackState.DEAD, program)
        )
        await administration.endpoints(program, only_disabled=True)
    await administration.endpoints("default", only_disabled=False)
    await administration.enable("default", "https://failing7.example.com/")


async def call_directory(url: str, pool: Pool) -> None:
    readiness = Readiness(url)
    callers = PostgresCallerDirectory(pool, readiness)
    await callers.find_caller("key7")
    assert await callers.is_ready()
    readiness.terminate()


def _call_incidents(url: str) -> None:
    incidents = PostgresIncidents(url)
    routes = [FakeChannel("file")]
    (message,) = incidents.report(
        Notice("delivery:visa", "Delivery to visa fails", "refused"), routes
    )
    incidents.report(Notice("delivery:visa", "Delivery to visa fails", "refused"), routes)
    incidents.acknowledge(message.incident_id, "ann", None)
    incidents.find(message.incident_id)
    incidents.all(set(IncidentState), 100)
    incidents.open_keys("delivery:")
    incidents.glance()
    incidents.resolve("delivery:visa", "It works again.", routes)
    incidents.tend(routes)
    incidents.failing_channels()
    incidents.failed(message.message_id, "refused")
    incidents.postpone([message.message_id])
    incidents.due_messages(10)
    incidents.sent(message.message_id)
    incidents.forget(datetime.now(UTC) - timedelta(days=400))
