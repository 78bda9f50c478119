"""Files with the same name and content have one folder under FAILED, each with rows of its own."""

from pathlib import Path
from threading import Barrier, Thread

import pytest

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import DEFAULT_PROGRAM, FileStatus, Kind
from cardops.services.intake.claiming import Claims
from cardops.services.intake.ingestion import ingest_file
from cardops.services.intake.quarantine import quarantined_rows
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.object_store import FakeObjectStore

CONTENT = csv_file("user_id,amount,deposit_id,timestamp", "u1,x,d1,2026-11-20T10:00:00Z")


class MeetingStore(FakeObjectStore):
    """Its readers of quarantined rows wait a moment for each other, as if they began at once."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting = Barrier(2)

    def get(self, key: str) -> bytes:
        if key.endswith("rows.parquet"):
            try:
                return super().get(key)
            finally:
                self.meet()
        return super().get(key)

    def meet(self) -> None:
        try:
            self.meeting.wait(timeout=0.1)
        except Exception:  # noqa: BLE001 - nobody came: the other one waits for the lock
            self.meeting.reset()


def test_files_of_one_folder_at_once_lose_no_row() -> None:
    world = IntakeWorld(failed_store=MeetingStore())
    keys = [f"incoming/deposits/{DEFAULT_PROGRAM}/{number}/bank.csv" for number in (1, 2)]
    for key in keys:
        world.raw_store.replace(key, CONTENT.encode())
    ids = [world.claim(key) for key in keys]

    threads = [Thread(target=ingest_file, args=(intake_id, world.ports)) for intake_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(world.quarantined()) == 2
    for intake_id in ids:
        rows = quarantined_rows(world.failed_store, world.intake_ledger.find(intake_id))
        assert rows is not None
        assert rows.height == 1


def test_outcome_names_the_contract_that_judged_the_file(world: IntakeWorld) -> None:
    version = KINDS[Kind("deposits")].contract.version

    assert world.submit("deposits", CONTENT).contract_version == version
    assert world.submit("deposits", "").contract_version == version


@pytest.mark.parametrize("name", ["nobody/a.csv", "default/a.doc"])
def test_repeat_of_a_file_that_no_claim_accepts_is_refused_as_before(
    world: IntakeWorld, name: str
) -> None:
    """As by a backfill of its date: it would be credited in a program that does not exist."""
    key = f"incoming/deposits/{name}"
    world.raw_store.replace(key, CONTENT.replace("x", "5.00").encode())
    claims = Claims(
        world.raw_store, world.failed_store, world.intake_ledger, world.programs, world.clock
    )
    refused = claims.enter(Kind("deposits"), claims.listed(key))
    assert refused.status is FileStatus.REFUSED

    again = ingest_file(refused.intake_id, world.ports).outcome

    assert refused.outcome is not None
    assert again.error == refused.outcome.error
    assert not world.deposit_ledger.events


@pytest.mark.parametrize("stem", ["n" * 251, "ä" * 125])
def test_file_with_the_longest_name_of_a_directory_is_quarantined(
    tmp_path: Path, stem: str
) -> None:
    world = IntakeWorld(failed_store=DirectoryStore(tmp_path))
    key = f"incoming/deposits/{DEFAULT_PROGRAM}/{stem}.csv"
    world.raw_store.replace(key, CONTENT.encode())

    intake_id = world.claim(key)
    ingest_file(intake_id, world.ports)

    rows = quarantined_rows(world.failed_store, world.intake_ledger.find(intake_id))
    assert rows is not None
    assert rows["source_file"].to_list() == [key]
