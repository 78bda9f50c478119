"""The arrival sensors as the daemon ticks them, on a bucket and the real ledger."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.connection import connect
from cardops.ports import ObjectStore
from cardops.settings import Settings
from orchestration.definitions import build_defs
from tests.servers.s3 import bucket, moto_server

pytestmark = [pytest.mark.database, pytest.mark.dagster]

KINDS = ("deposit", "order", "transaction", "chargeback")


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return build_defs(with_dbt=False).get_repository_def()


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    with moto_server() as server:
        yield server


@pytest.fixture
def raw_store(
    s3_server: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStore]:
    """The raw store of an instance in a bucket, with its ledger on a fresh database."""
    with bucket(s3_server) as url:
        monkeypatch.setenv("CARDOPS_HOME", str(tmp_path))
        monkeypatch.setenv("CARDOPS_DATABASE_URL", database_url)
        monkeypatch.setenv("CARDOPS_RAW_URL", f"{url}/raw")
        monkeypatch.setenv("CARDOPS_FAILED_URL", f"{url}/failed")
        yield open_store(Settings.load().store_url("raw"))


def tick(
    repository: dg.RepositoryDefinition, kind: str, instance: dg.DagsterInstance
) -> Sequence[dg.RunRequest]:
    """One evaluation as the daemon makes it; the runs it asks for."""
    sensor = repository.get_sensor_def(f"{kind}_arrival_sensor")
    with dg.build_sensor_context(
        instance=instance,
        instance_ref=instance.get_ref(),  # else its partitions are not looked up
        repository_def=repository,
        resources=dict(repository.get_top_level_resources()),
    ) as context:
        return sensor.evaluate_tick(context).run_requests or ()


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_tick_claims_an_object_once(
    repository: dg.RepositoryDefinition, raw_store: ObjectStore, database_url: str, kind: str
) -> None:
    raw_store.create(f"incoming/{kind}s/{kind}s.csv", b"one,two\n1,2\n")

    with dg.DagsterInstance.local_temp() as instance:
        first = tick(repository, kind, instance)
        again = tick(repository, kind, instance)

    with connect(database_url) as session:
        claimed = session.execute("select kind, key, bucket from intake_files").fetchall()
    assert claimed == [(f"{kind}s", f"incoming/{kind}s/{kind}s.csv", raw_store.url)]
    assert len(first) == 1
    assert not again
