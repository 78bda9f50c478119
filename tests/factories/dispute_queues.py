"""Disputes put through the intake, and the services that work on them."""

from dataclasses import dataclass, field

from cardops.adapters.warehouse.lake_disputes import DuckDbDisputes
from cardops.rules.chargebacks.queue import DisputeRecord, RecordKind
from cardops.services.disputes.alarms import DeadlineAlarms, RaisedAlarms
from cardops.services.disputes.queue import DisputeQueue, QueueSelection, QueueService
from cardops.services.disputes.recording import CaseName, DisputeRecording
from tests.factories.disputed_files import CHARGEBACKS
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.factories.lake_tables import DAY, rows_of
from tests.fakes.disputes import FakeDisputeAlarms, FakeDisputeRecords
from tests.fakes.notifier import FakeNotifier

HEADER = f"{CHARGEBACKS},stage,status,activity_date,reply_by_date"


def a_step(  # noqa: PLR0913 - one parameter a column
    case: str,
    *,
    status: str = "open",
    stage: str = "chargeback",
    reply_by: str = "",
    activity: str = "",
    network: str = "visa",
    amount: str = "25.00",
) -> str:
    """A row under HEADER."""
    return f"t1,{amount},2026-11-10,USD,{case},{network},{stage},{status},{activity},{reply_by}"


@dataclass
class QueueWorld:
    """The intake in memory, and operators' records beside it; today is 2026-11-20."""

    intake: IntakeWorld = field(default_factory=IntakeWorld)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    records: FakeDisputeRecords = field(init=False)
    alarms: FakeDisputeAlarms = field(init=False)
    put_count: int = 0

    def __post_init__(self) -> None:
        self.records = FakeDisputeRecords(self.intake.clock)
        self.alarms = FakeDisputeAlarms(self.intake.clock)

    @property
    def disputes(self) -> DuckDbDisputes:
        return DuckDbDisputes(self.intake.lake)

    def tell(self, *lines: str, program: str = "default") -> None:
        outcome = self.intake.submit("chargebacks", csv_file(HEADER, *lines), program=program)
        assert outcome.quarantined == 0

    def put(self, case: str, **values: object) -> None:
        """An accepted row in the lake, without the intake, which takes longer."""
        self.put_count += 1
        row = {"case_number": case, "intake_id": self.put_count, **values}
        lake = self.intake.lake
        lake.write("chargebacks", DAY, str(self.put_count), rows_of("chargebacks", row))

    def queue(self, selection: QueueSelection | None = None) -> DisputeQueue:
        service = QueueService(self.disputes, self.records, self.intake.clock)
        return service.queue(selection or QueueSelection())

    def cases(self, selection: QueueSelection | None = None) -> dict[str, list[str]]:
        """The case numbers of each part of the queue."""
        parts = self.queue(selection).parts()
        return {name: part["case_number"].to_list() for name, part in parts.items()}

    def record(
        self, case: str, kind: RecordKind, *, text: str = "a reason", owner: str | None = None
    ) -> tuple[DisputeRecord, bool]:
        recording = DisputeRecording(self.disputes, self.records)
        return recording.record(CaseName(case), kind, by="ann", text=text, owner=owner)

    def look(self) -> RaisedAlarms:
        """One look for alarms of deadlines."""
        service = DeadlineAlarms(self.disputes, self.records, self.alarms, self.intake.clock)
        return service.raise_due(self.notifier)
