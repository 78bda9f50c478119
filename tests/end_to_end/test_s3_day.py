"""The same day where every store is a bucket: raw, processed, failed and the lake."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardops.adapters.dbt import run_dbt
from cardops.adapters.object_store import open_store
from cardops.adapters.warehouse import DuckDbWarehouse
from cardops.rules.delivery import DeliveryState
from tests.builders.databases import new_home
from tests.builders.days import Ending, Instance, companies_of, ending
from tests.builders.s3 import bucket, moto_server

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(600)]

ROLES = ("raw", "processed", "failed", "lake")


@pytest.fixture(scope="module")
def s3_instance(day: Path) -> Iterator[Instance]:
    """An instance whose day in buckets is over; its servers run on."""
    with moto_server() as server, bucket(server) as url, new_home() as home:
        instance = Instance(home, {f"{role}_url": f"{url}/{role}" for role in ROLES})
        with companies_of(instance):
            assert instance.run(day) == 0
            yield instance


@pytest.fixture(scope="module")
def s3_ending(s3_instance: Instance) -> Ending:
    return ending(s3_instance)


def test_a_day_in_buckets_ends_as_one_in_directories(
    s3_instance: Instance, s3_ending: Ending, undisturbed: Ending
) -> None:
    assert s3_ending == undisturbed
    assert not [role for role in ROLES if (s3_instance.home / role).exists()]


def test_what_was_delivered_is_kept_in_the_bucket_and_what_was_refused_too(
    s3_instance: Instance, s3_ending: Ending
) -> None:
    processed = open_store(s3_instance.settings.store_url("processed"))
    failed = open_store(s3_instance.settings.store_url("failed"))
    made = {
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
    assert made == delivered
    assert quarantined > 0
    assert failed.list_objects("")


def test_the_marts_of_a_lake_in_a_bucket_hold_the_balances_of_the_books(
    s3_instance: Instance, s3_ending: Ending
) -> None:
    warehouse = DuckDbWarehouse(s3_instance.home)
    with warehouse.building(s3_instance.lake) as environment:
        run_dbt(["build", "--quiet"], dict(environment))
    with warehouse.reading() as session:
        rows = session.execute(
            "select program, user_id, currency, available_minor, held_minor from fct_daily_balances"
        ).fetchall()

    assert sorted(rows) == sorted(account[:5] for account in s3_ending.accounts)
