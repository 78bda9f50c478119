"""The queue of arrivals that the settings name.

Belongs here: which clients it gets, and where no queue can be. How it is read is in `arrival_queue`.
"""

import re
from urllib.parse import urlsplit

from cardops.adapters.aws.arrival_queue import QueuedArrivals
from cardops.adapters.aws.clients import AwsClients, BotoClients
from cardops.adapters.aws.environment import aws_region
from cardops.adapters.aws.s3_listing import S3Listing
from cardops.contracts.kinds.registry import KINDS
from cardops.ports import IntakeLedger, Notifier
from cardops.settings import Settings, SettingsError


def open_queue(
    settings: Settings,
    aws: AwsClients | None,
    ledger: IntakeLedger,
    notifier: Notifier,
) -> QueuedArrivals:
    """The queue that the settings name. Raises SettingsError where files arrive in no bucket."""
    raw_url, queue_url = settings.store_url("raw"), str(settings.events_queue_url)
    if not raw_url.startswith("s3://"):
        raise SettingsError(
            "CARDOPS_EVENTS_QUEUE_URL is set, but files arrive in a directory, of which no queue tells; "
            "set CARDOPS_RAW_URL to the bucket's s3://bucket/prefix, or unset the queue."
        )
    clients = aws or BotoClients()
    listing = S3Listing(raw_url, clients.s3(aws_region()))
    client = clients.sqs(_region_of(queue_url) or aws_region())
    return QueuedArrivals(queue_url, client, listing, ledger, notifier, kinds=KINDS)


def _region_of(queue_url: str) -> str | None:
    """Of a queue of AWS: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME."""
    found = re.fullmatch(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?", urlsplit(queue_url).netloc)
    return found and found[1]
