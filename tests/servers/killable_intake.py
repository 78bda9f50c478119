"""An intake worker in a process that kills itself at a step, or ends when nothing is left to claim."""

import threading
import time

from cardops.adapters.postgresql.accounts import deposits
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.bootstrap import Adapters
from cardops.rules.intake.files import FileStatus
from cardops.settings import Settings
from orchestration.local import intake_worker
from orchestration.local.intake_process import make_worker
from tests.servers.killable_day import die_when


# The file is claimed; its run was not begun.
def die_before_the_run() -> None:
    die_when(intake_worker.IntakeTrack, "_run", lambda *_: True, after=False)


# In the open transaction of the first deposits.
def die_in_the_credit() -> None:
    die_when(deposits, "credit_chunk", lambda *_, **__: True, after=True)


# The deposits are credited; the ledger says that the file is being applied.
def die_before_the_end_is_recorded() -> None:
    for name in ("finish", "finish_all"):  # of one file, of a group
        die_when(PostgresIntakeLedger, name, lambda *_: True, after=False)


PLACES = {
    "claimed": die_before_the_run,
    "credit": die_in_the_credit,
    "finish": die_before_the_end_is_recorded,
}


def work_and_die(place: str | None) -> None:
    """Ingest what arrives, with the settings of this process's environment."""
    if place:
        PLACES[place]()
    settings = Settings.load()
    worker = make_worker(settings)
    adapters = Adapters(settings)
    ledger, store = adapters.intake_ledger, adapters.raw_store

    def is_idle() -> bool:
        stats = store.list_objects("incoming/")
        known = ledger.known_versions(store.url, [stat.key for stat in stats])
        is_waiting = any(file.status is FileStatus.CLAIMED for file in ledger.unfinished())
        return len(known) == len(stats) and not is_waiting

    def stop_when_idle() -> None:
        while not is_idle():
            time.sleep(0.2)
        worker.stop()

    if place is None:
        threading.Thread(target=stop_when_idle, daemon=True).start()
    worker.run()
