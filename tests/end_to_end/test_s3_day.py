"""The same day where nothing is at its default place: a given database, and a bucket for every store.

The database, given by its URL, also holds Dagster's tables. The buckets are raw, processed, failed, the lake
and the Iceberg tables.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.warehouse.dbt import build_report_marts
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.rules.deliveries.records import DeliveryState
from tests.factories.databases import new_database, new_home
from tests.factories.demo_days import DAY_TIMEOUT_SECONDS, Ending, Instance, companies_of, ending
from tests.servers.s3 import bucket, moto_server
from tests.servers.warm_command import WarmProcess, command
from tests.servers.warm_dbt import every_dbt_is_warm

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(600)]

ROLES = ("raw", "processed", "failed", "lake", "iceberg")


@pytest.fixture(scope="module")
def s3_instance(day: Path, server_url: str) -> Iterator[Instance]:
    """An instance whose day in buckets and on a given database is over; its servers keep running."""
    with (
        moto_server() as server,
        bucket(server) as url,
        new_home() as home,
        new_database(server_url) as database_url,
    ):
        stores = {f"{role}_url": f"{url}/{role}" for role in ROLES}
        instance = Instance(home, {"database_url": database_url, **stores})
        with companies_of(instance):
            assert instance.run(day) == 0
            yield instance


@pytest.fixture(scope="module")
def s3_ending(s3_instance: Instance) -> Ending:
    return ending(s3_instance)


def test_day_in_buckets_and_given_database_ends_as_day_at_the_default_places(
    s3_instance: Instance, s3_ending: Ending, undisturbed: Ending
) -> None:
    assert s3_ending == undisturbed
    assert not [role for role in (*ROLES, "postgres") if (s3_instance.home / role).exists()]


def test_given_database_has_a_schema_for_cardops_and_one_for_dagster(
    s3_instance: Instance,
) -> None:
    with connect(s3_instance.overrides["database_url"]) as session:
        schemas: dict[str, list[str]] = dict(
            session.execute(
                "select schemaname::text, array_agg(tablename::text) from pg_tables"
                " where schemaname !~ '^(pg_|information_schema)' group by 1"
            ).fetchall()
        )

    # `public` is empty.
    assert set(schemas) == {"cardops", "dagster"}
    assert {"runs", "event_logs", "alembic_version"} <= set(schemas["dagster"])
    assert "runs" not in schemas["cardops"]


def test_buckets_hold_delivered_files_and_quarantined_rows(
    s3_instance: Instance, s3_ending: Ending
) -> None:
    processed = open_store(s3_instance.settings.store_url("processed"))
    failed = open_store(s3_instance.settings.store_url("failed"))
    stored = {
        Path(stat.key).name: hashlib.sha256(processed.get(stat.key)).hexdigest()
        for stat in processed.list_objects("")
        if stat.key.endswith(".csv")
    }
    delivered = {
        name: digest
        for *_, name, digest, state in s3_ending.deliveries
        if state == DeliveryState.DELIVERED
    }
    quarantined = sum((outcome or {})["quarantined"] for *_, outcome in s3_ending.files)

    assert delivered
    assert stored == delivered
    assert quarantined > 0
    assert failed.list_objects("")


def test_marts_of_lake_in_bucket_hold_the_ledgers_balances(
    s3_instance: Instance, s3_ending: Ending
) -> None:
    warehouse = DuckDbWarehouse(s3_instance.home)
    # Data tests cost more than the marts; a whole day passes them in the demo.
    with warehouse.building(s3_instance.lake) as environment, every_dbt_is_warm():
        build_report_marts(environment)
    with warehouse.reading() as session:
        rows = session.execute(
            "select program, user_id, currency, available_minor, held_minor from fct_daily_balances"
        ).fetchall()

    assert sorted(rows) == sorted(account[:5] for account in s3_ending.accounts)


def cardops(instance: Instance, *arguments: str) -> tuple[int, Any]:
    process = WarmProcess(instance.environment, Path.cwd(), DAY_TIMEOUT_SECONDS)
    done = process.run(command, *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_submitted_file_and_its_quarantined_rows_are_stored_in_buckets(
    s3_instance: Instance, s3_ending: Ending, tmp_path: Path
) -> None:
    file = tmp_path / "late.csv"
    file.write_text(
        "deposit_id,user_id,amount,currency,timestamp\n"
        "late-1,user_late,5.00,USD,2026-11-01T10:00:00Z\n"
        "late-2,user_late,-5.00,USD,2026-11-01T10:00:00Z\n"
    )

    code, response = cardops(s3_instance, "submit", str(file), "--kind", "deposits")

    assert (code, response["accepted"], response["quarantined"]) == (1, 1, 1)
    failed = open_store(s3_instance.settings.store_url("failed"))
    quarantined = {failed.uri(stat.key) for stat in failed.list_objects("deposits/late-")}
    assert f"{response['quarantine']}/rows.csv" in quarantined


def test_doctor_finds_every_bucket_writable(s3_instance: Instance) -> None:
    _, report = cardops(s3_instance, "doctor")

    stores = {
        check["part"]: check for check in report["checks"] if check["part"].endswith(" store")
    }
    assert set(stores) == {f"{role} store" for role in ROLES}
    for check in stores.values():
        assert check["ok"], check
        assert check["told"].startswith("s3://")
