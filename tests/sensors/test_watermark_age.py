"""The sensor counts from the first date of the nightly close, and says the age at each tick."""

from datetime import UTC, date, datetime

import dagster as dg
import pytest

from sensors.watermark_age import watermark_age_sensor
from tests.fakes.books import FakeBooks
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import FakeNotifier

pytestmark = pytest.mark.dagster


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-11-17"))
def daily_report() -> None:
    """Stands for the whole close."""


def tick(books: FakeBooks, notifier: FakeNotifier, at: datetime) -> str:
    sensor = watermark_age_sensor()
    job = dg.define_asset_job("daily_close", selection=[daily_report])
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(
            instance=instance,
            definitions=dg.Definitions(assets=[daily_report], jobs=[job], sensors=[sensor]),
            sensor_name=sensor.name,
            resources={"books": books, "notifier": notifier, "clock": FakeClock(at)},
        )
        return str(sensor.evaluate_tick(context).skip_message)


def test_alarm_comes_with_the_third_morning_without_a_final_date() -> None:
    books, notifier = FakeBooks(), FakeNotifier()

    said = tick(books, notifier, datetime(2026, 11, 18, 12, tzinfo=UTC))
    assert said == "No date is final yet; the first began 36 hours ago."
    assert notifier.open == {}
    tick(books, notifier, datetime(2026, 11, 19, 6, tzinfo=UTC))
    assert list(notifier.open) == ["watermark:books"]

    books.outcomes[date(2026, 11, 18)] = (None, 0, None)
    said = tick(books, notifier, datetime(2026, 11, 19, 7, tzinfo=UTC))
    assert said == "The newest final date is 2026-11-18, which ended 7 hours ago."
    assert notifier.open == {}
