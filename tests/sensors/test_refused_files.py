"""A file that was refused before it was read has a failed run, whatever its kind."""

import dagster as dg
import pytest

from assets.refused_files import file_refusal_job
from cardops.rules.intake.files import Kind
from cardops.services.intake.claiming import Claims
from sensors.refused_files import refused_file_sensor
from tests.fakes.clock import FakeClock
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.programs import FakePrograms


class Desk:
    """What claims files, and the sensor with its cursor."""

    def __init__(self) -> None:
        self.clock, self.ledger = FakeClock(), FakeIntakeLedger()
        self.raw_store = FakeObjectStore()
        self.claims = Claims(
            self.raw_store, FakeObjectStore(), self.ledger, FakePrograms(), self.clock
        )
        self.cursor: str | None = None

    def drop(self, key: str) -> None:
        self.raw_store.replace(key, b"a")
        assert self.claims.claim(Kind(key.split("/")[1]), [self.claims.listed(key)]) == []

    def tick(self) -> list[dg.RunRequest]:
        resources = {"intake_ledger": self.ledger, "clock": self.clock}
        sensor = refused_file_sensor()
        context = dg.build_sensor_context(
            cursor=self.cursor,
            definitions=dg.Definitions(
                sensors=[sensor],
                jobs=[file_refusal_job],
                resources=resources,
            ),
            resources=resources,
            sensor_name=sensor.name,
        )
        data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return list(data.run_requests or [])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("deposits", "nobody/a.csv"),
        ("orders", "Bad Name/a.csv"),
        ("transactions", "a.doc"),
        ("chargebacks", "nobody/a.csv"),
        ("bank_statements", "a.csv.Ctl.Json"),
    ],
)
def test_refused_file_has_one_failed_run_with_its_sentence(kind: str, name: str) -> None:
    desk = Desk()
    desk.drop(f"incoming/{kind}/{name}")

    (request,) = desk.tick()

    assert desk.tick() == []
    outcome = desk.ledger.find(1).outcome
    assert outcome is not None
    result = file_refusal_job.execute_in_process(
        run_config=request.run_config,
        resources={"intake_ledger": desk.ledger},
        raise_on_error=False,
    )
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert outcome.error is not None
    assert outcome.error in str(failure.step_failure_data.error)


def test_refusals_are_requested_in_portions_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensors.refused_files.MAX_RUNS_PER_TICK", 2)
    desk = Desk()
    for number in range(5):
        desk.drop(f"incoming/deposits/nobody/{number}.csv")

    keys = [request.run_key for _ in range(4) for request in desk.tick()]

    assert keys == [f"file_refusal/{number}.1" for number in range(1, 6)]
    desk.clock.advance(days=4)
    assert (desk.tick(), desk.cursor) == ([], "-")
