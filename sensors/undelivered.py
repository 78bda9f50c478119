"""Chargeback files that a delivery run could not place, asked for again without a person.

Belongs here: which of them are due. Only `made` and `sending` ones: what `failed` or may have
been collected waits for an operator's word, and no run is asked for it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final

import dagster as dg

from cardops.ports import Clock, DeliveryLedger, Notifier
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.services.deliveries.delivery import RUNBOOK
from sensors.cursor import Tries
from sensors.delivery import RANGE_START, Job, range_tags
from sensors.intake import UNDER_WAY

TO_DELIVER: Final = (DeliveryState.MADE, DeliveryState.SENDING)
LOOK_EVERY_SECONDS: Final = 30
# 2, 8, 32 minutes, then every four hours: about three days of a card company's outage.
FIRST_PAUSE: Final = timedelta(minutes=2)
LONGEST_PAUSE: Final = timedelta(hours=4)
MAX_TRIES: Final = 20
MAX_RUNS_A_LOOK: Final = 8
# More undelivered files than this wait for a later look.
MAX_REMEMBERED: Final = 500


@dataclass
class Undelivered:
    """One look at the ledger; `tries` is what to remember of it, by partition key."""

    notifier: Notifier
    now: datetime
    tries: dict[str, Tries] = field(default_factory=dict)

    def due(
        self,
        files: Sequence[ChargebackFileRecord],
        busy: AbstractSet[str],
        tried: Mapping[str, Tries],
    ) -> Iterator[str]:
        """Partition keys of files to deliver now. `busy`: batches that a run is at."""
        asked = 0
        for record in files[:MAX_REMEMBERED]:
            key = key_of(record)
            seen = tried.get(key, Tries(0, self.now.isoformat()))
            if record.batch_id in busy or not self._is_due(seen) or asked >= MAX_RUNS_A_LOOK:
                self.tries[key] = seen
                continue
            self.tries[key] = Tries(seen.count + 1, self.now.isoformat())
            if seen.count < MAX_TRIES:
                asked += 1
                yield key
            else:
                self._tell(record)

    def _is_due(self, seen: Tries) -> bool:
        if seen.count > MAX_TRIES:
            return False
        pause = min(FIRST_PAUSE * int(4 ** min(seen.count, 8)), LONGEST_PAUSE)
        return self.now - datetime.fromisoformat(seen.last_at) >= pause

    def _tell(self, record: ChargebackFileRecord) -> None:
        self.notifier.notify(
            f"Chargeback file {record.file_name} is not tried again by itself",
            f"It could not be delivered to {record.destination} in {MAX_TRIES} runs over days "
            f"({record.last_error or 'no error is on record'}); once the cause is mended, "
            f"`cardops deliveries retry {record.batch_id} {record.network}` delivers it.",
            runbook=RUNBOOK,
        )


def undelivered_sensor(delivery_job: Job) -> dg.SensorDefinition:
    """Asks for a delivery run of each file that is still to be delivered."""

    @dg.sensor(
        name="undelivered_chargeback_file_sensor",
        job=delivery_job,
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A file that could not be delivered is tried again, less and less often.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        delivery_ledger: dg.ResourceParam[DeliveryLedger],
        notifier: dg.ResourceParam[Notifier],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        # The oldest first: its deadline is the nearest.
        files = delivery_ledger.all([state.value for state in TO_DELIVER])[::-1]
        look = Undelivered(notifier, clock.now())
        keys = list(look.due(files, busy_batches(context.instance), parse(context.cursor)))
        requests = [_request(key, look.tries[key]) for key in keys]
        nothing = dg.SkipReason(f"{len(files)} chargeback files are to be delivered; none is due.")
        return dg.SensorResult(
            run_requests=requests,
            cursor=text_of(look.tries),
            skip_reason=None if requests else nothing,
        )

    return sensor


def key_of(record: ChargebackFileRecord) -> str:
    """The partition of a file, as Dagster writes it."""
    return str(dg.MultiPartitionKey({"batch": record.batch_id, "network": record.network}))


def busy_batches(instance: dg.DagsterInstance) -> set[str]:
    """Batches that a delivery run under way has in its hands."""
    runs = instance.get_runs(dg.RunsFilter(job_name="chargeback_delivery", statuses=UNDER_WAY))
    names = (RANGE_START, "dagster/partition")
    keys = (run.tags.get(name, "") for run in runs for name in names)
    return {key.rpartition("|")[0] for key in keys if key}


def text_of(tries: Mapping[str, Tries]) -> str:
    """As it is kept between looks."""
    return json.dumps({key: asdict(one) for key, one in tries.items()}, separators=(",", ":"))


def parse(cursor: str | None) -> dict[str, Tries]:
    """What was remembered; nothing where it cannot be read, which only delays a try."""
    try:
        return {key: Tries(**value) for key, value in json.loads(cursor or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _request(key: str, now: Tries) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{key}/{now.last_at}",
        # The file was made: only its delivery is to be done again, and that of no other file.
        asset_selection=[dg.AssetKey("chargeback_deliveries")],
        tags=range_tags(key, key),
    )
