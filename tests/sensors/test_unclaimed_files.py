"""Files that nobody claims are seen in the UI and told of, once, until they are gone."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from typing_extensions import override

from assets.unclaimed_files import unclaimed_files
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.rules.alarms.incidents import Severity
from cardops.rules.intake.files import Arrival, Kind
from cardops.services.intake.unclaimed_files import UnclaimedFiles
from sensors.unclaimed_files import unclaimed_file_sensors
from tests.fakes.clock import FakeClock
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore

pytestmark = pytest.mark.dagster

DEPOSITS = Kind("deposits")


class Desk:
    """A store, and both sensors over it with their cursors."""

    def __init__(self) -> None:
        self.store, self.notifier, self.clock = FakeObjectStore(), FakeNotifier(), FakeClock()
        self.ledger = FakeIntakeLedger()
        self._sensors = {sensor.name: sensor for sensor in unclaimed_file_sensors()}
        self._cursors: dict[str, str | None] = {}

    def take(self, key: str) -> None:
        """The file was claimed."""
        arrival = Arrival(DEPOSITS, "default", self.store.url, key, "v1", key, 1)
        self.ledger.claim(arrival, self.clock.now().date())

    def tick(self, name: str = "misplaced_file_sensor") -> SensorExecutionData:
        sensor = self._sensors[name]
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(
                instance=instance,
                cursor=self._cursors.get(name),
                resources={
                    "raw_store": self.store,
                    "clock": self.clock,
                    "notifier": self.notifier,
                    "intake_ledger": self.ledger,
                },
            )
            data = sensor.evaluate_tick(context)
        self._cursors[name] = data.cursor
        return data


def verdicts(data: SensorExecutionData) -> list[bool]:
    return [
        event.passed for event in data.asset_events if isinstance(event, dg.AssetCheckEvaluation)
    ]


def listed(data: SensorExecutionData, name: str) -> Sequence[object]:
    (observation,) = [
        event for event in data.asset_events if isinstance(event, dg.AssetObservation)
    ]
    table = observation.metadata[f"{name}_files"]
    assert isinstance(table, dg.TableMetadataValue)
    return [record.data["file"] for record in table.records]


def test_misplaced_files_are_listed_until_they_are_moved() -> None:
    desk = Desk()
    for key in (
        "incoming/deposit/a.csv",
        "incoming/deposit/b.csv",
        "c.csv",
        "incoming/orders/d.csv",
    ):
        desk.store.create(key, b"x")

    first = desk.tick()

    assert listed(first, "misplaced") == [
        "c.csv",
        "incoming/deposit/a.csv",
        "incoming/deposit/b.csv",
    ]
    assert verdicts(first) == [False]
    assert desk.notifier.open == {
        "misplaced-files:/": "Files in / are not taken",
        "misplaced-files:incoming/deposit/": "Files in incoming/deposit/ are not taken",
    }
    assert set(desk.notifier.severities.values()) == {Severity.WARNING}
    assert desk.tick().asset_events == [], "nothing changed, so nothing is added to the page"

    for key in ("incoming/deposit/a.csv", "incoming/deposit/b.csv"):
        desk.store.delete(key)
    moved = desk.tick()
    assert listed(moved, "misplaced") == ["c.csv"]
    assert list(desk.notifier.open) == ["misplaced-files:/"]

    desk.store.delete("c.csv")
    assert verdicts(desk.tick()) == [True]
    assert desk.notifier.open == {}


def whys(data: SensorExecutionData) -> dict[str, str]:
    (observation,) = [
        event for event in data.asset_events if isinstance(event, dg.AssetObservation)
    ]
    table = observation.metadata["unfinished_files"]
    assert isinstance(table, dg.TableMetadataValue)
    return {str(record.data["file"]): str(record.data["what_to_do"]) for record in table.records}


def test_file_that_nobody_can_take_is_told_with_the_reason() -> None:
    desk = Desk()
    for name in ("taken.csv", "closed.csv", "left.csv"):
        desk.store.create(f"incoming/deposits/{name}", name.encode())
    desk.store.unreadable.add("incoming/deposits/closed.csv")
    bad = "incoming/deposits/bad\udcff\n.csv"
    desk.store.contents[bad], desk.store.versions[bad] = b"x", 1
    desk.take("incoming/deposits/taken.csv")

    data = desk.tick("unfinished_file_sensor")

    told = whys(data)
    shown = r"incoming/deposits/bad\udcff\n.csv"
    assert list(told) == [
        shown,
        "incoming/deposits/closed.csv",
        "incoming/deposits/left.csv",
    ]
    assert "not text in UTF-8" in told[shown]
    assert "Permission denied" in told["incoming/deposits/closed.csv"]
    assert "sensors of arrivals" in told["incoming/deposits/left.csv"]
    assert list(desk.notifier.open) == ["unfinished-files:incoming/deposits/"]


class CountingClock(FakeClock):
    asked = 0

    @override
    def now(self) -> datetime:
        self.asked += 1
        return super().now()


def test_clock_of_the_database_is_not_asked_for_each_file() -> None:
    desk, counts = Desk(), []
    for number in range(20):
        desk.store.create(f"incoming/deposits/{number}.csv", b"x")
        desk.clock = CountingClock()
        desk.tick("unfinished_file_sensor")
        counts.append(desk.clock.asked)

    assert len(set(counts)) == 1, counts


def test_link_in_place_of_a_folder_of_a_kind_is_told(tmp_path: Path) -> None:
    desk = Desk()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "deposits").symlink_to(tmp_path / "elsewhere")

    found = UnclaimedFiles(DirectoryStore(tmp_path), desk.clock, desk.ledger).misplaced()

    assert [(file.key, "link" in file.why) for file in found] == [("incoming/deposits", True)]


def test_transfer_that_never_ended_is_listed() -> None:
    desk = Desk()
    desk.store.create("incoming/deposits/a.csv.part", b"x")
    desk.store.create("incoming/deposits/b.csv.ctl.json", b"{}")

    data = desk.tick("unfinished_file_sensor")

    assert listed(data, "unfinished") == [
        "incoming/deposits/a.csv.part",
        "incoming/deposits/b.csv.ctl.json",
    ]
    assert verdicts(data) == [False]
    desk.store.create("incoming/deposits/b.csv", b"x")
    desk.take("incoming/deposits/b.csv")
    assert listed(desk.tick("unfinished_file_sensor"), "unfinished") == [
        "incoming/deposits/a.csv.part"
    ]


def test_materializing_looks_at_everything() -> None:
    desk = Desk()
    desk.store.create("incoming/bank.csv", b"x")

    result = dg.materialize(
        [unclaimed_files],
        resources={
            "raw_store": desk.store,
            "clock": desk.clock,
            "intake_ledger": desk.ledger,
        },
    )

    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {
        "every_file_is_in_a_folder_of_a_kind": False,
        "every_transfer_was_finished": True,
    }


def test_folder_with_many_files_is_one_alarm() -> None:
    desk = Desk()
    for number in range(1_000):
        desk.store.create(f"incoming/deposit/{number}.csv", b"x")

    desk.tick()

    ((subject, message, runbook),) = desk.notifier.alarms
    assert subject == "Files in incoming/deposit/ are not taken"
    assert "And 990 more" in message
    assert runbook == "docs/runbooks/unclaimed-files.md"
