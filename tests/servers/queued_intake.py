"""An intake worker in a process of its own that is told of arrivals by a queue, and by nothing else."""

import os
import signal
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from typing_extensions import override

from cardops.adapters.aws import arrival_queue
from cardops.adapters.aws.arrival_queue import QueuedArrivals
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.bootstrap import Adapters, keep_sessions
from cardops.contracts.kinds.registry import KINDS
from cardops.ports import Arrivals
from cardops.rules.intake.arrivals import ArrivalPoll
from cardops.rules.intake.files import Kind
from cardops.settings import Settings
from orchestration.composition import claims_of
from orchestration.local.in_process import InProcessRuns
from orchestration.local.intake_process import intake_resources
from orchestration.local.intake_worker import IntakeWorker, Sources

BUCKET = "arrivals"


class NothingListed(Arrivals):
    """No sweep: what the queue does not tell is never found."""

    @override
    def poll(
        self,
        kind: Kind,
        seen_before: Mapping[str, str],
        keys: Collection[str] | None = None,
        *,
        position: str = "",
    ) -> ArrivalPoll:
        return ArrivalPoll((), {})

    @override
    def acknowledge(self, poll: ArrivalPoll) -> None:
        """Nothing was told."""


def named_as_a_bucket(settings: Settings) -> DirectoryStore:
    """The directory of raw files under the URL of a bucket, of which events tell."""
    store = DirectoryStore(Path(urlsplit(settings.store_url("raw")).path))
    store.url = f"s3://{BUCKET}/raw"
    return store


def work(queue_url: str, visibility_seconds: int, files_a_poll: int) -> None:
    """Ingest what the queue tells of until SIGTERM, with the settings of this process's environment."""
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")  # noqa: S106 - of no account
    arrival_queue.MAX_FILES_A_POLL = files_a_poll  # type: ignore[misc]
    settings = Settings.load()
    keep_sessions()
    adapters, store = Adapters(settings), named_as_a_bucket(settings)
    resources: dict[str, Any] = {**intake_resources(adapters), "raw_store": store}
    runs = InProcessRuns(settings, resource_overrides=resources)
    runs.load()
    queue = QueuedArrivals(
        queue_url,
        boto3.client("sqs", region_name="us-east-1", endpoint_url=queue_url),
        store,
        adapters.intake_ledger,
        adapters.notifier,
        kinds=KINDS,
        visibility_seconds=visibility_seconds,
    )
    claims = replace(claims_of(adapters), raw_store=store, notifier=adapters.notifier)
    worker = IntakeWorker(Sources(queue, queue, NothingListed()), claims, runs, adapters.notifier)
    signal.signal(signal.SIGTERM, lambda _number, _frame: worker.stop())
    worker.run()
