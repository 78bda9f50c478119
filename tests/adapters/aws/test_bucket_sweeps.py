"""A bucket with many old objects, behind moto's server: what finding a new one costs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import boto3
import pytest

from cardops.adapters.aws.s3_listing import S3Listing
from cardops.adapters.object_stores.listing import SweptArrivals
from cardops.rules.intake.files import Kind
from cardops.rules.intake.objects import ObjectStat
from cardops.rules.intake.sweeps import Sweep
from tests.factories.intake import an_arrival
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.servers.s3 import REGION, bucket, moto_server

DEPOSITS = Kind("deposits")
TODAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture
def listing(server: str) -> Iterator[S3Listing]:
    with bucket(server) as url:
        yield S3Listing(f"{url}/raw", boto3.client("s3", region_name=REGION))


def fill(listing: S3Listing, count: int) -> None:
    """Objects of a year, put into moto's memory: 20,000 requests would take minutes."""
    from moto.core.models import DEFAULT_ACCOUNT_ID  # noqa: PLC0415 - loads slowly
    from moto.s3.models import s3_backends  # noqa: PLC0415 - loads slowly

    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    name = listing.url.removeprefix("s3://").partition("/")[0]
    for number in range(count):
        day = TODAY - timedelta(days=10 + number % 350)
        backend.put_object(name, f"raw/incoming/deposits/default/{day}/{number:06}.csv", b"a")


def put(listing: S3Listing, key: str) -> None:
    name = listing.url.removeprefix("s3://").partition("/")[0]
    boto3.client("s3", region_name=REGION).put_object(Bucket=name, Key=f"raw/{key}", Body=b"new")


def test_pages_are_the_whole_listing_in_order(listing: S3Listing) -> None:
    keys = [
        "incoming/deposits/",
        *(f"incoming/deposits/{name}" for name in ["a", "b,+ü/x", "c", "d", "e"]),
    ]
    for key in (*keys, "incoming/orders/a.csv"):
        put(listing, key)
    pages: list[tuple[ObjectStat, ...]] = []
    after: str | None = ""
    while after is not None:
        page = listing.list_page("incoming/deposits/", after, 2)
        pages.append(page.stats)
        after = page.last_key

    assert [stat for page in pages for stat in page] == listing.list_objects("incoming/deposits/")
    assert [len(page) for page in pages] == [1, 2, 2]  # the first without the folder's own mark


@pytest.mark.parametrize("count", [2_500, pytest.param(20_000, marks=pytest.mark.soak)])
def test_new_object_among_many_old_ones_is_found_by_two_requests(
    listing: S3Listing, count: int
) -> None:
    fill(listing, count)
    requests: list[Any] = []
    events = listing._client.meta.events
    events.register("before-send.s3.ListObjectsV2", lambda request, **_: requests.append(request))
    ledger = FakeIntakeLedger()
    old = listing.list_objects("incoming/deposits/")
    # The sweep is near the end of everything, and has learned of what the names are made.
    for stat in old[-40:]:
        ledger.claim(replace(an_arrival(stat.key, version=stat.version), bucket=listing.url), TODAY)
    position = Sweep(old[-41].key).learned(stat.key for stat in old).text()
    requests.clear()
    arrivals = SweptArrivals(listing, ledger, today=lambda: TODAY)
    put(listing, f"incoming/deposits/default/{TODAY}/new.csv")

    poll = arrivals.poll(DEPOSITS, {}, position=position)

    assert [stat.key for stat in poll.ready] == ["incoming/deposits/default/2026-11-20/new.csv"]
    assert len(requests) == 2
